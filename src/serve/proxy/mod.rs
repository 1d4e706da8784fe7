//! The verifying proxy: a registry to pull from, in front of others, that has nothing but what the policy allows.
//!
//! A tag means what [`Judge`] says that it means. A manifest is given out if it was allowed, or belongs to an index that
//! was; a blob if it belongs to such a manifest. What belongs to what is read from bytes that have the digest.

mod blobs;
mod evidence;
mod manifests;
mod members;
mod refusal;
mod route;
mod settings;

pub use settings::{ProxySettings, Upstreams};

use super::{Answer, Caller, Decided, Judge, Judged, Log, Metrics, Service, Shell, answer};
use crate::{
    limits::SERVE_LOG_PATH_CHARS,
    oci::{Digest, Repository, RepositoryName},
    registry::{Access, Fault, RegistryError, Remote, Repo, Session},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use manifests::Manifests;
use members::Members;
use refusal::Refusal;
use route::{Ask, What};
use std::{sync::Arc, time::Instant};

const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The proxy.
pub struct Proxy {
    judge: Arc<Judge>,
    metrics: Arc<Metrics>,
    log: Arc<Log>,
    printable: fn(&str) -> String,
    upstreams: Upstreams,
    manifests: Manifests,
    members: Members,
    expanded: blobs::Expanded,
    pass_evidence: bool,
}

/// A request under way.
struct Asked<'a> {
    caller: &'a Caller,
    head: bool,
    range: Option<&'a HeaderValue>,
    begun: Instant,
    /// As it is logged: `GET registry.example.com/app:1.0`.
    text: String,
}

impl Proxy {
    /// A proxy that holds nothing yet.
    #[must_use]
    pub fn new(shell: &Shell, upstreams: Upstreams, pass_evidence: bool, printable: fn(&str) -> String) -> Self {
        Self {
            judge: Arc::clone(&shell.judge),
            metrics: Arc::clone(&shell.metrics),
            log: Arc::clone(&shell.log),
            printable,
            upstreams,
            manifests: Manifests::default(),
            members: Members::default(),
            expanded: blobs::expanded(),
            pass_evidence,
        }
    }

    async fn route(&self, request: &Request<Incoming>, caller: &Caller) -> Result<Answer, Refusal> {
        let text = |what: &str| (self.printable)(&format!("{} {what}", request.method()));
        let path: String = request.uri().path().chars().take(SERVE_LOG_PATH_CHARS).collect();
        let range = request.headers().get(header::RANGE);
        let head = request.method() == Method::HEAD;
        let mut asked = Asked { caller, head, range, begun: Instant::now(), text: text(&path) };
        let answered = match Ask::parse(request, &self.upstreams) {
            Ok(Ask::Version) => Ok(answer::whole(StatusCode::OK, "application/json", "{}".into())),
            Ok(Ask::Of(repository, what)) => {
                asked.text = text(&what.of(&repository));
                match what {
                    What::Manifest(at) => self.manifest(&asked, &repository, at).await,
                    What::Blob(digest) => self.blob(&asked, &repository, digest).await,
                    What::Referrers(subject) => self.referrers(&asked, &repository, subject).await,
                }
            }
            Err(refusal) => Err(refusal),
        };
        answered.inspect_err(|refusal| {
            if !refusal.logged {
                let decision = if refusal.is_unknown() { "unknown" } else { "refused" };
                self.log(&asked, decision, None, (self.printable)(&refusal.message));
            }
        })
    }

    /// A repository as registries have it.
    fn remote(&self, session: &Session, repository: &RepositoryName) -> Result<Remote, Refusal> {
        match session.open(&Repository::Registry(repository.clone()), Access::Pull) {
            Ok(Repo::Remote(remote)) => Ok(remote),
            Ok(Repo::Layout(_) | Repo::Copying(_)) => Err(Refusal::unavailable("no registry")),
            Err(error) => Err(self.failed(&error, "NAME_UNKNOWN")),
        }
    }

    /// What is told of a registry that failed.
    fn failed(&self, error: &RegistryError, unknown: &'static str) -> Refusal {
        let said = (self.printable)(&error.to_string());
        match &error.fault {
            Fault::NotFound => Refusal::new(StatusCode::NOT_FOUND, unknown, said),
            Fault::Status { status: 416, .. } => Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", said),
            _ => Refusal::unavailable(said),
        }
    }

    fn log(&self, asked: &Asked<'_>, decision: &'static str, digest: Option<Digest>, reason: String) {
        self.log.decision(&Decided {
            reason,
            digest: digest.map(|digest| digest.to_string()),
            ..asked.decided(decision)
        });
    }

    fn log_judged(&self, asked: &Asked<'_>, judged: &Judged) {
        let digest = judged.verdict.as_ref().ok().and_then(|verdict| Some(verdict.digest?.to_string()));
        let (reason, policy) = (judged.reason(), Some(judged.law.file.to_string()));
        self.log.decision(&Decided { digest, reason, policy, cached: judged.cached, ..asked.decided(judged.name()) });
    }
}

impl<'a> Asked<'a> {
    fn decided(&self, decision: &'static str) -> Decided<'a> {
        Decided {
            id: &self.caller.id,
            client: self.caller.address.to_string(),
            asked: self.text.clone(),
            decision,
            ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..Decided::default()
        }
    }
}

impl Service for Proxy {
    async fn answer(&self, request: Request<Incoming>, caller: Caller) -> Answer {
        let answered = self.route(&request, &caller).await;
        let mut answer = answered.unwrap_or_else(|refusal| refusal.answer(&caller.id));
        answer.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        if request.method() == Method::HEAD { bodiless(answer) } else { answer }
    }
}

/// The answer to HEAD: the headers that GET has.
fn bodiless(answer: Answer) -> Answer {
    use hyper::body::Body as _;
    let size = answer.body().size_hint().exact();
    let mut answer = answer.map(|_| Empty::<Bytes>::new().map_err(|never| match never {}).boxed());
    if let Some(size) = size.filter(|_| !answer.headers().contains_key(header::CONTENT_LENGTH)) {
        answer.headers_mut().insert(header::CONTENT_LENGTH, size.into());
    }
    answer
}
