use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Writes a file so that whoever reads it, after a crash too, sees all of the old content or all of the new one.
///
/// A temporary file beside it is written, synced and renamed onto it. `mode` are the Unix permissions, set before
/// the first byte is written; they are those of the new file whatever the old one had. A symbolic link is replaced.
///
/// # Errors
/// As the file system says; the temporary file is removed.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Staged::write(path, bytes, mode)?.replace()
}

/// Replaces files, or creates them with mode 0644: all of them are written beside their targets before the first is
/// renamed, in the order given. Mode and owner of a file that is there stay; of a symbolic link, what it points at is
/// replaced. Folders have to be there.
///
/// # Errors
/// As the file system says; before the first rename nothing is changed.
pub fn replace_files(files: &[(PathBuf, &[u8])]) -> io::Result<()> {
    let mut staged = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let (target, old) = match path.canonicalize() {
            Ok(target) => (target.clone(), Some(fs::metadata(&target)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (path.clone(), None),
            Err(error) => return Err(error),
        };
        staged.push(match &old {
            Some(old) => Staged::write_as(&target, bytes, old)?,
            None => Staged::write(&target, bytes, 0o644)?,
        });
    }
    staged.into_iter().try_for_each(Staged::replace)
}

#[cfg(unix)]
pub(super) fn mode_of(file: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    file.permissions().mode() & 0o777
}

#[cfg(not(unix))]
pub(super) fn mode_of(_file: &fs::Metadata) -> u32 {
    0o644
}

#[cfg(unix)]
fn keep_owner(path: &Path, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let new = fs::metadata(path)?;
    let differs = |old, new| (old != new).then_some(old);
    match (differs(old.uid(), new.uid()), differs(old.gid(), new.gid())) {
        (None, None) => Ok(()),
        (uid, gid) => chown(path, uid, gid),
    }
}

#[cfg(not(unix))]
fn keep_owner(_path: &Path, _old: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Reads a file of at most `most` bytes; a larger one is [`io::ErrorKind::FileTooLarge`].
pub(super) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default().saturating_add(1));
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = format!("larger than {most} bytes, which are read at most");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// A complete, synced temporary file beside its target; removed on drop unless it was put in place.
pub(super) struct Staged {
    temporary: PathBuf,
    target: PathBuf,
}

impl Staged {
    pub(super) fn write(target: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let name = target.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        let (temporary, mut file) = loop {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{}.tmp", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
            let temporary = target.with_file_name(hidden);
            match create_new(&temporary, mode) {
                // Left behind by a process that was killed, or another machine's on a shared disk.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => break (temporary, created?),
            }
        };
        let staged = Self { temporary, target: target.to_owned() };
        set_mode(&file, mode)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(staged)
    }

    /// As [`Self::write`], with mode and owner of a file that it will take the place of.
    pub(super) fn write_as(target: &Path, bytes: &[u8], old: &fs::Metadata) -> io::Result<Self> {
        let staged = Self::write(target, bytes, mode_of(old))?;
        keep_owner(&staged.temporary, old)?;
        Ok(staged)
    }

    /// Puts it in place of whatever file is there.
    pub(super) fn replace(self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        sync_parent(&self.target);
        Ok(())
    }

    /// Puts it in place if nothing is there.
    pub(super) fn create(self) -> io::Result<()> {
        match fs::hard_link(&self.temporary, &self.target) {
            Ok(()) => {
                sync_parent(&self.target);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // A file system without hard links: an empty file keeps the name until the rename.
            Err(_) => {
                create_new(&self.target, 0o600)?;
                let target = self.target.clone();
                self.replace().inspect_err(|_| {
                    let _ = fs::remove_file(target);
                })
            }
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.temporary);
    }
}

#[cfg(unix)]
fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create_new(path: &Path, _mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Past the umask, which `open` applies.
#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Has the new name reach the disk too. Not every file system can, and the file is in place either way.
#[cfg(unix)]
pub(super) fn sync_parent(path: &Path) {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(parent).and_then(|parent| parent.sync_all());
}

#[cfg(not(unix))]
fn sync_parent(_path: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_new_content_replaces_the_old_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomic(&path, b"old, and longer", 0o644).unwrap();
        write_atomic(&path, b"new", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_is_the_one_asked_for() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o644, 0o666] {
            let path = dir.path().join(format!("{mode:o}"));
            write_atomic(&path, b"x", mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    // [V-232]
    #[cfg(unix)]
    #[test]
    fn files_keep_mode_owner_and_links_and_change_together() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (old, link, new) = (dir.path().join("old"), dir.path().join("link"), dir.path().join("new"));
        write_atomic(&old, b"old", 0o640).unwrap();
        let is_root = fs::metadata(&old).unwrap().uid() == 0;
        if is_root {
            chown(&old, Some(12), Some(34)).unwrap();
        }
        symlink("old", &link).unwrap();
        replace_files(&[(link.clone(), b"one"), (new.clone(), b"two")]).unwrap();
        assert_eq!((fs::read(&old).unwrap(), fs::read(&new).unwrap()), (b"one".to_vec(), b"two".to_vec()));
        assert!(link.is_symlink());
        let (old, new) = (fs::metadata(&old).unwrap(), fs::metadata(&new).unwrap());
        assert_eq!((old.permissions().mode() & 0o777, new.permissions().mode() & 0o777), (0o640, 0o644));
        assert!(!is_root || (old.uid(), old.gid()) == (12, 34));
        // The second can't be written, and so the first stays.
        replace_files(&[(link.clone(), b"three"), (dir.path().join("missing/file"), b"x")]).unwrap_err();
        assert_eq!(fs::read(&link).unwrap(), b"one");
        assert_eq!(names(dir.path()), ["link", "new", "old"]);
    }

    #[test]
    fn a_target_that_cannot_be_replaced_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("taken/inside")).unwrap();
        write_atomic(&dir.path().join("taken"), b"x", 0o600).unwrap_err();
        assert_eq!(names(dir.path()), ["taken"]);
        write_atomic(&dir.path().join("missing/file"), b"x", 0o600).unwrap_err();
        write_atomic(Path::new(".."), b"x", 0o600).unwrap_err();
    }

    #[test]
    fn leftovers_of_a_killed_process_are_passed_over_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let next = COUNTER.load(Ordering::Relaxed);
        for n in next..next + 64 {
            fs::write(dir.path().join(format!(".file.{}-{n}.tmp", process::id())), "leftover").unwrap();
        }
        write_atomic(&dir.path().join("file"), b"new", 0o600).unwrap();
        assert_eq!(names(dir.path()).len(), 65);
        assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"new");
    }

    #[test]
    fn of_many_that_create_one_wins_and_its_content_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let won: Vec<bool> = std::thread::scope(|scope| {
            let create = |n: u8| {
                let path = &path;
                scope.spawn(move || Staged::write(path, &[n; 4096], 0o600).unwrap().create().is_ok())
            };
            (0..8).map(create).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = won.iter().position(|won| *won).unwrap() as u8;
        assert_eq!(fs::read(&path).unwrap(), [winner; 4096]);
        assert_eq!(names(dir.path()), ["file"]);
    }
}
