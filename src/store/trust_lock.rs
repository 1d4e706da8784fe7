use super::{
    atomic::{read_bounded, write_atomic},
    lock::Lock,
};
use crate::{
    limits::TRUST_LOCK_BYTES,
    trust::tuf::{LockError, TrustLock},
};
use std::{
    io,
    path::{Path, PathBuf},
};

const MODE: u32 = 0o644;

/// Why a `boltseal.lock` was not read or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustLockError {
    /// There is none.
    #[error("{path} is not there", path = .path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It can't be read, locked or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// It is none, or the change is refused.
    #[error("{path}: {source}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LockError,
    },
}

/// Reads a `boltseal.lock`.
///
/// # Errors
/// [`TrustLockError::Absent`] if there is none; it can't be read, is larger than [`TRUST_LOCK_BYTES`], or is no lock.
pub fn read_trust_lock(path: &Path) -> Result<TrustLock, TrustLockError> {
    let bytes = read_bounded(path, TRUST_LOCK_BYTES).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => TrustLockError::Absent { path: path.to_owned() },
        _ => TrustLockError::Io { path: path.to_owned(), source },
    })?;
    TrustLock::decode(&bytes).map_err(|source| TrustLockError::Content { path: path.to_owned(), source })
}

/// Changes a `boltseal.lock`, or makes one. No other writer of boltseal comes between reading and writing; a file that
/// would stay as it is is not written.
///
/// # Errors
/// As [`read_trust_lock`], what `change` says, or the file can't be locked or written. It is as it was then.
pub fn update_trust_lock(
    path: &Path,
    change: impl FnOnce(&mut TrustLock) -> Result<(), LockError>,
) -> Result<(), TrustLockError> {
    let io = |source| TrustLockError::Io { path: path.to_owned(), source };
    let _lock = Lock::take(path).map_err(io)?;
    let before = match read_trust_lock(path) {
        Ok(lock) => Some(lock),
        Err(TrustLockError::Absent { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut lock = before.clone().unwrap_or_default();
    change(&mut lock).map_err(|source| TrustLockError::Content { path: path.to_owned(), source })?;
    if before.as_ref() == Some(&lock) {
        return Ok(());
    }
    write_atomic(path, &lock.encode(), MODE).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::tuf::LockedTrust;
    use std::fs;

    /// An entry whose timestamp has this version.
    fn entry(timestamp: u64) -> LockedTrust {
        let hex = "1".repeat(64);
        serde_json::from_value(serde_json::json!({
            "root": { "version": 1, "sha256": hex, "keys": [hex], "threshold": 1 },
            "timestamp": timestamp,
            "snapshot": { "version": 1, "sha256": hex },
            "roles": { "targets": 1 },
        }))
        .unwrap()
    }

    #[test]
    fn an_absent_lock_is_not_an_empty_or_a_broken_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boltseal.lock");
        assert!(matches!(read_trust_lock(&path), Err(TrustLockError::Absent { .. })));
        update_trust_lock(&path, |lock| lock.insert("x.example/a".to_owned(), entry(5))).unwrap();
        assert_eq!(read_trust_lock(&path).unwrap().get("x.example/a"), Some(&entry(5)));
        for broken in ["", "{}", "<<<<<<< HEAD"] {
            fs::write(&path, broken).unwrap();
            for result in [read_trust_lock(&path).map(drop), update_trust_lock(&path, |_| Ok(()))] {
                let error = result.unwrap_err();
                assert!(matches!(error, TrustLockError::Content { .. }), "{error}");
                assert!(error.to_string().contains("boltseal.lock"), "{error}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), broken);
        }
        fs::write(&path, vec![b' '; TRUST_LOCK_BYTES as usize + 1]).unwrap();
        assert!(matches!(read_trust_lock(&path), Err(TrustLockError::Io { .. })));
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boltseal.lock");
        update_trust_lock(&path, |lock| lock.insert("x.example/a".to_owned(), entry(5))).unwrap();
        let before = fs::read(&path).unwrap();
        let lowered = update_trust_lock(&path, |lock| {
            lock.insert("x.example/b".to_owned(), entry(1))?;
            lock.insert("x.example/a".to_owned(), entry(4))
        });
        let Err(TrustLockError::Content { source: LockError::Lowered { .. }, .. }) = lowered else {
            panic!("{lowered:?}")
        };
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn of_writers_at_once_none_loses_its_entry() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boltseal.lock");
        std::thread::scope(|scope| {
            for n in 0..8_u64 {
                let path = &path;
                let insert = move |lock: &mut TrustLock| lock.insert(format!("x.example/{n}"), entry(n + 1));
                scope.spawn(move || update_trust_lock(path, insert).unwrap());
            }
        });
        let lock = read_trust_lock(&path).unwrap();
        for n in 0..8 {
            assert_eq!(lock.get(&format!("x.example/{n}")), Some(&entry(n + 1)));
        }
    }
}
