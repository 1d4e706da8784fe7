//! The one place where servers decide: [`Verifier`], and what is held of its decisions.

use super::{
    CacheSettings, Credentials, JudgeSettings, Judged, Law, Laws, Metrics, Ruling, ServeError, Undecided, Verdict,
    Words,
    decisions::{Decisions, Key},
    lock,
    shared::Shared as SharedCache,
    slots::{Slot, Slots},
};
use crate::{
    limits::{Limits, SERVE_SESSION_AGE},
    oci::{Digest, Reference, Repository},
    ops::{
        OpsError,
        pull::may_be_used,
        trust::{TrustError, TrustReader},
        verify::{Verification, Verifier},
    },
    policy::{Decision, Explanation, Mode, Reason},
    registry::{RegistryError, Session},
};
use futures_util::{FutureExt as _, future::BoxFuture, future::Shared};
use jiff::Timestamp;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::{sync::oneshot, time::timeout};
use zeroize::Zeroizing;

const EXPIRED: &str = "a trusted root of the policy has expired: `boltseal root update` fetches it anew";

/// Decides of images. Cloning is cheap and shares everything.
#[derive(Clone)]
pub struct Judge {
    inner: Arc<Inner>,
}

struct Inner {
    settings: JudgeSettings,
    laws: Arc<Laws>,
    metrics: Arc<Metrics>,
    words: Words,
    limits: Limits,
    session: Mutex<(Session, Instant)>,
    decisions: Decisions,
    slots: Slots,
    running: Mutex<HashMap<Key, Running>>,
    shared: Option<Arc<SharedCache>>,
}

type Found = Result<Arc<Verdict>, Undecided>;

/// A verification under way. It goes on when who asked for it has gone, for who asks again.
type Running = Shared<BoxFuture<'static, Found>>;

/// What is to be decided, by what, and with whose credentials.
struct Question {
    reference: Reference,
    law: Arc<Law>,
    session: Session,
}

impl Judge {
    /// A judge without a decision yet.
    ///
    /// # Errors
    /// Certificates or credentials for registries, or the key of the shared cache, that can't be used.
    pub fn new(
        settings: JudgeSettings,
        cache: &CacheSettings,
        laws: Arc<Laws>,
        metrics: Arc<Metrics>,
        words: Words,
    ) -> Result<Self, ServeError> {
        let session = Session::new(settings.options())?;
        session.check_credentials()?;
        let session = Mutex::new((session, Instant::now()));
        let (limits, slots, running) = (Limits::default(), Slots::default(), Mutex::default());
        let shared = SharedCache::new(cache, Arc::clone(&metrics))?.map(Arc::new);
        let decisions = Decisions::new(cache, shared.clone());
        let inner = Inner { settings, laws, metrics, words, limits, session, decisions, slots, running, shared };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The connections that are used now. They are made anew from time to time, so that new credentials and authorities are
    /// taken up, and what a registry lacked once is looked for again.
    pub fn session(&self) -> Session {
        let mut session = lock(&self.inner.session);
        if session.1.elapsed() > SERVE_SESSION_AGE
            && let Ok(new) = Session::new(self.inner.settings.options())
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
        let mut options = self.inner.settings.options();
        options.environment.pull_secrets = pull_secrets;
        Session::new(options)
    }

    /// The cache that this server shares with others, if it does.
    pub(super) fn shared(&self) -> Option<&Arc<SharedCache>> {
        self.inner.shared.as_ref()
    }

    /// Decides of an image as it is asked for: by tag, digest, or both.
    ///
    /// What was decided by the same law within the settings' time counts again. Equal questions that come at the same time
    /// are one verification, which goes on when who asked first has gone. What could not be told is not held, and a denial
    /// briefly. Where no scope matches, no registry is asked.
    pub async fn judge(&self, reference: &Reference) -> Judged {
        self.judge_with(reference, None).await
    }

    /// As [`Self::judge`], reading registries with others' credentials.
    pub async fn judge_with(&self, reference: &Reference, by: Option<&Credentials>) -> Judged {
        let Inner { laws, settings, metrics, decisions, .. } = &*self.inner;
        let law = laws.current();
        let held_by = by.map_or(law.digest, |by| Digest::sha256(format!("{} {}", law.digest, by.identity).as_bytes()));
        let key = Key { reference: reference.clone(), law: held_by };
        let session = || by.map_or_else(|| self.session(), |by| by.session.clone());
        let limit = settings.timeout.0;
        let found = if law.stands(Timestamp::now()) {
            // In a box: whoever waits for another one's decision needs no room for it.
            let decision = Box::pin(self.inner.decide(&key, &law, session));
            timeout(limit, decisions.find(&key, decision)).await
        } else {
            // What is held was found by the same roots.
            Ok(Err(Arc::new(Undecided::Unknown(EXPIRED.to_owned()))))
        };
        let found = match found {
            Ok(found) => found.map_err(|undecided| Undecided::clone(&undecided)),
            Err(_) => Err(self.inner.late()),
        };
        let cached = matches!(found, Ok((_, false)));
        metrics.count(&metrics.cache, "result", if cached { "hit" } else { "miss" });
        let judged = Judged { verdict: found.map(|(verdict, _)| verdict), cached, law };
        metrics.count(&metrics.decisions, "decision", judged.name());
        judged
    }
}

impl Inner {
    /// Decides, or waits for who decides already.
    async fn decide(self: &Arc<Self>, key: &Key, law: &Arc<Law>, session: impl FnOnce() -> Session) -> Found {
        let explained = law.policy.explain(&key.reference);
        if explained.scope.is_none() {
            return self.unmatched(&key.reference, explained);
        }
        let running = lock(&self.running).get(key).cloned();
        let running = match running {
            Some(running) => running,
            None => {
                let host = match &key.reference.repository {
                    Repository::Registry(name) => &name.host,
                    Repository::Layout(_) => "",
                };
                let stops = || Undecided::Unknown("the server stops".to_owned());
                let slot = self.slots.take(host).await.ok_or_else(stops)?;
                let question = Question { reference: key.reference.clone(), law: Arc::clone(law), session: session() };
                self.start(key.clone(), question, slot)
            }
        };
        running.await
    }

