//! The next state while it is made: the live one, with what is staged and what is edited on top.

use super::{TrustError, bins::Bins, change::fingerprints, live::Files, staged::Staged, writer::Waiting};
use crate::{
    crypto::Fingerprint,
    format::tuf::{Delegation, Key, Metadata, Role, RoleName, Root, Targets},
    limits::{TUF_DELEGATIONS, TUF_VERSION},
    oci::Digest,
    trust::tuf::{
        Count, TrustState,
        author::{self, root_counts},
    },
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A file of a targets role.
#[derive(Clone, Debug)]
pub(super) struct RoleFile {
    pub metadata: Metadata<Targets>,
    pub bytes: Bytes,
}

/// The next state: every role's newest file that enough of its keys signed, and what still lacks signatures.
#[derive(Debug)]
pub(super) struct Draft<'l> {
    pub live: &'l TrustState,
    pub repository: &'l str,
    pub root: Metadata<Root>,
    /// Complete files newer than the live ones, by role and version: each made from the one before it.
    pub newer: BTreeMap<RoleName, BTreeMap<u64, Bytes>>,
    pub roles: BTreeMap<RoleName, RoleFile>,
    /// Next roots that lack signatures.
    pub waiting_roots: Vec<Metadata<Root>>,
    /// Next files that lack signatures.
    pub waiting: BTreeMap<RoleName, Vec<Metadata<Targets>>>,
    /// The targets roles that somebody delegates to, and who: the nearest to the top, as readers have it; in this order.
    tree: Vec<(RoleName, RoleName)>,
}

impl<'l> Draft<'l> {
    /// The live state as it is.
    pub fn of(live: &'l TrustState, repository: &'l str) -> Self {
        let mut roles = BTreeMap::new();
        for state in live.roles() {
            if let (Some(metadata), Some(bytes)) = (live.targets(state.name), live.file(state.name)) {
                let file = RoleFile { metadata: metadata.clone(), bytes: Bytes::copy_from_slice(bytes) };
                roles.insert(state.name.clone(), file);
            }
        }
        let root = live.root().clone();
        let (newer, waiting_roots, waiting) = Default::default();
        let mut draft = Self { live, repository, root, newer, roles, waiting_roots, waiting, tree: Vec::new() };
        draft.grow();
        draft
    }

    /// Follows the delegations from the top, as many as readers do.
    fn grow(&mut self) {
        let mut tree: Vec<(RoleName, RoleName)> = Vec::new();
        let mut seen = BTreeSet::from([RoleName::Targets]);
        let mut queue = VecDeque::from([RoleName::Targets]);
        while let Some(parent) = queue.pop_front() {
            for child in self.delegations(&parent) {
                if tree.len() < TUF_DELEGATIONS && seen.insert(child.name.clone()) {
                    tree.push((child.name.clone(), parent.clone()));
                    queue.push_back(child.name.clone());
                }
            }
        }
        self.tree = tree;
    }

    /// Takes in what is staged and fits: one after the other, each made from the one before it. What fits and lacks
    /// signatures waits. All writers choose alike between two that were made from the same file: see [`Draft::next_file`].
    pub fn merge(&mut self, staged: &Staged) {
        while let Some(next) = self.next_root(staged) {
            self.take_root(next);
        }
        self.waiting_roots = self.fitting_roots(staged);
        let mut queue = vec![RoleName::Targets];
        let mut seen = BTreeSet::new();
        while let Some(role) = queue.pop() {
            if !seen.insert(role.clone()) {
                continue;
            }
            while let Some((next, bins)) = self.next_file(&role, staged) {
                self.take(&role, next);
                bins.into_iter().for_each(|(bin, file)| self.take(&bin, file));
            }
            let waiting = self.fitting(&role, staged);
            if !waiting.is_empty() {
                self.waiting.insert(role.clone(), waiting);
            }
            let own = self.tree.iter().filter(|(_, parent)| *parent == role);
            queue.extend(own.map(|(child, _)| child.clone()).collect::<Vec<_>>().into_iter().rev());
        }
    }

    fn next_root(&self, staged: &Staged) -> Option<Metadata<Root>> {
        let next = self.fitting_roots(staged).into_iter().filter(|root| self.is_root_complete(root));
        next.min_by_key(|root| Digest::sha256(&root.encode()))
    }

