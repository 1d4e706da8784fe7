//! Connections in, requests handed on. Each may cost so much and no more: in number, headers, and time.

use super::{Answer, Metrics, lock, tls::Certificates};
use crate::limits::{SERVE_BUFFER_BYTES, SERVE_HANDSHAKE_TIME, SERVE_HEADER_TIME, SERVE_HEADERS, SERVE_WRITE_STALL};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers a request. An error in the body breaks the connection off; a panic does too.
    fn answer(&self, request: Request<Incoming>, caller: Caller) -> impl Future<Output = Answer> + Send;
}

/// Who asks, and what the request is called in the log and in the answer's `X-Request-Id`.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The request's name.
    pub id: String,
    /// Where it came from.
    pub address: SocketAddr,
}

/// How long a client may take.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// For its headers, and until its next request.
    pub headers: Duration,
    pub handshake: Duration,
    /// To take the next of what it is answered.
    pub stall: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { headers: SERVE_HEADER_TIME, handshake: SERVE_HANDSHAKE_TIME, stall: SERVE_WRITE_STALL }
    }
}

/// A port that is listened at.
pub(super) struct Listener {
    pub tcp: TcpListener,
    pub certificates: Option<Arc<Certificates>>,
    pub connections: usize,
    pub drain: Duration,
    pub times: Times,
    pub metrics: Arc<Metrics>,
}

/// What the connections of a port share.
struct Shared<S> {
    service: Arc<S>,
    certificates: Option<Arc<Certificates>>,
    metrics: Arc<Metrics>,
    drain: Duration,
    times: Times,
    /// Connections by address: half of all are the most for one.
    peers: Mutex<BTreeMap<IpAddr, usize>>,
    most: usize,
    prefix: u32,
    requests: AtomicU64,
}

impl Listener {
    /// Serves until it is told to stop; then requests under way have their time to end.
    pub async fn serve<S: Service>(self, service: Arc<S>, mut stop: watch::Receiver<bool>) {
        let Self { tcp, certificates, connections, drain, times, metrics } = self;
        let slots = Arc::new(Semaphore::new(connections.max(1)));
        let (peers, most) = (Mutex::default(), connections.div_ceil(2).max(1));
        let (prefix, requests) = (getrandom::u32().unwrap_or_default(), AtomicU64::new(0));
        let shared = Shared { service, certificates, metrics, drain, times, peers, most, prefix, requests };
        let shared = Arc::new(shared);
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&tcp, &slots) => accepted,
                () = told(&mut stop) => break,
            };
            if let Some((stream, address, slot)) = accepted {
                open.spawn(Arc::clone(&shared).connection(stream, address, slot, stop.clone()));
            }
            while open.try_join_next().is_some() {}
        }
        drop(tcp);
        let all = async { while open.join_next().await.is_some() {} };
        let _ = timeout(drain, all).await;
    }
}

/// Waits until it is to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(drop);
}

/// A connection, once there is room for one: before, it waits with the system.
async fn accept(tcp: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match tcp.accept().await {
        Ok((stream, address)) => Some((stream, address, slot)),
        Err(_) => {
            // Out of file descriptors, most likely: some become free again.
            tokio::time::sleep(Duration::from_millis(10)).await;
            None
        }
    }
}

