//! The manifest that holds a repository's trust state, or a role that waits to be taken into it: TUF metadata files as the
//! layers of one artifact, small ones inline.

use crate::{
    crypto::Fingerprint,
    format::tuf::RoleName,
    limits::TRUST_INLINE_BYTES,
    oci::{Descriptor, ImageManifest, media_type},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;

/// The tag of a repository's trust state.
pub const TRUST_TAG: &str = "boltseal.trust";
/// The descriptor's member that holds content inline (image-spec 1.1, "Descriptor: data").
const DATA: &str = "data";
/// Bytes of JSON that a layer takes beside its content.
const LAYER_OVERHEAD: u64 = 320;

/// Why a manifest holds no metadata files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustManifestError {
    /// Another artifact.
    #[error("an artifact of type {found:?}, expected {expected:?}")]
    Type {
        /// What it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A layer that is no metadata file, or has no name.
    #[error("layer {0} is no TUF metadata file with an annotation `tuf.io/filename`")]
    Layer(usize),
    /// One file name twice.
    #[error("two files {0:?}")]
    DuplicateFile(String),
    /// Inline content that is not what its own descriptor says.
    #[error("the inline content of {0:?} is not what its descriptor says")]
    Inline(String),
}

/// A metadata file of a trust manifest, as whoever pushed it says.
#[derive(Clone, Debug, PartialEq)]
pub enum TrustLayer {
    /// Its content stands in the manifest.
    Inline(Bytes),
    /// It is a blob.
    Blob(Box<Descriptor>),
}

/// The metadata files of a trust manifest, by name. Who signed them is for [`crate::trust::tuf`] to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrustFiles(pub BTreeMap<String, TrustLayer>);

/// What a trust manifest holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustArtifact {
    /// All files of a state.
    State,
    /// One role's file that waits for a sealer, or nothing any more.
    Staged,
}

impl TrustArtifact {
    /// Its artifact type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::State => media_type::TRUST_STATE,
            Self::Staged => media_type::TRUST_STAGED,
        }
    }

    /// A manifest of these files. Content stands inline, the shortest first, as long as the manifest stays within
    /// [`TRUST_INLINE_BYTES`]; the same files give the same manifest.
    #[must_use]
    pub fn encode(self, files: &BTreeMap<String, impl AsRef<[u8]>>) -> ImageManifest {
        let mut by_length: Vec<_> = files.iter().map(|(name, bytes)| (name, bytes.as_ref())).collect();
        by_length.sort_by_key(|(name, bytes)| (bytes.len(), *name));
        let mut left = TRUST_INLINE_BYTES.saturating_sub(files.len() as u64 * LAYER_OVERHEAD);
        let mut layers = BTreeMap::new();
        for (name, bytes) in by_length {
            let mut layer = Descriptor::of(media_type::TUF_METADATA, bytes)
                .annotated(media_type::TUF_FILENAME_ANNOTATION, name.as_str());
            let data = STANDARD.encode(bytes);
            if data.len() as u64 <= left {
                left -= data.len() as u64;
                layer.other.insert(DATA.to_owned(), Value::String(data));
            }
            layers.insert(name, layer);
        }
        let mut manifest = ImageManifest::new(Descriptor::empty(), layers.into_values().collect());
        if manifest.layers.is_empty() {
            manifest.layers.push(Descriptor::empty());
        }
        manifest.artifact_type = Some(self.media_type().to_owned());
        manifest
    }

    /// Reads a manifest's list of files. Inline content is checked against its descriptor; blobs are whoever fetches
    /// them's to check.
    ///
    /// # Errors
    /// Another artifact type, a layer that is no named metadata file, a name twice, or inline content that does not fit.
    pub fn decode(self, manifest: &ImageManifest) -> Result<TrustFiles, TrustManifestError> {
        let (found, expected) = (manifest.effective_artifact_type(), self.media_type());
        if found != expected {
            return Err(TrustManifestError::Type { found: found.to_owned(), expected });
        }
        let mut files = BTreeMap::new();
        let layers = manifest.layers.iter().enumerate().filter(|(_, layer)| layer.media_type != media_type::EMPTY);
        for (at, layer) in layers {
            let name = layer.annotations.get(media_type::TUF_FILENAME_ANNOTATION);
            let name = name.filter(|_| layer.media_type == media_type::TUF_METADATA);
            let name = name.ok_or(TrustManifestError::Layer(at))?.clone();
            let file = decode_layer(&name, layer)?;
            if files.insert(name.clone(), file).is_some() {
                return Err(TrustManifestError::DuplicateFile(name));
            }
        }
        Ok(TrustFiles(files))
    }
}

fn decode_layer(name: &str, layer: &Descriptor) -> Result<TrustLayer, TrustManifestError> {
    let Some(data) = layer.other.get(DATA) else { return Ok(TrustLayer::Blob(Box::new(layer.clone()))) };
    let bytes = data.as_str().and_then(|data| STANDARD.decode(data).ok());
    let fits = |bytes: &Vec<u8>| bytes.len() as u64 == layer.size && layer.digest.same_algorithm(bytes) == layer.digest;
    bytes
        .filter(fits)
        .map(|bytes| TrustLayer::Inline(bytes.into()))
        .ok_or_else(|| TrustManifestError::Inline(name.to_owned()))
}

