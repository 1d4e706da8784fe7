//! What is known of a repository's trust before anything is read: from this machine, from the lock, from the policy.

use super::{TrustError, live::Files};
use crate::{
    policy::{ContentTrust, Tofu},
    store::{Remembered, TrustStore, TrustStoreError},
    trust::tuf::{Floors, LockedTrust, RootFloor, TrustLock, TrustState, TrustedStart},
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What this machine and its operator know.
#[derive(Debug, Default)]
pub struct Memory {
    /// What this machine has seen; none where nothing is to be remembered.
    pub store: Option<TrustStore>,
    /// The lock that was named, whatever a policy names.
    pub lock: Option<TrustLock>,
    /// The locks that the policy names, by the name it gives them.
    pub locks: BTreeMap<String, TrustLock>,
}

/// What is known of one repository.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// What the first root has to be; none: whatever is there (trust on first use).
    pub start: Option<TrustedStart>,
    pub floors: Floors,
    pub remembered: Option<Remembered>,
    /// The lock's word.
    pub locked: Option<LockedTrust>,
}

impl Known {
    /// Whether this machine's memory or a lock says what is the least that the newest state has to be.
    pub fn has_floor(&self) -> bool {
        self.remembered.is_some() || self.locked.is_some()
    }
}

impl Memory {
    /// What is known of `place`, whose state has to be signed for `name`. Root keys are the lock's, else the policy's, else
    /// those of the root that this machine remembers; floors are the highest of all.
    ///
    /// # Errors
    /// What is remembered can't be read, or no root is known and the policy allows no first use.
    pub(super) fn known(&self, place: &str, name: &str, rule: Option<&ContentTrust>) -> Result<Known, TrustError> {
        let remembered = self.store.as_ref().map(|store| store.load(place)).transpose()?.flatten();
        let named = rule.and_then(|rule| self.locks.get(rule.lock.as_ref()?));
        let locked = self.lock.as_ref().or(named).and_then(|lock| lock.get(name)).cloned();
        let pins = rule.and_then(|rule| rule.root.as_ref());
        let mut floors = remembered.as_ref().map(|seen| seen.floors.clone()).unwrap_or_default();
        if let Some(locked) = &locked {
            floors = floors.merge(locked.floors());
        }
        if let Some(version) = pins.and_then(|pins| pins.min_version) {
            floors = floors.merge(Floors { root: Some(RootFloor { version, digest: None }), ..Floors::default() });
        }
        let pinned = pins.map(|pins| TrustedStart::Pinned { keys: pins.keys.clone(), threshold: pins.threshold });
        let seen = remembered.as_ref().map(|seen| TrustedStart::Root(seen.root.to_vec()));
        let start = locked.as_ref().map(LockedTrust::start).or(pinned).or(seen);
        let first_use = rule.is_some_and(|rule| rule.tofu == Tofu::Once) && self.store.is_some();
        if start.is_none() && !first_use {
            return Err(TrustError::NoAnchor { repository: name.to_owned() });
        }
        Ok(Known { start, floors, remembered, locked })
    }

    /// Remembers a verified state of a place, and its files. Waiting for other writers takes a thread of its own: a server's
    /// others go on.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) async fn remember(
        &self,
        place: &str,
        state: &TrustState,
        files: Files,
        etag: Option<String>,
    ) -> Result<(), TrustError> {
        let Some(store) = self.store.clone() else { return Ok(()) };
        let root = state.file(&crate::format::tuf::RoleName::Root).unwrap_or_default();
        let seen = Remembered { floors: state.floors(), root: Bytes::copy_from_slice(root), files, etag };
        let of = place.to_owned();
        let written = tokio::task::spawn_blocking(move || store.remember(&of, &seen)).await;
        let broken = |error| TrustStoreError::Io { path: place.into(), source: std::io::Error::other(error) };
        Ok(written.map_err(broken)??)
    }
}
