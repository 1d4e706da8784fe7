use super::{
    Fingerprint,
    key::{KeyAlgorithm, PublicKey, Verifier},
};
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};
use std::fmt;

/// One way to sign, and no other: what a format names beside a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SignatureScheme {
    /// ECDSA over P-256 with SHA-256, in DER.
    EcdsaP256Sha256,
    /// ECDSA over P-384 with SHA-384, in DER.
    EcdsaP384Sha384,
    /// Ed25519, pure (RFC 8032, 5.1); never Ed25519ph.
    Ed25519,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256, and a salt of 32 bytes (RFC 8017, 8.1).
    RsaPssSha256,
}

impl SignatureScheme {
    /// Whether keys of this algorithm can sign so.
    #[must_use]
    pub fn fits(self, algorithm: KeyAlgorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::EcdsaP256Sha256, KeyAlgorithm::EcdsaP256)
                | (Self::EcdsaP384Sha384, KeyAlgorithm::EcdsaP384)
                | (Self::Ed25519, KeyAlgorithm::Ed25519)
                | (Self::RsaPssSha256, KeyAlgorithm::Rsa(_))
        )
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256Sha256 => "ECDSA P-256 with SHA-256",
            Self::EcdsaP384Sha384 => "ECDSA P-384 with SHA-384",
            Self::Ed25519 => "Ed25519",
            Self::RsaPssSha256 => "RSASSA-PSS with SHA-256",
        })
    }
}

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
    /// The scheme is of another kind of key.
    #[error("a key of algorithm {algorithm} makes no {scheme} signatures")]
    Scheme {
        /// What was asked for.
        scheme: SignatureScheme,
        /// What the key is.
        algorithm: KeyAlgorithm,
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

    /// As [`PublicKey::verify`], by exactly one scheme: for formats that name theirs, as TUF does.
    ///
    /// What [`PublicKey::verify`] says of strictness holds here too. It differs in two places: Ed25519 is pure alone, and
    /// RSA is RSASSA-PSS with a salt as long as the hash, no other.
    ///
    /// # Errors
    /// [`SignatureError::Scheme`] if the key is of another kind, [`SignatureError::Invalid`] in every other case but a good signature.
    pub fn verify_with(&self, scheme: SignatureScheme, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        if !scheme.fits(self.algorithm()) {
            return Err(SignatureError::Scheme { scheme, algorithm: self.algorithm() });
        }
        let holds = match (scheme, self.verifier()) {
            (SignatureScheme::RsaPssSha256, _) => {
                UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, self.spki_der()).verify(message, signature).is_ok()
            }
            (_, Verifier::AwsLc(key)) => key.verify_sig(message, signature).is_ok(),
            (_, Verifier::Ed25519(key)) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
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
