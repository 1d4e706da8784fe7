//! What stands behind a signature beside the mathematics: whose certificate, which logs, whose clocks.

use super::Rejection;
use crate::trust::RootId;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What logs, timestamp authorities and a certificate say of a signature that holds; each of it verified against one
/// trusted root. Of a signature by a key there may be nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backing {
    pub(super) root: Option<(RootId, String)>,
    pub(super) claims: BTreeMap<&'static str, String>,
    pub(super) logs: Vec<Logged>,
    pub(super) timestamps: Vec<Stamped>,
    pub(super) sct_logs: BTreeSet<Vec<u8>>,
    pub(super) passed_over: Vec<Rejection>,
}

/// An entry of a log of the trusted root, about this very signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The log's name.
    pub log: Vec<u8>,
    /// Where the log is, by the trusted root's word.
    pub url: String,
    /// The entry's place in the log.
    pub index: u64,
    /// Whether it was proven to be in the log; else the log has promised to take it in.
    pub proven: bool,
    /// When the log says that it took it in; only with its own signature on it.
    pub integrated: Option<Timestamp>,
}

/// A timestamp authority of the trusted root saw the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// The authority's name.
    pub authority: String,
    /// When.
    pub time: Timestamp,
}

/// What has to stand behind a signature by a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// Different transparency logs that have an entry of it.
    pub logs: usize,
    /// Whether each entry has to be proven to be in its log: a promise, all that v0.1 bundles have, does not count.
    pub proofs: bool,
    /// Different timestamp authorities that saw it.
    pub timestamps: usize,
    /// Different certificate transparency logs that saw the certificate.
    pub scts: usize,
}

impl Default for Demands {
    /// What Sigstore's clients ask for: one log, one certificate transparency log.
    fn default() -> Self {
        Self { logs: 1, proofs: false, timestamps: 0, scts: 1 }
    }
}

impl Demands {
    /// Nothing: the certificate alone.
    pub const NONE: Self = Self { logs: 0, proofs: false, timestamps: 0, scts: 0 };
}

impl Backing {
    /// By which trusted root it was verified, and what that is called.
    #[must_use]
    pub fn root(&self) -> Option<(RootId, &str)> {
        self.root.as_ref().map(|(id, name)| (*id, name.as_str()))
    }

    /// What the certificate says beside the identity, by the names that policies have for it: `source-repository-uri`, …
    #[must_use]
    pub fn claims(&self) -> &BTreeMap<&'static str, String> {
        &self.claims
    }

    /// The log entries that hold.
    #[must_use]
    pub fn logs(&self) -> &[Logged] {
        &self.logs
    }

    /// The timestamps that hold.
    #[must_use]
    pub fn timestamps(&self) -> &[Stamped] {
        &self.timestamps
    }

    /// How many certificate transparency logs saw the certificate.
    #[must_use]
    pub fn scts(&self) -> usize {
        self.sct_logs.len()
    }

    /// What came with the signature and is by nobody whom the trusted root names: it neither helps nor harms.
    #[must_use]
    pub fn passed_over(&self) -> &[Rejection] {
        &self.passed_over
    }

    /// The times that somebody trusted states for the signature, earliest first.
    #[must_use]
    pub fn times(&self) -> Vec<Timestamp> {
        let integrated = self.logs.iter().filter_map(|entry| entry.integrated);
        let mut times: Vec<_> = integrated.chain(self.timestamps.iter().map(|stamp| stamp.time)).collect();
        times.sort_unstable();
        times
    }

    /// Whether as much stands behind the signature as is asked for.
    ///
    /// # Errors
    /// What is missing; where something of that kind came along and was passed over, why it was.
    pub fn meets(&self, demands: &Demands) -> Result<(), Rejection> {
        let logs: BTreeSet<_> =
            self.logs.iter().filter(|entry| entry.proven || !demands.proofs).map(|entry| &entry.log).collect();
        let authorities: BTreeSet<_> = self.timestamps.iter().map(|stamp| &stamp.authority).collect();
        let short = if logs.len() < demands.logs {
            Rejection::LogMissing { wanted: demands.logs, found: logs.len(), proven: demands.proofs }
        } else if authorities.len() < demands.timestamps {
            Rejection::TimestampMissing { wanted: demands.timestamps, found: authorities.len() }
        } else if self.sct_logs.len() < demands.scts {
            Rejection::SctMissing { wanted: demands.scts, found: self.sct_logs.len() }
        } else {
            return Ok(());
        };
        let stranger = self.passed_over.iter().find(|one| {
            matches!(
                (&short, one),
                (Rejection::LogMissing { .. }, Rejection::LogUnknown(_))
                    | (Rejection::TimestampMissing { .. }, Rejection::TimestampUnknown)
            )
        });
        Err(stranger.cloned().unwrap_or(short))
    }
}
