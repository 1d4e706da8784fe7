use super::{
    Fingerprint,
    key::{KeyAlgorithm, PublicKey, Verifier},
};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Malformed, or not made by this key over these bytes; the libraries tell the two apart for nobody's good.
    #[error("no {algorithm} signature of key {key} over these bytes")]
    Invalid {
        /// What kind of signature was expected.
        algorithm: KeyAlgorithm,
        /// The key that should have made it.
        key: Fingerprint,
    },
}

impl PublicKey {
    /// Verifies that the holder of this key signed exactly these bytes.
    ///
    /// | key | signature |
    /// |---|---|
    /// | P-256 | ECDSA with SHA-256, `SEQUENCE { r, s }` in DER |
    /// | P-384 | ECDSA with SHA-384, the same |
    /// | RSA | RSASSA-PKCS1-v1_5 with SHA-256, as long as the modulus |
    /// | Ed25519 | 64 bytes, pure, or else Ed25519ph with an empty context (cosign writes these), RFC 8032 |
    ///
    /// Checked: DER to the letter (no BER lengths, no padded, negative or zero integers, nothing after the end); r and s
    /// in the group's range; for Ed25519 a reduced S, no R of small order, and the equation without cofactor.
    ///
    /// Not checked: that a signature is the only one for its message. ECDSA's `(r, -s)` is accepted beside `(r, s)`, as
    /// most tools write either, so a signature's bytes never identify anything. Nor when it was made, nor
    /// whether the key is still good.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] in every case but a good signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let holds = match self.verifier() {
            Verifier::AwsLc(key) => key.verify_sig(message, signature).is_ok(),
            Verifier::Ed25519(key) => ed25519_holds(key, message, signature),
        };
        if holds {
            Ok(())
        } else {
            Err(SignatureError::Invalid { algorithm: self.algorithm(), key: self.fingerprint() })
        }
    }
}

fn ed25519_holds(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = Signature::from_slice(signature) else { return false };
    key.verify_strict(message, &signature).is_ok()
        || key.verify_prehashed_strict(Sha512::new_with_prefix(message), None, &signature).is_ok()
}

#[cfg(test)]
mod tests;
