//! The chain of roots (TUF 1.0.34, 5.2 and 5.3).

use super::{
    Supplied, TrustedStart, Update, UpdateError, Want,
    checks::check_version,
    quorum::{Authority, Count, count_pinned},
    trusted::{Trusted, decode},
    update::Previous,
};
use crate::{
    crypto::Fingerprint,
    format::tuf::{Metadata, Role, RoleKeys, RoleName, Root},
    oci::Digest,
    trust::Principal,
};
use bytes::Bytes;
use std::collections::BTreeSet;

const TOP_LEVEL: [RoleName; 4] = [RoleName::Root, RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets];

/// A top-level role's keys and threshold.
pub(super) fn authority(root: &Root, role: &RoleName) -> Authority {
    match root.role(role) {
        Some(role_keys) => Authority::new(role, &root.keys, role_keys),
        // Threshold 0 is never met.
        None => Authority::new(role, &root.keys, &RoleKeys::default()),
    }
}

impl Update {
    /// TUF 1.0.34, 5.2: the trusted root.
    pub(super) fn trust_first_root(&mut self) -> Result<(), UpdateError> {
        let TrustedStart::Root(bytes) = &self.start else { return Ok(()) };
        let bytes = Bytes::copy_from_slice(bytes);
        let root = decode::<Root>(&RoleName::Root, &bytes)?;
        let own = authority(root.signed(), &RoleName::Root).count(&root);
        let file = self.verified_root(root, own, &bytes)?;
        self.first_root = file.metadata.version();
        self.root = Some(file);
        Ok(())
    }

    pub(super) fn want_root(&self) -> Result<Want, UpdateError> {
        let most = self.terms.limits.roots;
        let version = match &self.root {
            Some(root) if root.metadata.version() - self.first_root < most => root.metadata.version() + 1,
            Some(_) => return Err(UpdateError::RootChainTooLong(most)),
            None if self.first_root < most => self.first_root + 1,
            None => return Err(self.not_pinned()),
        };
        let (role, max_bytes) = (RoleName::Root, self.terms.limits.root_bytes);
        Ok(Want { file: role.file_name(Some(version)), role, version: Some(version), max_bytes })
    }

    pub(super) fn not_pinned(&self) -> UpdateError {
        let needed = match &self.start {
            TrustedStart::Pinned { threshold, .. } => *threshold,
            TrustedStart::Root(_) => 0,
        };
        UpdateError::RootNotPinned { last: self.first_root, needed }
    }

    pub(super) fn take_root(&mut self, version: u64, bytes: &Bytes) -> Result<Supplied, UpdateError> {
        match (&self.root, &self.start) {
            (Some(_), _) => self.take_next_root(version, bytes),
            (None, TrustedStart::Pinned { keys, threshold }) => {
                let (keys, threshold) = (keys.clone(), *threshold);
                self.take_pinned_root(version, bytes, &keys, threshold)
            }
            (None, TrustedStart::Root(_)) => Err(UpdateError::NothingWanted),
        }
    }

    /// Takes the root if enough of the pinned keys signed it, and enough of its own; otherwise a newer one may be it:
    /// pins outlive some roots and are younger than others. What is not signed by pinned keys says nothing.
    fn take_pinned_root(
        &mut self,
        version: u64,
        bytes: &Bytes,
        pins: &BTreeSet<Fingerprint>,
        threshold: u64,
    ) -> Result<Supplied, UpdateError> {
        let pinned = decode::<Root>(&RoleName::Root, bytes).ok().and_then(|root| {
            let own = authority(root.signed(), &RoleName::Root).count(&root);
            let pinned = |signer: &&Principal| matches!(signer, Principal::Key(key) if pins.contains(key));
            // Mostly the pinned keys are the root's own, and their signatures are verified by now.
            let signed = match own.signers.iter().filter(pinned).count() {
                enough if enough as u64 >= threshold => enough,
                _ => count_pinned(pins, &root.signed().keys, &root),
            };
            let count = Count { signed, needed: threshold, signers: BTreeSet::new() };
            (count.is_met() && root.version() == version).then_some((root, own))
        });
        let root = pinned.map(|(root, own)| self.verified_root(root, own, bytes)).transpose()?;
        self.first_root = version;
        self.root = root;
        Ok(if self.root.is_some() { Supplied::Kept } else { Supplied::NotNeeded })
    }

    /// TUF 1.0.34, 5.3.3 to 5.3.8: signed by enough of the old keys and of its own, and exactly one version on.
    fn take_next_root(&mut self, version: u64, bytes: &Bytes) -> Result<Supplied, UpdateError> {
        let Some(old) = &self.root else { return Err(UpdateError::NothingWanted) };
        let root = decode::<Root>(&RoleName::Root, bytes)?;
        let count = authority(old.metadata.signed(), &RoleName::Root).count(&root);
        if !count.is_met() {
            return Err(UpdateError::RootChanged { version, signed: count.signed, needed: count.needed });
        }
        check_version(&RoleName::Root, &RoleName::Root, version, root.version())?;
        let own = authority(root.signed(), &RoleName::Root).count(&root);
        self.root = Some(self.verified_root(root, own, bytes)?);
        Ok(Supplied::Kept)
    }

    /// A root that its own keys signed, and whose content is the remembered one if its version is.
    fn verified_root(&self, root: Metadata<Root>, own: Count, bytes: &Bytes) -> Result<Trusted<Root>, UpdateError> {
        let signers = own.check(&RoleName::Root)?;
        if self.terms.is_boltseal() {
            TOP_LEVEL.iter().try_for_each(|role| authority(root.signed(), role).check_distinct())?;
        }
        let keys = authority(root.signed(), &RoleName::Root).fingerprints();
        let file = Trusted { metadata: root, digest: Digest::sha256(bytes), signers, keys };
        let version = file.metadata.version();
        match self.terms.floors.root.as_ref().filter(|floor| floor.version == version).and_then(|floor| floor.digest) {
            Some(remembered) if remembered != file.digest => {
                Err(UpdateError::RootForked { version, found: file.digest, remembered })
            }
            _ => Ok(file),
        }
    }

    /// There is no newer root. TUF 1.0.34, 5.3.10: the newest must be fresh, and not older than one that was seen.
    pub(super) fn end_chain(&mut self) -> Result<(), UpdateError> {
        let Some(root) = &self.root else { return Err(self.not_pinned()) };
        let found = root.metadata.version();
        if let Some(floor) = self.terms.floors.root.as_ref().filter(|floor| found < floor.version) {
            return Err(UpdateError::Rollback { role: RoleName::Root, found, known: floor.version });
        }
        self.terms.check_fresh(&RoleName::Root, root.metadata.expires())?;
        // TUF 1.0.34, 5.3.11: what the new keys did not sign is no floor any more.
        let root = root.metadata.signed();
        self.previous = Previous {
            timestamp: self.known(root, &RoleName::Timestamp),
            snapshot: self.known(root, &RoleName::Snapshot),
        };
        self.chain_ended = true;
        Ok(())
    }

    fn known<R: Role>(&self, root: &Root, role: &RoleName) -> Option<Trusted<R>> {
        let bytes = Bytes::copy_from_slice(self.terms.known.get(role)?);
        let metadata = decode::<R>(role, &bytes).ok()?;
        let authority = authority(root, role);
        let signers = authority.verify(&metadata).ok()?;
        Some(Trusted { metadata, digest: Digest::sha256(&bytes), signers, keys: authority.fingerprints() })
    }
}
