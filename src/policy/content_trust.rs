use super::rule::mapped;
use crate::{
    crypto::Fingerprint,
    format::tuf::RoleName,
    oci::{Repository, RepositoryName},
};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a scope asks of its repositories' trust states: signed tags, in the manner of Docker Content Trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentTrust {
    /// The root keys that the first root has to be signed by.
    pub root: Option<RootPins>,
    /// The lock file that says what is known, as the policy writes its path.
    pub lock: Option<String>,
    /// The roles that have to agree on a tag; not empty.
    pub require_roles: Vec<RoleName>,
    /// How many principals have to have signed these roles; at least 1.
    pub min_signers: usize,
    /// What is done about a timestamp or snapshot that has expired.
    pub on_expired: OnExpired,
    /// What is asked of an image that is named by digest.
    pub by_digest: ByDigest,
    /// Under which names the states were signed, by prefix of what is asked for; empty: under its own.
    pub map: BTreeMap<String, String>,
    /// Copies at the image are read in the place of the repository's live state, and how old these may be.
    pub travel: Option<SignedDuration>,
    /// What is done where nothing is known of a repository.
    pub tofu: Tofu,
}

/// The root keys of a trust state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootPins {
    /// SHA-256 of each key's SubjectPublicKeyInfo.
    pub keys: BTreeSet<Fingerprint>,
    /// How many of them have to have signed the first root; 1 to all.
    pub threshold: u64,
    /// The least version that the newest root may have.
    pub min_version: Option<u64>,
}

/// What is done about a timestamp or snapshot that has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExpired {
    /// It is refused.
    #[default]
    Fail,
    /// It counts for so long after it expired.
    MaxStale(SignedDuration),
}

/// What is asked of an image that is named by digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ByDigest {
    /// Some tag of the signed map has to stand for it.
    #[default]
    Listed,
    /// Nothing of the map; what else the scope asks for has to be met. What is revoked is denied all the same.
    Signatures,
    /// Images have to be named by tag.
    Deny,
}

/// What is done where nothing is known of a repository: trust on first use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tofu {
    /// Nothing is trusted.
    #[default]
    Deny,
    /// The first root that is seen is trusted, and remembered.
    Once,
}

impl ContentTrust {
    /// The name that a repository's trust state has to be signed for; none for a layout that the map does not name.
    #[must_use]
    pub fn signed_name(&self, asked: &Repository) -> Option<RepositoryName> {
        mapped(&self.map, &asked.to_string())
    }

    /// Whether a role counts although it expired: as `on-expired` has it, and in a copy as long as copies may be old.
    #[must_use]
    pub fn lets_pass(&self, role: &RoleName, since: Timestamp, now: Timestamp) -> bool {
        let copy = self.travel.map(OnExpired::MaxStale);
        self.on_expired.allows(role, since, now) || copy.is_some_and(|copy| copy.allows(role, since, now))
    }
}

impl OnExpired {
    /// Whether a role counts although it expired: timestamp and snapshot may, for so long.
    #[must_use]
    pub fn allows(self, role: &RoleName, since: Timestamp, now: Timestamp) -> bool {
        let sealing = matches!(role, RoleName::Timestamp | RoleName::Snapshot);
        matches!(self, Self::MaxStale(most) if sealing && now.duration_since(since) <= most)
    }
}
