use super::{Fingerprint, SignatureScheme, pem, pem::PemError};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, EcdsaVerificationAlgorithm, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use pkcs8::{
    ObjectIdentifier,
    der::{
        Decode as _, Encode as _, Reader as _, SliceReader,
        asn1::{AnyRef, BitStringRef, UintRef},
    },
    spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef},
};
use std::{fmt, hash::Hash, str::FromStr, sync::Arc};

pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// FIPS 186-5, 5.1: the public exponent is odd and larger than 2^16.
const RSA_EXPONENT_LEAST: [u8; 3] = [1, 0, 1];

/// What kind of key it is, and so which signatures it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// ECDSA over P-256 with SHA-256, signatures in DER (FIPS 186-5; RFC 3279, 2.2.3).
    EcdsaP256,
    /// ECDSA over P-384 with SHA-384, signatures in DER.
    EcdsaP384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2), with the modulus' length in bits.
    Rsa(usize),
}

/// A public key in its one canonical encoding, ready to verify with.
///
/// Two keys are equal if their canonical SubjectPublicKeyInfo is, whatever they were decoded from. Cloning is cheap.
#[derive(Clone)]
pub struct PublicKey(Arc<Parsed>);

struct Parsed {
    spki: Vec<u8>,
    algorithm: KeyAlgorithm,
    fingerprint: Fingerprint,
    verifier: Verifier,
}

