use crate::crypto::PublicKey;

/// What a verification starts from: the keys that the operator trusts to have signed something.
///
/// That a key stands here says that its signatures are looked at, not that they are enough: that is the policy's say.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// The public keys, each once.
    pub keys: Vec<PublicKey>,
}

impl Anchors {
    /// The anchors of these keys; a key that comes again is left out.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut seen = std::collections::BTreeSet::new();
        Self { keys: keys.into_iter().filter(|key| seen.insert(key.fingerprint())).collect() }
    }
}
