//! Trusted roots by name: those that come with this version, and files.

use crate::{
    limits::TRUSTED_ROOT_BYTES,
    trust::{Instance, TrustedRoot, TrustedRootError},
};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Why there is no trusted root to verify by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedRootFileError {
    /// The file could not be read.
    #[error("trusted root {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// More bytes than are read.
    #[error("trusted root {path}: more than {TRUSTED_ROOT_BYTES} bytes", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It can't be used.
    #[error("trusted root {name}: {source}")]
    Unusable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: TrustedRootError,
    },
}

/// The instance of this name, if one comes with this version.
#[must_use]
pub fn instance(name: &str) -> Option<Instance> {
    [Instance::PublicGood, Instance::GitHub].into_iter().find(|instance| instance.name() == name)
}

/// Loads a trusted root: `public-good`, `github`, or a file.
///
/// # Errors
/// The file can't be read, or is no trusted root.
pub fn load(name: &str) -> Result<TrustedRoot, TrustedRootFileError> {
    let unusable = |source| TrustedRootFileError::Unusable { name: name.to_owned(), source };
    match instance(name) {
        Some(instance) => TrustedRoot::embedded(instance).map_err(unusable),
        None => TrustedRoot::decode(name, &read(Path::new(name))?).map_err(unusable),
    }
}

/// Reads a trusted root's file, or certificates, within the bound.
///
/// # Errors
/// It can't be read, or is over the bound.
pub fn read(path: &Path) -> Result<Vec<u8>, TrustedRootFileError> {
    let failed = |source| TrustedRootFileError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(TRUSTED_ROOT_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > TRUSTED_ROOT_BYTES {
        return Err(TrustedRootFileError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}
