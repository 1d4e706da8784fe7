//! Sigstore bundles, v0.1 to v0.3 (sigstore/protobuf-specs, `sigstore_bundle.proto`), read through `sigstore-types`.

use super::{
    dsse::{Envelope, EnvelopeSignature},
    log_entry::LogEntry,
};
use crate::{
    crypto::hash::HashAlgorithm,
    json::{self, JsonError},
    limits::JSON_VALUES,
    oci::media_type::BUNDLE_V03,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use sigstore_types::{MediaType, PayloadBytes, SignatureContent, VerificationMaterialContent};
use std::{borrow::Cow, collections::BTreeMap};

/// A bundle as it was found: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What is signed.
    pub content: Content,
    /// What the signer says it was signed with.
    pub material: Material,
    /// Where it was logged.
    pub entries: Vec<LogEntry>,
    /// Who saw the signature when: RFC 3161 responses.
    pub timestamps: Vec<Vec<u8>>,
    /// Whether each entry has to come with an inclusion proof: from v0.2 on (v0.1 made do with a promise).
    pub proofs: bool,
}

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A DSSE envelope; a bundle's has exactly one signature.
    Envelope(Envelope),
    /// A bare signature over bytes that are elsewhere.
    Message(MessageSignature),
}

/// A signature over bytes that are not in the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSignature {
    /// The bytes' hash, by the bundle's own word.
    pub digest: Option<(HashAlgorithm, Vec<u8>)>,
    /// The signature.
    pub signature: Vec<u8>,
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
    /// Certificates in DER, the signer's first, and at least that one.
    Certificates(Vec<Vec<u8>>),
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
    /// The envelope's payload is no base64.
    #[error("the bundle's payload is no base64")]
    Payload,
    /// No certificate where there has to be one.
    #[error("the bundle's certificate chain is empty")]
    NoCertificate,
    /// A kind of content or material that the bundle format does not have today.
    #[error("the bundle holds a kind of {0} that this version does not know")]
    Unknown(&'static str),
}

const ENVELOPE: &str = "dsseEnvelope";
const CONTENTS: &[&str] = &["messageSignature", ENVELOPE];
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
        json::check(bytes, JSON_VALUES)?;
        let (mut value, payload) = without_payload(bytes)?;
        exactly_one(&value, CONTENTS)?;
        exactly_one(value.get("verificationMaterial").unwrap_or(&Value::Null), MATERIALS)?;
        let entries = value.get_mut("verificationMaterial").and_then(|material| material.get_mut("tlogEntries"));
        let entries = entries.map_or(Value::Null, Value::take);
        if let Some(Value::Object(material)) = value.get_mut("verificationMaterial") {
            material.remove("tlogEntries");
        }
        let entries = Option::<Vec<LogEntry>>::deserialize(entries).map_err(JsonError::from)?.unwrap_or_default();
        let bundle = sigstore_types::Bundle::deserialize(value).map_err(JsonError::from)?;
        let material = material(bundle.verification_material.content)?;
        let content = content(bundle.content, &material, payload)?;
        let timestamps = bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
        let timestamps = timestamps.into_iter().map(|one| one.signed_timestamp.into_bytes()).collect();
        let proofs = bundle.media_type != MediaType::Bundle0_1;
        Ok(Self { content, material, entries, timestamps, proofs })
    }
}

/// An object's members as they stand in the bytes.
type Members<'b> = BTreeMap<Cow<'b, str>, &'b RawValue>;

/// A text as it stands in the bytes.
#[derive(Deserialize)]
struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

/// The bundle with an empty payload in its envelope, and that payload: it may be large, and is decoded from where it stands.
fn without_payload(bytes: &[u8]) -> Result<(Value, Option<Vec<u8>>), BundleError> {
    let members: Members<'_> = serde_json::from_slice(bytes).map_err(JsonError::from)?;
    let mut payload = None;
    let mut bundle = Map::new();
    for (name, raw) in members {
        let value =
            if name == ENVELOPE { of_envelope(raw, &mut payload)? } else { json::decode_value(raw.get().as_bytes())? };
        bundle.insert(name.into_owned(), value);
    }
    Ok((Value::Object(bundle), payload))
}

