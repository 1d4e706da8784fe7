use super::RegistryError;
use crate::oci::{Descriptor, Digest, ImageManifest, Manifest};
use std::fmt;

/// What a run may do with a repository: the scope of the token that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read.
    Pull,
    /// Read and write.
    PullPush,
}

/// A manifest's name in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// By tag: whatever the registry says it means now.
    Tag(String),
    /// By digest.
    Digest(Digest),
}

/// A manifest as it was read: its bytes have the descriptor's digest and size.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Media type (as answered), digest and size.
    pub descriptor: Descriptor,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The same, decoded.
    pub manifest: Manifest,
}

/// The referrers of a subject, as far as they could be listed.
#[derive(Debug)]
pub struct Listing {
    /// The entries; what they say of artifact types is a hint.
    pub entries: Vec<Descriptor>,
    /// Which list answered.
    pub source: ListSource,
    /// Why the list is not, or not all, there. An empty list with a fault is not "no referrers".
    pub fault: Option<RegistryError>,
}

/// Which list of referrers answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSource {
    /// The referrers API, or a layout's index.
    Api,
    /// The fallback tag.
    FallbackTag,
}

/// A change of a manifest that several writers share under one tag.
///
/// There is no compare-and-swap in registries: the change is asked for again on whatever is there until a read-back
/// finds it in place.
pub trait Merge: Send + Sync {
    /// The change on top of what the tag means now (`None`: the tag is absent); `None` if nothing is missing there.
    ///
    /// # Errors
    /// What is there can't be built on; the words say why.
    fn merge(&self, current: Option<&Manifest>) -> Result<Option<Merged>, String>;
}

/// What a merge wants written.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The new manifest.
    pub manifest: Manifest,
    /// Blobs it needs; they are pushed first.
    pub blobs: Vec<Vec<u8>>,
}

impl Fetched {
    /// The image manifest, if it is one.
    #[must_use]
    pub fn image(&self) -> Option<&ImageManifest> {
        match &self.manifest {
            Manifest::Image(image) => Some(image),
            Manifest::Index(_) => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}
