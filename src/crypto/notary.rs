//! Signatures as Notary v1 makes them (theupdateframework/notary, `tuf/signed/verifiers.go`).

use super::{KeyAlgorithm, PublicKey, SignatureError};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};

/// How a Notary signature was made, as its `method` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotaryMethod {
    /// `ecdsa`: over SHA-256 whatever the curve, `r ‖ s` (or `SEQUENCE { r, s }` in DER, which Notary reads too).
    Ecdsa,
    /// `rsapss`: RSASSA-PSS with SHA-256, MGF1 with the same, 32 bytes of salt.
    RsaPss,
    /// `eddsa`: pure Ed25519.
    EdDsa,
}

impl PublicKey {
    /// Verifies that the holder of this key signed exactly these bytes in Notary's way.
    ///
    /// A method that does not belong to the key's algorithm never holds. What is checked of numbers and points, and what
    /// is not, is as for [`PublicKey::verify`].
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] in every case but a good signature.
    pub fn verify_notary(&self, method: NotaryMethod, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let holds = match (method, self.algorithm()) {
            (NotaryMethod::Ecdsa, KeyAlgorithm::EcdsaP256) => {
                let der = p256::ecdsa::Signature::from_slice(signature).map(|raw| raw.to_der());
                let signature = der.as_ref().map_or(signature, |der| der.as_bytes());
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.spki_der()).verify(message, signature).is_ok()
            }
            (NotaryMethod::Ecdsa, KeyAlgorithm::EcdsaP384) => {
                let der = p384::ecdsa::Signature::from_slice(signature).map(|raw| raw.to_der());
                let signature = der.as_ref().map_or(signature, |der| der.as_bytes());
                UnparsedPublicKey::new(&ECDSA_P384_SHA256_ASN1, self.spki_der()).verify(message, signature).is_ok()
            }
            (NotaryMethod::RsaPss, KeyAlgorithm::Rsa(_)) => {
                UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, self.spki_der()).verify(message, signature).is_ok()
            }
            // The prehashed kind, which `verify` reads too, has a domain of its own: it can't be mistaken for this one.
            (NotaryMethod::EdDsa, KeyAlgorithm::Ed25519) => return self.verify(message, signature),
            _ => false,
        };
        if holds {
            Ok(())
        } else {
            Err(SignatureError::Invalid { algorithm: self.algorithm(), key: self.fingerprint() })
        }
    }

    /// From the 32 bytes of RFC 8032, 5.1.2, as Notary's `ed25519` keys are written.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_ed25519_bytes(bytes: &[u8]) -> Result<Self, super::PublicKeyError> {
        Self::from_ed25519(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::PrivateKey;
    use aws_lc_rs::{encoding::AsDer as _, rand::SystemRandom, rsa, signature as lc};

    const MESSAGE: &[u8] = b"{\"_type\":\"Targets\"}";

    #[test]
    fn ecdsa_is_read_raw_and_in_der_over_sha256_on_both_curves() {
        use p256::{ecdsa::signature::Signer as _, elliptic_curve::Generate as _};
        let p256 = p256::ecdsa::SigningKey::from(p256::SecretKey::generate());
        let key = PublicKey::from_p256(&p256.verifying_key().to_sec1_point(false).to_bytes()).unwrap();
        let signature: p256::ecdsa::Signature = p256.sign(MESSAGE);
        key.verify_notary(NotaryMethod::Ecdsa, MESSAGE, &signature.to_bytes()).unwrap();
        key.verify_notary(NotaryMethod::Ecdsa, MESSAGE, signature.to_der().as_bytes()).unwrap();
        assert!(key.verify_notary(NotaryMethod::Ecdsa, b"other", &signature.to_bytes()).is_err());
        assert!(key.verify_notary(NotaryMethod::Ecdsa, MESSAGE, &[0; 64]).is_err());
        assert!(key.verify_notary(NotaryMethod::Ecdsa, MESSAGE, &signature.to_bytes()[..63]).is_err());
        for method in [NotaryMethod::RsaPss, NotaryMethod::EdDsa] {
            assert!(key.verify_notary(method, MESSAGE, &signature.to_bytes()).is_err());
        }

        use p384::ecdsa::signature::hazmat::PrehashSigner as _;
        let p384 = p384::ecdsa::SigningKey::from(p384::SecretKey::generate());
        let key = PublicKey::from_p384(&p384.verifying_key().to_sec1_point(false).to_bytes()).unwrap();
        let signature: p384::ecdsa::Signature = p384.sign_prehash(&crate::crypto::hash::sha256(MESSAGE)).unwrap();
        key.verify_notary(NotaryMethod::Ecdsa, MESSAGE, &signature.to_bytes()).unwrap();
        assert!(key.verify(MESSAGE, signature.to_der().as_bytes()).is_err(), "that one asks for SHA-384");
    }

    #[test]
    fn rsa_is_pss_and_nothing_else() {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let spki = lc::KeyPair::public_key(&pair).as_der().unwrap();
        let key = PublicKey::from_spki_der(spki.as_ref()).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&lc::RSA_PSS_SHA256, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
        key.verify_notary(NotaryMethod::RsaPss, MESSAGE, &signature).unwrap();
        assert!(key.verify_notary(NotaryMethod::RsaPss, b"other", &signature).is_err());
        pair.sign(&lc::RSA_PKCS1_SHA256, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
        assert!(key.verify_notary(NotaryMethod::RsaPss, MESSAGE, &signature).is_err());
    }

    #[test]
    fn ed25519_comes_as_32_bytes() {
        let private = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let spki = private.public().spki_der();
        let key = PublicKey::from_ed25519_bytes(&spki[spki.len() - 32..]).unwrap();
        assert_eq!(&key, private.public());
        key.verify_notary(NotaryMethod::EdDsa, MESSAGE, &private.sign(MESSAGE).unwrap()).unwrap();
        assert!(PublicKey::from_ed25519_bytes(&spki[spki.len() - 31..]).is_err());
    }
}
