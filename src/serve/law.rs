//! The policy that a server judges by, read again when it changes.

use super::{JudgeSettings, ServeError, Words};
use crate::{
    crypto::hash::Hasher,
    oci::Digest,
    ops::{
        policy_file::{self, PolicyFile},
        trust::Memory,
    },
    policy::Policy,
    store::{TrustStore, read_trust_lock},
    trust::tuf::TrustLock,
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// A policy, with all that it rests on.
#[derive(Debug)]
pub struct Law {
    /// The policy.
    pub policy: Policy,
    /// SHA-256 of its file.
    pub file: Digest,
    /// SHA-256 over the file and all that it names: keys, trusted roots, locks. Decisions by another one don't count.
    pub digest: Digest,
    /// From when on a trusted root of it no longer counts.
    pub until: Option<Timestamp>,
    locks: BTreeMap<String, TrustLock>,
    lock: Option<TrustLock>,
}

/// The law that counts now.
pub struct Laws {
    settings: JudgeSettings,
    words: Words,
    current: RwLock<Arc<Law>>,
}

impl Laws {
    /// Loads the policy that settings name, with the trusted roots and the runner of programs that `words` gives.
    ///
    /// # Errors
    /// The policy or something that it names can't be used.
    pub fn load(settings: JudgeSettings, words: Words) -> Result<Self, ServeError> {
        let law = Law::load(&settings, words)?;
        Ok(Self { settings, words, current: RwLock::new(Arc::new(law)) })
    }

    /// The law that counts now.
    pub fn current(&self) -> Arc<Law> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads all of it again; whether there was something new, which was still the same after a while: half of a file that is
    /// being written may read as a policy. On an error the old law stays. It blocks.
    ///
    /// # Errors
    /// As [`Laws::load`].
    pub fn refresh(&self, settle: Duration) -> Result<bool, ServeError> {
        let load = || Law::load(&self.settings, self.words);
        let law = load()?;
        if law.is(&self.current()) {
            return Ok(false);
        }
        std::thread::sleep(settle);
        let again = load()?;
        let settled = again.is(&law);
        if settled {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(again);
        }
        Ok(settled)
    }

    /// What is known of repositories' trust, by this law.
    pub(super) fn memory(&self, law: &Law) -> Memory {
        let store = Some(TrustStore::at(self.settings.state.clone()));
        Memory { store, lock: law.lock.clone(), locks: law.locks.clone() }
    }
}

impl Law {
    fn load(settings: &JudgeSettings, words: Words) -> Result<Self, ServeError> {
        let PolicyFile { policy, digest: file, locks, material, until, .. } =
            policy_file::load(&settings.policy, &(words.roots)(), &(words.rego)())?;
        let lock = settings.lock.as_deref().map(read_trust_lock).transpose()?;
        let mut hasher = Hasher::sha256();
        hasher.update(material.bytes());
        hasher.update(&lock.as_ref().map(TrustLock::encode).unwrap_or_default());
        Ok(Self { policy, file, digest: hasher.finish().into(), until, locks, lock })
    }

    fn is(&self, other: &Self) -> bool {
        self.digest == other.digest && self.until == other.until
    }

    /// Whether what it rests on still counts.
    #[must_use]
    pub fn stands(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
impl Laws {
    /// The law on disk, as if its trusted roots counted until then.
    pub(super) fn load_until(&self, until: Timestamp) {
        let law = Law::load(&self.settings, self.words).unwrap();
        *self.current.write().unwrap() = Arc::new(Law { until: Some(until), ..law });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::tests::{WORDS, judge_settings};
    use std::{fs, thread};

    // [V-308]
    #[test]
    fn half_of_a_policy_is_none() {
        let home = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::write(home.path().join("policy.yaml"), text).unwrap();
        write("version: 1\nimages: {}\n");
        let laws = Laws::load(judge_settings(home.path()), WORDS).unwrap();
        let old = laws.current().digest;
        let half = "version: 1\nimages:\n  \"**\": { mode: disabled }\n";
        write(half);
        let settle = Duration::from_millis(400);
        let new = thread::scope(|scope| {
            let reading = scope.spawn(|| laws.refresh(settle).unwrap());
            thread::sleep(settle / 4);
            write(&format!("{half}  \"r.example/secret/**\": {{ mode: disabled }}\n"));
            reading.join().unwrap()
        });
        assert!(!new && laws.current().digest == old);
        assert!(laws.refresh(Duration::ZERO).unwrap() && !laws.refresh(Duration::ZERO).unwrap());
        assert_eq!(laws.current().policy.scopes().len(), 2);
    }
}
