use crate::oci::{Digest, Reference};
use std::fmt;

/// The one digest under judgement, and how it came to be this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What was typed.
    pub reference: Reference,
    /// The digest under judgement: an index, or an image.
    pub digest: Digest,
    /// How the digest was found.
    pub pinned: Pinned,
    /// The index that lists `digest`, read by its own digest: what is said of it is said of all that it lists.
    pub within: Option<Digest>,
}

/// How a subject's digest was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pinned {
    /// It was typed.
    Typed,
    /// The registry said that the tag means it: a hint, which no signature stands behind.
    RegistryTag,
}

impl Subject {
    /// Whether a statement about `named` speaks of this subject.
    #[must_use]
    pub fn is(&self, named: &Digest) -> bool {
        self.digest == *named || self.within.as_ref() == Some(named)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.at(self.digest).fmt(f)
    }
}
