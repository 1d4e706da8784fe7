//! The folder of verifiers. containerd runs every entry of it in the order of names, and takes an empty or missing folder for
//! leave.

use super::{Finding, Level, writers::foreign_writers};
use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, ErrorKind},
    path::{Path, PathBuf},
};

/// What is in a folder of verifiers; of entries at most `most` are run, `None` for all.
pub(super) fn look(folder: &Path, program: &Path, most: Option<usize>) -> Vec<Finding> {
    let link = "put a link to boltseal there, named boltseal-containerd";
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = "is not there: every image is pulled unverified";
            return vec![
                Finding::new("folder-missing", Level::Bypass, message, format!("make it, and {link}")).at(folder),
            ];
        }
        Err(error) => return vec![Finding::new("not-read", Level::Unknown, error.to_string(), link).at(folder)],
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    if paths.is_empty() {
        let message = "is empty: every image is pulled unverified";
        return vec![Finding::new("folder-empty", Level::Bypass, message, link).at(folder)];
    }
    let mut findings: Vec<Finding> = foreign_writers(folder).into_iter().collect();
    let ours = paths.iter().position(|path| is_boltseal(path, program));
    match (ours, most) {
        (None, _) => {
            let message = "has no boltseal: its policy is not asked";
            findings.push(Finding::new("boltseal-missing", Level::Bypass, message, link).at(folder));
        }
        (Some(at), Some(most)) if at >= most => {
            let message = format!("max_verifiers = {most}, boltseal is entry {}: it is not run", at + 1);
            findings.push(
                Finding::new("max-verifiers", Level::Bypass, message, "more of them, or fewer entries").at(folder),
            );
        }
        _ => {}
    }
    findings.extend(paths.iter().filter_map(|path| entry(path, program)));
    findings
}

/// Whether an entry is this program, or one that is called like it.
fn is_boltseal(path: &Path, program: &Path) -> bool {
    is_called_so(path) || is_program(path, program).unwrap_or(false)
}

fn is_called_so(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("boltseal-containerd"))
}

/// Whether a file is this program: the same file, or a copy of it.
fn is_program(path: &Path, program: &Path) -> io::Result<bool> {
    let (found, ours) = (path.metadata()?, program.metadata()?);
    if !found.is_file() || found.len() != ours.len() {
        return Ok(false);
    }
    Ok(path.canonicalize()? == program.canonicalize()? || has_same_content(path, program)?)
}

fn has_same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let both = left.len().min(right.len());
        if both == 0 || left.get(..both) != right.get(..both) {
            return Ok(left.is_empty() && right.is_empty());
        }
        one.consume(both);
        other.consume(both);
    }
}

fn entry(path: &Path, program: &Path) -> Option<Finding> {
    let remedy = "keep nothing there but verifiers";
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) => {
            let message = format!("can't be run ({error}): every pull is blocked");
            return Some(Finding::new("not-executable", Level::Blocked, message, remedy).at(path));
        }
    };
    if !found.is_file() || !is_executable(&found) {
        let message = "is no program: every pull is blocked";
        return Some(Finding::new("not-executable", Level::Blocked, message, remedy).at(path));
    }
    if let Some(finding) = foreign_writers(path) {
        return Some(finding);
    }
    let found = match (is_program(path, program), is_called_so(path)) {
        (Ok(true), _) => return None,
        (Ok(false), true) => {
            let program = program.display();
            let message = format!("is another program than this boltseal ({program}): what it asks is not known");
            let remedy = format!("make it a link to {program}, or run the doctor of that program");
            Finding::new("other-program", Level::Bypass, message, remedy)
        }
        (Err(error), true) => {
            let message = format!("could not be compared with this boltseal ({}): {error}", program.display());
            Finding::new("not-read", Level::Unknown, message, "run the doctor as root")
        }
        (_, false) => {
            let message = "is another verifier: it is run too, and has to allow every image";
            Finding::new("other-file", Level::Warning, message, remedy)
        }
    };
    Some(found.at(path))
}

#[cfg(unix)]
fn is_executable(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}
