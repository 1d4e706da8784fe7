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
        tuf::{Metadata, RoleName, Root, Target, Targets},
    },
    limits::{TRUST_KEPT, TRUST_STAGED_BYTES, TRUST_STAGING_TAGS},
    oci::{Digest, Manifest},
    registry::{Fault, RegistryError, Repo, Selector},
};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;

/// Decoded, and still their writers' word: whether they fit and count is for [`Draft::merge`] to say.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub roots: Vec<Metadata<Root>>,
    pub files: Vec<StagedFile>,
}

/// A role's file, and the key under whose tag it stands.
#[derive(Debug)]
pub(super) struct StagedFile {
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
pub(super) async fn read(repo: &Repo, draft: &mut Draft<'_>) -> Result<Staged, TrustError> {
    let mut staged = Staged::default();
    let mut asked = BTreeSet::new();
    loop {
        let places = places(draft);
        let new: Vec<_> =
            places.into_iter().take(TRUST_STAGING_TAGS).filter(|place| asked.insert(place.clone())).collect();
        if new.is_empty() {
            return Ok(staged);
        }
        let read = try_join_all(new.iter().map(|(role, key)| read_one(repo, role, *key))).await?;
        for ((role, key), files) in new.iter().zip(read) {
            staged.take(role, *key, files);
        }
        draft.merge(&staged);
    }
}

/// Each role with each of its keys, the upper roles first: what a delegate delegates to crowds nobody out.
fn places(draft: &Draft<'_>) -> Vec<(RoleName, Fingerprint)> {
    let waiting = draft.waiting_roots.iter().flat_map(|root| draft.root_keys(root.signed()).into_values());
    let root_keys = draft.keys(&RoleName::Root).into_values().chain(waiting);
    let root_keys = root_keys.filter_map(|key| Some(key.decode().ok()?.fingerprint()));
    let mut places: Vec<_> = root_keys.map(|key| (RoleName::Root, key)).collect();
    for role in draft.delegated() {
        places.extend(draft.fingerprints(&role).into_iter().map(|key| (role.clone(), key)));
    }
    places
}

/// What a writer staged for a role. What is no staged file is its writer's mistake, or somebody's junk, and hinders nobody.
async fn read_one(repo: &Repo, role: &RoleName, key: Fingerprint) -> Result<Files, TrustError> {
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
    if reading.blob_bytes() > TRUST_STAGED_BYTES {
        return Ok(none);
    }
    reading.fetch_together().await?;
    Ok(reading.files)
}

impl Staged {
    fn take(&mut self, role: &RoleName, key: Fingerprint, files: Files) {
        for (name, bytes) in files {
            if *role == RoleName::Root {
                self.roots.extend(Metadata::decode(&bytes));
            } else if let Ok(metadata) = Metadata::decode(&bytes) {
                let sealed = name.starts_with(SEALED);
                self.files.push(StagedFile { role: role.clone(), key, sealed, metadata });
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

    /// The files of a writer that stay where they are beside the one that it stages now, whose signed content has the
    /// digest `new`: those that wait for signatures, and those that others were faster than and of which something is not
    /// in place.
    pub fn kept(&self, draft: &Draft<'_>, role: &RoleName, key: Fingerprint, new: Digest) -> Files {
        let own = self.files.iter().filter(|file| file.role == *role && file.key == key && file.is_bound(draft));
        let others = own.filter(|file| !file.sealed && Digest::sha256(file.metadata.canonical()) != new);
        let open = others.filter(|file| !file.is_taken_in(draft) && file.missing(draft.file(role)).next().is_some());
        let kept = open.map(|file| {
            let digest = Digest::sha256(file.metadata.canonical());
            (format!("{KEPT}{}.json", digest.hex()), file.metadata.encode())
        });
        kept.take(TRUST_KEPT).collect()
    }
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

/// The name of a file that its writer has seen in place.
pub(super) fn sealed_name(name: &str) -> String {
    format!("{SEALED}{name}")
}

/// Leaves a role's files for who seals.
pub(super) async fn write(repo: &Repo, role: &RoleName, key: Fingerprint, files: &Files) -> Result<(), TrustError> {
    push::blobs(repo, files.values()).await?;
    push::tag(repo, &staging_tag(role, key), TrustArtifact::Staged, files).await?;
    Ok(())
}
