//! Keys: one kind of thing for authorities, logs and whoever signs.

use super::b64;
use rcgen::{KeyPair, PublicKeyData as _, SignatureAlgorithm, SigningKey as _};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa2048,
}

/// The hash of a signature or of a timestamp's imprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// As protobuf-specs' `HashAlgorithm` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA2_256",
            Self::Sha384 => "SHA2_384",
            Self::Sha512 => "SHA2_512",
        }
    }

    /// As Rekor v1 names it.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// NIST's object identifier.
    pub fn oid(self) -> &'static [u64] {
        match self {
            Self::Sha256 => &[2, 16, 840, 1, 101, 3, 4, 2, 1],
            Self::Sha384 => &[2, 16, 840, 1, 101, 3, 4, 2, 2],
            Self::Sha512 => &[2, 16, 840, 1, 101, 3, 4, 2, 3],
        }
    }
}

/// A private key. Made anew for each use: nothing of it is ever written down.
pub struct Key {
    pub kind: Kind,
    pub pair: KeyPair,
}

impl Key {
    pub fn new(kind: Kind) -> Self {
        let pair = KeyPair::generate_for(algorithm(kind)).expect("a key");
        Self { kind, pair }
    }

    pub fn p256() -> Self {
        Self::new(Kind::P256)
    }

    /// An independent value with the same key.
    pub fn again(&self) -> Self {
        let pkcs8 = self.pair.serialized_der().to_vec().into();
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, algorithm(self.kind)).expect("its own key");
        Self { kind: self.kind, pair }
    }

    /// PKCS#8, PEM: for clients that sign with a key.
    pub fn private_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// A signature: DER for ECDSA, PKCS #1 1.5 for RSA; over the message, which is hashed by [`Self::hash`].
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).expect("a signature")
    }

    /// The hash that signatures of this key are made over.
    pub fn hash(&self) -> Hash {
        if self.kind == Kind::P384 { Hash::Sha384 } else { Hash::Sha256 }
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn spki(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// SHA-256 of the SubjectPublicKeyInfo: what logs are named by, and the hint of a public key in a bundle.
    pub fn id(&self) -> Vec<u8> {
        Hash::Sha256.of(&self.spki())
    }

    /// As protobuf-specs' `PublicKeyDetails` names it.
    pub fn details(&self) -> &'static str {
        match self.kind {
            Kind::P256 => "PKIX_ECDSA_P256_SHA_256",
            Kind::P384 => "PKIX_ECDSA_P384_SHA_384",
            Kind::Ed25519 => "PKIX_ED25519",
            Kind::Rsa2048 => "PKIX_RSA_PKCS1V15_2048_SHA256",
        }
    }

    /// What a verifier takes as a public key.
    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }
}

fn algorithm(kind: Kind) -> &'static SignatureAlgorithm {
    match kind {
        Kind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        Kind::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        Kind::Ed25519 => &rcgen::PKCS_ED25519,
        Kind::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
    }
}

/// RFC 7468, with lines of 64 characters.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = b64(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
