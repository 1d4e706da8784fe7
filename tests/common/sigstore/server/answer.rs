use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

/// An answer before it becomes hyper's.
pub struct Answer {
    pub status: u16,
    /// What was wrong with the request.
    pub refusal: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self { status, refusal: None, headers, body: body.into() }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// As the services' gateways answer errors.
    pub fn refusal(status: u16, message: impl ToString) -> Self {
        let message = message.to_string();
        let body = json!({ "code": status, "message": message, "details": [] });
        Self { refusal: Some(message), ..Self::json(status, &body) }
    }

    pub fn bad(message: impl ToString) -> Self {
        Self::refusal(400, message)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn response(self) -> Response<Full<Bytes>> {
        let mut builder = Response::builder().status(self.status);
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        builder.body(Full::new(Bytes::from(self.body))).expect("an answer")
    }
}
