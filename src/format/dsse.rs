//! DSSE envelopes (secure-systems-lab/dsse, protocol 1.0).

use crate::{
    json::{self, JsonError},
    limits::JSON_VALUES,
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An envelope as it was found: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is, a media type.
    pub payload_type: String,
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// The signatures, each over [`Envelope::pae`].
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// The key that the signature says it is by; unsigned.
    pub key_hint: Option<String>,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

/// Why bytes are no envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DsseError {
    /// Not JSON of an envelope's shape.
    #[error("the envelope is {0}")]
    Json(#[from] JsonError),
    /// A member is not base64.
    #[error("the envelope's {0} is no base64")]
    Base64(&'static str),
}

/// An envelope as it stands in the bytes: the payload, which may be large, is not copied before it is decoded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'b> {
    #[serde(borrow)]
    payload: Cow<'b, str>,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

/// Pre-authentication encoding: the bytes that are signed (DSSE protocol 1.0, "PAE").
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    sigstore_types::pae(payload_type, payload)
}

impl Envelope {
    /// Decodes a bare envelope.
    ///
    /// # Errors
    /// Not strict JSON of an envelope's shape, or members that are no base64 (standard or URL-safe alphabet).
    pub fn decode(bytes: &[u8]) -> Result<Self, DsseError> {
        json::check(bytes, JSON_VALUES)?;
        let wire: Written<'_> = serde_json::from_slice(bytes).map_err(JsonError::from)?;
        let signature = |s: WireSignature| {
            let signature = decode_base64(&s.sig).ok_or(DsseError::Base64("signature"))?;
            Ok(EnvelopeSignature { key_hint: s.keyid.filter(|id| !id.is_empty()), signature })
        };
        Ok(Self {
            payload: decode_base64(&wire.payload).ok_or(DsseError::Base64("payload"))?,
            payload_type: wire.payload_type,
            signatures: wire.signatures.into_iter().map(signature).collect::<Result<_, DsseError>>()?,
        })
    }

    /// The bytes that the signatures are over.
    #[must_use]
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    pub(super) fn wire(&self) -> Wire {
        let signature =
            |s: &EnvelopeSignature| WireSignature { keyid: s.key_hint.clone(), sig: STANDARD.encode(&s.signature) };
        Wire {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self.signatures.iter().map(signature).collect(),
        }
    }

    /// The envelope as JSON, members in the order that cosign writes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        super::to_json(&self.wire())
    }
}

/// Base64 in the standard or the URL-safe alphabet, padded or not, as DSSE asks of readers.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_s_example_is_encoded_as_it_says() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn an_envelope_is_read_back_as_it_was_written() {
        let envelope = Envelope {
            payload_type: "text/plain".into(),
            payload: b"\xff\xfe".to_vec(),
            signatures: vec![EnvelopeSignature { key_hint: Some("k".into()), signature: vec![1, 2] }],
        };
        assert_eq!(Envelope::decode(&envelope.encode()).expect("ours"), envelope);
        let url_safe = br#"{"payload":"__4","payloadType":"text/plain","signatures":[{"keyid":"k","sig":"AQI="}]}"#;
        assert_eq!(Envelope::decode(url_safe).expect("URL-safe"), envelope);
        assert!(Envelope::decode(br#"{"payload":"*","payloadType":"t","signatures":[]}"#).is_err());
    }
}
