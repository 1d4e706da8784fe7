//! Evidence on disk: manifests and blobs under their digests, which never change. What a registry may say otherwise
//! tomorrow, tags and lists, is not here.
//!
//! The folder is no source of trust: every read is checked against digest and size, and what fails is as good as absent.
//! Its files are the user's own; one that is a link, or somebody else's, is not opened. Processes share it: files appear
//! whole by a rename, and may go at any time. They share one account of what was written, too, so that together they stay
//! within the limit.

use super::lock;
use crate::{
    limits::{
        EVIDENCE_BYTES, EVIDENCE_FILE_BYTES, EVIDENCE_INLINE_BYTES, EVIDENCE_LEFTOVER, EVIDENCE_STALE,
        EVIDENCE_WAITING, EVIDENCE_WAITING_BYTES,
    },
    oci::Digest,
};
use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::SystemTime,
};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

/// The account: a byte for each [`EVIDENCE_FILE_BYTES`] that were written since the folder was cleaned; its time says when it
/// was cleaned or written last.
const WRITTEN: &str = "written";
/// What the names of files that are being written start with.
const PART: &str = ".part-";

/// What a registry has under a digest: a blob that is asked for as a manifest is not there, and the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Manifest,
    Blob,
}

/// Evidence that is kept between runs, in a folder. What is to be kept is written by a thread of its own, since a busy disk
/// must hold up nobody who judges; dropping it waits for what is still to be written, and cleaned.
#[derive(Debug)]
pub struct EvidenceCache {
    inner: Arc<Inner>,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    queue: SyncSender<Piece>,
    thread: JoinHandle<()>,
}

type Piece = (Kind, Digest, Vec<u8>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    owner: u32,
    limit: u64,
    /// Bytes that are still to be written.
    waiting: AtomicU64,
}

impl EvidenceCache {
    /// The evidence in a folder, which is made if it is not there, for the user alone; at most [`EVIDENCE_BYTES`] of it.
    ///
    /// # Errors
    /// The folder can't be made or written, is a link, or is another user's or writable by others.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Self::within(folder, EVIDENCE_BYTES)
    }

    fn within(folder: &Path, limit: u64) -> io::Result<Self> {
        make_private(folder)?;
        let found = fs::symlink_metadata(folder)?;
        // Whoever owns what this process writes is this process's user.
        let owner = owner(&NamedTempFile::with_prefix_in(PART, folder)?.as_file().metadata()?);
        if !found.is_dir() || self::owner(&found) != owner || others_write(&found) {
            let why = "expected a folder of this user's, which nobody else may write";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let inner = Arc::new(Inner { folder: folder.to_owned(), owner, limit, waiting: AtomicU64::new(0) });
        let writer = inner.is_due(SystemTime::now()).then(|| Writer::start(&inner));
        Ok(Self { inner, writer: Mutex::new(writer) })
    }

    /// What is kept under a digest, if it has it and this size.
    pub(super) async fn read(&self, kind: Kind, digest: Digest, size: u64) -> Option<Vec<u8>> {
        if size <= EVIDENCE_INLINE_BYTES {
            return self.inner.read(kind, &digest, size);
        }
        let inner = Arc::clone(&self.inner);
        spawn_blocking(move || inner.read(kind, &digest, size)).await.ok().flatten()
    }

    /// Keeps content, which has this digest. What the disk has no time for is not kept, which is nobody's loss.
    pub(super) fn keep(&self, kind: Kind, digest: Digest, bytes: &[u8]) {
        let size = bytes.len() as u64;
        if self.inner.waiting.load(Ordering::Relaxed).saturating_add(size) > EVIDENCE_WAITING_BYTES {
            return;
        }
        let mut writer = lock(&self.writer);
        let Writer { queue, .. } = writer.get_or_insert_with(|| Writer::start(&self.inner));
        // Before it is sent: the writer takes away what was added.
        self.inner.waiting.fetch_add(size, Ordering::Relaxed);
        if let Err(error) = queue.try_send((kind, digest, bytes.to_vec())) {
            self.inner.waiting.fetch_sub(size, Ordering::Relaxed);
            if matches!(error, TrySendError::Disconnected(_)) {
                *writer = None;
            }
        }
    }
}

impl Writer {
    fn start(inner: &Arc<Inner>) -> Self {
        let (queue, wanted) = sync_channel(EVIDENCE_WAITING);
        let inner = Arc::clone(inner);
        Self { queue, thread: std::thread::spawn(move || inner.serve(&wanted)) }
    }
}

impl Drop for EvidenceCache {
    fn drop(&mut self) {
        if let Some(Writer { queue, thread }) = lock(&self.writer).take() {
            drop(queue);
            // Were it left alone, short runs would never be done with cleaning.
            let _ = thread.join();
        }
    }
}

impl Inner {
    /// Cleans where that is due, and writes what comes. While another process cleans, nothing is kept.
    fn serve(&self, wanted: &Receiver<Piece>) {
        let mut is_full = self.clean_if_due();
        while let Ok((kind, digest, bytes)) = wanted.recv() {
            // What can't be accounted for is not written.
            if !is_full && self.account(bytes.len() as u64).is_ok() {
                let _ = self.write(kind, &digest, &bytes);
            }
            self.waiting.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
            is_full = self.clean_if_due();
        }
    }

