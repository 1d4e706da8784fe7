//! Who may write what decides.

use super::Finding;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Those of the files, and of the folders that they lie in, that others than their owners may write; links are followed.
#[must_use]
pub fn writable(files: &[PathBuf]) -> Vec<Finding> {
    let mut places = BTreeSet::new();
    for file in files {
        let named_in = file.parent().and_then(|folder| folder.canonicalize().ok());
        let real = file.canonicalize().ok();
        let lies_in = real.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        places.extend([named_in, lies_in, real].into_iter().flatten());
    }
    places.iter().filter_map(|place| foreign_writers(place)).collect()
}

/// Whether others than its owner may write it.
#[cfg(unix)]
pub(super) fn foreign_writers(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path.metadata().ok()?.permissions().mode();
    (mode & 0o022 != 0).then(|| {
        let message =
            format!("may be written by others than its owner (mode {:o}): they decide what is pulled", mode & 0o777);
        Finding::new("writable", super::Level::Bypass, message, "chmod go-w").at(path)
    })
}

#[cfg(not(unix))]
pub(super) fn foreign_writers(_: &Path) -> Option<Finding> {
    None
}
