use super::UpdateError;
use crate::{
    crypto::Fingerprint,
    format::tuf::{Metadata, Role, RoleName},
    oci::Digest,
    trust::Principal,
};
use bytes::Bytes;
use std::collections::BTreeSet;

/// A file whose signatures were verified.
#[derive(Clone, Debug)]
pub(super) struct Trusted<R> {
    pub metadata: Metadata<R>,
    /// The digest of the file.
    pub digest: Digest,
    pub signers: BTreeSet<Principal>,
    /// The role's keys, as who delegates to it lists them.
    pub keys: BTreeSet<Fingerprint>,
}

impl<R: Role> Trusted<R> {
    /// The file, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        self.metadata.received()
    }
}

pub(super) fn decode<R: Role>(role: &RoleName, bytes: &Bytes) -> Result<Metadata<R>, UpdateError> {
    Metadata::decode_shared(bytes.clone()).map_err(|source| UpdateError::Malformed { role: role.clone(), source })
}
