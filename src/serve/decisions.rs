//! Decisions that are held for a while: bounded in number and time, and asked for once however many want the same.

use super::{CacheSettings, Ruling, Undecided, Verdict};
use crate::{
    limits::{SERVE_DECISIONS, SERVE_DENIAL_TTL},
    oci::{Digest, Reference},
};
use moka::{Expiry, future::Cache};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What a decision is about, and by which law: another law's is another decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// As it was asked: with its tag, its digest, or both.
    reference: Reference,
    law: Digest,
}

/// The decisions of one server.
pub(super) struct Decisions {
    held: Cache<Key, Arc<Verdict>>,
}

/// How long which decision is held.
struct Lifetimes(CacheSettings);

impl Expiry<Key, Arc<Verdict>> for Lifetimes {
    fn expire_after_create(&self, key: &Key, verdict: &Arc<Verdict>, _: Instant) -> Option<Duration> {
        Some(self.of(&key.reference, verdict.ruling))
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
    pub fn new(settings: &CacheSettings) -> Self {
        let builder = Cache::builder().max_capacity(SERVE_DECISIONS);
        Self { held: builder.expire_after(Lifetimes(settings.clone())).build() }
    }

    /// The decision that is held, else the one that `decide` comes to; whether it was made just now. Whoever asks the same
    /// meanwhile waits for it. That it could not be told is told to all who wait, and not held.
    pub async fn find(
        &self,
        reference: &Reference,
        law: Digest,
        decide: impl Future<Output = Result<Arc<Verdict>, Undecided>>,
    ) -> Result<(Arc<Verdict>, bool), Arc<Undecided>> {
        let key = Key { reference: reference.clone(), law };
        let entry = self.held.entry(key).or_try_insert_with(decide).await?;
        let fresh = entry.is_fresh();
        Ok((entry.into_value(), fresh))
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
        let lifetimes = Lifetimes(CacheSettings { ttl: seconds(60), tag_ttl: seconds(10) });
        let tag: Reference = "r.example/app:1".parse().unwrap();
        let digest = tag.at(Digest::sha256(b""));
        let of = |reference: &Reference, ruling| lifetimes.of(reference, ruling).as_secs();
        assert_eq!(of(&digest, Ruling::Allowed), 60);
        assert_eq!(of(&tag, Ruling::Allowed), 10);
        assert_eq!(of(&tag, Ruling::NotJudged), 10);
        assert_eq!(of(&digest, Ruling::Denied), 5);
        let none = Lifetimes(CacheSettings { ttl: seconds(0), tag_ttl: seconds(10) });
        assert_eq!(none.of(&tag, Ruling::Allowed), Duration::ZERO);
    }
}
