//! The filesystem that layers make, the lowest first (OCI image-spec 1.1, "Image Layer Filesystem Changeset").

use super::{
    archive::{Entry, What},
    node::{Inode, Kind, Xattrs, join, split},
};
use crate::limits::{LAYER_ENTRIES, LINK_STEPS, LINKS_FOLLOWED, PATH_BYTES, TREE_NAME_BYTES};
use std::collections::{BTreeMap, BTreeSet};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What aufs kept for itself; runtimes skip it.
const WHITEOUT_META: &[u8] = b".wh..wh.";

/// Paths and what stands behind them: no symbolic link among any path's parents, each parent a directory.
#[derive(Debug)]
pub struct Tree {
    nodes: BTreeMap<Box<[u8]>, Node>,
    inodes: Vec<Inode>,
    /// Bytes of all paths, targets and attributes, those that nothing leads to any more, too.
    held: usize,
    steps: usize,
}

/// A path's entry.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    inode: usize,
    /// A directory that no layer lists: nothing is said of its attributes.
    pub implied: bool,
}

/// Why layers make no filesystem.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeFault {
    /// A parent is something else.
    #[error("{0}: a parent of it is no directory")]
    Parent(String),
    /// A hard link to what is not there, or to a directory.
    #[error("{0}: a hard link to what is not there, or can't have one")]
    HardLink(String),
    /// Symbolic links that lead to each other, or too far.
    #[error("{0}: it leads through more than {LINKS_FOLLOWED} symbolic links, or too long a path")]
    Links(String),
    /// A whiteout of no name.
    #[error("{0}: a whiteout of no file")]
    Whiteout(String),
    /// More than are held.
    #[error(
        "the filesystem has more than {LAYER_ENTRIES} entries, {TREE_NAME_BYTES} bytes of names, or too many symbolic links"
    )]
    Entries,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Inode { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, xattrs: Xattrs::new() };
        let nodes = BTreeMap::from([(Box::default(), Node { inode: 0, implied: true })]);
        Self { nodes, inodes: vec![root], held: 0, steps: 0 }
    }
}

impl Tree {
    /// Puts a layer on top. Its whiteouts hide what the layers below it have, wherever they stand in it.
    ///
    /// # Errors
    /// As [`TreeFault`] says.
    pub fn apply(&mut self, layer: Vec<Entry>) -> Result<(), TreeFault> {
        let mut replaced = BTreeSet::new();
        for entry in &layer {
            if entry.is_directory() && matches!(self.kind(&entry.path), Some(Kind::Symlink(_))) {
                replaced.insert(&*entry.path);
            }
            // Below a directory that takes a link's place there is nothing to hide, least of all where the link led.
            let mut parents = std::iter::successors(split(&entry.path), |(parent, _)| split(parent));
            if replaced.is_empty() || !parents.any(|(parent, _)| replaced.contains(parent)) {
                self.hide(&entry.path)?;
            }
        }
        let is_whiteout = |entry: &Entry| split(&entry.path).is_some_and(|(_, name)| name.starts_with(WHITEOUT));
        self.add_all(layer.into_iter().filter(|entry| !is_whiteout(entry)))
    }

    /// Adds entries as they are: those of a filesystem's archive, where no name has a meaning.
    ///
    /// # Errors
    /// As [`TreeFault`] says.
    pub fn add_all(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<(), TreeFault> {
        entries.into_iter().try_for_each(|entry| self.add(entry))
    }

    /// All paths, each behind its parent.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Node)> {
        self.nodes.iter().map(|(path, node)| (&**path, *node))
    }

    /// A path with what stands there.
    #[must_use]
    pub fn entry(&self, path: &[u8]) -> Option<(&[u8], Node)> {
        self.nodes.get_key_value(path).map(|(path, node)| (&**path, *node))
    }

    /// All that lies below a path.
    pub fn below(&self, path: &[u8]) -> impl Iterator<Item = (&[u8], Node)> {
        let (from, to): (Vec<u8>, Vec<u8>) = ([path, b"/"].concat(), [path, b"0"].concat());
        let (from, to) = if path.is_empty() { (Vec::new(), vec![0xff]) } else { (from, to) };
        self.nodes.range(Box::from(from)..Box::from(to)).map(|(path, node)| (&**path, *node))
    }

    pub(super) fn find(&self, path: &[u8]) -> Option<Node> {
        self.nodes.get(path).copied()
    }

    /// What stands behind a path, and a number that its other names share.
    #[must_use]
    pub fn inode(&self, node: Node) -> Option<(usize, &Inode)> {
        Some((node.inode, self.inodes.get(node.inode)?))
    }

    /// How many paths lead to each inode.
    #[must_use]
    pub fn links(&self) -> Vec<u32> {
        let mut links = vec![0_u32; self.inodes.len()];
        for node in self.nodes.values() {
            if let Some(count) = links.get_mut(node.inode) {
                *count += 1;
            }
        }
        links
    }

    fn kind(&self, path: &[u8]) -> Option<&Kind> {
        self.inode(self.find(path)?).map(|(_, inode)| &inode.kind)
    }

