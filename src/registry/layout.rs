//! An OCI image layout on disk (image-spec 1.1, "OCI Image Layout Specification") as a registry of one repository.
//!
//! Tags are the `org.opencontainers.image.ref.name` annotations of `index.json`; referrers are its entries whose
//! manifests name the subject. Every read is checked against digest and size. Writers of boltseal exclude each other by
//! a lock file, and no crash leaves a half-written file under a final name; other tools do not know the lock.
//!
//! A blob's path is made from a parsed digest only, so no name inside a layout leads out of its `blobs` folder. Whether
//! that folder, or a blob, is a symbolic link is the owner's business: what is read has the digest asked for.

mod folder;
mod index;
mod lock;
mod new_blob;
#[cfg(test)]
mod tests;

pub use new_blob::NewBlob;

use super::{Access, Fault, Fetched, ListSource, Listing, Merge, RegistryError, Selector};
use crate::{
    limits::{MANIFEST_BYTES, REFERRERS},
    oci::{Descriptor, Digest, ImageManifest, Manifest, ManifestError, media_type},
};
use folder::Folder;
use index::Index;
use std::{collections::HashSet, path::Path, sync::Arc};
use tokio::io::AsyncWrite;

/// An image layout: one repository in a folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: Arc<Folder>,
}

impl Layout {
    /// Opens the layout in `dir`. With [`Access::PullPush`] the folder may be absent or empty: the first write makes it
    /// a layout. Reads the `oci-layout` file, nothing else.
    ///
    /// # Errors
    /// [`Fault::NoLayout`] if `dir` is no layout (and none may be made of it); [`Fault::Setting`] if its version is not
    /// 1.0.0; [`Fault::Io`].
    pub fn open(dir: &Path, access: Access) -> Result<Self, RegistryError> {
        Folder::open(dir, access)
            .map(|folder| Self { folder: Arc::new(folder) })
            .map_err(|fault| fault.during(format!("opening oci:{}", dir.display())))
    }

    /// The manifest under a tag or digest. Checks its digest and, if `index.json` lists it, its size and media type.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if there is no such tag or blob; [`Fault::Protocol`] if a tag names two manifests or a listed
    /// manifest is missing; a broken, oversized or wrong manifest.
    pub async fn manifest(&self, at: &Selector) -> Result<Fetched, RegistryError> {
        self.read_manifest(at).await.map_err(|fault| self.during("reading", at, fault))
    }

    /// What a tag means now, as `index.json` says; the manifest itself is not read.
    ///
    /// # Errors
    /// As [`Layout::manifest`].
    pub async fn resolve(&self, tag: &str) -> Result<Descriptor, RegistryError> {
        let found = async {
            let mut entry = self.folder.index().await?.tagged(tag)?.cloned().ok_or(Fault::NotFound)?;
            entry.annotations.remove(media_type::REF_NAME_ANNOTATION);
            Ok(entry)
        };
        found.await.map_err(|fault| self.during("resolving", &tag, fault))
    }

    /// The entries of `index.json`, in their order.
    pub(super) async fn entries(&self) -> Result<Vec<Descriptor>, RegistryError> {
        let index = self.folder.index().await.map_err(|fault| self.during("listing", "the images", fault))?;
        Ok(index.entries().to_vec())
    }

    /// Whether a listed manifest refers to another one.
    pub(super) async fn refers(&self, entry: &Descriptor) -> Result<bool, RegistryError> {
        let fetched = self.read_listed(entry).await.map_err(|fault| self.during("reading", &entry.digest, fault))?;
        Ok(fetched.manifest.subject().is_some())
    }

    /// A blob, in memory. Checks digest and size.
    ///
    /// # Errors
    /// [`Fault::Limit`] if the descriptor states more than `cap` bytes; [`Fault::NotFound`], [`Fault::Digest`],
    /// [`Fault::Size`], [`Fault::Io`].
    pub async fn blob(&self, descriptor: &Descriptor, cap: u64) -> Result<Vec<u8>, RegistryError> {
        self.folder
            .read(&descriptor.digest, Some(descriptor.size), "the blob", cap)
            .await
            .map_err(|fault| self.during("reading", &descriptor.digest, fault))
    }

    /// Streams a blob into `sink`; `progress` is told how many bytes there are so far. Checks digest and size as
    /// the bytes pass: after an error the sink holds bytes that must not be used.
    ///
    /// # Errors
    /// As [`Layout::blob`], and [`Fault::Io`] of the sink.
    pub async fn blob_to(
        &self,
        descriptor: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), RegistryError> {
        self.folder
            .copy(&descriptor.digest, descriptor.size, sink, progress)
            .await
            .map_err(|fault| self.during("reading", &descriptor.digest, fault))
    }

    /// What refers to `subject`: every manifest that `index.json` lists and that names it, and the entries of an index
    /// under the fallback tag, where another tool wrote one. A listed manifest that can't be read is a fault, since it
    /// might have been a referrer.
    pub async fn referrers(&self, subject: &Digest) -> Listing {
        let mut listing = Listing { entries: Vec::new(), source: ListSource::Api, fault: None };
        if let Err(fault) = self.list_referrers(subject, &mut listing).await {
            listing.fault.get_or_insert(self.during("listing the referrers of", subject, fault));
        }
        listing
    }

