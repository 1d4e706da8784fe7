use super::{Descriptor, media_type};
use crate::{
    json::{self, JsonError},
    limits::{INDEX_ENTRIES, LAYERS, MANIFEST_BYTES, MANIFEST_VALUES},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What an image reference leads to: one image, or an index of images.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    /// An image or artifact manifest.
    Image(Box<ImageManifest>),
    /// An image index.
    Index(Box<ImageIndex>),
}

/// An image or artifact manifest (image-spec 1.1, "OCI Image Manifest"; Docker's schema 2 has the same members).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u8,
    /// The manifest's own media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers. Two may have the same digest and differ in their annotations.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations, unsigned.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index (image-spec 1.1, "OCI Image Index"); also the answer of the referrers API and the fallback tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    /// Always 2.
    pub schema_version: u8,
    /// The index's own media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The entries.
    #[serde(deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations, unsigned.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Everything else, as it stood.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// More bytes than a manifest may have.
    #[error("the manifest has {0} bytes, at most {MANIFEST_BYTES} are read")]
    TooLarge(usize),
    /// Broken, ambiguous, or not a manifest's shape.
    #[error("the manifest is {0}")]
    Json(#[from] JsonError),
    /// Both an image's and an index's members, or neither's (CVE-2021-41190).
    #[error("the manifest has to have either `layers` or `manifests`, it has {0}")]
    Ambiguous(&'static str),
    /// The `mediaType` inside speaks of another kind than the members, or than the answer's header.
    #[error("the manifest calls itself {inside:?}, expected {expected:?}")]
    MediaType {
        /// What the document says.
        inside: String,
        /// What its members or the registry say.
        expected: String,
    },
    /// Not schema version 2.
    #[error("the manifest has schema version {0}, expected 2")]
    SchemaVersion(u8),
    /// More layers or entries than are read.
    #[error("the manifest lists {0} entries, more than are read")]
    Entries(usize),
}

impl Manifest {
    /// Decodes an image manifest or an index.
    ///
    /// Checks: size, strict JSON, that exactly one of `layers` and `manifests` is there and agrees with `mediaType`,
    /// schema version, number of entries. Does not check: the digest (whoever read the bytes has), or that what the
    /// entries name exists.
    ///
    /// # Errors
    /// As [`ManifestError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let value = json::decode_value_within(bytes, MANIFEST_VALUES)?;
        let manifest = match (value.get("layers").is_some(), value.get("manifests").is_some()) {
            (true, false) => Self::Image(Box::new(ImageManifest::deserialize(value).map_err(JsonError::from)?)),
            (false, true) => Self::Index(Box::new(ImageIndex::deserialize(value).map_err(JsonError::from)?)),
            (true, true) => return Err(ManifestError::Ambiguous("both")),
            (false, false) => return Err(ManifestError::Ambiguous("neither")),
        };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let (version, inside, allowed, entries, most) = match self {
            Self::Image(m) => (
                m.schema_version,
                &m.media_type,
                [media_type::IMAGE_MANIFEST, media_type::DOCKER_MANIFEST],
                m.layers.len(),
                LAYERS,
            ),
            // The referrers list is an index too and may be long; its own bound is the reader's.
            Self::Index(m) => (
                m.schema_version,
                &m.media_type,
                [media_type::IMAGE_INDEX, media_type::DOCKER_LIST],
                m.manifests.len(),
                usize::MAX,
            ),
        };
        if version != 2 {
            return Err(ManifestError::SchemaVersion(version));
        }
        if let Some(inside) = inside
            && !allowed.contains(&inside.as_str())
        {
            let expected = allowed.map(str::to_owned).join(" or ");
            return Err(ManifestError::MediaType { inside: inside.clone(), expected });
        }
        if entries > most {
            return Err(ManifestError::Entries(entries));
        }
        Ok(())
    }

    /// The manifest as JSON, members in the order of the specification. Structs with text keys only: it can't fail.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let bytes = match self {
            Self::Image(image) => serde_json::to_vec(image),
            Self::Index(index) => serde_json::to_vec(index),
        };
        bytes.unwrap_or_default()
    }

    /// The media type: what the document says, or what OCI has for its kind.
    #[must_use]
    pub fn media_type(&self) -> &str {
        let (inside, default) = match self {
            Self::Image(m) => (&m.media_type, media_type::IMAGE_MANIFEST),
            Self::Index(m) => (&m.media_type, media_type::IMAGE_INDEX),
        };
        inside.as_deref().unwrap_or(default)
    }

    /// What this manifest refers to.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(m) => m.subject.as_ref(),
            Self::Index(m) => m.subject.as_ref(),
        }
    }

    /// How a list of referrers shows this manifest, which was read or pushed as `described` (distribution-spec 1.1,
    /// "Listing Referrers": artifact type and annotations are copied).
    #[must_use]
    pub fn as_referrer(&self, described: &Descriptor) -> Descriptor {
        let (artifact_type, annotations) = match self {
            Self::Image(m) => (Some(m.effective_artifact_type().to_owned()), m.annotations.clone()),
            Self::Index(m) => (m.artifact_type.clone(), m.annotations.clone()),
        };
        Descriptor { artifact_type, annotations, ..described.clone() }
    }
}

