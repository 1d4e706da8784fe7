use super::UpdateError;
use crate::{
    crypto::Fingerprint,
    format::tuf::{Metadata, Role, RoleName},
    oci::Digest,
    trust::Principal,
};
use std::collections::BTreeSet;

/// A file whose signatures were verified.
#[derive(Clone, Debug)]
pub(super) struct Trusted<R> {
    pub metadata: Metadata<R>,
    /// As it was read, byte for byte.
    pub bytes: Vec<u8>,
    pub digest: Digest,
    pub signers: BTreeSet<Principal>,
    /// The role's keys, as who delegates to it lists them.
    pub keys: BTreeSet<Fingerprint>,
}

impl<R: Role> Trusted<R> {
    pub fn new(metadata: Metadata<R>, bytes: &[u8], signers: BTreeSet<Principal>, keys: BTreeSet<Fingerprint>) -> Self {
        Self { metadata, bytes: bytes.to_vec(), digest: Digest::sha256(bytes), signers, keys }
    }
}

pub(super) fn decode<R: Role>(role: &RoleName, bytes: &[u8]) -> Result<Metadata<R>, UpdateError> {
    Metadata::decode(bytes).map_err(|source| UpdateError::Malformed { role: role.clone(), source })
}
