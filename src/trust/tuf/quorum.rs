use super::UpdateError;
use crate::{
    crypto::Fingerprint,
    format::tuf::{Key, Metadata, Role, RoleKeys, RoleName, VerifyingKey},
    trust::{Principal, count_distinct},
};
use std::collections::{BTreeMap, BTreeSet};

/// A role's keys that can be verified with, and how many principals have to sign.
///
/// What can't be used (an id without a key, a key of an unknown type) never counts, and spoils nothing.
pub(super) struct Authority {
    role: RoleName,
    keys: Vec<(String, VerifyingKey)>,
    threshold: u64,
}

impl Authority {
    pub fn new(role: &RoleName, keys: &BTreeMap<String, Key>, role_keys: &RoleKeys) -> Self {
        let usable = |id: &String| Some((id.clone(), keys.get(id)?.decode().ok()?));
        Self {
            role: role.clone(),
            keys: role_keys.keyids.iter().filter_map(usable).collect(),
            threshold: role_keys.threshold,
        }
    }

    /// The keys, however many ids each has.
    pub fn fingerprints(&self) -> BTreeSet<Fingerprint> {
        self.keys.iter().map(|(_, key)| key.fingerprint()).collect()
    }

    /// Refuses one key under two ids.
    pub fn check_distinct(&self) -> Result<(), UpdateError> {
        let mut seen = BTreeSet::new();
        match self.keys.iter().find(|(_, key)| !seen.insert(key.fingerprint())) {
            Some((_, key)) => Err(UpdateError::DuplicateKey { role: self.role.clone(), key: key.fingerprint() }),
            None => Ok(()),
        }
    }

    /// Who of this role signed: for each key id the principal, if its signature holds.
    fn signed<R: Role>(&self, metadata: &Metadata<R>) -> Vec<BTreeSet<Principal>> {
        let signed = |(id, key): &(String, VerifyingKey)| {
            let signature = metadata.signature(id)?;
            key.verify(metadata.canonical(), &signature).ok()?;
            Some(Principal::Key(key.fingerprint()))
        };
        self.keys.iter().map(|key| signed(key).into_iter().collect()).collect()
    }

    /// Who of this role signed, and whether they are enough: principals are counted, not ids.
    pub fn count<R: Role>(&self, metadata: &Metadata<R>) -> Count {
        let assignment = count_distinct(&self.signed(metadata));
        Count {
            signed: assignment.count(),
            needed: self.threshold,
            signers: assignment.matched.into_iter().flatten().collect(),
        }
    }

    /// As [`Authority::count`], where too few are an error.
    pub fn verify<R: Role>(&self, metadata: &Metadata<R>) -> Result<BTreeSet<Principal>, UpdateError> {
        self.count(metadata).check(&self.role)
    }
}

/// How many principals signed, and how many have to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many principals signed.
    pub signed: usize,
    /// The threshold.
    pub needed: u64,
    /// Who signed.
    pub signers: BTreeSet<Principal>,
}

impl Count {
    /// Whether they are enough.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.needed > 0 && u64::try_from(self.signed).is_ok_and(|signed| signed >= self.needed)
    }

    /// Who signed, where too few are an error.
    pub(super) fn check(self, role: &RoleName) -> Result<BTreeSet<Principal>, UpdateError> {
        if self.is_met() {
            return Ok(self.signers);
        }
        Err(UpdateError::ThresholdUnmet { role: role.clone(), signed: self.signed, needed: self.needed })
    }
}

/// How many of the pinned keys signed, by their fingerprints: an id is only a label.
pub(super) fn count_pinned<R: Role>(
    pins: &BTreeSet<Fingerprint>,
    keys: &BTreeMap<String, Key>,
    metadata: &Metadata<R>,
) -> usize {
    let decoded = |signature: &crate::format::tuf::RoleSignature| {
        let key = keys.get(&signature.keyid)?.decode().ok()?;
        pins.contains(&key.fingerprint()).then_some((signature.keyid.clone(), key))
    };
    let keys = metadata.signatures().iter().filter_map(decoded).collect();
    Authority { role: RoleName::Root, keys, threshold: 1 }.count(metadata).signed
}
