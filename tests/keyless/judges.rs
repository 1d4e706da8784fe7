//! The two judges: ours, and the project's.

use boltseal::{
    limits::Limits,
    trust::{Anchors, TrustedRoot},
    verify::{Artifact, Demands, Verified, verify_blob},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sigstore_verify::{VerificationPolicy, Verifier};
use std::sync::Arc;

use crate::sigstore::Hash;

pub const CONTENT: &[u8] = b"shop/cart 1.0";

/// When everything happens: a little ago, since the project's verifier asks the wall clock.
pub fn then() -> Timestamp {
    Timestamp::from_second((Timestamp::now() - SignedDuration::from_mins(5)).as_second()).expect("a time")
}

pub fn statement() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "cart", "digest": { "sha256": hex::encode(Hash::Sha256.of(CONTENT)) } }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {},
    })
}

/// Ours, as `blob verify` asks: one log, one certificate transparency log. An id, where it is refused.
pub fn ours(root: &Value, bundle: &Value) -> Result<Verified, &'static str> {
    ours_with(root, bundle, &Demands::default())
}

pub fn ours_with(root: &Value, bundle: &Value, demands: &Demands) -> Result<Verified, &'static str> {
    let root = TrustedRoot::decode("private", root.to_string().as_bytes()).expect("a trusted root");
    let anchors = Anchors::default().with_roots([Arc::new(root)]);
    let artifact = Artifact::from_bytes(CONTENT.to_vec());
    let bytes = bundle.to_string().into_bytes();
    let verified = verify_blob(&artifact, bytes, &anchors, Timestamp::now(), &Limits::default());
    let verified = verified.map_err(|rejection| rejection.id())?;
    let [one] = <[Verified; 1]>::try_from(verified).expect("one signer");
    one.backing().meets(demands).map_err(|rejection| rejection.id())?;
    Ok(one)
}

/// The project's, with its own defaults.
pub fn theirs(root: &Value, bundle: &Value) -> Result<(), String> {
    let root = sigstore_trust_root::TrustedRoot::from_json(&root.to_string()).map_err(|error| error.to_string())?;
    let verifier = Verifier::new(&root).map_err(|error| error.to_string())?;
    let bundle = sigstore_types::Bundle::from_json(&bundle.to_string()).map_err(|error| error.to_string())?;
    let verified = verifier.verify(CONTENT, &bundle, &VerificationPolicy::any_identity());
    verified.map(|_| ()).map_err(|error| error.to_string())
}
