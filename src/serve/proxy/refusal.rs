//! What is refused, in the distribution specification's JSON ("Error Codes").

use crate::serve::{Answer, json};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    pub message: String,
    /// Whether the decision behind it stands in the log already.
    pub logged: bool,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), logged: false }
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }

    /// Whether it says that something could not be told.
    pub fn is_unknown(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
    }

    pub fn not_here() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "here are manifests, blobs and referrers under /v2/")
    }

    /// The same for somebody else who waited for it.
    pub fn again(&self) -> Self {
        Self { message: self.message.clone(), ..*self }
    }

    pub fn logged(self) -> Self {
        Self { logged: true, ..self }
    }

    /// The answer; the request's id stands in it as in the log.
    pub fn answer(self, id: &str) -> Answer {
        let message = format!("boltseal: {} (request {id})", self.message);
        let error = json!({ "code": self.code, "message": message, "detail": { "request": id } });
        let mut answer = json(self.status, &json!({ "errors": [error] }));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        answer
    }
}
