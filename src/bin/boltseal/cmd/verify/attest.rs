//! `verify --attest-vsa`: each decision, signed and attached.

use super::Row;
use crate::{
    args::SummaryArgs,
    exit::{Exit, Failure},
    output::Output,
    render::logging,
    settings::{self, By, Judge},
};
use boltseal::{
    format::{predicate::is_uri, tuf::percent_encode},
    ops::{
        summary::{SummaryRequest, attest_summary, summary},
        verify::Verification,
    },
    registry::Session,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Who attests decisions.
pub struct Attester {
    verifier: String,
    pub by: By,
}

/// What became of one decision's summary.
pub enum Said {
    /// It is attached.
    Attested { text: String, value: Value },
    /// It is not.
    Unsaid(Failure),
}

impl Attester {
    pub async fn new(verifier: &str, args: &SummaryArgs, output: &Output) -> Result<Self, Failure> {
        if !is_uri(verifier) {
            let message = format!("--attest-vsa {verifier}: expected the verifier's id, a URI");
            return Err(Failure::usage(message));
        }
        let by = settings::by(args.vsa_key.as_deref(), &args.password, &args.keyless(), output).await?;
        Ok(Self { verifier: verifier.to_owned(), by })
    }

    /// Says one decision on. What can't be said, or not be pushed, is not done: "could not tell" at least.
    pub async fn say(&self, session: &Session, verification: &Verification, judge: &Judge, now: Timestamp) -> Said {
        let Some((path, digest)) = &judge.file else {
            let message = "--attest-vsa names the policy that decided: expected a policy file";
            return Said::Unsaid(Failure::usage(message));
        };
        // The file's name alone: where it lies on this machine is nobody's business.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let uri = format!("file:{}", percent_encode(&name, b""));
        let request =
            SummaryRequest { signer: self.by.signatory(), verifier: &self.verifier, policy: (&uri, *digest), now };
        let predicate = match summary(&judge.policy, verification, &request) {
            Ok(predicate) => predicate,
            Err(why) => return Said::Unsaid(Failure::new(Exit::Unknown, format!("nothing is attested: {why}"))),
        };
        let result = predicate.get("verificationResult").and_then(Value::as_str).unwrap_or_default().to_owned();
        match attest_summary(session, verification, predicate, &request).await {
            Ok(attested) => {
                let logged = attested.logging.as_ref().map(logging::to_text).unwrap_or_default();
                let (key, identity) = self.by.to_json();
                let value = json!({
                    "result": result, "verifier": self.verifier, "key": key, "identity": identity,
                    "log": attested.logging.as_ref().map(logging::to_json),
                });
                Said::Attested { text: format!("  attested {result}, by {}{logged}\n", self.verifier), value }
            }
            Err(error) => Said::Unsaid(error.into()),
        }
    }
}

impl Said {
    /// Tells it beside the decision; the worse exit code counts.
    pub fn add_to(self, row: &mut Row, output: &Output) {
        let value = match self {
            Self::Attested { text, value } => {
                row.text.push_str(&text);
                value
            }
            Self::Unsaid(failure) => {
                output.failure_line(&failure);
                row.exit = row.exit.worst(failure.exit);
                json!({ "error": failure.message })
            }
        };
        if let Some(members) = row.value.as_object_mut() {
            members.insert("vsa".to_owned(), value);
            members.insert("exit".to_owned(), (row.exit as u8).into());
        }
    }
}
