//! What a transparency log has recorded of a signature: the canonical bodies of Rekor v1 and v2.
//!
//! Rekor v1 (`hashedrekord` 0.0.1, `dsse` 0.0.1, `intoto` 0.0.2) has PEM in base64 and hashes in hex, Rekor v2
//! (`hashedrekord` 0.0.2, `dsse` 0.0.2) DER and base64 (sigstore/rekor, `pkg/types`; sigstore/rekor-tiles, `api/proto`).

use super::dsse::decode_base64;
use crate::{
    crypto::{decode_pem, hash::HashAlgorithm},
    json::{self, JsonError},
};
use serde::Deserialize;
use serde_json::Value;

/// A body as it was found: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What the signatures are said to be over.
    pub content: LoggedContent,
    /// The signatures.
    pub signatures: Vec<LoggedSignature>,
}

/// What was logged, by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedContent {
    /// The message that was signed: of an envelope its pre-authentication encoding.
    Message(HashAlgorithm, Vec<u8>),
    /// An envelope's payload.
    Payload(HashAlgorithm, Vec<u8>),
}

/// A signature, and what the log has verified it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedSignature {
    /// The signature's bytes.
    pub signature: Vec<u8>,
    /// The verifier.
    pub verifier: Verifier,
}

/// What a log has verified a signature with, in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// A certificate.
    Certificate(Vec<u8>),
    /// A SubjectPublicKeyInfo.
    Key(Vec<u8>),
}

