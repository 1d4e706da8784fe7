//! A whole OCI registry in this process, in memory, on loopback: what `demo`, the tests and the benchmarks talk to.
//!
//! It speaks the distribution specification 1.1: push (single, chunked, mounted), pull, delete, tag lists and the
//! referrers API, over HTTP/1.1 and HTTP/2 without TLS. It authenticates nobody, binds 127.0.0.1 only, and forgets
//! everything when it is dropped. [`EmbeddedOptions::hook`] and [`EmbeddedOptions::alter`] make it hostile.

mod answer;
mod blobs;
mod exchange;
mod lists;
mod manifests;
mod memory;
mod route;
mod store;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerBody};
pub use exchange::{Alter, Exchange, Hook, RecordedRequest};

use crate::limits::{EMBEDDED_MEMORY, EMBEDDED_REQUESTS};
use answer::Refusal;
use http::{Method, Request, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use memory::Memory;
use route::{Query, Route};
use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::Store;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// How an [`Embedded`] registry behaves.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// Whether it has the referrers API. Without, the API answers 404 and no `OCI-Subject` header is sent, as by
    /// registries older than distribution-spec 1.1.
    pub referrers_api: bool,
    /// Entries of one page of referrers or tags, at least 1; a request's `n` can only make it fewer.
    pub page_size: usize,
    /// Wait before each request is looked at: a round trip's time.
    pub delay: Duration,
    /// Whether a blob may be pushed by one POST; if not, such a POST opens an ordinary upload.
    pub single_post_upload: bool,
    /// Bytes of content that are held at most; a push beyond is refused with 413.
    pub memory: usize,
    /// Port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// Sees each request before its body is read, and may answer instead of the registry.
    pub hook: Option<Hook>,
    /// Sees each answer of the registry before it is sent, and may change it.
    pub alter: Option<Alter>,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            referrers_api: true,
            page_size: 100,
            delay: Duration::ZERO,
            single_post_upload: true,
            memory: EMBEDDED_MEMORY,
            port: 0,
            hook: None,
            alter: None,
        }
    }
}

/// A running registry; it serves until it is dropped.
pub struct Embedded {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Embedded {
    /// Binds 127.0.0.1 and starts to serve, on the current tokio runtime.
    ///
    /// # Errors
    /// The port can't be bound.
    pub async fn start(options: EmbeddedOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(options));
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// Where it listens: `127.0.0.1:port`, which is also the host of its references.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that were answered so far, oldest first; of very many, the last [`EMBEDDED_REQUESTS`].
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        locked(&self.shared.log).recorded.iter().cloned().collect()
    }

    /// Forgets the requests so far, and how often each was made.
    pub fn forget_requests(&self) {
        *locked(&self.shared.log) = Log::default();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What all connections share.
struct Shared {
    options: EmbeddedOptions,
    memory: Memory,
    store: Mutex<Store>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    total: usize,
    seen: HashMap<(Method, String), usize>,
    recorded: VecDeque<RecordedRequest>,
}

impl Shared {
    fn new(options: EmbeddedOptions) -> Self {
        let memory = Memory::new(options.memory);
        Self { options, memory, store: Mutex::default(), log: Mutex::default() }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        locked(&self.store)
    }

    /// Answers a request, after the delay and unless the hook does, and records it.
    async fn serve(&self, request: Request<Incoming>) -> Answer {
        let started = Instant::now();
        let exchange = self.arrived(&request);
        if !self.options.delay.is_zero() {
            tokio::time::sleep(self.options.delay).await;
        }
        let answer = match self.options.hook.as_ref().and_then(|hook| hook(&exchange)) {
            Some(answer) => answer,
            None => {
                let answer = self.route(request).await.unwrap_or_else(Refusal::answer);
                let answer = if exchange.method == Method::HEAD { answer::without_body(answer) } else { answer };
                match &self.options.alter {
                    Some(alter) => alter(&exchange, answer),
                    None => answer,
                }
            }
        };
        let mut log = locked(&self.log);
        if log.recorded.len() >= EMBEDDED_REQUESTS {
            log.recorded.pop_front();
        }
        log.recorded.push_back(exchange.recorded(answer.status(), started));
        answer
    }

    fn arrived(&self, request: &Request<Incoming>) -> Exchange {
        let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let mut log = locked(&self.log);
        let number = log.total;
        log.total += 1;
        if log.seen.len() >= EMBEDDED_REQUESTS {
            log.seen.clear();
        }
        let seen = log.seen.entry((request.method().clone(), path_and_query.clone())).or_default();
        let earlier = *seen;
        *seen += 1;
        let (method, headers) = (request.method().clone(), request.headers().clone());
        Exchange { method, path_and_query, headers, number, earlier }
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let (parts, body) = request.into_parts();
        let query = Query::parse(parts.uri.query());
        let method = parts.method.as_str();
        match (method, Route::parse(parts.uri.path())?) {
            ("GET" | "HEAD", Route::Version) => Ok(answer::ok("{}").typed(answer::JSON).build()),
            ("GET" | "HEAD", Route::Manifest { name, at }) => self.manifest(&name, &at, &parts.headers),
            ("PUT", Route::Manifest { name, at }) => {
                let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
                self.put_manifest(&name, &at, content_type, body).await
            }
            ("DELETE", Route::Manifest { name, at }) => self.delete_manifest(&name, &at),
            ("GET" | "HEAD", Route::Blob { name, digest }) => self.blob(&name, &digest),
            ("DELETE", Route::Blob { name, digest }) => self.delete_blob(&name, &digest),
            ("POST", Route::Uploads { name }) => self.start_upload(&name, &query, body).await,
            ("GET", Route::Upload { name, id }) => self.upload(&name, id),
            ("PATCH", Route::Upload { name, id }) => {
                let range = parts.headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
                self.append_upload(&name, id, range, body).await
            }
            ("PUT", Route::Upload { name, id }) => self.finish_upload(&name, id, &query, body).await,
            ("DELETE", Route::Upload { name, id }) => self.cancel_upload(&name, id),
            ("GET" | "HEAD", Route::Tags { name }) => self.tags(&name, &query),
            ("GET" | "HEAD", Route::Referrers { name, subject }) => self.referrers(&name, &subject, &query),
            _ => Err(Refusal::unsupported(format!("{method} is not supported here"))),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and then ends every connection.
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&shared)));
            }
            // Out of file descriptors, most likely: some become free again.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Without, each small answer may wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.serve(request).await) }
    });
    // How a connection ends is the client's affair.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// A poisoned lock's data are whole: nothing panics between two changes that belong together.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
