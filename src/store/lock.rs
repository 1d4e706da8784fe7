//! The lock that boltseal's writers of one file hold while they read, change and write it.

use crate::limits::STORE_LOCK_WAIT;
use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// An exclusive advisory lock (flock on Unix) on the file `.NAME.lock` beside the one that it is about, which stays. The
/// operating system frees it when it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a file, waiting for it at most [`STORE_LOCK_WAIT`].
    pub(super) fn take(target: &Path) -> io::Result<Self> {
        Self::take_within(target, STORE_LOCK_WAIT)
    }

    fn take_within(target: &Path, wait: Duration) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            // Whoever can open it can lock it, for reading too, and hold up every writer; a link would make a file elsewhere.
            options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        }
        let file = options.open(beside(target)?)?;
        let deadline = Instant::now() + wait;
        let mut pause = Duration::from_millis(1);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(pause),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "it stayed locked by another process; is one hanging?",
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

fn beside(target: &Path) -> io::Result<PathBuf> {
    let name = target.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".lock");
    Ok(target.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    // [V-285]
    #[cfg(unix)]
    #[test]
    fn others_can_neither_hold_it_nor_have_it_made_elsewhere() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        drop(Lock::take(&at("log")).unwrap());
        assert_eq!(at(".log.lock").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        symlink(at("made"), at(".linked.lock")).unwrap();
        Lock::take(&at("linked")).unwrap_err();
        assert!(!at("made").exists());
    }

    #[test]
    fn a_held_lock_is_waited_for_and_then_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        let held = Lock::take(&one).unwrap();
        let error = Lock::take_within(&one, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        Lock::take_within(&other, Duration::ZERO).unwrap();
        drop(held);
        Lock::take_within(&one, Duration::ZERO).unwrap();
    }
}
