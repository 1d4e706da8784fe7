//! `pull`: verify, then fetch by the verified digest. Nothing is left in place unless all of it arrived.

use super::{
    OpsError, Platform,
    archive::write_docker_archive,
    pin::Choice,
    verify::{Verification, Verifier},
};
use crate::{
    limits::INDEX_ENTRIES,
    oci::{Descriptor, Digest, Manifest, ManifestError, Reference, Repository, RepositoryName},
    policy::{Decision, Mode},
    registry::{Access, Fetched, Layout, Repo, Selector},
    store::DecisionLogError,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

/// Blobs that are fetched at once.
const AT_ONCE: usize = 6;

/// Where a pulled image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An image layout, new or not, under a tag.
    Layout {
        /// The folder.
        dir: PathBuf,
        /// The tag.
        tag: Option<String>,
    },
    /// A file for `docker load`.
    DockerArchive(PathBuf),
}

/// Why a text is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no destination: expected oci:DIR[:tag] or docker-archive:FILE")]
pub struct DestinationError(String);

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let wrong = || DestinationError(text.to_owned());
        if let Some(file) = text.strip_prefix("docker-archive:").filter(|file| !file.is_empty()) {
            return Ok(Self::DockerArchive(PathBuf::from(file)));
        }
        match text.starts_with("oci:").then(|| text.parse::<Reference>()) {
            Some(Ok(Reference { repository: Repository::Layout(dir), tag, digest: None })) => {
                Ok(Self::Layout { dir, tag })
            }
            _ => Err(wrong()),
        }
    }
}

