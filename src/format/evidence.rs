//! What was found for an image, as it was found: bytes, and where they hung.

use super::legacy::LegacyMaterial;
use crate::oci::Digest;
use std::fmt;

/// Bytes that hang on a subject: their digest is right, their meaning is whoever pushed them's.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Where they were found.
    pub place: Place,
    /// What they claim to be.
    pub kind: BlobKind,
    /// The content.
    pub bytes: Vec<u8>,
}

/// What a blob claims to be, by its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobKind {
    /// A Sigstore bundle.
    Bundle,
    /// A simple-signing payload, with the signature (base64) that stood in its descriptor's annotation.
    SimpleSigning {
        /// The annotation's text.
        signature: String,
        /// What stood beside it.
        material: LegacyMaterial,
    },
    /// A bare DSSE envelope (cosign's `.att`).
    Envelope {
        /// What stood in its descriptor's annotations.
        material: LegacyMaterial,
    },
    /// A bare in-toto statement that lies in an index: nobody has signed it itself.
    Statement,
    /// Read, with the right digest, and not decodable.
    Malformed {
        /// What is wrong with it.
        why: String,
    },
    /// Something of another tool; its content was not read.
    Foreign {
        /// The artifact or media type.
        media_type: String,
    },
}

impl BlobKind {
    /// Whether judging it takes more than a look at its kind.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        match self {
            Self::Bundle | Self::SimpleSigning { .. } | Self::Envelope { .. } | Self::Statement => true,
            Self::Malformed { .. } | Self::Foreign { .. } => false,
        }
    }
}

/// Where evidence was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The digest that it hangs on.
    pub subject: Digest,
    /// By which way it was reached.
    pub via: Via,
    /// The manifest that holds it, where one was read.
    pub manifest: Option<Digest>,
    /// Its layer's position in that manifest.
    pub layer: usize,
}

/// The ways by which evidence hangs on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Via {
    /// The referrers API.
    Referrers,
    /// The referrers fallback tag.
    FallbackTag,
    /// cosign's `.sig` tag.
    SignatureTag,
    /// cosign's `.att` tag.
    AttestationTag,
    /// cosign's `.sbom` tag.
    SbomTag,
    /// An attestation manifest in an index; the digest that it hangs on is that of the image which it is about.
    Index,
    /// Handed in by the caller.
    Supplied,
}

/// Everything that was found for one subject, read or not.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// What was read.
    pub blobs: Vec<Blob>,
    /// What is there, or may be there, and could not be read.
    pub unread: Vec<Unread>,
}

/// Something that is listed but could not be read, or a list that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What: a list's or a manifest's name.
    pub what: String,
    /// Why: the error, in words.
    pub why: String,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Referrers => "referrers",
            Self::FallbackTag => "fallback-tag",
            Self::SignatureTag => "sig-tag",
            Self::AttestationTag => "att-tag",
            Self::SbomTag => "sbom-tag",
            Self::Index => "index",
            Self::Supplied => "supplied",
        })
    }
}
