use super::canonical;
use crate::crypto::{Fingerprint, KeyAlgorithm, PublicKey, PublicKeyError, SignatureError, SignatureScheme, hash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{ops::Deref, sync::OnceLock};

/// A public key as metadata writes it (TUF 1.0.34, 4.2). It is decoded when it is asked for, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key {
    written: KeyObject,
    #[serde(skip)]
    decoded: OnceLock<Result<VerifyingKey, KeyError>>,
}

/// What is written of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyObject {
    /// `ecdsa`, `ed25519` or `rsa`; older tools write the scheme here.
    pub keytype: String,
    /// How it signs.
    pub scheme: String,
    /// The key itself.
    pub keyval: KeyValue,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The key's material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// PEM, or hex of the raw key.
    pub public: String,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Nobody changes what is written: what was decoded would no longer be it.
impl Deref for Key {
    type Target = KeyObject;

    fn deref(&self) -> &KeyObject {
        &self.written
    }
}

/// The same is written.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Key {}

/// A key that signatures can be verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    key: PublicKey,
    scheme: SignatureScheme,
}

/// Why a key can't be used. Metadata that lists it is still read: it never verifies anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A type or scheme that this version does not verify.
    #[error(
        "key type {keytype:?} with scheme {scheme:?} is not verified; expected ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ed25519 or rsassa-pss-sha256"
    )]
    Unsupported {
        /// The key's type.
        keytype: String,
        /// The key's scheme.
        scheme: String,
    },
    /// Neither PEM nor hex.
    #[error("the key's public value is neither PEM nor hex")]
    Encoding,
    /// Not a key.
    #[error(transparent)]
    Public(#[from] PublicKeyError),
    /// A key of another kind than its scheme.
    #[error("the key is {found}, which makes no {scheme} signatures")]
    Mismatch {
        /// The key's scheme.
        scheme: SignatureScheme,
        /// What the key is.
        found: KeyAlgorithm,
    },
}

impl Key {
    /// A public key as we write it: ECDSA and RSA in PEM, Ed25519 in hex, as python-tuf and go-tuf do.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        let (keytype, scheme) = match key.algorithm() {
            KeyAlgorithm::EcdsaP256 => ("ecdsa", "ecdsa-sha2-nistp256"),
            KeyAlgorithm::EcdsaP384 => ("ecdsa", "ecdsa-sha2-nistp384"),
            KeyAlgorithm::Ed25519 => ("ed25519", "ed25519"),
            KeyAlgorithm::Rsa(_) => ("rsa", "rsassa-pss-sha256"),
        };
        let public = match key.algorithm() {
            // RFC 8410, 4: the SubjectPublicKeyInfo ends with the 32 bytes of the key.
            KeyAlgorithm::Ed25519 => key.spki_der().last_chunk::<32>().map(hex::encode).unwrap_or_default(),
            _ => key.to_pem(),
        };
        Self::from(KeyObject {
            keytype: keytype.to_owned(),
            scheme: scheme.to_owned(),
            keyval: KeyValue { public, unknown: Map::new() },
            unknown: Map::new(),
        })
    }

    /// The id under which we list a key: SHA-256 of its canonical JSON without unknown members, in hex, which is
    /// securesystemslib's choice too. Ids that others chose are never recomputed: an id is a label (TUF 1.0.34, 4.2).
    #[must_use]
    pub fn id(&self) -> String {
        let KeyObject { keytype, scheme, keyval, .. } = &self.written;
        let object = json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": keyval.public}});
        // Only text inside, so it has a canonical form.
        hex::encode(hash::sha256(&canonical(&object).unwrap_or_default()))
    }

    /// Decodes the key.
    ///
    /// # Errors
    /// A type or scheme that is not verified, no key, or a key of another kind than its scheme.
    pub fn decode(&self) -> Result<VerifyingKey, KeyError> {
        self.decoded.get_or_init(|| self.written.decode()).clone()
    }
}

