//! Signatures whose witnesses are missing: kept until another run finishes them. No private key is among it.

use super::atomic::{read_bounded, write_atomic};
use crate::{
    json,
    limits::{KEPT_BYTES, KEPT_FOR},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs::{self, DirBuilder, DirEntry},
    io,
    path::{Path, PathBuf},
};

const MODE: u32 = 0o600;
const VERSION: u32 = 1;

/// A folder with a file for each signature that waits.
#[derive(Clone, Debug)]
pub struct UnfinishedStore {
    dir: PathBuf,
}

/// A signature that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unfinished {
    version: u32,
    /// What it is for, for people: repository and digest, or a file's digest.
    pub about: String,
    /// The identity provider that the signer's token was of.
    pub issuer: String,
    /// The signer.
    pub subject: String,
    /// When its certificate ends.
    pub not_after: Timestamp,
    /// The bundle, with the witnesses that it has so far.
    pub bundle: Value,
}

impl Unfinished {
    /// A signature about something by somebody, whose certificate ends then.
    #[must_use]
    pub fn new(about: String, (issuer, subject): (String, String), not_after: Timestamp, bundle: Value) -> Self {
        Self { version: VERSION, about, issuer, subject, not_after, bundle }
    }
}

impl UnfinishedStore {
    /// The store in this folder, which is made when something is kept.
    #[must_use]
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where a signature is kept. `name` is the hash of what is signed and where to.
    #[must_use]
    pub fn path(&self, name: &[u8; 32]) -> PathBuf {
        self.dir.join(format!("{}.json", hex::encode(name)))
    }

    /// What is kept under a name. A file that can't be read is as none: its signature is made anew.
    #[must_use]
    pub fn load(&self, name: &[u8; 32]) -> Option<Unfinished> {
        let bytes = read_bounded(&self.path(name), KEPT_BYTES).ok()?;
        json::decode(&bytes).ok().filter(|kept: &Unfinished| kept.version == VERSION)
    }

    /// Keeps a signature; its file. Those that have waited for [`KEPT_FOR`] are thrown away.
    ///
    /// # Errors
    /// As the file system says.
    pub fn keep(&self, name: &[u8; 32], unfinished: &Unfinished) -> io::Result<PathBuf> {
        private_folder(&self.dir)?;
        self.throw_old_away();
        let path = self.path(name);
        write_atomic(&path, &serde_json::to_vec(unfinished)?, MODE)?;
        Ok(path)
    }

    fn throw_old_away(&self) {
        let is_old = |file: &DirEntry| file.metadata().ok()?.modified().ok()?.elapsed().ok().map(|age| age > KEPT_FOR);
        for file in self.dir.read_dir().into_iter().flatten().flatten().filter(|file| is_old(file) == Some(true)) {
            let _ = fs::remove_file(file.path());
        }
    }

    /// Forgets a signature, if it is kept.
    pub fn forget(&self, name: &[u8; 32]) {
        let _ = fs::remove_file(self.path(name));
    }
}

fn private_folder(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_waits_is_found_again_and_is_nobody_else_s_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = UnfinishedStore::at(dir.path().join("a/b"));
        let end = "2026-01-01T00:00:00Z".parse().unwrap();
        let kept = Unfinished::new("r@sha256:1".to_owned(), ("i".to_owned(), "s".to_owned()), end, json!({ "x": 1 }));
        assert_eq!(store.load(&[1; 32]), None);
        let path = store.keep(&[1; 32], &kept).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(&dir.path().join("a/b"))), (0o600, 0o700));
        }
        assert_eq!(store.load(&[1; 32]), Some(kept));
        assert_eq!(store.load(&[2; 32]), None);
        std::fs::write(&path, "junk").unwrap();
        assert_eq!(store.load(&[1; 32]), None, "what can't be read is made anew");
        let month = std::time::SystemTime::now() - KEPT_FOR - std::time::Duration::from_secs(60);
        fs::File::open(&path).unwrap().set_modified(month).unwrap();
        store.keep(&[2; 32], &Unfinished::new("x".to_owned(), (String::new(), String::new()), end, json!({}))).unwrap();
        assert!(!path.exists() && store.path(&[2; 32]).exists(), "what is a month old goes");
        store.forget(&[2; 32]);
        assert!(!store.path(&[2; 32]).exists());
        store.forget(&[1; 32]);
        assert!(!path.exists());
    }
}
