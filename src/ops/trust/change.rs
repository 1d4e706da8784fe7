//! Changes of roles that can be made again on a newer file: what a writer wants, not what it wrote.

use super::draft::Draft;
use crate::{
    crypto::{Fingerprint, PublicKey},
    format::tuf::{Key, RoleName, Root, Target, Targets},
    oci::Digest,
    trust::tuf::author::{self, AuthorError, NewDelegation, Signers},
};
use std::collections::{BTreeMap, BTreeSet};

/// A change of a targets role.
#[derive(Clone, Debug)]
pub enum Change {
    /// List a tag, or change what it stands for.
    SetTag {
        /// The tag.
        tag: String,
        /// What it stands for.
        target: Target,
    },
    /// List a tag no more.
    RemoveTag(String),
    /// Say that a digest is no longer to be used.
    Revoke {
        /// The manifest's digest.
        digest: Digest,
        /// Its length in bytes.
        length: u64,
        /// The manifests that it lists.
        lists: Vec<Digest>,
        /// Why.
        reason: String,
    },
    /// Delegate to a role.
    Delegate {
        /// The role.
        role: RoleName,
        /// Its keys.
        keys: Vec<PublicKey>,
        /// How many of them have to sign.
        threshold: u64,
        /// The paths it is asked for.
        paths: Vec<String>,
        /// Whether nobody after it is asked.
        terminating: bool,
    },
    /// Delegate to a role no more.
    Undelegate(RoleName),
    /// Give a delegated role one more key.
    AddSigner(RoleName, PublicKey),
    /// Take a key from a delegated role.
    RemoveSigner(RoleName, Fingerprint),
    /// Set how many keys of a delegated role have to sign.
    Threshold(RoleName, u64),
    /// Give the hashed bins of the role, which this file delegates to, the keys and the threshold that it has there.
    AlignBins(RoleName, Box<Targets>),
    /// Sign again, with a new time to expire: a version above this one.
    Renew {
        /// The version that is too old.
        above: u64,
    },
}

impl Change {
    /// Makes the change.
    ///
    /// # Errors
    /// As the author of metadata says.
    pub(super) fn apply(&self, targets: &mut Targets) -> Result<(), AuthorError> {
        match self {
            Self::SetTag { tag, target } => author::set_tag(targets, tag, target.clone()),
            Self::RemoveTag(tag) => author::remove_tag(targets, tag),
            Self::Revoke { digest, length, lists, reason } => author::revoke(targets, digest, *length, lists, reason),
            Self::Delegate { role, keys, threshold, paths, terminating } => {
                let paths: Vec<_> = paths.iter().map(String::as_str).collect();
                let signers = Signers { keys, threshold: *threshold };
                let new = NewDelegation { role, signers, paths: &paths, terminating: *terminating, first: false };
                author::delegate(targets, &new)
            }
            Self::Undelegate(role) => author::undelegate(targets, role),
            Self::AddSigner(role, key) => author::add_signer(targets, role, key),
            Self::RemoveSigner(role, key) => author::remove_signer(targets, role, *key),
            Self::Threshold(role, threshold) => author::set_signer_threshold(targets, role, *threshold),
            Self::AlignBins(role, by) => author::align_bins(by, role, targets),
            Self::Renew { .. } => Ok(()),
        }
    }

    /// The path that it lists otherwise.
    pub(super) fn path(&self) -> Option<String> {
        match self {
            Self::SetTag { tag, .. } | Self::RemoveTag(tag) => Some(tag.clone()),
            Self::Revoke { digest, .. } => Some(revoked_path(digest)),
            _ => None,
        }
    }

    /// The role whose file it changes, where a role is to have it: a list may be in hashed bins.
    pub(super) fn lister(&self, draft: &Draft<'_>, role: &RoleName) -> RoleName {
        self.path().map_or_else(|| role.clone(), |path| draft.lister(role, &path))
    }

    /// Whether a file has the change already.
    pub(super) fn is_in(&self, targets: &Targets) -> bool {
        let has = |role: &RoleName, key: Fingerprint| has_key(targets, role, key);
        match self {
            Self::SetTag { tag, target } => targets.targets.get(tag) == Some(target),
            Self::RemoveTag(tag) => !targets.targets.contains(tag),
            Self::Revoke { digest, lists, .. } => targets.targets.get(&revoked_path(digest)).is_some_and(|entry| {
                let listed: BTreeSet<_> = entry.listed_digests().collect();
                lists.iter().all(|digest| listed.contains(digest))
            }),
            Self::Delegate { role, keys, .. } => {
                targets.delegation(role).is_some() && keys.iter().all(|key| has(role, key.fingerprint()))
            }
            Self::Undelegate(role) => targets.delegation(role).is_none(),
            Self::AddSigner(role, key) => has(role, key.fingerprint()),
            Self::RemoveSigner(role, key) => !has(role, *key),
            Self::Threshold(role, threshold) => {
                targets.delegation(role).is_some_and(|delegation| delegation.keys.threshold == *threshold)
            }
            Self::AlignBins(role, by) => author::bins_are_aligned(by, role, targets),
            Self::Renew { above } => targets.header.version > *above,
        }
    }
}

