//! Timestamp and snapshot (TUF 1.0.34, 5.4 and 5.5).

use super::{
    Supplied, Update, UpdateError, Want,
    checks::check_version,
    roots::authority,
    trusted::{Trusted, decode},
};
use crate::{
    format::tuf::{FileMeta, Metadata, RoleName, Snapshot, Timestamp},
    oci::Digest,
};
use bytes::Bytes;
use std::cmp::Ordering;

impl Update {
    /// TUF 1.0.34, 5.4: signatures, no older than what is known, fresh.
    pub(super) fn take_timestamp(&mut self, bytes: &Bytes) -> Result<Supplied, UpdateError> {
        let Some(root) = &self.root else { return Err(UpdateError::NothingWanted) };
        let role = RoleName::Timestamp;
        let metadata = decode::<Timestamp>(&role, bytes)?;
        let authority = authority(root.metadata.signed(), &role);
        let signers = authority.verify(&metadata)?;
        let version = metadata.version();
        self.terms.check_plausible(&role, version)?;
        let file = Trusted { metadata, digest: Digest::sha256(bytes), signers, keys: authority.fingerprints() };
        self.terms.check_floor(&role, version, Some(file.digest), &file.keys)?;
        let (file, supplied) = match &self.previous.timestamp {
            Some(previous) if !self.is_newer(previous, &file)? => (previous.clone(), Supplied::NotNeeded),
            _ => (file, Supplied::Kept),
        };
        let listed = file.metadata.signed().snapshot().map(|meta| meta.version).unwrap_or_default();
        self.check_snapshot_version(listed)?;
        self.terms.check_fresh(&role, file.metadata.expires())?;
        self.timestamp = Some(file);
        Ok(supplied)
    }

    /// The snapshot's version is plausible and not older than one that was seen.
    fn check_snapshot_version(&self, version: u64) -> Result<(), UpdateError> {
        let Some(root) = &self.root else { return Err(UpdateError::NothingWanted) };
        let keys = authority(root.metadata.signed(), &RoleName::Snapshot).fingerprints();
        self.terms.check_plausible(&RoleName::Snapshot, version)?;
        self.terms.check_floor(&RoleName::Snapshot, version, None, &keys)
    }

    pub(super) fn want_snapshot(&self) -> Option<Want> {
        if self.snapshot.is_some() {
            return None;
        }
        let meta = self.timestamp.as_ref()?.metadata.signed().snapshot()?;
        Some(self.want_listed(RoleName::Snapshot, meta, self.terms.limits.snapshot_bytes))
    }

    /// A file that timestamp or snapshot list: its version, and its signed length within the limit.
    pub(super) fn want_listed(&self, role: RoleName, meta: &FileMeta, limit: u64) -> Want {
        let consistent = self.root.as_ref().is_some_and(|root| root.metadata.signed().consistent_snapshot);
        let max_bytes = meta.length.map_or(limit, |length| length.min(limit));
        Want { file: role.file_name(consistent.then_some(meta.version)), role, version: Some(meta.version), max_bytes }
    }

    /// TUF 1.0.34, 5.5: the listed file, its signatures, its version, no role in it older or gone, fresh.
    pub(super) fn take_snapshot(&mut self, bytes: &Bytes) -> Result<Supplied, UpdateError> {
        let (Some(root), Some(timestamp)) = (&self.root, &self.timestamp) else {
            return Err(UpdateError::NothingWanted);
        };
        let role = RoleName::Snapshot;
        let listed = timestamp.metadata.signed().snapshot();
        let meta = listed.ok_or_else(|| UpdateError::Missing { file: role.meta_name(), role: role.clone() })?;
        let digest = self.terms.check_listed(&role, &RoleName::Timestamp, meta, bytes)?;
        let metadata = decode::<Snapshot>(&role, bytes)?;
        let authority = authority(root.metadata.signed(), &role);
        let signers = authority.verify(&metadata)?;
        check_version(&role, &RoleName::Timestamp, meta.version, metadata.version())?;
        let file = Trusted { metadata, digest, signers, keys: authority.fingerprints() };
        self.terms.check_floor(&role, meta.version, Some(file.digest), &file.keys)?;
        self.check_listed_roles(&file.metadata)?;
        self.terms.check_fresh(&role, file.metadata.expires())?;
        self.snapshot = Some(file);
        Ok(Supplied::Kept)
    }

    /// TUF 1.0.34, 5.5.5: every role that was listed still is, with no older version. That delegated roles are no older
    /// than what was seen is checked at the end, when their keys are known.
    fn check_listed_roles(&self, snapshot: &Metadata<Snapshot>) -> Result<(), UpdateError> {
        let dropped = |role: &RoleName| Err(UpdateError::RoleDropped { role: role.clone() });
        if let Some(previous) = &self.previous.snapshot {
            for (name, before) in &previous.metadata.signed().meta {
                let role = RoleName::from_meta_name(name).unwrap_or_else(|| RoleName::Delegated(name.clone()));
                match snapshot.signed().meta.get(name) {
                    None => return dropped(&role),
                    Some(now) if now.version < before.version => {
                        return Err(UpdateError::Rollback { role, found: now.version, known: before.version });
                    }
                    Some(_) => {}
                }
            }
        }
        let seen =
            self.terms.floors.roles.keys().filter(|role| !matches!(role, RoleName::Timestamp | RoleName::Snapshot));
        match seen.into_iter().find(|role| snapshot.signed().file(role).is_none()) {
            Some(role) => dropped(role),
            None => Ok(()),
        }
    }

    /// TUF 1.0.34, 5.4.3: whether the timestamp takes the place of the known one. An older one is an error, and so is an older
    /// snapshot in it. Of one version another file does not, but by boltseal's rules it does: two sealed at once.
    fn is_newer(&self, known: &Trusted<Timestamp>, new: &Trusted<Timestamp>) -> Result<bool, UpdateError> {
        let rollback = |role, found, known| Err(UpdateError::Rollback { role, found, known });
        let listed =
            |file: &Trusted<Timestamp>| file.metadata.signed().snapshot().map(|meta| meta.version).unwrap_or_default();
        let (before, now) = (known.metadata.version(), new.metadata.version());
        match now.cmp(&before) {
            Ordering::Less => rollback(RoleName::Timestamp, now, before),
            Ordering::Equal if self.terms.is_boltseal() => Ok(known.digest != new.digest),
            Ordering::Equal => Ok(false),
            Ordering::Greater if listed(new) < listed(known) => {
                rollback(RoleName::Snapshot, listed(new), listed(known))
            }
            Ordering::Greater => Ok(true),
        }
    }
}
