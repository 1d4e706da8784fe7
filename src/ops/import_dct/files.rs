//! Docker's own copies: `DIR/tuf/REPOSITORY/metadata`, where `DIR` is `~/.docker/trust`.

use super::{ImportDctError, Pin};
use crate::{
    format::notary::{Body, Root, Signed, Snapshot, Targets, Timestamp, is_delegation},
    limits::{NOTARY_DELEGATIONS, NOTARY_FILE_BYTES, NOTARY_ROOTS, NOTARY_STATE_BYTES},
    oci::RepositoryName,
    trust::notary::{Files, RootPin},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Levels of delegations below `targets`. Source: docker makes one.
const DEPTH: usize = 8;

/// Reads a repository's metadata out of docker's cache. Nothing of it is verified.
///
/// # Errors
/// The folder holds nothing of the repository; a file can't be read; files over the limits.
pub fn read_tree(folder: &Path, repository: &RepositoryName) -> Result<Files, ImportDctError> {
    let base = metadata(folder, repository);
    let root = base.join("root.json");
    if !root.is_file() {
        return Err(ImportDctError::NoTree {
            folder: folder.to_owned(),
            repository: repository.to_string(),
            expected: root,
        });
    }
    let mut files = Files::new();
    walk(&base, "", 0, &mut files)?;
    Ok(files)
}

/// The pin that docker's cache makes: the root that it remembers, and the versions that it has seen.
///
/// # Errors
/// The cache holds nothing of the repository; a file can't be read or is broken.
pub fn pin_from_cache(folder: &Path, repository: &RepositoryName) -> Result<Pin, ImportDctError> {
    let files = read_tree(folder, repository)?;
    let base = metadata(folder, repository);
    let mut floors = BTreeMap::new();
    for (name, bytes) in &files {
        let version = match name.as_str() {
            "root" => version::<Root>(bytes),
            "timestamp" => version::<Timestamp>(bytes),
            "snapshot" => version::<Snapshot>(bytes),
            name if name == "targets" || is_delegation(name) => version::<Targets>(bytes),
            _ => continue,
        };
        let broken = |source| ImportDctError::Cache { path: base.join(format!("{name}.json")), source };
        floors.insert(name.clone(), version.map_err(broken)?);
    }
    let root = files.get("root").cloned().unwrap_or_default();
    Ok(Pin { root: RootPin::Cache(root), floors })
}

fn version<T: Body>(bytes: &[u8]) -> Result<u64, crate::format::notary::NotaryFormatError> {
    Signed::<T>::decode(bytes).map(|signed| signed.version)
}

fn metadata(folder: &Path, repository: &RepositoryName) -> PathBuf {
    folder.join("tuf").join(&repository.host).join(&repository.path).join("metadata")
}

/// Reads what has a role's name; whatever else lies there (docker's `changelist`) is passed over.
fn walk(base: &Path, prefix: &str, depth: usize, files: &mut Files) -> Result<(), ImportDctError> {
    let folder = base.join(prefix);
    let failed = |source| ImportDctError::Io { path: folder.clone(), source };
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let below = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.path().is_dir() {
            if depth < DEPTH && (below == "targets" || is_delegation(&below)) {
                walk(base, &below, depth + 1, files)?;
            }
        } else if let Some(role) = below.strip_suffix(".json").filter(|role| is_file_name(role)) {
            files.insert(role.to_owned(), read(&entry.path(), NOTARY_FILE_BYTES)?);
            bounded(files)?;
        }
    }
    Ok(())
}

fn is_file_name(role: &str) -> bool {
    let numbered = role.strip_suffix(".root").is_some_and(|version| version.parse::<u64>().is_ok());
    ["root", "targets", "snapshot", "timestamp"].contains(&role) || numbered || is_delegation(role)
}

/// Whether these are not more files, and not more bytes, than one repository may have.
pub(super) fn bounded(files: &Files) -> Result<(), ImportDctError> {
    let total: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    if total > NOTARY_STATE_BYTES || files.len() > NOTARY_DELEGATIONS + NOTARY_ROOTS as usize {
        let what = "the repository's metadata".to_owned();
        return Err(ImportDctError::Limit { what, limit: NOTARY_STATE_BYTES });
    }
    Ok(())
}

pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ImportDctError> {
    let failed = |source: io::Error| ImportDctError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ImportDctError::Limit { what: path.display().to_string(), limit });
    }
    Ok(bytes)
}
