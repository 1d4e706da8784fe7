//! What is known of repositories' trust before anything is asked.

use super::{Judge, file_policy_if_any, set, user_folder};
use crate::{args::KnownArgs, exit::Failure};
use boltseal::{
    ops::trust::{Memory, TrustReader},
    policy::Policy,
    store::{TrustLockError, TrustStore, read_trust_lock},
    trust::tuf::TrustLock,
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Who reads trust states for a run that judges by this policy.
pub fn trust_reader(lock: Option<&Path>, judge: &Judge, now: Timestamp) -> Result<TrustReader, Failure> {
    // Flags ask for no content trust: a lock of the environment is nothing to them.
    let lock = if judge.file.is_some() { named_lock(lock)? } else { None };
    Ok(TrustReader::new(memory(lock, judge.locks.clone()), now))
}

/// What is known for who signs, and the policy, if there is one.
pub fn known(args: &KnownArgs) -> Result<(Memory, Option<Policy>), Failure> {
    let lock = named_lock(args.lock.as_deref())?;
    let (policy, locks) = file_policy_if_any(args.policy.clone())?.map(|judge| (judge.policy, judge.locks)).unzip();
    Ok((memory(lock, locks.unwrap_or_default()), policy))
}

/// What this machine remembers, what the named lock says, and the locks that the policy names.
pub fn memory(lock: Option<TrustLock>, locks: BTreeMap<String, TrustLock>) -> Memory {
    Memory { store: store(), lock, locks }
}

/// What a lock says, if it is there.
pub fn lock_if_there(path: &Path) -> Result<Option<TrustLock>, Failure> {
    match read_trust_lock(path) {
        Ok(lock) => Ok(Some(lock)),
        Err(TrustLockError::Absent { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the lock says that is named: that has to be there.
pub fn named_lock(flag: Option<&Path>) -> Result<Option<TrustLock>, Failure> {
    Ok(lock_path(flag).map(|path| read_trust_lock(&path)).transpose()?)
}

/// The lock: of the flag, else of the environment.
pub fn lock_path(flag: Option<&Path>) -> Option<PathBuf> {
    flag.map(Path::to_owned).or_else(|| set("BOLTSEAL_LOCK"))
}

/// Where this machine remembers; nowhere where nobody has a home.
fn store() -> Option<TrustStore> {
    let folder = || Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("boltseal/trust"));
    set("BOLTSEAL_STATE").or_else(folder).map(TrustStore::at)
}