    /// Writes a blob, unless it is there. Manifests that are only reached through an index are pushed as blobs too.
    ///
    /// # Errors
    /// [`Fault::Forbidden`] if the layout was opened for reading; [`Fault::Io`].
    pub async fn push_blob(&self, content: &[u8]) -> Result<(), RegistryError> {
        let digest = Digest::sha256(content);
        let written = async {
            self.folder.prepare().await?;
            self.folder.write_blob(&digest, content).await
        };
        written.await.map_err(|fault| self.during("writing", &digest, fault))
    }

    /// Writes bytes that were read by this digest, and are known to have it.
    pub(super) async fn keep(&self, digest: &Digest, content: &[u8]) -> Result<(), RegistryError> {
        let written = async {
            self.folder.prepare().await?;
            self.folder.write_blob(digest, content).await
        };
        written.await.map_err(|fault| self.during("writing", digest, fault))
    }

    /// The blob of this descriptor, to be written piece by piece; see [`NewBlob`].
    ///
    /// # Errors
    /// As [`Layout::push_blob`].
    pub async fn new_blob(&self, descriptor: &Descriptor) -> Result<NewBlob, RegistryError> {
        let started = async {
            self.folder.prepare().await?;
            NewBlob::new(self.folder.clone(), descriptor)
        };
        started.await.map_err(|fault| self.during("writing", &descriptor.digest, fault))
    }

    /// Writes a manifest and lists it in `index.json`: under its tag, or untagged if it is pushed by digest. The
    /// manifest that had the tag before stays listed, untagged. The flag says that referrers need no further write,
    /// which is always so here.
    ///
    /// # Errors
    /// As [`Layout::push_manifest_bytes`].
    pub async fn push_manifest(&self, at: &Selector, manifest: &Manifest) -> Result<(Digest, bool), RegistryError> {
        let bytes = manifest.encode();
        self.push_manifest_bytes(at, manifest.media_type(), &bytes).await
    }

    /// As [`Layout::push_manifest`], for bytes that have to stay as they are.
    ///
    /// # Errors
    /// [`Fault::Manifest`] if the bytes are none, or not of `media_type`; [`Fault::Digest`] if they are pushed by another
    /// digest; [`Fault::Forbidden`], [`Fault::Locked`], [`Fault::Io`].
    pub async fn push_manifest_bytes(
        &self,
        at: &Selector,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(Digest, bool), RegistryError> {
        let written = async {
            let mut entry = entry_of(media_type, bytes)?;
            if let Selector::Digest(expected) = at {
                // The caller may name it by SHA-512.
                entry.digest = expected.same_algorithm(bytes);
                if entry.digest != *expected {
                    return Err(Fault::Digest { expected: *expected, actual: entry.digest });
                }
            }
            self.folder.prepare().await?;
            self.write_manifest(at, entry, bytes).await
        };
        written.await.map(|digest| (digest, true)).map_err(|fault| self.during("writing", at, fault))
    }

    /// Attaches a manifest to its subject: writes it and lists it, untagged.
    ///
    /// # Errors
    /// As [`Layout::push_manifest_bytes`].
    pub async fn attach(&self, manifest: &ImageManifest) -> Result<Digest, RegistryError> {
        let manifest = Manifest::Image(Box::new(manifest.clone()));
        let bytes = manifest.encode();
        let at = Selector::Digest(Digest::sha256(&bytes));
        Ok(self.push_manifest_bytes(&at, manifest.media_type(), &bytes).await?.0)
    }

    /// Changes what a tag means, on top of what it means now; no other writer of boltseal comes between. What the tag
    /// meant before is no longer listed, unless under another tag: the change has taken it up.
    ///
    /// # Errors
    /// [`Fault::Merge`] if the change can't be made; otherwise as [`Layout::manifest`] (an absent tag is none) and
    /// [`Layout::push_manifest_bytes`].
    pub async fn update_tag(&self, tag: &str, change: &dyn Merge) -> Result<(), RegistryError> {
        self.merge(tag, change).await.map_err(|fault| self.during("updating", &tag, fault))
    }
}

impl Layout {
    fn during(&self, verb: &str, what: &(impl std::fmt::Display + ?Sized), fault: Fault) -> RegistryError {
        fault.during(format!("{verb} {what} in oci:{}", self.folder.dir().display()))
    }

    async fn read_manifest(&self, at: &Selector) -> Result<Fetched, Fault> {
        let index = self.folder.index().await?;
        let listed = match at {
            Selector::Tag(tag) => Some(index.tagged(tag)?.ok_or(Fault::NotFound)?),
            Selector::Digest(digest) => index.entry(digest),
        };
        match (listed, at) {
            (Some(entry), _) => self.read_listed(entry).await,
            (None, Selector::Digest(digest)) => {
                let bytes = self.folder.read(digest, None, "the manifest", MANIFEST_BYTES).await?;
                let manifest = Manifest::decode(&bytes)?;
                let descriptor = Descriptor { digest: *digest, ..Descriptor::of(manifest.media_type(), &bytes) };
                Ok(Fetched { descriptor, bytes, manifest })
            }
            (None, Selector::Tag(_)) => Err(Fault::NotFound),
        }
    }

