use super::{Warning, delegations::Delegated, signers::Holders};
use crate::{
    crypto::Fingerprint,
    format::notary::{FileMeta, KeyId, RoleKeys, Signed, Targets},
    oci::{Digest, Reference},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Docker's role for what may be pulled; it comes before `targets`.
const RELEASES: &str = "targets/releases";

/// A repository's trust data, verified: made by [`super::verify`] alone. Nothing that did not verify is in it.
#[derive(Clone, Debug)]
#[must_use]
pub struct NotaryState {
    repository: String,
    root_version: u64,
    tags: BTreeMap<String, SignedTag>,
    signers: Vec<Signer>,
    roles: Vec<RoleState>,
    warnings: Vec<Warning>,
}

/// What a tag means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedTag {
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's size in bytes.
    pub length: u64,
    /// The role that docker takes it from: `targets/releases`, else `targets`.
    pub role: String,
    /// Names of the signers whose own role lists the same digest and length, in order.
    pub signers: Vec<String>,
}

/// A delegated role below `targets`, as `docker trust signer` knows it; its name without `targets/`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signer {
    /// The name.
    pub name: String,
    /// The keys that can be used.
    pub keys: Vec<RoleKey>,
    /// Whether a file of its own verified.
    pub published: bool,
}

/// A role whose file verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleState {
    /// The role.
    pub name: String,
    /// The version.
    pub version: u64,
    /// When it expires.
    pub expires: Timestamp,
    /// Whether that is over.
    pub expired: bool,
    /// How many holders have to sign.
    pub threshold: u64,
    /// The holders whose keys can be used.
    pub keys: Vec<RoleKey>,
}

/// A key by both its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleKey {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fingerprint: Fingerprint,
    /// What Notary and `docker trust inspect` call it.
    pub id: KeyId,
}

impl NotaryState {
    /// The repository's full name.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The current root's version.
    #[must_use]
    pub fn root_version(&self) -> u64 {
        self.root_version
    }

    /// The tags that docker would pull, and what they mean.
    #[must_use]
    pub fn tags(&self) -> &BTreeMap<String, SignedTag> {
        &self.tags
    }

    /// The signers, in the order in which `targets` delegates to them.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The roles, from the root down.
    #[must_use]
    pub fn roles(&self) -> &[RoleState] {
        &self.roles
    }

    /// What an importer should know.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// What has verified so far.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) roles: Vec<RoleState>,
    pub(super) expired: Vec<(String, Timestamp)>,
    pub(super) warnings: Vec<Warning>,
}

impl Notes {
    pub(super) fn note<T>(
        &mut self,
        now: Timestamp,
        name: &str,
        signed: &Signed<T>,
        holders: &Holders,
        keys: &RoleKeys,
    ) {
        let expired = signed.expires < now;
        if expired {
            self.expired.push((name.to_owned(), signed.expires));
        }
        self.roles.push(RoleState {
            name: name.to_owned(),
            version: signed.version,
            expires: signed.expires,
            expired,
            threshold: keys.threshold,
            keys: role_keys(holders),
        });
    }
}

fn role_keys(holders: &Holders) -> Vec<RoleKey> {
    holders.keys().iter().map(|(id, key)| RoleKey { fingerprint: key.fingerprint(), id: *id }).collect()
}

/// Draws the conclusions: tags as docker resolves them, and who vouches for each.
pub(super) fn assemble(
    repository: &str,
    root_version: u64,
    top: &Targets,
    delegated: &BTreeMap<String, Delegated>,
    done: Notes,
) -> NotaryState {
    let Notes { roles, mut warnings, .. } = done;
    let releases = delegated.get(RELEASES).and_then(|role| role.targets.as_ref());
    let mut tags = BTreeMap::new();
    for (role, targets) in releases.map(|targets| (RELEASES, targets)).into_iter().chain([("targets", top)]) {
        for (name, file) in &targets.targets {
            if !is_tag(repository, name) {
                warnings.push(Warning::NotATag { role: role.to_owned(), name: name.clone() });
            } else if !tags.contains_key(name) {
                tags.insert(name.clone(), signed_tag(name, file, role, delegated));
            }
        }
    }
    let mut unreleased: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for (role, one) in delegated.iter().filter(|(role, _)| *role != RELEASES) {
        for name in
            one.targets.iter().flat_map(|targets| targets.targets.keys()).filter(|name| !tags.contains_key(*name))
        {
            unreleased.entry(name).or_default().push(role.clone());
        }
    }
    let unreleased = unreleased.into_iter();
    warnings.extend(unreleased.map(|(tag, roles)| Warning::NotReleased { tag: tag.clone(), roles }));
    let listed = top.delegations.iter().filter(|delegation| delegation.name != RELEASES);
    let signers = listed.map(|delegation| Signer {
        name: short(&delegation.name),
        keys: role_keys(&Holders::of(&delegation.role)),
        published: delegated.get(&delegation.name).is_some_and(|one| one.targets.is_some()),
    });
    NotaryState { repository: repository.to_owned(), root_version, tags, signers: signers.collect(), roles, warnings }
}

fn signed_tag(name: &str, file: &FileMeta, role: &str, delegated: &BTreeMap<String, Delegated>) -> SignedTag {
    let agrees = |one: &Delegated| {
        let listed = one.targets.as_ref().and_then(|targets| targets.targets.get(name));
        listed.is_some_and(|other| other.sha256 == file.sha256 && other.length == file.length)
    };
    let signers = delegated.values().filter(|one| one.delegation.name != RELEASES && agrees(one));
    SignedTag {
        digest: Digest::Sha256(file.sha256),
        length: file.length,
        role: role.to_owned(),
        signers: signers.map(|one| short(&one.delegation.name)).collect(),
    }
}

fn short(role: &str) -> String {
    role.strip_prefix("targets/").unwrap_or(role).to_owned()
}

fn is_tag(repository: &str, name: &str) -> bool {
    let parsed: Option<Reference> = format!("{repository}:{name}").parse().ok();
    parsed.is_some_and(|reference| reference.tag.as_deref() == Some(name) && reference.digest.is_none())
}
