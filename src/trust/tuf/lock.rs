//! `boltseal.lock`: the least that a machine without memory may accept, committed beside what it deploys.

use super::{Floors, RoleFloor, RootFloor, TrustState, TrustedStart};
use crate::{
    crypto::Fingerprint,
    format::tuf::RoleName,
    json::{self, JsonError},
    limits::TUF_VERSION,
    oci::Digest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const VERSION: u64 = 1;

/// The content of a `boltseal.lock`: for each repository what was last verified of its trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustLock {
    repositories: BTreeMap<String, LockedTrust>,
}

/// What is locked of one repository's trust: keys to start from, versions not to fall behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedTrust {
    root: LockedRoot,
    timestamp: u64,
    snapshot: LockedFile,
    /// The versions of the targets roles.
    roles: BTreeMap<RoleName, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedRoot {
    version: u64,
    /// The digest of the file.
    #[serde(with = "hex_digest")]
    sha256: Digest,
    /// SHA-256 of each root key's SubjectPublicKeyInfo.
    keys: BTreeSet<Fingerprint>,
    threshold: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedFile {
    version: u64,
    #[serde(with = "hex_digest")]
    sha256: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<R> {
    version: u64,
    repositories: R,
}

/// Why bytes are no lock, or why an entry of one does not take another's place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Not strict JSON, or not of this shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A lock of another version.
    #[error("the lock is of version {0}, expected {VERSION}")]
    Version(Value),
    /// A version that no file has.
    #[error("{repository}: the version of {role} is {found}, expected 1 to {TUF_VERSION}")]
    RoleVersion {
        /// The repository.
        repository: String,
        /// The role.
        role: RoleName,
        /// Its version.
        found: u64,
    },
    /// A threshold that nothing or nobody can meet.
    #[error("{repository}: the threshold of root is {found}, expected 1 to {keys}, the number of its keys")]
    Threshold {
        /// The repository.
        repository: String,
        /// The threshold.
        found: u64,
        /// How many keys there are.
        keys: usize,
    },
    /// A role among the targets roles that is none.
    #[error("{repository}: {role} stands among the targets roles")]
    NotTargets {
        /// The repository.
        repository: String,
        /// The role.
        role: RoleName,
    },
    /// An older version would take the locked one's place.
    #[error("{repository}: {role} {found} is older than {locked}, which is locked")]
    Lowered {
        /// The repository.
        repository: String,
        /// The role.
        role: RoleName,
        /// The version that was to be locked.
        found: u64,
        /// The version that is.
        locked: u64,
    },
    /// Another file of the locked version would take its place.
    #[error("{repository}: {role} {version} is {found}, but {locked} is locked under this version")]
    Reused {
        /// The repository.
        repository: String,
        /// The role.
        role: RoleName,
        /// The version.
        version: u64,
        /// The digest that was to be locked.
        found: Digest,
        /// The digest that is.
        locked: Digest,
    },
}

impl TrustLock {
    /// Decodes a lock. Its size is the caller's to bound.
    ///
    /// # Errors
    /// Not strict JSON, a member that is not known, another version of the format, a version outside of 1 to
    /// [`TUF_VERSION`], a threshold outside of 1 to the number of keys.
    pub fn decode(bytes: &[u8]) -> Result<Self, LockError> {
        let value = json::decode_value(bytes)?;
        match value.get("version") {
            Some(version) if *version != VERSION => return Err(LockError::Version(version.clone())),
            _ => {}
        }
        let wire: Wire<BTreeMap<String, LockedTrust>> = Wire::deserialize(value).map_err(JsonError::from)?;
        wire.repositories.iter().try_for_each(|(repository, trust)| trust.check(repository))?;
        Ok(Self { repositories: wire.repositories })
    }

    /// The same bytes for the same content: JSON to be read and compared by people.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let wire = Wire { version: VERSION, repositories: &self.repositories };
        // Maps with text keys and no foreign `Serialize`: it can't fail.
        let mut bytes = serde_json::to_vec_pretty(&wire).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// What is locked of a repository.
    #[must_use]
    pub fn get(&self, repository: &str) -> Option<&LockedTrust> {
        self.repositories.get(repository)
    }

    /// Locks a repository's trust. Roles that only an earlier entry has keep their versions.
    ///
    /// # Errors
    /// [`LockError::Lowered`] or [`LockError::Reused`] if an entry is there that says more: who verified with its floors
    /// can't come here with less.
    pub fn insert(&mut self, repository: String, trust: LockedTrust) -> Result<(), LockError> {
        let trust = match self.repositories.get(&repository) {
            Some(before) => trust.after(before, &repository)?,
            None => trust,
        };
        self.repositories.insert(repository, trust);
        Ok(())
    }
}

impl LockedTrust {
    /// What a verified state leaves to be locked.
    #[must_use]
    pub fn of(state: &TrustState) -> Self {
        let root = &state.root;
        let threshold = root.metadata.signed().role(&RoleName::Root).map_or(0, |role| role.threshold);
        let roles = state.floors().roles.into_iter();
        Self {
            root: LockedRoot {
                version: root.metadata.version(),
                sha256: root.digest,
                keys: root.keys.clone(),
                threshold,
            },
            timestamp: state.timestamp.metadata.version(),
            snapshot: LockedFile { version: state.snapshot.metadata.version(), sha256: state.snapshot.digest },
            roles: roles.filter(|(role, _)| is_targets(role)).map(|(role, floor)| (role, floor.version)).collect(),
        }
    }

    /// The keys to start an update from.
    #[must_use]
    pub fn start(&self) -> TrustedStart {
        TrustedStart::Pinned { keys: self.root.keys.clone(), threshold: self.root.threshold }
    }

    /// What an update may not fall behind. The keys that the roles had are not known, so the floors hold for any.
    #[must_use]
    pub fn floors(&self) -> Floors {
        let floor = |version, digest| RoleFloor { version, digest, keys: BTreeSet::new() };
        let sealing = [
            (RoleName::Timestamp, floor(self.timestamp, None)),
            (RoleName::Snapshot, floor(self.snapshot.version, Some(self.snapshot.sha256))),
        ];
        let roles = self.roles.iter().map(|(role, version)| (role.clone(), floor(*version, None)));
        Floors {
            root: Some(RootFloor { version: self.root.version, digest: Some(self.root.sha256) }),
            roles: sealing.into_iter().chain(roles).collect(),
            revoked: BTreeSet::new(),
        }
    }

    /// The digest of the locked snapshot's file.
    #[must_use]
    pub fn snapshot_digest(&self) -> Digest {
        self.snapshot.sha256
    }

    fn check(&self, repository: &str) -> Result<(), LockError> {
        let repository = || repository.to_owned();
        for (role, floor) in self.versions() {
            if !(1..=TUF_VERSION).contains(&floor.0) {
                return Err(LockError::RoleVersion { repository: repository(), role: role.clone(), found: floor.0 });
            }
        }
        let (found, keys) = (self.root.threshold, self.root.keys.len());
        if found == 0 || found > keys as u64 {
            return Err(LockError::Threshold { repository: repository(), found, keys });
        }
        match self.roles.keys().find(|role| !is_targets(role)) {
            Some(role) => Err(LockError::NotTargets { repository: repository(), role: role.clone() }),
            None => Ok(()),
        }
    }

    /// This entry in the place of an earlier one.
    fn after(mut self, before: &Self, repository: &str) -> Result<Self, LockError> {
        let now: BTreeMap<_, _> = self.versions().collect();
        for (role, (locked, locked_digest)) in before.versions() {
            let Some((found, digest)) = now.get(role).copied() else { continue };
            let (repository, role) = (repository.to_owned(), role.clone());
            if found < locked {
                return Err(LockError::Lowered { repository, role, found, locked });
            }
            match digest.zip(locked_digest) {
                Some((now, before)) if found == locked && now != before => {
                    return Err(LockError::Reused { repository, role, version: found, found: now, locked: before });
                }
                _ => {}
            }
        }
        for (role, version) in &before.roles {
            self.roles.entry(role.clone()).or_insert(*version);
        }
        Ok(self)
    }

    /// Each role's version, and the digest of its file where that is locked too.
    fn versions(&self) -> impl Iterator<Item = (&RoleName, (u64, Option<Digest>))> {
        let sealed = [
            (&RoleName::Root, (self.root.version, Some(self.root.sha256))),
            (&RoleName::Timestamp, (self.timestamp, None)),
            (&RoleName::Snapshot, (self.snapshot.version, Some(self.snapshot.sha256))),
        ];
        sealed.into_iter().chain(self.roles.iter().map(|(role, version)| (role, (*version, None))))
    }
}

fn is_targets(role: &RoleName) -> bool {
    matches!(role, RoleName::Targets | RoleName::Delegated(_))
}

/// A SHA-256 in hex without the algorithm's name, as `sha256sum` prints it.
mod hex_digest {
    use super::Digest;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digest.hex())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let hex = String::deserialize(deserializer)?;
        format!("sha256:{hex}").parse().map_err(D::Error::custom)
    }
}
