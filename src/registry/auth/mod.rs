//! What identifies us to a registry: nothing until it asks, then one token or password for what the run needs.

mod challenge;
mod token;

use super::{Access, Fault, Session, credentials::Credential, host::Host, tls};
use crate::oci::RepositoryName;
use challenge::Demand;
use http::{HeaderMap, HeaderValue};
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
    /// Which of the credentials is offered; those before it were refused.
    at: usize,
    /// Whether the registry has taken it: what it refuses then, another credential would not open.
    works: bool,
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
    /// Which of the credentials it was granted for.
    at: usize,
    /// Whether it was noted already that the registry takes it.
    noted: AtomicBool,
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
    /// The registry itself: what is sent to it alone goes to its token server, too, where that is the same server.
    pub(super) host: &'a Host,
}

impl Tokens {
    /// What was granted already.
    pub(super) async fn current(&self) -> Option<Arc<Grant>> {
        match &self.held.lock().await.state {
            State::Granted(grant) => Some(Arc::clone(grant)),
            State::Unasked | State::Refused(_) => None,
        }
    }

    /// Meets a challenge to `used`, with the next credential where a token server refuses one. The registry's words, `said`,
    /// stand in the error.
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
        let credentials = asked.credentials().await?;
        loop {
            match asked.grant(headers, said, credentials.get(held.at)).await {
                Ok((header, standing)) => {
                    let grant = Arc::new(Grant { header, standing, at: held.at, noted: AtomicBool::new(false) });
                    held.state = State::Granted(Arc::clone(&grant));
                    return Ok(grant);
                }
                Err(Fault::Unauthorized(_) | Fault::Forbidden { .. }) if held.has_next(credentials.len()) => {
                    held.at += 1
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

    /// Takes note that the registry has taken what was granted. It counts, also where another request has gone on meanwhile.
    pub(super) async fn taken(&self, used: &Arc<Grant>) {
        if used.noted.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut held = self.held.lock().await;
        if !held.works && held.at != used.at {
            *held = Held { state: State::Granted(Arc::clone(used)), at: used.at, works: true };
        }
        held.works = true;
    }

    /// Takes note that the registry refused what was granted; whether there is something else to try. A password that was the
    /// last is remembered as refused, if it is unknown: there is no other one to get.
    pub(super) async fn refused(
        &self,
        asked: &Asked<'_>,
        used: &Grant,
        is_unknown: bool,
        said: &str,
    ) -> Result<bool, Fault> {
        let count = asked.credentials().await?.len();
        let mut held = self.held.lock().await;
        if held.at != used.at {
            // Somebody else has gone on.
            return Ok(!matches!(held.state, State::Refused(_)));
        }
        if held.has_next(count) {
            *held = Held { state: State::Unasked, at: used.at + 1, works: false };
            return Ok(true);
        }
        if is_unknown && used.standing == Standing::Password {
            held.state = State::Refused(said.to_owned());
        } else if !is_unknown && !held.works && count > 1 {
            // All were refused this; for the next thing the first may be good.
            *held = Held::default();
        }
        Ok(false)
    }
}

impl Held {
    fn has_next(&self, credentials: usize) -> bool {
        !self.works && self.at + 1 < credentials
    }
}

impl Asked<'_> {
    async fn credentials(&self) -> Result<Vec<Credential>, Fault> {
        self.session.inner.credentials.find(self.login).await
    }

    async fn grant(
        &self,
        headers: &HeaderMap,
        said: &str,
        credential: Option<&Credential>,
    ) -> Result<(HeaderValue, Standing), Fault> {
        let Some(demand) = Demand::of(headers) else {
            return Err(Fault::Unauthorized(format!("{said}; it asks for neither a token nor a password")));
        };
        let host = &self.name.host;
        match (demand, credential) {
            (Demand::Basic, Some(Credential::Basic { username, password })) => {
                Ok((token::basic(username, password)?, Standing::Password))
            }
            (Demand::Basic, Some(_)) => {
                Err(Fault::Unauthorized(format!("{host} wants a password, a token is configured")))
            }
            (Demand::Basic, None) => Err(Fault::Unauthorized(format!(
                "no credentials for {} are configured; it says: {said}",
                self.login.host
            ))),
            (Demand::Bearer { .. }, Some(Credential::Bearer(token))) => Ok((token::bearer(token)?, Standing::Password)),
            (Demand::Bearer { realm, service, scopes }, credential) => {
                let realm = self.realm(&realm)?;
                let standing = if credential.is_some() { Standing::Token } else { Standing::Anonymous };
                let wanted = token::Wanted {
                    own: self.host.is_at(&realm).then_some((&self.host.tls, &self.host.headers)),
                    realm,
                    service: service.as_deref(),
                    scopes: self.scopes(scopes),
                    credential,
                    name: host,
                    permission: self.access.permission(),
                };
                Ok((token::fetch(self.session, &wanted).await?, standing))
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
