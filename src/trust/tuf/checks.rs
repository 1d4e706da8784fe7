//! The checks that several roles share, each with its step of the specification.

use super::{Expiry, Terms, UpdateError};
use crate::{
    crypto::Fingerprint,
    format::tuf::{Binding, FileMeta, RoleName},
    limits::TUF_VERSION_AHEAD,
    oci::Digest,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

impl Terms {
    /// The freeze check (TUF 1.0.34, 5.3.10, 5.4.4, 5.5.6, 5.6.5): `expires` lies after the update's time.
    pub(super) fn check_fresh(&self, role: &RoleName, expires: Timestamp) -> Result<(), UpdateError> {
        let counts = match self.expiry {
            _ if expires > self.now => true,
            Expiry::Refuse => false,
            Expiry::MaxStale(most) => is_sealing(role) && self.now.duration_since(expires) <= most,
            Expiry::InsecureAccept => true,
        };
        if counts { Ok(()) } else { Err(UpdateError::Expired { role: role.clone(), expires, now: self.now }) }
    }

    /// The rollback check against what was seen before (TUF 1.0.34, 5.4.3, 5.5.5), and that one version is one file. Two who
    /// seal at once make two timestamps and snapshots of one version: there it is what they list that must not be older.
    pub(super) fn check_floor(
        &self,
        role: &RoleName,
        version: u64,
        digest: Option<Digest>,
        keys: &BTreeSet<Fingerprint>,
    ) -> Result<(), UpdateError> {
        let Some(floor) = self.floors.roles.get(role).filter(|floor| floor.holds(keys)) else { return Ok(()) };
        if version < floor.version {
            return Err(UpdateError::Rollback { role: role.clone(), found: version, known: floor.version });
        }
        match (digest, floor.digest) {
            (Some(found), Some(known)) if version == floor.version && found != known && !is_sealing(role) => {
                Err(UpdateError::VersionReused { role: role.clone(), version, known, found })
            }
            _ => Ok(()),
        }
    }

    /// Versions that count seconds are not from the future.
    pub(super) fn check_plausible(&self, role: &RoleName, version: u64) -> Result<(), UpdateError> {
        let now = u64::try_from(self.now.as_second()).unwrap_or_default();
        let most = now.saturating_add(TUF_VERSION_AHEAD.as_secs());
        if self.is_boltseal() && version > most {
            return Err(UpdateError::VersionImplausible { role: role.clone(), found: version, most });
        }
        Ok(())
    }

    /// The file is the one that timestamp or snapshot name: length and hashes (TUF 1.0.34, 5.5.2, 5.6.2). It is read
    /// no further before this. The file's digest.
    pub(super) fn check_listed(
        &self,
        role: &RoleName,
        by: &RoleName,
        meta: &FileMeta,
        bytes: &[u8],
    ) -> Result<Digest, UpdateError> {
        let mixed = |what, expected: String, found: String| {
            Err(UpdateError::MixAndMatch { role: role.clone(), what, by: by.clone(), expected, found })
        };
        let digest = Digest::sha256(bytes);
        if self.is_boltseal() && meta.length.is_none() {
            return mixed("length", "nothing".to_owned(), bytes.len().to_string());
        }
        if self.is_boltseal() && meta.sha256().is_none() {
            return mixed("sha256", "nothing".to_owned(), digest.hex());
        }
        if let Some(length) = meta.length.filter(|length| *length != bytes.len() as u64) {
            return mixed("length", length.to_string(), bytes.len().to_string());
        }
        if let Some(hashes) = meta.hashes.as_ref().filter(|hashes| !hashes.are_of(bytes, &digest)) {
            let stated = hashes.to_map().remove("sha256").unwrap_or_else(|| "no SHA-256 that matches".to_owned());
            return mixed("sha256", stated, digest.hex());
        }
        Ok(digest)
    }

    /// Boltseal's own rule: a targets role names the repository it was signed for.
    pub(super) fn check_binding(&self, role: &RoleName, binding: Option<&Binding>) -> Result<(), UpdateError> {
        let super::Rules::Boltseal { repository } = &self.rules else { return Ok(()) };
        let found = binding.map(|binding| binding.repository.clone());
        if found.as_ref() == Some(repository) {
            return Ok(());
        }
        Err(UpdateError::WrongRepository { role: role.clone(), expected: repository.clone(), found })
    }
}

fn is_sealing(role: &RoleName) -> bool {
    matches!(role, RoleName::Timestamp | RoleName::Snapshot)
}

/// The version inside is the one that `by` says (TUF 1.0.34, 5.3.5, 5.5.4, 5.6.4).
pub(super) fn check_version(role: &RoleName, by: &RoleName, expected: u64, found: u64) -> Result<(), UpdateError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_string(), found.to_string());
    Err(UpdateError::MixAndMatch { role: role.clone(), what: "version", by: by.clone(), expected, found })
}
