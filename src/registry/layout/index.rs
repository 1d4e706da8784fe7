//! `index.json`: which manifests a layout lists, and under which tags. No I/O.

use super::Fault;
use crate::{
    json,
    limits::LAYOUT_INDEX_BYTES,
    oci::{Descriptor, Digest, ImageIndex, ManifestError, media_type},
};

/// containerd's annotation with an image's full name. It repeats the tag, so it goes when the tag goes.
const CONTAINERD_NAME_ANNOTATION: &str = "io.containerd.image.name";

/// A decoded `index.json`; members that are not modelled are kept.
pub(super) struct Index(ImageIndex);

impl Default for Index {
    fn default() -> Self {
        Self(ImageIndex::new(Vec::new()))
    }
}

impl Index {
    /// Decodes `index.json`. Checks: strict JSON, schema version, media type if it states one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let index: ImageIndex = json::decode(bytes).map_err(ManifestError::from)?;
        if index.schema_version != 2 {
            return Err(ManifestError::SchemaVersion(index.schema_version).into());
        }
        match index.media_type {
            Some(inside) if inside != media_type::IMAGE_INDEX => {
                Err(ManifestError::MediaType { inside, expected: media_type::IMAGE_INDEX.to_owned() }.into())
            }
            _ => Ok(Self(index)),
        }
    }

    /// The bytes to write; never more than are read again.
    pub fn encode(&self) -> Result<Vec<u8>, Fault> {
        let bytes = serde_json::to_vec(&self.0)
            .map_err(|e| Fault::Protocol(format!("index.json can't be written as JSON: {e}")))?;
        if bytes.len() as u64 > LAYOUT_INDEX_BYTES {
            return Err(Fault::Limit { what: "index.json", limit: format!("{LAYOUT_INDEX_BYTES} bytes") });
        }
        Ok(bytes)
    }

    /// All entries.
    pub fn entries(&self) -> &[Descriptor] {
        &self.0.manifests
    }

    /// The entry under a tag. Image-spec allows several entries of one name, tools choose differently among them: if
    /// they differ, none is chosen.
    pub fn tagged(&self, tag: &str) -> Result<Option<&Descriptor>, Fault> {
        let mut named = self.0.manifests.iter().filter(|entry| name(entry) == Some(tag));
        let first = named.next();
        match first.and_then(|first| named.find(|other| other.digest != first.digest)) {
            Some(_) => Err(Fault::Protocol(format!("index.json gives the tag {tag:?} to more than one manifest"))),
            None => Ok(first),
        }
    }

    /// An entry of a digest.
    pub fn entry(&self, digest: &Digest) -> Option<&Descriptor> {
        self.0.manifests.iter().find(|entry| entry.digest == *digest)
    }

    /// Lists a manifest, untagged, unless it is listed. Returns whether something changed.
    pub fn add(&mut self, entry: Descriptor) -> bool {
        let new = self.entry(&entry.digest).is_none();
        if new {
            self.0.manifests.push(entry);
        }
        new
    }

    /// Gives the tag to a manifest; what had it before stays listed, untagged. Returns whether something changed.
    pub fn tag(&mut self, tag: &str, entry: Descriptor) -> bool {
        for old in self.0.manifests.iter_mut().filter(|old| name(old) == Some(tag) && old.digest != entry.digest) {
            old.annotations.remove(media_type::REF_NAME_ANNOTATION);
            old.annotations.remove(CONTAINERD_NAME_ANNOTATION);
        }
        self.name(tag, entry)
    }

    /// Gives the tag to a manifest that takes up all of what had it before, which is listed no longer under this tag.
    /// Returns whether something changed.
    pub fn supersede(&mut self, tag: &str, entry: Descriptor) -> bool {
        self.0.manifests.retain(|old| name(old) != Some(tag) || old.digest == entry.digest);
        self.name(tag, entry)
    }

    fn name(&mut self, tag: &str, entry: Descriptor) -> bool {
        let same = |old: &&mut Descriptor| old.digest == entry.digest;
        if self.0.manifests.iter_mut().filter(same).any(|old| name(old) == Some(tag)) {
            return false;
        }
        let annotation = media_type::REF_NAME_ANNOTATION;
        match self.0.manifests.iter_mut().filter(same).find(|old| name(old).is_none()) {
            Some(untagged) => {
                untagged.annotations.insert(annotation.to_owned(), tag.to_owned());
            }
            None => self.0.manifests.push(entry.annotated(annotation, tag)),
        }
        true
    }
}

fn name(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(media_type::REF_NAME_ANNOTATION).map(String::as_str)
}
