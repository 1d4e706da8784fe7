use super::{Digest, media_type};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// A content descriptor (OCI image-spec 1.1, "OCI Content Descriptors"). Members that are not modelled are kept,
/// so that an index written by another tool survives our merge. Its annotations are a producer's word, not a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content, in bytes.
    pub size: u64,
    /// What kind of artifact a manifest is (in lists of referrers; a hint).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Platform of an index's entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Annotations, unsigned.
    #[serde(
        default,
        deserialize_with = "crate::oci::manifest::null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Everything else, as it stood.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Descriptor {
    /// The descriptor of these bytes, by SHA-256.
    #[must_use]
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::sha256(content),
            size: content.len() as u64,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }

    /// The empty descriptor: two bytes, `{}`.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(media_type::EMPTY, media_type::EMPTY_CONTENT)
    }

    /// The same with an annotation more.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: impl Into<String>) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }
}

/// The platform of an index's entry (image-spec 1.1, "Image Index Property Descriptions").
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// CPU architecture, in Go's words: `amd64`, `arm64`.
    pub architecture: String,
    /// Operating system, in Go's words: `linux`, `windows`.
    pub os: String,
    /// Variant of the CPU: `v7`, `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Everything else (`os.version`, `os.features`), as it stood.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Platform {
    /// Whether `asked`, written `os/architecture[/variant]`, names this platform. A variant that was not asked for
    /// does not matter.
    #[must_use]
    pub fn matches(&self, asked: &str) -> bool {
        let mut parts = asked.splitn(3, '/');
        parts.next() == Some(&self.os)
            && parts.next() == Some(&self.architecture)
            && parts.next().is_none_or(|variant| self.variant.as_deref() == Some(variant))
    }

    /// Whether this is a place-holder (`unknown/unknown`), as BuildKit gives to its attestation manifests.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}
