//! The files of a layout: checked reads, atomic writes.

use super::{Access, Fault, index::Index, lock::Lock};
use crate::{
    json,
    limits::LAYOUT_INDEX_BYTES,
    oci::Digest,
    registry::body::{Check, Expected},
};
use serde::Deserialize;
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    task::spawn_blocking,
};

const VERSION: &str = "1.0.0";
const VERSION_FILE: &str = "oci-layout";
const INDEX_FILE: &str = "index.json";
/// What the names of our own files start with: the lock, and files that are being written.
const OWN_PREFIX: &str = ".boltseal";
/// Bytes read at once.
const CHUNK: usize = 256 << 10;
/// Bytes of an `oci-layout` file; it holds one version.
const VERSION_BYTES: u64 = 4 << 10;

#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    access: Access,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    image_layout_version: String,
}

impl Folder {
    pub fn open(dir: &Path, access: Access) -> Result<Self, Fault> {
        let folder = Self { dir: dir.to_owned(), access };
        if folder.has_version()? || access == Access::PullPush && folder.is_free()? {
            return Ok(folder);
        }
        // Another process may have made a layout of it between the two looks.
        if folder.has_version()? { Ok(folder) } else { Err(Fault::NoLayout(folder.dir)) }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes sure that the folder may be written, and is a layout.
    pub async fn prepare(&self) -> Result<(), Fault> {
        if self.access == Access::Pull {
            let message = "the layout was opened for reading".to_owned();
            return Err(Fault::Forbidden { permission: "push", message });
        }
        let index = self.dir.join(INDEX_FILE);
        if self.has_version()? && index.exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.dir).map_err(|source| failed(&self.dir, source))?;
        let _lock = self.lock().await?;
        // Another process may have been quicker.
        if !self.has_version()? {
            if !self.is_free()? {
                return Err(Fault::NoLayout(self.dir.clone()));
            }
            let version = format!(r#"{{"imageLayoutVersion":"{VERSION}"}}"#);
            self.put(self.dir.join(VERSION_FILE), version.into_bytes()).await?;
        }
        if !index.exists() {
            self.write_index(&Index::default()).await?;
        }
        Ok(())
    }

    /// Excludes other writers until it is dropped.
    pub async fn lock(&self) -> Result<Lock, Fault> {
        Lock::take(&self.dir.join(format!("{OWN_PREFIX}.lock"))).await
    }

    /// Decodes `index.json`; that of a layout that is not made yet is empty.
    pub async fn index(&self) -> Result<Index, Fault> {
        let path = self.dir.join(INDEX_FILE);
        let read = spawn_blocking(move || read_bounded(&path, "index.json", LAYOUT_INDEX_BYTES)).await;
        match joined(&self.dir, read) {
            Err(Fault::NotFound) if self.access == Access::PullPush && !self.has_version()? => Ok(Index::default()),
            Err(Fault::NotFound) => Err(Fault::NoLayout(self.dir.clone())),
            Err(fault) => Err(fault),
            Ok(bytes) => Index::decode(&bytes),
        }
    }

    pub async fn write_index(&self, index: &Index) -> Result<(), Fault> {
        self.put(self.dir.join(INDEX_FILE), index.encode()?).await
    }

    /// A blob's bytes, checked. Without a size the file's own is taken, and held to the cap.
    pub async fn read(
        &self,
        digest: &Digest,
        size: Option<u64>,
        what: &'static str,
        cap: u64,
    ) -> Result<Vec<u8>, Fault> {
        let size = match size {
            Some(size) => size,
            None => self.blob_len(digest).await?,
        };
        if size > cap {
            return Err(Fault::Limit { what, limit: format!("{cap} bytes") });
        }
        let mut bytes = Vec::new();
        self.copy(digest, size, &mut bytes, &|_| ()).await?;
        Ok(bytes)
    }

    /// Copies a blob into `sink`, checking it as it passes.
    pub async fn copy(
        &self,
        digest: &Digest,
        size: u64,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Fault> {
        // Asked for first, so that a pipe or device in a blob's place is never opened.
        self.blob_len(digest).await?;
        let path = self.blob_path(digest);
        let mut file = tokio::fs::File::open(&path).await.map_err(|source| failed(&path, source))?;
        let mut check = Check::begin(Expected::exactly(*digest, size), None)?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = file.read(&mut buffer).await.map_err(|source| failed(&path, source))?;
            let chunk = buffer.get(..read).unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
            check.take(chunk)?;
            sink.write_all(chunk).await.map_err(|source| failed(Path::new("output"), source))?;
            progress(check.read());
        }
        check.finish()
    }

    /// Writes a blob, unless it is there as it should be. `digest` is the content's own.
    pub async fn write_blob(&self, digest: &Digest, content: &[u8]) -> Result<(), Fault> {
        let path = self.blob_path(digest);
        let there = self.blob_len(digest).await.is_ok_and(|len| len == content.len() as u64)
            && tokio::fs::read(&path).await.is_ok_and(|found| found == content);
        if there { Ok(()) } else { self.put(path, content.to_vec()).await }
    }

    /// Where a blob lies. The digest is a parsed one, so nothing in it can lead elsewhere.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    /// A new file in the layout's folder, on the file system that it will stay on; it is deleted unless it is placed.
    pub fn temporary(&self) -> Result<NamedTempFile, Fault> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(OWN_PREFIX);
        // Layouts are for others to read too; the umask narrows this.
        #[cfg(unix)]
        builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644));
        builder.tempfile_in(&self.dir).map_err(|source| failed(&self.dir, source))
    }

    async fn put(&self, path: PathBuf, content: Vec<u8>) -> Result<(), Fault> {
        let mut file = self.temporary()?;
        let written = spawn_blocking(move || {
            file.write_all(&content).map_err(|source| failed(&path, source))?;
            place(file, &path)
        });
        joined(&self.dir, written.await)
    }

    async fn blob_len(&self, digest: &Digest) -> Result<u64, Fault> {
        let path = self.blob_path(digest);
        let about = tokio::fs::metadata(&path).await.map_err(|source| failed(&path, source))?;
        if about.is_file() { Ok(about.len()) } else { Err(no_file(&path)) }
    }

    /// Whether there is an `oci-layout` file; one of another version is an error.
    fn has_version(&self) -> Result<bool, Fault> {
        let path = self.dir.join(VERSION_FILE);
        let bytes = match read_bounded(&path, "oci-layout", VERSION_BYTES) {
            Ok(bytes) => bytes,
            Err(Fault::NotFound) => return Ok(false),
            Err(Fault::Io { source, .. }) if source.kind() == ErrorKind::NotADirectory => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let message = match json::decode::<Version>(&bytes) {
            Ok(version) if version.image_layout_version == VERSION => return Ok(true),
            Ok(version) => format!("the layout has version {:?}, expected {VERSION:?}", version.image_layout_version),
            Err(e) => e.to_string(),
        };
        Err(Fault::Setting { path: path.display().to_string(), message })
    }

    /// Whether a layout may be made here: the folder is absent, or holds nothing but what a beginning left.
    fn is_free(&self) -> Result<bool, Fault> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(true),
            Err(e) if e.kind() == ErrorKind::NotADirectory => return Ok(false),
            entries => entries.map_err(|source| failed(&self.dir, source))?,
        };
        for entry in entries {
            let name = entry.map_err(|source| failed(&self.dir, source))?.file_name();
            if !name.as_encoded_bytes().starts_with(OWN_PREFIX.as_bytes()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Gives a written file its name: all of it is on the disk before the name is.
pub(super) fn place(file: NamedTempFile, path: &Path) -> Result<(), Fault> {
    let io = |source| failed(path, source);
    file.as_file().sync_all().map_err(io)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io)?;
    file.persist(path).map_err(|e| failed(path, e.error))?;
    #[cfg(unix)]
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)?;
    Ok(())
}

/// What became of work on another thread.
pub(super) fn joined<T>(path: &Path, work: Result<Result<T, Fault>, tokio::task::JoinError>) -> Result<T, Fault> {
    work.map_err(|e| failed(path, io::Error::other(e)))?
}

fn read_bounded(path: &Path, what: &'static str, cap: u64) -> Result<Vec<u8>, Fault> {
    let io = |source| failed(path, source);
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(no_file(path));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(cap + 1).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() as u64 > cap {
        return Err(Fault::Limit { what, limit: format!("{cap} bytes") });
    }
    Ok(bytes)
}

fn no_file(path: &Path) -> Fault {
    failed(path, io::Error::other("not a regular file"))
}

fn failed(path: &Path, source: io::Error) -> Fault {
    match source.kind() {
        ErrorKind::NotFound => Fault::NotFound,
        _ => Fault::Io { path: path.to_owned(), source },
    }
}