    /// A role's next file that is complete, and the first files of the bins that it brings. Of several the one whose signer
    /// comes after the signer of the file that is there, in a circle: nobody is always too late. Of one signer's the one with
    /// the lower digest.
    fn next_file(&self, role: &RoleName, staged: &Staged) -> Option<(Metadata<Targets>, Bins)> {
        let next = self.fitting(role, staged).into_iter();
        let next = next.filter(|file| self.count(role, file).is_some_and(|count| count.is_met()));
        let next = next.filter_map(|file| self.new_bins(role, &file, staged).map(|bins| (file, bins)));
        let keys = self.keys(role);
        let last = self.file(role).and_then(|file| signer(file, &keys));
        next.min_by_key(|(file, _)| {
            let signer = signer(file, &keys);
            (signer <= last, signer, Digest::sha256(&file.encode()))
        })
    }

    /// Whether a file is for this repository, of this version, and made from the file of this digest.
    pub fn is_made_from(&self, file: &Metadata<Targets>, base: Option<Digest>, version: u64) -> bool {
        let bound = file.signed().binding.as_ref().is_some_and(|binding| binding.repository == self.repository);
        bound && previous(file.signed()) == base && file.version() == version
    }

    /// The staged roots that follow the root that is there: one of its keys at least has signed them. A root that only its
    /// own keys signed is anybody's.
    fn fitting_roots(&self, staged: &Staged) -> Vec<Metadata<Root>> {
        let known =
            |root: &&Metadata<Root>| author::count_top_level(self.root.signed(), &RoleName::Root, *root).signed > 0;
        let next = staged.roots.iter().filter(|root| root.version() == self.root.version() + 1).filter(known);
        let next: Vec<_> = next.collect();
        let next = || next.iter().copied();
        let by_content: BTreeMap<_, _> = next().map(|root| (root.canonical(), root)).collect();
        let joined = by_content.into_iter().flat_map(|(canonical, root)| {
            union(next().filter(|other| other.canonical() == canonical), &self.root_keys(root.signed()))
        });
        joined.collect()
    }

    /// The keys that may sign the root after this one: the old ones and its own.
    pub fn root_keys(&self, next: &Root) -> BTreeMap<String, Key> {
        let mut keys = root_keys(next, &RoleName::Root);
        keys.extend(root_keys(self.root.signed(), &RoleName::Root));
        keys
    }

    /// The staged files of a role that follow the file that is there.
    fn fitting(&self, role: &RoleName, staged: &Staged) -> Vec<Metadata<Targets>> {
        let version = self.next_version(role);
        let base = self.roles.get(role).map(|file| Digest::sha256(&file.bytes));
        let fits = |file: &&Metadata<Targets>| self.is_made_from(file, base, version);
        let mut files = union(staged.of(role).filter(fits), &self.keys(role));
        files.retain(|file| self.new_bins(role, file, staged).is_some());
        files
    }

    /// The version that a role's next file has. A role that was there before goes on counting. One at the last version,
    /// where all keys are others than in the live state, starts anew: a stolen key must not end it, and a reader's floor does
    /// not hold any more then either.
    pub fn next_version(&self, role: &RoleName) -> u64 {
        let listed = self.live.snapshot().signed().file(role).map(|meta| meta.version);
        let version = self.roles.get(role).map(|file| file.metadata.version()).or(listed).unwrap_or_default();
        let replaced = || {
            let before = Draft::of(self.live, self.repository).fingerprints(role);
            self.fingerprints(role).iter().all(|key| !before.contains(key))
        };
        if version >= TUF_VERSION && replaced() { 1 } else { version + 1 }
    }

    /// Takes a root that is complete.
    pub fn take_root(&mut self, root: Metadata<Root>) {
        self.newer.entry(RoleName::Root).or_default().insert(root.version(), root.encode().into());
        self.root = root;
        self.waiting_roots.clear();
    }

    /// Takes a role's next file.
    pub fn take(&mut self, role: &RoleName, metadata: Metadata<Targets>) {
        let bytes = Bytes::from(metadata.encode());
        self.newer.entry(role.clone()).or_default().insert(metadata.version(), bytes.clone());
        self.roles.insert(role.clone(), RoleFile { metadata, bytes });
        self.waiting.remove(role);
        self.grow();
    }

    /// Whether enough keys of the root before it and of its own signed a root.
    pub fn is_root_complete(&self, root: &Metadata<Root>) -> bool {
        root_counts(Some(self.root.signed()), root).iter().all(Count::is_met)
    }

