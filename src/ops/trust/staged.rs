//! What writers have left to be taken in: each role under one tag for each of its keys.

use super::{
    TrustError,
    change::Change,
    draft::Draft,
    live::{Files, Reading},
    push,
};
use crate::{
    crypto::Fingerprint,
    format::{
        trust_manifest::{TrustArtifact, staging_tag},
        tuf::{Key, Metadata, Role, RoleName, Root, Target, Targets, percent_encode},
    },
    limits::{CONCURRENCY, TRUST_ALL_STAGED_BYTES, TRUST_KEPT, TRUST_STAGED_BYTES, TRUST_STAGING_TAGS},
    oci::{Digest, Manifest, decode_hex},
    registry::{Fault, RegistryError, Repo, Selector},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
};

/// Decoded, and still their writers' word: whether they fit and count is for [`Draft::merge`] to say.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub roots: Vec<Metadata<Root>>,
    pub files: Vec<StagedFile>,
}

/// A role's file, and the key under whose tag it stands.
#[derive(Debug)]
pub(super) struct StagedFile {
    /// The role under whose tag it stands: its own, or the one whose list it is a part of.
    pub place: RoleName,
    pub role: RoleName,
    pub key: Fingerprint,
    /// Its writer has seen it in place. It stays where it is: whoever overwrote the live state without having seen it
    /// finds it here.
    pub sealed: bool,
    pub metadata: Metadata<Targets>,
}

/// How the name of a file begins that its writer has seen in place.
const SEALED: &str = "sealed.";
/// How the name of a file begins that is kept beside a later one.
const KEPT: &str = "kept.";

/// A path that a staged file lists otherwise than the live state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StagedPath {
    /// The role that would list it.
    pub role: RoleName,
    /// The path: a tag, or a revoked digest's.
    pub path: String,
    /// The digest that it would stand for; none if it would be un-listed.
    pub digest: Option<Digest>,
    /// Whether the next sealer takes it in. If not, others were faster: its writer has to sign it again.
    pub fits: bool,
}

/// Reads what is staged for all roles of a draft, and for the keys that staged roots and targets roles bring.
///
/// What is staged of `ignored` roles is left where it is.
pub(super) async fn read(
    repo: &Repo,
    draft: &mut Draft<'_>,
    ignored: &BTreeSet<RoleName>,
) -> Result<Staged, TrustError> {
    let left = AtomicU64::new(TRUST_ALL_STAGED_BYTES);
    let mut staged = Staged::default();
    let mut asked = BTreeSet::new();
    loop {
        let places = places(draft).into_iter().filter(|place| !asked.contains(place));
        let new: Vec<_> = places.take(TRUST_STAGING_TAGS.saturating_sub(asked.len())).collect();
        asked.extend(new.iter().cloned());
        if new.is_empty() {
            return Ok(staged);
        }
        let left = &left;
        let read = stream::iter(&new).map(|(role, key)| read_one(repo, role, *key, left));
        let read: Vec<Files> = read.buffered(CONCURRENCY).try_collect().await?;
        for ((role, key), files) in new.iter().zip(read) {
            staged.take(draft, role, *key, files);
        }
        staged.files.retain(|file| !ignored.contains(&file.role));
        staged.roots.retain(|_| !ignored.contains(&RoleName::Root));
        draft.merge(&staged);
    }
}

/// Each role with each of its keys, the upper roles first: what a delegate delegates to crowds nobody out. The keys that a
/// waiting root would bring come last.
fn places(draft: &Draft<'_>) -> Vec<(RoleName, Fingerprint)> {
    let lists = draft.delegated().into_iter().filter(|role| draft.list_of(role) == role);
    let roles = std::iter::once(RoleName::Root).chain(lists);
    let keys = roles.flat_map(|role| {
        let keys = draft.fingerprints(&role).into_iter();
        keys.map(move |key| (role.clone(), key)).collect::<Vec<_>>()
    });
    let waiting = draft.waiting_roots.iter().flat_map(|root| draft.root_keys(root.signed()).into_values());
    let waiting = waiting.filter_map(|key| Some((RoleName::Root, key.decode().ok()?.fingerprint())));
    keys.chain(waiting).collect()
}

