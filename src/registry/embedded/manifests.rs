use super::{
    Answer, Refusal, Shared,
    answer::{self, DOCKER_CONTENT_DIGEST, OCI_SUBJECT},
    store::{Repository, StoredManifest},
};
use crate::{
    limits::MANIFEST_BYTES,
    oci::{Descriptor, Digest, Manifest},
    registry::Selector,
};
use http::{HeaderMap, StatusCode, header};
use hyper::body::Incoming;

impl Shared {
    /// Answers with a manifest, or that it is the one that the client has. The `ETag` is docker-registry's.
    pub(super) fn manifest(&self, name: &str, at: &Selector, headers: &HeaderMap) -> Result<Answer, Refusal> {
        let store = self.store();
        let repository = store.repository(name).ok_or_else(|| Refusal::name_unknown(name))?;
        let (digest, manifest) = repository.find(at).ok_or_else(|| Refusal::manifest_unknown(at))?;
        let etag = format!("\"{digest}\"");
        if headers.get_all(header::IF_NONE_MATCH).iter().any(|known| *known == etag) {
            return Ok(answer::status(StatusCode::NOT_MODIFIED).header(header::ETAG, etag).build());
        }
        let answer = answer::ok(manifest.content.bytes()).typed(&manifest.media_type);
        Ok(answer.header(DOCKER_CONTENT_DIGEST, digest).header(header::ETAG, etag).build())
    }

    /// Takes a manifest in. Checks: size, shape, media type, digest, and that what it consists of is there. A subject
    /// need not be (distribution-spec 1.1, "Pushing Manifests with Subject").
    pub(super) async fn put_manifest(
        &self,
        name: &str,
        at: &Selector,
        content_type: Option<&str>,
        body: Incoming,
    ) -> Result<Answer, Refusal> {
        let content = self.memory.receive(body, Some(MANIFEST_BYTES)).await?;
        let bytes = content.bytes();
        let manifest = Manifest::decode(bytes).map_err(|e| Refusal::manifest_invalid(e.to_string()))?;
        let media_type = stated_type(&manifest, content_type)?;
        let digest = match at {
            Selector::Tag(_) => Digest::sha256(bytes),
            Selector::Digest(digest) => digest.same_algorithm(bytes),
        };
        if matches!(at, Selector::Digest(expected) if *expected != digest) {
            return Err(Refusal::digest_invalid(format!("the manifest has digest {digest}")));
        }
        let subject = manifest.subject().map(|subject| subject.digest);
        let referrer = manifest.as_referrer(&Descriptor { digest, ..Descriptor::of(&media_type, bytes) });
        let mut store = self.store();
        let repository = store.repository_mut(name);
        check_parts(&manifest, repository)?;
        repository.manifests.insert(digest, StoredManifest { media_type, content: content.store(), subject });
        if let Selector::Tag(tag) = at {
            repository.tags.insert(tag.clone(), digest);
        }
        if let Some(subject) = subject {
            repository.referrers.entry(subject).or_default().insert(digest, referrer);
        }
        let mut answer = answer::status(StatusCode::CREATED)
            .header(header::LOCATION, format_args!("/v2/{name}/manifests/{digest}"))
            .header(DOCKER_CONTENT_DIGEST, digest);
        if let Some(subject) = subject.filter(|_| self.options.referrers_api) {
            answer = answer.header(OCI_SUBJECT, subject);
        }
        Ok(answer.build())
    }

    pub(super) fn delete_manifest(&self, name: &str, at: &Selector) -> Result<Answer, Refusal> {
        let mut store = self.store();
        let repository = store.existing_mut(name).ok_or_else(|| Refusal::name_unknown(name))?;
        match repository.delete(at) {
            true => Ok(answer::status(StatusCode::ACCEPTED).build()),
            false => Err(Refusal::manifest_unknown(at)),
        }
    }
}

/// The media type that the request and the document agree on.
fn stated_type(manifest: &Manifest, content_type: Option<&str>) -> Result<String, Refusal> {
    let inside = match manifest {
        Manifest::Image(image) => image.media_type.as_deref(),
        Manifest::Index(index) => index.media_type.as_deref(),
    };
    let outside = content_type.map(|value| value.split(';').next().unwrap_or(value).trim());
    match (inside, outside) {
        (Some(inside), Some(outside)) if inside != outside => {
            Err(Refusal::manifest_invalid(format!("Content-Type is {outside:?}, the manifest calls itself {inside:?}")))
        }
        (inside, outside) => Ok(inside.or(outside).unwrap_or(manifest.media_type()).to_owned()),
    }
}

fn check_parts(manifest: &Manifest, repository: &Repository) -> Result<(), Refusal> {
    // Layers that must not be distributed lie elsewhere (image-spec 1.0, "Non-Distributable Layers").
    let elsewhere =
        |part: &Descriptor| part.media_type.contains("nondistributable") || part.media_type.contains(".foreign.");
    let missing = match manifest {
        Manifest::Image(image) => std::iter::once(&image.config)
            .chain(&image.layers)
            .find(|part| !repository.blobs.contains_key(&part.digest) && !elsewhere(part)),
        Manifest::Index(index) => {
            index.manifests.iter().find(|entry| !repository.manifests.contains_key(&entry.digest))
        }
    };
    match missing {
        None => Ok(()),
        Some(part) => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "MANIFEST_BLOB_UNKNOWN",
            format!("{} has not been pushed", part.digest),
        )),
    }
}
