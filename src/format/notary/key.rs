use super::{canonical, wire::WireKey};
use crate::crypto::{Certificate, CertificateError, PublicKey, PublicKeyError, hash};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use std::{fmt, str::FromStr};

/// A key's name in Notary: SHA-256 of the canonical JSON of the key object. A certificate's is not that of its key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyId([u8; 32]);

/// A public key as metadata carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    kind: String,
    material: Vec<u8>,
}

/// Why a listed key can't be used; its signatures do not count then, and nothing else happens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A kind of key that boltseal does not verify.
    #[error("keytype {0:?}; expected ecdsa, ecdsa-x509, rsa, rsa-x509 or ed25519")]
    Kind(String),
    /// The key is broken or too weak.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
    /// The certificate around the key is broken.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Key {
    pub(super) fn new(wire: WireKey) -> Self {
        Self { kind: wire.keytype, material: wire.keyval.public.0 }
    }

    /// The key's id (notary, `tuf/data/keys.go`).
    #[must_use]
    pub fn id(&self) -> KeyId {
        id_of(&self.kind, &self.material)
    }

    /// The public key: a SubjectPublicKeyInfo (`ecdsa`, `rsa`), 32 bytes (`ed25519`), or that of the first certificate
    /// of a PEM text (`ecdsa-x509`, `rsa-x509`). Of a certificate nothing else counts, see [`Certificate`].
    ///
    /// # Errors
    /// As [`KeyError`] says.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        match self.kind.as_str() {
            "ecdsa" | "rsa" => Ok(PublicKey::from_spki_der(&self.material)?),
            "ed25519" => Ok(PublicKey::from_ed25519_bytes(&self.material)?),
            "ecdsa-x509" | "rsa-x509" => Ok(Certificate::from_pem_bytes(&self.material)?.public_key().clone()),
            other => Err(KeyError::Kind(other.to_owned())),
        }
    }

    /// The certificate, where it is one that can be read.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        self.kind.ends_with("-x509").then(|| Certificate::from_pem_bytes(&self.material).ok()).flatten()
    }
}

impl KeyId {
    /// The id that Notary gives this key where no certificate is around it: the name of its private key's file.
    #[must_use]
    pub fn of_bare(key: &PublicKey) -> Self {
        use crate::crypto::KeyAlgorithm::{Ed25519, Rsa};
        let spki = key.spki_der();
        match key.algorithm() {
            Ed25519 => id_of("ed25519", spki.get(spki.len().saturating_sub(32)..).unwrap_or_default()),
            Rsa(_) => id_of("rsa", spki),
            _ => id_of("ecdsa", spki),
        }
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn id_of(kind: &str, material: &[u8]) -> KeyId {
    let key = json!({ "keytype": kind, "keyval": { "private": null, "public": STANDARD.encode(material) } });
    // There is no number in it, so that this can't fail.
    KeyId(hash::sha256(&canonical::encode(&key).unwrap_or_default()))
}

impl FromStr for KeyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 32];
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(format!("{text:?} is no key id, expected 64 lower-case hex characters")),
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