/// What a writer staged for a role. What is no staged file is its writer's mistake, or somebody's junk, and hinders nobody.
/// At most so many bytes of blobs as are `left` for all.
async fn read_one(repo: &Repo, role: &RoleName, key: Fingerprint, left: &AtomicU64) -> Result<Files, TrustError> {
    let none = Files::new();
    let fetched = match repo.manifest(&Selector::Tag(staging_tag(role, key))).await {
        Ok(fetched) => fetched,
        Err(error) if error.is_not_found() => return Ok(none),
        // Its bytes are whoever pushed them's.
        Err(RegistryError { fault: Fault::Manifest(_) | Fault::Limit { .. }, .. }) => return Ok(none),
        Err(error) => return Err(error.into()),
    };
    let Manifest::Image(image) = &fetched.manifest else { return Ok(none) };
    let Ok(files) = TrustArtifact::Staged.decode(image) else { return Ok(none) };
    let mut reading = Reading::new(repo, &files);
    let bytes = reading.blob_bytes();
    let fits = |left: u64| left.checked_sub(bytes).filter(|_| bytes <= TRUST_STAGED_BYTES);
    if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
        return Ok(none);
    }
    match reading.fetch_all().await {
        Ok(()) => Ok(reading.files),
        // A size or digest that is none of the blob's stands in a manifest that anybody may have pushed.
        Err(TrustError::Registry(RegistryError { fault: Fault::Size { .. } | Fault::Digest { .. }, .. })) => Ok(none),
        Err(error) => Err(error),
    }
}

impl Staged {
    /// A role's files.
    pub fn of<'s>(&'s self, role: &'s RoleName) -> impl Iterator<Item = &'s Metadata<Targets>> {
        self.files.iter().filter(move |file| file.role == *role).map(|file| &file.metadata)
    }

    /// Takes what was found under a writer's tag, as far as that writer signed it: anybody may push there.
    fn take(&mut self, draft: &Draft<'_>, place: &RoleName, key: Fingerprint, files: Files) {
        for (name, bytes) in files {
            if *place == RoleName::Root {
                let root = Metadata::<Root>::decode(&bytes).ok();
                self.roots.extend(root.filter(|root| is_signed_by(root, &draft.root_keys(root.signed()), key)));
            } else if let Ok(metadata) = Metadata::decode(&bytes)
                && is_signed_by(&metadata, &draft.keys(place), key)
            {
                let (role, sealed) = (role_of(place, &name), name.starts_with(SEALED));
                self.files.push(StagedFile { place: place.clone(), role, key, sealed, metadata });
            }
        }
    }

    /// What staged files list otherwise than the live state.
    pub fn paths(&self, draft: &Draft<'_>) -> BTreeSet<StagedPath> {
        let mut paths = BTreeSet::new();
        for file in self.files.iter().filter(|file| !file.sealed && file.is_bound(draft)) {
            let fits = file.is_taken_in(draft) || file.waits(draft);
            paths.extend(file.missing(draft.live.targets(&file.role)).map(|(path, digest)| StagedPath {
                role: file.role.clone(),
                path: path.to_owned(),
                digest,
                fits,
            }));
        }
        paths
    }

    /// Changes that were in place and were written over by somebody who had not seen them: their files were marked as
    /// sealed, and are no older than the live one, which can't be with a live state that stands on them. What the live file
    /// itself changed stays as it is: it came later.
    pub fn written_over(&self, draft: &Draft<'_>) -> Vec<(RoleName, Vec<Change>)> {
        let lost = self.files.iter().filter(|file| file.sealed && file.is_bound(draft) && !file.is_taken_in(draft));
        let lost = lost.filter(|file| draft.count(&file.role, &file.metadata).is_some_and(|count| count.is_met()));
        let changes = lost.filter_map(|file| {
            let live = draft.live.targets(&file.role).filter(|live| file.metadata.version() >= live.version())?;
            let later = live.signed().binding.as_ref().map(|binding| binding.changed.as_slice()).unwrap_or_default();
            let missing = file.missing(draft.file(&file.role)).map(|(path, _)| path);
            let again = missing.filter(|path| !later.iter().any(|changed| changed == path));
            let again: Vec<_> = again.filter_map(|path| file.change_of(path)).collect();
            (!again.is_empty()).then(|| (file.role.clone(), again))
        });
        changes.collect()
    }

    /// The files of a writer that stay where they are beside those that it stages now, whose signed contents have the
    /// digests `new`: those that wait for signatures, and those that others were faster than and of which something is not
    /// in place.
    pub fn kept(&self, draft: &Draft<'_>, place: &RoleName, key: Fingerprint, new: &BTreeSet<Digest>) -> Files {
        let own = self.files.iter().filter(|file| file.place == *place && file.key == key && file.is_bound(draft));
        let others = own.filter(|file| !file.sealed && !new.contains(&Digest::sha256(file.metadata.canonical())));
        let open = others.filter(|file| {
            let in_place = draft.file(&file.role);
            !file.is_taken_in(draft) && file.missing(in_place).next().is_some()
        });
        let kept = open.map(|file| {
            let digest = Digest::sha256(file.metadata.canonical()).hex();
            let bin = (file.role != *place).then(|| format!(".{}", percent_encode(file.role.as_str(), b"")));
            (format!("{KEPT}{digest}{}.json", bin.unwrap_or_default()), file.metadata.encode().into())
        });
        kept.take(TRUST_KEPT).collect()
    }
}

