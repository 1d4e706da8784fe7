//! Decisions that are held for a while: bounded in number and time, and asked for once however many want the same.

use super::{
    CacheSettings, Ruling, Undecided, Verdict,
    shared::{Shared, name},
};
use crate::{
    limits::{SERVE_DECISIONS, SERVE_DENIAL_TTL},
    oci::{Digest, Reference},
};
use moka::{Expiry, future::Cache, policy::EvictionPolicy};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What a decision is about, and by which law: another law's is another decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// As it was asked: with its tag, its digest, or both.
    pub reference: Reference,
    pub law: Digest,
}

/// The decisions of one server, and those that it shares with others.
pub(super) struct Decisions {
    held: Cache<Key, Arc<Verdict>>,
    lifetimes: Lifetimes,
    shared: Option<Arc<Shared>>,
}

/// How long which decision is held.
#[derive(Clone)]
struct Lifetimes(CacheSettings);

impl Expiry<Key, Arc<Verdict>> for Lifetimes {
    fn expire_after_create(&self, key: &Key, verdict: &Arc<Verdict>, _: Instant) -> Option<Duration> {
        let own = self.of(&key.reference, verdict.ruling);
        // One that another server made ends when it ends there.
        Some(verdict.until.map_or(own, |until| until.saturating_duration_since(Instant::now()).min(own)))
    }
}

impl Lifetimes {
    fn of(&self, reference: &Reference, ruling: Ruling) -> Duration {
        let moves = reference.digest.is_none();
        let allowed = if moves { self.0.tag_ttl.0.min(self.0.ttl.0) } else { self.0.ttl.0 };
        if ruling == Ruling::Denied { allowed.min(SERVE_DENIAL_TTL) } else { allowed }
    }
}

impl Decisions {
    pub fn new(settings: &CacheSettings, shared: Option<Arc<Shared>>) -> Self {
        let lifetimes = Lifetimes(settings.clone());
        let builder = Cache::builder().max_capacity(SERVE_DECISIONS).eviction_policy(EvictionPolicy::lru());
        Self { held: builder.expire_after(lifetimes.clone()).build(), lifetimes, shared }
    }

    /// The decision that is held, else the one that `decide` comes to; whether it was made just now. Whoever asks the same
    /// meanwhile waits for it. That it could not be told is told to all who wait, and not held.
    pub async fn find(
        &self,
        key: &Key,
        decide: impl Future<Output = Result<Arc<Verdict>, Undecided>>,
    ) -> Result<(Arc<Verdict>, bool), Arc<Undecided>> {
        let entry = self.held.entry_by_ref(key).or_try_insert_with(self.with_others(key, decide)).await?;
        let fresh = entry.is_fresh() && entry.value().until.is_none();
        Ok((entry.into_value(), fresh))
    }

    /// Holds a decision that nobody may wait for any more.
    pub async fn hold(&self, key: &Key, verdict: &Arc<Verdict>) {
        self.held.insert(key.clone(), Arc::clone(verdict)).await;
    }

    /// What another server has decided by the same law, else what is decided now, for others to find.
    async fn with_others(
        &self,
        Key { reference, law }: &Key,
        decide: impl Future<Output = Result<Arc<Verdict>, Undecided>>,
    ) -> Result<Arc<Verdict>, Undecided> {
        let Some(shared) = &self.shared else { return decide.await };
        let name = name("verdict", &[&law.to_string(), &reference.to_string()]);
        let most = self.lifetimes.of(reference, Ruling::Allowed);
        if let Some((verdict, left)) = shared.find::<Verdict>(&name, most).await {
            return Ok(Arc::new(Verdict { until: Some(Instant::now() + left), ..verdict }));
        }
        let verdict = decide.await?;
        // A denial is over soon, and costs nobody anything but a verification.
        if verdict.ruling.may_be_used() {
            shared.keep([(name, &*verdict)].into_iter(), most).await;
        }
        Ok(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Seconds;

    // [V-309]
    #[test]
    fn a_denial_and_a_tag_are_held_shorter() {
        let seconds = |seconds| Seconds(Duration::from_secs(seconds));
        let lifetimes = Lifetimes(CacheSettings { ttl: seconds(60), tag_ttl: seconds(10), ..CacheSettings::default() });
        let tag: Reference = "r.example/app:1".parse().unwrap();
        let digest = tag.at(Digest::sha256(b""));
        let of = |reference: &Reference, ruling| lifetimes.of(reference, ruling).as_secs();
        assert_eq!(of(&digest, Ruling::Allowed), 60);
        assert_eq!(of(&tag, Ruling::Allowed), 10);
        assert_eq!(of(&tag, Ruling::NotJudged), 10);
        assert_eq!(of(&digest, Ruling::Denied), 5);
        let none = Lifetimes(CacheSettings { ttl: seconds(0), tag_ttl: seconds(10), ..CacheSettings::default() });
        assert_eq!(none.of(&tag, Ruling::Allowed), Duration::ZERO);
    }
}
