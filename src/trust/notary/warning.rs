use jiff::Timestamp;
use std::fmt;

/// Something that an importer should know and that did not end the verification.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A role has expired and was taken nevertheless, as was asked for.
    Expired {
        /// The role.
        role: String,
        /// When.
        at: Timestamp,
    },
    /// A delegated role was left out, and all that it delegates to.
    SkippedRole {
        /// The role.
        role: String,
        /// Why.
        why: Skipped,
    },
    /// A name that was left out: the role may not speak of it.
    OutOfPath {
        /// The role.
        role: String,
        /// The name.
        name: String,
    },
    /// A name that was left out: it is no tag.
    NotATag {
        /// The role.
        role: String,
        /// The name.
        name: String,
    },
    /// A tag that was left out: signers list it, `targets/releases` and `targets` do not. Docker does not pull it either.
    NotReleased {
        /// The tag.
        tag: String,
        /// The roles that list it.
        roles: Vec<String>,
    },
    /// The root's certificate has expired, by its own word. Docker refuses it; the key is as good as before.
    CertificateExpired {
        /// When.
        at: Timestamp,
    },
}

/// Why a delegated role was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skipped {
    /// It has expired.
    Expired(Timestamp),
    /// Too few of its holders signed it.
    ThresholdUnmet {
        /// Different holders whose signatures are good.
        found: usize,
        /// How many have to sign.
        threshold: u64,
    },
    /// Its file is broken, although the snapshot lists it.
    Malformed(String),
    /// It was delegated to by a role that is not its parent.
    NotAChild(String),
}

impl Warning {
    /// A stable name, for programs.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::SkippedRole { .. } => "skipped-role",
            Self::OutOfPath { .. } => "out-of-path",
            Self::NotATag { .. } => "not-a-tag",
            Self::NotReleased { .. } => "not-released",
            Self::CertificateExpired { .. } => "certificate-expired",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { role, at } => {
                write!(f, "{role} expired on {at:.0}, and is taken because that was asked for")
            }
            Self::SkippedRole { role, why } => write!(f, "{role} is left out: {why}"),
            Self::OutOfPath { role, name } => write!(f, "{role} lists {name:?}, which was not delegated to it"),
            Self::NotATag { role, name } => write!(f, "{role} lists {name:?}, which is no tag"),
            Self::NotReleased { tag, roles } => {
                write!(f, "{tag:?} is listed by {} only, and not released: docker does not pull it", roles.join(", "))
            }
            Self::CertificateExpired { at } => {
                write!(f, "the root's certificate ended on {at:.0}: docker refuses it, its key is as good as before")
            }
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(at) => write!(f, "it expired on {at:.0}"),
            Self::ThresholdUnmet { found, threshold } => {
                write!(f, "it is signed by {found} of its holders, expected {threshold}")
            }
            Self::Malformed(why) => write!(f, "it is broken: {why}"),
            Self::NotAChild(parent) => write!(f, "{parent} delegated to it, which is not its parent"),
        }
    }
}