    /// Whoever may name an image must not have us call where the policy names nobody.
    fn unmatched(&self, reference: &Reference, explained: Explanation<'_>) -> Found {
        let reason = Reason::NoPolicy { repository: explained.repository };
        let reason = (self.words.printable)(&format!("{}: {reason}", reason.id()));
        let ruling = match explained.mode {
            Mode::Enforced => return Err(Undecided::Denied(reason)),
            Mode::Permissive => Ruling::WouldDeny,
            Mode::Disabled => Ruling::NotJudged,
        };
        Ok(Arc::new(Verdict { digest: reference.digest, ruling, scope: None, reason, until: None }))
    }

    /// Starts a verification that nobody has to wait for. As many as there are slots are under way.
    fn start(self: &Arc<Self>, key: Key, question: Question, slot: Slot) -> Running {
        let (tell, told) = oneshot::channel();
        let broke = || Err(Undecided::Unknown("the verification broke off: a bug".to_owned()));
        let running = told.map(move |told| told.unwrap_or_else(|_| broke())).boxed().shared();
        lock(&self.running).insert(key.clone(), running.clone());
        let ends = Ends { inner: Arc::clone(self), key };
        tokio::spawn(async move {
            let (_slot, inner) = (slot, &ends.inner);
            let found = timeout(inner.settings.timeout.0, inner.verify(&question)).await;
            let found = found.unwrap_or_else(|_| Err(inner.late()));
            if let Ok(verdict) = &found {
                inner.decisions.hold(&ends.key, verdict).await;
            }
            let _ = tell.send(found);
        });
        running
    }

    async fn verify(&self, Question { reference, law, session }: &Question) -> Found {
        let (started, now) = (Instant::now(), Timestamp::now());
        if !law.stands(now) {
            return Err(Undecided::Unknown(EXPIRED.to_owned()));
        }
        let reader = TrustReader::new(self.laws.memory(law), now);
        let verifier = Verifier { session, policy: &law.policy, now, limits: &self.limits, trust: Some(&reader) };
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

    fn late(&self) -> Undecided {
        Undecided::Unknown(format!("no result within {} s", self.settings.timeout.0.as_secs_f64()))
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
        let digest = Some(verification.findings.subject().digest());
        Ok(Verdict { digest, ruling, scope, reason, until: None })
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

/// Takes a verification out of those under way, however it ends.
struct Ends {
    inner: Arc<Inner>,
    key: Key,
}

impl Drop for Ends {
    fn drop(&mut self) {
        lock(&self.inner.running).remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
