//! Reads a trust manifest and has the update machine judge its files.

use super::{TrustError, memory::Known};
use crate::{
    format::{
        trust_manifest::{TRUST_TAG, TrustArtifact, TrustFiles, TrustLayer},
        tuf::RoleName,
    },
    limits::{TRUST_BLOBS_TOGETHER, TRUST_RACE_READS, TRUST_RACE_TIME, TRUST_ROOTS_BYTES, TUF_ALL_TARGETS_BYTES},
    oci::{Descriptor, Digest, Manifest},
    registry::{Fetched, Repo},
    trust::tuf::{Scope, Supplied, Terms, TrustState, TrustedStart, Update, UpdateError, Want},
};
use bytes::Bytes;
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// The files of a state, by name.
pub(super) type Files = BTreeMap<String, Bytes>;

/// What the registry has under the tag of the trust state.
pub(super) enum Served {
    /// What was remembered, by the registry's word.
    Same,
    /// Nothing.
    Absent,
    /// These files.
    Files { files: TrustFiles, digest: Digest, etag: Option<String> },
}

/// A state and the files that it was read from.
#[derive(Debug)]
pub(super) struct Live {
    pub state: TrustState,
    /// The manifest's digest, for who writes over it.
    pub digest: Option<Digest>,
    /// The files that belong to it: the chain of roots, and what was asked for. What else stood in the manifest is junk.
    pub files: Files,
    /// How to ask whether it has changed; none if a blob was left unread, which would be missing then.
    pub etag: Option<String>,
}

/// What became of an attempt to read a state: I/O errors apart, which say nothing.
pub(super) type Judged = Result<Live, UpdateError>;

/// Asks for the manifest under the trust tag.
pub(super) async fn fetch(repo: &Repo, etag: Option<&str>) -> Result<Served, TrustError> {
    match repo.manifest_if_changed(TRUST_TAG, etag).await {
        Ok(None) => Ok(Served::Same),
        Ok(Some(tagged)) => {
            let (files, digest) = (decode(&tagged.fetched)?, tagged.fetched.descriptor.digest);
            Ok(Served::Files { files, digest, etag: tagged.etag })
        }
        Err(error) if error.is_not_found() => Ok(Served::Absent),
        Err(error) => Err(error.into()),
    }
}

/// A manifest under the trust tag that is no trust manifest says nothing, and so it is an error.
pub(super) fn decode(fetched: &Fetched) -> Result<TrustFiles, TrustError> {
    match &fetched.manifest {
        Manifest::Image(image) => Ok(TrustArtifact::State.decode(image)?),
        Manifest::Index(_) => {
            let found = crate::oci::media_type::IMAGE_INDEX.to_owned();
            let expected = TrustArtifact::State.media_type();
            Err(crate::format::trust_manifest::TrustManifestError::Type { found, expected }.into())
        }
    }
}

/// Runs one update over these files.
///
/// # Errors
/// A blob could not be read. What the files say wrong is in the answer.
pub(super) async fn judge(
    repo: &Repo,
    files: &TrustFiles,
    etag: Option<String>,
    known: &Known,
    terms: Terms,
) -> Result<Judged, TrustError> {
    let mut reading = Reading::new(repo, files);
    reading.fetch_together(&terms.scope).await?;
    let start = match (&known.start, reading.newest_root()) {
        (Some(start), _) => start.clone(),
        (None, Some(root)) => TrustedStart::Root(root),
        (None, None) => {
            let role = RoleName::Root;
            return Ok(Err(UpdateError::Missing { file: role.file_name(Some(1)), role }));
        }
    };
    if let Err(error) = reading.check_known_root(known) {
        return Ok(Err(error));
    }
    let state = match reading.update(start, terms).await? {
        Ok(state) => state,
        Err(error) => return Ok(Err(error)),
    };
    let complete = reading.blobs.is_empty();
    let files = reading.wanted(state.root().version());
    Ok(Ok(Live { files, state, digest: None, etag: etag.filter(|_| complete) }))
}

/// Files, in memory or still to be fetched.
pub(super) struct Reading<'r> {
    repo: &'r Repo,
    pub files: Files,
    supplied: BTreeSet<String>,
    blobs: BTreeMap<String, Descriptor>,
}

impl<'r> Reading<'r> {
    pub fn new(repo: &'r Repo, files: &TrustFiles) -> Self {
        let mut reading = Self { repo, files: Files::new(), supplied: BTreeSet::new(), blobs: BTreeMap::new() };
        for (name, file) in &files.0 {
            match file {
                TrustLayer::Inline(bytes) => drop(reading.files.insert(name.clone(), bytes.clone())),
                TrustLayer::Blob(blob) => drop(reading.blobs.insert(name.clone(), (**blob).clone())),
            }
        }
        reading
    }

