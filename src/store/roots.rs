//! Trusted roots that were added by name, and what was fetched of those that are refreshed.

use super::{
    atomic::{read_bounded, write_atomic},
    lock::Lock,
};
use crate::{
    json::{self, JsonError},
    limits::{ROOT_NAME_BYTES, STORED_ROOT_BYTES},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Nothing in it is secret, and other users may have to read what a service fetched.
const MODE: u32 = 0o644;
const EXTENSION: &str = "root";
const VERSION: u64 = 1;

/// A folder with a file for each trusted root: `corp.root`.
#[derive(Clone, Debug)]
pub struct RootStore {
    dir: PathBuf,
}

/// What is kept of one trusted root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoot {
    /// When it was added, or last refreshed.
    pub written: Timestamp,
    /// The TUF repository that it is refreshed from; none if it came as a file.
    pub mirror: Option<String>,
    /// The versions of TUF root and timestamp: of two states the one with the greater ones is the newer.
    pub age: (u64, u64),
    /// The files: the targets, and the TUF metadata by their names without versions.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What became of a root that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in place.
    Written,
    /// Somebody else has put a newer state in place meanwhile, which stays.
    NewerThere,
}

/// Why nothing was loaded or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootStoreError {
    /// A file can't be read, locked or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// A file is not what was kept.
    #[error("{path}: {why}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is one of this name already.
    #[error("{path} is there already", path = .path.display())]
    Exists {
        /// Its file.
        path: PathBuf,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u64,
    name: String,
    written: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mirror: Option<String>,
    age: (u64, u64),
    /// The lengths of what follows in bytes.
    files: BTreeMap<String, u64>,
}

impl RootStore {
    /// The store in this folder, which need not be there yet.
    #[must_use]
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Whether a text is a name: lower-case letters, digits and `-`, beginning with a letter. Whatever has a dot or a slash in
    /// it is none, and so can be meant as a file.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        text.len() <= ROOT_NAME_BYTES
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    }

    /// The file of a name.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.{EXTENSION}"))
    }

    /// What is kept under a name; nothing if there is no file of it.
    ///
    /// # Errors
    /// There is a file and it can't be read, is larger than [`STORED_ROOT_BYTES`], or is not what was kept: that is never
    /// "nothing".
    pub fn load(&self, name: &str) -> Result<Option<StoredRoot>, RootStoreError> {
        let path = self.path(name);
        match read_bounded(&path, STORED_ROOT_BYTES) {
            Ok(bytes) => decode(name, &bytes).map(Some).map_err(|why| RootStoreError::Content { path, why }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RootStoreError::Io { path, source }),
        }
    }

    /// The names of all that are kept.
    ///
    /// # Errors
    /// The folder is there and can't be read.
    pub fn names(&self) -> Result<Vec<String>, RootStoreError> {
        let io = |source| RootStoreError::Io { path: self.dir.clone(), source };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| Self::is_name(name));
            if let Some(name) = name.filter(|_| path.extension().is_some_and(|extension| extension == EXTENSION)) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Keeps a new root under a name, in the place of what is there only if `over` says so.
    ///
    /// # Errors
    /// [`RootStoreError::Exists`]; the file can't be locked or written. It is as it was then.
    pub fn add(&self, name: &str, root: &StoredRoot, over: bool) -> Result<(), RootStoreError> {
        let path = self.path(name);
        let _lock = self.lock(&path)?;
        if !over && path.symlink_metadata().is_ok() {
            return Err(RootStoreError::Exists { path });
        }
        self.write(name, root)
    }

    /// Keeps a refreshed root, unless another process has put a newer state in place since `before` was read.
    ///
    /// # Errors
    /// As [`RootStore::load`]; the file can't be locked or written. It is as it was then.
    pub fn refresh(&self, name: &str, before: Option<&StoredRoot>, root: &StoredRoot) -> Result<Kept, RootStoreError> {
        let _lock = self.lock(&self.path(name))?;
        let there = self.load(name)?;
        if let Some(there) = there.filter(|there| Some(there) != before)
            && there.age > root.age
        {
            return Ok(Kept::NewerThere);
        }
        self.write(name, root).map(|()| Kept::Written)
    }

    fn lock(&self, path: &Path) -> Result<Lock, RootStoreError> {
        let io = |source| RootStoreError::Io { path: path.to_owned(), source };
        fs::create_dir_all(&self.dir).map_err(io)?;
        Lock::take(path).map_err(io)
    }

    fn write(&self, name: &str, root: &StoredRoot) -> Result<(), RootStoreError> {
        let path = self.path(name);
        let bytes = encode(name, root).map_err(|why| RootStoreError::Content { path: path.clone(), why })?;
        write_atomic(&path, &bytes, MODE).map_err(|source| RootStoreError::Io { path, source })
    }
}

