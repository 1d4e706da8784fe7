//! SHA-2 (FIPS 180-4).

use sha2::{Digest as _, Sha256, Sha512};

/// SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-512 of bytes.
#[must_use]
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    Sha512::digest(bytes).into()
}

/// A hash, by the algorithm that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// By SHA-256.
    Sha256([u8; 32]),
    /// By SHA-512.
    Sha512([u8; 64]),
}

/// A hash of bytes that arrive piece by piece.
#[derive(Clone, Debug)]
pub enum Hasher {
    /// SHA-256 so far.
    Sha256(Sha256),
    /// SHA-512 so far.
    Sha512(Sha512),
}

impl Hasher {
    /// Nothing hashed yet, by SHA-256.
    #[must_use]
    pub fn sha256() -> Self {
        Self::Sha256(Sha256::new())
    }

    /// Nothing hashed yet, by SHA-512.
    #[must_use]
    pub fn sha512() -> Self {
        Self::Sha512(Sha512::new())
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The hash of all bytes taken in.
    #[must_use]
    pub fn finish(self) -> Hash {
        match self {
            Self::Sha256(hasher) => Hash::Sha256(hasher.finalize().into()),
            Self::Sha512(hasher) => Hash::Sha512(hasher.finalize().into()),
        }
    }
}
