//! A tar archive, entry by entry, as the runtimes read it (Go's archive/tar: ustar, GNU's long names, PAX). Where readers are
//! known to differ, the archive is refused.

use super::node::{Inode, Kind, Xattrs};
use crate::{
    crypto::hash::{Hash, Hasher},
    limits::{FILE_NAME_BYTES, LAYER_ENTRIES, LAYER_NAME_BYTES, PATH_BYTES, TAR_EXTENSION_BYTES},
};
use std::io::{self, BufRead, Write};
use tar::Header;

const BLOCK: usize = 512;

/// Why an archive is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// It can't be read, or decompressed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no tar archive, or one that readers do not agree on.
    #[error("entry {entry}: {what}")]
    Malformed {
        /// Which entry, counted from 1.
        entry: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A path that leads out of the filesystem, or that no filesystem can hold.
    #[error("{path:?}: {what}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong.
        what: &'static str,
    },
    /// It ends where another entry could stand, or goes on behind its end. No layer is refused for that: its digest says that it
    /// is whole.
    #[error("it does not end with a block of zeros: it is empty, was cut off, or something stands behind its end")]
    Cut,
    /// More than is read.
    #[error("more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much is read.
        limit: u64,
    },
}

/// An entry, with a path that has neither `.` nor `..`, nor a slash at its ends.
#[derive(Debug)]
pub struct Entry {
    /// Where.
    pub path: Vec<u8>,
    /// What.
    pub what: What,
}

/// What an entry is.
#[derive(Debug)]
pub enum What {
    /// Something of its own.
    Node(Inode),
    /// Another name of a path, with the attributes that are set through it.
    HardLink(Vec<u8>, Inode),
}

/// What extended headers say of the next entry.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    gnu_path: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    xattrs: Xattrs,
}

/// Reads an archive to its end, and what follows it, too: that is hashed with the rest. Beside the entries: whether a block of
/// zeros marks the end, and nothing but zeros follows.
///
/// # Errors
/// As [`ArchiveFault`] says.
pub fn read(archive: &mut dyn BufRead) -> Result<(Vec<Entry>, bool), ArchiveFault> {
    let mut reader = Reader { archive, entry: 0, ended: false };
    let (mut entries, mut names, mut extended) = (Vec::new(), 0_usize, Extended::default());
    while let Some(header) = reader.header()? {
        let kind = header.as_old().linkflag[0];
        if matches!(kind, b'x' | b'g' | b'L' | b'K') {
            reader.extension(&header, kind, &mut extended)?;
            continue;
        }
        let entry = reader.entry(&header, kind, std::mem::take(&mut extended))?;
        names += entry.names();
        if names > LAYER_NAME_BYTES {
            return Err(ArchiveFault::Limit { what: "bytes of names", limit: LAYER_NAME_BYTES as u64 });
        }
        if entries.len() == LAYER_ENTRIES {
            return Err(ArchiveFault::Limit { what: "entries", limit: LAYER_ENTRIES as u64 });
        }
        entries.push(entry);
    }
    let mut rest = Zeros(true);
    io::copy(reader.archive, &mut rest)?;
    Ok((entries, reader.ended && rest.0))
}

/// Whether all that is written here is zeros.
struct Zeros(bool);

impl Write for Zeros {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 &= bytes.iter().all(|byte| *byte == 0);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Entry {
    pub(super) fn is_directory(&self) -> bool {
        matches!(&self.what, What::Node(Inode { kind: Kind::Directory, .. }))
    }

    fn names(&self) -> usize {
        let (link, inode) = match &self.what {
            What::Node(inode) => (0, inode),
            What::HardLink(target, inode) => (target.len(), inode),
        };
        self.path.len() + link + inode.held()
    }
}

struct Reader<'a> {
    archive: &'a mut dyn BufRead,
    entry: usize,
    /// A block of zeros was read.
    ended: bool,
}

