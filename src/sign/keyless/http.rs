//! One way to all services that keyless signing asks: bounded answers, tries that wait as they are told, no token in any
//! error.

use crate::{
    backoff::{delay, retry_after},
    limits::{
        BACKOFF, CONNECT_TIMEOUT, OPERATION_TIMEOUT, READ_TIMEOUT, RETRY_AFTER, SERVICE_ANSWER_BYTES,
        SERVICE_CONCURRENCY, SERVICE_WORDS, TRIES,
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use reqwest::Client;
use std::{error::Error as _, fmt, sync::OnceLock, time::Duration};
use tokio::sync::Semaphore;
use url::{Host, Url};
use zeroize::Zeroizing;

/// A service that failed: which, where, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{service} at {place}: {fault}")]
pub struct ServiceError {
    /// What it is, as `Fulcio` or `the transparency log`.
    pub service: &'static str,
    /// Its address, without a query.
    pub place: String,
    /// What went wrong.
    pub fault: ServiceFault,
}

/// How a service failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceFault {
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// Nothing came in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It answered with another status than was expected.
    #[error("answered {status}{}", .words.as_ref().map(|words| format!(": {words}")).unwrap_or_default())]
    Status {
        /// The status.
        status: u16,
        /// Its own words, shortened and without tokens.
        words: Option<String>,
    },
    /// It asked for a longer wait than is waited.
    #[error("asked to wait {0:?}, which is longer than the {RETRY_AFTER:?} that are waited")]
    RetryAfter(Duration),
    /// Its answer is larger than is read.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
    /// Its answer is not what the service answers with.
    #[error("an answer that is none: {0}")]
    Answer(String),
    /// A plain http address of another machine: a token would go there for anybody to read.
    #[error("plain http is spoken with this machine alone; expected https")]
    PlainHttp,
    /// No address.
    #[error("not an http address")]
    Address,
}

impl ServiceFault {
    /// Whether the service itself said no: trying elsewhere or later does not help.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Status { status: 400..=499, .. }) && !self.may_pass()
    }

    /// Whether another try could go better.
    fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Timeout(_) => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// A request to a service.
pub(super) struct Ask<'a> {
    pub(super) service: &'static str,
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Zeroizing<Vec<u8>>,
    /// Tries, the first included.
    pub(super) tries: u32,
    /// Statuses that are answers although they are no success.
    pub(super) also: &'a [StatusCode],
}

impl<'a> Ask<'a> {
    pub(super) fn get(service: &'static str, url: &'a str) -> Self {
        let body = Zeroizing::default();
        Self { service, method: Method::GET, url, headers: Vec::new(), body, tries: TRIES, also: &[] }
    }

    pub(super) fn post(service: &'static str, url: &'a str, kind: &'static str, body: Vec<u8>) -> Self {
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        Self { method: Method::POST, headers, body: Zeroizing::new(body), ..Self::get(service, url) }
    }

