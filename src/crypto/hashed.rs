//! Signatures over a hash that was taken elsewhere: of a file that does not fit into memory, or named by digest alone.

use super::{
    hash::HashAlgorithm,
    key::{KeyAlgorithm, PublicKey, Verifier},
    signature::SignatureError,
};
use aws_lc_rs::{
    digest::{self, Digest},
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
        ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
        RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update, typenum::U64};

impl PublicKey {
    /// Whether it signs messages as they are (RFC 8032), unlike the others, which sign a hash.
    #[must_use]
    pub fn is_ed25519(&self) -> bool {
        self.algorithm() == KeyAlgorithm::Ed25519
    }

    /// The hash that this key signs over where a format names none: SHA-384 for P-384, SHA-512 for Ed25519 (as Ed25519ph),
    /// SHA-256 for the others (Sigstore's algorithm registry).
    #[must_use]
    pub fn usual_hash(&self) -> HashAlgorithm {
        match self.algorithm() {
            KeyAlgorithm::EcdsaP384 => HashAlgorithm::Sha384,
            KeyAlgorithm::Ed25519 => HashAlgorithm::Sha512,
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::Rsa(_) => HashAlgorithm::Sha256,
        }
    }

    /// Verifies that the holder of this key signed a message with this hash.
    ///
    /// ECDSA in DER over any of the three, RSASSA-PKCS1-v1_5 likewise, Ed25519ph with an empty context over SHA-512.
    /// As strict as [`PublicKey::verify`].
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] in every case but a good signature: another length of the hash, and Ed25519 over
    /// another one, too.
    pub fn verify_digest(
        &self,
        algorithm: HashAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let holds = match self.verifier() {
            Verifier::AwsLc(key) if algorithm == self.usual_hash() => {
                imported(algorithm, digest).is_some_and(|digest| key.verify_digest_sig(&digest, signature).is_ok())
            }
            Verifier::AwsLc(_) => {
                let key = UnparsedPublicKey::new(verification(self.algorithm(), algorithm), self.spki_der());
                imported(algorithm, digest).is_some_and(|digest| key.verify_digest(&digest, signature).is_ok())
            }
            Verifier::Ed25519(key) => match (algorithm, <[u8; 64]>::try_from(digest)) {
                (HashAlgorithm::Sha512, Ok(digest)) => ed25519_dalek::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify_prehashed_strict(Taken(digest), None, &signature).is_ok()),
                _ => false,
            },
        };
        if holds {
            Ok(())
        } else {
            Err(SignatureError::Invalid { algorithm: self.algorithm(), key: self.fingerprint() })
        }
    }

    /// As [`PublicKey::verify_digest`], of a message at hand.
    ///
    /// # Errors
    /// As [`PublicKey::verify_digest`].
    pub fn verify_hashed(
        &self,
        algorithm: HashAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.verify_digest(algorithm, &algorithm.of(message), signature)
    }
}

fn imported(algorithm: HashAlgorithm, digest: &[u8]) -> Option<Digest> {
    let algorithm = match algorithm {
        HashAlgorithm::Sha256 => &digest::SHA256,
        HashAlgorithm::Sha384 => &digest::SHA384,
        HashAlgorithm::Sha512 => &digest::SHA512,
    };
    Digest::import_less_safe(digest, algorithm).ok()
}

fn verification(key: KeyAlgorithm, hash: HashAlgorithm) -> &'static dyn VerificationAlgorithm {
    match (key, hash) {
        (KeyAlgorithm::EcdsaP384, HashAlgorithm::Sha256) => &ECDSA_P384_SHA256_ASN1,
        (KeyAlgorithm::EcdsaP384, HashAlgorithm::Sha384) => &ECDSA_P384_SHA384_ASN1,
        (KeyAlgorithm::EcdsaP384, HashAlgorithm::Sha512) => &ECDSA_P384_SHA512_ASN1,
        (KeyAlgorithm::Rsa(_), HashAlgorithm::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
        (KeyAlgorithm::Rsa(_), HashAlgorithm::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
        (KeyAlgorithm::Rsa(_), HashAlgorithm::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
        (_, HashAlgorithm::Sha256) => &ECDSA_P256_SHA256_ASN1,
        (_, HashAlgorithm::Sha384) => &ECDSA_P256_SHA384_ASN1,
        (_, HashAlgorithm::Sha512) => &ECDSA_P256_SHA512_ASN1,
    }
}

/// A SHA-512 that was taken already, in the shape in which ed25519-dalek asks for it.
#[derive(Clone)]
struct Taken([u8; 64]);

impl Default for Taken {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl HashMarker for Taken {}

impl OutputSizeUser for Taken {
    type OutputSize = U64;
}

impl Update for Taken {
    fn update(&mut self, _: &[u8]) {}
}

impl FixedOutput for Taken {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::PrivateKey;

    const ALL: [HashAlgorithm; 3] = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];

    #[test]
    fn what_a_key_signs_holds_over_its_usual_hash_and_no_other() {
        for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Rsa(2048)] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let signature = key.sign(b"message").unwrap();
            let public = key.public();
            for hash in ALL {
                let holds = public.verify_hashed(hash, b"message", &signature).is_ok();
                assert_eq!(holds, hash == public.usual_hash(), "{algorithm} {hash}");
                assert!(public.verify_hashed(hash, b"another", &signature).is_err());
                assert!(public.verify_digest(hash, &[7; 3], &signature).is_err());
            }
        }
    }

    #[test]
    fn ed25519ph_holds_from_the_digest_alone_and_pure_ed25519_does_not() {
        use ed25519_dalek::SigningKey;
        use sha2::{Digest as _, Sha512};
        let key = SigningKey::from_bytes(&[3; 32]);
        let public = PublicKey::from_ed25519(key.verifying_key().as_bytes()).unwrap();
        let prehashed = key.sign_prehashed(Sha512::new_with_prefix(b"message"), None).unwrap().to_bytes();
        assert!(public.verify_hashed(HashAlgorithm::Sha512, b"message", &prehashed).is_ok());
        assert!(public.verify_hashed(HashAlgorithm::Sha512, b"another", &prehashed).is_err());
        assert!(public.verify_hashed(HashAlgorithm::Sha256, b"message", &prehashed).is_err());
        let pure = ed25519_dalek::Signer::sign(&key, b"message").to_bytes();
        assert!(public.verify_hashed(HashAlgorithm::Sha512, b"message", &pure).is_err());
    }
}
