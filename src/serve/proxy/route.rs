//! Paths and queries (distribution-spec 1.1, "Endpoints"), as far as they are read here.

use super::{Refusal, Upstreams};
use crate::{
    oci::{Digest, Reference, Repository, RepositoryName},
    registry::Selector,
};
use http::{Method, Request, StatusCode, header};
use url::form_urlencoded;

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Ask {
    /// Whether this is a registry.
    Version,
    Of(RepositoryName, What),
}

/// What of a repository.
#[derive(Debug, PartialEq)]
pub(super) enum What {
    Manifest(Selector),
    Blob(Digest),
    Referrers(Digest),
}

impl Ask {
    pub fn parse<B>(request: &Request<B>, upstreams: &Upstreams) -> Result<Self, Refusal> {
        let path = request.uri().path();
        let reads = request.method() == Method::GET || request.method() == Method::HEAD;
        if !reads {
            return Err(Refusal::unsupported(format!("{}: images are only pulled here", request.method())));
        }
        if path == "/v2" || path == "/v2/" {
            return Ok(Self::Version);
        }
        let rest = path.strip_prefix("/v2/").ok_or_else(Refusal::not_here)?;
        let (before, last) = rest.rsplit_once('/').ok_or_else(Refusal::not_here)?;
        let (name, kind) = before.rsplit_once('/').ok_or_else(Refusal::not_here)?;
        let what = match kind {
            "manifests" => What::Manifest(selector(last)?),
            "blobs" => What::Blob(digest(last)?),
            "referrers" => What::Referrers(digest(last)?),
            _ => return Err(Refusal::not_here()),
        };
        let query = request.uri().query().unwrap_or_default();
        let ns = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "ns").map(|(_, value)| value);
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let repository = upstreams.find(name, ns.as_deref(), host);
        let unknown = |why: String| Refusal::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", why);
        Ok(Self::Of(repository.map_err(unknown)?, what))
    }
}

impl What {
    /// How it is called in the log.
    pub fn of(&self, repository: &RepositoryName) -> String {
        match self {
            Self::Manifest(Selector::Tag(tag)) => format!("{repository}:{tag}"),
            Self::Manifest(Selector::Digest(digest)) => format!("{repository}@{digest}"),
            Self::Blob(digest) => format!("{repository} blob {digest}"),
            Self::Referrers(digest) => format!("{repository} referrers of {digest}"),
        }
    }
}

fn selector(text: &str) -> Result<Selector, Refusal> {
    if text.contains(':') {
        return digest(text).map(Selector::Digest);
    }
    let reference: Option<Reference> = format!("127.0.0.1/x:{text}").parse().ok();
    match reference.and_then(|reference| reference.tag) {
        Some(tag) => Ok(Selector::Tag(tag)),
        None => Err(Refusal::new(StatusCode::BAD_REQUEST, "TAG_INVALID", "neither a tag nor a digest")),
    }
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error: crate::oci::DigestError| {
        Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", error.to_string())
    })
}

/// A repository's manifest as it is asked for.
pub(super) fn reference(repository: &RepositoryName, at: &Selector) -> Reference {
    let repository = Repository::Registry(repository.clone());
    match at {
        Selector::Tag(tag) => Reference { repository, tag: Some(tag.clone()), digest: None },
        Selector::Digest(digest) => Reference { repository, tag: None, digest: Some(*digest) },
    }
}