    /// Whether it is due even so.
    fn clean_if_due(&self) -> bool {
        let due = self.is_due(SystemTime::now());
        if due {
            self.clean(SystemTime::now());
        }
        due && self.is_due(SystemTime::now())
    }

    /// Appends to the account what is about to be written; appending is one step for all processes.
    fn account(&self, size: u64) -> io::Result<()> {
        let blocks = usize::try_from(cost(size) / EVIDENCE_FILE_BYTES).unwrap_or(usize::MAX);
        let mut written = File::options().append(true).create(true).open(self.folder.join(WRITTEN))?;
        written.write_all(&vec![b'.'; blocks])
    }

    fn path(&self, kind: Kind, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let folder = self.folder.join(digest.algorithm()).join(hex.get(..2).unwrap_or_default());
        match kind {
            Kind::Blob => folder.join(hex),
            Kind::Manifest => folder.join(format!("{hex}.manifest")),
        }
    }

    fn read(&self, kind: Kind, digest: &Digest, size: u64) -> Option<Vec<u8>> {
        let path = self.path(kind, digest);
        let found = fs::symlink_metadata(&path).ok()?;
        if !found.is_file() || owner(&found) != self.owner || found.len() != size {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).ok()?);
        File::open(&path).ok()?.take(size.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        if digest.same_algorithm(&bytes) != *digest {
            return None;
        }
        if found.modified().is_ok_and(|used| is_over(used, SystemTime::now(), EVIDENCE_STALE)) {
            let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        }
        Some(bytes)
    }

    /// Not synced: what a crash leaves half-written does not have the digest.
    fn write(&self, kind: Kind, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(kind, digest);
        let folder = path.parent().unwrap_or(&self.folder);
        let create = || NamedTempFile::with_prefix_in(PART, folder);
        let mut file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(folder)?;
                create()?
            }
            created => created?,
        };
        file.write_all(bytes)?;
        file.persist(&path)?;
        Ok(())
    }

    /// Whether it is time to clean: an eighth of the room was written, nobody was here for a while, or nobody knows, as the
    /// account is not there or ahead of the clock.
    fn is_due(&self, now: SystemTime) -> bool {
        let Ok(written) = fs::metadata(self.folder.join(WRITTEN)) else { return true };
        let at = written.modified().unwrap_or(now);
        let is_full = written.len() >= self.limit / 8 / EVIDENCE_FILE_BYTES;
        is_full || is_over(at, now, EVIDENCE_STALE) || is_over(now, at, EVIDENCE_STALE)
    }

    /// Removes what was not used for longest until a quarter of the room is free, and what writers left half-written. It is
    /// taken from the account once that is done, so that who is killed at it leaves it to the next.
    fn clean(&self, now: SystemTime) {
        let account =
            File::options().read(true).write(true).create(true).truncate(false).open(self.folder.join(WRITTEN));
        let Ok(account) = account else { return };
        // Another process is at it.
        if account.try_lock().is_err() {
            return;
        }
        let length = || account.metadata().map(|found| found.len());
        let Ok(before) = length() else { return };
        self.make_room(now);
        // What was written meanwhile stays accounted for.
        let _ = length().and_then(|after| account.set_len(after.saturating_sub(before)));
        let _ = account.set_modified(now);
        // Closing it would not do while a program that is being started still has it open.
        let _ = account.unlock();
    }

    fn make_room(&self, now: SystemTime) {
        let (mut files, mut total) = (Vec::new(), 0_u64);
        for algorithm in ["sha256", "sha512"] {
            for folder in entries(&self.folder.join(algorithm)) {
                for path in entries(&folder) {
                    let Ok(found) = fs::symlink_metadata(&path) else { continue };
                    let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    let is_part = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PART));
                    if is_part && is_over(used, now, EVIDENCE_LEFTOVER) {
                        remove(&path);
                        continue;
                    }
                    total = total.saturating_add(cost(found.len()));
                    if !is_part {
                        files.push((used, cost(found.len()), path));
                    }
                }
            }
        }
        // An eighth is written before the next cleaning.
        if total <= self.limit / 8 * 7 {
            return;
        }
        files.sort();
        for (_, size, path) in files {
            if total <= self.limit / 4 * 3 {
                break;
            }
            remove(&path);
            total = total.saturating_sub(size);
        }
    }
}

/// Whether so much time has passed; a time ahead of the clock is no reason to do anything.
fn is_over(since: SystemTime, now: SystemTime, most: std::time::Duration) -> bool {
    now.duration_since(since).is_ok_and(|passed| passed > most)
}

/// What a file takes on disk: whole blocks.
fn cost(size: u64) -> u64 {
    size.div_ceil(EVIDENCE_FILE_BYTES).max(1).saturating_mul(EVIDENCE_FILE_BYTES)
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Another process may have been faster.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn owner(found: &Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    found.uid()
}

#[cfg(not(unix))]
fn owner(_found: &Metadata) -> u32 {
    0
}

#[cfg(unix)]
fn others_write(found: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o022 != 0
}

#[cfg(not(unix))]
fn others_write(_found: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests;
