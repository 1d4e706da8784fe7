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

    /// Reads all of it again; whether there was something new. On an error the old law stays.
    ///
    /// # Errors
    /// As [`Laws::load`].
    pub fn refresh(&self) -> Result<bool, ServeError> {
        let law = Law::load(&self.settings, self.words)?;
        let new = law.digest != self.current().digest || law.until != self.current().until;
        if new {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(law);
        }
        Ok(new)
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

    /// Whether what it rests on still counts.
    #[must_use]
    pub fn stands(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}
