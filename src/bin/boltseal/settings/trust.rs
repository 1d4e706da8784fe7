//! What is known of repositories' trust before anything is asked.

use super::{Judge, set, user_folder};
use crate::exit::Failure;
use boltseal::{
    ops::trust::{Memory, TrustReader},
    store::{TrustStore, read_trust_lock},
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
    let named = if judge.file.is_some() { named_lock(lock) } else { None };
    Ok(TrustReader::new(memory(named.as_deref(), judge.locks.clone())?, now))
}

/// What this machine remembers, what the named lock says, and the locks that the policy names.
pub fn memory(lock: Option<&Path>, locks: BTreeMap<String, TrustLock>) -> Result<Memory, Failure> {
    Ok(Memory { store: store(), lock: lock.map(read_trust_lock).transpose()?, locks })
}

/// The lock: of the flag, else of the environment.
pub fn named_lock(flag: Option<&Path>) -> Option<PathBuf> {
    flag.map(Path::to_owned).or_else(|| set("BOLTSEAL_LOCK"))
}

/// Where this machine remembers; nowhere where nobody has a home.
fn store() -> Option<TrustStore> {
    let folder = || Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("boltseal/trust"));
    set("BOLTSEAL_STATE").or_else(folder).map(TrustStore::at)
}