impl<S: Service> Shared<S> {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        _slot: OwnedSemaphorePermit,
        stop: watch::Receiver<bool>,
    ) {
        let Some(_counted) = Counted::of(&self, address.ip()) else {
            return self.refused("too-many");
        };
        // Without, each small answer may wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.times.stall));
        let stream = Box::pin(stream);
        let Some(certificates) = &self.certificates else {
            return self.http(stream, address, stop).await;
        };
        match timeout(self.times.handshake, certificates.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream, address, stop).await,
            Ok(Err(_)) => self.refused("tls"),
            Err(_) => self.refused("slow"),
        }
    }

    fn refused(&self, reason: &'static str) {
        self.metrics.count(&self.metrics.refused, "reason", reason);
    }

    /// HTTP/1.1 alone: one request at a time is what a connection costs at most.
    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        address: SocketAddr,
        mut stop: watch::Receiver<bool>,
    ) {
        let service = service_fn(|request| self.request(request, address));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.times.headers);
        builder.max_headers(SERVE_HEADERS).max_buf_size(SERVE_BUFFER_BYTES);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        // How a connection ends is the client's affair.
        tokio::select! {
            _ = connection.as_mut() => {}
            () = told(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(self.drain, connection).await;
            }
        }
    }

    async fn request(&self, request: Request<Incoming>, address: SocketAddr) -> Result<Answer, Infallible> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}-{number:x}", self.prefix);
        let named = HeaderValue::from_str(&id);
        let mut answer = self.service.answer(request, Caller { id, address }).await;
        if let Ok(id) = named {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        self.metrics.count(&self.metrics.requests, "code", class(answer.status()));
        Ok(answer)
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "1xx",
    }
}

/// A connection that is counted as its peer's while it lasts.
struct Counted<'s, S> {
    shared: &'s Shared<S>,
    peer: IpAddr,
}

impl<'s, S> Counted<'s, S> {
    fn of(shared: &'s Shared<S>, peer: IpAddr) -> Option<Self> {
        let mut peers = lock(&shared.peers);
        let count = peers.entry(peer).or_default();
        if *count >= shared.most {
            return None;
        }
        *count += 1;
        shared.metrics.connections.inc();
        Some(Self { shared, peer })
    }
}

impl<S> Drop for Counted<'_, S> {
    fn drop(&mut self) {
        let mut peers = lock(&self.shared.peers);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
        self.shared.metrics.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{AnswerBody, ServerSettings};
    use bytes::Bytes;
    use futures_util::stream;
    use http::Response;
    use http_body_util::{BodyExt as _, StreamBody};
    use hyper::body::Frame;
    use std::{fs, path::Path};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Answers without an end.
    struct Endless;

    impl Service for Endless {
        async fn answer(&self, _: Request<Incoming>, _: Caller) -> Answer {
            let frames = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[0; 64 << 10]))));
            Response::new(AnswerBody::new(StreamBody::new(frames).map_err(|error: std::io::Error| error)))
        }
    }

    fn certificates(home: &Path) -> Arc<Certificates> {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        fs::write(home.join("tls.crt"), made.cert.pem()).unwrap();
        fs::write(home.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        let settings = "listen = \"127.0.0.1:0\"\ncertificate = \"tls.crt\"\nkey = \"tls.key\"";
        let settings: ServerSettings = toml::from_str(settings).unwrap();
        Arc::new(Certificates::load(&settings.beside(home)).unwrap().unwrap())
    }

    /// Connects, sends, and reads on only where `reads`: whether it is let go in time.
    async fn is_let_go(times: Times, certificates: Option<Arc<Certificates>>, sent: &str, reads: bool) -> bool {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, metrics) = (tcp.local_addr().unwrap(), Arc::new(Metrics::default()));
        let counted = Arc::clone(&metrics);
        let listener = Listener { tcp, certificates, connections: 10, drain: Duration::ZERO, times, metrics };
        let (_stopping, stopped) = watch::channel(false);
        let serving = tokio::spawn(listener.serve(Arc::new(Endless), stopped));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let ends = async {
            if reads {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
            while counted.connections.get() > 0 || stream.try_write(b"").is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let ended = timeout(Duration::from_secs(5), ends).await.is_ok();
        serving.abort();
        ended
    }

    // [V-311]
    #[tokio::test]
    async fn who_takes_too_long_is_let_go() {
        let (short, home) = (Duration::from_millis(100), tempfile::tempdir().unwrap());
        let long = Times::default();
        let headers = Times { headers: short, ..long };
        for sent in ["", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            assert!(is_let_go(headers, None, sent, true).await, "{sent:?}");
        }
        let handshake = Times { handshake: short, ..long };
        assert!(is_let_go(handshake, Some(certificates(home.path())), "", true).await);
        let stall = Times { stall: short, ..long };
        assert!(is_let_go(stall, None, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false).await);
    }
}