/// A line of JSON, then the files that it lists, as they are.
fn encode(name: &str, root: &StoredRoot) -> Result<Vec<u8>, String> {
    let StoredRoot { written, mirror, age, files } = root.clone();
    let lengths = files.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
    let wire = Wire { version: VERSION, name: name.to_owned(), written, mirror, age, files: lengths };
    let mut bytes = serde_json::to_vec(&wire).map_err(|error| error.to_string())?;
    bytes.push(b'\n');
    files.values().for_each(|file| bytes.extend_from_slice(file));
    match bytes.len() as u64 {
        fits if fits <= STORED_ROOT_BYTES => Ok(bytes),
        found => Err(format!("it would have {found} bytes, at most {STORED_ROOT_BYTES} are read")),
    }
}

fn decode(name: &str, bytes: &[u8]) -> Result<StoredRoot, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (first, rest) = bytes.split_at(end);
    let value = json::decode_value(first).map_err(|error| error.to_string())?;
    match value.get("version") {
        Some(version) if *version != VERSION => {
            return Err(format!("the file is of version {version}, expected {VERSION}"));
        }
        _ => {}
    }
    let wire = Wire::deserialize(value).map_err(|error| JsonError::from(error).to_string())?;
    if wire.name != name {
        return Err(format!("it is about {:?}, expected {name:?}", wire.name));
    }
    let mut rest = rest.strip_prefix(b"\n").unwrap_or_default();
    let listed = wire.files.values().fold(0, |sum: u64, file| sum.saturating_add(*file));
    if rest.len() as u64 != listed {
        return Err(format!("{} bytes behind the first line, expected {listed}", rest.len()));
    }
    let mut next = |length: u64| {
        let (file, after) = rest.split_at_checked(usize::try_from(length).unwrap_or(usize::MAX)).unwrap_or((rest, &[]));
        rest = after;
        file.to_vec()
    };
    let files = wire.files.into_iter().map(|(name, length)| (name, next(length))).collect();
    Ok(StoredRoot { written: wire.written, mirror: wire.mirror, age: wire.age, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(age: (u64, u64)) -> StoredRoot {
        let files = [("b.json".to_owned(), b"two\n".to_vec()), ("a.json".to_owned(), Vec::new())].into();
        let mirror = Some("https://tuf.example".to_owned());
        StoredRoot { written: Timestamp::UNIX_EPOCH, mirror, age, files }
    }

    #[test]
    fn what_is_kept_is_loaded_and_what_was_changed_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let store = RootStore::at(home.path().join("roots"));
        assert_eq!(store.load("corp").unwrap(), None);
        assert_eq!(store.names().unwrap(), [] as [String; 0]);
        store.add("corp", &stored((1, 1)), false).unwrap();
        assert_eq!(store.load("corp").unwrap(), Some(stored((1, 1))));
        assert_eq!(store.names().unwrap(), ["corp"]);
        assert!(matches!(store.add("corp", &stored((1, 2)), false), Err(RootStoreError::Exists { .. })));
        store.add("corp", &stored((1, 2)), true).unwrap();
        fs::copy(store.path("corp"), store.path("other")).unwrap();
        assert!(store.load("other").unwrap_err().to_string().contains("it is about \"corp\""));
        let whole = fs::read(store.path("corp")).unwrap();
        for length in 0..whole.len() {
            fs::write(store.path("corp"), &whole[..length]).unwrap();
            assert!(matches!(store.load("corp"), Err(RootStoreError::Content { .. })), "{length} bytes");
        }
    }

    #[test]
    fn an_older_state_does_not_take_a_newer_ones_place() {
        let home = tempfile::tempdir().unwrap();
        let store = RootStore::at(home.path().to_owned());
        assert_eq!(store.refresh("corp", None, &stored((1, 5))).unwrap(), Kept::Written);
        // Who read before that comes second, with less.
        assert_eq!(store.refresh("corp", None, &stored((1, 4))).unwrap(), Kept::NewerThere);
        assert_eq!(store.load("corp").unwrap(), Some(stored((1, 5))));
        // A new root starts its timestamps anew, and who has seen what is there may write anything.
        assert_eq!(store.refresh("corp", None, &stored((2, 1))).unwrap(), Kept::Written);
        assert_eq!(store.refresh("corp", Some(&stored((2, 1))), &stored((1, 1))).unwrap(), Kept::Written);
    }

    #[test]
    fn names_can_not_be_mistaken_for_files() {
        for name in ["public-good", "a", "corp2"] {
            assert!(RootStore::is_name(name), "{name}");
        }
        let long = "a".repeat(ROOT_NAME_BYTES + 1);
        for text in ["", "root.json", "./corp", "a/b", "..", "-a", "2a", "Corp", "a b", &long] {
            assert!(!RootStore::is_name(text), "{text}");
        }
    }
}
