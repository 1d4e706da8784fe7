//! A repository that is reached at other places than its name says: each is asked in its turn, and an answer that has
//! something ends it. That a thing is not there is only believed if all say so.

use super::{
    Access, Fault, Remote, Session,
    body::Expected,
    exchange::{Answer, Request, Target},
    host::Host,
    hosts_toml::Place,
    lock, tls,
};
use crate::oci::RepositoryName;
use http::StatusCode;
use std::sync::{Arc, Mutex};

/// A repository at one place.
pub(super) struct Endpoint {
    place: Place,
    remote: Remote,
    /// The registry that the place answers for, where it is another one (`?ns=`).
    namespace: Option<String>,
    /// Why it is not asked again in this run: nobody answered.
    down: Mutex<Option<String>>,
}

impl Endpoint {
    /// A repository at each of these places.
    pub(super) fn all(session: &Session, name: &RepositoryName, places: Vec<Place>) -> Vec<Self> {
        places.into_iter().map(|place| Self::new(session, name, place)).collect()
    }

    fn new(session: &Session, name: &RepositoryName, place: Place) -> Self {
        let authority = tls::authority(&place.home);
        let own = authority == name.host || (name.host == "docker.io" && authority == "registry-1.docker.io");
        let path = match place.base.strip_prefix("v2/") {
            Some(above) => format!("{above}/{}", name.path),
            None => name.path.clone(),
        };
        let host = session.host_at(&place);
        let remote = Remote::new(session.clone(), host, RepositoryName { host: authority, path }, Access::Pull);
        Self { place, remote, namespace: (!own).then(|| name.host.clone()), down: Mutex::default() }
    }

    /// Asks this place; only the last one is tried more than once, and one that did not answer is not asked again.
    async fn ask(&self, request: &Request, expected: Expected, is_last: bool) -> Result<Answer, Fault> {
        if is_last {
            return self.remote.exchange_here(request, expected).await;
        }
        let known = lock(&self.down).clone();
        if let Some(why) = known {
            return Err(Fault::Connection(why));
        }
        let asked = self.remote.exchange_once(request, expected).await.map_err(|failure| failure.fault);
        if let Err(fault @ (Fault::Connection(_) | Fault::Timeout(_))) = &asked {
            *lock(&self.down) = Some(fault.to_string());
        }
        asked
    }

    /// The request as this place is asked it; `None` if it is not to be asked.
    fn rebased(&self, of: &Remote, request: &Request) -> Option<Request> {
        let target = match &request.target {
            Target::Url(url) => (url.origin() == self.place.home.origin()).then(|| Target::Url(url.clone()))?,
            Target::Path(path) => {
                let rest = path.strip_prefix(&of.path(""))?;
                // No tag has a colon.
                let by_digest = rest.starts_with("blobs/") || rest.contains(':') && rest.starts_with("manifests/");
                if !(if by_digest { self.place.pulls } else { self.place.resolves }) {
                    return None;
                }
                let query = self.namespace.as_deref().map(|host| {
                    let encoded: String = url::form_urlencoded::byte_serialize(host.as_bytes()).collect();
                    format!("?ns={encoded}")
                });
                let path = format!("{}/{}/{rest}{}", self.place.base, of.name().path, query.unwrap_or_default());
                Target::Path(path.trim_start_matches('/').to_owned())
            }
        };
        Some(Request { target, ..request.clone() })
    }
}

impl Remote {
    /// Asks the places in their order. The first answer that has something counts; else the first failure that does not
    /// say "not there".
    pub(super) async fn exchange_mirrored(&self, request: &Request, expected: Expected) -> Result<Answer, Fault> {
        let (mut nothing, mut failed) = (None, None);
        for (at, endpoint) in self.endpoints().iter().enumerate() {
            let Some(rebased) = endpoint.rebased(self, request) else { continue };
            match endpoint.ask(&rebased, expected, at + 1 == self.endpoints().len()).await {
                Ok(answer) if has_something(request, &answer) => return Ok(answer),
                Ok(answer) if answer.status.is_success() || answer.is_absent() => nothing = nothing.or(Some(answer)),
                Ok(answer) => failed = failed.or(Some(Ok(answer))),
                Err(fault) => failed = failed.or(Some(Err(fault))),
            }
        }
        let none = || Err(Fault::Protocol("hosts.toml names no place that may be asked for this".to_owned()));
        failed.or(nothing.map(Ok)).unwrap_or_else(none)
    }
}

/// Whether an answer is one that another place need not be asked after. A mirror may list no referrers and mean that it
/// keeps none.
fn has_something(request: &Request, answer: &Answer) -> bool {
    let lists = matches!(&request.target, Target::Path(path) if path.contains("/referrers/"));
    let empty = || !answer.body.windows(8).any(|bytes| bytes == b"\"digest\"");
    answer.status == StatusCode::NOT_MODIFIED || (answer.status.is_success() && !(lists && empty()))
}

impl Session {
    /// The place's host, shared by all repositories that are reached there.
    fn host_at(&self, place: &Place) -> Arc<Host> {
        let headers = place.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let key = format!("{} {:?} {:?}", place.home, place.tls, headers.collect::<Vec<_>>());
        let mut hosts = lock(&self.inner.hosts);
        Arc::clone(hosts.entry(key).or_insert_with(|| Arc::new(Host::at(&self.inner.options, place))))
    }
}
