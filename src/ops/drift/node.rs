use std::{collections::BTreeMap, fmt, fmt::Write as _};

/// Extended attributes, by their names.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Its bytes.
        size: u64,
        /// SHA-256 of them; `None` where they were not read.
        content: Option<[u8; 32]>,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A character device: major, minor.
    Character(u32, u32),
    /// A block device: major, minor.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket. Archives hold none.
    Socket,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Directory => "directory",
            Self::Symlink(_) => "symbolic link",
            Self::Character(..) => "character device",
            Self::Block(..) => "block device",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
        }
    }
}

/// What stands behind one or more paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Inode {
    /// Bytes that are held for it beside itself, about.
    pub(super) fn held(&self) -> usize {
        let target = if let Kind::Symlink(target) = &self.kind { target.len() } else { 0 };
        target + self.xattrs.iter().map(|(name, value)| 64 + name.len() + value.len()).sum::<usize>()
    }
}

/// A path's bytes as text: what is no UTF-8 as `\x..`.
#[derive(Clone, Copy)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A path from the root, with its slash.
#[must_use]
pub fn shown_path(path: &[u8]) -> String {
    let mut text = String::from("/");
    let _ = write!(text, "{}", Shown(path));
    text
}

/// The parent and the last component of a path without a slash at its ends; the root's own is `None`.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => Some((path.get(..at)?, path.get(at + 1..)?)),
        None => (!path.is_empty()).then_some((&[], path)),
    }
}

/// One path below another.
pub(super) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}
