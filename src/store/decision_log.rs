//! The file of a decision log: whole lines under a lock, on the disk before anybody is told.

use super::{
    atomic::{Staged, mode_of, sync_parent},
    lock::Lock,
};
use crate::{
    format::decision_log::{ChainFault, Event, Head},
    limits::LOG_TAIL_BYTES,
};
use jiff::Timestamp;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

const MODE: u32 = 0o600;
/// Bytes of a log's end that are read first: the last entry is nearly always among them.
const USUAL_TAIL: u64 = 4 << 10;

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecisionLogError {
    /// The file can't be locked, read or written.
    #[error("decision log {path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// Its end is no log's.
    #[error("decision log {path}: its last line: {source}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ChainFault,
    },
    /// It is a link, a folder, a pipe.
    #[error("decision log {path}: expected a file of its own, found a link or something else", path = .path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// Everybody can write into it.
    #[error("decision log {path}: everybody can write it (mode {mode:o}); expected its owner and group alone", path = .path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// Records an event at the end of a log, which is made if it is not there; where the log stands then.
///
/// Of several processes one writes at a time. When this returns, the entry is on the disk. What a crash left behind the last
/// entry stays as it is, and an entry behind it says so.
///
/// # Errors
/// As [`DecisionLogError`] says; nobody may then be told what was to be recorded.
pub fn append(path: &Path, event: &Event, now: Timestamp) -> Result<Head, DecisionLogError> {
    let io = |source| DecisionLogError::Io { path: path.to_owned(), source };
    let _lock = Lock::take(path).map_err(io)?;
    let mut file = open(path)?;
    let (mut text, before) = mended(path, &mut file, now)?;
    let (line, head) = before.next(event, now).map_err(content(path))?;
    text.extend(line);
    file.write_all(&text).and_then(|()| file.sync_data()).map_err(io)?;
    if before == Head::START {
        sync_parent(path);
    }
    Ok(head)
}

/// Puts a log aside under another name, which must be free, and has a new one go on from it in its place; where that stands.
///
/// # Errors
/// As [`append`]; there is no log, or the name is taken.
pub fn rotate(path: &Path, aside: &Path, now: Timestamp) -> Result<Head, DecisionLogError> {
    let io = |source| DecisionLogError::Io { path: path.to_owned(), source };
    let _lock = Lock::take(path).map_err(io)?;
    path.symlink_metadata().map_err(io)?;
    let mut file = open(path)?;
    let old = file.metadata().map_err(io)?;
    let (text, before) = mended(path, &mut file, now)?;
    file.write_all(&text).and_then(|()| file.sync_data()).map_err(io)?;
    let from = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (line, head) = before.next(&Event::Continued { from }, now).map_err(content(path))?;
    let next = Staged::write_as(path, &line, &old).map_err(io)?;
    // A second name first, and on the disk: at no time is there no log, nor is what has the other name overwritten.
    fs::hard_link(path, aside).map_err(|source| DecisionLogError::Io { path: aside.to_owned(), source })?;
    sync_parent(aside);
    next.replace().map_err(io)?;
    Ok(head)
}

fn content(path: &Path) -> impl Fn(ChainFault) -> DecisionLogError {
    let path = path.to_owned();
    move |source| DecisionLogError::Content { path: path.clone(), source }
}

/// What has to be written before the next entry so that every byte that stands there is accounted for, and what that entry
/// follows.
fn mended(path: &Path, file: &mut File, now: Timestamp) -> Result<(Vec<u8>, Head), DecisionLogError> {
    let io = |source| DecisionLogError::Io { path: path.to_owned(), source };
    let length = file.metadata().map_err(io)?.len();
    let mut text = Vec::new();
    let mut found = Err(ChainFault::TooLong);
    let mut tail = Vec::new();
    for most in [USUAL_TAIL, LOG_TAIL_BYTES] {
        let from = length.saturating_sub(most);
        tail.clear();
        text.clear();
        file.seek(SeekFrom::Start(from)).map_err(io)?;
        file.take(most).read_to_end(&mut tail).map_err(io)?;
        if tail.last().is_some_and(|last| *last != b'\n') {
            // An entry that lacks this alone is whole with it.
            text.push(b'\n');
            tail.push(b'\n');
        }
        found = Head::of_tail(&tail, from == 0).map(|(head, torn)| (head, torn.to_vec()));
        if found.is_ok() || from == 0 {
            break;
        }
    }
    let (mut head, torn) = found.map_err(content(path))?;
    if !torn.is_empty() {
        let (line, behind) = head.recovered(&torn, now).map_err(content(path))?;
        text.extend(line);
        head = behind;
    }
    Ok((text, head))
}

/// Opens a log, or makes it: a file of its own, which not everybody can write.
fn open(path: &Path) -> Result<File, DecisionLogError> {
    let io = |source| DecisionLogError::Io { path: path.to_owned(), source };
    let no_file = || DecisionLogError::NoFile { path: path.to_owned() };
    // Looked at first: to open a pipe would wait for somebody.
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(no_file());
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    let file = options.open(path).map_err(io)?;
    // And again: what was opened is what has the name, not what a link put there meanwhile leads to.
    let (opened, named) = (file.metadata().map_err(io)?, path.symlink_metadata().map_err(io)?);
    if !named.is_file() || !is_same(&opened, &named) {
        return Err(no_file());
    }
    let mode = mode_of(&opened);
    if mode & 0o002 != 0 {
        return Err(DecisionLogError::Writable { path: path.to_owned(), mode });
    }
    Ok(file)
}

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests;
