//! Reads of what is named by its digest, through the evidence that is kept on disk.

use super::{Fault, Fetched, RegistryError, Remote, Selector, body::Expected, evidence::Kind, exchange::Request};
use crate::{
    limits::MANIFEST_BYTES,
    oci::{Descriptor, Digest, Manifest},
};
use http::StatusCode;

impl Remote {
    /// Fetches a manifest that a list names.
    ///
    /// Checks: what [`Remote::manifest`] checks, and the size that the list states, before more than that is read. May
    /// come from what is kept on disk: the list says that it is there, and nobody is asked whether that is so.
    ///
    /// # Errors
    /// As [`Remote::manifest`].
    pub async fn listed_manifest(&self, entry: &Descriptor) -> Result<Fetched, RegistryError> {
        let at = Selector::Digest(entry.digest);
        let fetch = async {
            if entry.size > MANIFEST_BYTES {
                return Err(Fault::Limit { what: "the manifest", limit: format!("{MANIFEST_BYTES} bytes") });
            }
            if let Some(bytes) = self.kept(Kind::Manifest, &entry.digest, entry.size).await {
                let manifest = Manifest::decode(&bytes)?;
                let descriptor = Descriptor { digest: entry.digest, ..Descriptor::of(manifest.media_type(), &bytes) };
                return Ok(Fetched { descriptor, bytes, manifest });
            }
            let fetched = self.fetch_manifest_of(&at, Some(entry.size)).await?;
            // Only what comes back from the disk as it came from the registry.
            if fetched.descriptor.media_type == fetched.manifest.media_type() {
                self.keep(Kind::Manifest, &entry.digest, &fetched.bytes);
            }
            Ok(fetched)
        };
        fetch.await.map_err(self.during("reading", &at))
    }

    /// Fetches a blob into memory.
    ///
    /// Checks: size and digest, as the bytes arrive; that the size is at most `cap` bytes, before anything is sent. May
    /// come from what is kept on disk.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn blob(&self, descriptor: &Descriptor, cap: u64) -> Result<Vec<u8>, RegistryError> {
        let Descriptor { size, digest, .. } = descriptor;
        let fetch = async {
            if *size > cap {
                return Err(Fault::Limit { what: "the blob", limit: format!("{cap} bytes") });
            }
            if let Some(bytes) = self.kept(Kind::Blob, digest, *size).await {
                return Ok(bytes);
            }
            let request = Request::get(self.path(&format!("blobs/{digest}")));
            let expected = Expected { what: "the blob", cap, size: Some(*size), digest: Some(*digest) };
            let body = self.exchange(&request, expected).await?.with(&[StatusCode::OK], &request)?.body;
            self.keep(Kind::Blob, digest, &body);
            Ok(body)
        };
        fetch.await.map_err(self.during("reading the blob", digest))
    }

    async fn kept(&self, kind: Kind, digest: &Digest, size: u64) -> Option<Vec<u8>> {
        self.session().inner.options.evidence.as_ref()?.read(kind, *digest, size).await
    }

    fn keep(&self, kind: Kind, digest: &Digest, bytes: &[u8]) {
        if let Some(evidence) = &self.session().inner.options.evidence {
            evidence.keep(kind, *digest, bytes);
        }
    }
}
