//! The one place where servers decide: [`Verifier`], and what is held of its decisions.

use super::{
    CacheSettings, JudgeSettings, Law, Laws, Metrics, ServeError, Words, decisions::Decisions, lock, shared::Shared,
};
use crate::{
    limits::{Limits, SERVE_SESSION_AGE, SERVE_VERIFICATIONS},
    oci::{Digest, Reference},
    ops::{
        OpsError,
        pull::may_be_used,
        trust::{TrustError, TrustReader},
        verify::{Verification, Verifier},
    },
    policy::{Decision, Mode, Reason},
    registry::{RegistryError, Session},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Decides of images.
pub struct Judge {
    settings: JudgeSettings,
    laws: Arc<Laws>,
    metrics: Arc<Metrics>,
    words: Words,
    limits: Limits,
    session: Mutex<(Session, Instant)>,
    decisions: Decisions,
    slots: Semaphore,
    shared: Option<Arc<Shared>>,
}

/// What was decided of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// What was judged.
    pub digest: Digest,
    /// What came of it.
    pub ruling: Ruling,
    /// The scope that counted.
    pub scope: Option<String>,
    /// Why, on one line that can be printed.
    pub reason: String,
    /// When it stops to count, where another server made it.
    #[serde(skip)]
    pub(super) until: Option<Instant>,
}

/// Credentials of others than the operator. What is decided with them is held for whoever has the same, and for nobody else.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Connections that use them.
    pub session: Session,
    /// Tells them from others.
    pub identity: Digest,
}

/// What may be done with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ruling {
    /// It may be used.
    Allowed,
    /// It would be denied, if the mode were not permissive.
    WouldDeny,
    /// The mode is disabled.
    NotJudged,
    /// It must not be used.
    Denied,
}

/// Why there is no verdict. It is no leave to use the image.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Undecided {
    /// The registry says that it is not there.
    #[error("{0}")]
    Absent(String),
    /// Nothing that the registry has could be allowed.
    #[error("{0}")]
    Denied(String),
    /// It could not be told.
    #[error("could not tell: {0}")]
    Unknown(String),
}

/// A verdict, and how it was come by.
#[must_use]
#[derive(Clone, Debug)]
pub struct Judged {
    /// The verdict, or why there is none.
    pub verdict: Result<Arc<Verdict>, Undecided>,
    /// Whether it was held, or made for somebody else at the same time.
    pub cached: bool,
    /// The law that it was judged by.
    pub law: Arc<Law>,
}

impl Ruling {
    /// Whether the image may be used.
    #[must_use]
    pub fn may_be_used(self) -> bool {
        self != Self::Denied
    }

    /// Its word in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::WouldDeny => "would-deny",
            Self::NotJudged => "not-judged",
            Self::Denied => "denied",
        }
    }
}

impl Undecided {
    /// Its word in logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Absent(_) => "absent",
            Self::Denied(_) => "denied",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl Judged {
    /// The digest that may be used, if one may.
    #[must_use]
    pub fn usable(&self) -> Option<Digest> {
        self.verdict.as_ref().ok().filter(|verdict| verdict.ruling.may_be_used()).map(|verdict| verdict.digest)
    }

    /// The decision's word in logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.verdict {
            Ok(verdict) => verdict.ruling.name(),
            Err(undecided) => undecided.name(),
        }
    }

    /// Why, on one line that can be printed.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.verdict {
            Ok(verdict) => verdict.reason.clone(),
            Err(undecided) => undecided.to_string(),
        }
    }
}

impl Judge {
    /// A judge without a decision yet.
    ///
    /// # Errors
    /// Certificates for registries, or the key of the shared cache, that can't be used.
    pub fn new(
        settings: JudgeSettings,
        cache: &CacheSettings,
        laws: Arc<Laws>,
        metrics: Arc<Metrics>,
        words: Words,
    ) -> Result<Self, ServeError> {
        let session = Mutex::new((Session::new(settings.options())?, Instant::now()));
        let (limits, slots) = (Limits::default(), Semaphore::new(SERVE_VERIFICATIONS));
        let shared = Shared::new(cache, Arc::clone(&metrics))?.map(Arc::new);
        let decisions = Decisions::new(cache, shared.clone());
        Ok(Self { settings, laws, metrics, words, limits, session, decisions, slots, shared })
    }

    /// The connections that are used now. They are made anew from time to time, so that new credentials and authorities are
    /// taken up, and what a registry lacked once is looked for again.
    pub fn session(&self) -> Session {
        let mut session = lock(&self.session);
        if session.1.elapsed() > SERVE_SESSION_AGE
            && let Ok(new) = Session::new(self.settings.options())
        {
            *session = (new, Instant::now());
        }
        session.0.clone()
    }