/// What [`staging_tag`]s begin with; 32 hex digits follow.
pub const STAGING_TAGS: &str = "boltseal.role.";

/// The tag under which one writer stages one role: nobody else writes there, so nothing is overwritten.
#[must_use]
pub fn staging_tag(role: &RoleName, key: Fingerprint) -> String {
    let hash = crate::crypto::hash::sha256(format!("{role}\n{key}").as_bytes());
    format!("{STAGING_TAGS}{}", hex::encode(hash).get(..32).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Manifest;

    fn files(sizes: &[(&str, usize)]) -> BTreeMap<String, Vec<u8>> {
        sizes.iter().map(|(name, size)| ((*name).to_owned(), vec![b'x'; *size])).collect()
    }

    fn read_back(manifest: &ImageManifest) -> ImageManifest {
        match Manifest::decode(&Manifest::Image(Box::new(manifest.clone())).encode()).unwrap() {
            Manifest::Image(image) => *image,
            Manifest::Index(_) => panic!("an image"),
        }
    }

    // [V-60]
    #[test]
    fn small_files_stand_inline_and_what_is_too_much_is_a_blob() {
        let files = files(&[("timestamp.json", 500), ("1.root.json", 2_000), ("9.targets%2Freleases.json", 900_000)]);
        let manifest = read_back(&TrustArtifact::State.encode(&files));
        assert!(serde_json::to_vec(&manifest).unwrap().len() as u64 <= TRUST_INLINE_BYTES);
        let read = TrustArtifact::State.decode(&manifest).unwrap().0;
        assert_eq!(read["timestamp.json"], TrustLayer::Inline(files["timestamp.json"].clone().into()));
        assert_eq!(read["1.root.json"], TrustLayer::Inline(files["1.root.json"].clone().into()));
        let TrustLayer::Blob(blob) = &read["9.targets%2Freleases.json"] else { panic!("a blob") };
        assert_eq!(blob.size, 900_000);
        assert_eq!(TrustArtifact::State.encode(&files), TrustArtifact::State.encode(&files));
    }

    // [V-61]
    #[test]
    fn a_repeated_name_a_foreign_layer_and_content_that_does_not_fit_are_refused() {
        let good = TrustArtifact::State.encode(&files(&[("a.json", 1), ("b.json", 2)]));
        let error = |change: &dyn Fn(&mut ImageManifest)| {
            let mut bad = good.clone();
            change(&mut bad);
            TrustArtifact::State.decode(&bad).unwrap_err()
        };
        let twice = error(&|bad| {
            let first = bad.layers[0].clone();
            bad.layers.push(first);
        });
        assert_eq!(twice, TrustManifestError::DuplicateFile("a.json".to_owned()));
        assert_eq!(error(&|bad| bad.layers[0].size += 1), TrustManifestError::Inline("a.json".to_owned()));
        let data = |bad: &mut ImageManifest, value: Value| bad.layers[1].other.insert(DATA.to_owned(), value);
        for value in [Value::from("eHk="), Value::from("?"), Value::from(1)] {
            assert_eq!(error(&|bad| drop(data(bad, value.clone()))), TrustManifestError::Inline("b.json".to_owned()));
        }
        assert_eq!(error(&|bad| bad.layers[1].annotations.clear()), TrustManifestError::Layer(1));
        assert_eq!(error(&|bad| bad.layers[1].media_type = "text/plain".to_owned()), TrustManifestError::Layer(1));
        assert!(matches!(error(&|bad| bad.artifact_type = None), TrustManifestError::Type { .. }));
        assert!(TrustArtifact::Staged.decode(&good).is_err());
    }

    // [V-94]
    #[test]
    fn nothing_staged_is_a_manifest_too_and_each_writer_has_a_tag_for_each_role() {
        let empty = TrustArtifact::Staged.encode(&files(&[]));
        assert_eq!(TrustArtifact::Staged.decode(&read_back(&empty)).unwrap(), TrustFiles::default());
        let (one, two) = (Fingerprint::of(b"1"), Fingerprint::of(b"2"));
        let (releases, alice) = (RoleName::from("targets/releases"), RoleName::from("targets/alice"));
        let tags = [staging_tag(&releases, one), staging_tag(&releases, two), staging_tag(&alice, one)];
        assert!(tags.iter().all(|tag| tag.len() == "boltseal.role.".len() + 32));
        assert!(tags[0] != tags[1] && tags[0] != tags[2]);
        // printf 'targets/releases\n6b86…' | sha256sum, where 6b86… is the key's fingerprint.
        assert_eq!(tags[0], "boltseal.role.c136778cb266ecd7194cd57540c0a1e6");
    }
}
