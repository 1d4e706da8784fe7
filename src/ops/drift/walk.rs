//! A filesystem on disk, as hostile as it may be: no symbolic link is followed, each step is one name below an open directory,
//! no device, pipe or socket is opened, and no other filesystem that is mounted there is entered.

use super::{
    archive::sha256,
    compare::{Attributes, Comparison, Found, is_image_s},
    node::{Kind, Xattrs, join},
    rules::Unread,
};
use crate::{
    crypto::hash::Hasher,
    limits::{PATH_BYTES, WALK_DEPTH, WALK_ENTRIES},
};
use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    ffi::{CStr, CString},
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{Mutex, mpsc},
    thread,
};

/// Files that wait, open, to be hashed. With [`WALK_DEPTH`] it stays below the 1,024 that a process may have open.
const WAITING: usize = 64;
const BUFFER: usize = 128 << 10;
const XATTR_BYTES: usize = 64 << 10;
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Should what was a file a moment ago be a pipe now, it is not waited for.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// An open directory, the root of what is compared.
pub struct Root {
    fd: OwnedFd,
    /// Whether its filesystem can hold extended attributes.
    pub xattrs: bool,
}

impl Root {
    /// Opens it; the last link of the path itself is followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let xattrs = !matches!(xattrs(fd.as_fd()), Ok(None));
        Ok(Self { fd, xattrs })
    }

    /// Walks it, and compares what is there; content is hashed on all cores.
    pub fn walk(self, comparison: &mut Comparison<'_>) -> io::Result<()> {
        let stat = fs::fstat(&self.fd)?;
        let (jobs, waiting) = mpsc::sync_channel::<Job>(WAITING);
        let (waiting, told) = (Mutex::new(waiting), Mutex::new((0, Vec::new())));
        let hash_all = || {
            let mut buffer = vec![0; BUFFER];
            let next = || waiting.lock().ok().and_then(|waiting| waiting.recv().ok());
            while let Some(job) = next() {
                let size = job.size;
                let outcome = job.hash(&mut buffer);
                if let Ok(mut told) = told.lock() {
                    told.0 += size;
                    told.1.extend(outcome);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(hash_all);
            }
            let mut walk = Walk { comparison, jobs, device: stat.st_dev, entries: 0 };
            let found = walk.found(&[], Kind::Directory, &stat, Some(self.fd.as_fd()));
            walk.comparison.meet(&found);
            walk.all(self.fd)
        })?;
        let (bytes, outcomes) = told.into_inner().unwrap_or_default();
        comparison.hashed(bytes);
        for outcome in outcomes {
            match outcome {
                Outcome::Other { path, size, mode } => comparison.other_content(&path, size, mode),
                Outcome::Unread(path, why) => comparison.unread(&path, Unread::Itself, why),
            }
        }
        Ok(())
    }
}

/// A file whose content has to be hashed.
struct Job {
    path: Vec<u8>,
    file: File,
    size: u64,
    mode: u32,
    expected: [u8; 32],
}

/// What becomes of a file whose content is not the same.
enum Outcome {
    Other { path: Vec<u8>, size: u64, mode: u32 },
    Unread(Vec<u8>, String),
}

impl Job {
    fn hash(mut self, buffer: &mut [u8]) -> Option<Outcome> {
        let (mut hasher, mut read) = (Hasher::sha256(), 0);
        loop {
            match self.file.read(buffer) {
                Ok(0) => break,
                // A file that grows is read no further.
                Ok(_) if read > self.size => break,
                Ok(more) => {
                    hasher.update(buffer.get(..more).unwrap_or_default());
                    read += more as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(Outcome::Unread(self.path, error.to_string())),
            }
        }
        let Self { path, size, mode, .. } = self;
        (sha256(hasher) != Some(self.expected)).then_some(Outcome::Other { path, size, mode })
    }
}

struct Walk<'c, 't> {
    comparison: &'c mut Comparison<'t>,
    jobs: mpsc::SyncSender<Job>,
    device: u64,
    entries: usize,
}

impl Walk<'_, '_> {
    fn all(&mut self, root: OwnedFd) -> io::Result<()> {
        let mut levels = vec![(Dir::new(root)?, Vec::new())];
        while let Some((directory, path)) = levels.last_mut() {
            let name = match directory.read() {
                None => {
                    levels.pop();
                    continue;
                }
                Some(Ok(entry)) => entry.file_name().to_owned(),
                Some(Err(error)) => {
                    self.comparison.unread(path, Unread::AndBelow, error.to_string());
                    levels.pop();
                    continue;
                }
            };
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.entries += 1;
            if self.entries > WALK_ENTRIES {
                self.comparison.unread(&[], Unread::AndBelow, format!("more than {WALK_ENTRIES} files"));
                return Ok(());
            }
            let below = join(path, name.to_bytes());
            let deeper = self.one(directory.fd()?, &name, &below);
            if let Some(fd) = deeper {
                if levels.len() >= WALK_DEPTH || below.len() > PATH_BYTES {
                    let why = format!("more than {WALK_DEPTH} directories deep");
                    self.comparison.unread(&below, Unread::AndBelow, why);
                } else {
                    levels.push((Dir::new(fd)?, below));
                }
            }
        }
        Ok(())
    }

