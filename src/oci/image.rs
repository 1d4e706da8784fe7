//! The images under a digest, with their configurations: each read by the digest that names it.

use super::{Digest, Manifest, ManifestError};

/// An image: what its manifest and its configuration are, and how large its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    digest: Digest,
    config: Vec<u8>,
    size: u64,
}

/// All images that a digest stands for: itself, or those of the index that it is.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    digest: Digest,
    images: Vec<Image>,
}

/// Why bytes are not what a digest stands for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Other bytes.
    #[error("{what} has digest {actual}, expected {expected}")]
    Digest {
        /// What was read.
        what: &'static str,
        /// What names it.
        expected: Digest,
        /// What the bytes have.
        actual: Digest,
    },
    /// No manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An index where an image was expected.
    #[error("{0} is no image")]
    NotAnImage(Digest),
    /// Layers where a list of manifests was expected.
    #[error("{0} is no index")]
    NotAnIndex(Digest),
    /// An image of the index is not among those that were read.
    #[error("the index {index} lists {image}, which was not read")]
    NotRead {
        /// The index.
        index: Digest,
        /// The image.
        image: Digest,
    },
}

impl Image {
    /// An image from the bytes that its digest names, and the bytes that its manifest names.
    ///
    /// # Errors
    /// Other bytes, or no image manifest.
    pub fn read(digest: Digest, manifest: &[u8], config: Vec<u8>) -> Result<Self, ImageError> {
        same("the manifest", digest, manifest)?;
        let Manifest::Image(image) = Manifest::decode(manifest)? else { return Err(ImageError::NotAnImage(digest)) };
        same("the configuration", image.config.digest, &config)?;
        let size = image.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        Ok(Self { digest, config, size })
    }

    /// Its manifest's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its configuration's bytes.
    #[must_use]
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// Bytes of its layers, compressed, as its manifest states them.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Images {
    /// One image, which stands for itself.
    pub fn one(image: Image) -> Self {
        Self { digest: image.digest, images: vec![image] }
    }

    /// The images of an index, all of those that have a platform.
    ///
    /// # Errors
    /// Other bytes, no index, or an image of it that is not among `images`.
    pub fn of_index(digest: Digest, index: &[u8], images: Vec<Image>) -> Result<Self, ImageError> {
        same("the index", digest, index)?;
        let Manifest::Index(list) = Manifest::decode(index)? else { return Err(ImageError::NotAnIndex(digest)) };
        let entries = list.platforms()?;
        match entries.iter().find(|entry| !images.iter().any(|image| image.digest == entry.digest)) {
            Some(entry) => Err(ImageError::NotRead { index: digest, image: entry.digest }),
            None => Ok(Self { digest, images }),
        }
    }

    /// The digest that they stand under.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The images.
    pub fn iter(&self) -> impl Iterator<Item = &Image> {
        self.images.iter()
    }
}

pub(super) fn same(what: &'static str, expected: Digest, bytes: &[u8]) -> Result<(), ImageError> {
    let actual = expected.same_algorithm(bytes);
    if actual == expected { Ok(()) } else { Err(ImageError::Digest { what, expected, actual }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Descriptor, ImageIndex, ImageManifest, media_type};
    use serde_json::json;

    fn manifest(config: &[u8]) -> Vec<u8> {
        let layer = Descriptor { size: 7, ..Descriptor::of("application/vnd.oci.image.layer.v1.tar+gzip", b"layer") };
        let config = Descriptor::of("application/vnd.oci.image.config.v1+json", config);
        Manifest::Image(Box::new(ImageManifest::new(config, vec![layer.clone(), layer]))).encode()
    }

    // [V-172]
    #[test]
    fn every_byte_is_named_by_the_digest_above_it() {
        let image = manifest(b"{}");
        let read = |digest, config: &[u8]| Image::read(digest, &image, config.to_vec());
        let good = read(Digest::sha256(&image), b"{}").unwrap();
        assert_eq!((good.size(), good.config()), (14, &b"{}"[..]));
        assert!(matches!(read(Digest::sha256(b"other"), b"{}"), Err(ImageError::Digest { .. })));
        assert!(matches!(read(Digest::sha256(&image), b"{} "), Err(ImageError::Digest { .. })));
    }

    // [V-172]
    #[test]
    fn an_index_stands_for_all_of_its_images() {
        let [one, two] = [manifest(b"{}"), manifest(b"[]")];
        let entry = |bytes: &[u8], os: &str| {
            let platform = serde_json::from_value(json!({"os": os, "architecture": "amd64"})).unwrap();
            Descriptor { platform: Some(platform), ..Descriptor::of(media_type::IMAGE_MANIFEST, bytes) }
        };
        let index = ImageIndex::new(vec![entry(&one, "linux"), entry(&two, "windows")]);
        let index = Manifest::Index(Box::new(index)).encode();
        let digest = Digest::sha256(&index);
        let image = |bytes: &[u8], config: &[u8]| Image::read(Digest::sha256(bytes), bytes, config.to_vec()).unwrap();
        let both = vec![image(&one, b"{}"), image(&two, b"[]")];
        assert_eq!(Images::of_index(digest, &index, both.clone()).unwrap().iter().count(), 2);
        let half = Images::of_index(digest, &index, both[..1].to_vec());
        assert!(matches!(half, Err(ImageError::NotRead { .. })));
        assert!(matches!(Images::of_index(both[0].digest(), &index, both), Err(ImageError::Digest { .. })));
    }
}
