//! Stands in for the layout until it lands.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::unused_async)]

use super::{Access, Fault, Fetched, ListSource, Listing, Merge, RegistryError, Selector};
use crate::oci::{Descriptor, Digest, ImageManifest, Manifest};
use std::path::{Path, PathBuf};
use tokio::io::AsyncWrite;

#[derive(Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub fn open(dir: &Path, _: Access) -> Result<Self, RegistryError> {
        Ok(Self { dir: dir.to_owned() })
    }

    fn missing<T>(&self) -> Result<T, RegistryError> {
        Err(Fault::NoLayout(self.dir.clone()).during("opening"))
    }

    pub async fn manifest(&self, _: &Selector) -> Result<Fetched, RegistryError> {
        self.missing()
    }

    pub async fn resolve(&self, _: &str) -> Result<Descriptor, RegistryError> {
        self.missing()
    }

    pub async fn blob(&self, _: &Descriptor, _: u64) -> Result<Vec<u8>, RegistryError> {
        self.missing()
    }

    pub async fn blob_to(
        &self,
        _: &Descriptor,
        _: &mut (dyn AsyncWrite + Send + Unpin),
        _: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), RegistryError> {
        self.missing()
    }

    pub async fn referrers(&self, _: &Digest) -> Listing {
        Listing { entries: Vec::new(), source: ListSource::Api, fault: self.missing::<()>().err() }
    }

    pub async fn push_blob(&self, _: &[u8]) -> Result<(), RegistryError> {
        self.missing()
    }

    pub async fn push_manifest(&self, _: &Selector, _: &Manifest) -> Result<(Digest, bool), RegistryError> {
        self.missing()
    }

    pub async fn attach(&self, _: &ImageManifest) -> Result<Digest, RegistryError> {
        self.missing()
    }

    pub async fn update_tag(&self, _: &str, _: &dyn Merge) -> Result<(), RegistryError> {
        self.missing()
    }
}
