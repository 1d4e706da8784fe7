//! Makes the files that are missing for a change, and signs them with the keys at hand.

use super::{
    TrustError,
    change::{Change, Edits, RootChange},
    draft::Draft,
    lifetimes::Lifetimes,
    live::Files,
    staged::{self, Staged},
    writer::Writer,
};
use crate::{
    crypto::Fingerprint,
    format::tuf::{Key, Metadata, Role, RoleName, Root, Targets, VerifyingKey},
    limits::{CLOCK_SKEW, TRUST_CHANGED},
    oci::Digest,
    registry::Repo,
    sign::{Signer, sign_metadata},
    trust::tuf::author::{new_targets, next_root, next_targets},
};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A file that was made and signed here.
#[derive(Debug)]
pub(super) struct Made {
    /// The role under whose tag it is staged.
    place: RoleName,
    pub role: RoleName,
    pub version: u64,
    /// The key under whose tag it is staged.
    pub key: Fingerprint,
    /// The digest of what is signed in it.
    signed: Digest,
    /// The file, those that it was made from as far as they are not live, and those of the same list.
    files: Files,
}

impl Made {
    /// Another one that is staged under the same tag has its files too.
    pub fn leave_to_others(&mut self) {
        self.files.clear();
    }
}

/// Leaves files where others find them, beside what the same writer left there and others were faster than; or says there
/// that they are in place.
pub(super) async fn stage(
    made: impl Iterator<Item = &Made>,
    repo: &Repo,
    staged: &Staged,
    draft: &Draft<'_>,
    sealed: bool,
) -> Result<(), TrustError> {
    let mut places = BTreeMap::<_, (BTreeSet<Digest>, Files)>::new();
    for made in made {
        let (signed, files) = places.entry((&made.place, made.key)).or_default();
        signed.insert(made.signed);
        let name = |name: &String| if sealed { staged::sealed_name(name) } else { name.clone() };
        files.extend(made.files.iter().map(|(own, bytes)| (name(own), bytes.clone())));
    }
    let writes = places.into_iter().map(|((place, key), (signed, mut files))| async move {
        files.extend(staged.kept(draft, place, key, &signed));
        staged::write(repo, place, key, &files).await
    });
    try_join_all(writes).await.map(drop)
}

