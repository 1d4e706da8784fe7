//! One request to a repository, with its retries, its token and its scheme; and what the answer's status means.

use super::{
    Fault, Remote,
    auth::{Asked, Grant, Standing},
    body::{self, BodyError, Expected},
    message,
    retry::{Again, Failure, retry_after, retrying},
    transport::{Outgoing, Reply},
};
use crate::limits::CREDENTIALS_TRIED;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use reqwest::Response;
use url::Url;

/// A request to a repository.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A path of the registry, without the leading slash.
    Path(String),
    /// An address that the registry gave.
    Url(Url),
}

/// A whole answer that is not worth another try.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) url: Url,
    pub(super) body: Vec<u8>,
    at_home: bool,
    standing: Standing,
}

/// An answer whose body was not read yet.
pub(super) struct Opened {
    pub(super) response: Response,
    at_home: bool,
    standing: Standing,
}

impl Request {
    pub(super) fn new(method: Method, target: Target) -> Self {
        Self { method, target, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, Target::Path(path))
    }

    /// What it needs the right for.
    fn permission(&self) -> &'static str {
        if self.method == Method::GET || self.method == Method::HEAD { "pull" } else { "push" }
    }
}

impl Remote {
    /// Sends a request and reads the answer: a success's body has to be as expected, an error's is read as far as
    /// it is shown. Statuses and failures that may pass are tried again, all within the operation's time.
    pub(super) async fn exchange(&self, request: &Request, expected: Expected) -> Result<Answer, Fault> {
        if self.endpoints().is_empty() {
            self.exchange_here(request, expected).await
        } else {
            self.exchange_mirrored(request, expected).await
        }
    }

    /// The same at the address of the repository's name.
    pub(super) async fn exchange_here(&self, request: &Request, expected: Expected) -> Result<Answer, Fault> {
        let _slot = self.slot().await?;
        let options = &self.session().inner.options;
        let attempts = retrying(options.backoff, || self.once(request, expected));
        let limit = options.operation_timeout;
        tokio::time::timeout(limit, attempts).await.unwrap_or(Err(Fault::Timeout(limit)))
    }

    /// The same with a single try. Whoever can't have it repeated decides by the failure.
    pub(super) async fn exchange_once(&self, request: &Request, expected: Expected) -> Result<Answer, Failure> {
        let _slot = self.slot().await?;
        let limit = self.session().inner.options.operation_timeout;
        let timeout = Failure { fault: Fault::Timeout(limit), again: Again::Backoff };
        tokio::time::timeout(limit, self.once(request, expected)).await.unwrap_or(Err(timeout))
    }

    async fn once(&self, request: &Request, expected: Expected) -> Result<Answer, Failure> {
        let Opened { response, at_home, standing } = self.open(request).await?;
        let (status, headers, url) = (response.status(), response.headers().clone(), response.url().clone());
        let body = if status.is_success() {
            body::read(response, expected).await.map_err(|error| self.unread(error))?
        } else {
            body::read_error(response).await
        };
        let answer = Answer { status, headers, url, body, at_home, standing };
        match answer.passing() {
            Some(again) => Err(Failure { fault: answer.refusal(request), again }),
            None => Ok(answer),
        }
    }

    /// Sends a request, with a token if there is one, and where that is asked for once more with a new one, and once with each
    /// further credential.
    pub(super) async fn open(&self, request: &Request) -> Result<Opened, Failure> {
        let (session, host, name, login) = (self.session(), self.host(), self.name(), self.login());
        let asked = Asked { session, name, login, access: self.access(), host };
        let mut used = self.tokens().current().await;
        let mut challenge: Option<(HeaderMap, String)> = None;
        // Others may begin with the credentials anew meanwhile; this request does not.
        let mut left = CREDENTIALS_TRIED;
        loop {
            let reply = self.dispatch(request, used.as_deref()).await?;
            let status = reply.response.status();
            let is_unknown = status == StatusCode::UNAUTHORIZED;
            if !reply.at_home || !(is_unknown || status == StatusCode::FORBIDDEN) {
                if let Some(grant) = used.as_ref().filter(|_| !reply.at_home || status.is_success()) {
                    self.tokens().taken(grant).await;
                }
                return Ok(Opened::new(reply, used.as_deref()));
            }
            // A token may have run out since; what was granted a moment ago, and a password, have not.
            let is_answer = match &used {
                Some(grant) => !is_unknown || challenge.is_some() || grant.standing == Standing::Password,
                None => !is_unknown,
            };
            if is_answer {
                let said = challenge.as_ref().map_or("Unauthorized", |(_, said)| said);
                let goes_on = match &used {
                    Some(grant) => self.tokens().refused(&asked, grant, is_unknown, said).await?,
                    None => false,
                };
                left = left.saturating_sub(1);
                if !goes_on || left == 0 {
                    return Ok(Opened::new(reply, used.as_deref()));
                }
            }
            if is_unknown {
                let headers = reply.response.headers().clone();
                let said = message::of_body(&body::read_error(reply.response).await, "Unauthorized");
                challenge = Some((headers, said));
            }
            used = match &challenge {
                Some((headers, said)) => Some(self.tokens().renew(&asked, headers, used.as_ref(), said).await?),
                None => None,
            };
        }
    }

