use super::verify::{Show, judge_all};
use crate::{
    args::ResolveArgs,
    exit::{Exit, Failure},
    output::Output,
    render::{provenance, verification::to_text},
};
use boltseal::ops::{pull::may_be_used, verify::Verification};
use serde_json::Value;

pub async fn run(args: ResolveArgs, output: &Output) -> Result<Exit, Failure> {
    let show = Show { json: to_json, text: line, unpinned: |_, _| String::new() };
    judge_all(args.images, &show, output).await
}

/// What is used once it was decided: by digest, without a tag.
fn resolved(verification: &Verification) -> Option<String> {
    let subject = verification.findings.subject();
    may_be_used(verification).then(|| subject.reference().at(subject.digest()).to_string())
}

fn to_json(verification: &Verification) -> Value {
    let mut value = provenance::to_json(verification);
    if let Some(members) = value.as_object_mut() {
        members.insert("resolved".to_owned(), resolved(verification).into());
    }
    value
}

/// The one line that scripts read; why there is none goes beside it.
fn line(verification: &Verification, output: &Output) -> String {
    match resolved(verification) {
        Some(resolved) => format!("{resolved}\n"),
        None => {
            output.note(to_text(verification).trim_end());
            String::new()
        }
    }
}
