//! `policy test`: a folder of cases, each judged and compared with what is expected.

use super::offline;
use crate::{
    args::PolicyTestArgs,
    cmd::verify::policy_source,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    render::verification::{reasons, verdict},
    settings::{Judge, file_policy},
};
use boltseal::ops::{
    policy_test::{Case, CaseFile, Word, read_cases},
    verify::Verifier,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What became of a case: nothing, or why it failed.
struct Ran {
    name: String,
    found: String,
    ids: Vec<String>,
    details: Vec<String>,
    failed: Option<String>,
}

pub async fn run(args: PolicyTestArgs, output: &Output) -> Result<Exit, Failure> {
    let files = read_cases(&args.dir)?;
    let mut text = String::new();
    let (mut ran, mut shown) = (Vec::new(), Vec::new());
    for file in files {
        let judge = file_policy(args.policy.clone().or_else(|| file.policy.clone()))?;
        let results = run_file(&file, &judge, &mut text).await?;
        let cases: Vec<_> = results.iter().map(to_json).collect();
        shown.push(json!({ "file": file.path.display().to_string(), "policy": policy_source(&judge), "cases": cases }));
        ran.extend(results);
    }
    let failed: Vec<_> = ran.iter().filter_map(|ran| Some((ran, ran.failed.as_ref()?))).collect();
    for (ran, why) in &failed {
        let _ = writeln!(text, "\n---- {} ----\n{}", printable(&ran.name), printable(why));
        for detail in &ran.details {
            let _ = writeln!(text, "  {}", printable(detail));
        }
    }
    let (passed, count) = (ran.len() - failed.len(), failed.len());
    let exit = if failed.is_empty() { Exit::Done } else { Exit::Denied };
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    let _ = writeln!(text, "\ntest result: {word}. {passed} passed; {count} failed");
    let value = json!({
        "version": JSON_VERSION, "files": shown, "passed": passed, "failed": count, "exit": exit as u8,
    });
    output.result(&value, || text);
    Ok(exit)
}

async fn run_file(file: &CaseFile, judge: &Judge, text: &mut String) -> Result<Vec<Ran>, Failure> {
    let (session, limits) = offline()?;
    let mut results = Vec::with_capacity(file.cases.len());
    for case in &file.cases {
        let verifier =
            Verifier { session: &session, policy: &judge.policy, now: case.time, limits: &limits, trust: None };
        let ran = run_case(case, &verifier).await;
        let end = if ran.failed.is_none() { "ok" } else { "FAILED" };
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let _ = writeln!(text, "test {}::{} ... {end}", printable(&name), printable(&case.name));
        results.push(ran);
    }
    Ok(results)
}

async fn run_case(case: &Case, verifier: &Verifier<'_>) -> Ran {
    let (found, told) = match case.verify(verifier).await {
        Ok(verification) => {
            let told = reasons(&verification).iter().map(|reason| (reason.id().to_owned(), reason.to_string()));
            (verdict(&verification).0, told.collect())
        }
        Err(error) => (Word::CouldNotTell.text(), vec![("error".to_owned(), error.to_string())]),
    };
    let expected = case.expect.decision.text();
    let missing = case.expect.reasons.iter().find(|id| !told.iter().any(|(found, _)| found == *id));
    let failed = match missing {
        _ if found != expected => Some(format!("expected {expected}; found {found}")),
        Some(id) => Some(format!("expected the reason {id}; it is {found} for others")),
        None => None,
    };
    let details = told.iter().map(|(id, message)| format!("{id}: {message}")).collect();
    let ids = told.into_iter().map(|(id, _)| id).collect();
    Ran { name: case.name.clone(), found: found.to_owned(), ids, details, failed }
}

fn to_json(ran: &Ran) -> Value {
    json!({
        "name": ran.name, "passed": ran.failed.is_none(), "found": ran.found, "reasons": ran.ids, "details": ran.details,
        "failure": ran.failed,
    })
}