impl Writer<'_> {
    /// Makes what the edits want and the draft does not have. What is complete becomes part of the draft; what lacks
    /// signatures of others waits.
    pub(super) async fn make(&self, draft: &mut Draft<'_>, edits: &Edits) -> Result<Vec<Made>, TrustError> {
        let mut made = Vec::new();
        if !edits.root.iter().all(|change| change.is_in(draft.root.signed())) {
            made.extend(self.make_root(draft, &edits.root).await?);
        }
        if let Some((role, reviewed)) = &edits.cosign {
            made.extend(self.sign_waiting(draft, role, reviewed).await?);
        }
        for role in draft.unaligned() {
            if let Some((by, _)) = draft.delegation(&role).filter(|_| self.may_sign(&draft.keys(&role))) {
                let align = Change::AlignBins(role.clone(), Box::new(by.clone()));
                made.extend(self.make_file(draft, &role, &[align]).await?);
            }
        }
        for (role, changes) in &edits.roles {
            if self.outgrows(draft, role, changes) {
                made.extend(self.split(draft, role).await?);
            }
            let mut parts = BTreeMap::<_, Vec<Change>>::new();
            for change in changes {
                parts.entry(change.lister(draft, role)).or_default().push(change.clone());
            }
            for (role, changes) in parts {
                if !has_all(draft.file(&role).map(Metadata::signed), &changes) {
                    made.extend(self.make_file(draft, &role, &changes).await?);
                }
            }
        }
        // Who lost the right to sign leaves files behind that somebody else has to sign again.
        for role in draft.unsigned() {
            if self.may_sign(&draft.keys(&role)) {
                made.extend(self.make_file(draft, &role, &[]).await?);
            }
        }
        Ok(made)
    }

    async fn make_root(&self, draft: &mut Draft<'_>, changes: &[RootChange]) -> Result<Option<Made>, TrustError> {
        let expires = Lifetimes::of(draft.root.signed()).until(&RoleName::Root, self.now());
        let mut root = next_root(draft.root.signed(), expires)?;
        for change in changes {
            if !change.is_in(&root) {
                change.apply(&mut root)?;
            }
        }
        // What waits is signed in its place only if it says exactly the same: nobody signs what they did not ask for.
        let same = |waiting: &&Metadata<Root>| {
            let Root { header, .. } = waiting.signed();
            self.may_last(waiting.expires(), expires)
                && Root { header: header.clone(), unknown: waiting.signed().unknown.clone(), ..root.clone() }
                    == *waiting.signed()
                && is_same_but_type(&waiting.signed().unknown, &root.unknown)
        };
        let waiting = draft.waiting_roots.iter().find(same).cloned();
        let root = waiting.map_or_else(|| unsigned(&RoleName::Root, root), Ok)?;
        self.sign_root(draft, root).await
    }

    async fn sign_root(&self, draft: &mut Draft<'_>, mut root: Metadata<Root>) -> Result<Option<Made>, TrustError> {
        let keys = draft.root_keys(root.signed());
        let Some(key) = self.sign_with_all(&RoleName::Root, &mut root, &keys).await? else { return Ok(None) };
        let files = draft.staging(&RoleName::Root, root.version(), root.encode().into());
        let signed = Digest::sha256(root.canonical());
        let (place, role) = (RoleName::Root, RoleName::Root);
        let made = Made { place, role, version: root.version(), key, signed, files };
        if draft.is_root_complete(&root) {
            draft.take_root(root);
        }
        Ok(Some(made))
    }

    async fn make_file(
        &self,
        draft: &mut Draft<'_>,
        role: &RoleName,
        changes: &[Change],
    ) -> Result<Option<Made>, TrustError> {
        draft.check_usable(role)?;
        let mut next = self.next_file(draft, role)?;
        for change in changes {
            if !change.is_in(&next) {
                change.apply(&mut next)?;
            }
        }
        let changed: Vec<_> = changes.iter().filter_map(Change::path).take(TRUST_CHANGED + 1).collect();
        if let Some(binding) = next.binding.as_mut().filter(|_| changed.len() <= TRUST_CHANGED) {
            binding.changed = changed;
        }
        // As with roots: what waits is signed in its place only if it says exactly the same.
        let expires = next.header.expires;
        let same = |waiting: &&Metadata<Targets>| {
            let Targets { header, binding, unknown, .. } = waiting.signed();
            let (header, binding) = (header.clone(), binding.clone());
            Targets { header, binding, unknown: unknown.clone(), ..next.clone() } == *waiting.signed()
                && is_same_but_type(unknown, &next.unknown)
                && self.may_last(waiting.expires(), expires)
        };
        let waiting = draft.waiting.get(role).into_iter().flatten();
        let waiting = { waiting }.find(same).cloned();
        let file = waiting.map_or_else(|| unsigned(role, next), Ok)?;
        self.sign_file(draft, role, file).await
    }

    /// Whether a file that somebody else began may count until then: no longer than one's own would, and still.
    fn may_last(&self, until: Timestamp, own: Timestamp) -> bool {
        self.now() < until && until <= own.saturating_add(CLOCK_SKEW).unwrap_or(own)
    }

    pub(super) fn next_file(&self, draft: &Draft<'_>, role: &RoleName) -> Result<Targets, TrustError> {
        let expires = Lifetimes::of(draft.root.signed()).until(role, self.now());
        if let Some(file) = draft.roles.get(role) {
            let mut current = file.metadata.signed().clone();
            current.header.version = draft.next_version(role) - 1;
            return Ok(next_targets(role, &current, &file.bytes, expires)?);
        }
        let mut first = new_targets(draft.repository, expires);
        first.header.version = draft.next_version(role);
        Ok(first)
    }

    pub(super) async fn sign_file(
        &self,
        draft: &mut Draft<'_>,
        role: &RoleName,
        mut file: Metadata<Targets>,
    ) -> Result<Option<Made>, TrustError> {
        let keys = draft.keys(role);
        let Some(key) = self.sign_with_all(role, &mut file, &keys).await? else { return Ok(None) };
        let files = draft.staging(role, file.version(), file.encode().into());
        let signed = Digest::sha256(file.canonical());
        let (place, role_name) = (draft.list_of(role).clone(), role.clone());
        let made = Made { place, role: role_name, version: file.version(), key, signed, files };
        if draft.count(role, &file).is_some_and(|count| count.is_met()) {
            draft.take(role, file);
        }
        Ok(Some(made))
    }

    /// Signs what waits in a role, as it is, of what was reviewed.
    async fn sign_waiting(
        &self,
        draft: &mut Draft<'_>,
        role: &RoleName,
        reviewed: &BTreeSet<Digest>,
    ) -> Result<Vec<Made>, TrustError> {
        let mut made = Vec::new();
        if *role == RoleName::Root {
            let roots = draft.waiting_roots.clone().into_iter();
            for root in roots.filter(|root| reviewed.contains(&Digest::sha256(root.canonical()))) {
                made.extend(self.sign_root(draft, root).await?);
            }
        } else {
            let files = draft.waiting.get(role).cloned().unwrap_or_default().into_iter();
            for file in files.filter(|file| reviewed.contains(&Digest::sha256(file.canonical()))) {
                made.extend(self.sign_file(draft, role, file).await?);
            }
        }
        Ok(made)
    }

    /// Signs with all keys at hand; see [`sign_with_all`].
    pub(super) async fn sign_with_all<R: Role>(
        &self,
        role: &RoleName,
        metadata: &mut Metadata<R>,
        keys: &BTreeMap<String, Key>,
    ) -> Result<Option<Fingerprint>, TrustError> {
        sign_with_all(self.signers, role, metadata, keys).await
    }

    /// Whether one of the keys at hand is among these.
    pub(super) fn may_sign(&self, keys: &BTreeMap<String, Key>) -> bool {
        let own = |key: &Key| {
            let key = key.decode().ok().map(|key| key.fingerprint());
            self.signers.iter().any(|signer| Some(signer.public_key().fingerprint()) == key)
        };
        keys.values().any(own)
    }
}

