//! Paths and queries (distribution-spec 1.1, "Endpoints").

use super::Refusal;
use crate::{
    oci::{Digest, Reference, RepositoryName},
    registry::Selector,
};
use url::form_urlencoded;

/// What a path names.
#[derive(Debug, PartialEq)]
pub(super) enum Route {
    Version,
    Manifest { name: String, at: Selector },
    Blob { name: String, digest: Digest },
    Uploads { name: String },
    Upload { name: String, id: u64 },
    Tags { name: String },
    Referrers { name: String, subject: Digest },
}

impl Route {
    pub fn parse(path: &str) -> Result<Self, Refusal> {
        let rest = match path {
            "/v2" | "/v2/" => return Ok(Self::Version),
            path => path.strip_prefix("/v2/").ok_or_else(Refusal::not_here)?,
        };
        let (before, last) = rest.rsplit_once('/').ok_or_else(Refusal::not_here)?;
        let (name, kind) = match before.strip_suffix("/blobs/uploads") {
            Some(name) => (name, "uploads"),
            None => before.rsplit_once('/').ok_or_else(Refusal::not_here)?,
        };
        let name = repository_name(name)?;
        match (kind, last) {
            ("manifests", at) => Ok(Self::Manifest { at: selector(at)?, name }),
            ("uploads", "") | ("blobs", "uploads") => Ok(Self::Uploads { name }),
            ("uploads", id) => {
                let id = u64::from_str_radix(id, 16).map_err(|_| Refusal::upload_unknown())?;
                Ok(Self::Upload { name, id })
            }
            ("blobs", digest) => Ok(Self::Blob { digest: parse_digest(digest)?, name }),
            ("tags", "list") => Ok(Self::Tags { name }),
            ("referrers", digest) => Ok(Self::Referrers { subject: parse_digest(digest)?, name }),
            _ => Err(Refusal::not_here()),
        }
    }
}

/// A request's query.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn digest(&self, name: &str) -> Result<Option<Digest>, Refusal> {
        self.first(name).map(parse_digest).transpose()
    }

    /// Entries of a page: what was asked for by `n`, at most `page_size`, at least one.
    pub fn page(&self, page_size: usize) -> usize {
        self.first("n").and_then(|n| n.parse().ok()).unwrap_or(page_size).min(page_size).max(1)
    }
}

/// The next page's `Link` (RFC 8288).
pub(super) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("<{path}?{query}>; rel=\"next\"")
}

pub(super) fn repository_name(name: &str) -> Result<String, Refusal> {
    let full: RepositoryName = format!("127.0.0.1/{name}").parse().map_err(|_| Refusal::name_invalid(name))?;
    Ok(full.path)
}

fn selector(at: &str) -> Result<Selector, Refusal> {
    if at.contains(':') {
        return parse_digest(at).map(Selector::Digest);
    }
    let reference: Option<Reference> = format!("127.0.0.1/x:{at}").parse().ok();
    match reference.and_then(|reference| reference.tag) {
        Some(tag) => Ok(Selector::Tag(tag)),
        None => Err(Refusal::manifest_invalid(format!("{at:?} is neither a tag nor a digest"))),
    }
}

fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|e: crate::oci::DigestError| Refusal::digest_invalid(e.to_string()))
}
