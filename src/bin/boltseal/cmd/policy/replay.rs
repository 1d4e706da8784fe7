//! `policy replay`: kept decisions, judged again. What it says is what would have been; it never says "allowed".

use super::offline;
use crate::{
    args::ReplayArgs,
    cmd::verify::policy_source,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    render::verification::{reasons, verdict},
    settings::file_policy,
};
use boltseal::ops::{
    evidence::{Kept, folders},
    verify::{Verification, Verifier},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _};

/// What is said of a decision that nobody may act on.
const WOULD: [(&str, &str); 5] = [
    ("allowed", "would be allowed"),
    ("denied", "would be denied"),
    ("would-deny", "would be denied and passed"),
    ("not-judged", "would not be judged"),
    ("could-not-tell", "could not be told"),
];

fn would(word: &str) -> &'static str {
    WOULD.iter().find(|(known, _)| *known == word).map_or("of a word that is not known", |(_, would)| would)
}

struct Replayed {
    kept: Kept,
    /// The word for the decision, as `verify` would have it.
    word: &'static str,
    reasons: Vec<(String, String)>,
}

impl Replayed {
    fn changed(&self) -> bool {
        self.kept.decision != self.word
    }
}

pub async fn run(args: ReplayArgs, output: &Output) -> Result<Exit, Failure> {
    let judge = file_policy(args.policy)?;
    let (session, limits) = offline()?;
    let mut found = Vec::new();
    for path in &args.kept {
        found.extend(folders(path)?);
    }
    let (mut text, mut exit) = (String::new(), Exit::Done);
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut results = Vec::new();
    for folder in found {
        let kept = Kept::read(&folder)?;
        let now = args.at.unwrap_or(kept.time);
        let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: None };
        let replayed = replay(kept, &verifier).await;
        exit = exit.worst(match (replayed.changed(), replayed.word) {
            (_, "could-not-tell") => Exit::Unknown,
            (true, _) => Exit::Denied,
            (false, _) => Exit::Done,
        });
        *counts.entry((replayed.kept.decision.clone(), replayed.word)).or_default() += 1;
        if replayed.changed() || args.all {
            text.push_str(&to_text(&replayed));
        }
        results.push(to_json(&replayed));
    }
    for ((then, word), count) in &counts {
        let kind = if then == word { "unchanged" } else { "CHANGED" };
        let _ = writeln!(text, "{count:>6}  {kind:9}  {} -> {}", printable(then), would(word));
    }
    let value = json!({
        "version": JSON_VERSION, "policy": policy_source(&judge), "replayed": results,
        "changed": results.iter().filter(|one| one["changed"] == true).count(), "exit": exit as u8,
    });
    output.result(&value, || text);
    output.note("replayed, not verified: nothing here says that an image may be used");
    Ok(exit)
}

async fn replay(kept: Kept, verifier: &Verifier<'_>) -> Replayed {
    let told = |verification: &Verification| {
        reasons(verification).iter().map(|reason| (reason.id().to_owned(), reason.to_string())).collect()
    };
    let (word, reasons) = match kept.verify(verifier).await {
        Ok(verification) => (verdict(&verification).0, told(&verification)),
        Err(error) => ("could-not-tell", vec![("error".to_owned(), error.to_string())]),
    };
    Replayed { kept, word, reasons }
}

fn to_text(replayed: &Replayed) -> String {
    let Replayed { kept, word, reasons } = replayed;
    let mut text = format!("{}  {}\n", printable(&kept.reference.to_string()), kept.time);
    let _ = writeln!(text, "  digest   {}", kept.digest);
    let _ = writeln!(text, "  then     {}\n  now      {}", printable(&kept.decision), would(word));
    for (id, message) in reasons {
        let _ = writeln!(text, "  reason   {id}: {}", printable(message));
    }
    text
}

fn to_json(replayed: &Replayed) -> Value {
    let Replayed { kept, word, reasons } = replayed;
    let reasons: Vec<_> = reasons.iter().map(|(id, message)| json!({ "id": id, "message": message })).collect();
    json!({
        "folder": kept.folder.display().to_string(), "reference": kept.reference.to_string(), "digest": kept.digest.to_string(),
        "time": kept.time, "then": kept.decision, "would": would(word), "changed": replayed.changed(), "reasons": reasons,
    })
}