    /// Sends a request by the registry's scheme, or while that is not known by each that may be. Of two failures the
    /// first counts, except where the answer to plain http was a 400, which is what Go's and nginx's TLS ports say to it.
    async fn dispatch(&self, request: &Request, grant: Option<&Grant>) -> Result<Reply, Failure> {
        let host = self.host();
        let (home, other) = match host.addresses() {
            [home, other, ..] => (home, Some(other)),
            [home] => (home, None),
            [] => return Err(Fault::Protocol("the registry has no address".to_owned()).into()),
        };
        let first = self.send_to(home, request, grant).await;
        let Some(other) = other else { return first };
        match first {
            Ok(reply) if !asks_for_tls(home, &reply) => {
                host.answered(home);
                Ok(reply)
            }
            Ok(refused) => match self.send_to(other, request, grant).await {
                // It speaks no TLS after all, and means the 400.
                Err(Failure { fault: Fault::PlainHttp(_), .. }) => {
                    host.answered(home);
                    Ok(refused)
                }
                Ok(reply) => {
                    host.answered(other);
                    Ok(reply)
                }
                failed => failed,
            },
            Err(first) if speaks_another_scheme(&first) => match self.send_to(other, request, grant).await {
                Ok(reply) if !asks_for_tls(other, &reply) => {
                    host.answered(other);
                    Ok(reply)
                }
                _ => Err(first),
            },
            failed => failed,
        }
    }

    async fn send_to(&self, home: &Url, request: &Request, grant: Option<&Grant>) -> Result<Reply, Failure> {
        let url = match &request.target {
            Target::Url(url) => url.clone(),
            Target::Path(path) => home.join(path).map_err(|error| Fault::Protocol(error.to_string()))?,
        };
        let outgoing = Outgoing {
            method: &request.method,
            url,
            headers: &request.headers,
            body: &request.body,
            authorization: grant.map(|grant| &grant.header),
            home,
            leaves_home: true,
            name: &self.name().host,
            own: Some((&self.host().tls, &self.host().headers)),
        };
        self.session().follow(&outgoing).await
    }

    /// The failure to read a body.
    pub(super) fn unread(&self, error: BodyError) -> Failure {
        let options = &self.session().inner.options;
        match error {
            BodyError::Wrong(fault) => fault.into(),
            BodyError::Broken(error) => Failure::transport(&error, options.read_timeout, options.connect_timeout),
        }
    }
}

impl Opened {
    fn new(reply: Reply, grant: Option<&Grant>) -> Self {
        let standing = grant.map_or(Standing::Anonymous, |grant| grant.standing);
        Self { response: reply.response, at_home: reply.at_home, standing }
    }

    /// The answer of an error, its body read as far as it is shown.
    pub(super) async fn into_error(self, request: &Request) -> Failure {
        let Self { response, at_home, standing } = self;
        let (status, headers, url) = (response.status(), response.headers().clone(), response.url().clone());
        let answer = Answer { status, headers, url, body: body::read_error(response).await, at_home, standing };
        let again = answer.passing().unwrap_or(Again::Never);
        Failure { fault: answer.refusal(request), again }
    }
}

impl Answer {
    /// The answer, if its status is one of these.
    pub(super) fn with(self, statuses: &[StatusCode], request: &Request) -> Result<Self, Fault> {
        if statuses.contains(&self.status) { Ok(self) } else { Err(self.refusal(request)) }
    }

