//! Bundles that carry a certificate: written as cosign lays them out, and read back where one was kept unfinished.

use super::dsse::{self, Envelope, EnvelopeSignature};
use crate::{crypto::hash::HashAlgorithm, oci::media_type::BUNDLE_V03};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use sigstore_types::{Bundle, SignatureContent, TransparencyLogEntry, VerificationMaterialContent};

/// What a certificate's key has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedContent {
    /// A DSSE envelope with one signature.
    Envelope(Envelope),
    /// Bytes that are elsewhere.
    Message {
        /// Their SHA-256.
        sha256: [u8; 32],
        /// The signature over them.
        signature: Vec<u8>,
    },
}

/// What a bundle with a certificate is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct CertifiedBundle {
    /// What is signed.
    pub content: SignedContent,
    /// The certificate, in DER.
    pub leaf: Vec<u8>,
    /// Log entries.
    pub entries: Vec<TransparencyLogEntry>,
    /// RFC 3161 answers, in DER.
    pub timestamps: Vec<Vec<u8>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    media_type: &'a str,
    verification_material: Material<'a>,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Material<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Hint<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tlog_entries: &'a [TransparencyLogEntry],
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<Timestamps>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bytes {
    raw_bytes: String,
}

#[derive(Serialize)]
struct Hint<'a> {
    hint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timestamps {
    rfc3161_timestamps: Vec<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timestamp {
    signed_timestamp: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Content {
    DsseEnvelope(dsse::Wire),
    #[serde(rename_all = "camelCase")]
    MessageSignature {
        message_digest: MessageDigest,
        signature: String,
    },
}

#[derive(Serialize)]
struct MessageDigest {
    algorithm: &'static str,
    digest: String,
}

impl CertifiedBundle {
    /// Encodes a v0.3 bundle.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let content = match &self.content {
            SignedContent::Envelope(envelope) => Content::DsseEnvelope(envelope.wire()),
            SignedContent::Message { sha256, signature } => message((HashAlgorithm::Sha256, sha256), signature),
        };
        let stamp = |der: &Vec<u8>| Timestamp { signed_timestamp: STANDARD.encode(der) };
        let timestamps = (!self.timestamps.is_empty())
            .then(|| Timestamps { rfc3161_timestamps: self.timestamps.iter().map(stamp).collect() });
        super::to_json(&Wire {
            media_type: BUNDLE_V03,
            verification_material: Material {
                certificate: Some(Bytes { raw_bytes: STANDARD.encode(&self.leaf) }),
                public_key: None,
                tlog_entries: &self.entries,
                timestamp_verification_data: timestamps,
            },
            content,
        })
    }

    /// Reads back what [`CertifiedBundle::encode`] wrote; nothing of it is verified.
    ///
    /// None if it is anything else.
    #[must_use]
    pub fn decode(value: Value) -> Option<Self> {
        let bundle = Bundle::deserialize(value).ok()?;
        let VerificationMaterialContent::Certificate(leaf) = bundle.verification_material.content else { return None };
        let content = match bundle.content {
            SignatureContent::DsseEnvelope(envelope) => SignedContent::Envelope(Envelope {
                payload_type: envelope.payload_type,
                payload: envelope.payload.into_bytes(),
                signatures: vec![EnvelopeSignature { key_hint: None, signature: envelope.signature.sig.into_bytes() }],
            }),
            SignatureContent::MessageSignature(message) => SignedContent::Message {
                sha256: message.message_digest?.digest.as_bytes().try_into().ok()?,
                signature: message.signature.into_bytes(),
            },
            _ => return None,
        };
        let stamps = bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
        Some(Self {
            content,
            leaf: leaf.raw_bytes.as_bytes().to_vec(),
            entries: bundle.verification_material.tlog_entries,
            timestamps: stamps.into_iter().map(|stamp| stamp.signed_timestamp.into_bytes()).collect(),
        })
    }
}

/// Encodes a v0.3 bundle of a bare signature by a key over bytes of this hash.
#[must_use]
pub fn encode_keyed_message(hashed: (HashAlgorithm, &[u8]), signature: &[u8], hint: &str) -> Vec<u8> {
    let material = Material {
        certificate: None,
        public_key: Some(Hint { hint }),
        tlog_entries: &[],
        timestamp_verification_data: None,
    };
    let content = message(hashed, signature);
    super::to_json(&Wire { media_type: BUNDLE_V03, verification_material: material, content })
}

fn message((algorithm, hash): (HashAlgorithm, &[u8]), signature: &[u8]) -> Content {
    // sigstore_common.proto, `HashAlgorithm`.
    let algorithm = match algorithm {
        HashAlgorithm::Sha256 => "SHA2_256",
        HashAlgorithm::Sha384 => "SHA2_384",
        HashAlgorithm::Sha512 => "SHA2_512",
    };
    let message_digest = MessageDigest { algorithm, digest: STANDARD.encode(hash) };
    Content::MessageSignature { message_digest, signature: STANDARD.encode(signature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(content: SignedContent, timestamps: Vec<Vec<u8>>) -> CertifiedBundle {
        CertifiedBundle { content, leaf: vec![0x30, 0], entries: Vec::new(), timestamps }
    }

    #[test]
    fn what_was_kept_is_read_back_as_it_was() {
        let signatures = vec![EnvelopeSignature { key_hint: None, signature: vec![1, 2] }];
        let envelope = Envelope { payload_type: "text/plain".to_owned(), payload: b"x".to_vec(), signatures };
        for content in
            [SignedContent::Envelope(envelope), SignedContent::Message { sha256: [7; 32], signature: vec![3] }]
        {
            for timestamps in [vec![], vec![vec![0x30, 1]]] {
                let made = bundle(content.clone(), timestamps);
                let value: Value = serde_json::from_slice(&made.encode()).unwrap();
                assert_eq!(CertifiedBundle::decode(value), Some(made));
            }
        }
        assert_eq!(CertifiedBundle::decode(Value::Null), None);
    }

    #[test]
    fn a_message_signature_is_laid_out_as_cosign_s() {
        let text =
            String::from_utf8(bundle(SignedContent::Message { sha256: [0; 32], signature: vec![3] }, vec![]).encode());
        assert_eq!(
            text.unwrap(),
            "{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"verificationMaterial\":{\"certificate\":\
             {\"rawBytes\":\"MAA=\"}},\"messageSignature\":{\"messageDigest\":{\"algorithm\":\"SHA2_256\",\"digest\":\
             \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"},\"signature\":\"Aw==\"}}"
        );
    }
}
