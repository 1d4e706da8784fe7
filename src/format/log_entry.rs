//! Entries of a transparency log, as bundles carry them (sigstore/protobuf-specs, `sigstore_rekor.proto`).
//!
//! `sigstore-types` has this message too, and refuses a whole bundle for a kind of entry that it does not know.

use super::dsse::decode_base64;
use crate::json::{self, JsonError};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};

/// An entry as it was found: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The name of the log: SHA-256 of its key, or what its checkpoints call it.
    pub log: Vec<u8>,
    /// The entry's place in the log, over all of its shards.
    pub index: u64,
    /// What kind of body it has: `hashedrekord`, `dsse`, `intoto`.
    pub kind: String,
    /// The kind's version.
    pub version: String,
    /// When the log says that it took it in; none for logs that leave that to a timestamp authority.
    pub integrated: Option<Timestamp>,
    /// The log's signed promise to take it in (Rekor v1, "SignedEntryTimestamp").
    pub promise: Option<Vec<u8>>,
    /// That it is in the log.
    pub proof: Option<InclusionProof>,
    /// The canonical body: the leaf of the log's tree.
    pub body: Vec<u8>,
}

/// An audit path and the signed head that it leads to (RFC 9162, 2.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The leaf's place in the tree.
    pub index: u64,
    /// The head's root, by the proof's own word.
    pub root: [u8; 32],
    /// Leaves of the tree, by the proof's own word.
    pub size: u64,
    /// The path, from the leaf up.
    pub path: Vec<[u8; 32]>,
    /// The signed head, as a signed note.
    pub checkpoint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "number")]
    log_index: u64,
    log_id: WireLogId,
    kind_version: WireKind,
    #[serde(default, deserialize_with = "number")]
    integrated_time: u64,
    #[serde(default)]
    inclusion_promise: Option<WirePromise>,
    #[serde(default)]
    inclusion_proof: Option<WireProof>,
    #[serde(deserialize_with = "bytes")]
    canonicalized_body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLogId {
    #[serde(deserialize_with = "bytes")]
    key_id: Vec<u8>,
}

#[derive(Deserialize)]
struct WireKind {
    kind: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePromise {
    #[serde(deserialize_with = "bytes")]
    signed_entry_timestamp: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProof {
    #[serde(default, deserialize_with = "number")]
    log_index: u64,
    #[serde(default)]
    root_hash: String,
    #[serde(default, deserialize_with = "number")]
    tree_size: u64,
    #[serde(default)]
    hashes: Vec<String>,
    #[serde(default)]
    checkpoint: Option<WireCheckpoint>,
}

#[derive(Deserialize)]
struct WireCheckpoint {
    envelope: String,
}

impl<'de> Deserialize<'de> for LogEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let seconds = i64::try_from(wire.integrated_time).map_err(D::Error::custom)?;
        let time = Timestamp::from_second(seconds).map_err(D::Error::custom)?;
        Ok(Self {
            log: wire.log_id.key_id,
            index: wire.log_index,
            kind: wire.kind_version.kind,
            version: wire.kind_version.version,
            // Absent and 0 are one thing in this encoding.
            integrated: Some(time).filter(|time| *time != Timestamp::UNIX_EPOCH),
            promise: wire.inclusion_promise.map(|promise| promise.signed_entry_timestamp),
            proof: wire.inclusion_proof.map(proof).transpose().map_err(D::Error::custom)?,
            body: wire.canonicalized_body,
        })
    }
}

/// What cosign's legacy signatures carry as an annotation: an entry with the log's promise alone.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireCosign {
    signed_entry_timestamp: String,
    payload: WireCosignPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCosignPayload {
    body: String,
    integrated_time: i64,
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyHead {
    kind: String,
    api_version: String,
}

impl LogEntry {
    /// Decodes the annotation `dev.sigstore.cosign/bundle`.
    ///
    /// # Errors
    /// Not strict JSON of that shape, or fields that are not encoded as they have to be.
    pub fn from_cosign(text: &str) -> Result<Self, JsonError> {
        let refused = |what: &str| JsonError::from(serde_json::Error::custom(what));
        let wire: WireCosign = json::decode(text.as_bytes())?;
        let body = decode_base64(&wire.payload.body).ok_or_else(|| refused("the body is no base64"))?;
        let BodyHead { kind, api_version } = json::decode(&body)?;
        let promise = decode_base64(&wire.signed_entry_timestamp);
        Ok(Self {
            log: hex::decode(&wire.payload.log_id).map_err(|_| refused("the log's id is not hex"))?,
            index: wire.payload.log_index,
            kind,
            version: api_version,
            integrated: Some(Timestamp::from_second(wire.payload.integrated_time).map_err(serde_json::Error::custom)?),
            promise: Some(promise.ok_or_else(|| refused("the signed entry timestamp is no base64"))?),
            proof: None,
            body,
        })
    }
}

fn proof(wire: WireProof) -> Result<InclusionProof, &'static str> {
    let hash = |text: &str| {
        let bytes = decode_base64(text).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or("a hash of an inclusion proof is not the base64 of 32 bytes")
    };
    Ok(InclusionProof {
        index: wire.log_index,
        root: hash(&wire.root_hash)?,
        size: wire.tree_size,
        path: wire.hashes.iter().map(|text| hash(text)).collect::<Result<_, _>>()?,
        checkpoint: wire.checkpoint.map(|checkpoint| checkpoint.envelope).filter(|envelope| !envelope.is_empty()),
    })
}

/// A 64-bit number, which this encoding writes as a text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Text(String),
        Number(u64),
    }
    match Number::deserialize(deserializer)? {
        Number::Text(text) => text.parse().map_err(D::Error::custom),
        Number::Number(number) => Ok(number),
    }
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode_base64(&text).ok_or_else(|| D::Error::custom("not base64"))
}
