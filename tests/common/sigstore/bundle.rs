//! Bundles put together from their parts, whatever the parts are.

use super::{Digest, Issued, b64};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V01,
    V02,
    V03,
}

impl Version {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::V01 => "application/vnd.dev.sigstore.bundle+json;version=0.1",
            Self::V02 => "application/vnd.dev.sigstore.bundle+json;version=0.2",
            Self::V03 => "application/vnd.dev.sigstore.bundle.v0.3+json",
        }
    }
}

/// What a signature is verified with.
#[derive(Clone, Debug)]
pub enum Material {
    /// The leaf; before v0.3 as a chain of one.
    Certificate(Issued),
    /// The whole chain without the root, in any version.
    Chain(Issued),
    /// A key that the verifier has, by its hint.
    PublicKey(String),
}

#[derive(Clone, Debug)]
pub enum Content {
    Message { digest: Digest, signature: Vec<u8> },
    Envelope(Value),
}

#[derive(Clone, Debug)]
pub struct Bundle {
    pub version: Version,
    pub material: Material,
    /// `TransparencyLogEntry` each.
    pub entries: Vec<Value>,
    /// `TimeStampResp` each, DER.
    pub timestamps: Vec<Vec<u8>>,
    pub content: Content,
}

impl Bundle {
    pub fn json(&self) -> Value {
        let raw = |der: &Vec<u8>| json!({ "rawBytes": b64(der) });
        let chain = |issued: &Issued, length: usize| {
            let certificates: Vec<_> = [&issued.leaf].into_iter().chain(&issued.chain).take(length).map(raw).collect();
            json!({ "x509CertificateChain": { "certificates": certificates } })
        };
        let mut material = match (&self.material, self.version) {
            (Material::Certificate(issued), Version::V03) => json!({ "certificate": raw(&issued.leaf) }),
            (Material::Certificate(issued), _) => chain(issued, 1),
            (Material::Chain(issued), _) => chain(issued, 1 + issued.chain.len().saturating_sub(1)),
            (Material::PublicKey(hint), _) => json!({ "publicKey": { "hint": hint } }),
        };
        material["tlogEntries"] = json!(self.entries);
        let stamps: Vec<_> = self.timestamps.iter().map(|der| json!({ "signedTimestamp": b64(der) })).collect();
        material["timestampVerificationData"] = json!({ "rfc3161Timestamps": stamps });
        let mut bundle = json!({ "mediaType": self.version.media_type(), "verificationMaterial": material });
        match &self.content {
            Content::Message { digest, signature } => {
                bundle["messageSignature"] = json!({
                    "messageDigest": { "algorithm": digest.hash.name(), "digest": b64(&digest.value) },
                    "signature": b64(signature),
                });
            }
            Content::Envelope(envelope) => bundle["dsseEnvelope"] = envelope.clone(),
        }
        bundle
    }
}
