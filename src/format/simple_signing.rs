//! Simple-signing payloads, as cosign and skopeo put them into `.sig` manifests (containers/image,
//! `containers-signature(5)`; sigstore/cosign, `SIGNATURE_SPEC.md`).

use crate::{
    json::{self, JsonError},
    oci::Digest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the payload's `type` has to be.
pub const TYPE: &str = "cosign container image signature";

/// A payload as it was found: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The reference that the signer gave the image, with or without a tag; may be empty.
    pub docker_reference: String,
    /// The digest that is signed.
    pub digest: Digest,
    /// The signer's annotations; what is not a string is its JSON.
    pub optional: BTreeMap<String, String>,
}

/// Why bytes are no payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Not JSON of a payload's shape.
    #[error("the payload is {0}")]
    Json(#[from] JsonError),
    /// Another kind of simple signature.
    #[error("the payload's type is {0:?}, expected {TYPE:?}")]
    Type(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    critical: Critical,
    optional: Option<BTreeMap<String, Value>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    r#type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

impl Payload {
    /// Decodes a payload. Unknown members are refused, as `containers-signature(5)` asks: "critical" means so.
    ///
    /// # Errors
    /// As [`PayloadError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let wire: Wire = json::decode(bytes)?;
        if wire.critical.r#type != TYPE {
            return Err(PayloadError::Type(wire.critical.r#type));
        }
        Ok(Self {
            docker_reference: wire.critical.identity.docker_reference,
            digest: wire.critical.image.docker_manifest_digest,
            optional: wire.optional.unwrap_or_default().into_iter().map(|(k, v)| (k, text_of(v))).collect(),
        })
    }

    /// The bytes that are signed, members in the order that cosign writes; no annotations are `null`, as there.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let optional: BTreeMap<_, _> =
            self.optional.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
        super::to_json(&Wire {
            critical: Critical {
                identity: Identity { docker_reference: self.docker_reference.clone() },
                image: Image { docker_manifest_digest: self.digest },
                r#type: TYPE.to_owned(),
            },
            optional: (!optional.is_empty()).then_some(optional),
        })
    }
}

/// A string as it is, anything else as its JSON.
pub(crate) fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSIGN: &[u8] = include_bytes!("../../testdata/wire/cosign-simple-signing.json");

    #[test]
    fn cosign_s_payload_is_read_and_written_back_to_the_byte() {
        let payload = Payload::decode(COSIGN).expect("cosign's payload");
        assert_eq!(payload.optional.get("env").map(String::as_str), Some("prod"));
        assert_eq!(payload.encode(), COSIGN);
        let bare = Payload { optional: BTreeMap::new(), ..payload };
        assert!(String::from_utf8_lossy(&bare.encode()).ends_with(r#""optional":null}"#));
        assert_eq!(Payload::decode(&bare.encode()).expect("ours"), bare);
    }

    // [V-12]
    #[test]
    fn another_type_and_unknown_members_are_refused() {
        let text = std::str::from_utf8(COSIGN).expect("text");
        assert!(Payload::decode(text.replace("cosign container", "atomic container").as_bytes()).is_err());
        assert!(Payload::decode(text.replace("\"type\"", "\"more\":1,\"type\"").as_bytes()).is_err());
        assert!(Payload::decode(text.replace("sha256:a4", "sha256:A4").as_bytes()).is_err());
    }

    #[test]
    fn skopeo_s_payload_has_a_number_for_a_time() {
        let payload = Payload::decode(
            br#"{"critical":{"identity":{"docker-reference":"h:1/r:t"},"image":{"docker-manifest-digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"type":"cosign container image signature"},"optional":{"creator":"containers/image 5.39.1","timestamp":1763768544}}"#,
        )
        .expect("skopeo's payload");
        assert_eq!(payload.optional.get("timestamp").map(String::as_str), Some("1763768544"));
    }
}
