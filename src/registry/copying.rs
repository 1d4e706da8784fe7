use super::{Fault, Fetched, Layout, Listing, RegistryError, Repo, Selector};
use crate::oci::{Descriptor, Digest, ImageIndex, Manifest};

/// A place whose reads are copied into a layout, as they are: what was read there can be read again. It takes no writes.
///
/// Lists of referrers are kept as the index under the fallback tag. What could not be read is not kept.
#[derive(Clone)]
pub struct Copying {
    from: Box<Repo>,
    into: Layout,
}

impl Copying {
    pub(super) fn new(from: Repo, into: Layout) -> Self {
        Self { from: Box::new(from), into }
    }

    pub(super) fn from(&self) -> &Repo {
        &self.from
    }

    pub(super) async fn manifest(&self, at: &Selector) -> Result<Fetched, RegistryError> {
        let fetched = Box::pin(self.from.manifest(at)).await?;
        match at {
            Selector::Tag(_) => {
                self.into.push_manifest_bytes(at, &fetched.descriptor.media_type, &fetched.bytes).await?;
            }
            Selector::Digest(digest) => self.into.keep(digest, &fetched.bytes).await?,
        }
        Ok(fetched)
    }

    pub(super) async fn listed_manifest(&self, entry: &Descriptor) -> Result<Fetched, RegistryError> {
        let fetched = Box::pin(self.from.listed_manifest(entry)).await?;
        self.into.keep(&entry.digest, &fetched.bytes).await?;
        Ok(fetched)
    }

    pub(super) async fn blob(&self, descriptor: &Descriptor, cap: u64) -> Result<Vec<u8>, RegistryError> {
        let bytes = Box::pin(self.from.blob(descriptor, cap)).await?;
        self.into.keep(&descriptor.digest, &bytes).await?;
        Ok(bytes)
    }

    pub(super) async fn referrers(&self, subject: &Digest) -> Listing {
        let mut listing = Box::pin(self.from.referrers(subject)).await;
        if !listing.entries.is_empty() {
            let list = Manifest::Index(Box::new(ImageIndex::new(listing.entries.clone())));
            let kept = self.into.push_manifest(&Selector::Tag(subject.fallback_tag()), &list).await;
            listing.fault = listing.fault.or(kept.err());
        }
        listing
    }

    /// What a write is answered with.
    pub(super) fn refusal(&self) -> RegistryError {
        let message = "what is read here is kept, and nothing is written".to_owned();
        Fault::Forbidden { permission: "push", message }.during("writing".to_owned())
    }
}
