//! A registry in this process, and a server that answers whatever a test wants.

use crate::oci::{Digest, Manifest};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;
pub type Answer = Response<Body>;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub version: http::Version,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub struct Server {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves until dropped. The handler is told how many requests came before.
    pub async fn start(handler: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, handler).await
    }

    pub async fn serve(
        tls: Option<TlsAcceptor>,
        handler: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (seen, handler) = (Arc::clone(&calls), Arc::new(handler));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (seen, handler, tls) = (Arc::clone(&seen), Arc::clone(&handler), tls.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (seen, handler) = (Arc::clone(&seen), Arc::clone(&handler));
                    async move { Ok::<_, std::convert::Infallible>(answer(request, &seen, &*handler).await) }
                });
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // A client that breaks off is part of the tests.
                    match tls {
                        None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(builder.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    }
                });
            }
        });
        Self { address, calls, task }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// `METHOD /path` of every request so far.
    pub fn log(&self) -> Vec<String> {
        self.calls().iter().map(|call| format!("{} {}", call.method, call.path)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: &Mutex<Vec<Call>>,
    handler: &(dyn Fn(&Call, usize) -> Answer + Send + Sync),
) -> Answer {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let call = Call { method: parts.method.to_string(), path, headers: parts.headers, body, version: parts.version };
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(call.clone());
        seen.len() - 1
    };
    handler(&call, before)
}

pub fn status(status: u16) -> Answer {
    say(status, &[], "")
}

pub fn say(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()).unwrap()
}

/// `content`, again and again, with `pause` in between; broken off by an error after `times`, if any is given.
pub fn dribble(content: &'static [u8], pause: Duration, times: Option<usize>) -> Body {
    let endless = stream::iter(0..).then(move |n: usize| async move {
        tokio::time::sleep(pause).await;
        if times.is_some_and(|times| n >= times) {
            return Err(std::io::Error::other("broken off"));
        }
        Ok(Frame::data(Bytes::from_static(content)))
    });
    StreamBody::new(endless).boxed_unsync()
}

/// A registry in memory. `referrers_api`: whether it has that API.
#[derive(Clone, Default)]
pub struct Memory {
    pub referrers_api: bool,
    pub state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    pub blobs: HashMap<String, Bytes>,
    pub manifests: HashMap<String, (String, Bytes)>,
    pub tags: HashMap<String, String>,
}

impl Memory {
    pub fn handler(&self) -> impl Fn(&Call, usize) -> Answer + Send + Sync + 'static {
        let registry = self.clone();
        move |call, _| registry.answer(call)
    }

    pub fn answer(&self, call: &Call) -> Answer {
        let mut state = self.state.lock().unwrap();
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let mut parts = path.rsplitn(3, '/');
        let (last, kind) = (parts.next().unwrap(), parts.next().unwrap());
        match (call.method.as_str(), kind) {
            ("POST", "uploads") => say(202, &[("location", "/v2/app/blobs/uploads/1?state=s%2Fx")], ""),
            ("PUT", "uploads") => {
                let digest = query.strip_prefix("state=s%2Fx&digest=").expect("the query stays as it was");
                assert_eq!(digest, Digest::sha256(&call.body).to_string());
                state.blobs.insert(digest.to_owned(), call.body.clone());
                status(201)
            }
            ("GET", "blobs") => state.blobs.get(last).map_or_else(|| status(404), |body| say(200, &[], body.clone())),
            ("PUT", "manifests") => {
                let digest = Digest::sha256(&call.body).to_string();
                if !last.contains(':') {
                    state.tags.insert(last.to_owned(), digest.clone());
                }
                let media_type = call.header("content-type").unwrap().to_owned();
                state.manifests.insert(digest, (media_type, call.body.clone()));
                let subject = Manifest::decode(&call.body).unwrap().subject().map(|subject| subject.digest.to_string());
                match subject {
                    Some(subject) if self.referrers_api => say(201, &[("oci-subject", &subject)], ""),
                    _ => status(201),
                }
            }
            ("GET" | "HEAD", "manifests") => {
                let digest = state.tags.get(last).cloned().unwrap_or_else(|| last.to_owned());
                match state.manifests.get(&digest) {
                    None => status(404),
                    Some((media_type, body)) => {
                        let headers = [("content-type", media_type.as_str()), ("docker-content-digest", &digest)];
                        say(200, &headers, body.clone())
                    }
                }
            }
            ("GET", "referrers") if self.referrers_api => say(200, &[], r#"{"schemaVersion":2,"manifests":[]}"#),
            _ => status(StatusCode::NOT_FOUND.as_u16()),
        }
    }
}
