//! What writers have left to be taken in: each role under one tag for each of its keys.

use super::{
    TrustError,
    draft::Draft,
    live::{Files, Reading},
    push,
};
use crate::{
    crypto::Fingerprint,
    format::{
        trust_manifest::{TrustArtifact, staging_tag},
        tuf::{Metadata, RoleName, Root, Targets},
    },
    limits::TRUST_STAGED_BYTES,
    oci::Manifest,
    registry::{Repo, Selector},
};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;

/// Decoded, and still their writers' word: whether they fit and count is for [`Draft::merge`] to say.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub roots: Vec<Metadata<Root>>,
    pub files: Vec<(RoleName, Metadata<Targets>)>,
}

/// Reads what is staged for all roles of a draft, and for the keys that staged roots and targets roles bring.
pub(super) async fn read(repo: &Repo, draft: &mut Draft<'_>) -> Result<Staged, TrustError> {
    let mut staged = Staged::default();
    let mut asked = BTreeSet::new();
    loop {
        let places = places(draft);
        let new: Vec<_> = places.into_iter().filter(|place| asked.insert(place.clone())).collect();
        if new.is_empty() {
            return Ok(staged);
        }
        for (role, files) in try_join_all(new.iter().map(|(role, key)| read_one(repo, role, *key))).await? {
            staged.take(&role, files);
        }
        draft.merge(&staged);
    }
}

/// Each role with each of its keys.
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
async fn read_one(repo: &Repo, role: &RoleName, key: Fingerprint) -> Result<(RoleName, Files), TrustError> {
    let none = (role.clone(), Files::new());
    let fetched = match repo.manifest(&Selector::Tag(staging_tag(role, key))).await {
        Ok(fetched) => fetched,
        Err(error) if error.is_not_found() => return Ok(none),
        Err(error) => return Err(error.into()),
    };
    let Manifest::Image(image) = &fetched.manifest else { return Ok(none) };
    let Ok(files) = TrustArtifact::Staged.decode(image) else { return Ok(none) };
    let mut reading = Reading::new(repo, &files);
    if reading.blob_bytes() > TRUST_STAGED_BYTES {
        return Ok(none);
    }
    reading.fetch_together().await?;
    Ok((role.clone(), reading.files))
}

impl Staged {
    fn take(&mut self, role: &RoleName, files: Files) {
        for bytes in files.into_values() {
            if *role == RoleName::Root {
                self.roots.extend(Metadata::decode(&bytes));
            } else if let Ok(file) = Metadata::decode(&bytes) {
                self.files.push((role.clone(), file));
            }
        }
    }
}

/// Leaves a role's files for who seals.
pub(super) async fn write(repo: &Repo, role: &RoleName, key: Fingerprint, files: &Files) -> Result<(), TrustError> {
    push::blobs(repo, files.values()).await?;
    push::tag(repo, &staging_tag(role, key), TrustArtifact::Staged, files).await?;
    Ok(())
}

/// Takes back what a writer staged once it is in place; whoever reads it then finds nothing.
pub(super) async fn clear(repo: &Repo, role: &RoleName, key: Fingerprint) -> Result<(), TrustError> {
    push::tag(repo, &staging_tag(role, key), TrustArtifact::Staged, &Files::new()).await?;
    Ok(())
}

impl Staged {
    /// What neither is in place, nor fits, nor waits for signatures: its base was replaced.
    pub fn overtaken(&self, draft: &Draft<'_>) -> Vec<(RoleName, u64)> {
        let waits = |role: &RoleName, canonical: &[u8]| {
            let files = draft.waiting.get(role).into_iter().flatten();
            { files }.any(|file| file.canonical() == canonical)
        };
        let in_place = |role: &RoleName, canonical: &[u8]| {
            let live = draft.live.targets(role).is_some_and(|file| file.canonical() == canonical);
            live || draft.file(role).is_some_and(|file| file.canonical() == canonical)
        };
        let lost = self.files.iter().filter(|(role, file)| {
            !waits(role, file.canonical()) && !in_place(role, file.canonical()) && !draft.follows(role, file)
        });
        lost.map(|(role, file)| (role.clone(), file.version())).collect()
    }
}