    /// Whether the registry itself said that a thing is not there.
    pub(super) fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.at_home
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What a status means that is not the hoped-for one. docker-registry answers 401, not 403, when a token's rights
    /// do not suffice.
    fn refusal(&self, request: &Request) -> Fault {
        let permission = request.permission();
        let message = message::of_body(&self.body, self.status.canonical_reason().unwrap_or("no reason given"));
        match (self.status, self.standing) {
            _ if !self.at_home => {
                let host = super::tls::authority(&self.url);
                Fault::Status { status: self.status.as_u16(), message: format!("{message} (at {host})") }
            }
            (StatusCode::NOT_FOUND, _) if permission == "pull" => Fault::NotFound,
            (StatusCode::UNAUTHORIZED, Standing::Token) | (StatusCode::FORBIDDEN, _) => {
                Fault::Forbidden { permission, message }
            }
            (StatusCode::UNAUTHORIZED, Standing::Anonymous) => {
                Fault::Unauthorized(format!("no credentials are configured; it says: {message}"))
            }
            (StatusCode::UNAUTHORIZED, Standing::Password) => Fault::Unauthorized(message),
            (status, _) => Fault::Status { status: status.as_u16(), message },
        }
    }

    /// Whether the refusal may pass, and when. A manifest is only pushed behind its blobs: that the registry does not
    /// know one of them passes too. docker-registry says so while another client is pushing the same blob.
    fn passing(&self) -> Option<Again> {
        let asked = || retry_after(&self.headers, Timestamp::now()).map_or(Again::Backoff, Again::After);
        match self.status.as_u16() {
            429 | 503 => Some(asked()),
            500 | 502 | 504 => Some(Again::Backoff),
            400 | 404 if message::has_code(&self.body, &["MANIFEST_BLOB_UNKNOWN"]) => Some(Again::Backoff),
            _ => None,
        }
    }
}

/// Whether nobody listens there, or no TLS is spoken. A refused certificate is neither: whoever presents it must not
/// be given the password by plain http instead.
fn speaks_another_scheme(failure: &Failure) -> bool {
    match failure.fault {
        Fault::PlainHttp(_) => true,
        Fault::Connection(_) => failure.again != Again::Never,
        _ => false,
    }
}

fn asks_for_tls(home: &Url, reply: &Reply) -> bool {
    home.scheme() == "http" && reply.response.status() == StatusCode::BAD_REQUEST
}

#[cfg(test)]
mod tests {
    use crate::{
        oci::{Descriptor, ImageManifest, Manifest, Reference},
        registry::{
            Access, Options, Repo, Selector, Session,
            embedded::{AnswerBody, Embedded, EmbeddedOptions},
        },
    };
    use http::{Method, Response, StatusCode};
    use http_body_util::{BodyExt as _, Full};
    use std::{sync::Arc, time::Duration};

    /// What docker-registry 2.8.3 says while another client is pushing a blob that both manifests have.
    const BUSY: &str = r#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"},{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#;

    async fn push(refusals: usize) -> Result<(), crate::registry::RegistryError> {
        let registry = Embedded::start(EmbeddedOptions {
            hook: Some(Arc::new(move |exchange| {
                let refused = exchange.method == Method::PUT && exchange.path().contains("/manifests/");
                (refused && exchange.earlier < refusals).then(|| {
                    let body: AnswerBody = Full::new(BUSY.into()).map_err(|never| match never {}).boxed();
                    let mut answer = Response::new(body);
                    *answer.status_mut() = StatusCode::BAD_REQUEST;
                    answer
                })
            })),
            ..EmbeddedOptions::default()
        });
        let registry = registry.await.unwrap();
        let session = Session::new(Options { backoff: Duration::from_millis(1), ..Options::default() }).unwrap();
        let reference: Reference = format!("{}/app", registry.address()).parse().unwrap();
        let repo: Repo = session.open(&reference.repository, Access::PullPush).unwrap();
        repo.push_blob(b"{}").await.unwrap();
        let manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::empty()]);
        repo.push_manifest(&Selector::Tag("v1".to_owned()), &Manifest::Image(Box::new(manifest))).await.map(|_| ())
    }

    #[tokio::test]
    async fn a_blob_that_the_registry_does_not_know_yet_is_waited_for() {
        push(2).await.unwrap();
        let error = push(usize::MAX).await.unwrap_err().to_string();
        assert!(error.contains("MANIFEST_BLOB_UNKNOWN"), "{error}");
    }
}
