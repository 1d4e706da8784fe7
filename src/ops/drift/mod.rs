//! `audit drift`: an unpacked filesystem beside the layers of the image that was verified.
//!
//! The image is judged first, as everywhere. Its layers are read by their digests, each checked twice: the bytes that come by
//! the manifest's digest, the archive in them by the configuration's. Content is hashed and not kept.

mod archive;
mod compare;
mod expected;
mod layer;
mod node;
mod report;
mod rules;
mod tree;
mod walk;

pub use archive::{ArchiveFault, Entry, What};
pub use layer::{Unpacked, most, unpack};
pub use node::{Inode, Kind, Shown, Xattrs, shown_path};
pub use report::{Change, Difference, Report, Standing, Unknown};
pub use rules::{IgnoreError, Rules, Unread};
pub use tree::{Node, Tree, TreeFault};

use super::{
    OpsError, Platform,
    decisions::word,
    pin::Choice,
    pull::{here, may_be_used},
    verify::{Verification, Verifier},
};
use crate::{
    crypto::hash::Hasher,
    limits::LAYER_BYTES,
    oci::{Digest, Reference},
    policy::Decision,
    registry::Access,
};
use compare::{Attributes, Comparable, Comparison, Found};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// What is compared with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rootfs {
    /// A directory, or an archive: a tar, compressed or not.
    Path(PathBuf),
    /// An archive that comes on standard input.
    Stdin,
}

