//! What judges answer.

use super::Law;
use crate::{oci::Digest, registry::Session};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Instant};

/// What was decided of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// What was judged. None where no scope matches, in a mode that only tells: what a tag means was not asked then.
    pub digest: Option<Digest>,
    /// What came of it.
    pub ruling: Ruling,
    /// The scope that counted.
    pub scope: Option<String>,
    /// Why, on one line that can be printed.
    pub reason: String,
    /// When it stops to count, where another server made it.
    #[serde(skip)]
    pub(super) until: Option<Instant>,
}

/// Credentials of others than the operator. What is decided with them is held for whoever has the same, and for nobody else.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Connections that use them.
    pub session: Session,
    /// Tells them from others.
    pub identity: Digest,
}

/// What may be done with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ruling {
    /// It may be used.
    Allowed,
    /// It would be denied, if the mode were not permissive.
    WouldDeny,
    /// The mode is disabled.
    NotJudged,
    /// It must not be used.
    Denied,
}

/// Why there is no verdict. It is no leave to use the image.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Undecided {
    /// The registry says that it is not there.
    #[error("{0}")]
    Absent(String),
    /// Nothing that the registry has could be allowed.
    #[error("{0}")]
    Denied(String),
    /// It could not be told.
    #[error("could not tell: {0}")]
    Unknown(String),
}

/// A verdict, and how it was come by.
#[must_use]
#[derive(Clone, Debug)]
pub struct Judged {
    /// The verdict, or why there is none.
    pub verdict: Result<Arc<Verdict>, Undecided>,
    /// Whether it was held, or made for somebody else at the same time.
    pub cached: bool,
    /// The law that it was judged by.
    pub law: Arc<Law>,
}

impl Ruling {
    /// Whether the image may be used.
    #[must_use]
    pub fn may_be_used(self) -> bool {
        self != Self::Denied
    }

    /// Its word in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::WouldDeny => "would-deny",
            Self::NotJudged => "not-judged",
            Self::Denied => "denied",
        }
    }
}

impl Undecided {
    /// Its word in logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Absent(_) => "absent",
            Self::Denied(_) => "denied",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl Judged {
    /// Whether the image may be used.
    #[must_use]
    pub fn may_be_used(&self) -> bool {
        self.verdict.as_ref().is_ok_and(|verdict| verdict.ruling.may_be_used())
    }

    /// The digest that may be used, if one may and it is known.
    #[must_use]
    pub fn usable(&self) -> Option<Digest> {
        self.verdict.as_ref().ok().filter(|verdict| verdict.ruling.may_be_used())?.digest
    }

    /// The decision's word in logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.verdict {
            Ok(verdict) => verdict.ruling.name(),
            Err(undecided) => undecided.name(),
        }
    }

    /// Why, on one line that can be printed.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.verdict {
            Ok(verdict) => verdict.reason.clone(),
            Err(undecided) => undecided.to_string(),
        }
    }
}