impl ImageManifest {
    /// An OCI manifest of these parts, ready to be annotated.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::IMAGE_MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The artifact type as distribution-spec 1.1 has it: `artifactType`, or else the config's media type.
    #[must_use]
    pub fn effective_artifact_type(&self) -> &str {
        self.artifact_type.as_deref().unwrap_or(&self.config.media_type)
    }

    /// How a list of referrers shows this manifest, whose bytes are `content` (distribution-spec 1.1, "Listing
    /// Referrers": artifact type and annotations are copied).
    #[must_use]
    pub fn as_referrer(&self, content: &[u8]) -> Descriptor {
        Descriptor {
            artifact_type: Some(self.effective_artifact_type().to_owned()),
            annotations: self.annotations.clone(),
            ..Descriptor::of(media_type::IMAGE_MANIFEST, content)
        }
    }
}

impl ImageIndex {
    /// An OCI index of these entries.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::IMAGE_INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }

    /// The entries that are images of a platform: BuildKit's attestation manifests (`unknown/unknown`) are left out.
    ///
    /// # Errors
    /// More entries than [`INDEX_ENTRIES`].
    pub fn platforms(&self) -> Result<Vec<&Descriptor>, ManifestError> {
        if self.manifests.len() > INDEX_ENTRIES {
            return Err(ManifestError::Entries(self.manifests.len()));
        }
        let image = |entry: &&Descriptor| !entry.platform.as_ref().is_some_and(super::Platform::is_unknown);
        Ok(self.manifests.iter().filter(image).collect())
    }
}

/// Reads `null` as the default: Go tools write it for an empty list or map.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
    const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

    // [V-13]
    #[test]
    fn a_manifest_that_is_two_things_or_calls_itself_another_is_refused() {
        assert!(Manifest::decode(IMAGE.as_bytes()).is_ok() && Manifest::decode(INDEX.as_bytes()).is_ok());
        for bad in [
            IMAGE.replace("\"layers\":[]", "\"layers\":[],\"manifests\":[]"),
            INDEX.replace("\"manifests\":[]", "\"manifests\":[],\"layers\":[]"),
            IMAGE.replace("image.manifest", "image.index"),
            INDEX.replace("image.index", "image.manifest"),
            INDEX.replace("\"manifests\"", "\"nothing\""),
            IMAGE.replace("\"schemaVersion\":2", "\"schemaVersion\":1"),
            IMAGE.replace("\"size\":2", "\"size\":-2"),
            IMAGE.replace("sha256:44", "sha256:4"),
        ] {
            assert!(Manifest::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_another_tool_wrote_is_written_back_with_all_its_members() {
        let entry = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"artifactType":"c/d","annotations":{"k":"v"},"urls":["https://example.com"]}],"x-more":{"y":1}}"#;
        let written = Manifest::decode(entry.as_bytes()).unwrap().encode();
        assert_eq!(json::decode_value(&written).unwrap(), json::decode_value(entry.as_bytes()).unwrap());
    }

    #[test]
    fn null_is_an_empty_list_and_too_many_layers_are_refused() {
        assert!(Manifest::decode(INDEX.replace("[]", "null").as_bytes()).is_ok());
        let layer = r#"{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
        let layers = vec![layer; LAYERS + 1].join(",");
        let many = IMAGE.replace("\"layers\":[]", &format!("\"layers\":[{layers}]"));
        assert!(matches!(Manifest::decode(many.as_bytes()), Err(ManifestError::Entries(_))));
    }
}