    /// Reads a manifest that `index.json` lists: that it is missing is a broken layout, not an honest absence.
    async fn read_listed(&self, entry: &Descriptor) -> Result<Fetched, Fault> {
        let read = self.folder.read(&entry.digest, Some(entry.size), "the manifest", MANIFEST_BYTES).await;
        let bytes = read.map_err(|fault| match fault {
            Fault::NotFound => Fault::Protocol(format!("index.json lists {}, which is missing", entry.digest)),
            other => other,
        })?;
        let manifest = decode_as(&entry.media_type, &bytes)?;
        let descriptor = Descriptor { digest: entry.digest, ..Descriptor::of(&entry.media_type, &bytes) };
        Ok(Fetched { descriptor, bytes, manifest })
    }

    async fn list_referrers(&self, subject: &Digest, listing: &mut Listing) -> Result<(), Fault> {
        let index = self.folder.index().await?;
        let mut seen = HashSet::new();
        for entry in index.entries().iter().take(REFERRERS) {
            if !seen.insert(entry.digest) || !media_type::MANIFESTS.contains(&entry.media_type.as_str()) {
                continue;
            }
            match self.read_listed(entry).await {
                Ok(read) if read.manifest.subject().is_some_and(|named| named.digest == *subject) => {
                    listing.entries.push(read.manifest.as_referrer(&read.descriptor));
                }
                Ok(_) => {}
                Err(fault) => {
                    listing.fault.get_or_insert_with(|| self.during("reading", &entry.digest, fault));
                }
            }
        }
        if let Some(entry) = index.tagged(&subject.fallback_tag())? {
            let Manifest::Index(fallback) = self.read_listed(entry).await?.manifest else {
                return Err(Fault::Protocol(format!("{} is not an index", subject.fallback_tag())));
            };
            let known: HashSet<Digest> = listing.entries.iter().map(|entry| entry.digest).collect();
            listing.entries.extend(fallback.manifests.into_iter().filter(|entry| !known.contains(&entry.digest)));
        }
        if listing.entries.len() > REFERRERS || index.entries().len() > REFERRERS {
            listing.entries.truncate(REFERRERS);
            return Err(Fault::Limit { what: "the list of referrers", limit: format!("{REFERRERS} entries") });
        }
        Ok(())
    }

    async fn write_manifest(&self, at: &Selector, entry: Descriptor, bytes: &[u8]) -> Result<Digest, Fault> {
        let digest = entry.digest;
        self.folder.write_blob(&digest, bytes).await?;
        let _lock = self.folder.lock().await?;
        let mut index = self.folder.index().await?;
        let changed = match at {
            Selector::Tag(tag) => index.tag(tag, entry),
            Selector::Digest(_) => index.add(entry),
        };
        if changed {
            self.folder.write_index(&index).await?;
        }
        Ok(digest)
    }

    async fn merge(&self, tag: &str, change: &dyn Merge) -> Result<(), Fault> {
        self.folder.prepare().await?;
        let _lock = self.folder.lock().await?;
        let mut index: Index = self.folder.index().await?;
        let current = match index.tagged(tag)? {
            Some(entry) => Some(self.read_listed(entry).await?.manifest),
            None => None,
        };
        let Some(merged) = change.merge(current.as_ref()).map_err(Fault::Merge)? else { return Ok(()) };
        for blob in &merged.blobs {
            self.folder.write_blob(&Digest::sha256(blob), blob).await?;
        }
        let bytes = merged.manifest.encode();
        let entry = entry_of(merged.manifest.media_type(), &bytes)?;
        self.folder.write_blob(&entry.digest, &bytes).await?;
        if index.supersede(tag, entry) {
            self.folder.write_index(&index).await?;
        }
        Ok(())
    }
}

/// What `index.json` says of a manifest. Its annotations stay inside: one of them could be a tag.
fn entry_of(media_type: &str, bytes: &[u8]) -> Result<Descriptor, Fault> {
    let artifact_type = match decode_as(media_type, bytes)? {
        Manifest::Image(image) => image.artifact_type,
        Manifest::Index(index) => index.artifact_type,
    };
    Ok(Descriptor { artifact_type, ..Descriptor::of(media_type, bytes) })
}

fn decode_as(expected: &str, bytes: &[u8]) -> Result<Manifest, Fault> {
    let manifest = Manifest::decode(bytes)?;
    let (inside, kind) = match &manifest {
        Manifest::Image(image) => (&image.media_type, [media_type::IMAGE_MANIFEST, media_type::DOCKER_MANIFEST]),
        Manifest::Index(index) => (&index.media_type, [media_type::IMAGE_INDEX, media_type::DOCKER_LIST]),
    };
    if !kind.contains(&expected) || inside.as_ref().is_some_and(|inside| inside != expected) {
        let inside = manifest.media_type().to_owned();
        return Err(ManifestError::MediaType { inside, expected: expected.to_owned() }.into());
    }
    Ok(manifest)
}
