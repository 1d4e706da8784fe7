//! What this machine remembers of repositories' trust: the least that it accepts, and what saves reading it again.

mod content;
#[cfg(test)]
mod tests;

pub use content::RememberedError;

use super::{
    atomic::{read_bounded, write_atomic},
    lock::Lock,
};
use crate::{
    format::tuf::percent_encode,
    limits::{REMEMBERED_BYTES, STORE_PATH_BYTES},
    oci::Digest,
    trust::tuf::Floors,
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    io,
    path::{Path, PathBuf},
};

const MODE: u32 = 0o600;
/// No part of a repository's name is written like this: `@` is encoded there.
const FILE: &str = "@trust";

/// A folder with a file for each repository: `registry.example.com/shop/cart/@trust`.
#[derive(Clone, Debug)]
pub struct TrustStore {
    dir: PathBuf,
}

/// What is remembered of one repository's trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What was seen: an update goes on from here or is refused.
    pub floors: Floors,
    /// The newest root's file.
    pub root: Bytes,
    /// The files of the newest state that verified, by their names, as `3.targets%2Freleases.json`.
    pub files: BTreeMap<String, Bytes>,
    /// What the registry said at their reading, to be asked by again.
    pub etag: Option<String>,
}

/// Why nothing was loaded or remembered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustStoreError {
    /// A file can't be read, locked or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// A file is not what was remembered of this repository, or what is to be remembered is more than is read again.
    #[error("{path}: {source}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<RememberedError>,
    },
}

impl TrustStore {
    /// The store in this folder, which need not be there yet.
    #[must_use]
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// What is remembered of a repository; nothing if there is no file of it.
    ///
    /// # Errors
    /// There is a file and it can't be read, is larger than [`REMEMBERED_BYTES`], or is not what was remembered of this
    /// repository: that is never "nothing".
    pub fn load(&self, repository: &str) -> Result<Option<Remembered>, TrustStoreError> {
        let path = self.path(repository);
        match read_bounded(&path, REMEMBERED_BYTES) {
            Ok(bytes) => content::decode(repository, &bytes.into()).map(Some).map_err(unfit(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TrustStoreError::Io { path, source }),
        }
    }

    /// Remembers what was seen, on top of what other processes remembered meanwhile: see [`Floors::merge`]; of the files
    /// those of the newer state.
    ///
    /// # Errors
    /// As [`TrustStore::load`]; the file can't be locked or written, or would not be read again. It is as it was then.
    pub fn remember(&self, repository: &str, seen: &Remembered) -> Result<(), TrustStoreError> {
        let path = self.path(repository);
        let io = |source| TrustStoreError::Io { path: path.clone(), source };
        create_folders(&path).map_err(io)?;
        let _lock = Lock::take(&path).map_err(io)?;
        let before = self.load(repository)?;
        let now = match before.clone() {
            Some(before) => before.merge(seen.clone()),
            None => seen.clone(),
        };
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        let bytes = content::encode(repository, &now).map_err(unfit(&path))?;
        write_atomic(&path, &bytes, MODE).map_err(io)
    }

    fn path(&self, repository: &str) -> PathBuf {
        self.dir.join(folders(repository)).join(FILE)
    }
}

impl Remembered {
    fn merge(self, other: Self) -> Self {
        let (older, newer) = if self.floors.age() <= other.floors.age() { (self, other) } else { (other, self) };
        Self { floors: older.floors.merge(newer.floors), ..newer }
    }
}

fn unfit(path: &Path) -> impl FnOnce(RememberedError) -> TrustStoreError {
    let path = path.to_owned();
    move |source| TrustStoreError::Content { path, source: Box::new(source) }
}

/// The folders of a repository, different ones for different texts: its parts, percent-encoded. Encoded too is a dot at
/// the start, so that none is hidden or leads out of the store; an empty part is a lone `%`. A long text is hashed.
fn folders(repository: &str) -> String {
    let encode = |part: &str| match part.strip_prefix('.') {
        Some(rest) => format!("%2E{}", percent_encode(rest, b"")),
        None if part.is_empty() => "%".to_owned(),
        None => percent_encode(part, b""),
    };
    let parts: Vec<_> = repository.split('/').map(encode).collect();
    let path = parts.join("/");
    if path.len() <= STORE_PATH_BYTES {
        path
    } else {
        format!("%sha256-{}", Digest::sha256(repository.as_bytes()).hex())
    }
}

/// Makes a file's folders, for nobody but their owner.
fn create_folders(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
