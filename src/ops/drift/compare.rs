//! What is there beside what the layers say.

use super::{
    node::{Inode, Kind, Xattrs, shown_path},
    report::{Change, Difference, Report, Standing, Unknown},
    rules::{Rules, Unread},
    tree::{Node, Tree},
};
use crate::limits::DIFFERENCES;
use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

/// What can be compared of a filesystem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Comparable {
    /// Whoever unpacked it could give files to others.
    pub owners: bool,
    /// It holds extended attributes.
    pub xattrs: bool,
}

/// Something that was found.
pub struct Found<'a> {
    /// Where.
    pub path: &'a [u8],
    /// What kind of thing; a file's content may still be unknown.
    pub kind: Kind,
    /// Its attributes, unless nothing is said of them.
    pub attributes: Option<Attributes>,
    /// What is the same for all of its names.
    pub identity: (u64, u64),
    /// Whether it has several.
    pub shared: bool,
}

impl Found<'_> {
    fn mode(&self) -> u32 {
        self.attributes.as_ref().map_or(0, |attributes| attributes.mode)
    }
}

/// Attributes of what was found.
pub struct Attributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// `None`: there can't be any, or it is not opened. Else why they could not be read.
    pub xattrs: Result<Option<Xattrs>, String>,
}

/// A comparison under way.
pub struct Comparison<'a> {
    expected: &'a Tree,
    links: Vec<u32>,
    rules: &'a Rules,
    comparable: Comparable,
    seen: HashSet<&'a [u8]>,
    /// Which inode there is the one of the layers, and the reverse: of files with several names.
    there: HashMap<usize, (u64, u64)>,
    back: HashMap<(u64, u64), usize>,
    report: Report,
    owners: u64,
    xattrs: u64,
    implied: u64,
    /// Paths that are not known and do not count.
    apart: u64,
    /// Where another filesystem is mounted that every container has.
    mounts: Vec<String>,
}

impl<'a> Comparison<'a> {
    pub fn new(expected: &'a Tree, rules: &'a Rules, comparable: Comparable) -> Self {
        let (links, report) = (expected.links(), Report::default());
        let (seen, there, back) = Default::default();
        let (owners, xattrs, implied, apart, mounts) = Default::default();
        Self { expected, links, rules, comparable, seen, there, back, report, owners, xattrs, implied, apart, mounts }
    }

    /// Compares all but the content of a file: where that has to be hashed, its hash by the layers.
    pub fn meet(&mut self, found: &Found<'_>) -> Option<[u8; 32]> {
        let Some((path, node)) = self.expected.entry(found.path) else {
            self.differ(found.path, Change::Added { kind: found.kind.clone(), mode: found.mode() });
            return None;
        };
        let (number, inode) = self.expected.inode(node)?;
        self.seen.insert(path);
        self.report.compared += 1;
        let unhashed = self.kinds(found, inode);
        if std::mem::discriminant(&inode.kind) == std::mem::discriminant(&found.kind) {
            self.attributes(found, node, inode);
            self.same_links(found, number);
        }
        unhashed
    }

    fn kinds(&mut self, found: &Found<'_>, inode: &Inode) -> Option<[u8; 32]> {
        let change = match (&inode.kind, &found.kind) {
            (Kind::File { size, content }, Kind::File { size: there, content: hash }) => {
                if size == there && hash.is_none() {
                    return *content;
                }
                let change = Change::Content { expected: *size, found: *there, mode: found.mode() };
                (size != there || content != hash).then_some(change)
            }
            (Kind::Symlink(a), Kind::Symlink(b)) => {
                (a != b).then(|| Change::Target { expected: a.clone(), found: b.clone() })
            }
            (Kind::Character(a, b), Kind::Character(c, d)) | (Kind::Block(a, b), Kind::Block(c, d)) => {
                ((a, b) != (c, d)).then_some(Change::Device { expected: (*a, *b), found: (*c, *d) })
            }
            (a, b) => (a != b).then(|| Change::Type { expected: a.clone(), found: b.clone() }),
        };
        if let Some(change) = change {
            self.differ(found.path, change);
        }
        None
    }

    fn attributes(&mut self, found: &Found<'_>, node: Node, inode: &Inode) {
        if let Some(Attributes { xattrs: Err(why), .. }) = &found.attributes {
            self.not_known(found.path, Unread::Itself, format!("its extended attributes: {why}"));
        }
        let Some(Attributes { mode, uid, gid, xattrs }) = found.attributes.as_ref().filter(|_| !node.implied) else {
            self.implied += 1;
            return;
        };
        // Linux gives symbolic links no permissions of their own.
        if inode.mode != *mode && !matches!(inode.kind, Kind::Symlink(_)) {
            self.differ(found.path, Change::Mode { expected: inode.mode, found: *mode });
        }
        let (expected, there) = ((inode.uid, inode.gid), (*uid, *gid));
        if expected != there && self.comparable.owners {
            self.differ(found.path, Change::Owner { expected, found: there });
        } else if expected != there {
            self.owners += 1;
        }
        match xattrs {
            Ok(Some(xattrs)) if self.comparable.xattrs => self.same_xattrs(found.path, &inode.xattrs, xattrs),
            Ok(_) => self.xattrs += u64::from(!inode.xattrs.is_empty()),
            Err(_) => {}
        }
    }

