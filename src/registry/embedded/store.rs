//! What the registry holds. No I/O.

use super::memory::{Content, Stored};
use crate::{
    limits::EMBEDDED_UPLOADS,
    oci::{Descriptor, Digest},
    registry::Selector,
};
use std::collections::{BTreeMap, HashMap};

#[derive(Default)]
pub(super) struct Store {
    repositories: HashMap<String, Repository>,
    uploads: BTreeMap<u64, Upload>,
    last_upload: u64,
}

#[derive(Default)]
pub(super) struct Repository {
    pub blobs: HashMap<Digest, Stored>,
    pub manifests: HashMap<Digest, StoredManifest>,
    pub tags: BTreeMap<String, Digest>,
    /// By subject and by the referrer's own digest.
    pub referrers: HashMap<Digest, BTreeMap<Digest, Descriptor>>,
}

#[derive(Clone)]
pub(super) struct StoredManifest {
    pub media_type: String,
    pub content: Stored,
    pub subject: Option<Digest>,
}

pub(super) struct Upload {
    pub name: String,
    pub content: Content,
}

impl Store {
    pub fn repository(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(name)
    }

    /// The repository of this name, made if it is not there.
    pub fn repository_mut(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub fn existing_mut(&mut self, name: &str) -> Option<&mut Repository> {
        self.repositories.get_mut(name)
    }

    /// Opens an upload; the oldest of too many is given up.
    pub fn open_upload(&mut self, upload: Upload) -> u64 {
        if self.uploads.len() >= EMBEDDED_UPLOADS {
            self.uploads.pop_first();
        }
        self.last_upload += 1;
        self.uploads.insert(self.last_upload, upload);
        self.last_upload
    }

    pub fn upload(&mut self, name: &str, id: u64) -> Option<&mut Upload> {
        self.uploads.get_mut(&id).filter(|upload| upload.name == name)
    }

    pub fn close_upload(&mut self, name: &str, id: u64) -> Option<Upload> {
        self.upload(name, id)?;
        self.uploads.remove(&id)
    }
}

impl Repository {
    pub fn find(&self, at: &Selector) -> Option<(Digest, &StoredManifest)> {
        let digest = match at {
            Selector::Tag(tag) => *self.tags.get(tag)?,
            Selector::Digest(digest) => *digest,
        };
        self.manifests.get(&digest).map(|manifest| (digest, manifest))
    }

    /// Removes a tag, or a manifest with its tags; whether there was one.
    pub fn delete(&mut self, at: &Selector) -> bool {
        let digest = match at {
            Selector::Tag(tag) => return self.tags.remove(tag).is_some(),
            Selector::Digest(digest) => digest,
        };
        let Some(removed) = self.manifests.remove(digest) else { return false };
        self.tags.retain(|_, target| target != digest);
        if let Some(list) = removed.subject.and_then(|subject| self.referrers.get_mut(&subject)) {
            list.remove(digest);
        }
        true
    }
}