/// The key as the crate that verifies with it holds it: parsed once.
pub(super) enum Verifier {
    AwsLc(ParsedPublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// Why bytes are no public key that boltseal verifies with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not one PEM block.
    #[error("public key: {0}")]
    Pem(#[from] PemError),
    /// A PEM block of something else.
    #[error("public key: the PEM block is {found:?}, expected \"PUBLIC KEY\"{}", advice(.found))]
    Label {
        /// The block's label.
        found: String,
    },
    /// Not a SubjectPublicKeyInfo in DER.
    #[error("public key: not a SubjectPublicKeyInfo in DER: {0}")]
    Der(#[from] pkcs8::der::Error),
    /// Readable, but not as DER writes it, so that one key would have two names.
    #[error("public key: not encoded as DER demands")]
    NotCanonical,
    /// An algorithm that boltseal does not verify.
    #[error("public key: algorithm {oid}{}; expected ECDSA P-256 or P-384, Ed25519 or RSA", .curve.map(|c| format!(" with curve {c}")).unwrap_or_default())]
    Algorithm {
        /// The algorithm.
        oid: ObjectIdentifier,
        /// The curve, where one is named.
        curve: Option<ObjectIdentifier>,
    },
    /// The algorithm's parameters are missing, or others than its RFC demands (RFC 5480, 3279, 8410).
    #[error("public key: the parameters of algorithm {oid} are not those that its standard demands")]
    Parameters {
        /// The algorithm.
        oid: ObjectIdentifier,
    },
    /// No point of the curve, or one in an encoding other than compressed and uncompressed.
    #[error("public key: no point of {0} in compressed or uncompressed form")]
    Point(KeyAlgorithm),
    /// A point of small order, for which anybody can make signatures.
    #[error("public key: a point of small order, for which anybody can sign")]
    Weak,
    /// An RSA modulus outside of [`crate::limits::RSA_BITS`].
    #[error("public key: RSA with {bits} bits, expected {} to {}", crate::limits::RSA_BITS.start(), crate::limits::RSA_BITS.end())]
    RsaBits {
        /// The modulus' length in bits.
        bits: usize,
    },
    /// An RSA exponent or modulus that FIPS 186-5, 5.1, refuses.
    #[error("public key: RSA with an even modulus, or an exponent that is even, below 65537 or above 33 bits")]
    RsaNumbers,
}

fn advice(label: &str) -> &'static str {
    match label {
        "CERTIFICATE" => "; take the key out with `openssl x509 -pubkey -noout`",
        "RSA PUBLIC KEY" => "; convert it with `openssl rsa -RSAPublicKey_in -pubout`",
        label if label.contains("PRIVATE KEY") => "; a private key has no place here, name its public half",
        _ => "",
    }
}

impl PublicKey {
    /// Decodes the one `PUBLIC KEY` block of a PEM text (RFC 7468, section 13).
    ///
    /// # Errors
    /// Not exactly one block, another block, or what [`PublicKey::from_spki_der`] refuses.
    pub fn from_pem(text: &str) -> Result<Self, PublicKeyError> {
        Self::from_pem_bytes(text.as_bytes())
    }

    /// As [`PublicKey::from_pem`], from a file's bytes.
    ///
    /// # Errors
    /// As [`PublicKey::from_pem`].
    pub fn from_pem_bytes(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let block = pem::decode_one(bytes)?;
        if block.label != "PUBLIC KEY" {
            return Err(PublicKeyError::Label { found: block.label });
        }
        Self::from_spki_der(&block.bytes)
    }

    /// Decodes a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in DER.
    ///
    /// Compressed points (RFC 5480, 2.2) are uncompressed, so that one key has one fingerprint. Everything else that
    /// is not the canonical encoding is refused: other lengths than DER's, bytes after the end, missing or unusual
    /// parameters, Ed25519 coordinates that are not reduced. So are points of small order and RSA moduli outside of
    /// [`crate::limits::RSA_BITS`]. It does not check who holds the key, nor that an RSA modulus is a product of two primes.
    ///
    /// # Errors
    /// One for each of these.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der)?;
        let bits = spki.subject_public_key.as_bytes().ok_or(PublicKeyError::NotCanonical)?;
        if encode_spki(spki.algorithm, bits)? != der {
            return Err(PublicKeyError::NotCanonical);
        }
        let AlgorithmIdentifierRef { oid, parameters } = spki.algorithm;
        match oid {
            EC => match parameters.map(|any| any.decode_as::<ObjectIdentifier>()) {
                Some(Ok(P256)) => Self::from_p256(bits),
                Some(Ok(P384)) => Self::from_p384(bits),
                Some(Ok(curve)) => Err(PublicKeyError::Algorithm { oid, curve: Some(curve) }),
                _ => Err(PublicKeyError::Parameters { oid }),
            },
            ED25519 if parameters.is_none() => Self::from_ed25519(bits),
            RSA if parameters.is_some_and(|any| any.is_null()) => Self::from_rsa_pkcs1(bits),
            ED25519 | RSA => Err(PublicKeyError::Parameters { oid }),
            oid => Err(PublicKeyError::Algorithm { oid, curve: None }),
        }
    }

    /// From the bytes that a format writes beside a scheme's name: a SEC1 point, the 32 bytes of RFC 8032, 5.1.2, or an
    /// RSAPublicKey in DER (RFC 8017, A.1.1).
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`].
    pub fn from_raw(scheme: SignatureScheme, bytes: &[u8]) -> Result<Self, PublicKeyError> {
        match scheme {
            SignatureScheme::EcdsaP256Sha256 => Self::from_p256(bytes),
            SignatureScheme::EcdsaP384Sha384 => Self::from_p384(bytes),
            SignatureScheme::Ed25519 => Self::from_ed25519(bytes),
            SignatureScheme::RsaPssSha256 => Self::from_rsa_pkcs1(bytes),
        }
    }

    /// From a SEC1 point of P-256.
    pub(super) fn from_p256(point: &[u8]) -> Result<Self, PublicKeyError> {
        let algorithm = KeyAlgorithm::EcdsaP256;
        let key = plain_point(point).and_then(|point| p256::PublicKey::from_sec1_bytes(point).ok());
        let point = key.ok_or(PublicKeyError::Point(algorithm))?.to_sec1_point(false);
        Self::from_point(algorithm, &ECDSA_P256_SHA256_ASN1, &P256, point.as_bytes())
    }

    /// From a SEC1 point of P-384.
    pub(super) fn from_p384(point: &[u8]) -> Result<Self, PublicKeyError> {
        let algorithm = KeyAlgorithm::EcdsaP384;
        let key = plain_point(point).and_then(|point| p384::PublicKey::from_sec1_bytes(point).ok());
        let point = key.ok_or(PublicKeyError::Point(algorithm))?.to_sec1_point(false);
        Self::from_point(algorithm, &ECDSA_P384_SHA384_ASN1, &P384, point.as_bytes())
    }

    fn from_point(
        algorithm: KeyAlgorithm,
        verification: &'static EcdsaVerificationAlgorithm,
        curve: &ObjectIdentifier,
        point: &[u8],
    ) -> Result<Self, PublicKeyError> {
        let verifier = ParsedPublicKey::new(verification, point).map_err(|_| PublicKeyError::Point(algorithm))?;
        let identifier = AlgorithmIdentifierRef { oid: EC, parameters: Some(curve.into()) };
        Self::new(algorithm, Verifier::AwsLc(verifier), identifier, point)
    }

    /// From the 32 bytes of RFC 8032, 5.1.2.
    pub(super) fn from_ed25519(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let algorithm = KeyAlgorithm::Ed25519;
        let key = ed25519_dalek::VerifyingKey::try_from(bytes).map_err(|_| PublicKeyError::Point(algorithm))?;
        if key.to_edwards().compress().as_bytes() != key.as_bytes() {
            return Err(PublicKeyError::NotCanonical);
        }
        if key.is_weak() {
            return Err(PublicKeyError::Weak);
        }
        let identifier = AlgorithmIdentifierRef { oid: ED25519, parameters: None };
        Self::new(algorithm, Verifier::Ed25519(key), identifier, bytes)
    }

    /// From an RSAPublicKey (RFC 8017, A.1.1).
    pub(super) fn from_rsa_pkcs1(der: &[u8]) -> Result<Self, PublicKeyError> {
        let mut reader = SliceReader::new(der)?;
        let (n, e) = reader.sequence(|numbers| {
            Ok::<_, pkcs8::der::Error>((numbers.decode::<UintRef<'_>>()?, numbers.decode::<UintRef<'_>>()?))
        })?;
        reader.finish()?;
        let bits = bits_of(n.as_bytes());
        if !crate::limits::RSA_BITS.contains(&bits) {
            return Err(PublicKeyError::RsaBits { bits });
        }
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        let exponent = e.as_bytes();
        let large = exponent.len() > RSA_EXPONENT_LEAST.len()
            || exponent.len() == RSA_EXPONENT_LEAST.len() && *exponent >= RSA_EXPONENT_LEAST[..];
        if !(odd(n.as_bytes()) && odd(exponent) && large) {
            return Err(PublicKeyError::RsaNumbers);
        }
        let verifier = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
        let verifier = Verifier::AwsLc(verifier.map_err(|_| PublicKeyError::RsaNumbers)?);
        let identifier = AlgorithmIdentifierRef { oid: RSA, parameters: Some(AnyRef::NULL) };
        Self::new(KeyAlgorithm::Rsa(bits), verifier, identifier, der)
    }

    fn new(
        algorithm: KeyAlgorithm,
        verifier: Verifier,
        identifier: AlgorithmIdentifierRef<'_>,
        bits: &[u8],
    ) -> Result<Self, PublicKeyError> {
        let spki = encode_spki(identifier, bits)?;
        let fingerprint = Fingerprint::of(&spki);
        Ok(Self(Arc::new(Parsed { spki, algorithm, fingerprint, verifier })))
    }

    /// The key as one PEM block `PUBLIC KEY`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.0.spki)
    }

    /// The canonical SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The key's name: what principals are counted by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// What kind of key it is.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.0.algorithm
    }

    /// What cosign writes into a bundle's `verificationMaterial.publicKey.hint`: the fingerprint in base64.
    #[must_use]
    pub fn hint(&self) -> String {
        STANDARD.encode(self.0.fingerprint.bytes())
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }
}

/// A compressed or uncompressed point; not SEC1's identity, nor the compact form, nor X9.62's hybrid.
fn plain_point(point: &[u8]) -> Option<&[u8]> {
    matches!(point.first(), Some(2..=4)).then_some(point)
}

fn encode_spki(algorithm: AlgorithmIdentifierRef<'_>, bits: &[u8]) -> Result<Vec<u8>, pkcs8::der::Error> {
    SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(bits)? }.to_der()
}

/// The length in bits of a big-endian number without leading zero bytes.
fn bits_of(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.spki == other.0.spki
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.spki.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.0.algorithm, self.0.fingerprint)
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
        }
    }
}

/// Why a text names no kind of key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "key algorithm {0:?}: expected ecdsa-p256, ecdsa-p384, ed25519, rsa-2048, rsa-3072 (or rsa), rsa-4096 or rsa-8192"
)]
pub struct KeyAlgorithmError(String);

impl FromStr for KeyAlgorithm {
    type Err = KeyAlgorithmError;

    /// Parses the names under which keys are generated.
    fn from_str(text: &str) -> Result<Self, KeyAlgorithmError> {
        Ok(match text {
            "ecdsa-p256" => Self::EcdsaP256,
            "ecdsa-p384" => Self::EcdsaP384,
            "ed25519" => Self::Ed25519,
            "rsa" | "rsa-3072" => Self::Rsa(3072),
            "rsa-2048" => Self::Rsa(2048),
            "rsa-4096" => Self::Rsa(4096),
            "rsa-8192" => Self::Rsa(8192),
            _ => return Err(KeyAlgorithmError(text.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests;
