//! Answers of servers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use serde_json::Value;

/// An answer's body; an error in it breaks the connection off.
pub type AnswerBody = BoxBody<Bytes, std::io::Error>;

/// An answer to a request.
pub type Answer = Response<AnswerBody>;

/// An answer in JSON.
#[must_use]
pub fn json(status: StatusCode, value: &Value) -> Answer {
    whole(status, "application/json", value.to_string().into())
}

/// An answer in plain text.
#[must_use]
pub fn text(status: StatusCode, content: &str) -> Answer {
    whole(status, "text/plain; charset=utf-8", Bytes::copy_from_slice(content.as_bytes()))
}

pub(super) fn whole(status: StatusCode, media_type: &'static str, content: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(content).map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}
