use crate::{
    crypto::{Fingerprint, PublicKey},
    format::notary::KeyId,
};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// Whom a repository's root has to come from. There is no trust on first use.
#[derive(Clone, Debug)]
pub enum RootPin {
    /// As many signatures by these keys as the root's threshold says; being listed in it counts for nothing.
    Keys(BTreeSet<PinnedKey>),
    /// The `root.json` that docker remembers for this repository (`~/.docker/trust`): that one, or a successor.
    Cache(Vec<u8>),
}

/// A root key by a hash that only it has: SHA-256 of its SubjectPublicKeyInfo, or one of Notary's two ids. That of the
/// root's certificate is what `docker trust inspect` shows as root key; that of the bare key is the name of its file
/// under `~/.docker/trust/private`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinnedKey([u8; 32]);

/// Why a text pins no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fingerprint or key id, expected 64 lower-case hex characters")]
pub struct PinnedKeyError(String);

impl PinnedKey {
    /// Whether this key is meant, listed under this id.
    pub(super) fn is(&self, id: &KeyId, key: &PublicKey) -> bool {
        self.0 == *key.fingerprint().bytes() || self.0 == *id.bytes() || self.0 == *KeyId::of_bare(key).bytes()
    }
}

impl From<Fingerprint> for PinnedKey {
    fn from(fingerprint: Fingerprint) -> Self {
        Self(*fingerprint.bytes())
    }
}

impl FromStr for PinnedKey {
    type Err = PinnedKeyError;

    fn from_str(text: &str) -> Result<Self, PinnedKeyError> {
        text.parse().map(|id: KeyId| Self(*id.bytes())).map_err(|_| PinnedKeyError(text.to_owned()))
    }
}

impl fmt::Display for PinnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PinnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
