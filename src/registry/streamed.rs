//! A blob that is passed on while it is read: whoever passes registries' content on to others.

use super::{
    Fault, RegistryError, Remote,
    body::{BodyError, Check, Expected},
    exchange::{Request, Target},
    retry::retrying,
};
use crate::oci::Digest;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::Response;

/// A blob under way. What may be its last piece is held back, so that it is only given out once all of the blob has the digest.
pub struct BlobStream {
    response: Response,
    size: Option<u64>,
    /// None of a part: it has no digest.
    check: Option<Check>,
    held: Option<Bytes>,
    ended: bool,
    remote: Remote,
    digest: Digest,
}

impl Remote {
    /// Opens a blob, or the part of it that `range` asks for (a `Range` header's value). It takes no slot of the registry's:
    /// who reads it may be slow.
    ///
    /// Checks: of the whole blob its digest, as the bytes arrive. Of a part nothing.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if it is not there; any other fault.
    pub async fn open_blob(&self, digest: &Digest, range: Option<&HeaderValue>) -> Result<BlobStream, RegistryError> {
        self.open_stream(digest, range).await.map_err(self.during("reading the blob", digest))
    }

    async fn open_stream(&self, digest: &Digest, range: Option<&HeaderValue>) -> Result<BlobStream, Fault> {
        let mut request = Request::get(self.path(&format!("blobs/{digest}")));
        if let Some(range) = range {
            request.headers.insert(header::RANGE, range.clone());
        }
        let options = &self.session().inner.options;
        let open = retrying(options.backoff, || async {
            let opened = self.open(&request).await?;
            if opened.response.status().is_success() { Ok(opened) } else { Err(opened.into_error(&request).await) }
        });
        let limit = options.operation_timeout;
        let opened = tokio::time::timeout(limit, open).await.unwrap_or(Err(Fault::Timeout(limit)))?;
        let response = opened.response;
        let size = response.content_length();
        let check = match response.status() {
            // Without its place it would pass for the whole, which nobody has checked.
            StatusCode::PARTIAL_CONTENT
                if range.is_some() && response.headers().contains_key(header::CONTENT_RANGE) =>
            {
                None
            }
            StatusCode::OK => {
                let expected = Expected { what: "the blob", cap: u64::MAX, size, digest: Some(*digest) };
                Some(Check::begin(expected, size)?)
            }
            status => return Err(Fault::Status { status: status.as_u16(), message: "no answer to GET".to_owned() }),
        };
        Ok(BlobStream { response, size, check, held: None, ended: false, remote: self.clone(), digest: *digest })
    }

    /// How many bytes a blob has: the registry's word.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if it is not there; any other fault.
    pub async fn blob_size(&self, digest: &Digest) -> Result<u64, RegistryError> {
        let request = Request::new(Method::HEAD, Target::Path(self.path(&format!("blobs/{digest}"))));
        let asked = async {
            let answer = self.exchange(&request, Expected::at_most("the answer to HEAD", u64::MAX)).await?;
            let answer = answer.with(&[StatusCode::OK], &request)?;
            let size = answer.header("content-length").and_then(|size| size.parse().ok());
            size.ok_or_else(|| Fault::Protocol("answered HEAD without a size".to_owned()))
        };
        asked.await.map_err(self.during("looking for the blob", digest))
    }
}

impl BlobStream {
    /// How many bytes are announced.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Which part this is (the `Content-Range`), if it is one.
    #[must_use]
    pub fn part(&self) -> Option<&HeaderValue> {
        self.response.headers().get(header::CONTENT_RANGE).filter(|_| self.check.is_none())
    }

    /// The next bytes; `None` once all of them were given out, and had the digest.
    ///
    /// # Errors
    /// The connection broke, or the bytes are others; what was given out is worthless then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let next = self.advance().await.map_err(|error| self.remote.unread(error).fault);
        next.map_err(self.remote.during("reading the blob", &self.digest))
    }

    async fn advance(&mut self) -> Result<Option<Bytes>, BodyError> {
        while !self.ended {
            match self.response.chunk().await.map_err(BodyError::Broken)? {
                // It must not push a last piece out that is held.
                Some(chunk) if chunk.is_empty() => {}
                Some(chunk) => {
                    let Some(check) = &mut self.check else { return Ok(Some(chunk)) };
                    check.take(&chunk)?;
                    // Where a size is announced, the last piece is known.
                    if self.size.is_some_and(|size| check.read() < size) {
                        return Ok(Some(chunk));
                    }
                    if let Some(before) = self.held.replace(chunk) {
                        return Ok(Some(before));
                    }
                }
                None => {
                    self.ended = true;
                    self.check.take().map_or(Ok(()), Check::finish)?;
                }
            }
        }
        Ok(self.held.take())
    }
}
