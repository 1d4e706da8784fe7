use super::node::Kind;
use std::collections::BTreeMap;

/// In what a path differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, and in no layer.
    Added {
        /// What it is.
        kind: Kind,
        /// Its permission bits; 0 of a directory that an archive does not list.
        mode: u32,
    },
    /// It is in the layers, and not there.
    Deleted(Kind),
    /// A file's content is another.
    Content {
        /// Bytes by the layers.
        expected: u64,
        /// Bytes that are there.
        found: u64,
        /// The permission bits of the file that is there.
        mode: u32,
    },
    /// It is something of another type.
    Type {
        /// By the layers.
        expected: Kind,
        /// What is there.
        found: Kind,
    },
    /// Other permission bits.
    Mode {
        /// By the layers.
        expected: u32,
        /// What is there.
        found: u32,
    },
    /// Another owner or group.
    Owner {
        /// By the layers.
        expected: (u32, u32),
        /// What is there.
        found: (u32, u32),
    },
    /// An extended attribute is another, is missing or was added.
    Xattr {
        /// Its name.
        name: Vec<u8>,
        /// How.
        how: &'static str,
    },
    /// A symbolic link leads elsewhere.
    Target {
        /// By the layers.
        expected: Vec<u8>,
        /// Where to.
        found: Vec<u8>,
    },
    /// A device of other numbers.
    Device {
        /// By the layers.
        expected: (u32, u32),
        /// What is there.
        found: (u32, u32),
    },
    /// It shares its content with other paths than by the layers.
    Links,
}

impl Change {
    /// The word for it.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Added { .. } => "added",
            Self::Deleted(_) => "deleted",
            Self::Content { .. } => "content",
            Self::Type { .. } => "type",
            Self::Mode { .. } => "mode",
            Self::Owner { .. } => "owner",
            Self::Xattr { .. } => "xattr",
            Self::Target { .. } => "target",
            Self::Device { .. } => "device",
            Self::Links => "links",
        }
    }
}

/// What a difference counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Drift.
    Drift,
    /// What a runtime puts into every container.
    Runtime,
    /// What the caller wants to have ignored.
    Ignored,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::Runtime => "runtime",
            Self::Ignored => "ignored",
        }
    }
}

/// A difference between the layers and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path, from the root on and without a slash before it.
    pub path: Vec<u8>,
    /// What differs.
    pub change: Change,
    /// What it counts as.
    pub standing: Standing,
}

/// Something that is not known: it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where.
    pub path: Vec<u8>,
    /// Why.
    pub why: String,
    /// Whether the caller wants to have it ignored, or a runtime puts something there.
    pub standing: Standing,
}

/// What a comparison came to.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The differences by their paths; at most [`crate::limits::DIFFERENCES`] of each standing and word.
    pub differences: Vec<Difference>,
    /// What is not known by its paths; as many of those that count, and of the others.
    pub unknown: Vec<Unknown>,
    /// How many differences there are of each standing and word, those that are not listed too.
    pub counts: BTreeMap<(Standing, &'static str), u64>,
    /// How many unknown paths there are that are not ignored.
    pub unknowns: u64,
    /// Paths of the layers that were compared.
    pub compared: u64,
    /// Bytes of the files whose content was hashed there.
    pub hashed: u64,
    /// What was not compared, and why, in sentences.
    pub unchecked: Vec<String>,
}

impl Report {
    /// How many differences count so.
    #[must_use]
    pub fn count(&self, standing: Standing) -> u64 {
        self.counts.iter().filter(|((of, _), _)| *of == standing).map(|(_, count)| count).sum()
    }
}
