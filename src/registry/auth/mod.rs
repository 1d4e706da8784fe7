//! What identifies us to a registry: nothing until it asks, then one token or password for what the run needs.

mod challenge;
mod token;

use super::{Access, Fault, Session, credentials::Credential, tls};
use crate::oci::RepositoryName;
use challenge::Demand;
use http::{HeaderMap, HeaderValue, StatusCode};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Mutex;
use url::Url;

/// What was granted for one repository and access. Whoever asks while a token is being fetched waits for that one.
#[derive(Default)]
pub(super) struct Tokens {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    state: State,
    /// How many of the credentials were refused; the next one is offered.
    passed: usize,
}

#[derive(Default)]
enum State {
    #[default]
    Unasked,
    Granted(Arc<Grant>),
    /// The credentials were refused: they are not sent again and again, which would lock an account.
    Refused(String),
}

/// What requests carry.
pub(super) struct Grant {
    pub(super) header: HeaderValue,
    pub(super) standing: Standing,
    /// Whether the registry has taken it: what it refuses then, another credential would not open.
    works: AtomicBool,
}

impl Grant {
    fn new(header: HeaderValue, standing: Standing) -> Self {
        Self { header, standing, works: AtomicBool::new(false) }
    }
}

/// Who we are to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody: a second 401 means that credentials are needed.
    Anonymous,
    /// By password: a second 401 means that it is wrong.
    Password,
    /// Known to the token server, which gave a token: a second 401 means that the token's rights do not suffice.
    Token,
}

/// For what and for whom.
pub(super) struct Asked<'a> {
    pub(super) session: &'a Session,
    pub(super) name: &'a RepositoryName,
    /// Whose credentials are used: the repository itself, or the one that a Notary server speaks of.
    pub(super) login: &'a RepositoryName,
    pub(super) access: Access,
}

impl Tokens {
    /// What was granted already.
    pub(super) async fn current(&self) -> Option<Arc<Grant>> {
        match &self.held.lock().await.state {
            State::Granted(grant) => Some(Arc::clone(grant)),
            State::Unasked | State::Refused(_) => None,
        }
    }

    /// Meets the challenge of an answer that refused `used`, with the next credential where a token server refuses one. The
    /// registry's words, `said`, stand in the error.
    pub(super) async fn renew(
        &self,
        asked: &Asked<'_>,
        headers: &HeaderMap,
        used: Option<&Arc<Grant>>,
        said: &str,
    ) -> Result<Arc<Grant>, Fault> {
        let mut held = self.held.lock().await;
        match &held.state {
            // Somebody else was faster.
            State::Granted(grant) if !used.is_some_and(|used| Arc::ptr_eq(used, grant)) => {
                return Ok(Arc::clone(grant));
            }
            State::Refused(message) => return Err(Fault::Unauthorized(message.clone())),
            State::Granted(_) | State::Unasked => {}
        }
        let credentials = asked.session.inner.credentials.find(asked.login).await?;
        loop {
            match asked.grant(headers, said, credentials.get(held.passed)).await {
                Ok(grant) => {
                    let grant = Arc::new(grant);
                    held.state = State::Granted(Arc::clone(&grant));
                    return Ok(grant);
                }
                Err(Fault::Unauthorized(_) | Fault::Forbidden { .. }) if held.passed + 1 < credentials.len() => {
                    held.passed += 1
                }
                Err(fault) => {
                    if let Fault::Unauthorized(message) = &fault {
                        held.state = State::Refused(message.clone());
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// Takes note of how the registry answers what was granted; whether it refuses it and there is something else to try. A
    /// password that was the last is remembered as refused: there is no other one to get.
    pub(super) async fn answered(
        &self,
        asked: &Asked<'_>,
        used: &Arc<Grant>,
        status: StatusCode,
        said: &str,
    ) -> Result<bool, Fault> {
        let is_unknown = status == StatusCode::UNAUTHORIZED;
        if !is_unknown && status != StatusCode::FORBIDDEN {
            used.works.store(true, Ordering::Relaxed);
            return Ok(false);
        }
        let credentials = asked.session.inner.credentials.find(asked.login).await?;
        let mut held = self.held.lock().await;
        match &held.state {
            State::Granted(grant) if Arc::ptr_eq(grant, used) => {}
            // Somebody else was faster.
            State::Granted(_) | State::Unasked => return Ok(true),
            State::Refused(_) => return Ok(false),
        }
        let is_last = held.passed + 1 >= credentials.len() || used.works.load(Ordering::Relaxed);
        if !is_last {
            *held = Held { state: State::Unasked, passed: held.passed + 1 };
        } else if is_unknown && used.standing == Standing::Password {
            held.state = State::Refused(said.to_owned());
        }
        Ok(!is_last)
    }
}

impl Asked<'_> {
    async fn grant(&self, headers: &HeaderMap, said: &str, credential: Option<&Credential>) -> Result<Grant, Fault> {
        let Some(demand) = Demand::of(headers) else {
            return Err(Fault::Unauthorized(format!("{said}; it asks for neither a token nor a password")));
        };
        let host = &self.name.host;
        match (demand, credential) {
            (Demand::Basic, Some(Credential::Basic { username, password })) => {
                Ok(Grant::new(token::basic(username, password)?, Standing::Password))
            }
            (Demand::Basic, Some(_)) => {
                Err(Fault::Unauthorized(format!("{host} wants a password, a token is configured")))
            }
            (Demand::Basic, None) => Err(Fault::Unauthorized(format!(
                "no credentials for {} are configured; it says: {said}",
                self.login.host
            ))),
            (Demand::Bearer { .. }, Some(Credential::Bearer(token))) => {
                Ok(Grant::new(token::bearer(token)?, Standing::Password))
            }
            (Demand::Bearer { realm, service, scopes }, credential) => {
                let realm = self.realm(&realm)?;
                let standing = if credential.is_some() { Standing::Token } else { Standing::Anonymous };
                let wanted = token::Wanted {
                    realm,
                    service: service.as_deref(),
                    scopes: self.scopes(scopes),
                    credential,
                    name: host,
                    permission: self.access.permission(),
                };
                Ok(Grant::new(token::fetch(self.session, &wanted).await?, standing))
            }
        }
    }

    /// The token server's address: https, or plain http where that is allowed.
    fn realm(&self, realm: &str) -> Result<Url, Fault> {
        let broken = || Fault::Protocol(format!("{} names a token server without an address", self.name.host));
        let url = Url::parse(realm).map_err(|_| broken())?;
        if !url.has_host() || !url.username().is_empty() || url.password().is_some() {
            return Err(broken());
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.session.inner.options.insecure_http || tls::is_loopback(&url) => Ok(url),
            _ => Err(Fault::PlainHttp(tls::authority(&url))),
        }
    }

    /// What the run needs, asked for once, and whatever else the challenge names.
    fn scopes(&self, challenged: Vec<String>) -> Vec<String> {
        let resource = format!("repository:{}", self.name.path);
        let actions: &[&str] = match self.access {
            Access::Pull => &["pull"],
            Access::PullPush => &["pull", "push"],
        };
        let covered = |scope: &String| {
            scope
                .rsplit_once(':')
                .is_some_and(|(of, wants)| of == resource && wants.split(',').all(|one| actions.contains(&one)))
        };
        let ours = format!("{resource}:{}", actions.join(","));
        std::iter::once(ours).chain(challenged.into_iter().filter(|scope| !covered(scope))).collect()
    }
}

impl Access {
    /// The most that is asked for.
    fn permission(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::PullPush => "push",
        }
    }
}
