use super::{Copying, Fetched, Layout, Listing, Merge, RegistryError, Remote, Selector, TagRead, Tagged};
use crate::oci::{Descriptor, Digest, ImageManifest, Manifest};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;

/// A place that holds manifests, wherever it is. What each operation checks stands with [`Remote`]'s.
#[derive(Clone)]
pub enum Repo {
    /// A repository in a registry.
    Remote(Remote),
    /// An image layout on disk.
    Layout(Layout),
    /// Either, read only, with a copy of what is read.
    Copying(Copying),
}

impl Repo {
    /// The same place; what is read of it is copied into a layout, too. It takes no writes then.
    #[must_use]
    pub fn copied_to(self, into: Layout) -> Self {
        Self::Copying(Copying::new(self, into))
    }

    /// Fetches a manifest; see [`Remote::manifest`].
    ///
    /// # Errors
    /// [`super::Fault::NotFound`] if it is not there; any other fault.
    pub async fn manifest(&self, at: &Selector) -> Result<Fetched, RegistryError> {
        match self {
            Self::Copying(copying) => copying.manifest(at).await,
            Self::Remote(remote) => remote.manifest(at).await,
            Self::Layout(layout) => layout.manifest(at).await,
        }
    }

    /// Fetches a manifest by tag unless it has not changed; see [`Remote::manifest_if_changed`]. A layout is always read.
    ///
    /// # Errors
    /// [`super::Fault::NotFound`] if it is not there; any other fault.
    pub async fn manifest_if_changed(&self, tag: &str, etag: Option<&str>) -> Result<Option<Tagged>, RegistryError> {
        match self {
            Self::Copying(copying) => Box::pin(copying.from().manifest_if_changed(tag, etag)).await,
            Self::Remote(remote) => remote.manifest_if_changed(tag, etag).await,
            Self::Layout(layout) => {
                let fetched = layout.manifest(&Selector::Tag(tag.to_owned())).await?;
                Ok(Some(Tagged { fetched, etag: None }))
            }
        }
    }

    /// Fetches a manifest that a list names; see [`Remote::listed_manifest`].
    ///
    /// # Errors
    /// Any fault.
    pub async fn listed_manifest(&self, entry: &Descriptor) -> Result<Fetched, RegistryError> {
        match self {
            Self::Copying(copying) => copying.listed_manifest(entry).await,
            Self::Remote(remote) => remote.listed_manifest(entry).await,
            // A layout's list is made of the manifests themselves.
            Self::Layout(layout) => layout.manifest(&Selector::Digest(entry.digest)).await,
        }
    }

    /// Resolves a tag to what it means now; see [`Remote::resolve`].
    ///
    /// # Errors
    /// [`super::Fault::NotFound`] if it is not there; any other fault.
    pub async fn resolve(&self, tag: &str) -> Result<Descriptor, RegistryError> {
        match self {
            Self::Copying(copying) => Box::pin(copying.from().resolve(tag)).await,
            Self::Remote(remote) => remote.resolve(tag).await,
            Self::Layout(layout) => layout.resolve(tag).await,
        }
    }

    /// Fetches a blob of at most `cap` bytes; see [`Remote::blob`].
    ///
    /// # Errors
    /// Any fault.
    pub async fn blob(&self, descriptor: &Descriptor, cap: u64) -> Result<Vec<u8>, RegistryError> {
        match self {
            Self::Copying(copying) => copying.blob(descriptor, cap).await,
            Self::Remote(remote) => remote.blob(descriptor, cap).await,
            Self::Layout(layout) => layout.blob(descriptor, cap).await,
        }
    }

    /// Fetches a blob of any size; see [`Remote::blob_to`].
    ///
    /// # Errors
    /// Any fault; what the sink holds is worthless then.
    pub async fn blob_to(
        &self,
        descriptor: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), RegistryError> {
        match self {
            Self::Copying(copying) => Box::pin(copying.from().blob_to(descriptor, sink, progress)).await,
            Self::Remote(remote) => remote.blob_to(descriptor, sink, progress).await,
            Self::Layout(layout) => layout.blob_to(descriptor, sink, progress).await,
        }
    }

    /// Lists the referrers of a subject; see [`Remote::referrers`].
    pub async fn referrers(&self, subject: &Digest) -> Listing {
        match self {
            Self::Copying(copying) => copying.referrers(subject).await,
            Self::Remote(remote) => remote.referrers(subject).await,
            Self::Layout(layout) => layout.referrers(subject).await,
        }
    }