    fn same_xattrs(&mut self, path: &[u8], expected: &Xattrs, found: &Xattrs) {
        // Only root gives files other attributes than those that belong to users; that one was added, anybody sees.
        let owners = self.comparable.owners;
        let mut untold = false;
        let mut differ = |name: &[u8], how| {
            if owners || how == "added" || name.starts_with(b"user.") {
                self.differ(path, Change::Xattr { name: name.to_vec(), how });
            } else {
                untold = true;
            }
        };
        for (name, value) in expected.iter().filter(|(name, _)| is_image_s(name)) {
            match found.get(name) {
                None => differ(name, "deleted"),
                Some(other) if other != value => differ(name, "changed"),
                Some(_) => {}
            }
        }
        for name in found.keys().filter(|name| is_image_s(name) && !expected.contains_key(*name)) {
            differ(name, "added");
        }
        self.xattrs += u64::from(untold);
    }

    /// Paths that share an inode by the layers have to share one here, and no others.
    fn same_links(&mut self, found: &Found<'_>, number: usize) {
        let expects = self.links.get(number).is_some_and(|links| *links > 1);
        if !matches!(found.kind, Kind::File { .. }) || !(expects || found.shared) {
            return;
        }
        let one = !expects || same(&mut self.there, number, found.identity);
        let other = !found.shared || same(&mut self.back, found.identity, number);
        if !(one && other) {
            self.differ(found.path, Change::Links);
        }
    }

    /// The content of a file is another than its hash says.
    pub fn other_content(&mut self, path: &[u8], size: u64, mode: u32) {
        self.differ(path, Change::Content { expected: size, found: size, mode });
    }

    pub fn hashed(&mut self, bytes: u64) {
        self.report.hashed += bytes;
    }

    /// Something could not be read. What the layers have there and below is neither here nor gone.
    pub fn unread(&mut self, path: &[u8], what: Unread, why: String) {
        if let Some((path, _)) = self.expected.entry(path) {
            self.seen.insert(path);
        }
        for (below, _) in self.expected.below(path) {
            self.seen.insert(below);
        }
        self.not_known(path, what, why);
    }

    fn not_known(&mut self, path: &[u8], what: Unread, why: String) {
        let standing = self.rules.standing_of_unread(path, what);
        let count = if standing == Standing::Drift { &mut self.report.unknowns } else { &mut self.apart };
        *count += 1;
        if *count <= DIFFERENCES {
            self.report.unknown.push(Unknown { path: path.to_vec(), why, standing });
        }
        if standing == Standing::Runtime {
            self.mounts.push(shown_path(path));
        }
    }

    /// What was not met is gone.
    pub fn finish(mut self) -> Report {
        let expected = self.expected;
        for (path, node) in expected.iter() {
            if !path.is_empty()
                && !self.seen.contains(path)
                && let Some((_, inode)) = expected.inode(node)
            {
                self.differ(path, Change::Deleted(inode.kind.clone()));
            }
        }
        self.report.differences.sort_by(|a, b| (&a.path, a.change.id()).cmp(&(&b.path, b.change.id())));
        self.report.unknown.sort_by(|a, b| a.path.cmp(&b.path));
        self.say_unchecked();
        self.report
    }

    fn say_unchecked(&mut self) {
        let unchecked = &mut self.report.unchecked;
        unchecked.push("times of change: runtimes and copies set them".to_owned());
        unchecked.push(
            "the machine's own extended attributes: security.selinux, .ima and .evm, those of overlays, system.* but access lists"
                .to_owned(),
        );
        if !self.mounts.is_empty() {
            unchecked.push(format!("what is mounted at {}: runtimes do that", self.mounts.join(", ")));
        }
        if !self.comparable.owners {
            unchecked.push(format!(
                "owners: only root can unpack them, and this is not root; {} paths have others than in the layers",
                self.owners
            ));
        }
        if !self.comparable.xattrs {
            unchecked
                .push("extended attributes: there are none in what was compared, or they can't be read".to_owned());
        } else if self.xattrs > 0 {
            unchecked.push(format!(
                "extended attributes of {} paths, which can't have any there, are not opened, or that only root can set",
                self.xattrs
            ));
        }
        if self.implied > 0 {
            unchecked.push(format!(
                "mode, owner and extended attributes of {} directories that are listed on one side only",
                self.implied
            ));
        }
    }

    fn differ(&mut self, path: &[u8], change: Change) {
        let standing = self.rules.standing(path, &change);
        let count = self.report.counts.entry((standing, change.id())).or_default();
        *count += 1;
        if *count <= DIFFERENCES {
            self.report.differences.push(Difference { path: path.to_vec(), change, standing });
        }
    }
}

/// Whether a key was met with this value, or is met for the first time.
fn same<K: Hash + Eq, V: PartialEq + Copy>(met: &mut HashMap<K, V>, key: K, value: V) -> bool {
    *met.entry(key).or_insert(value) == value
}

/// Attributes that an image brings along, or that somebody adds; the others are the machine's: its labels, its measurements,
/// its overlays.
pub fn is_image_s(name: &[u8]) -> bool {
    const MACHINE: [&[u8]; 4] = [b"security.selinux", b"security.ima", b"security.evm", b"system."];
    const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
    name.starts_with(b"system.posix_acl_") || !MACHINE.iter().chain(&OVERLAY).any(|prefix| name.starts_with(prefix))
}