    /// Whether a file is among those that are taken in.
    pub fn has(&self, role: &RoleName, file: &Metadata<Targets>) -> bool {
        let newer = self.newer.get(role).and_then(|files| files.get(&file.version()));
        newer.is_some_and(|bytes| *bytes == file.encode())
    }

    /// A targets role's file, as its next state stands.
    pub fn file(&self, role: &RoleName) -> Option<&Metadata<Targets>> {
        self.roles.get(role).map(|file| &file.metadata)
    }

    /// To whom a role delegates.
    pub fn delegations(&self, role: &RoleName) -> &[Delegation] {
        self.file(role).map_or(&[], |file| file.signed().delegations())
    }

    /// The delegation to a role, and the file that it stands in.
    pub fn delegation(&self, role: &RoleName) -> Option<(&Targets, &Delegation)> {
        let parent = self.file(self.parent(role)?)?.signed();
        Some((parent, parent.delegation(role)?))
    }

    /// Who delegates to a role: of several the nearest to the top.
    pub fn parent(&self, role: &RoleName) -> Option<&RoleName> {
        self.tree.iter().find(|(child, _)| child == role).map(|(_, parent)| parent)
    }

    /// How many of those who may sign a role's file did.
    pub fn count(&self, role: &RoleName, file: &Metadata<Targets>) -> Option<Count> {
        match role {
            RoleName::Targets => Some(author::count_top_level(self.root.signed(), role, file)),
            role => author::count(self.file(self.parent(role)?)?.signed(), role, file).ok(),
        }
    }

    /// The keys that may sign for a role, by id.
    pub fn keys(&self, role: &RoleName) -> BTreeMap<String, Key> {
        if role.is_top_level() {
            return root_keys(self.root.signed(), role);
        }
        let parent = self.parent(role).and_then(|parent| self.file(parent));
        parent.map(|parent| delegated_keys(parent.signed(), role)).unwrap_or_default()
    }

    /// The fingerprints of these.
    pub fn fingerprints(&self, role: &RoleName) -> Vec<Fingerprint> {
        let keys = self.keys(role);
        let ids: Vec<_> = keys.keys().cloned().collect();
        fingerprints(&keys, &ids).collect()
    }

    /// All targets roles that somebody delegates to, the upper ones first.
    pub fn delegated(&self) -> Vec<RoleName> {
        std::iter::once(RoleName::Targets).chain(self.tree.iter().map(|(child, _)| child.clone())).collect()
    }

    /// Roles to which somebody delegates in the live state, and nobody here.
    pub fn removed(&self) -> Vec<RoleName> {
        let still = self.delegated();
        let before = Draft::of(self.live, self.repository).delegated();
        before.into_iter().filter(|role| !still.contains(role)).collect()
    }

    /// Roles whose file does not, or no longer, have enough signatures of those who may sign it now, or lets somebody sign
    /// their bins who may not sign for them.
    pub fn unsigned(&self) -> Vec<RoleName> {
        let lacks = |role: &RoleName| {
            self.file(role).is_some_and(|file| !self.count(role, file).is_some_and(|count| count.is_met()))
        };
        self.delegated().into_iter().filter(|role| lacks(role) || self.opens_bins(role)).collect()
    }

    /// What lacks signatures: next files, and files whose signers may no longer sign.
    pub fn waiting(&self) -> Vec<Waiting> {
        let roots = self.waiting_roots.iter().map(|root| {
            let counts = root_counts(Some(self.root.signed()), root);
            let unmet = counts.iter().find(|count| !count.is_met()).or(counts.first());
            let (signed, needed) = unmet.map_or((0, 0), |count| (count.signed, count.needed));
            Waiting { role: RoleName::Root, version: root.version(), signed, needed }
        });
        let files = self.waiting.iter().flat_map(|(role, files)| files.iter().map(move |file| (role.clone(), file)));
        let unsigned = self.unsigned().into_iter().filter_map(|role| Some((role.clone(), self.file(&role)?)));
        let files = files.chain(unsigned).map(|(role, file)| {
            let (signed, needed) = self.count(&role, file).map_or((0, 0), |count| (count.signed, count.needed));
            Waiting { role, version: file.version(), signed, needed }
        });
        roots.chain(files).collect()
    }

    /// Whether nothing differs from the live state.
    pub fn is_live(&self) -> bool {
        self.newer.is_empty()
    }

    /// Complete files of a role that are newer than the live one, by name.
    pub fn newer(&self, role: &RoleName) -> Files {
        let files = self.newer.get(role).into_iter().flatten();
        files.map(|(version, bytes)| (role.file_name(Some(*version)), bytes.clone())).collect()
    }