/// Why it is not known whether a filesystem drifted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriftError {
    /// The image could not be verified, or what it is made of not read.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// What has to be compared can't be opened.
    #[error("{path}: {source}", path = .path.display())]
    Rootfs {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is no image with layers.
    #[error("{0} is no image with layers: {1}")]
    NoLayers(Digest, String),
    /// A layer is not what manifest and configuration say, or is not read.
    #[error("layer {digest}: {source}")]
    Layer {
        /// The layer.
        digest: Digest,
        /// Why.
        source: ArchiveFault,
    },
    /// A layer's archive has another digest than the configuration says.
    #[error("layer {layer} unpacks to {actual}; the image's configuration says {expected}")]
    DiffId {
        /// The layer.
        layer: Digest,
        /// By the configuration.
        expected: Digest,
        /// What it has.
        actual: Digest,
    },
    /// Layers that make no filesystem.
    #[error("layer {digest}: {source}")]
    Tree {
        /// The layer.
        digest: Digest,
        /// Why.
        source: TreeFault,
    },
    /// The archive that has to be compared is not read.
    #[error("the filesystem's archive: {0}")]
    Archive(#[from] ArchiveFault),
    /// The archive that has to be compared makes no filesystem.
    #[error("the filesystem's archive: {0}")]
    ArchiveTree(#[from] TreeFault),
    /// A thread ended early.
    #[error("a thread that read layers ended early")]
    Thread,
}

/// A layer that was read, by both of its digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerRead {
    /// Of what comes.
    pub digest: Digest,
    /// Of the archive in it.
    pub diff_id: Digest,
    /// Bytes of the archive.
    pub bytes: u64,
}

/// What became of a comparison.
#[must_use]
#[derive(Debug)]
pub struct Drift {
    /// The judgement of the image.
    pub verification: Verification,
    /// The layers that were read, the lowest first.
    pub layers: Vec<LayerRead>,
    /// The comparison; `None` if the image may not be used. What is compared with one that is not allowed and may be used (its
    /// scope is permissive or disabled) says so among [`Report::unchecked`].
    pub report: Option<Report>,
}

/// Verifies an image and, if it may be used, compares a filesystem with its layers. That is what [`super::pull`] would fetch:
/// what is allowed, and where its scope is permissive or disabled whatever there is.
///
/// Compared are type, content, mode, owner, extended attributes, targets and hard links. Not compared are times, and what the
/// report lists as unchecked.
///
/// # Errors
/// That it is not known, never that there is drift.
pub async fn drift(
    verifier: &Verifier<'_>,
    reference: &Reference,
    platform: Option<&Platform>,
    rootfs: &Rootfs,
    rules: Rules,
) -> Result<Drift, DriftError> {
    let there = There::open(rootfs)?;
    let here = here();
    let choice = platform.map_or(Choice::OneImage(&here), Choice::Image);
    let verification = verifier.verify_choice(reference, choice).await?;
    if !may_be_used(&verification) {
        return Ok(Drift { verification, layers: Vec::new(), report: None });
    }
    let repo = verifier.session.open(&reference.repository, Access::Pull).map_err(OpsError::from)?;
    let (tree, layers) = expected::tree(&repo, verification.findings.subject().digest()).await?;
    let compared = tokio::task::spawn_blocking(move || there.compare(&tree, &rules)).await;
    let mut report = compared.map_err(|_| DriftError::Thread)??;
    if !matches!(verification.outcome.decision, Decision::Allow(_)) {
        let word = word(&verification.outcome);
        report
            .unchecked
            .insert(0, format!("whether the image is the right one: the policy does not allow it ({word})"));
    }
    Ok(Drift { verification, layers, report: Some(report) })
}

/// What is there, opened before any request is made.
enum There {
    Directory(PathBuf, walk::Root),
    Archive(Box<dyn Read + Send>, u64),
}

impl There {
    fn open(rootfs: &Rootfs) -> Result<Self, DriftError> {
        let Rootfs::Path(path) = rootfs else { return Ok(Self::Archive(Box::new(io::stdin()), LAYER_BYTES)) };
        let failed = |source| DriftError::Rootfs { path: path.clone(), source };
        let found = path.metadata().map_err(failed)?;
        if found.is_dir() {
            return Ok(Self::Directory(path.clone(), walk::Root::open(path).map_err(failed)?));
        }
        if !found.is_file() {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        Ok(Self::Archive(Box::new(File::open(path).map_err(failed)?), most(found.len())))
    }

    fn compare(self, expected: &Tree, rules: &Rules) -> Result<Report, DriftError> {
        match self {
            Self::Directory(path, root) => {
                let comparable = Comparable { owners: rustix::process::geteuid().is_root(), xattrs: root.xattrs };
                let mut comparison = Comparison::new(expected, rules, comparable);
                root.walk(&mut comparison).map_err(|source| DriftError::Rootfs { path, source })?;
                Ok(comparison.finish())
            }
            Self::Archive(archive, cap) => {
                let unpacked = unpack(archive, cap, Hasher::sha256())?;
                if !unpacked.ended {
                    return Err(ArchiveFault::Cut.into());
                }
                let mut found = Tree::default();
                found.add_all(unpacked.entries)?;
                Ok(beside(expected, rules, &found))
            }
        }
    }
}

/// Compares a directory on disk with a tree, without an image.
///
/// # Errors
/// The directory can't be opened or walked; what can't be read in it stands in the report.
pub fn compare_directory(expected: &Tree, rules: &Rules, directory: &Path) -> Result<Report, DriftError> {
    There::open(&Rootfs::Path(directory.to_owned()))?.compare(expected, rules)
}

fn beside(expected: &Tree, rules: &Rules, found: &Tree) -> Report {
    let inodes = || found.iter().filter_map(|(_, node)| found.inode(node));
    let comparable = Comparable { owners: true, xattrs: inodes().any(|(_, inode)| !inode.xattrs.is_empty()) };
    let links = found.links();
    let mut comparison = Comparison::new(expected, rules, comparable);
    for (path, node) in found.iter() {
        let Some((number, inode)) = found.inode(node) else { continue };
        let Inode { kind, mode, uid, gid, xattrs } = inode.clone();
        if let Kind::File { size, .. } = kind {
            comparison.hashed(size);
        }
        let attributes = (!node.implied).then_some(Attributes { mode, uid, gid, xattrs: Ok(Some(xattrs)) });
        let shared = links.get(number).is_some_and(|links| *links > 1);
        comparison.meet(&Found { path, kind, attributes, identity: (0, number as u64), shared });
    }
    comparison.finish()
}

#[cfg(test)]
mod tests;
