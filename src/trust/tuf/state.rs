use super::{
    Floors, LookupError, RoleFloor, RootFloor, UpdateError,
    graph::{Graph, Search},
    trusted::Trusted,
};
use crate::{
    format::tuf::{Metadata, Role, RoleName, Root, Snapshot, Target, Targets},
    oci::Digest,
    trust::Principal,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a complete update verified: the one source of answers about paths and tags.
///
/// Only [`super::Update::finish`] makes it. It says what the roles say; whether that is enough is the policy's say.
#[derive(Debug)]
#[must_use]
pub struct TrustState {
    pub(super) root: Trusted<Root>,
    pub(super) timestamp: Trusted<crate::format::tuf::Timestamp>,
    pub(super) snapshot: Trusted<Snapshot>,
    pub(super) graph: Graph,
    pub(super) floors: Floors,
    /// What is revoked, and why, where boltseal's rules held.
    pub(super) revoked: BTreeMap<Digest, Option<String>>,
    /// The repository that the roles are bound to, where boltseal's rules held.
    pub(super) repository: Option<String>,
    /// The time of the update.
    pub(super) now: Timestamp,
}

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'s> {
    /// The role that answers.
    pub role: &'s RoleName,
    /// Its answer.
    pub target: &'s Target,
}

/// What is no longer to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The manifest's digest.
    pub digest: Digest,
    /// Why, as the signer says.
    pub reason: Option<String>,
}

/// A role's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleState<'s> {
    /// The role.
    pub name: &'s RoleName,
    /// Its version.
    pub version: u64,
    /// From when on it no longer counts.
    pub expires: Timestamp,
    /// The digest of its file.
    pub digest: Digest,
    /// Who signed it.
    pub signers: BTreeSet<Principal>,
}

