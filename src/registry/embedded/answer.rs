//! Answers, and the refusals that the distribution specification names ("Error Codes").

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use std::fmt;

/// An answer's body; an error in it breaks the connection off.
pub type AnswerBody = BoxBody<Bytes, std::io::Error>;

/// An answer of the registry.
pub type Answer = Response<AnswerBody>;

pub(super) const JSON: &str = "application/json";
pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(super) const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
pub(super) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(super) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// An answer that is being put together.
pub(super) struct Draft(Answer);

pub(super) fn ok(body: impl Into<Bytes>) -> Draft {
    let body = body.into();
    let draft = status(StatusCode::OK).header(header::CONTENT_LENGTH, body.len());
    Draft(draft.0.map(|_| Full::new(body).map_err(|never| match never {}).boxed()))
}

pub(super) fn status(status: StatusCode) -> Draft {
    let mut answer = Response::new(empty());
    *answer.status_mut() = status;
    Draft(answer).header(API_VERSION, "registry/2.0")
}

/// The answer to a HEAD request: the headers that GET has.
pub(super) fn without_body(answer: Answer) -> Answer {
    answer.map(|_| empty())
}

fn empty() -> AnswerBody {
    Empty::new().map_err(|never| match never {}).boxed()
}

impl Draft {
    /// Sets a header; a value that can't stand in one is left out.
    pub fn header(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    pub fn typed(self, media_type: &str) -> Self {
        self.header(header::CONTENT_TYPE, media_type)
    }

    pub fn build(self) -> Answer {
        self.0
    }
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub fn name_invalid(name: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", format!("{name:?} is no repository name"))
    }

    pub fn name_unknown(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", format!("there is no repository {name:?}"))
    }

    pub fn digest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub fn manifest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
    }

    pub fn manifest_unknown(at: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", format!("there is no manifest {at}"))
    }

    pub fn blob_unknown(digest: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", format!("there is no blob {digest}"))
    }

    pub fn upload_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
    }

    pub fn upload_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message)
    }

    pub fn broken_body(e: &hyper::Error) -> Self {
        Self::upload_invalid(format!("the body broke off: {e}"))
    }

    pub fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", "more than this registry holds")
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
    }

    pub fn not_here() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "there is nothing at this path")
    }

    /// The specification's JSON.
    pub fn answer(self) -> Answer {
        let body = serde_json::json!({ "errors": [{ "code": self.code, "message": self.message }] });
        let mut answer = ok(body.to_string()).typed(JSON).build();
        *answer.status_mut() = self.status;
        answer
    }
}
