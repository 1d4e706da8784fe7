use crate::{crypto::Fingerprint, format::tuf::RoleName, oci::Digest};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of a repository before: an update goes on from here or is refused.
///
/// Plain data, kept by the caller. It comes from [`super::TrustState::floors`], which holds only what verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    /// The newest root.
    pub root: Option<RootFloor>,
    /// The newest version of every other role.
    pub roles: BTreeMap<RoleName, RoleFloor>,
    /// What was revoked.
    pub revoked: BTreeSet<Digest>,
}

/// The newest root that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFloor {
    /// Its version.
    pub version: u64,
    /// The digest of its file; none where only the version is known.
    pub digest: Option<Digest>,
}

/// The newest file of a role that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleFloor {
    /// Its version.
    pub version: u64,
    /// The digest of its file; none where only the version is known.
    pub digest: Option<Digest>,
    /// The role's keys then; empty where they are not known.
    pub keys: BTreeSet<Fingerprint>,
}

impl RoleFloor {
    /// Whether the floor still holds for a role with these keys: unless none of its old keys remains.
    ///
    /// A stolen key could have signed a version that nobody can count on from. Changing all keys of the role is the way
    /// out (TUF 1.0.34, 5.3.11), and only who may name the role's keys can do that.
    #[must_use]
    pub(super) fn holds(&self, keys: &BTreeSet<Fingerprint>) -> bool {
        self.keys.is_empty() || !self.keys.is_disjoint(keys)
    }
}
