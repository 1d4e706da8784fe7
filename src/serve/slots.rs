//! Slots for verifications: so many at once, and of one registry a part of them, so that one that hangs holds up no other.

use super::lock;
use crate::limits::{SERVE_VERIFICATIONS, SERVE_VERIFICATIONS_OF_ONE};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of a server.
pub(super) struct Slots {
    all: Arc<Semaphore>,
    /// By registry, while somebody has or waits for one.
    shares: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A slot, free again when it is dropped.
pub(super) struct Slot {
    _share: OwnedSemaphorePermit,
    _slot: OwnedSemaphorePermit,
}

impl Default for Slots {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(SERVE_VERIFICATIONS)), shares: Mutex::default() }
    }
}

impl Slots {
    /// Waits for a slot, in turn with who asks the same registry.
    pub async fn take(&self, host: &str) -> Option<Slot> {
        let share = self.share(host).acquire_owned().await.ok()?;
        let slot = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Slot { _share: share, _slot: slot })
    }

    fn share(&self, host: &str) -> Arc<Semaphore> {
        let mut shares = lock(&self.shares);
        if let Some(share) = shares.get(host).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(SERVE_VERIFICATIONS_OF_ONE));
        shares.insert(host.to_owned(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, future::join_all};

    #[tokio::test]
    async fn one_registry_does_not_take_all_slots() {
        let slots = Slots::default();
        let taken = join_all((0..SERVE_VERIFICATIONS_OF_ONE).map(|_| slots.take("a.example"))).await;
        assert!(slots.take("a.example").now_or_never().is_none());
        assert!(slots.take("b.example").now_or_never().is_some());
        drop(taken);
        assert!(slots.take("a.example").now_or_never().is_some());
        let _all = join_all((0..SERVE_VERIFICATIONS).map(|at| slots.share(&at.to_string()).acquire_owned())).await;
        drop(slots.take("c.example").await);
        assert!(slots.shares.lock().unwrap().len() <= SERVE_VERIFICATIONS + 1);
    }
}
