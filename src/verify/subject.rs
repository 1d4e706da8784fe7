use crate::{
    oci::{Digest, Embedded, Images, Manifest, ManifestError, Platform, Reference},
    trust::tuf::{Asked, TrustRefusal, Vouched},
};
use std::fmt;

/// The one digest under judgement, and how it came to be this one.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    reference: Reference,
    digest: Digest,
    pinned: Pinned,
    within: Option<Digest>,
    trust: TrustFinding,
    images: Option<Images>,
    embedded: Option<Embedded>,
    platform: Option<Platform>,
}

/// How a subject's digest was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pinned {
    /// It was typed.
    Typed,
    /// The registry said that the tag means it: a hint, which no signature stands behind.
    RegistryTag,
    /// A verified trust state said that the tag means it.
    SignedTag,
}

/// What the repository's trust state says of a subject: its proof, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustFinding {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// It vouches for the subject.
    Vouched(Box<Vouched>),
    /// It does not, and this is why.
    Refused(TrustRefusal),
}

/// Why an image is not known to lie within an index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The bytes are not the index that was pinned.
    #[error("the index has digest {actual}, expected {expected}")]
    Digest {
        /// What was pinned.
        expected: Digest,
        /// What the bytes have.
        actual: Digest,
    },
    /// The bytes are no index.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The trust state's answer is about something else.
    #[error("the trust state vouches for {vouched}, not for {subject}")]
    NotVouched {
        /// What the answer is about.
        vouched: Digest,
        /// The subject.
        subject: Digest,
    },
    /// The index does not list the image.
    #[error("the index {index} does not list {image}")]
    NotListed {
        /// The index.
        index: Digest,
        /// The image.
        image: Digest,
    },
}

impl Subject {
    /// What a reference leads to: the digest that was typed, or what the registry says that its tag means.
    #[must_use]
    pub fn new(reference: Reference, digest: Digest) -> Self {
        let pinned = if reference.digest == Some(digest) { Pinned::Typed } else { Pinned::RegistryTag };
        let trust = TrustFinding::NotAsked;
        Self { reference, digest, pinned, within: None, trust, images: None, embedded: None, platform: None }
    }

    /// The same, with a trust state's answer. Asked for by tag, the subject is the digest that the answer says the tag
    /// means.
    ///
    /// Checks that the answer is about this subject, or about the index that lists it, and covers its own digest.
    ///
    /// # Errors
    /// The answer is about something else.
    pub fn vouched(self, vouched: Vouched) -> Result<Self, SubjectError> {
        let asked = match vouched.asked() {
            Asked::Tag(tag) => self.reference.digest.is_none() && self.reference.tag_or_latest() == Some(tag),
            Asked::Digest(digest) => self.reference.digest == Some(*digest),
        };
        let about = self.digests().any(|digest| digest == vouched.digest());
        if !(asked && about && vouched.covers(&self.digest)) {
            return Err(SubjectError::NotVouched { vouched: vouched.digest(), subject: self.digest });
        }
        let pinned = if self.pinned == Pinned::Typed { Pinned::Typed } else { Pinned::SignedTag };
        Ok(Self { pinned, trust: TrustFinding::Vouched(Box::new(vouched)), ..self })
    }

    /// The same, where the trust state vouches for nothing.
    #[must_use]
    pub fn refused(self, refusal: TrustRefusal) -> Self {
        Self { trust: TrustFinding::Refused(refusal), ..self }
    }

    /// The same, with its images; those of another digest are passed over.
    #[must_use]
    pub fn with_images(self, images: Images) -> Self {
        Self { images: Some(images).filter(|images| images.digest() == self.digest), ..self }
    }

    /// Its images, where they were read.
    #[must_use]
    pub fn images(&self) -> Option<&Images> {
        self.images.as_ref()
    }

    /// The same, with what lies in the index that it is or that lists it; of another index it is passed over.
    #[must_use]
    pub fn with_embedded(self, embedded: Embedded) -> Self {
        let index = self.within.unwrap_or(self.digest);
        Self { embedded: Some(embedded).filter(|embedded| embedded.index() == index), ..self }
    }

    /// What lies in its index, where that was read.
    #[must_use]
    pub fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// One image of the index that this subject is: what is said of the index is said of all that it lists.
    ///
    /// Checks that `index` are the bytes of this very digest and that they list `image`.
    ///
    /// # Errors
    /// As [`SubjectError`] says.
    pub fn image_within(self, index: &[u8], image: Digest) -> Result<Self, SubjectError> {
        let actual = self.digest.same_algorithm(index);
        if actual != self.digest {
            return Err(SubjectError::Digest { expected: self.digest, actual });
        }
        let not_listed = SubjectError::NotListed { index: self.digest, image };
        let Manifest::Index(list) = Manifest::decode(index)? else { return Err(not_listed) };
        let entry = list.manifests.into_iter().find(|entry| entry.digest == image).ok_or(not_listed)?;
        Ok(Self { digest: image, within: Some(self.digest), images: None, platform: entry.platform, ..self })
    }

    /// What was typed.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The digest under judgement: an index, or an image.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How the digest was found.
    #[must_use]
    pub fn pinned(&self) -> Pinned {
        self.pinned
    }

    /// What the repository's trust state says of it.
    #[must_use]
    pub fn trust(&self) -> &TrustFinding {
        &self.trust
    }

    /// The index that lists the digest, where one was read by its own digest.
    #[must_use]
    pub fn within(&self) -> Option<Digest> {
        self.within
    }

    /// The platform of an image, as the index that lists it says.
    #[must_use]
    pub fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// The digests whose evidence counts for this subject, its own first.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        std::iter::once(self.digest).chain(self.within)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.at(self.digest).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Descriptor, ImageIndex, media_type};

    // [V-21]
    #[test]
    fn an_image_lies_within_an_index_only_if_the_index_itself_lists_it() {
        let image = Descriptor::of(media_type::IMAGE_MANIFEST, b"image");
        let index = Manifest::Index(Box::new(ImageIndex::new(vec![image.clone()]))).encode();
        let reference: Reference = "a.b/c:1".parse().unwrap();
        let subject = Subject::new(reference, Digest::sha256(&index));
        let within = subject.clone().image_within(&index, image.digest).unwrap();
        assert_eq!((within.digest(), within.within()), (image.digest, Some(subject.digest())));
        let other = Digest::sha256(b"other");
        assert!(matches!(subject.clone().image_within(&index, other), Err(SubjectError::NotListed { .. })));
        let forged =
            Manifest::Index(Box::new(ImageIndex::new(vec![Descriptor::of(media_type::IMAGE_MANIFEST, b"other")])));
        assert!(matches!(subject.image_within(&forged.encode(), other), Err(SubjectError::Digest { .. })));
    }
}
