//! The lock that boltseal's writers of one layout hold around `index.json`.

use super::Fault;
use crate::limits::LAYOUT_LOCK_WAIT;
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// An exclusive advisory lock (flock on Unix); the operating system frees it when it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting for it at most [`LAYOUT_LOCK_WAIT`].
    pub async fn take(path: &Path) -> Result<Self, Fault> {
        let io = |source| Fault::Io { path: path.to_owned(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(io)?;
        let deadline = Instant::now() + LAYOUT_LOCK_WAIT;
        let mut pause = Duration::from_millis(1);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(pause).await,
                Err(TryLockError::WouldBlock) => return Err(Fault::Locked(path.to_owned())),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
            // Polled rather than waited for: a blocking wait would hold a thread that the lock's owner may need.
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}