impl Destination {
    /// Finds out before anything is fetched that it can't be put there.
    fn check(&self) -> Result<(), OpsError> {
        let (Self::Layout { dir: target, .. } | Self::DockerArchive(target)) = self;
        if let (Self::Layout { dir, .. }, true) = (self, target.symlink_metadata().is_ok()) {
            Layout::open(dir, Access::PullPush)?;
        }
        let parent = parent(target);
        match parent.metadata() {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(OpsError::Io { path: parent.to_owned(), source: io::ErrorKind::NotADirectory.into() }),
            Err(source) => Err(OpsError::Io { path: parent.to_owned(), source }),
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What became of a pull.
#[must_use]
#[derive(Debug)]
pub struct Pulled {
    /// The judgement.
    pub verification: Verification,
    /// What was fetched, by digest; `None` if it was not allowed.
    pub fetched: Option<Reference>,
}

/// Told what was decided, then how many bytes there are, once, and then how many more have arrived.
pub trait Progress: Send + Sync {
    /// This was decided. Nothing is fetched if it can't be recorded.
    ///
    /// # Errors
    /// It is not recorded.
    fn judged(&self, verification: &Verification) -> Result<(), DecisionLogError> {
        let _ = verification;
        Ok(())
    }

    /// All blobs together have this many bytes.
    fn total(&self, bytes: u64);
    /// So many more have arrived.
    fn arrived(&self, bytes: u64);
}

/// Whether an image is used after this decision: allowed, or denied in a mode that only tells.
#[must_use]
pub fn may_be_used(verification: &Verification) -> bool {
    match (&verification.outcome.decision, verification.outcome.mode) {
        (Decision::Allow(_) | Decision::NotJudged, _) | (Decision::Deny(_), Mode::Permissive) => true,
        (Decision::Deny(_) | Decision::Undetermined(_), _) => false,
    }
}

/// Verifies an image and, if it may be used, fetches it by the digest that was judged: of an index without a platform all
/// images into a layout, this machine's into an archive.
///
/// # Errors
/// The image could not be pinned, fetched or written; then the destination is as it was.
pub async fn pull(
    verifier: &Verifier<'_>,
    reference: &Reference,
    platform: Option<&Platform>,
    destination: &Destination,
    progress: &dyn Progress,
) -> Result<Pulled, OpsError> {
    destination.check()?;
    let here = here();
    let choice = match (platform, destination) {
        (Some(platform), _) => Choice::Image(platform),
        // An archive holds one image: it is the one that is judged.
        (None, Destination::DockerArchive(_)) => Choice::OneImage(&here),
        (None, Destination::Layout { .. }) => Choice::Whole,
    };
    let verification = verifier.verify_choice(reference, choice).await?;
    progress.judged(&verification)?;
    if !may_be_used(&verification) {
        return Ok(Pulled { verification, fetched: None });
    }
    let digest = verification.findings.subject().digest();
    let repo = verifier.session.open(&reference.repository, Access::Pull)?;
    let fetch = Fetch { repo: &repo, reference, progress };
    match destination {
        Destination::Layout { dir, tag } => fetch.to_layout(&digest, dir, tag.as_deref()).await?,
        Destination::DockerArchive(file) => fetch.to_archive(&digest, file).await?,
    }
    Ok(Pulled { verification, fetched: Some(reference.at(digest)) })
}

struct Fetch<'a> {
    repo: &'a Repo,
    reference: &'a Reference,
    progress: &'a dyn Progress,
}

impl Fetch<'_> {
    async fn to_layout(&self, digest: &Digest, dir: &Path, tag: Option<&str>) -> Result<(), OpsError> {
        let staged = stage(dir)?;
        let layout = Layout::open(staged.path(), Access::PullPush)?;
        let at = tag
            .or(self.reference.tag.as_deref())
            .map_or(Selector::Digest(*digest), |tag| Selector::Tag(tag.to_owned()));
        let top = self.graph(digest, &layout, &at).await?;
        if dir.symlink_metadata().is_err() {
            let staged = staged.keep();
            return tokio::fs::rename(&staged, dir)
                .await
                .map_err(|source| OpsError::Io { path: dir.to_owned(), source });
        }
        // The layout is there already: all has arrived and is right, so it is copied in, the tag last.
        let target = Layout::open(dir, Access::PullPush)?;
        for blob in self.descriptors(&top, &layout).await? {
            copy(&layout, &target, &blob).await?;
        }
        target.push_manifest_bytes(&at, &top.descriptor.media_type, &top.bytes).await?;
        Ok(())
    }

    async fn to_archive(&self, digest: &Digest, file: &Path) -> Result<(), OpsError> {
        let staged = stage(file)?;
        let layout = Layout::open(staged.path(), Access::PullPush)?;
        let fetched = self.graph(digest, &layout, &Selector::Digest(*digest)).await?;
        let Some(manifest) = fetched.image() else {
            return Err(OpsError::Manifest {
                reference: self.reference.to_string(),
                source: ManifestError::Ambiguous("an index where one image is expected"),
            });
        };
        let blobs = staged.path().join("blobs");
        let path = |d: &Descriptor| blobs.join(d.digest.algorithm()).join(d.digest.hex());
        let all = std::iter::once(&manifest.config).chain(&manifest.layers);
        let files = all.map(|blob| (blob.digest, path(blob))).collect();
        Ok(write_docker_archive(file, manifest, &files, &self.tags()).await?)
    }

    /// The tag that the loaded image will have: a layout's folder is no name for one.
    fn tags(&self) -> Vec<String> {
        let named = |name: &RepositoryName| self.reference.tag_or_latest().map(|tag| format!("{name}:{tag}"));
        match &self.reference.repository {
            Repository::Registry(name) => named(name).into_iter().collect(),
            Repository::Layout(_) => Vec::new(),
        }
    }

    /// Fetches a manifest and everything below it into `layout`, the manifest itself last.
    async fn graph(&self, digest: &Digest, layout: &Layout, at: &Selector) -> Result<Fetched, OpsError> {
        let top = self.repo.manifest(&Selector::Digest(*digest)).await?;
        let mut blobs = BTreeMap::new();
        let mut waiting = vec![top.clone()];
        let mut seen = 0;
        while let Some(fetched) = waiting.pop() {
            seen += 1;
            if seen > INDEX_ENTRIES {
                let source = ManifestError::Entries(seen);
                return Err(OpsError::Manifest { reference: self.reference.to_string(), source });
            }
            match &fetched.manifest {
                Manifest::Index(index) => {
                    let entries = index.manifests.iter().map(|entry| self.child(entry, layout));
                    waiting.extend(stream::iter(entries).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?);
                }
                Manifest::Image(image) => {
                    let all = std::iter::once(&image.config).chain(&image.layers);
                    blobs.extend(all.map(|blob| (blob.digest, blob.clone())));
                }
            }
        }
        self.progress.total(blobs.values().map(|blob| blob.size).sum());
        let fetches = blobs.values().map(|blob| self.blob(blob, layout));
        stream::iter(fetches).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
        layout.push_manifest_bytes(at, &top.descriptor.media_type, &top.bytes).await?;
        Ok(top)
    }

    async fn child(&self, entry: &Descriptor, layout: &Layout) -> Result<Fetched, OpsError> {
        let fetched = self.repo.manifest(&Selector::Digest(entry.digest)).await?;
        layout.push_blob(&fetched.bytes).await?;
        Ok(fetched)
    }

    async fn blob(&self, blob: &Descriptor, layout: &Layout) -> Result<(), OpsError> {
        let mut sink = layout.new_blob(blob).await?;
        let before = AtomicU64::new(0);
        let arrived =
            |so_far: u64| self.progress.arrived(so_far.saturating_sub(before.swap(so_far, Ordering::Relaxed)));
        self.repo.blob_to(blob, &mut sink, &arrived).await?;
        Ok(sink.finish().await?)
    }

    /// Everything below a manifest that a layout holds whole.
    async fn descriptors(&self, top: &Fetched, layout: &Layout) -> Result<Vec<Descriptor>, OpsError> {
        let mut all = Vec::new();
        let mut waiting = vec![top.manifest.clone()];
        while let Some(manifest) = waiting.pop() {
            match manifest {
                Manifest::Image(image) => all.extend(std::iter::once(image.config).chain(image.layers)),
                Manifest::Index(index) => {
                    for entry in index.manifests {
                        waiting.push(layout.manifest(&Selector::Digest(entry.digest)).await?.manifest);
                        all.push(entry);
                    }
                }
            }
        }
        Ok(all)
    }
}

async fn copy(from: &Layout, to: &Layout, blob: &Descriptor) -> Result<(), OpsError> {
    let mut sink = to.new_blob(blob).await?;
    from.blob_to(blob, &mut sink, &|_| {}).await?;
    Ok(sink.finish().await?)
}

/// A folder beside `target`, so that a rename puts it in place; gone unless it is kept.
fn stage(target: &Path) -> Result<tempfile::TempDir, OpsError> {
    let parent = parent(target);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".boltseal-pull-");
    // It may become the layout's own folder: open to whom the umask lets in, not private as temporary folders are.
    #[cfg(unix)]
    builder.permissions(<std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777));
    builder.tempdir_in(parent).map_err(|source| OpsError::Io { path: parent.to_owned(), source })
}

/// The platform of containers on this machine.
pub(super) fn here() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    };
    Platform(format!("linux/{architecture}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_layouts_and_archives() {
        let layout =
            |dir: &str, tag: Option<&str>| Destination::Layout { dir: dir.into(), tag: tag.map(str::to_owned) };
        assert_eq!("oci:a/b".parse(), Ok(layout("a/b", None)));
        assert_eq!("oci:a/b:v1".parse(), Ok(layout("a/b", Some("v1"))));
        assert_eq!("docker-archive:a.tar".parse(), Ok(Destination::DockerArchive("a.tar".into())));
        for bad in ["", "a", "oci:", "docker-archive:", "registry.example.com/a:b", "dir:x"] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }
}