impl Reader<'_> {
    fn malformed(&self, what: &'static str) -> ArchiveFault {
        ArchiveFault::Malformed { entry: self.entry, what }
    }

    /// The next block, unless the archive ends before it.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveFault> {
        if self.archive.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        self.archive.read_exact(&mut block)?;
        Ok(Some(block))
    }

    /// The next header; `None` at the archive's end, which is two blocks of zeros or that of the file.
    fn header(&mut self) -> Result<Option<Header>, ArchiveFault> {
        self.entry += 1;
        let Some(block) = self.block()? else { return Ok(None) };
        if block == [0; BLOCK] {
            self.ended = true;
            return match self.block()? {
                None => Ok(None),
                Some(second) if second == [0; BLOCK] => Ok(None),
                Some(_) => Err(self.malformed("an entry behind the end")),
            };
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum = |at: usize, byte: u8| u64::from(if (148..156).contains(&at) { b' ' } else { byte });
        let actual: u64 = block.iter().enumerate().map(|(at, byte)| sum(at, *byte)).sum();
        if number(&header.as_old().cksum) != Some(actual) {
            return Err(self.malformed("its header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    fn extension(&mut self, header: &Header, kind: u8, extended: &mut Extended) -> Result<(), ArchiveFault> {
        let size = number(&header.as_old().size).ok_or_else(|| self.malformed("its size is no number"))?;
        if size > TAR_EXTENSION_BYTES {
            return Err(ArchiveFault::Limit { what: "bytes of extended headers", limit: TAR_EXTENSION_BYTES });
        }
        let mut body = vec![0; size as usize];
        self.archive.read_exact(&mut body)?;
        self.pad(size)?;
        match kind {
            b'L' => extended.gnu_path = Some(until_nul(&body).to_vec()),
            b'K' => extended.gnu_link = Some(until_nul(&body).to_vec()),
            // Runtimes ignore what is said of all entries; and Go's reader what was said before.
            b'g' => *extended = Extended::default(),
            _ => {
                let (gnu_path, gnu_link) = (extended.gnu_path.take(), extended.gnu_link.take());
                let read = pax(&body).ok_or_else(|| self.malformed("its extended header (PAX) is broken"))?;
                *extended = Extended { gnu_path, gnu_link, ..read };
            }
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, kind: u8, extended: Extended) -> Result<Entry, ArchiveFault> {
        let old = header.as_old();
        let Some((Some(size), Some(mode), Some(uid), Some(gid))) =
            Some((number(&old.size), number(&old.mode), number(&old.uid), number(&old.gid)))
        else {
            return Err(self.malformed("a number in its header is none"));
        };
        let narrow = |wide: u64| u32::try_from(wide).ok();
        let (Some(uid), Some(gid)) = (extended.uid.or(narrow(uid)), extended.gid.or(narrow(gid))) else {
            return Err(self.malformed("no owner has such a number"));
        };
        let raw = extended.gnu_path.or(extended.path).unwrap_or_else(|| header.path_bytes().into_owned());
        let path = clean(&raw)?;
        let link = || {
            let own = || header.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default();
            extended.gnu_link.or(extended.link).unwrap_or_else(own)
        };
        let mut inode = Inode { kind: Kind::Directory, mode: mode as u32 & 0o7777, uid, gid, xattrs: extended.xattrs };
        inode.kind = match kind {
            // An old archive's directory is a file whose name ends in a slash.
            0 if raw.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' => self.content(extended.size.unwrap_or(size))?,
            b'1' => {
                let target = clean(&link())?;
                return Ok(Entry { path, what: What::HardLink(target, inode) });
            }
            b'2' => Kind::Symlink(target(link())?),
            b'3' => self.device(header).map(|(major, minor)| Kind::Character(major, minor))?,
            b'4' => self.device(header).map(|(major, minor)| Kind::Block(major, minor))?,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'S' => return Err(self.malformed("a sparse file, which runtimes do not read alike")),
            _ => return Err(self.malformed("a type that runtimes do not unpack")),
        };
        Ok(Entry { path, what: What::Node(inode) })
    }

    fn device(&self, header: &Header) -> Result<(u32, u32), ArchiveFault> {
        let field =
            |from: usize| header.as_bytes().get(from..from + 8).and_then(number).and_then(|n| n.try_into().ok());
        field(329).zip(field(337)).ok_or_else(|| self.malformed("no device has such numbers"))
    }

    /// Hashes a file's content.
    fn content(&mut self, size: u64) -> Result<Kind, ArchiveFault> {
        let (mut left, mut hasher) = (size, Hasher::sha256());
        while left > 0 {
            let buffer = self.archive.fill_buf()?;
            let taken = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if taken == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            hasher.update(buffer.get(..taken).unwrap_or_default());
            self.archive.consume(taken);
            left -= taken as u64;
        }
        self.pad(size)?;
        Ok(Kind::File { size, content: sha256(hasher) })
    }

    /// What fills the last block.
    fn pad(&mut self, size: u64) -> Result<(), ArchiveFault> {
        let mut rest = [0; BLOCK];
        let length = (BLOCK - (size % BLOCK as u64) as usize) % BLOCK;
        Ok(self.archive.read_exact(rest.get_mut(..length).unwrap_or_default())?)
    }
}

pub(super) fn sha256(hasher: Hasher) -> Option<[u8; 32]> {
    match hasher.finish() {
        Hash::Sha256(hash) => Some(hash),
        Hash::Sha512(_) => None,
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in a header: octal digits, or GNU's binary form. An empty field is 0.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first @ 0x80.., rest)) = field.split_first() {
        let (high, low) = rest.split_at_checked(rest.len().saturating_sub(8))?;
        let fits = *first == 0x80 && high.iter().all(|byte| *byte == 0);
        return fits.then(|| low.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    let text = str::from_utf8(until_nul(field.trim_ascii_start())).ok()?.trim_matches(' ');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok().filter(|_| !text.starts_with('+')) }
}

/// The records of a PAX header, `length key=value\n` each. An empty value leaves what the header says.
fn pax(mut body: &[u8]) -> Option<Extended> {
    let mut extended = Extended::default();
    while !body.is_empty() {
        let space = body.iter().take(20).position(|byte| *byte == b' ')?;
        let digits = body.get(..space)?;
        let length: usize = str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?.parse().ok()?;
        let record = body.get(space + 1..length)?.strip_suffix(b"\n")?;
        body = body.get(length..)?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
        let text = || (!value.contains(&0)).then(|| (!value.is_empty()).then(|| value.to_vec()));
        match key {
            b"path" => extended.path = text()?,
            b"linkpath" => extended.link = text()?,
            b"size" => extended.size = decimal(value)?,
            b"uid" => extended.uid = decimal(value)?,
            b"gid" => extended.gid = decimal(value)?,
            _ if key.is_empty() || key.contains(&0) || key.starts_with(b"GNU.sparse.") => return None,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    extended.xattrs.insert(name.to_vec(), value.to_vec());
                }
            }
        }
    }
    Some(extended)
}

#[allow(clippy::option_option, reason = "outside: whether it is well-formed; inside: whether anything is said")]
fn decimal<T: std::str::FromStr>(value: &[u8]) -> Option<Option<T>> {
    if value.is_empty() {
        return Some(None);
    }
    value.iter().all(u8::is_ascii_digit).then_some(())?;
    str::from_utf8(value).ok()?.parse().ok().map(Some)
}

fn target(bytes: Vec<u8>) -> Result<Vec<u8>, ArchiveFault> {
    let what = match bytes.len() {
        0 => "an empty target of a symbolic link",
        length if length > PATH_BYTES => "longer than any path",
        _ if bytes.contains(&0) => "a NUL in the target of a symbolic link",
        _ => return Ok(bytes),
    };
    Err(bad_path(&bytes, what))
}

fn bad_path(path: &[u8], what: &'static str) -> ArchiveFault {
    let start = path.get(..path.len().min(FILE_NAME_BYTES)).unwrap_or_default();
    ArchiveFault::Path { path: String::from_utf8_lossy(start).into_owned(), what }
}

/// A path from the root on, without `.`; an absolute one begins at the root as well.
fn clean(path: &[u8]) -> Result<Vec<u8>, ArchiveFault> {
    if path.len() > PATH_BYTES {
        return Err(bad_path(path, "longer than any path"));
    }
    if path.contains(&0) {
        return Err(bad_path(path, "a NUL in a path"));
    }
    let mut clean = Vec::with_capacity(path.len());
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => return Err(bad_path(path, "`..` leads out of where it stands")),
            _ if component.len() > FILE_NAME_BYTES => return Err(bad_path(path, "a name longer than any file's")),
            _ => {}
        }
        if !clean.is_empty() {
            clean.push(b'/');
        }
        clean.extend_from_slice(component);
    }
    Ok(clean)
}

#[cfg(test)]
mod tests;
