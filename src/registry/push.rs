use super::{
    Fault, RegistryError, Remote, Selector,
    body::Expected,
    exchange::{Answer, Request, Target},
    retry::{Again, Failure, delay},
    shared_tag::AddReferrer,
};
use crate::{
    limits::{ERROR_BODY_BYTES, MANIFEST_BYTES, TRIES},
    oci::{Digest, ImageManifest, Manifest, RepositoryName},
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use url::Url;

/// What an answer to a push may say; nobody reads it.
pub(super) fn ignored() -> Expected {
    Expected::at_most("the registry's answer", ERROR_BODY_BYTES)
}

impl Remote {
    /// Pushes a blob in one piece: POST for an upload, PUT of the content with its digest, without asking first whether
    /// it is there. An upload that breaks is begun afresh, at most [`TRIES`] times.
    ///
    /// # Errors
    /// [`Fault::Forbidden`] without the right to push; any other fault.
    pub async fn push_blob(&self, content: &[u8]) -> Result<(), RegistryError> {
        let digest = Digest::sha256(content);
        self.upload(&digest, Bytes::copy_from_slice(content)).await.map_err(self.during("pushing the blob", &digest))
    }

    async fn upload(&self, digest: &Digest, content: Bytes) -> Result<(), Fault> {
        let mut tries = 0;
        loop {
            let start = self.upload_request("blobs/uploads/")?;
            let begun = self.exchange(&start, ignored()).await?.with(&[StatusCode::ACCEPTED], &start)?;
            let mut finish = Request::new(Method::PUT, upload_address(&begun, digest)?);
            finish.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            finish.body = content.clone();
            let (fault, again) = match self.exchange_once(&finish, ignored()).await {
                Ok(answer) if answer.status == StatusCode::CREATED => return Ok(()),
                Ok(answer) => {
                    // The upload is gone: a registry that was restarted, or a part that came twice.
                    let gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE);
                    let again = if gone { Again::Backoff } else { Again::Never };
                    match answer.with(&[], &finish) {
                        Ok(_) => return Ok(()),
                        Err(fault) => (fault, again),
                    }
                }
                Err(Failure { fault, again }) => (fault, again),
            };
            tries += 1;
            if again == Again::Never || tries >= TRIES {
                return Err(fault);
            }
            tokio::time::sleep(self.wait(again, tries)?).await;
        }
    }

    /// Makes a blob of another repository of the same registry this one's too, without moving it. `false` if the
    /// registry would rather have it pushed (202, which is no error).
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn mount_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<bool, RegistryError> {
        let mount = async {
            let path: String = url::form_urlencoded::byte_serialize(from.path.as_bytes()).collect();
            let request = self.upload_request(&format!("blobs/uploads/?mount={digest}&from={path}"))?;
            let answer = self.exchange(&request, ignored()).await?;
            Ok(answer.with(&[StatusCode::CREATED, StatusCode::ACCEPTED], &request)?.status == StatusCode::CREATED)
        };
        mount.await.map_err(self.during("mounting the blob", digest))
    }

    fn upload_request(&self, rest: &str) -> Result<Request, Fault> {
        let mut request = Request::new(Method::POST, Target::Path(self.path(rest)));
        request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        Ok(request)
    }

    /// Pushes a manifest under a digest or a tag. Gives back its digest, and whether the registry said that it lists
    /// the manifest among its subject's referrers (`OCI-Subject`).
    ///
    /// # Errors
    /// [`Fault::Forbidden`] without the right to push; [`Fault::Digest`] if `at` is another digest than the
    /// manifest's, before anything is sent; any other fault.
    pub async fn push_manifest(&self, at: &Selector, manifest: &Manifest) -> Result<(Digest, bool), RegistryError> {
        let push = async {
            let content = manifest.encode();
            self.put_manifest(at, manifest.media_type(), content).await
        };
        push.await.map_err(self.during("pushing", at))
    }

    /// Pushes a manifest's bytes as they are, for copies whose digest has to stay.
    ///
    /// # Errors
    /// As [`Remote::push_manifest`].
    pub async fn push_manifest_bytes(
        &self,
        at: &Selector,
        media_type: &str,
        content: &[u8],
    ) -> Result<(Digest, bool), RegistryError> {
        let push = self.put_manifest(at, media_type, content.to_vec());
        push.await.map_err(self.during("pushing", at))
    }

    async fn put_manifest(&self, at: &Selector, media_type: &str, content: Vec<u8>) -> Result<(Digest, bool), Fault> {
        let (request, digest) = self.manifest_put(at, media_type, content)?;
        let answer = self.exchange(&request, ignored()).await?;
        let answer = answer.with(&[StatusCode::CREATED, StatusCode::OK, StatusCode::ACCEPTED], &request)?;
        Ok((digest, answer.headers.contains_key("oci-subject")))
    }

    pub(super) fn manifest_put(
        &self,
        at: &Selector,
        media_type: &str,
        content: Vec<u8>,
    ) -> Result<(Request, Digest), Fault> {
        if content.len() as u64 > MANIFEST_BYTES {
            return Err(Fault::Limit { what: "the manifest", limit: format!("{MANIFEST_BYTES} bytes") });
        }
        let digest = match at {
            Selector::Tag(_) => Digest::sha256(&content),
            Selector::Digest(expected) => {
                let actual = expected.same_algorithm(&content);
                if actual != *expected {
                    return Err(Fault::Digest { expected: *expected, actual });
                }
                actual
            }
        };
        let mut request = Request::new(Method::PUT, Target::Path(self.path(&format!("manifests/{at}"))));
        let kind = HeaderValue::from_str(media_type)
            .map_err(|_| Fault::Protocol(format!("the media type {media_type:?} is none")))?;
        request.headers.insert(header::CONTENT_TYPE, kind);
        request.body = Bytes::from(content);
        Ok((request, digest))
    }

    /// Pushes an artifact by its digest. If it has a subject and the registry does not say that it lists it there, the
    /// subject's fallback tag is updated (distribution-spec 1.1, "Pushing Manifests with Subject").
    ///
    /// # Errors
    /// As [`Remote::push_manifest`] and [`Remote::update_tag`]. The manifest may be there by its digest then, listed
    /// nowhere.
    pub async fn attach(&self, manifest: &ImageManifest) -> Result<Digest, RegistryError> {
        let manifest = Manifest::Image(Box::new(manifest.clone()));
        let content = manifest.encode();
        let at = Selector::Digest(Digest::sha256(&content));
        let (digest, listed) = self.push_manifest(&at, &manifest).await?;
        if let (Manifest::Image(image), false) = (&manifest, listed)
            && let Some(subject) = &image.subject
        {
            let change = AddReferrer::new(image.as_referrer(&content));
            self.update_tag(&subject.digest.fallback_tag(), None, &change).await?;
        }
        Ok(digest)
    }

    /// How long to wait before another try.
    pub(super) fn wait(&self, again: Again, tries: u32) -> Result<std::time::Duration, Fault> {
        match again {
            Again::After(asked) if asked > crate::limits::RETRY_AFTER => Err(Fault::RetryAfter(asked)),
            Again::After(asked) => Ok(asked),
            Again::Backoff | Again::Never => Ok(delay(self.session().inner.options.backoff, tries)),
        }
    }
}

/// Where an upload's content goes: the address that the registry gave, with the digest put to its query.
fn upload_address(begun: &Answer, digest: &Digest) -> Result<Target, Fault> {
    let missing = || Fault::Protocol("the registry began an upload without saying where it goes".to_owned());
    let Target::Url(mut url) = Remote::next_address(begun, begun.header("location").ok_or_else(missing)?)? else {
        return Err(missing());
    };
    add_digest(&mut url, digest);
    Ok(Target::Url(url))
}

/// What is in the query stays as it was written: registries sign it.
fn add_digest(url: &mut Url, digest: &Digest) {
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&digest={digest}"),
        _ => format!("digest={digest}"),
    };
    url.set_query(Some(&query));
}
