//! Statements that lie in an index itself: BuildKit's attestation manifests, each beside the image that it is about.

use super::{
    Descriptor, Digest, ImageError, Manifest,
    image::same,
    media_type::{ATTESTATION_MANIFEST, IN_TOTO, REFERENCE_DIGEST_ANNOTATION, REFERENCE_TYPE_ANNOTATION},
};
use std::collections::BTreeMap;

/// An index: the images that it lists, its attestation manifests, and the statements in those of them that were read.
/// Digests alone, each checked against the bytes that name it.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    index: Digest,
    images: Vec<Digest>,
    listed: Vec<(Descriptor, Digest)>,
    statements: BTreeMap<Digest, Vec<(usize, Descriptor)>>,
}

impl Embedded {
    /// What an index lists. An attestation manifest is an entry with BuildKit's annotations
    /// (`vnd.docker.reference.type: attestation-manifest`, and in `vnd.docker.reference.digest` an image of the same index);
    /// whoever made the index wrote them.
    ///
    /// # Errors
    /// Other bytes, no index, or more entries than are read.
    pub fn of_index(digest: Digest, index: &[u8]) -> Result<Self, ImageError> {
        same("the index", digest, index)?;
        let Manifest::Index(list) = Manifest::decode(index)? else { return Err(ImageError::NotAnIndex(digest)) };
        let images: Vec<_> = list.platforms()?.into_iter().map(|entry| entry.digest).collect();
        let about = |entry: Descriptor| {
            let image = described(&entry)?;
            images.contains(&image).then_some((entry, image))
        };
        let listed = list.manifests.iter().cloned().filter_map(about).collect();
        Ok(Self { index: digest, images, listed, statements: BTreeMap::new() })
    }

    /// The same, with the statements of an attestation manifest: its layers of type `application/vnd.in-toto+json`.
    ///
    /// # Errors
    /// Other bytes, or no manifest of layers.
    pub fn add(&mut self, digest: Digest, manifest: &[u8]) -> Result<(), ImageError> {
        same("the attestation manifest", digest, manifest)?;
        let Manifest::Image(read) = Manifest::decode(manifest)? else { return Err(ImageError::NotAnImage(digest)) };
        let statements = read.layers.into_iter().enumerate().filter(|(_, layer)| layer.media_type == IN_TOTO);
        self.statements.insert(digest, statements.collect());
        Ok(())
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> Digest {
        self.index
    }

    /// The images that it lists, in its order: all entries that have a platform.
    #[must_use]
    pub fn images(&self) -> &[Digest] {
        &self.images
    }

    /// The attestation manifests that it lists, each with the image that it is about.
    #[must_use]
    pub fn listed(&self) -> &[(Descriptor, Digest)] {
        &self.listed
    }

    /// The statements of an attestation manifest that was read, each with its layer's position.
    #[must_use]
    pub fn statements(&self, manifest: &Digest) -> &[(usize, Descriptor)] {
        self.statements.get(manifest).map_or(&[], Vec::as_slice)
    }

    /// Whether these bytes are that layer of an attestation manifest which the index lists for the image.
    #[must_use]
    pub fn holds(&self, image: Digest, manifest: Digest, layer: usize, bytes: &[u8]) -> bool {
        let listed = self.listed.iter().any(|(entry, about)| (entry.digest, *about) == (manifest, image));
        let named = self.statements(&manifest).iter().find(|(at, _)| *at == layer);
        listed && named.is_some_and(|(_, named)| named.digest.same_algorithm(bytes) == named.digest)
    }
}

/// The digest that an index's entry says it is an attestation manifest of.
#[must_use]
pub fn described(entry: &Descriptor) -> Option<Digest> {
    let kind = entry.annotations.get(REFERENCE_TYPE_ANNOTATION)?;
    let image = entry.annotations.get(REFERENCE_DIGEST_ANNOTATION)?;
    if kind == ATTESTATION_MANIFEST { image.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{ImageIndex, ImageManifest, media_type};
    use serde_json::json;

    fn entry(bytes: &[u8], os: &str) -> Descriptor {
        let platform = serde_json::from_value(json!({"os": os, "architecture": os})).unwrap();
        Descriptor { platform: Some(platform), ..Descriptor::of(media_type::IMAGE_MANIFEST, bytes) }
    }

    // [V-240]
    #[test]
    fn a_statement_is_held_by_a_chain_of_digests_from_the_index_down() {
        let statement = b"{\"a\":1}";
        let layers = vec![Descriptor::of("application/x", b"other"), Descriptor::of(IN_TOTO, statement)];
        let manifest = ImageManifest::new(Descriptor::of(media_type::IMAGE_CONFIG, b"{}"), layers);
        let manifest = Manifest::Image(Box::new(manifest)).encode();
        let (image, other) = (entry(b"image", "linux"), entry(b"other", "windows"));
        let about = |digest: Digest, kind: &str| {
            entry(&manifest, "unknown")
                .annotated(REFERENCE_TYPE_ANNOTATION, kind)
                .annotated(REFERENCE_DIGEST_ANNOTATION, digest.to_string())
        };
        let index = |entries| Manifest::Index(Box::new(ImageIndex::new(entries))).encode();
        let read = |entries| {
            let bytes = index(entries);
            let mut read = Embedded::of_index(Digest::sha256(&bytes), &bytes).unwrap();
            read.add(Digest::sha256(&manifest), &manifest).unwrap();
            read
        };
        let at = Digest::sha256(&manifest);
        let good = read(vec![image.clone(), other.clone(), about(image.digest, ATTESTATION_MANIFEST)]);
        assert_eq!(good.images(), [image.digest, other.digest]);
        assert!(good.holds(image.digest, at, 1, statement));
        // Another image, another layer, other bytes, a manifest that is not listed.
        assert!(!good.holds(other.digest, at, 1, statement) && !good.holds(image.digest, at, 0, b"other"));
        assert!(!good.holds(image.digest, at, 1, b"{\"a\":2}"));
        assert!(!good.holds(image.digest, Digest::sha256(b"x"), 1, statement));
        // Of no image of the index, of another kind, or not annotated.
        let loose = read(vec![image.clone(), about(Digest::sha256(b"elsewhere"), ATTESTATION_MANIFEST)]);
        let kind = read(vec![image.clone(), about(image.digest, "other")]);
        let bare = read(vec![image.clone(), entry(&manifest, "unknown")]);
        for read in [loose, kind, bare] {
            assert!(read.listed().is_empty() && !read.holds(image.digest, at, 1, statement));
        }
        let bytes = index(vec![image]);
        assert!(matches!(Embedded::of_index(at, &bytes), Err(ImageError::Digest { .. })));
        assert!(matches!(Embedded::of_index(at, &manifest), Err(ImageError::NotAnIndex(_))));
        let mut read = Embedded::of_index(Digest::sha256(&bytes), &bytes).unwrap();
        assert!(matches!(read.add(at, &bytes), Err(ImageError::Digest { .. })));
        assert!(matches!(read.add(Digest::sha256(&bytes), &bytes), Err(ImageError::NotAnImage(_))));
    }
}
