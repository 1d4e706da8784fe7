//! `policy export --to buildkit`: a policy names no digests and BuildKit verifies no signatures, so it is the images of a build
//! that are verified, and written by their digests.

use crate::{
    args::{ExportArgs, JudgeArgs},
    cmd::{
        pin::{judge_all, state},
        verify::{policy_source, warn},
    },
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    settings,
};
use boltseal::{
    limits::Limits,
    oci::Repository,
    ops::{pull::may_be_used, source_policy::source_policy, verify::Verifier},
};
use jiff::Timestamp;
use serde_json::json;
use std::{fs, time::Duration};

/// Below the folder that is written into.
const FILE: &str = "source-policy.json";

pub async fn export(args: ExportArgs, output: &Output) -> Result<Exit, Failure> {
    let ExportArgs { policy, lock, dir, images, timeout, registry, to: _ } = args;
    if let Some(layout) = images.iter().find(|image| matches!(image.repository, Repository::Layout(_))) {
        return Err(Failure::usage(format!("{layout}: expected an image of a registry")));
    }
    if images.is_empty() {
        return Err(Failure::usage(
            "a policy names no digests, by which alone BuildKit can deny: name the images of the build, or use \
             `boltseal pin --source-policy FILE Dockerfile`",
        ));
    }
    let judging = JudgeArgs { policy, lock: lock.clone(), ..JudgeArgs::default() };
    let judge = settings::judge(&judging, "policy export", output)?;
    let session = settings::session(&registry)?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let asked = images.iter().map(|reference| (reference.to_string(), reference.clone())).collect();
    let judged = judge_all(&judge, &verifier, asked, Duration::from_secs(timeout)).await;
    let (mut exit, mut allowed, mut told, mut text) = (Exit::Done, Vec::new(), Vec::new(), String::new());
    for (name, judged) in judged {
        let (word, worst, why) = state(&judged);
        if let Ok(verification) = &judged
            && may_be_used(verification)
        {
            let subject = verification.findings.subject();
            warn(verification, subject.reference(), output);
            allowed.push((subject.reference().clone(), subject.digest()));
        }
        exit = exit.worst(worst);
        let line = format!("{word:<8} {name}: {why}");
        text.push_str(&printable(line.trim_end_matches(": ")));
        text.push('\n');
        told.push(json!({ "image": name, "state": word, "why": why }));
    }
    let path = dir.join(FILE);
    if exit == Exit::Done {
        fs::create_dir_all(&dir).map_err(|error| Failure::supplied(format!("{}: {error}", dir.display())))?;
        settings::write_over(&path, format!("{:#}\n", source_policy(&allowed)).as_bytes())?;
    }
    let files = if exit == Exit::Done { vec![path.display().to_string()] } else { Vec::new() };
    let value = json!({
        "version": JSON_VERSION, "policy": policy_source(&judge), "images": told, "files": files, "exit": exit as u8,
    });
    output.result(&value, || text + &files.iter().map(|file| format!("{file}: written\n")).collect::<String>());
    Ok(exit)
}
