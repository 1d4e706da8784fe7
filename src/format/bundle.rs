//! Sigstore bundles, v0.1 to v0.3 (sigstore/protobuf-specs, `sigstore_bundle.proto`), read through `sigstore-types`.

use super::dsse::{Envelope, EnvelopeSignature};
use crate::{
    json::{self, JsonError},
    oci::media_type::BUNDLE_V03,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sigstore_types::{SignatureContent, VerificationMaterialContent};

/// A bundle as it was found: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What is signed.
    pub content: Content,
    /// What the signer says it was signed with.
    pub material: Material,
}

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A DSSE envelope; a bundle's has exactly one signature.
    Envelope(Envelope),
    /// A bare signature over bytes that are elsewhere.
    MessageSignature,
}

/// What a bundle says it was signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Material {
    /// A key that the verifier has to know; the hint is unsigned.
    PublicKey {
        /// base64 of the key's SHA-256 in cosign's and our bundles; any text in others.
        hint: String,
    },
    /// A certificate, with or without its chain.
    Certificate,
}

/// Why bytes are no bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not JSON of a bundle's shape.
    #[error("the bundle is {0}")]
    Json(#[from] JsonError),
    /// Two members of which only one may be there, or none of them.
    #[error("the bundle has to have exactly one of {one_of:?}, it has {found}")]
    OneOf {
        /// The members.
        one_of: &'static [&'static str],
        /// How many are there.
        found: usize,
    },
    /// A kind of content or material that the bundle format does not have today.
    #[error("the bundle holds a kind of {0} that this version does not know")]
    Unknown(&'static str),
}

const CONTENTS: &[&str] = &["messageSignature", "dsseEnvelope"];
const MATERIALS: &[&str] = &["certificate", "x509CertificateChain", "publicKey"];

impl Bundle {
    /// Decodes a bundle.
    ///
    /// Checks: strict JSON, the shape, that content and material are unambiguous, exactly one signature. Does not
    /// check: any signature, certificate, log entry or timestamp.
    ///
    /// # Errors
    /// As [`BundleError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let value = json::decode_value(bytes)?;
        exactly_one(&value, CONTENTS)?;
        exactly_one(value.get("verificationMaterial").unwrap_or(&Value::Null), MATERIALS)?;
        let bundle = sigstore_types::Bundle::deserialize(value).map_err(JsonError::from)?;
        let material = match bundle.verification_material.content {
            VerificationMaterialContent::PublicKey(key) => Material::PublicKey { hint: key.hint },
            VerificationMaterialContent::Certificate(_) | VerificationMaterialContent::X509CertificateChain { .. } => {
                Material::Certificate
            }
            _ => return Err(BundleError::Unknown("verification material")),
        };
        let content = match bundle.content {
            SignatureContent::DsseEnvelope(envelope) => Content::Envelope(Envelope {
                payload_type: envelope.payload_type,
                payload: envelope.payload.into_bytes(),
                signatures: vec![EnvelopeSignature {
                    key_hint: match &material {
                        Material::PublicKey { hint } if !hint.is_empty() => Some(hint.clone()),
                        _ => None,
                    },
                    signature: envelope.signature.sig.into_bytes(),
                }],
            }),
            SignatureContent::MessageSignature(_) => Content::MessageSignature,
            _ => return Err(BundleError::Unknown("content")),
        };
        Ok(Self { content, material })
    }
}

/// Encodes a v0.3 bundle signed with a key, byte for byte as cosign 3 lays it out.
#[must_use]
pub fn encode_keyed(envelope: &Envelope, hint: &str) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        media_type: &'a str,
        verification_material: WireMaterial<'a>,
        dsse_envelope: super::dsse::Wire,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct WireMaterial<'a> {
        public_key: WireKey<'a>,
    }
    #[derive(Serialize)]
    struct WireKey<'a> {
        hint: &'a str,
    }
    let verification_material = WireMaterial { public_key: WireKey { hint } };
    super::to_json(&Wire { media_type: BUNDLE_V03, verification_material, dsse_envelope: envelope.wire() })
}

fn exactly_one(value: &Value, one_of: &'static [&'static str]) -> Result<(), BundleError> {
    match one_of.iter().filter(|name| value.get(name).is_some()).count() {
        1 => Ok(()),
        found => Err(BundleError::OneOf { one_of, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSIGN: &[u8] = include_bytes!("../../testdata/wire/cosign-bundle.json");

    #[test]
    fn cosign_s_bundle_is_read_and_written_back_to_the_byte() {
        let bundle = Bundle::decode(COSIGN).expect("cosign's bundle");
        let (Content::Envelope(mut envelope), Material::PublicKey { hint }) = (bundle.content, bundle.material) else {
            panic!("an envelope and a key")
        };
        assert_eq!(envelope.signatures[0].key_hint.as_ref(), Some(&hint));
        envelope.signatures[0].key_hint = None;
        assert_eq!(encode_keyed(&envelope, &hint), COSIGN);
    }

    // [V-10]
    #[test]
    fn an_ambiguous_bundle_is_refused() {
        let text = std::str::from_utf8(COSIGN).expect("text");
        for (from, to) in [
            ("\"dsseEnvelope\"", "\"messageSignature\":{\"signature\":\"AA==\"},\"dsseEnvelope\""),
            ("\"publicKey\"", "\"certificate\":{\"rawBytes\":\"AA==\"},\"publicKey\""),
            ("\"publicKey\"", "\"nothing\""),
            ("\"dsseEnvelope\"", "\"nothing\""),
            ("bundle.v0.3", "bundle.v9.9"),
        ] {
            assert!(Bundle::decode(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
