//! Evidence on disk: manifests and blobs under their digests, which never change. What a registry may say otherwise
//! tomorrow, tags and lists, is not here.
//!
//! The folder is no source of trust: every read is checked against digest and size, and what fails is as good as absent.
//! Its files are the user's own; one that is a link, or somebody else's, is not opened. Processes share it: files appear
//! whole by a rename, and may go at any time.

use crate::{
    limits::{EVIDENCE_BYTES, EVIDENCE_FILE_BYTES, EVIDENCE_INLINE_BYTES, EVIDENCE_LEFTOVER, EVIDENCE_STALE},
    oci::Digest,
};
use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

/// The file whose time says when the folder was last cleaned.
const CLEANED: &str = "cleaned";
/// What the names of files that are being written start with.
const PART: &str = ".part-";

/// Evidence that is kept between runs, in a folder. A clone is the same one.
#[derive(Clone, Debug)]
pub struct EvidenceCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    owner: u32,
    limit: u64,
    /// Bytes written since the folder was last cleaned by this process.
    written: AtomicU64,
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
        let inner = Inner { folder: folder.to_owned(), owner, limit, written: AtomicU64::new(0) };
        let cache = Self(Arc::new(inner));
        if cache.0.is_due() {
            cache.clean_beside();
        }
        Ok(cache)
    }

    /// What is kept under a digest, if it has it and this size.
    pub(super) async fn read(&self, digest: Digest, size: u64) -> Option<Vec<u8>> {
        if size <= EVIDENCE_INLINE_BYTES {
            return self.0.read(&digest, size);
        }
        let inner = Arc::clone(&self.0);
        spawn_blocking(move || inner.read(&digest, size)).await.ok().flatten()
    }

    /// Keeps content, which has this digest. That it could not be kept is nobody's loss.
    pub(super) async fn keep(&self, digest: Digest, bytes: &[u8]) {
        if bytes.len() as u64 <= EVIDENCE_INLINE_BYTES {
            let _ = self.0.write(&digest, bytes);
        } else {
            let (inner, bytes) = (Arc::clone(&self.0), bytes.to_vec());
            let _ = spawn_blocking(move || inner.write(&digest, &bytes)).await;
        }
        let cost = cost(bytes.len() as u64);
        let written = self.0.written.fetch_add(cost, Ordering::Relaxed).saturating_add(cost);
        if written > self.0.limit / 8 {
            self.0.written.store(0, Ordering::Relaxed);
            self.clean_beside();
        }
    }

    /// Cleans in a thread of its own. If the process ends meanwhile, the next one goes on.
    fn clean_beside(&self) {
        let inner = Arc::clone(&self.0);
        std::thread::spawn(move || inner.clean(SystemTime::now()));
    }
}

impl Inner {
    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(digest.algorithm()).join(hex.get(..2).unwrap_or_default()).join(hex)
    }

    fn read(&self, digest: &Digest, size: u64) -> Option<Vec<u8>> {
        let path = self.path(digest);
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
    fn write(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
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

    /// Whether nobody cleaned for a while.
    fn is_due(&self) -> bool {
        let cleaned = fs::metadata(self.folder.join(CLEANED)).and_then(|file| file.modified());
        cleaned.map_or(true, |at| is_over(at, SystemTime::now(), EVIDENCE_STALE))
    }

    /// Removes what was not used for longest until a tenth of the room is free, and what writers left half-written.
    fn clean(&self, now: SystemTime) {
        let _ = File::create(self.folder.join(CLEANED)).and_then(|file| file.set_modified(now));
        let mut files = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            for folder in entries(&self.folder.join(algorithm)) {
                for path in entries(&folder) {
                    let Ok(found) = fs::symlink_metadata(&path) else { continue };
                    let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    let is_part = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PART));
                    match is_part {
                        true if is_over(used, now, EVIDENCE_LEFTOVER) => remove(&path),
                        true => {}
                        false => files.push((used, cost(found.len()), path)),
                    }
                }
            }
        }
        let mut total = files.iter().fold(0_u64, |sum, (_, size, _)| sum.saturating_add(*size));
        if total <= self.limit {
            return;
        }
        files.sort();
        for (_, size, path) in files {
            if total <= self.limit / 10 * 9 {
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

fn cost(size: u64) -> u64 {
    size.max(EVIDENCE_FILE_BYTES)
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