    /// Connections with pull secrets that come before what the operator has.
    ///
    /// # Errors
    /// Certificates for registries that can't be read.
    pub fn session_with(&self, pull_secrets: Vec<Zeroizing<String>>) -> Result<Session, RegistryError> {
        let mut options = self.settings.options();
        options.environment.pull_secrets = pull_secrets;
        Session::new(options)
    }

    /// The cache that this server shares with others, if it does.
    pub(super) fn shared(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref()
    }

    /// Decides of an image as it is asked for: by tag, digest, or both.
    ///
    /// What was decided by the same law within the settings' time counts again. Equal questions that come at the same time
    /// are one verification. What could not be told is not held, and a denial briefly.
    pub async fn judge(&self, reference: &Reference) -> Judged {
        self.judge_with(reference, None).await
    }

    /// As [`Self::judge`], reading registries with others' credentials.
    pub async fn judge_with(&self, reference: &Reference, by: Option<&Credentials>) -> Judged {
        let law = self.laws.current();
        let held_by = by.map_or(law.digest, |by| Digest::sha256(format!("{} {}", law.digest, by.identity).as_bytes()));
        let session = || by.map_or_else(|| self.session(), |by| by.session.clone());
        // In a box: a verification is large, and whoever waits for another one's needs no room for it.
        let decision = Box::pin(self.decide(reference, &law, session));
        let deciding = self.decisions.find(reference, held_by, decision);
        let limit = self.settings.timeout.0;
        let found = match tokio::time::timeout(limit, deciding).await {
            Ok(Ok((verdict, fresh))) => Ok((verdict, fresh)),
            Ok(Err(undecided)) => Err(Undecided::clone(&undecided)),
            Err(_) => Err(Undecided::Unknown(format!("no result within {} s", limit.as_secs_f64()))),
        };
        let cached = matches!(found, Ok((_, false)));
        self.metrics.count(&self.metrics.cache, "result", if cached { "hit" } else { "miss" });
        let judged = Judged { verdict: found.map(|(verdict, _)| verdict), cached, law };
        self.metrics.count(&self.metrics.decisions, "decision", judged.name());
        judged
    }

    async fn decide(
        &self,
        reference: &Reference,
        law: &Law,
        session: impl FnOnce() -> Session,
    ) -> Result<Arc<Verdict>, Undecided> {
        let unknown = |why: &str| Undecided::Unknown(why.to_owned());
        let explained = law.policy.explain(reference);
        if explained.scope.is_none() && explained.mode == Mode::Enforced {
            // Whoever may name an image must not have us call where the policy names nobody.
            let reason = Reason::NoPolicy { repository: explained.repository };
            return Err(Undecided::Denied((self.words.printable)(&format!("{}: {reason}", reason.id()))));
        }
        let _slot = self.slots.acquire().await.map_err(|_| unknown("the server stops"))?;
        let now = Timestamp::now();
        if !law.stands(now) {
            return Err(unknown("a trusted root of the policy has expired: `boltseal root update` fetches it anew"));
        }
        let (started, session) = (Instant::now(), session());
        let reader = TrustReader::new(self.laws.memory(law), now);
        let verifier =
            Verifier { session: &session, policy: &law.policy, now, limits: &self.limits, trust: Some(&reader) };
        let verified = verifier.verify(reference, None).await;
        self.metrics.took(started.elapsed());
        let decided = match verified {
            Ok(verification) => self.verdict(&verification),
            Err(error) => Err(self.undecided(&error)),
        };
        let result = decided.as_ref().map_or_else(Undecided::name, |verdict| verdict.ruling.name());
        self.metrics.count(&self.metrics.verifications, "result", result);
        decided.map(Arc::new)
    }

    fn verdict(&self, verification: &Verification) -> Result<Verdict, Undecided> {
        let reason = (self.words.printable)(&(self.words.reasons)(verification));
        let ruling = match &verification.outcome.decision {
            Decision::Undetermined(_) => return Err(Undecided::Unknown(reason)),
            Decision::Allow(_) => Ruling::Allowed,
            Decision::NotJudged => Ruling::NotJudged,
            Decision::Deny(_) if verification.outcome.mode == Mode::Permissive => Ruling::WouldDeny,
            Decision::Deny(_) => Ruling::Denied,
        };
        // The one word on it is the library's; this is its spelling.
        if ruling.may_be_used() != may_be_used(verification) {
            return Err(Undecided::Unknown("two answers to one question: a bug".to_owned()));
        }
        let scope = verification.outcome.scope.as_deref().map(self.words.printable);
        Ok(Verdict { digest: verification.findings.subject().digest(), ruling, scope, reason, until: None })
    }

    fn undecided(&self, error: &OpsError) -> Undecided {
        let why = (self.words.printable)(&error.to_string());
        match error {
            OpsError::Registry(inner) if inner.is_not_found() => Undecided::Absent(why),
            OpsError::Trust(inner) if matches!(**inner, TrustError::Refused { .. }) => Undecided::Denied(why),
            _ => Undecided::Unknown(why),
        }
    }
}
