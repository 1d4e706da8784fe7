use super::Answer;
use http::{HeaderMap, Method, StatusCode, header};
use std::{sync::Arc, time::Instant};

/// Answers a request instead of the registry, or leaves it to the registry (`None`).
pub type Hook = Arc<dyn Fn(&Exchange) -> Option<Answer> + Send + Sync>;

/// Changes an answer of the registry.
pub type Alter = Arc<dyn Fn(&Exchange, Answer) -> Answer + Send + Sync>;

/// A request, as a hook sees it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The path and query, as they came.
    pub path_and_query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// How many requests came before this one.
    pub number: usize,
    /// How many of those had the same method, path and query.
    pub earlier: usize,
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path and query, as they came.
    pub path_and_query: String,
    /// Whether it had an `Authorization` header.
    pub authorization: bool,
    /// The answer's status.
    pub status: StatusCode,
    /// When its head had been read.
    pub started: Instant,
    /// When the answer's head was ready.
    pub ended: Instant,
}

impl Exchange {
    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    pub(super) fn recorded(self, status: StatusCode, started: Instant) -> RecordedRequest {
        RecordedRequest {
            authorization: self.headers.contains_key(header::AUTHORIZATION),
            method: self.method,
            path_and_query: self.path_and_query,
            status,
            started,
            ended: Instant::now(),
        }
    }
}