    fn hide(&mut self, path: &[u8]) -> Result<(), TreeFault> {
        let Some((parent, name)) = split(path).filter(|(_, name)| name.starts_with(WHITEOUT)) else { return Ok(()) };
        let Some(parent) = self.resolve(parent)? else { return Ok(()) };
        if name == OPAQUE {
            self.remove_below(&parent);
            return Ok(());
        }
        if name.starts_with(WHITEOUT_META) {
            return Ok(());
        }
        let hidden = name.get(WHITEOUT.len()..).unwrap_or_default();
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(TreeFault::Whiteout(super::shown_path(path)));
        }
        self.remove(&join(&parent, hidden));
        Ok(())
    }

    fn add(&mut self, Entry { path, what }: Entry) -> Result<(), TreeFault> {
        let Some((parent, name)) = split(&path) else {
            // The root: only a directory can be it, and only its attributes are new.
            if let What::Node(inode @ Inode { kind: Kind::Directory, .. }) = what {
                self.put(&[], inode)?;
                return Ok(());
            }
            return Err(TreeFault::Parent("/".to_owned()));
        };
        let parent = self.resolve(parent)?.ok_or_else(|| TreeFault::Parent(super::shown_path(&path)))?;
        self.imply(&parent)?;
        let path = join(&parent, name);
        match what {
            What::Node(inode) => self.put(&path, inode),
            What::HardLink(target, attributes) => self.link(&path, &target, attributes),
        }
    }

    /// Puts something at a path whose parent is there. Of two directories the attributes are the later one's.
    fn put(&mut self, path: &[u8], inode: Inode) -> Result<(), TreeFault> {
        let both = inode.kind == Kind::Directory && self.kind(path) == Some(&Kind::Directory);
        if !both {
            self.remove(path);
        }
        self.bounded(path.len() + inode.held())?;
        self.inodes.push(inode);
        self.nodes.insert(path.into(), Node { inode: self.inodes.len() - 1, implied: false });
        Ok(())
    }

    fn link(&mut self, path: &[u8], target: &[u8], attributes: Inode) -> Result<(), TreeFault> {
        let broken = || TreeFault::HardLink(super::shown_path(path));
        let (parent, name) = split(target).ok_or_else(broken)?;
        let target = join(&self.resolve(parent)?.ok_or_else(broken)?, name);
        let node = self.find(&target).filter(|_| target != path).ok_or_else(broken)?;
        let inode = self.inodes.get_mut(node.inode).filter(|inode| inode.kind != Kind::Directory).ok_or_else(broken)?;
        let Inode { mode, uid, gid, xattrs, kind: _ } = attributes;
        (inode.uid, inode.gid) = (uid, gid);
        if !matches!(inode.kind, Kind::Symlink(_)) {
            inode.mode = mode;
        }
        inode.xattrs.extend(xattrs);
        let held = path.len() + inode.held();
        self.remove(path);
        self.bounded(held)?;
        self.nodes.insert(path.into(), node);
        Ok(())
    }

    /// Makes the directories that a path leads through and that no layer has listed.
    fn imply(&mut self, path: &[u8]) -> Result<(), TreeFault> {
        if self.find(path).is_some() {
            return Ok(());
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let directory = path.get(..end).unwrap_or_default();
            if self.find(directory).is_none() {
                let inode = Inode { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, xattrs: Xattrs::new() };
                self.put(directory, inode)?;
                if let Some(node) = self.nodes.get_mut(directory) {
                    node.implied = true;
                }
            }
        }
        Ok(())
    }

    /// Where a directory's path leads, through symbolic links that never leave the root; `None` where something else is in
    /// the way. What is not there yet stays as it is written.
    fn resolve(&mut self, path: &[u8]) -> Result<Option<Vec<u8>>, TreeFault> {
        if self.kind(path) == Some(&Kind::Directory) {
            return Ok(Some(path.to_vec()));
        }
        let components = |path: &[u8]| path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect::<Vec<_>>();
        let too_far = || TreeFault::Links(super::shown_path(path));
        let (mut waiting, mut reached, mut followed) = (components(path), Vec::new(), 0);
        while let Some(component) = waiting.pop() {
            self.steps += 1;
            if self.steps > LINK_STEPS {
                return Err(TreeFault::Entries);
            }
            match &*component {
                b"" | b"." => continue,
                b".." => {
                    reached = split(&reached).map(|(parent, _)| parent.to_vec()).unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = join(&reached, &component);
            match self.kind(&next) {
                None | Some(Kind::Directory) if next.len() <= PATH_BYTES => reached = next,
                Some(Kind::Symlink(target)) if followed < LINKS_FOLLOWED => {
                    followed += 1;
                    if target.starts_with(b"/") {
                        reached.clear();
                    }
                    waiting.extend(components(target));
                }
                None | Some(Kind::Directory | Kind::Symlink(_)) => return Err(too_far()),
                Some(_) => return Ok(None),
            }
        }
        Ok(Some(reached))
    }

    fn bounded(&mut self, more: usize) -> Result<(), TreeFault> {
        self.held += more;
        // Inodes that nothing leads to any more still take their place.
        let entries = self.nodes.len() >= LAYER_ENTRIES || self.inodes.len() >= 4 * LAYER_ENTRIES;
        if entries || self.held > TREE_NAME_BYTES {
            return Err(TreeFault::Entries);
        }
        Ok(())
    }

    fn remove(&mut self, path: &[u8]) {
        self.remove_below(path);
        self.nodes.remove(path);
    }

    /// Removes all that lies below a path.
    fn remove_below(&mut self, path: &[u8]) {
        if path.is_empty() {
            self.nodes.retain(|path, _| path.is_empty());
            return;
        }
        let below: Vec<Box<[u8]>> = self.below(path).map(|(path, _)| path.into()).collect();
        for path in &below {
            self.nodes.remove(path);
        }
    }
}

#[cfg(test)]
mod tests;
