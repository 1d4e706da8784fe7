use super::TrustedRoot;
use crate::crypto::PublicKey;
use std::sync::Arc;

/// What a verification starts from: the keys that the operator trusts to have signed something, and the trusted roots for
/// what certificates have signed.
///
/// That a key or a root stands here says that its signatures are looked at, not that they are enough: that is the policy's
/// say.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// The public keys, each once.
    pub keys: Vec<PublicKey>,
    /// The trusted roots, each once.
    pub roots: Vec<Arc<TrustedRoot>>,
}

impl Anchors {
    /// The anchors of these keys; a key that comes again is left out.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut seen = std::collections::BTreeSet::new();
        Self { keys: keys.into_iter().filter(|key| seen.insert(key.fingerprint())).collect(), roots: Vec::new() }
    }

    /// The same, and these roots; one that comes again is left out.
    #[must_use]
    pub fn with_roots(mut self, roots: impl IntoIterator<Item = Arc<TrustedRoot>>) -> Self {
        for root in roots {
            if !self.roots.iter().any(|known| known.id() == root.id()) {
                self.roots.push(root);
            }
        }
        self
    }
}