    /// Where all roles are read, blobs that are not many are fetched at once, before anybody asks; else only those that are
    /// wanted, and the chain of roots, which is read to its end in any case.
    async fn fetch_together(&mut self, scope: &Scope) -> Result<(), TrustError> {
        let few = self.blobs.len() <= TRUST_BLOBS_TOGETHER && self.blob_bytes() <= TUF_ALL_TARGETS_BYTES;
        if few && *scope == Scope::All {
            return self.fetch_all().await;
        }
        let roots = self.blobs.iter().filter_map(|(name, blob)| Some((root_version(name)?, name.clone(), blob.size)));
        let mut roots: Vec<_> = roots.collect();
        roots.sort();
        let mut left = TRUST_ROOTS_BYTES;
        roots.retain(|(_, _, size)| {
            let fits = left.checked_sub(*size);
            left = fits.unwrap_or(left);
            fits.is_some()
        });
        let roots: BTreeSet<_> = roots.into_iter().map(|(_, name, _)| name).collect();
        let all = std::mem::take(&mut self.blobs).into_iter();
        let (now, later) = all.partition(|(name, _)| roots.contains(name));
        self.blobs = later;
        self.fetch(now).await
    }

    /// All blobs, whose number and bytes the caller has bounded.
    pub async fn fetch_all(&mut self) -> Result<(), TrustError> {
        let blobs = std::mem::take(&mut self.blobs);
        self.fetch(blobs).await
    }

    async fn fetch(&mut self, blobs: BTreeMap<String, Descriptor>) -> Result<(), TrustError> {
        let repo = self.repo;
        let fetched = try_join_all(blobs.iter().map(|(name, blob)| async move {
            match repo.blob(blob, blob.size).await {
                Ok(bytes) => Ok(Some((name.clone(), Bytes::from(bytes)))),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        }));
        let fetched = fetched.await?;
        self.files.extend(fetched.into_iter().flatten());
        Ok(())
    }

    /// The root that is known is the one that is served under its version, where one is: another one is another trust,
    /// whatever else is served with it.
    fn check_known_root(&self, known: &Known) -> Result<(), UpdateError> {
        let Some((version, remembered)) =
            known.floors.root.as_ref().and_then(|root| Some((root.version, root.digest?)))
        else {
            return Ok(());
        };
        let served = self.files.get(&RoleName::Root.file_name(Some(version)));
        match served.map(|bytes| remembered.same_algorithm(bytes)).filter(|found| *found != remembered) {
            Some(found) => Err(UpdateError::RootForked { version, found, remembered }),
            None => Ok(()),
        }
    }

    /// The files that were asked for, and the roots up to the newest.
    fn wanted(self, newest: u64) -> Files {
        let Self { files, supplied, .. } = self;
        let is_root = |name: &str| root_version(name).is_some_and(|version| version <= newest);
        files.into_iter().filter(|(name, _)| supplied.contains(name) || is_root(name)).collect()
    }

    /// Bytes that are still to be fetched, by the manifest's word.
    pub fn blob_bytes(&self) -> u64 {
        self.blobs.values().fold(0, |sum, blob| sum.saturating_add(blob.size))
    }

    /// The newest root that is there: what is trusted on first use.
    fn newest_root(&self) -> Option<Vec<u8>> {
        let roots = self.files.iter().filter_map(|(name, bytes)| Some((root_version(name)?, bytes)));
        roots.max_by_key(|(version, _)| *version).map(|(_, bytes)| bytes.to_vec())
    }

    async fn update(
        &mut self,
        start: TrustedStart,
        terms: Terms,
    ) -> Result<Result<TrustState, UpdateError>, TrustError> {
        let mut update = match Update::begin(start, terms) {
            Ok(update) => update,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            let want = match update.want() {
                Ok(Some(want)) => want,
                Ok(None) => return Ok(update.finish()),
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = self.supply(&mut update, &want).await? {
                return Ok(Err(error));
            }
        }
    }

    async fn supply(&mut self, update: &mut Update, want: &Want) -> Result<Result<Supplied, UpdateError>, TrustError> {
        if let Some(blob) = self.blobs.remove(&want.file) {
            if blob.size > want.max_bytes {
                return Ok(update.too_large(blob.size));
            }
            match self.repo.blob(&blob, want.max_bytes).await {
                Ok(bytes) => drop(self.files.insert(want.file.clone(), bytes.into())),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(match self.files.get(&want.file) {
            Some(bytes) => {
                self.supplied.insert(want.file.clone());
                update.supply_shared(bytes)
            }
            None => update.absent(),
        })
    }
}

/// The version in a root's file name, in the one way that it is written.
pub(super) fn root_version(name: &str) -> Option<u64> {
    let version: u64 = name.strip_suffix(".root.json")?.parse().ok()?;
    (RoleName::Root.file_name(Some(version)) == name).then_some(version)
}

/// Whether a refusal can be what an honest race looks like: one writer's state seen, then another's.
pub(super) fn may_be_a_race(error: &UpdateError) -> bool {
    matches!(error, UpdateError::Rollback { .. } | UpdateError::VersionReused { .. } | UpdateError::RootForked { .. })
}

/// The wait before the next of [`TRUST_RACE_READS`]; each is longer than the one before it.
pub(super) async fn wait_for_the_race(read: u32) {
    let parts = TRUST_RACE_READS * (TRUST_RACE_READS + 1) / 2;
    tokio::time::sleep(TRUST_RACE_TIME * read / parts).await;
}
