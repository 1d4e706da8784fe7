//! A trusted root that comes as a target of a TUF repository: from the files of its last update, without I/O or clock.

use super::TrustedRootError;
use crate::{
    format::tuf::RoleName,
    limits::{TRUSTED_ROOT_BYTES, TUF_TARGETS_BYTES, UpdateLimits},
    trust::tuf::{Expiry, LookupError, Rules, Scope, Terms, TrustState, TrustedStart, Update, UpdateError},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The target that is the trusted root.
pub const TRUSTED_ROOT: &str = "trusted_root.json";
/// The target that names the services to sign with. A repository need not have it.
pub const SIGNING_CONFIG: &str = "signing_config.v0.2.json";
/// All targets that an update reads.
pub const REFRESHED_TARGETS: [&str; 2] = [TRUSTED_ROOT, SIGNING_CONFIG];

/// Why the files of an update give no trusted root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshedError {
    /// The metadata are refused, or have expired.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// Nobody who may list the trusted root lists it.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// More bytes than are read.
    #[error("{target} has {listed} bytes by the metadata; at most {TRUSTED_ROOT_BYTES} are read")]
    TooLarge {
        /// The target.
        target: &'static str,
        /// What the metadata list.
        listed: u64,
    },
    /// A file is not the one that the metadata list, or is not there.
    #[error("{0} is not the file that the metadata list")]
    Content(&'static str),
    /// The target is no trusted root.
    #[error(transparent)]
    Unusable(#[from] TrustedRootError),
}

/// The terms of an update that is after these targets, knowing the files of the last one.
#[must_use]
pub fn refresh_terms(now: Timestamp, known: BTreeMap<RoleName, Vec<u8>>) -> Terms {
    let scope = Scope::Paths(REFRESHED_TARGETS.map(str::to_owned).to_vec());
    let limits = UpdateLimits { all_targets_bytes: TUF_TARGETS_BYTES, ..UpdateLimits::default() };
    Terms { scope, known, limits, ..Terms::new(now, Rules::Tuf) }
}

/// Judges the kept files of an update again, by the clock of today: the same checks as at the update itself. What is done
/// about a role that has expired is `expiry`.
///
/// # Errors
/// A file is missing or was changed, or a role has expired.
pub fn replay(files: &BTreeMap<String, Vec<u8>>, now: Timestamp, expiry: Expiry) -> Result<TrustState, RefreshedError> {
    let file = |role: &RoleName| files.get(&role.file_name(None));
    let root = file(&RoleName::Root).ok_or(RefreshedError::Content("root.json"))?;
    let terms = Terms { expiry, ..refresh_terms(now, BTreeMap::new()) };
    let mut update = Update::begin(TrustedStart::Root(root.clone()), terms)?;
    while let Some(want) = update.want()? {
        match file(&want.role).filter(|_| want.role != RoleName::Root) {
            Some(bytes) => update.supply(bytes)?,
            None => update.absent()?,
        };
    }
    let state = update.finish()?;
    for target in REFRESHED_TARGETS {
        let Some(bytes) = files.get(target) else { continue };
        if !state.lookup(target)?.target.is(bytes) {
            return Err(RefreshedError::Content(target));
        }
    }
    if !files.contains_key(TRUSTED_ROOT) {
        return Err(RefreshedError::Content(TRUSTED_ROOT));
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Instance;

    #[test]
    fn the_roots_that_come_along_begin_an_update() {
        for (instance, root) in [(Instance::PublicGood, "17.root.json"), (Instance::GitHub, "10.root.json")] {
            let start = TrustedStart::Root(instance.tuf_root().to_vec());
            let mut update = Update::begin(start, refresh_terms(Timestamp::UNIX_EPOCH, BTreeMap::new())).unwrap();
            assert_eq!(update.want().unwrap().unwrap().file, root);
            update.absent().unwrap();
            assert_eq!(update.want().unwrap().unwrap().file, "timestamp.json");
        }
    }

    #[test]
    fn files_without_a_root_or_with_junk_are_no_state() {
        let now = Timestamp::UNIX_EPOCH;
        let refused = replay(&BTreeMap::new(), now, Expiry::Refuse).unwrap_err();
        assert!(matches!(refused, RefreshedError::Content("root.json")), "{refused}");
        let mut files = BTreeMap::from([("root.json".to_owned(), Instance::GitHub.tuf_root().to_vec())]);
        let refused = replay(&files, now, Expiry::InsecureAccept).unwrap_err();
        assert!(matches!(refused, RefreshedError::Update(UpdateError::Missing { .. })), "{refused}");
        files.insert("timestamp.json".to_owned(), b"{}".to_vec());
        let refused = replay(&files, now, Expiry::InsecureAccept).unwrap_err();
        assert!(matches!(refused, RefreshedError::Update(UpdateError::Malformed { .. })), "{refused}");
    }
}