    pub(super) fn fails(&self, fault: ServiceFault) -> ServiceError {
        ServiceError { service: self.service, place: shown(self.url), fault }
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// The connections to all services.
pub(super) struct Http {
    /// For http, for https on this machine, for https elsewhere: the last alone goes through a proxy, and the first reads
    /// no system roots, which takes longer than a signature.
    clients: [OnceLock<Client>; 3],
    turns: Semaphore,
    backoff: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self { clients: Default::default(), turns: Semaphore::new(SERVICE_CONCURRENCY), backoff: BACKOFF }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    /// Asks until there is an answer, a refusal, or the tries are used up.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, ServiceError> {
        let url = permitted(ask.url).map_err(|fault| ask.fails(fault))?;
        let _turn = self.turns.acquire().await;
        let work = async {
            let mut tries = 0;
            loop {
                let (fault, asked) = match self.once(ask, &url).await {
                    Ok(answer) => return Ok(answer),
                    Err(failed) => failed,
                };
                tries += 1;
                if let Some(asked) = asked.filter(|asked| *asked > RETRY_AFTER) {
                    return Err(ServiceFault::RetryAfter(asked));
                }
                if tries >= ask.tries || !fault.may_pass() {
                    return Err(fault);
                }
                tokio::time::sleep(asked.unwrap_or_else(|| delay(self.backoff, tries))).await;
            }
        };
        match tokio::time::timeout(OPERATION_TIMEOUT, work).await {
            Ok(done) => done.map_err(|fault| ask.fails(fault)),
            Err(_) => Err(ask.fails(ServiceFault::Timeout(OPERATION_TIMEOUT))),
        }
    }

    /// One try; with a failure the wait that was asked for.
    async fn once(&self, ask: &Ask<'_>, url: &Url) -> Result<Answer, (ServiceFault, Option<Duration>)> {
        let now = |fault| (fault, None);
        let client = self.client(url).map_err(now)?;
        let mut request = client.request(ask.method.clone(), url.clone()).body(ask.body.to_vec());
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let mut response = request.send().await.map_err(|error| now(transport(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let fine = status.is_success() || ask.also.contains(&status);
        let mut body = Zeroizing::new(Vec::new());
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) if !fine => break,
                Err(error) => return Err(now(transport(&error))),
            }
            if body.len() as u64 > SERVICE_ANSWER_BYTES {
                if !fine {
                    break;
                }
                return Err(now(ServiceFault::TooLarge(SERVICE_ANSWER_BYTES)));
            }
        }
        if fine {
            return Ok(Answer { status, headers, body });
        }
        let words = words(&body);
        Err((ServiceFault::Status { status: status.as_u16(), words }, retry_after(&headers, Timestamp::now())))
    }

    fn client(&self, url: &Url) -> Result<&Client, ServiceFault> {
        let [plain, near, far] = &self.clients;
        let place = match (url.scheme(), is_loopback(url)) {
            ("http", _) => plain,
            (_, true) => near,
            (_, false) => far,
        };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let mut builder = Client::builder()
            .user_agent(concat!("boltseal/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_max_idle_per_host(SERVICE_CONCURRENCY);
        if !std::ptr::eq(place, far) {
            builder = builder.no_proxy();
        }
        if std::ptr::eq(place, plain) {
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| ServiceFault::Connection(innermost(&error)))?;
        Ok(place.get_or_init(|| client))
    }
}

/// The address, if it may be spoken to: https, or http on this machine.
fn permitted(url: &str) -> Result<Url, ServiceFault> {
    let url = Url::parse(url).map_err(|_| ServiceFault::Address)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) || is_metadata_server(&url) => Ok(url),
        "http" => Err(ServiceFault::PlainHttp),
        _ => Err(ServiceFault::Address),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Google's metadata server speaks http alone, on a link that leaves the host for nowhere.
fn is_metadata_server(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Domain(name)) => name == "metadata.google.internal",
        _ => false,
    }
}

/// An address without user, query and fragment.
fn shown(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "an address that is none".to_owned() };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn transport(error: &reqwest::Error) -> ServiceFault {
    if error.is_timeout() {
        return ServiceFault::Timeout(if error.is_connect() { CONNECT_TIMEOUT } else { READ_TIMEOUT });
    }
    ServiceFault::Connection(innermost(error))
}

/// The last cause: reqwest's own words name the address, query and all.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(below) = cause.and_then(std::error::Error::source) {
        cause = Some(below);
    }
    plain(&cause.map_or_else(|| "it broke".to_owned(), ToString::to_string))
}

/// What a service said of its failure: the `message` or `error` of a JSON answer, else the text.
fn words(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(value) => {
            let named = ["message", "error_description", "error"].iter().find_map(|name| value.get(name)?.as_str());
            named.map(str::to_owned)?
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    Some(plain(text.trim())).filter(|text| !text.is_empty())
}

/// One line, of bounded length, in which whatever looks like a token is left out.
fn plain(text: &str) -> String {
    let mut parts = text.split("eyJ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for after in parts {
        let rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_.=+/".contains(c));
        // A token's two first parts begin alike.
        if !out.ends_with("[token]") {
            out.push_str("[token]");
        }
        out.push_str(rest);
    }
    out.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SERVICE_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // [V-142]
    #[test]
    fn no_token_comes_back_in_an_error() {
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl";
        let body = format!("{{\"message\":\"token {token} is\\n not for me\"}}");
        assert_eq!(words(body.as_bytes()).as_deref(), Some("token [token] is  not for me"));
        assert_eq!(words(token.as_bytes()).as_deref(), Some("[token]"));
        assert!(!shown(&format!("https://u:p@host:8443/path?token={token}#x")).contains("eyJ"));
        assert_eq!(shown("https://u:p@host:8443/path?a=b"), "https://host:8443/path");
        assert_eq!(words(&[b'x'; 4096]).map(|text| text.len()), Some(SERVICE_WORDS));
    }

    // [V-142]
    #[test]
    fn a_token_goes_over_https_or_nowhere() {
        for (url, fine) in [
            ("https://fulcio.example.com/api", true),
            ("http://127.0.0.1:5555/", true),
            ("http://localhost/", true),
            ("http://metadata.google.internal/x", true),
            ("http://fulcio.example.com/", false),
            ("http://metadata.google.internal.example.com/", false),
            ("ftp://127.0.0.1/", false),
            ("nothing", false),
        ] {
            assert_eq!(permitted(url).is_ok(), fine, "{url}");
        }
    }

    // [V-146]
    #[test]
    fn what_may_pass_is_no_refusal() {
        for (status, passes, refused) in
            [(429, true, false), (503, true, false), (401, false, true), (409, false, true)]
        {
            let fault = ServiceFault::Status { status, words: None };
            assert_eq!((fault.may_pass(), fault.is_refusal()), (passes, refused), "{status}");
        }
    }
}
