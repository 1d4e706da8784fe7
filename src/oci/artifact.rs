use super::Digest;
use crate::crypto::{
    PublicKey, SignatureScheme,
    hash::{HashAlgorithm, Hashes},
};

/// What a detached signature, or a statement, is about: a file, or only its digest.
#[derive(Clone, Debug)]
pub struct Artifact {
    digests: Vec<(HashAlgorithm, Vec<u8>)>,
    bytes: Option<Vec<u8>>,
}

impl Artifact {
    /// A file's bytes.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let mut hashes = Hashes::default();
        hashes.update(&bytes);
        Self { digests: hashes.finish().to_vec(), bytes: Some(bytes) }
    }

    /// A file that was hashed as it was read. A pure Ed25519 signature can't be verified without its bytes.
    #[must_use]
    pub fn from_hashes(hashes: Hashes) -> Self {
        Self { digests: hashes.finish().to_vec(), bytes: None }
    }

    /// A digest alone.
    #[must_use]
    pub fn from_digest(digest: Digest) -> Self {
        let known = match digest {
            Digest::Sha256(bytes) => (HashAlgorithm::Sha256, bytes.to_vec()),
            Digest::Sha512(bytes) => (HashAlgorithm::Sha512, bytes.to_vec()),
        };
        Self { digests: vec![known], bytes: None }
    }

    /// Its hash; `None` where only another one is known.
    #[must_use]
    pub fn digest(&self, algorithm: HashAlgorithm) -> Option<&[u8]> {
        self.digests.iter().find(|(known, _)| *known == algorithm).map(|(_, digest)| digest.as_slice())
    }

    /// Its digest as reports write it, and its statements' subjects have it.
    pub(crate) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.digests.iter().filter_map(|(algorithm, digest)| match algorithm {
            HashAlgorithm::Sha256 => digest.as_slice().try_into().ok().map(Digest::Sha256),
            HashAlgorithm::Sha512 => digest.as_slice().try_into().ok().map(Digest::Sha512),
            HashAlgorithm::Sha384 => None,
        })
    }

    /// Whether `key` signed it, over this hash or, where none is named, the key's usual one; Ed25519 pure too, where the
    /// bytes are at hand.
    pub(crate) fn is_signed_by(&self, key: &PublicKey, algorithm: Option<HashAlgorithm>, signature: &[u8]) -> bool {
        let pure = || {
            let bytes = self.bytes.as_deref()?;
            Some(key.verify_with(SignatureScheme::Ed25519, bytes, signature).is_ok())
        };
        let algorithm = algorithm.filter(|_| !key.is_ed25519()).unwrap_or(key.usual_hash());
        let hashed =
            self.digest(algorithm).is_some_and(|digest| key.verify_digest(algorithm, digest, signature).is_ok());
        hashed || key.is_ed25519() && pure() == Some(true)
    }

    /// Whether `key` signed the bytes as they are.
    pub(crate) fn is_signed_pure_by(&self, key: &PublicKey, signature: &[u8]) -> bool {
        let bytes = self.bytes.as_deref();
        bytes.is_some_and(|bytes| key.verify_with(SignatureScheme::Ed25519, bytes, signature).is_ok())
    }
}