/// Whether two have the same unknown members; `_type` is one of them in what was decoded.
fn is_same_but_type(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let but_type = |members: &Map<String, Value>| -> Map<String, Value> {
        members.iter().filter(|(name, _)| *name != "_type").map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    but_type(one) == but_type(other)
}

pub(super) fn has_all(file: Option<&Targets>, changes: &[Change]) -> bool {
    file.is_some_and(|file| changes.iter().all(|change| change.is_in(file)))
}

/// Signs with all keys at hand that are among these and have not signed yet: the first of them. None if all have.
///
/// # Errors
/// None of the keys at hand is among these.
pub(super) async fn sign_with_all<R: Role>(
    signers: &[Box<dyn Signer>],
    role: &RoleName,
    metadata: &mut Metadata<R>,
    keys: &BTreeMap<String, Key>,
) -> Result<Option<Fingerprint>, TrustError> {
    let by_id: Vec<_> = keys.iter().filter_map(|(id, key)| Some((id, key.decode().ok()?))).collect();
    let mut first = None;
    let mut known = false;
    for signer in signers {
        let own = signer.public_key().fingerprint();
        let mut listed = by_id.iter().filter(|(_, key)| key.fingerprint() == own).peekable();
        let has_signed = |(id, key): &(&String, VerifyingKey)| {
            let signature = metadata.signature(id);
            signature.is_some_and(|signature| key.verify(metadata.canonical(), &signature).is_ok())
        };
        if listed.peek().is_none() {
            continue;
        }
        known = true;
        if !listed.all(has_signed) {
            sign_metadata(metadata, keys, signer.as_ref()).await?;
            first.get_or_insert(own);
        }
    }
    if known {
        return Ok(first);
    }
    let keys = by_id.iter().map(|(_, key)| key.fingerprint()).collect();
    Err(TrustError::NoKey { role: role.clone(), keys })
}

/// A new file, signed by nobody.
pub(super) fn unsigned<R: Role>(role: &RoleName, signed: R) -> Result<Metadata<R>, TrustError> {
    Metadata::unsigned(signed).map_err(|source| TrustError::Metadata { what: role.to_string(), source })
}
