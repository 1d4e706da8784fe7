//! Metadata of Notary v1 (Docker Content Trust): untrusted bytes to untrusted structs.
//!
//! It is TUF as of 2015, not TUF 1.0 (theupdateframework/notary, `tuf/data`): `_type` is capitalised, hashes and
//! signatures are base64, a key's id is SHA-256 over the canonical JSON of the key object, delegation `paths` are
//! prefixes, roles are named without `.json`, and there is no `spec_version`. What is signed is the canonical JSON of
//! `signed` in the dialect of docker/go, see [`Signed::message`].

mod canonical;
mod error;
mod key;
mod metadata;
#[cfg(test)]
mod tests;
mod wire;

pub use error::NotaryFormatError;
pub use key::{Key, KeyError, KeyId};
pub use metadata::{Delegation, FileMeta, RoleKeys, Root, Snapshot, Targets, Timestamp};

use crate::{crypto::NotaryMethod, json, limits::NOTARY_SIGNATURES};
use jiff::Timestamp as Time;
use serde::Deserialize as _;
use serde_json::Value;
use wire::{WireCommon, WireFile};

/// A metadata file: what is signed, decoded, and the signatures over it. Nothing of it is verified.
#[derive(Clone, Debug)]
pub struct Signed<T> {
    /// The bytes that signatures are made over: the canonical JSON of `signed`.
    pub message: Vec<u8>,
    /// The signatures, in the file's order.
    pub signatures: Vec<Signature>,
    /// The version, at least 1.
    pub version: u64,
    /// The moment after which it does not hold any more.
    pub expires: Time,
    /// The role's own part.
    pub body: T,
}

/// A signature as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key that should have made it.
    pub key_id: KeyId,
    /// How; `None` for a method that boltseal does not verify.
    pub method: Option<NotaryMethod>,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// The part of a metadata file that tells roles apart.
pub trait Body: Sized {
    /// What `_type` has to be.
    const TYPE: &'static str;

    /// Decodes the role's own members of `signed`.
    ///
    /// # Errors
    /// Members that are missing or of another shape, names or keys that break Notary's rules.
    fn decode(signed: Value) -> Result<Self, NotaryFormatError>;
}

impl<T: Body> Signed<T> {
    /// Decodes a metadata file.
    ///
    /// Checked: strict JSON; nothing beside `signed` and `signatures`; `_type`, version and shape; that key ids are the
    /// hash of their key; that roles name known keys and a threshold of at least 1; that hashes have their length.
    /// Unknown members of `signed` are passed over, and signed nevertheless.
    ///
    /// # Errors
    /// One for each of these.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotaryFormatError> {
        let WireFile { signed, signatures } = json::decode(bytes)?;
        if signatures.len() > NOTARY_SIGNATURES {
            return Err(NotaryFormatError::Limit { what: "signatures", limit: NOTARY_SIGNATURES });
        }
        let message = canonical::encode(&signed)?;
        let common = WireCommon::deserialize(&signed).map_err(NotaryFormatError::Shape)?;
        if common.r#type != T::TYPE {
            return Err(NotaryFormatError::Type { found: common.r#type, expected: T::TYPE });
        }
        if common.version == 0 {
            return Err(NotaryFormatError::Version);
        }
        let signatures = signatures.into_iter().map(Signature::from).collect();
        let body = T::decode(signed)?;
        Ok(Self { message, signatures, version: common.version, expires: common.expires, body })
    }
}

/// Whether a name is one of a delegated role: below `targets/`, of `a-z 0-9 - _`, at most 255 characters.
#[must_use]
pub fn is_delegation(name: &str) -> bool {
    let fits = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    name.len() <= 255
        && name
            .strip_prefix("targets/")
            .is_some_and(|rest| rest.split('/').all(|part| !part.is_empty() && part.chars().all(fits)))
}
