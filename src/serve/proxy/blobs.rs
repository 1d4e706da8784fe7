//! Blobs: passed on as they arrive, and broken off where they are not what they have to be.

use super::{
    Asked, DOCKER_CONTENT_DIGEST, Proxy, Refusal,
    members::{Ground, Member, Root},
};
use crate::{
    limits::PROXY_EXPANDED,
    oci::{Digest, RepositoryName},
    registry::BlobStream,
    serve::{Answer, Metrics, lock},
};
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use moka::future::Cache;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// Images of an index that are read at once to look for a blob.
const AT_ONCE: usize = 8;

/// The indexes whose images were read of late.
pub(super) type Expanded = Cache<(RepositoryName, Digest), ()>;

pub(super) fn expanded() -> Expanded {
    Cache::builder().max_capacity(10_000).time_to_live(PROXY_EXPANDED).build()
}

impl Proxy {
    pub(super) async fn blob(
        &self,
        asked: &Asked<'_>,
        repository: &RepositoryName,
        digest: Digest,
    ) -> Result<Answer, Refusal> {
        if !self.belongs(repository, digest).await? {
            let why =
                "the blob belongs to no manifest that was allowed here of late; pull the image by its tag or digest";
            return Err(Refusal::denied(why));
        }
        let session = self.judge.session();
        let remote = self.remote(&session, repository)?;
        if asked.head {
            let size = remote.blob_size(&digest).await.map_err(|error| self.failed(&error, "BLOB_UNKNOWN"))?;
            let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed());
            answer.headers_mut().insert(header::CONTENT_LENGTH, size.into());
            return Ok(with_headers(answer, digest));
        }
        let range = asked.range.filter(|range| is_one_range(range));
        let blob = remote.open_blob(&digest, range).await.map_err(|error| self.failed(&error, "BLOB_UNKNOWN"))?;
        Ok(with_headers(self.passed_on(asked, blob), digest))
    }

    /// Whether a blob belongs to something that may be used. A client that has an index's images already asks for their blobs
    /// alone: the images are read here then. An image that can't be read may be the one that lists it.
    async fn belongs(&self, repository: &RepositoryName, digest: Digest) -> Result<bool, Refusal> {
        let blob = Member::Blob(digest);
        if self.standing(repository, blob).await?.is_some() {
            return Ok(true);
        }
        let mut unknown = None;
        for root in self.members.roots(repository).await {
            let key = (repository.clone(), root.digest);
            if let Err(why) = self.expanded.try_get_with(key, self.expand(repository, &root)).await {
                unknown = Some(why);
            }
        }
        match (self.standing(repository, blob).await?, unknown) {
            (Some(_), _) => Ok(true),
            (None, Some(why)) => Err(why.again()),
            (None, None) => Ok(false),
        }
    }

    /// Enters what an index's images list. Indexes in it are not looked into: runtimes don't either. What the registry does not
    /// have lists nothing.
    async fn expand(&self, repository: &RepositoryName, root: &Arc<Root>) -> Result<(), Refusal> {
        let held = self.fetch(repository, root.digest).await?;
        let ground = Ground::Root(Arc::clone(root));
        self.enter(repository, &held, &ground).await;
        let unknown = Mutex::new(None);
        stream::iter(held.entries())
            .for_each_concurrent(AT_ONCE, async |image| match self.fetch(repository, image).await {
                Ok(image) => self.enter(repository, &image, &ground).await,
                Err(why) if why.is_unknown() => *lock(&unknown) = Some(why),
                Err(_) => {}
            })
            .await;
        unknown.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn passed_on(&self, asked: &Asked<'_>, blob: BlobStream) -> Answer {
        let (size, part) = (blob.size(), blob.part().cloned());
        let (id, text) = (asked.caller.id.clone(), asked.text.clone());
        let transfer = Transfer {
            blob,
            metrics: Arc::clone(&self.metrics),
            log: Arc::clone(&self.log),
            id,
            text,
            printable: self.printable,
        };
        let frames = stream::unfold(Some(transfer), |transfer| async {
            let mut transfer = transfer?;
            match transfer.blob.next().await {
                Ok(Some(bytes)) => {
                    transfer.metrics.blob_bytes.inc_by(bytes.len() as u64);
                    Some((Ok(Frame::data(bytes)), Some(transfer)))
                }
                Ok(None) => None,
                Err(error) => Some((Err(transfer.broken(&error.to_string())), None)),
            }
        });
        let mut answer = Response::new(BodyExt::boxed(StreamBody::new(frames)));
        if let Some(size) = size {
            answer.headers_mut().insert(header::CONTENT_LENGTH, size.into());
        }
        if let Some(part) = part {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            answer.headers_mut().insert(header::CONTENT_RANGE, part);
        }
        answer
    }
}

/// A blob on its way, and who is told if it does not arrive.
struct Transfer {
    blob: BlobStream,
    metrics: Arc<Metrics>,
    log: Arc<crate::serve::Log>,
    id: String,
    text: String,
    printable: fn(&str) -> String,
}

impl Transfer {
    fn broken(&self, why: &str) -> io::Error {
        self.metrics.count(&self.metrics.broken, "reason", "upstream");
        let why = (self.printable)(why);
        self.log.event("error", "transfer", &format!("{} ({}) is broken off: {why}", self.text, self.id));
        io::Error::other(why)
    }
}

fn with_headers(mut answer: Answer, digest: Digest) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(digest) = HeaderValue::from_str(&digest.to_string()) {
        headers.insert(DOCKER_CONTENT_DIGEST, digest);
    }
    answer
}

/// Whether it is a range of bytes as runtimes ask for one (RFC 9110, 14.1.2); any other is passed over, as that allows.
fn is_one_range(range: &HeaderValue) -> bool {
    let range =
        range.to_str().ok().and_then(|text| text.strip_prefix("bytes=")).and_then(|range| range.split_once('-'));
    let is_number = |text: &str| text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    range.is_some_and(|(from, to)| is_number(from) && is_number(to) && !(from.is_empty() && to.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_passed_on() {
        let is = |text| is_one_range(&HeaderValue::from_static(text));
        assert!(is("bytes=0-") && is("bytes=5-9") && is("bytes=-5"));
        assert!(!is("bytes=0-1,3-4") && !is("bytes=-") && !is("lines=0-1") && !is("bytes=a-b") && !is("bytes=0"));
    }
}
