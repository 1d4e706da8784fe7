//! The services over HTTP on 127.0.0.1, for real clients. What they check is what their clients must get right: tokens,
//! proofs of possession, the shape of entries. Signatures in entries are not verified: that is for whoever reads them.

mod answer;
mod fulcio;
mod oidc;
mod rekor1;
mod rekor2;
mod timestamp;

use super::{Options, PrivateSigstore};
use answer::Answer;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use std::{
    convert::Infallible,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Runtime, task::JoinHandle};

/// What a request asks, by service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /api/v2/signingCert`
    Fulcio,
    /// `/api/v1/log/...`
    Rekor1,
    /// `/api/v2/log/...`
    Rekor2,
    /// `/api/v1/timestamp`
    Timestamp,
    /// The issuer's discovery, keys and tokens.
    Oidc,
    /// Anything else; refused.
    Unknown,
}

impl Endpoint {
    fn of(path: &str) -> Self {
        match path {
            "/api/v2/signingCert" | "/api/v2/trustBundle" | "/api/v2/configuration" => Self::Fulcio,
            path if path.starts_with("/api/v1/log") => Self::Rekor1,
            path if path.starts_with("/api/v2/") => Self::Rekor2,
            path if path.starts_with("/api/v1/timestamp") => Self::Timestamp,
            "/.well-known/openid-configuration" | "/keys" | "/auth" | "/token" | "/actions" => Self::Oidc,
            _ => Self::Unknown,
        }
    }
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub endpoint: Endpoint,
    pub method: Method,
    pub path: String,
    pub status: u16,
    /// What was wrong with it.
    pub refusal: Option<String>,
}

/// How an endpoint fails the next times.
struct Fault {
    endpoint: Endpoint,
    left: usize,
    status: u16,
    /// Seconds.
    retry_after: Option<u64>,
}

#[derive(Default)]
struct Knobs {
    faults: Vec<Fault>,
    delays: Vec<(Endpoint, Duration)>,
    requests: Vec<Recorded>,
}

struct Shared {
    services: Arc<PrivateSigstore>,
    knobs: Mutex<Knobs>,
    stamps: AtomicU64,
}

/// A request, read whole.
struct Asked {
    method: Method,
    path: String,
    query: String,
    content_type: String,
    authorization: String,
    body: Bytes,
}

/// Services that run until they are dropped.
pub struct Sigstore {
    /// The same instance without HTTP: its keys, logs and trusted root.
    pub services: Arc<PrivateSigstore>,
    /// Where each service is: `http://127.0.0.1:PORT`.
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    runtime: Option<Runtime>,
}

impl Drop for Sigstore {
    fn drop(&mut self) {
        self.server.abort();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Sigstore {
    pub async fn start() -> Self {
        Self::start_with(Options::default(), |_| ()).await
    }

    /// With options (their URL is replaced), and a change of the instance before it is served.
    pub async fn start_with(options: Options, change: impl FnOnce(&mut PrivateSigstore)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut services = PrivateSigstore::with(&Options { url: url.clone(), ..options });
        change(&mut services);
        let services = Arc::new(services);
        let (knobs, stamps) = (Mutex::default(), AtomicU64::new(1));
        let shared = Arc::new(Shared { services: Arc::clone(&services), knobs, stamps });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { services, url, shared, server, runtime: None }
    }

    /// On a thread of its own, for tests without a runtime.
    pub fn start_blocking() -> Self {
        Self::start_blocking_with(Options::default(), |_| ())
    }

    pub fn start_blocking_with(options: Options, change: impl FnOnce(&mut PrivateSigstore)) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let mut started = runtime.block_on(Self::start_with(options, change));
        started.runtime = Some(runtime);
        started
    }

    /// The next `times` requests of an endpoint are answered with this status, and `Retry-After` in seconds.
    pub fn fail(&self, endpoint: Endpoint, times: usize, status: u16, retry_after: Option<u64>) {
        self.shared.knobs().faults.push(Fault { endpoint, left: times, status, retry_after });
    }

    /// Every answer of an endpoint waits this long from now on.
    pub fn delay(&self, endpoint: Endpoint, wait: Duration) {
        self.shared.knobs().delays.push((endpoint, wait));
    }

    /// How many requests an endpoint was sent, failed ones among them.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.shared.knobs().requests.iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// What was asked, in the order of the answers.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.knobs().requests.clone()
    }

    /// Writes `trusted_root.json`, `signing_config.json` (both generations of Rekor), `signing_config_rekor1.json`,
    /// `signing_config_rekor2.json`, `trust_config.json` (the PyPI client's: root and configuration in one) and `token`
    /// (for this address).
    pub fn write(&self, folder: &Path, address: &str) {
        let file = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
        file("trusted_root.json", self.services.trusted_root().to_string());
        file("signing_config.json", self.services.signing_config(&[2, 1]).to_string());
        file("signing_config_rekor1.json", self.services.signing_config(&[1]).to_string());
        file("signing_config_rekor2.json", self.services.signing_config(&[2]).to_string());
        let both = serde_json::json!({
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.services.trusted_root(),
            "signingConfig": self.services.signing_config(&[2, 1]),
        });
        file("trust_config.json", both.to_string());
        file("token", self.services.oidc.email_token(address, jiff::Timestamp::now()));
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.answer(request).await) }
            });
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Shared {
    fn knobs(&self) -> std::sync::MutexGuard<'_, Knobs> {
        self.knobs.lock().expect("not poisoned")
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let header =
            |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let asked = Asked {
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            content_type: header(http::header::CONTENT_TYPE),
            authorization: header(http::header::AUTHORIZATION),
            method: parts.method,
            body: body.collect().await.map(|body| body.to_bytes()).unwrap_or_default(),
        };
        let endpoint = Endpoint::of(&asked.path);
        let wait: Duration = self.knobs().delays.iter().filter(|(at, _)| *at == endpoint).map(|(_, wait)| *wait).sum();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let answer = self.fault(endpoint).unwrap_or_else(|| self.serve(endpoint, &asked));
        let (status, refusal) = (answer.status, answer.refusal.clone());
        self.knobs().requests.push(Recorded { endpoint, method: asked.method, path: asked.path, status, refusal });
        answer.response()
    }

    fn fault(&self, endpoint: Endpoint) -> Option<Answer> {
        let mut knobs = self.knobs();
        let fault = knobs.faults.iter_mut().find(|fault| fault.endpoint == endpoint && fault.left > 0)?;
        fault.left -= 1;
        let answer = Answer::refusal(fault.status, "not now");
        Some(match fault.retry_after {
            Some(seconds) => answer.header("retry-after", &seconds.to_string()),
            None => answer,
        })
    }

    fn serve(&self, endpoint: Endpoint, asked: &Asked) -> Answer {
        let services = &self.services;
        let answer = match endpoint {
            Endpoint::Fulcio => fulcio::answer(services, asked),
            Endpoint::Rekor1 => rekor1::answer(services, asked),
            Endpoint::Rekor2 => rekor2::answer(services, asked),
            Endpoint::Timestamp => timestamp::answer(services, asked, self.stamps.fetch_add(1, Ordering::Relaxed)),
            Endpoint::Oidc => oidc::answer(services, asked),
            Endpoint::Unknown => Err(Answer::refusal(404, "there is nothing at this path")),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }
}
