use super::Floors;
use crate::{crypto::Fingerprint, format::tuf::RoleName, limits::UpdateLimits};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What an update trusts before it has read anything.
#[derive(Clone, Debug)]
pub enum TrustedStart {
    /// Keys that were pinned: the first root is the oldest one that enough of them signed.
    Pinned {
        /// SHA-256 of each key's SubjectPublicKeyInfo.
        keys: BTreeSet<Fingerprint>,
        /// How many of them have to have signed, at least 1.
        threshold: u64,
    },
    /// The bytes of a root that was trusted before, or came by a trusted way.
    Root(Vec<u8>),
}

/// Whose rules hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rules {
    /// The specification's alone: any TUF repository. A delegated role that can't be used ends the search.
    Tuf,
    /// Boltseal's on top, for the trust state of an image repository.
    ///
    /// Targets roles are bound to the repository; timestamp and snapshot versions count seconds; everything is listed
    /// with length and SHA-256; one key under two ids of a role is refused; what is revoked stays so. A delegated
    /// role that can't be used is passed over, `targets/revoked` apart.
    Boltseal {
        /// The image repository, `host/path`, that the roles have to name.
        repository: String,
    },
}

/// Which delegated roles are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// None: the four top-level roles alone.
    TopLevel,
    /// Those that are asked for these paths, for each one after the other until one lists it.
    Paths(Vec<String>),
    /// All that can be reached.
    All,
}

/// What is done about a role that has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It is refused.
    Refuse,
    /// Timestamp and snapshot count for so long after they expired; everything else is refused.
    MaxStale(SignedDuration),
    /// It counts: for who renews it, shows it, or only warns. [`super::TrustState::overdue`] tells.
    InsecureAccept,
}

/// What an update is held to. The time is the update's own: it is read once, before (TUF 1.0.34, 5.1).
#[derive(Clone, Debug)]
pub struct Terms {
    /// The time of the update.
    pub now: Timestamp,
    /// Whose rules hold.
    pub rules: Rules,
    /// Which delegated roles are read.
    pub scope: Scope,
    /// What is done about a role that has expired.
    pub expiry: Expiry,
    /// What was seen before.
    pub floors: Floors,
    /// Files that were kept from before, by role. They save reading them again and are floors too, as far as the keys
    /// that the newest root names signed them (TUF 1.0.34, 5.4.3, 5.5.5).
    pub known: BTreeMap<RoleName, Vec<u8>>,
    /// The bounds.
    pub limits: UpdateLimits,
}

impl Terms {
    /// Nothing seen before, nothing expired allowed, all roles read, the usual bounds.
    #[must_use]
    pub fn new(now: Timestamp, rules: Rules) -> Self {
        Self {
            now,
            rules,
            scope: Scope::All,
            expiry: Expiry::Refuse,
            floors: Floors::default(),
            known: BTreeMap::new(),
            limits: UpdateLimits::default(),
        }
    }

    pub(super) fn is_boltseal(&self) -> bool {
        self.repository().is_some()
    }

    pub(super) fn repository(&self) -> Option<&str> {
        match &self.rules {
            Rules::Tuf => None,
            Rules::Boltseal { repository } => Some(repository),
        }
    }
}