    /// What is staged of a role with its next file: those that it was made from too, as far as they are not live. It would
    /// fit nothing without them, and they may stand under the same tag. So do the other parts of a list in hashed bins.
    pub fn staging(&self, role: &RoleName, version: u64, bytes: Bytes) -> Files {
        let list = self.list_of(role);
        let mut files = self.newer(list);
        let bins = self.file(list).into_iter().flat_map(|file| file.signed().bins());
        files.extend(bins.flat_map(|bin| self.newer(&bin.name)));
        files.insert(role.file_name(Some(version)), bytes);
        files
    }

    /// Refuses to go on without a role that is listed and can't be used, where what it said would be lost: the map of tags,
    /// what is revoked. A registry that hides a file for a moment must not have honest writers leave it out for good. Who
    /// only vouches may start afresh. Of a role that was removed only the version is listed: it starts afresh when it comes back.
    pub fn check_usable(&self, role: &RoleName) -> Result<(), TrustError> {
        let listed = self.live.snapshot().signed().file(role).is_some_and(|meta| meta.hashes.is_some());
        let delegation = self.delegation(role).map(|(_, delegation)| delegation);
        let needed = role.as_str() == RoleName::REVOKED
            || delegation.is_some_and(|delegation| delegation.terminating || delegation.is_bin());
        if self.roles.contains_key(role) || !listed || !needed {
            return Ok(());
        }
        let why = self.live.passed_over().find(|(_, child, _)| *child == role);
        let why = why.map_or("it is not delegated to".to_owned(), |(_, _, error)| error.to_string());
        Err(TrustError::RoleUnusable { role: role.clone(), why })
    }
}

/// The digest of the file that one was made from.
pub(super) fn previous(file: &Targets) -> Option<Digest> {
    file.binding.as_ref().and_then(|binding| binding.previous)
}

/// The keys that a targets role lists for one that it delegates to, by id.
pub(super) fn delegated_keys(by: &Targets, role: &RoleName) -> BTreeMap<String, Key> {
    let Some((delegations, delegation)) = by.delegations.as_ref().zip(by.delegation(role)) else {
        return BTreeMap::new();
    };
    some_of(&delegations.keys, &delegation.keys.keyids).collect()
}

/// The keys that a root lists for a role, by id.
pub(super) fn root_keys(root: &Root, role: &RoleName) -> BTreeMap<String, Key> {
    root.role(role).map(|keys| some_of(&root.keys, &keys.keyids).collect()).unwrap_or_default()
}

fn some_of<'k>(keys: &'k BTreeMap<String, Key>, ids: &'k [String]) -> impl Iterator<Item = (String, Key)> + 'k {
    ids.iter().filter_map(|id| Some((id.clone(), keys.get(id)?.clone())))
}

/// The first of these keys' ids under which a file has a signature.
fn signer<R: Role>(file: &Metadata<R>, keys: &BTreeMap<String, Key>) -> Option<String> {
    let ids = file.signatures().iter().map(|signature| &signature.keyid);
    ids.filter(|id| keys.contains_key(*id)).min().cloned()
}

/// Files that say the same are one, with the signatures of all that hold, in one order. What else stands there as a
/// signature is left out: it must not take a good one's place. What nobody signed is nobody's.
pub(super) fn union<'s, R: Role + Clone + 's>(
    files: impl Iterator<Item = &'s Metadata<R>>,
    keys: &BTreeMap<String, Key>,
) -> Vec<Metadata<R>> {
    let keys: Vec<_> = keys.iter().filter_map(|(id, key)| Some((id, key.decode().ok()?))).collect();
    let mut by_content: BTreeMap<&[u8], Vec<&Metadata<R>>> = BTreeMap::new();
    for file in files {
        by_content.entry(file.canonical()).or_default().push(file);
    }
    let joined = by_content.into_iter().filter_map(|(canonical, same)| {
        let mut one = same.first()?.without_signatures();
        for (id, key) in &keys {
            let mut signatures = same.iter().filter_map(|file| file.signature(id));
            if let Some(signature) = signatures.find(|signature| key.verify(canonical, signature).is_ok()) {
                one.put_signature(id, &signature);
            }
        }
        Some(one).filter(|one| !one.signatures().is_empty())
    });
    joined.collect()
}

#[cfg(test)]
mod tests;
