//! A tag that was read before, and may still mean the same (RFC 9110, 13.1.2, "If-None-Match").

use super::{
    Fault, Fetched, RegistryError, Remote, Selector,
    body::Expected,
    exchange::Answer,
    remote::{checked_digest, fetched},
};
use crate::limits::{ETAG_BYTES, MANIFEST_BYTES};
use http::{HeaderValue, Method, StatusCode, header};

/// A manifest that was read by tag, and what a later read may ask by.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// The manifest.
    pub fetched: Fetched,
    /// The registry's `ETag` as it stood, if it is one to send back: the registry's word, which nothing checks.
    pub etag: Option<String>,
}

impl Remote {
    /// Fetches a manifest by tag, unless the registry says that it still has this `etag` there: then nothing.
    ///
    /// Checks: what [`Remote::manifest`] checks. An `etag` that no registry can have sent is as good as none.
    ///
    /// # Errors
    /// As [`Remote::manifest`]; [`Fault::Protocol`] if it is said to be unchanged and no `etag` was sent.
    pub async fn manifest_if_changed(&self, tag: &str, etag: Option<&str>) -> Result<Option<Tagged>, RegistryError> {
        self.fetch_if_changed(tag, etag).await.map_err(self.during("reading", &tag))
    }

    async fn fetch_if_changed(&self, tag: &str, etag: Option<&str>) -> Result<Option<Tagged>, Fault> {
        let mut request = self.manifest_request(Method::GET, &Selector::Tag(tag.to_owned()));
        let known = etag.filter(|etag| is_plausible(etag)).and_then(|etag| HeaderValue::from_str(etag).ok());
        let asked = known.is_some();
        if let Some(known) = known {
            request.headers.insert(header::IF_NONE_MATCH, known);
        }
        let answer = self.exchange(&request, Expected::at_most("the manifest", MANIFEST_BYTES)).await?;
        match answer.status {
            StatusCode::NOT_MODIFIED if asked => Ok(None),
            StatusCode::NOT_MODIFIED => {
                Err(Fault::Protocol("answered 304, not modified, to a request without conditions".to_owned()))
            }
            _ => tagged(answer.with(&[StatusCode::OK], &request)?).map(Some),
        }
    }
}

fn tagged(answer: Answer) -> Result<Tagged, Fault> {
    let etag = answer.header("etag").filter(|etag| is_plausible(etag)).map(str::to_owned);
    let digest = checked_digest(&answer)?;
    Ok(Tagged { fetched: fetched(answer, digest)?, etag })
}

/// Whether a text can be sent back as an `ETag`. `*` stands for whatever there is, changed or not.
fn is_plausible(etag: &str) -> bool {
    !etag.is_empty() && etag != "*" && etag.len() <= ETAG_BYTES && etag.bytes().all(|byte| byte.is_ascii_graphic())
}
