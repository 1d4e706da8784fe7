//! The JSON, member by member.

use super::{KeyId, NotaryFormatError, Signature};
use crate::crypto::NotaryMethod;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads a type out of what strict JSON let through.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, NotaryFormatError> {
    serde_json::from_value(value).map_err(NotaryFormatError::Shape)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireFile {
    pub(super) signed: Value,
    pub(super) signatures: Vec<WireSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireSignature {
    keyid: KeyId,
    method: String,
    sig: Bytes,
}

impl From<WireSignature> for Signature {
    fn from(wire: WireSignature) -> Self {
        // Notary lowers the case before it compares.
        let method = match wire.method.to_ascii_lowercase().as_str() {
            "ecdsa" => Some(NotaryMethod::Ecdsa),
            "rsapss" => Some(NotaryMethod::RsaPss),
            "eddsa" => Some(NotaryMethod::EdDsa),
            _ => None,
        };
        Self { key_id: wire.keyid, method, bytes: wire.sig.0 }
    }
}

#[derive(Deserialize)]
pub(super) struct WireCommon {
    #[serde(rename = "_type")]
    pub(super) r#type: String,
    pub(super) version: u64,
    pub(super) expires: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct WireKey {
    pub(super) keytype: String,
    pub(super) keyval: WireKeyValue,
}

#[derive(Deserialize)]
pub(super) struct WireKeyValue {
    pub(super) public: Bytes,
}

#[derive(Deserialize)]
pub(super) struct WireRole {
    pub(super) keyids: Vec<KeyId>,
    pub(super) threshold: u64,
}

#[derive(Deserialize)]
pub(super) struct WireRoot {
    pub(super) keys: BTreeMap<String, WireKey>,
    pub(super) roles: BTreeMap<String, WireRole>,
}

#[derive(Deserialize)]
pub(super) struct WireTargets {
    pub(super) targets: Option<BTreeMap<String, WireFileMeta>>,
    pub(super) delegations: Option<WireDelegations>,
}

#[derive(Deserialize)]
pub(super) struct WireDelegations {
    pub(super) keys: Option<BTreeMap<String, WireKey>>,
    pub(super) roles: Option<Vec<WireDelegation>>,
}

#[derive(Deserialize)]
pub(super) struct WireDelegation {
    pub(super) name: String,
    pub(super) paths: Option<Vec<String>>,
    #[serde(flatten)]
    pub(super) role: WireRole,
}

#[derive(Deserialize)]
pub(super) struct WireMeta {
    pub(super) meta: BTreeMap<String, WireFileMeta>,
}

#[derive(Deserialize)]
pub(super) struct WireFileMeta {
    pub(super) length: u64,
    pub(super) hashes: BTreeMap<String, Bytes>,
}

/// Bytes in base64, padded, as Go writes a `[]byte`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, base64::DecodeError> {
        STANDARD.decode(text).map(Self)
    }
}