fn of_envelope(raw: &RawValue, payload: &mut Option<Vec<u8>>) -> Result<Value, BundleError> {
    let members: Members<'_> = serde_json::from_str(raw.get()).map_err(JsonError::from)?;
    let mut envelope = Map::new();
    for (name, raw) in members {
        let value = if name == "payload" {
            let text: Text<'_> = serde_json::from_str(raw.get()).map_err(JsonError::from)?;
            let decoded = PayloadBytes::from_base64(&text.0).map_err(|_| BundleError::Payload)?;
            *payload = Some(decoded.into_bytes());
            Value::String(String::new())
        } else {
            json::decode_value(raw.get().as_bytes())?
        };
        envelope.insert(name.into_owned(), value);
    }
    Ok(Value::Object(envelope))
}

fn material(material: VerificationMaterialContent) -> Result<Material, BundleError> {
    match material {
        VerificationMaterialContent::PublicKey(key) => Ok(Material::PublicKey { hint: key.hint }),
        VerificationMaterialContent::Certificate(one) => {
            Ok(Material::Certificates(vec![one.raw_bytes.as_bytes().to_vec()]))
        }
        VerificationMaterialContent::X509CertificateChain { certificates } if certificates.is_empty() => {
            Err(BundleError::NoCertificate)
        }
        VerificationMaterialContent::X509CertificateChain { certificates } => {
            Ok(Material::Certificates(certificates.iter().map(|one| one.raw_bytes.as_bytes().to_vec()).collect()))
        }
        _ => Err(BundleError::Unknown("verification material")),
    }
}

fn content(content: SignatureContent, material: &Material, payload: Option<Vec<u8>>) -> Result<Content, BundleError> {
    match content {
        SignatureContent::DsseEnvelope(envelope) => {
            let key_hint = match material {
                Material::PublicKey { hint } if !hint.is_empty() => Some(hint.clone()),
                _ => None,
            };
            let signatures = vec![EnvelopeSignature { key_hint, signature: envelope.signature.sig.into_bytes() }];
            let (payload_type, payload) = (envelope.payload_type, payload.unwrap_or_default());
            Ok(Content::Envelope(Envelope { payload_type, payload, signatures }))
        }
        SignatureContent::MessageSignature(message) => {
            let digest = message.message_digest.map(|digest| {
                let algorithm = match digest.algorithm {
                    sigstore_types::HashAlgorithm::Sha2256 => HashAlgorithm::Sha256,
                    sigstore_types::HashAlgorithm::Sha2384 => HashAlgorithm::Sha384,
                    sigstore_types::HashAlgorithm::Sha2512 => HashAlgorithm::Sha512,
                    _ => return Err(BundleError::Unknown("message digest")),
                };
                Ok((algorithm, digest.digest.into_bytes()))
            });
            Ok(Content::Message(MessageSignature {
                digest: digest.transpose()?,
                signature: message.signature.into_bytes(),
            }))
        }
        _ => Err(BundleError::Unknown("content")),
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

    #[test]
    fn a_payload_is_read_in_every_spelling_of_its_text() {
        let text = std::str::from_utf8(COSIGN).expect("text");
        let payload = |text: &str| match Bundle::decode(text.as_bytes()).expect("a bundle").content {
            Content::Envelope(envelope) => envelope.payload,
            Content::Message(_) => panic!("an envelope"),
        };
        let escaped = text.replace("\"payload\":\"e", "\"payl\\u006fad\": \"\\u0065");
        assert_ne!(escaped, text);
        assert_eq!(payload(&escaped), payload(text));
        let start = text.find("\"payload\":\"").expect("a payload") + "\"payload\":\"".len();
        let end = start + text[start..].find('"').expect("an end");
        assert_eq!(payload(&format!("{}{}", &text[..start], &text[end..])), b"");
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
            ("\"payload\":\"", "\"payload\":\"*"),
            ("\"payload\":", "\"payload\":\"AA==\",\"payload\":"),
            ("\"payload\":", "\"nothing\":"),
            ("\"dsseEnvelope\":", "\"dsseEnvelope\":null,\"other\":"),
        ] {
            assert!(Bundle::decode(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