impl TrustState {
    /// What a path stands for, by the search of TUF 1.0.34, 5.6.7. By boltseal's rules a revoked target is an error, and so is
    /// one without SHA-256.
    ///
    /// # Errors
    /// Nobody who may list the path lists it, who may could not be used, or what it stands for is revoked.
    pub fn lookup(&self, path: &str) -> Result<Listed<'_>, LookupError> {
        let (role, target) = match self.graph.search(path) {
            Search::Found(role, target) => (role, target),
            Search::NotFound(passed_over) => {
                return Err(match passed_over.first() {
                    Some((role, error)) => LookupError::RoleUnusable {
                        path: path.to_owned(),
                        role: (*role).clone(),
                        id: error.id(),
                        why: error.to_string(),
                    },
                    None => LookupError::NotListed { path: path.to_owned() },
                });
            }
            Search::Needs(edge) => {
                return Err(LookupError::RoleUnusable {
                    path: path.to_owned(),
                    role: edge.child,
                    id: "unfinished",
                    why: "this update did not read it".to_owned(),
                });
            }
        };
        if self.repository.is_some() {
            let digest = digest_of(path, role, target)?;
            if let Some(Revocation { reason, .. }) = self.revoked(&digest) {
                return Err(LookupError::Revoked { path: path.to_owned(), digest, reason });
            }
        }
        Ok(Listed { role, target })
    }

    /// As [`TrustState::lookup`], where each of these roles has to say the same: reached over delegations that cover the
    /// path, it lists the path with the same SHA-256 and length.
    ///
    /// # Errors
    /// As [`TrustState::lookup`], or a role says otherwise or nothing.
    pub fn lookup_agreed(&self, path: &str, roles: &[RoleName]) -> Result<Listed<'_>, LookupError> {
        let first = self.lookup(path)?;
        let expected = digest_of(path, first.role, first.target)?;
        let may_list = self.graph.may_list(path);
        for role in roles {
            let target = may_list.get(role).and_then(|role| self.graph.answer(role, path)).map(|(_, target)| target);
            let found = target.and_then(Target::sha256);
            if found != Some(expected) || target.is_some_and(|target| target.length != first.target.length) {
                return Err(LookupError::RolesDisagree {
                    path: path.to_owned(),
                    first: first.role.clone(),
                    expected: (expected, first.target.length).into(),
                    role: role.clone(),
                    found: target.zip(found).map(|(target, digest)| (digest, target.length).into()),
                });
            }
        }
        Ok(first)
    }

    /// All paths that any role lists; [`TrustState::lookup`] says which of them have an answer.
    #[must_use]
    pub fn paths(&self) -> BTreeSet<&str> {
        let files = self.graph.files.values();
        files.flat_map(|file| file.metadata.signed().targets.iter().map(|(path, _)| path)).collect()
    }

    /// The paths that stand for this digest, or for an index that lists it.
    pub fn listed<'s>(&'s self, digest: &'s Digest) -> impl Iterator<Item = (&'s str, Listed<'s>)> {
        let is = move |target: &Target| {
            target.sha256().as_ref() == Some(digest) || target.listed_digests().any(|listed| listed == *digest)
        };
        let files = self.graph.files.values().flat_map(|file| file.metadata.signed().targets.iter());
        let paths: BTreeSet<_> = files.filter(|(_, target)| is(target)).map(|(path, _)| path).collect();
        paths.into_iter().filter_map(move |path| {
            let listed = self.lookup(path).ok().filter(|listed| is(listed.target))?;
            Some((path, listed))
        })
    }

    /// The repository that the roles are bound to, where boltseal's rules held.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        self.repository.as_deref()
    }

    /// The entry that revokes a digest. The digest of an index revokes the platforms' manifests that the entry lists.
    #[must_use]
    pub fn revoked(&self, digest: &Digest) -> Option<Revocation> {
        self.revoked.get(digest).map(|reason| Revocation { digest: *digest, reason: reason.clone() })
    }

    /// All roles that are part of this state, top-level roles first.
    #[must_use]
    pub fn roles(&self) -> Vec<RoleState<'_>> {
        let top = [
            role_state(&RoleName::Root, &self.root, self.root.signers.clone()),
            role_state(&RoleName::Timestamp, &self.timestamp, self.timestamp.signers.clone()),
            role_state(&RoleName::Snapshot, &self.snapshot, self.snapshot.signers.clone()),
        ];
        let files = self.graph.files.iter();
        top.into_iter().chain(files.map(|(name, file)| role_state(name, file, self.graph.signers(name)))).collect()
    }

    /// Roles that have expired, which only a lenient [`super::Expiry`] lets in, and since when.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Vec<(&RoleName, Timestamp)> {
        let top = [
            (&RoleName::Root, self.root.metadata.expires()),
            (&RoleName::Timestamp, self.timestamp.metadata.expires()),
            (&RoleName::Snapshot, self.snapshot.metadata.expires()),
        ];
        let files = self.graph.files.iter().map(|(role, file)| (role, file.metadata.expires()));
        top.into_iter().chain(files).filter(|(_, expires)| *expires <= now).collect()
    }

    /// Delegations that could not be used: who delegates, to whom, and why not.
    pub fn passed_over(&self) -> impl Iterator<Item = (&RoleName, &RoleName, &UpdateError)> {
        let edges = self.graph.edges.iter();
        edges.filter_map(|((parent, child), result)| Some((parent, child, result.as_ref().err()?)))
    }

    /// Who signed a targets role; whom a policy's `min-signers` counts.
    #[must_use]
    pub fn signers(&self, role: &RoleName) -> BTreeSet<Principal> {
        self.graph.signers(role)
    }

    /// The newest root.
    #[must_use]
    pub fn root(&self) -> &Metadata<Root> {
        &self.root.metadata
    }

    /// The newest timestamp.
    #[must_use]
    pub fn timestamp(&self) -> &Metadata<crate::format::tuf::Timestamp> {
        &self.timestamp.metadata
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Metadata<Snapshot> {
        &self.snapshot.metadata
    }

    /// A targets role.
    #[must_use]
    pub fn targets(&self, role: &RoleName) -> Option<&Metadata<Targets>> {
        self.graph.files.get(role).map(|file| &file.metadata)
    }

    /// A role's file, byte for byte as it was read.
    #[must_use]
    pub fn file(&self, role: &RoleName) -> Option<&[u8]> {
        match role {
            RoleName::Root => Some(self.root.bytes()),
            RoleName::Timestamp => Some(self.timestamp.bytes()),
            RoleName::Snapshot => Some(self.snapshot.bytes()),
            RoleName::Targets | RoleName::Delegated(_) => self.graph.files.get(role).map(Trusted::bytes),
        }
    }

    /// What a later update goes on from. A role that could not be read keeps the floor it had: nobody but its own keys
    /// raises it.
    #[must_use]
    pub fn floors(&self) -> Floors {
        let mut floors = self.floors.clone();
        floors.root = Some(RootFloor { version: self.root.metadata.version(), digest: Some(self.root.digest) });
        for role in self.roles().into_iter().filter(|role| *role.name != RoleName::Root) {
            let keys = match role.name {
                RoleName::Timestamp => self.timestamp.keys.clone(),
                RoleName::Snapshot => self.snapshot.keys.clone(),
                RoleName::Targets => self.graph.files.get(role.name).map(|file| file.keys.clone()).unwrap_or_default(),
                role => self.graph.keys(role),
            };
            let floor = RoleFloor { version: role.version, digest: Some(role.digest), keys };
            floors.roles.insert(role.name.clone(), floor);
        }
        floors.revoked.extend(self.revoked.keys());
        floors
    }

    /// The version of each role.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<&RoleName, u64> {
        self.roles().into_iter().map(|role| (role.name, role.version)).collect()
    }

    /// No delegated role is older than it was seen, whether or not anybody still delegates to it; what is revoked was
    /// read, and what was revoked still is.
    pub(super) fn check_last(&self) -> Result<(), UpdateError> {
        let role = RoleName::from(RoleName::REVOKED);
        let listed = self.graph.targets(&RoleName::Targets).is_some_and(|targets| targets.delegation(&role).is_some());
        if self.repository.is_some() && listed && !self.graph.is_usable(&RoleName::Targets, &role) {
            return Err(UpdateError::Missing { file: role.meta_name(), role });
        }
        for (role, floor) in self.floors.roles.iter().filter(|(role, _)| !role.is_top_level()) {
            let keys = self.graph.keys(role);
            let holds = keys.is_empty() || floor.holds(&keys);
            let Some(listed) = self.snapshot.metadata.signed().file(role).filter(|_| holds) else { continue };
            let (found, known) = (listed.version, floor.version);
            if found < known {
                return Err(UpdateError::Rollback { role: role.clone(), found, known });
            }
            let digests = self.graph.files.get(role).map(|file| file.digest).zip(floor.digest);
            if let Some((found, known)) =
                digests.filter(|(now, before)| listed.version == floor.version && now != before)
            {
                return Err(UpdateError::VersionReused { role: role.clone(), version: floor.version, known, found });
            }
        }
        match self.floors.revoked.iter().find(|digest| !self.revoked.contains_key(digest)) {
            Some(digest) if self.repository.is_some() => Err(UpdateError::RevocationDropped { digest: *digest }),
            _ => Ok(()),
        }
    }
}

fn role_state<'s, R: Role>(name: &'s RoleName, file: &Trusted<R>, signers: BTreeSet<Principal>) -> RoleState<'s> {
    let (version, expires) = (file.metadata.version(), file.metadata.expires());
    RoleState { name, version, expires, digest: file.digest, signers }
}

fn digest_of(path: &str, role: &RoleName, target: &Target) -> Result<Digest, LookupError> {
    target.sha256().ok_or_else(|| LookupError::NoDigest { path: path.to_owned(), role: role.clone() })
}
