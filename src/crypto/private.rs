use super::{
    key::{EC, ED25519, KeyAlgorithm, P256, P384, PublicKey, PublicKeyError, RSA},
    signature::SignatureScheme,
};
use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaSignatureEncoding},
};
use ed25519_dalek::pkcs8::KeypairBytes;
use p256::{ecdsa::signature::Signer as _, elliptic_curve::Generate as _};
use pkcs8::{
    EncodePrivateKey as _, ObjectIdentifier, PrivateKeyInfoRef,
    der::{Decode as _, Reader as _, SliceReader, asn1::AnyRef},
};
use std::fmt;
use zeroize::Zeroizing;

/// A private key, in memory only; wiped on drop, and never printed.
pub struct PrivateKey {
    secret: Secret,
    public: PublicKey,
}

// Boxed: a secret that moves on the stack leaves copies that nobody wipes.
enum Secret {
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Rsa(Box<RsaKeyPair>),
}

/// Why there is no private key, or why it did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Not a PKCS#8 PrivateKeyInfo.
    #[error("private key: not PKCS#8 in DER: {0}")]
    Pkcs8(#[source] pkcs8::der::Error),
    /// Not a SEC1 ECPrivateKey.
    #[error("private key: not an ECPrivateKey (SEC1) in DER: {0}")]
    Sec1(#[source] pkcs8::der::Error),
    /// Not a PKCS#1 RSAPrivateKey.
    #[error("private key: not an RSAPrivateKey (PKCS#1) in DER: {0}")]
    Pkcs1(#[source] pkcs8::der::Error),
    /// An algorithm that boltseal does not sign with.
    #[error("private key: algorithm {oid}{}; expected ECDSA P-256 or P-384, Ed25519 or RSA", .curve.map(|c| format!(" with curve {c}")).unwrap_or_default())]
    Algorithm {
        /// The algorithm.
        oid: ObjectIdentifier,
        /// The curve, where one is named.
        curve: Option<ObjectIdentifier>,
    },
    /// The numbers inside are out of range, or public and private half do not belong together.
    #[error("private key: its numbers make no {0} key, or its two halves do not belong together")]
    Numbers(&'static str),
    /// Its public half is none that boltseal verifies with.
    #[error(transparent)]
    Public(#[from] PublicKeyError),
    /// A size of RSA key that is not generated.
    #[error("RSA keys of {0} bits are not generated, expected 2048, 3072, 4096 or 8192")]
    RsaSize(usize),
    /// The system's random number generator failed.
    #[error("the system's random number generator failed")]
    Random,
    /// The library refused to sign or to encode.
    #[error("the {0} key could not be used")]
    Failed(KeyAlgorithm),
    /// The scheme is of another kind of key.
    #[error("a key of algorithm {algorithm} makes no {scheme} signatures")]
    Scheme {
        /// What was asked for.
        scheme: SignatureScheme,
        /// What the key is.
        algorithm: KeyAlgorithm,
    },
}

impl PrivateKey {
    /// A new key from the system's random number generator. RSA of 3,072 bits takes about a second.
    ///
    /// # Errors
    /// No random numbers, or an RSA size other than 2048, 3072, 4096 and 8192.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, PrivateKeyError> {
        let random = |_| PrivateKeyError::Random;
        match algorithm {
            KeyAlgorithm::EcdsaP256 => Self::p256(&p256::SecretKey::try_generate().map_err(random)?),
            KeyAlgorithm::EcdsaP384 => Self::p384(&p384::SecretKey::try_generate().map_err(random)?),
            KeyAlgorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(seed.as_mut()).map_err(|_| PrivateKeyError::Random)?;
                Self::ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            KeyAlgorithm::Rsa(bits) => {
                let size = match bits {
                    2048 => KeySize::Rsa2048,
                    3072 => KeySize::Rsa3072,
                    4096 => KeySize::Rsa4096,
                    8192 => KeySize::Rsa8192,
                    other => return Err(PrivateKeyError::RsaSize(other)),
                };
                Self::rsa(RsaKeyPair::generate(size).map_err(|_| PrivateKeyError::Random)?)
            }
        }
    }

    /// Decodes a PKCS#8 PrivateKeyInfo (RFC 5958) in DER. A public half inside has to be the right one.
    ///
    /// # Errors
    /// Not PKCS#8, another algorithm, numbers out of range, or what [`PublicKey::from_spki_der`] refuses.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let info = decode_info(der).map_err(PrivateKeyError::Pkcs8)?;
        let oid = info.algorithm.oid;
        match oid {
            EC => match info.algorithm.parameters_oid() {
                Ok(P256) => Self::p256(&info.try_into().map_err(|_| PrivateKeyError::Numbers("ECDSA P-256"))?),
                Ok(P384) => Self::p384(&info.try_into().map_err(|_| PrivateKeyError::Numbers("ECDSA P-384"))?),
                other => Err(PrivateKeyError::Algorithm { oid, curve: other.ok() }),
            },
            ED25519 => {
                let numbers = |_| PrivateKeyError::Numbers("Ed25519");
                let pair = KeypairBytes::try_from(info).map_err(numbers)?;
                Self::ed25519(ed25519_dalek::SigningKey::try_from(&pair).map_err(numbers)?)
            }
            RSA => Self::from_pkcs1_der(info.private_key.as_bytes()),
            oid => Err(PrivateKeyError::Algorithm { oid, curve: None }),
        }
    }

    /// Decodes a SEC1 ECPrivateKey (RFC 5915) in DER. It has to name its curve.
    pub(super) fn from_sec1_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let key = sec1::EcPrivateKey::from_der(der).map_err(PrivateKeyError::Sec1)?;
        match key.parameters.and_then(|parameters| parameters.named_curve()) {
            Some(P256) => Self::p256(&key.try_into().map_err(|_| PrivateKeyError::Numbers("ECDSA P-256"))?),
            Some(P384) => Self::p384(&key.try_into().map_err(|_| PrivateKeyError::Numbers("ECDSA P-384"))?),
            curve => Err(PrivateKeyError::Algorithm { oid: EC, curve }),
        }
    }

    /// Decodes a PKCS#1 RSAPrivateKey (RFC 8017, A.1.2) in DER.
    pub(super) fn from_pkcs1_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        // The library passes over bytes after the end.
        AnyRef::from_der(der).map_err(PrivateKeyError::Pkcs1)?;
        Self::rsa(RsaKeyPair::from_der(der).map_err(|_| PrivateKeyError::Numbers("RSA"))?)
    }

    fn p256(secret: &p256::SecretKey) -> Result<Self, PrivateKeyError> {
        let public = PublicKey::from_p256(&secret.public_key().to_sec1_bytes())?;
        Ok(Self { secret: Secret::P256(Box::new(secret.into())), public })
    }

    fn p384(secret: &p384::SecretKey) -> Result<Self, PrivateKeyError> {
        let public = PublicKey::from_p384(&secret.public_key().to_sec1_bytes())?;
        Ok(Self { secret: Secret::P384(Box::new(secret.into())), public })
    }

    fn ed25519(secret: ed25519_dalek::SigningKey) -> Result<Self, PrivateKeyError> {
        let public = PublicKey::from_ed25519(secret.verifying_key().as_bytes())?;
        Ok(Self { secret: Secret::Ed25519(Box::new(secret)), public })
    }

    fn rsa(secret: RsaKeyPair) -> Result<Self, PrivateKeyError> {
        let public = PublicKey::from_rsa_pkcs1(secret.public_key().as_ref())?;
        Ok(Self { secret: Secret::Rsa(Box::new(secret)), public })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs bytes so that [`PublicKey::verify`] accepts them: ECDSA deterministically (RFC 6979) and in DER, Ed25519
    /// pure, RSA by PKCS#1 v1.5 with SHA-256. The same bytes give the same signature every time.
    ///
    /// # Errors
    /// The library refused, which a decoded key gives it no reason for.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PrivateKeyError> {
        let failed = || PrivateKeyError::Failed(self.public.algorithm());
        match &self.secret {
            Secret::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.try_sign(message).map_err(|_| failed())?;
                Ok(signature.as_bytes().to_vec())
            }
            Secret::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.try_sign(message).map_err(|_| failed())?;
                Ok(signature.as_bytes().to_vec())
            }
            Secret::Ed25519(key) => Ok(key.try_sign(message).map_err(|_| failed())?.to_bytes().to_vec()),
            Secret::Rsa(key) => rsa_sign(key, &RSA_PKCS1_SHA256, message).ok_or_else(failed),
        }
    }

    /// Signs bytes so that [`PublicKey::verify_with`] accepts them: as [`PrivateKey::sign`], except that RSA signs by
    /// RSASSA-PSS with a random salt.
    ///
    /// # Errors
    /// The scheme is of another kind of key, or the library refused.
    pub fn sign_with(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, PrivateKeyError> {
        let algorithm = self.public.algorithm();
        match &self.secret {
            _ if !scheme.fits(algorithm) => Err(PrivateKeyError::Scheme { scheme, algorithm }),
            Secret::Rsa(key) => rsa_sign(key, &RSA_PSS_SHA256, message).ok_or(PrivateKeyError::Failed(algorithm)),
            _ => self.sign(message),
        }
    }

    /// The key as PKCS#8 PrivateKeyInfo in DER, version 1, unencrypted; with Go's and OpenSSL's choice of members.
    ///
    /// # Errors
    /// The library refused, which a decoded key gives it no reason for.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
        let failed = || PrivateKeyError::Failed(self.public.algorithm());
        let document = match &self.secret {
            Secret::P256(key) => key.to_pkcs8_der(),
            Secret::P384(key) => key.to_pkcs8_der(),
            // Without the public half: with it the structure is version 2, which older readers refuse.
            Secret::Ed25519(key) => KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_der(),
            Secret::Rsa(key) => {
                return Ok(Zeroizing::new(key.as_der().map_err(|_| failed())?.as_ref().to_vec()));
            }
        };
        Ok(document.map_err(|_| failed())?.to_bytes())
    }
}

fn rsa_sign(key: &RsaKeyPair, encoding: &'static RsaSignatureEncoding, message: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
    Some(signature)
}

/// Reads PrivateKeyInfo; also as Notary writes it, which says version 2 and leaves out the public half that this asks for.
fn decode_info(der: &[u8]) -> pkcs8::der::Result<PrivateKeyInfoRef<'_>> {
    PrivateKeyInfoRef::from_der(der).or_else(|error| {
        let mut reader = SliceReader::new(der)?;
        let info = reader.sequence(|info| {
            let version: u8 = info.decode()?;
            let key = PrivateKeyInfoRef::new(info.decode()?, info.decode()?);
            if version == 1 { Ok(key) } else { Err(error) }
        })?;
        reader.finish()?;
        Ok(info)
    })
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, {})", self.public.algorithm(), self.public.fingerprint())
    }
}

#[cfg(test)]
mod tests;
