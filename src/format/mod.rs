//! Untrusted bytes to untrusted structs and back: strict, bounded, and without an opinion on who signed.

pub mod bundle;
pub mod dsse;
pub mod evidence;
pub mod fulcio;
pub mod image_config;
pub mod keyless_bundle;
pub mod legacy;
pub mod log_entry;
pub mod notary;
pub mod predicate;
pub mod rekor;
mod signed_reference;
pub mod simple_signing;
pub mod statement;
pub mod trust_manifest;
pub mod tuf;

pub use signed_reference::SignedReference;

use serde::Serialize;

/// JSON of our own structs: maps with text keys and no foreign `Serialize`, so it can't fail.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
