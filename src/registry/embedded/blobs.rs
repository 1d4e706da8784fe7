use super::{
    Answer, Refusal, Shared,
    answer::{self, DOCKER_CONTENT_DIGEST, DOCKER_UPLOAD_UUID, Draft},
    memory::Content,
    route::{Query, repository_name},
    store::Upload,
};
use crate::oci::Digest;
use http::{StatusCode, header};
use hyper::body::Incoming;

impl Shared {
    pub(super) fn blob(&self, name: &str, digest: &Digest) -> Result<Answer, Refusal> {
        let store = self.store();
        let blob = store.repository(name).and_then(|repository| repository.blobs.get(digest));
        let blob = blob.ok_or_else(|| Refusal::blob_unknown(digest))?;
        let answer = answer::ok(blob.bytes()).typed("application/octet-stream");
        Ok(answer.header(DOCKER_CONTENT_DIGEST, digest).build())
    }

    pub(super) fn delete_blob(&self, name: &str, digest: &Digest) -> Result<Answer, Refusal> {
        let mut store = self.store();
        match store.existing_mut(name).and_then(|repository| repository.blobs.remove(digest)) {
            Some(_) => Ok(answer::status(StatusCode::ACCEPTED).build()),
            None => Err(Refusal::blob_unknown(digest)),
        }
    }

    /// Opens an upload, mounts a blob of another repository, or takes a whole blob in one POST.
    pub(super) async fn start_upload(&self, name: &str, query: &Query, body: Incoming) -> Result<Answer, Refusal> {
        if let (Some(digest), Some(from)) = (query.digest("mount")?, query.first("from")) {
            let from = repository_name(from)?;
            let mut store = self.store();
            let found = store.repository(&from).and_then(|repository| repository.blobs.get(&digest)).cloned();
            if let Some(blob) = found {
                store.repository_mut(name).blobs.insert(digest, blob);
                return Ok(created(name, &digest));
            }
        } else if let (Some(digest), true) = (query.digest("digest")?, self.options.single_post_upload) {
            let content = self.memory.receive(body, None).await?;
            return self.store_blob(name, &digest, content);
        }
        let upload = Upload { name: name.to_owned(), content: self.memory.content() };
        let id = self.store().open_upload(upload);
        Ok(progress(StatusCode::ACCEPTED, name, id, 0).build())
    }

    pub(super) fn upload(&self, name: &str, id: u64) -> Result<Answer, Refusal> {
        let mut store = self.store();
        let upload = store.upload(name, id).ok_or_else(Refusal::upload_unknown)?;
        Ok(progress(StatusCode::NO_CONTENT, name, id, upload.content.bytes().len()).build())
    }

    /// Takes a chunk. One that breaks off is not taken at all.
    pub(super) async fn append_upload(
        &self,
        name: &str,
        id: u64,
        range: Option<&str>,
        body: Incoming,
    ) -> Result<Answer, Refusal> {
        let chunk = self.memory.receive(body, None).await?;
        let mut store = self.store();
        let upload = store.upload(name, id).ok_or_else(Refusal::upload_unknown)?;
        let at = upload.content.bytes().len();
        if range.is_some_and(|range| chunk_start(range) != Some(at)) {
            return Ok(progress(StatusCode::RANGE_NOT_SATISFIABLE, name, id, at).build());
        }
        upload.content.append(chunk.bytes())?;
        Ok(progress(StatusCode::ACCEPTED, name, id, at + chunk.bytes().len()).build())
    }

    /// Takes the last chunk, if there is one, and makes a blob of the upload.
    pub(super) async fn finish_upload(
        &self,
        name: &str,
        id: u64,
        query: &Query,
        body: Incoming,
    ) -> Result<Answer, Refusal> {
        let digest = query.digest("digest")?.ok_or_else(|| Refusal::digest_invalid("the digest is missing"))?;
        let chunk = self.memory.receive(body, None).await?;
        let upload = self.store().close_upload(name, id).ok_or_else(Refusal::upload_unknown)?;
        let mut content = upload.content;
        if content.bytes().is_empty() {
            content = chunk;
        } else {
            content.append(chunk.bytes())?;
        }
        self.store_blob(name, &digest, content)
    }

    pub(super) fn cancel_upload(&self, name: &str, id: u64) -> Result<Answer, Refusal> {
        self.store().close_upload(name, id).ok_or_else(Refusal::upload_unknown)?;
        Ok(answer::status(StatusCode::NO_CONTENT).build())
    }

    fn store_blob(&self, name: &str, digest: &Digest, content: Content) -> Result<Answer, Refusal> {
        let actual = digest.same_algorithm(content.bytes());
        if actual != *digest {
            return Err(Refusal::digest_invalid(format!("the content has digest {actual}")));
        }
        let mut store = self.store();
        store.repository_mut(name).blobs.entry(*digest).or_insert_with(|| content.store());
        Ok(created(name, digest))
    }
}

fn created(name: &str, digest: &Digest) -> Answer {
    answer::status(StatusCode::CREATED)
        .header(header::LOCATION, format_args!("/v2/{name}/blobs/{digest}"))
        .header(DOCKER_CONTENT_DIGEST, digest)
        .build()
}

/// How far an upload is: `Range` ends at its last byte.
fn progress(status: StatusCode, name: &str, id: u64, bytes: usize) -> Draft {
    answer::status(status)
        .header(header::LOCATION, format_args!("/v2/{name}/blobs/uploads/{id:x}"))
        .header(header::RANGE, format_args!("0-{}", bytes.saturating_sub(1)))
        .header(DOCKER_UPLOAD_UUID, format_args!("{id:x}"))
}

/// The first byte of `Content-Range: START-END`; RFC 9110's `bytes START-END/SIZE` is understood too.
fn chunk_start(range: &str) -> Option<usize> {
    range.strip_prefix("bytes ").unwrap_or(range).split('-').next()?.trim().parse().ok()
}