    /// Compares what has a name in a directory; a directory is handed back open.
    fn one(&mut self, parent: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> Option<OwnedFd> {
        let stat = match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => {
                self.comparison.unread(path, Unread::AndBelow, format!("it was there a moment ago: {error}"));
                return None;
            }
        };
        let (major, minor) = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                self.file(parent, name, path, &stat);
                return None;
            }
            FileType::Directory => return self.directory(parent, name, path, &stat),
            FileType::Symlink => match fs::readlinkat(parent, name, Vec::new()) {
                Ok(target) => Kind::Symlink(target.into_bytes()),
                Err(error) => {
                    self.comparison.unread(path, Unread::Itself, error.to_string());
                    return None;
                }
            },
            FileType::CharacterDevice => Kind::Character(major, minor),
            FileType::BlockDevice => Kind::Block(major, minor),
            FileType::Fifo => Kind::Fifo,
            _ => Kind::Socket,
        };
        let found = self.found(path, kind, &stat, None);
        self.comparison.meet(&found);
        None
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &CStr, path: &[u8], stat: &Stat) -> Option<OwnedFd> {
        if stat.st_dev != self.device {
            let why = "another filesystem is mounted there; it was not looked into".to_owned();
            self.comparison.unread(path, Unread::OtherMount, why);
            return None;
        }
        let opened = fs::openat(parent, name, DIRECTORY, Mode::empty()).and_then(|fd| same(stat, fd));
        let found = self.found(path, Kind::Directory, stat, opened.as_ref().ok().map(AsFd::as_fd));
        self.comparison.meet(&found);
        opened.map_err(|error| self.comparison.unread(path, Unread::AndBelow, error.to_string())).ok()
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &CStr, path: &[u8], stat: &Stat) {
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let opened = fs::openat(parent, name, FILE, Mode::empty()).and_then(|fd| same(stat, fd));
        let kind = Kind::File { size, content: None };
        let found = self.found(path, kind, stat, opened.as_ref().ok().map(AsFd::as_fd));
        let Some(expected) = self.comparison.meet(&found) else { return };
        match opened {
            Ok(fd) => {
                let mode = stat.st_mode & 0o7777;
                let job = Job { path: path.to_vec(), file: File::from(fd), size, mode, expected };
                if let Err(mpsc::SendError(job)) = self.jobs.send(job) {
                    let why = "no thread is left that hashes it".to_owned();
                    self.comparison.unread(&job.path, Unread::Itself, why);
                }
            }
            Err(error) => self.comparison.unread(path, Unread::Itself, error.to_string()),
        }
    }

    fn found<'p>(&self, path: &'p [u8], kind: Kind, stat: &Stat, fd: Option<BorrowedFd<'_>>) -> Found<'p> {
        let xattrs = fd.map_or(Ok(None), xattrs).map_err(|error| error.to_string());
        let attributes = Attributes { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, xattrs };
        let shared = matches!(kind, Kind::File { .. }) && stat.st_nlink > 1;
        Found { path, kind, attributes: Some(attributes), identity: (stat.st_dev, stat.st_ino), shared }
    }
}

/// What was opened, if it is what was there a moment ago.
fn same(stat: &Stat, fd: OwnedFd) -> rustix::io::Result<OwnedFd> {
    let opened = fs::fstat(&fd)?;
    let kind = |stat: &Stat| FileType::from_raw_mode(stat.st_mode);
    if (opened.st_ino, opened.st_dev, kind(&opened)) == (stat.st_ino, stat.st_dev, kind(stat)) {
        Ok(fd)
    } else {
        Err(Errno::STALE)
    }
}

/// The extended attributes of an open file that an image may have brought along; `None` if its filesystem has no such thing.
pub(super) fn xattrs(fd: BorrowedFd<'_>) -> io::Result<Option<Xattrs>> {
    let mut found = Xattrs::new();
    let mut names = match fs::flistxattr_query(fd) {
        Ok(0) => return Ok(Some(found)),
        Ok(_) => vec![0_u8; XATTR_BYTES],
        Err(Errno::NOTSUP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let length = fs::flistxattr(fd, &mut names[..])?;
    names.truncate(length);
    for name in names.split(|byte| *byte == 0).filter(|name| is_image_s(name) && !name.is_empty()) {
        let mut value = vec![0_u8; XATTR_BYTES];
        let length = fs::fgetxattr(fd, CString::new(name)?, &mut value[..])?;
        value.truncate(length);
        found.insert(name.to_vec(), value);
    }
    Ok(Some(found))
}