    /// Pushes a blob; see [`Remote::push_blob`].
    ///
    /// # Errors
    /// Any fault.
    pub async fn push_blob(&self, content: &[u8]) -> Result<(), RegistryError> {
        match self {
            Self::Copying(copying) => Err(copying.refusal()),
            Self::Remote(remote) => remote.push_blob(content).await,
            Self::Layout(layout) => layout.push_blob(content).await,
        }
    }

    /// Pushes a manifest; see [`Remote::push_manifest`].
    ///
    /// # Errors
    /// Any fault.
    pub async fn push_manifest(&self, at: &Selector, manifest: &Manifest) -> Result<(Digest, bool), RegistryError> {
        match self {
            Self::Copying(copying) => Err(copying.refusal()),
            Self::Remote(remote) => remote.push_manifest(at, manifest).await,
            Self::Layout(layout) => layout.push_manifest(at, manifest).await,
        }
    }

    /// Pushes a manifest's bytes as they are; see [`Remote::push_manifest_bytes`].
    ///
    /// # Errors
    /// Any fault.
    pub async fn push_manifest_bytes(
        &self,
        at: &Selector,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(Digest, bool), RegistryError> {
        match self {
            Self::Copying(copying) => Err(copying.refusal()),
            Self::Remote(remote) => remote.push_manifest_bytes(at, media_type, bytes).await,
            Self::Layout(layout) => layout.push_manifest_bytes(at, media_type, bytes).await,
        }
    }

    /// Pushes an artifact and lists it at its subject; see [`Remote::attach`].
    ///
    /// # Errors
    /// Any fault.
    pub async fn attach(&self, manifest: &ImageManifest) -> Result<Digest, RegistryError> {
        match self {
            Self::Copying(copying) => Err(copying.refusal()),
            Self::Remote(remote) => remote.attach(manifest).await,
            Self::Layout(layout) => layout.attach(manifest).await,
        }
    }

    /// Reads a tag that may be absent; see [`Remote::read_tag`].
    ///
    /// # Errors
    /// Any fault but [`super::Fault::NotFound`].
    pub async fn read_tag(&self, tag: &str) -> Result<TagRead, RegistryError> {
        match self {
            Self::Copying(copying) => Box::pin(copying.from().read_tag(tag)).await,
            Self::Remote(remote) => remote.read_tag(tag).await,
            Self::Layout(layout) => {
                let fetched = match layout.manifest(&Selector::Tag(tag.to_owned())).await {
                    Ok(fetched) => Some(fetched),
                    Err(error) if error.is_not_found() => None,
                    Err(error) => return Err(error),
                };
                Ok(TagRead { at: Instant::now(), fetched })
            }
        }
    }

    /// Changes what a shared tag means; see [`Remote::update_tag`]. A layout is locked meanwhile, and reads for itself.
    ///
    /// # Errors
    /// Any fault.
    pub async fn update_tag(&self, tag: &str, base: Option<TagRead>, change: &dyn Merge) -> Result<(), RegistryError> {
        match self {
            Self::Copying(copying) => Err(copying.refusal()),
            Self::Remote(remote) => remote.update_tag(tag, base, change).await,
            Self::Layout(layout) => layout.update_tag(tag, change).await,
        }
    }

    /// Points a tag at a manifest, once; see [`Remote::write_tag`].
    ///
    /// # Errors
    /// Any fault that says that it did not arrive.
    pub async fn write_tag(&self, tag: &str, manifest: &Manifest) -> Result<(), RegistryError> {
        match self {
            Self::Copying(copying) => Err(copying.refusal()),
            Self::Remote(remote) => remote.write_tag(tag, manifest).await,
            Self::Layout(layout) => layout.push_manifest(&Selector::Tag(tag.to_owned()), manifest).await.map(|_| ()),
        }
    }

    /// How long to wait after a write of a shared tag before it is read back: longer than it took others to write who had
    /// read before it, which is judged by our own slowest write; and a random part that grows with each round, so that
    /// writers fall out of step. A layout is locked while it is written.
    #[must_use]
    pub fn settle(&self, slowest: Duration, round: u32) -> Duration {
        match self {
            Self::Remote(remote) => remote.settle(slowest, round),
            Self::Layout(_) | Self::Copying(_) => Duration::ZERO,
        }
    }
}
