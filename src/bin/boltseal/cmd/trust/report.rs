//! Results of one repository or of several, as text and as JSON.

use super::view;
use crate::{
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
};
use boltseal::{
    crypto::Fingerprint,
    format::tuf::RoleName,
    oci::RepositoryName,
    ops::trust::{Published, Sealing, SignedTag, Waiting},
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What became of one repository.
pub struct Shown {
    pub exit: Exit,
    /// An object.
    pub value: Value,
    pub text: String,
}

impl Shown {
    pub fn done(value: Value, text: String) -> Self {
        Self { exit: Exit::Done, value, text }
    }

    /// Shows the only result of a run.
    pub fn show(mut self, output: &Output) -> Exit {
        self.put("version", JSON_VERSION);
        self.put("exit", self.exit as u8);
        output.result(&self.value, || self.text);
        self.exit
    }

    /// Adds a member to the JSON.
    pub fn put(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(members) = self.value.as_object_mut() {
            members.insert(name.to_owned(), value.into());
        }
    }
}

/// Works on several repositories, one after the other; the worst result counts.
pub async fn each(
    repositories: &[RepositoryName],
    output: &Output,
    one: impl AsyncFn(&RepositoryName) -> Result<Shown, Failure>,
) -> Exit {
    let (mut exit, mut results) = (Exit::Done, Vec::new());
    for repository in repositories {
        let mut shown = one(repository).await.unwrap_or_else(|failure| {
            output.failure_line(&failure);
            let value = json!({ "repository": repository.to_string(), "error": failure.message });
            Shown { exit: failure.exit, value, text: String::new() }
        });
        exit = exit.worst(shown.exit);
        if output.is_json() {
            shown.put("exit", shown.exit as u8);
            results.push(shown.value);
        } else {
            output.raw(&shown.text);
        }
    }
    if output.is_json() {
        let all = json!({ "version": JSON_VERSION, "results": results, "exit": exit as u8 });
        output.raw(&format!("{all:#}\n"));
    }
    exit
}

/// What became of a tag that was signed.
pub fn signed_tag(repository: &RepositoryName, signed: &SignedTag) -> Shown {
    let mut shown = published(repository, &signed.published);
    let _ = writeln!(shown.text, "  tag      {} {}", signed.tag, signed.digest);
    shown.put("tag", signed.tag.as_str());
    shown.put("digest", signed.digest.to_string());
    shown
}

/// What became of a change.
pub fn published(repository: &RepositoryName, published: &Published) -> Shown {
    let (word, exit) = match published.sealing {
        Sealing::Sealed => ("sealed", Exit::Done),
        Sealing::Unchanged => ("unchanged", Exit::Done),
        Sealing::Staged => ("staged", Exit::Unknown),
    };
    let mut text = match published.sealing {
        Sealing::Staged => format!("staged, not sealed: {repository}\n"),
        _ => format!("{word}  {repository}\n"),
    };
    for (role, version) in &published.signed {
        let _ = writeln!(text, "  signed   {} version {version}", printable(role.as_str()));
    }
    text.extend(published.waiting.iter().map(waiting_text));
    let sealers = sealers(published);
    if !sealers.is_empty() {
        let keys: Vec<_> = sealers.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  waiting  for `trust refresh` with a sealing key: {}", keys.join(", "));
    }
    let signed = published.signed.iter().map(|(role, version)| json!({ "role": role, "version": version }));
    let value = json!({
        "repository": repository.to_string(), "sealing": word, "signed": signed.collect::<Vec<_>>(),
        "waiting": published.waiting.iter().map(waiting_json).collect::<Vec<_>>(),
        "sealers": sealers.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Shown { exit, value, text }
}

/// Whose keys are waited for, where nothing but a seal is missing.
fn sealers(published: &Published) -> Vec<Fingerprint> {
    match (published.sealing, published.waiting.is_empty()) {
        (Sealing::Staged, true) => view::keys(published.state(), &RoleName::Timestamp),
        _ => Vec::new(),
    }
}

/// What lacks signatures.
pub fn waiting_text(waiting: &Waiting) -> String {
    let Waiting { role, version, signed, needed } = waiting;
    let role = printable(role.as_str());
    format!("  waiting  {role} version {version}: {signed} of {needed} signatures; `trust cosign {role}` adds one\n")
}

pub fn waiting_json(waiting: &Waiting) -> Value {
    let Waiting { role, version, signed, needed } = waiting;
    json!({ "role": role, "version": version, "signed": signed, "needed": needed })
}
