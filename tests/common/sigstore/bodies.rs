//! What logs write down of a signature: the canonical JSON of each kind of entry.

use super::{
    b64,
    keys::{Hash, Key, pem},
};
use serde_json::{Value, json};

/// A hash with its algorithm.
#[derive(Clone, Debug)]
pub struct Digest {
    pub hash: Hash,
    pub value: Vec<u8>,
}

impl Digest {
    pub fn of(hash: Hash, message: &[u8]) -> Self {
        Self { hash, value: hash.of(message) }
    }
}

/// What a signature in a log is said to be verified with.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub der: Vec<u8>,
    pub is_certificate: bool,
    /// protobuf-specs' `PublicKeyDetails`.
    pub details: String,
}

impl Verifier {
    pub fn key(key: &Key) -> Self {
        Self { der: key.spki(), is_certificate: false, details: key.details().to_owned() }
    }

    pub fn certificate(leaf: &[u8], key: &Key) -> Self {
        Self { der: leaf.to_vec(), is_certificate: true, details: key.details().to_owned() }
    }

    /// As Rekor v1 has it.
    fn pem(&self) -> String {
        b64(pem(if self.is_certificate { "CERTIFICATE" } else { "PUBLIC KEY" }, &self.der).as_bytes())
    }

    /// As Rekor v2 has it.
    pub fn json(&self) -> Value {
        let name = if self.is_certificate { "x509Certificate" } else { "publicKey" };
        json!({ name: { "rawBytes": b64(&self.der) }, "keyDetails": self.details })
    }
}

/// What a log is given.
#[derive(Clone, Debug)]
pub struct Body {
    pub kind: &'static str,
    pub version: &'static str,
    pub spec: Value,
}

impl Body {
    /// JCS: members sorted, no blanks; enough for ASCII.
    pub fn canonical(&self) -> Vec<u8> {
        json!({ "apiVersion": self.version, "kind": self.kind, "spec": self.spec }).to_string().into_bytes()
    }
}

/// hashedrekord 0.0.1 of Rekor v1.
pub fn hashedrekord_v1(digest: &Digest, signature: &[u8], verifier: &Verifier) -> Body {
    let spec = json!({
        "data": { "hash": { "algorithm": digest.hash.short_name(), "value": hex::encode(&digest.value) } },
        "signature": { "content": b64(signature), "publicKey": { "content": verifier.pem() } },
    });
    Body { kind: "hashedrekord", version: "0.0.1", spec }
}

/// dsse 0.0.1 of Rekor v1, for an envelope as it was sent. `verifiers` in the order of the signatures; PEM, base64.
pub fn dsse_v1_of(envelope: &str, verifiers: &[String]) -> Option<Body> {
    let parsed: Value = serde_json::from_str(envelope).ok()?;
    let signatures = parsed["signatures"].as_array()?.iter().zip(verifiers);
    let signatures: Vec<_> = signatures
        .map(|(signature, verifier)| json!({ "signature": signature["sig"], "verifier": verifier }))
        .collect();
    let spec = json!({
        "envelopeHash": sha256(envelope.as_bytes()),
        "payloadHash": sha256(&super::unb64(parsed["payload"].as_str()?)?),
        "signatures": signatures,
    });
    Some(Body { kind: "dsse", version: "0.0.1", spec })
}

/// dsse 0.0.1 of Rekor v1, with one verifier.
pub fn dsse_v1(envelope: &Value, verifier: &Verifier) -> Body {
    dsse_v1_of(&envelope.to_string(), &[verifier.pem()]).expect("an envelope")
}

/// intoto 0.0.2 of Rekor v1: signatures are base64 twice, the payload is left out.
pub fn intoto_v1(envelope: &Value, verifier: &Verifier) -> Body {
    let payload = super::unb64(envelope["payload"].as_str().expect("a payload")).expect("base64");
    let twice = |sig: &Value| b64(sig.as_str().expect("a signature").as_bytes());
    let signatures = envelope["signatures"].as_array().expect("signatures").iter();
    let signatures: Vec<_> =
        signatures.map(|one| json!({ "publicKey": verifier.pem(), "sig": twice(&one["sig"]) })).collect();
    let logged = json!({
        "payloadType": envelope["payloadType"], "payload": twice(&envelope["payload"]), "signatures": signatures,
    });
    let spec = json!({ "content": {
        "envelope": { "payloadType": envelope["payloadType"], "signatures": signatures },
        "hash": sha256(logged.to_string().as_bytes()), "payloadHash": sha256(&payload),
    } });
    Body { kind: "intoto", version: "0.0.2", spec }
}

/// hashedrekord 0.0.2 of Rekor v2; for an envelope, over its PAE.
pub fn hashedrekord_v2(digest: &Digest, signature: &[u8], verifier: &Verifier) -> Body {
    let spec = json!({ "hashedRekordV002": {
        "data": { "algorithm": digest.hash.name(), "digest": b64(&digest.value) },
        "signature": { "content": b64(signature), "verifier": verifier.json() },
    } });
    Body { kind: "hashedrekord", version: "0.0.2", spec }
}

/// dsse 0.0.2 of Rekor v2, as npm's client writes it.
pub fn dsse_v2(envelope: &Value, verifier: &Verifier) -> Body {
    dsse_v2_of(envelope, &verifier.json()).expect("an envelope")
}

/// dsse 0.0.2 of Rekor v2, for a request's own verifier.
pub fn dsse_v2_of(envelope: &Value, verifier: &Value) -> Option<Body> {
    let payload = super::unb64(envelope["payload"].as_str()?)?;
    let signatures = envelope["signatures"].as_array()?.iter();
    let signatures: Vec<_> = signatures.map(|one| json!({ "content": one["sig"], "verifier": verifier })).collect();
    let spec = json!({ "dsseV002": {
        "payloadHash": { "algorithm": "SHA2_256", "digest": b64(&Hash::Sha256.of(&payload)) },
        "signatures": signatures,
    } });
    Some(Body { kind: "dsse", version: "0.0.2", spec })
}

fn sha256(bytes: &[u8]) -> Value {
    json!({ "algorithm": "sha256", "value": hex::encode(Hash::Sha256.of(bytes)) })
}