fn revoked_path(digest: &Digest) -> String {
    format!("revoked/{}/{}", digest.algorithm(), digest.hex())
}

/// A change of the root: who signs the top-level roles.
#[derive(Clone, Debug)]
pub enum RootChange {
    /// Give a top-level role one more key.
    AddKey(RoleName, PublicKey),
    /// Take a key from a top-level role.
    RemoveKey(RoleName, Fingerprint),
    /// Set how many keys of a top-level role have to sign.
    Threshold(RoleName, u64),
    /// Sign again, with a new time to expire: a version above this one.
    Renew {
        /// The version that is too old.
        above: u64,
    },
}

impl RootChange {
    /// Makes the change.
    ///
    /// # Errors
    /// As the author of metadata says.
    pub(super) fn apply(&self, root: &mut Root) -> Result<(), AuthorError> {
        match self {
            Self::AddKey(role, key) => author::add_key(root, role, key),
            Self::RemoveKey(role, key) => author::remove_key(root, role, *key),
            Self::Threshold(role, threshold) => author::set_threshold(root, role, *threshold),
            Self::Renew { .. } => Ok(()),
        }
    }

    /// Whether a root has the change already.
    pub(super) fn is_in(&self, root: &Root) -> bool {
        let has = |role: &RoleName, key: Fingerprint| {
            root.role(role).is_some_and(|keys| is_among(&root.keys, &keys.keyids, key))
        };
        match self {
            Self::AddKey(role, key) => has(role, key.fingerprint()),
            Self::RemoveKey(role, key) => !has(role, *key),
            Self::Threshold(role, threshold) => root.role(role).is_some_and(|keys| keys.threshold == *threshold),
            Self::Renew { above } => root.header.version > *above,
        }
    }
}

/// Whether a delegation names a key.
pub(super) fn has_key(targets: &Targets, role: &RoleName, key: Fingerprint) -> bool {
    let found = targets.delegations.as_ref().zip(targets.delegation(role));
    found.is_some_and(|(delegations, delegation)| is_among(&delegations.keys, &delegation.keys.keyids, key))
}

fn is_among(keys: &BTreeMap<String, Key>, ids: &[String], key: Fingerprint) -> bool {
    fingerprints(keys, ids).any(|found| found == key)
}

/// The fingerprints of the usable keys behind ids.
pub(super) fn fingerprints<'k>(
    keys: &'k BTreeMap<String, Key>,
    ids: &'k [String],
) -> impl Iterator<Item = Fingerprint> + 'k {
    ids.iter().filter_map(|id| Some(keys.get(id)?.decode().ok()?.fingerprint()))
}

/// What a writer wants of a repository's trust data.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// Changes of the root.
    pub root: Vec<RootChange>,
    /// Changes of targets roles, the upper roles first.
    pub roles: Vec<(RoleName, Vec<Change>)>,
    /// A role whose waiting files are signed as they are, and the digests of what is signed in those that were reviewed.
    pub cosign: Option<(RoleName, BTreeSet<Digest>)>,
    /// Whether timestamp and snapshot are signed again though nothing else changes.
    pub seal: bool,
}

impl Edits {
    /// Adds changes of roles, but for paths that are changed here already.
    pub(super) fn add(&mut self, more: impl Iterator<Item = (RoleName, Vec<Change>)>) {
        for (role, changes) in more {
            let own = self.roles.iter().filter(|(of, _)| *of == role).flat_map(|(_, changes)| changes);
            let own: BTreeSet<_> = own.filter_map(Change::path).collect();
            let new = changes.into_iter().filter(|change| change.path().is_none_or(|path| !own.contains(&path)));
            let new: Vec<_> = new.collect();
            match self.roles.iter_mut().find(|(of, _)| *of == role) {
                Some((_, changes)) => changes.extend(new),
                None => self.roles.push((role, new)),
            }
        }
    }

    /// Whether a draft has all of it. What is only signed along is in place once nothing of it waits.
    pub(super) fn are_in(&self, draft: &Draft<'_>) -> bool {
        let waits = |(role, _): &(RoleName, _)| draft.waiting().iter().any(|waiting| waiting.role == *role);
        let is_in = |(role, changes): &(RoleName, Vec<Change>)| {
            let has = |change: &Change| {
                let file = draft.file(&change.lister(draft, role));
                file.is_some_and(|file| change.is_in(file.signed()))
            };
            draft.file(role).is_some() && changes.iter().all(has)
        };
        self.root.iter().all(|change| change.is_in(draft.root.signed()))
            && self.roles.iter().all(is_in)
            && !self.cosign.as_ref().is_some_and(waits)
    }
}
