//! One image, two signers, and a verification of it with the exit code that the command line would end with.

use crate::{
    common::Boltseal,
    evidence::{self, Attached},
    exit::{Exit, Failure},
};
use boltseal::{
    limits::Limits,
    oci::{Descriptor, Manifest, Reference},
    ops::verify::Verifier,
    policy::{Decision, Policy},
    registry::{Options, Session},
    sign::{LocalSigner, Signer as _},
};
use jiff::Timestamp;
use std::{net::SocketAddr, time::Duration};

/// What there is beside the evidence that a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing; the policy asks for A's signature.
    Nothing,
    /// A's signature at another place; the policy asks for A's signature.
    Good,
    /// B's signature at another place; the policy asks for A's and B's.
    Half,
}

impl Beside {
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Good, Self::Half];
}

/// What all cases share; made once, since everything in it is bytes.
pub struct World {
    pub a: LocalSigner,
    pub b: LocalSigner,
    pub stranger: LocalSigner,
    pub image: (Descriptor, Manifest),
    pub bundle_a: Attached,
    pub bundle_b: Attached,
    pub sig_a: (Vec<u8>, String),
    pub sig_b: (Vec<u8>, String),
}

impl World {
    pub async fn new() -> Self {
        let (a, b, stranger) = (evidence::signer(), evidence::signer(), evidence::signer());
        let image = evidence::image("hostile");
        let subject = &image.0;
        Self {
            bundle_a: evidence::bundle(&a, subject).await,
            bundle_b: evidence::bundle(&b, subject).await,
            sig_a: evidence::simple(&a, &subject.digest).await,
            sig_b: evidence::simple(&b, &subject.digest).await,
            image,
            a,
            b,
            stranger,
        }
    }

    /// The bundle that stands beside, if one does.
    pub fn bundle(&self, beside: Beside) -> Option<&Attached> {
        match beside {
            Beside::Nothing => None,
            Beside::Good => Some(&self.bundle_a),
            Beside::Half => Some(&self.bundle_b),
        }
    }

    /// The simple signature that stands beside, if one does.
    pub fn sig(&self, beside: Beside) -> Option<&(Vec<u8>, String)> {
        match beside {
            Beside::Nothing => None,
            Beside::Good => Some(&self.sig_a),
            Beside::Half => Some(&self.sig_b),
        }
    }

    fn keys(&self, beside: Beside) -> Vec<&LocalSigner> {
        if beside == Beside::Half { vec![&self.a, &self.b] } else { vec![&self.a] }
    }

    pub fn policy(&self, beside: Beside) -> Policy {
        let keys = self.keys(beside);
        evidence::policy(&keys, keys.len())
    }

    /// Verifies in this process, with short waits.
    pub async fn verify(&self, reference: &Reference, beside: Beside, read_timeout: Duration) -> Ended {
        let options = Options { backoff: Duration::from_millis(1), read_timeout, ..Options::default() };
        let session = Session::new(options).expect("no files to read");
        let (policy, limits) = (self.policy(beside), Limits::default());
        let verifier =
            Verifier { session: &session, policy: &policy, now: Timestamp::UNIX_EPOCH, limits: &limits, trust: None };
        match verifier.verify(reference, None).await {
            Err(error) => Ended { exit: Failure::from(error).exit as i32, ..Ended::default() },
            Ok(done) => {
                let (exit, reasons) = match &done.outcome.decision {
                    Decision::Allow(_) | Decision::NotJudged => (Exit::Done, Vec::new()),
                    Decision::Deny(reasons) => (Exit::Denied, reasons.clone()),
                    Decision::Undetermined(reasons) => (Exit::Unknown, reasons.clone()),
                };
                Ended {
                    exit: exit as i32,
                    reasons: reasons.iter().map(|reason| reason.id().to_owned()).collect(),
                    rejected: done.findings.rejected().iter().map(|one| one.rejection.id().to_owned()).collect(),
                    unread: done.findings.unread().len(),
                }
            }
        }
    }

    /// Verifies with the program itself; its waits are the real ones.
    pub fn verify_by_program(&self, address: SocketAddr, beside: Beside) -> Ended {
        let boltseal = Boltseal::new();
        let keys = self.keys(beside);
        let mut arguments = vec!["verify".to_owned(), "-o".to_owned(), "json".to_owned()];
        for (at, key) in keys.iter().enumerate() {
            let path = boltseal.home.path().join(format!("{at}.pub"));
            std::fs::write(&path, key.public_key().to_pem()).expect("a key file");
            arguments.extend(["--key".to_owned(), path.display().to_string()]);
        }
        arguments.extend(["--threshold".to_owned(), keys.len().to_string(), format!("{address}/app:v1")]);
        let ran = boltseal.run(arguments);
        let result = &ran.json()["results"][0];
        let ids = |list: &str| {
            let items = result[list].as_array().cloned().unwrap_or_default();
            items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
        };
        Ended {
            exit: ran.code,
            reasons: ids("reasons"),
            rejected: ids("rejected"),
            unread: result["unread"].as_array().map_or(0, Vec::len),
        }
    }
}

/// How a verification ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub exit: i32,
    pub reasons: Vec<String>,
    pub rejected: Vec<String>,
    pub unread: usize,
}

impl Ended {
    /// What is wrong with this end, if anything: a fault must be told as one, and only an answer may say "unsigned".
    pub fn complaint(&self, expected: i32) -> Option<String> {
        let told_as_a_fault = self.reasons.is_empty() || self.reasons.iter().any(|id| id == "unread");
        if self.exit != expected {
            Some(format!("exit {}, expected {expected}: {self:?}", self.exit))
        } else if self.exit == 4 && !told_as_a_fault {
            Some(format!("could not tell, without saying what was not read: {self:?}"))
        } else if self.exit == 1 && self.unread > 0 {
            Some(format!("denied although something was not read: {self:?}"))
        } else {
            None
        }
    }
}