impl From<KeyObject> for Key {
    fn from(written: KeyObject) -> Self {
        Self { written, decoded: OnceLock::new() }
    }
}

impl KeyObject {
    fn decode(&self) -> Result<VerifyingKey, KeyError> {
        let scheme = match (self.keytype.as_str(), self.scheme.as_str()) {
            ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => SignatureScheme::EcdsaP256Sha256,
            ("ecdsa" | "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384") => SignatureScheme::EcdsaP384Sha384,
            ("ed25519", "ed25519") => SignatureScheme::Ed25519,
            ("rsa", "rsassa-pss-sha256") => SignatureScheme::RsaPssSha256,
            _ => {
                return Err(KeyError::Unsupported { keytype: self.keytype.clone(), scheme: self.scheme.clone() });
            }
        };
        let public = self.keyval.public.trim();
        let key = if public.starts_with("-----BEGIN") {
            PublicKey::from_pem(public)?
        } else {
            PublicKey::from_raw(scheme, &hex::decode(public).map_err(|_| KeyError::Encoding)?)?
        };
        if !scheme.fits(key.algorithm()) {
            return Err(KeyError::Mismatch { scheme, found: key.algorithm() });
        }
        Ok(VerifyingKey { key, scheme })
    }
}

impl VerifyingKey {
    /// The public key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.key
    }

    /// Whom its signatures are by, whatever id metadata gives it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }

    /// How it signs.
    #[must_use]
    pub fn scheme(&self) -> SignatureScheme {
        self.scheme
    }

    /// Verifies a signature over exactly these bytes, by the key's one scheme.
    ///
    /// # Errors
    /// As [`PublicKey::verify_with`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        self.key.verify_with(self.scheme, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::PrivateKey;

    fn public(name: &str) -> PublicKey {
        let path = format!("{}/testdata/keys/{name}-pub.test.pem", env!("CARGO_MANIFEST_DIR"));
        PublicKey::from_pem_bytes(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn every_kind_of_key_is_read_back_as_it_was_written() {
        for name in ["p256", "p384", "ed25519", "rsa2048"] {
            let key = Key::new(&public(name));
            assert_eq!(key.decode().unwrap().public(), &public(name), "{name}");
            let theirs: sigstore_tuf::Key = serde_json::from_value(serde_json::to_value(&key).unwrap()).unwrap();
            assert_eq!(theirs.key_id().unwrap(), key.id(), "{name}");
            theirs.verification_key().unwrap();
        }
        assert_eq!(Key::new(&public("ed25519")).keyval.public.len(), 64);
    }

    #[test]
    fn a_raw_point_in_hex_is_the_same_key_as_its_pem() {
        let mut key = Key::new(&public("p256")).written;
        let point = public("p256").spki_der().last_chunk::<65>().map(hex::encode).unwrap();
        (key.keytype, key.keyval.public) = ("ecdsa-sha2-nistp256".into(), point);
        assert_eq!(Key::from(key).decode().unwrap().fingerprint(), public("p256").fingerprint());
    }

    #[test]
    fn a_key_of_another_kind_than_its_scheme_is_refused() {
        let mut key = Key::new(&public("p384")).written;
        key.scheme = "ecdsa-sha2-nistp256".into();
        assert!(matches!(key.decode(), Err(KeyError::Mismatch { .. })));
        key.scheme = "ecdsa-sha2-nistp521".into();
        assert!(matches!(key.decode(), Err(KeyError::Unsupported { .. })));
        let mut key = Key::new(&public("ed25519")).written;
        key.keyval.public = "zz".into();
        assert_eq!(key.decode(), Err(KeyError::Encoding));
    }

    #[test]
    fn what_a_key_signs_verifies_by_its_scheme() {
        for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
            let private = PrivateKey::generate(algorithm).unwrap();
            let key = Key::new(private.public()).decode().unwrap();
            let signature = private.sign_with(key.scheme(), b"message").unwrap();
            key.verify(b"message", &signature).unwrap();
            key.verify(b"massage", &signature).unwrap_err();
        }
    }
}