/// Why bytes are no body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Not JSON of the kind's shape.
    #[error("the log entry's body is {0}")]
    Json(#[from] JsonError),
    /// A kind that is not read.
    #[error("a log entry of kind {0:?}; hashedrekord 0.0.1 and 0.0.2, dsse 0.0.1 and 0.0.2, and intoto 0.0.2 are read")]
    Kind(String),
    /// The body is of another kind than the entry says.
    #[error("the log entry says it is {entry:?}, its body {body:?}")]
    Mismatch {
        /// What the entry says.
        entry: String,
        /// What the body says.
        body: String,
    },
    /// A field is not encoded as it has to be.
    #[error("the log entry's body: {0}")]
    Field(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
    spec: Value,
}

impl Body {
    /// Decodes a body of the kind and version that its entry names.
    ///
    /// # Errors
    /// As [`BodyError`] says.
    pub fn decode(bytes: &[u8], kind: &str, version: &str) -> Result<Self, BodyError> {
        let Head { api_version, kind: own, spec } = json::decode(bytes)?;
        if own != kind || api_version != version {
            let (entry, body) = (format!("{kind} {version}"), format!("{own} {api_version}"));
            return Err(BodyError::Mismatch { entry, body });
        }
        match (kind, version) {
            ("hashedrekord", "0.0.1") => shape::<HashedRekord1>(spec)?.body(),
            ("dsse", "0.0.1") => shape::<Dsse1>(spec)?.body(),
            ("intoto", "0.0.2") => shape::<Intoto2>(spec)?.body(),
            ("hashedrekord", "0.0.2") => shape::<HashedRekord2>(spec)?.body(),
            ("dsse", "0.0.2") => shape::<Dsse2>(spec)?.body(),
            _ => Err(BodyError::Kind(format!("{kind} {version}"))),
        }
    }
}

fn shape<T: for<'de> Deserialize<'de>>(spec: Value) -> Result<T, BodyError> {
    Ok(T::deserialize(spec).map_err(JsonError::from)?)
}

#[derive(Deserialize)]
struct HexHash {
    algorithm: String,
    value: String,
}

impl HexHash {
    fn decode(&self) -> Result<(HashAlgorithm, Vec<u8>), BodyError> {
        let algorithm = match self.algorithm.as_str() {
            "sha256" => HashAlgorithm::Sha256,
            "sha384" => HashAlgorithm::Sha384,
            "sha512" => HashAlgorithm::Sha512,
            _ => return Err(BodyError::Field("a hash is by none of sha256, sha384 and sha512")),
        };
        Ok((algorithm, hex::decode(&self.value).map_err(|_| BodyError::Field("a hash is not in hex"))?))
    }
}

/// A PEM text in base64: a certificate, or a public key.
fn pem_verifier(text: &str) -> Result<Verifier, BodyError> {
    let block = decode_pem(&base64(text)?).map_err(|_| BodyError::Field("a verifier is no PEM"))?;
    match block.label.as_str() {
        "CERTIFICATE" => Ok(Verifier::Certificate(block.bytes.to_vec())),
        "PUBLIC KEY" => Ok(Verifier::Key(block.bytes.to_vec())),
        _ => Err(BodyError::Field("a verifier is neither a certificate nor a public key")),
    }
}

fn base64(text: &str) -> Result<Vec<u8>, BodyError> {
    decode_base64(text).ok_or(BodyError::Field("a field is no base64"))
}

#[derive(Deserialize)]
struct HashedRekord1 {
    data: HashedRekord1Data,
    signature: HashedRekord1Signature,
}

#[derive(Deserialize)]
struct HashedRekord1Data {
    hash: HexHash,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HashedRekord1Signature {
    content: String,
    public_key: Content,
}

#[derive(Deserialize)]
struct Content {
    content: String,
}

impl HashedRekord1 {
    fn body(self) -> Result<Body, BodyError> {
        let (algorithm, digest) = self.data.hash.decode()?;
        let signature = LoggedSignature {
            signature: base64(&self.signature.content)?,
            verifier: pem_verifier(&self.signature.public_key.content)?,
        };
        Ok(Body { content: LoggedContent::Message(algorithm, digest), signatures: vec![signature] })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse1 {
    payload_hash: HexHash,
    signatures: Vec<Dsse1Signature>,
}

#[derive(Deserialize)]
struct Dsse1Signature {
    signature: String,
    verifier: String,
}

impl Dsse1 {
    fn body(self) -> Result<Body, BodyError> {
        let (algorithm, digest) = self.payload_hash.decode()?;
        let one = |s: &Dsse1Signature| {
            Ok(LoggedSignature { signature: base64(&s.signature)?, verifier: pem_verifier(&s.verifier)? })
        };
        let signatures = self.signatures.iter().map(one).collect::<Result<_, BodyError>>()?;
        Ok(Body { content: LoggedContent::Payload(algorithm, digest), signatures })
    }
}

#[derive(Deserialize)]
struct Intoto2 {
    content: Intoto2Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intoto2Content {
    envelope: Intoto2Envelope,
    payload_hash: HexHash,
}

#[derive(Deserialize)]
struct Intoto2Envelope {
    signatures: Vec<Intoto2Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intoto2Signature {
    sig: String,
    public_key: String,
}

impl Intoto2 {
    fn body(self) -> Result<Body, BodyError> {
        let (algorithm, digest) = self.content.payload_hash.decode()?;
        let one = |s: &Intoto2Signature| {
            // This kind has the base64 of the envelope's own base64.
            let inner = String::from_utf8(base64(&s.sig)?).map_err(|_| BodyError::Field("a signature is no base64"))?;
            Ok(LoggedSignature { signature: base64(&inner)?, verifier: pem_verifier(&s.public_key)? })
        };
        let signatures = self.content.envelope.signatures.iter().map(one).collect::<Result<_, BodyError>>()?;
        Ok(Body { content: LoggedContent::Payload(algorithm, digest), signatures })
    }
}

#[derive(Deserialize)]
struct HashOutput {
    algorithm: String,
    digest: String,
}

impl HashOutput {
    fn decode(&self) -> Result<(HashAlgorithm, Vec<u8>), BodyError> {
        let algorithm = match self.algorithm.as_str() {
            "SHA2_256" => HashAlgorithm::Sha256,
            "SHA2_384" => HashAlgorithm::Sha384,
            "SHA2_512" => HashAlgorithm::Sha512,
            _ => return Err(BodyError::Field("a hash is by none of SHA2_256, SHA2_384 and SHA2_512")),
        };
        Ok((algorithm, base64(&self.digest)?))
    }
}

#[derive(Deserialize)]
struct Signature2 {
    content: String,
    verifier: Verifier2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verifier2 {
    #[serde(default)]
    x509_certificate: Option<RawBytes>,
    #[serde(default)]
    public_key: Option<RawBytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBytes {
    raw_bytes: String,
}

impl Signature2 {
    fn decode(&self) -> Result<LoggedSignature, BodyError> {
        let verifier = match (&self.verifier.x509_certificate, &self.verifier.public_key) {
            (Some(certificate), None) => Verifier::Certificate(base64(&certificate.raw_bytes)?),
            (None, Some(key)) => Verifier::Key(base64(&key.raw_bytes)?),
            _ => return Err(BodyError::Field("a verifier is not exactly one of a certificate and a public key")),
        };
        Ok(LoggedSignature { signature: base64(&self.content)?, verifier })
    }
}

#[derive(Deserialize)]
struct HashedRekord2 {
    #[serde(rename = "hashedRekordV002")]
    record: HashedRekord2Record,
}

#[derive(Deserialize)]
struct HashedRekord2Record {
    data: HashOutput,
    signature: Signature2,
}

impl HashedRekord2 {
    fn body(self) -> Result<Body, BodyError> {
        let (algorithm, digest) = self.record.data.decode()?;
        let signatures = vec![self.record.signature.decode()?];
        Ok(Body { content: LoggedContent::Message(algorithm, digest), signatures })
    }
}

#[derive(Deserialize)]
struct Dsse2 {
    #[serde(rename = "dsseV002")]
    record: Dsse2Record,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse2Record {
    payload_hash: HashOutput,
    signatures: Vec<Signature2>,
}

impl Dsse2 {
    fn body(self) -> Result<Body, BodyError> {
        let (algorithm, digest) = self.record.payload_hash.decode()?;
        let signatures = self.record.signatures.iter().map(Signature2::decode).collect::<Result<_, _>>()?;
        Ok(Body { content: LoggedContent::Payload(algorithm, digest), signatures })
    }
}