/// Whether a key, which is among these, signed a file.
fn is_signed_by<R: Role>(file: &Metadata<R>, keys: &BTreeMap<String, Key>, by: Fingerprint) -> bool {
    let own = keys.iter().filter_map(|(id, key)| Some((id, key.decode().ok()?)));
    let mut own = own.filter(|(_, key)| key.fingerprint() == by);
    own.any(|(id, key)| file.signature(id).is_some_and(|signature| key.verify(file.canonical(), &signature).is_ok()))
}

impl StagedFile {
    fn is_bound(&self, draft: &Draft<'_>) -> bool {
        self.metadata.signed().binding.as_ref().is_some_and(|binding| binding.repository == draft.repository)
    }

    /// Whether it is live, or among what the draft takes in.
    fn is_taken_in(&self, draft: &Draft<'_>) -> bool {
        let live = draft.live.targets(&self.role);
        let live = live.is_some_and(|file| file.canonical() == self.metadata.canonical());
        live || draft.has(&self.role, &self.metadata)
    }

    /// The change that lists a tag as this file does.
    fn change_of(&self, path: &str) -> Option<Change> {
        let tag = (!path.contains('/')).then(|| path.to_owned())?;
        Some(match self.metadata.signed().targets.get(path).cloned() {
            Some(target) => Change::SetTag { tag, target },
            None => Change::RemoveTag(tag),
        })
    }

    /// Whether it waits for signatures.
    fn waits(&self, draft: &Draft<'_>) -> bool {
        let files = draft.waiting.get(&self.role).into_iter().flatten();
        { files }.any(|file| file.canonical() == self.metadata.canonical())
    }

    /// The paths that it says it changed, and that a file lists otherwise.
    fn missing<'s>(
        &'s self,
        in_place: Option<&'s Metadata<Targets>>,
    ) -> impl Iterator<Item = (&'s str, Option<Digest>)> + 's {
        let changed = self.metadata.signed().binding.iter().flat_map(|binding| &binding.changed);
        changed.filter_map(move |path| {
            let wanted = self.metadata.signed().targets.get(path);
            let found = in_place.and_then(|file| file.signed().targets.get(path));
            (wanted != found).then(|| (path.as_str(), wanted.and_then(Target::sha256)))
        })
    }
}

/// Whose file it is that stands under a role's tag by this name: the role's own, or a hashed bin's.
fn role_of(place: &RoleName, name: &str) -> RoleName {
    let bin = name.strip_suffix(".json").and_then(|name| {
        let (_, bin) = name.rsplit_once(&percent_encode(&format!(".{place}/"), b""))?;
        decode_hex::<1>(bin).map(|_| RoleName::from(format!("{place}/{bin}")))
    });
    bin.unwrap_or_else(|| place.clone())
}

/// The name of a file that its writer has seen in place.
pub(super) fn sealed_name(name: &str) -> String {
    format!("{SEALED}{name}")
}

/// Leaves a role's files for who seals.
///
/// # Errors
/// They are more than a sealer reads: one has to take in what is there first.
pub(super) async fn write(repo: &Repo, role: &RoleName, key: Fingerprint, files: &Files) -> Result<(), TrustError> {
    if files.values().fold(0, |sum: u64, bytes| sum.saturating_add(bytes.len() as u64)) > TRUST_STAGED_BYTES {
        return Err(TrustError::StagedFull { role: role.clone() });
    }
    push::blobs(repo, files.values()).await?;
    push::tag(repo, &staging_tag(role, key), TrustArtifact::Staged, files).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_a_role_s_tag_stand_its_own_files_and_those_of_its_bins() {
        for (place, role, own) in [
            ("targets/releases", "targets/releases", true),
            ("targets/releases", "targets/releases/0a", true),
            ("targets/a.b/é", "targets/a.b/é/ff", true),
            ("targets/releases", "targets/releases/0A", false),
            ("targets/releases", "targets/releases/team", false),
            ("targets/releases", "targets/releases/00/00", false),
            ("targets/releases", "targets/alice/00", false),
        ] {
            let (place, role) = (RoleName::from(place), RoleName::from(role));
            let name = role.file_name(Some(7));
            let kept = format!("{KEPT}{}.{}", "ab".repeat(32), role.file_name(None));
            for name in [&name, &sealed_name(&name), &kept] {
                assert_eq!(role_of(&place, name) == role, own, "{name} under {place}");
            }
        }
        let kept = format!("{KEPT}{}.json", "ab".repeat(32));
        assert_eq!(role_of(&RoleName::Targets, &kept), RoleName::Targets);
    }
}
