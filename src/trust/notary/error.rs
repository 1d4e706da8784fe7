use crate::format::notary::NotaryFormatError;
use jiff::Timestamp;

/// Why a repository's trust data does not verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotaryError {
    /// A file is not there.
    #[error("{file}.json is missing from the trust data")]
    Missing {
        /// The file's name, without `.json`.
        file: String,
    },
    /// A file is broken.
    #[error("{file}.json: {source}")]
    Malformed {
        /// The file's name, without `.json`.
        file: String,
        /// What is wrong with it.
        source: NotaryFormatError,
    },
    /// No root that is there was signed by the pinned keys.
    #[error("no root is signed by {}; the current one, version {version}, belongs to {}", list(.pinned, "the pinned key"), list(.holders, "no usable key"))]
    NotPinned {
        /// The pins.
        pinned: Vec<String>,
        /// Fingerprints of the current root's keys.
        holders: Vec<String>,
        /// The current root's version.
        version: u64,
    },
    /// The root is not the pinned one's successor.
    #[error(
        "root version {version} is not signed by the keys of the root before it: the trust was taken over, or begun anew"
    )]
    RootChanged {
        /// The version that breaks the chain.
        version: u64,
    },
    /// A root between the pinned one and the current one is not there, so that nobody can tell whether it led here.
    #[error("root version {version} is missing between the pinned root and the current one, version {current}")]
    RootGap {
        /// The version that is missing.
        version: u64,
        /// The current version.
        current: u64,
    },
    /// The root's certificates name another repository.
    #[error("the root belongs to {}, not to {repository}", list(.named, "no repository"))]
    WrongRepository {
        /// What the certificates name.
        named: Vec<String>,
        /// What they should name.
        repository: String,
    },
    /// A role is signed by too few of its holders.
    #[error("{role} is signed by {found} of its holders, expected {threshold}")]
    ThresholdUnmet {
        /// The role.
        role: String,
        /// Different holders whose signatures are good.
        found: usize,
        /// How many have to sign.
        threshold: u64,
    },
    /// A file is not the one that is listed for this state.
    #[error("{role}.json is not the file that {listed_by}.json lists: files of different states are mixed")]
    MixAndMatch {
        /// Whose file.
        role: String,
        /// Which file lists it.
        listed_by: &'static str,
    },
    /// An older state than one that was seen.
    #[error("{role} has version {found}, version {seen} was seen before: an older state is shown")]
    Rollback {
        /// The role.
        role: String,
        /// The version that is there.
        found: u64,
        /// The version that was seen.
        seen: u64,
    },
    /// Something has expired.
    #[error("expired: {}", .roles.iter().map(|(role, at)| format!("{role} on {at:.0}")).collect::<Vec<_>>().join(", "))]
    Expired {
        /// Which roles, and when each did.
        roles: Vec<(String, Timestamp)>,
    },
    /// More than is followed.
    #[error("more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are followed.
        limit: u64,
    },
}

impl NotaryError {
    /// A stable name, for programs.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "incomplete",
            Self::Malformed { .. } => "malformed",
            Self::NotPinned { .. } => "not-pinned",
            Self::RootChanged { .. } => "root-changed",
            Self::RootGap { .. } => "root-gap",
            Self::WrongRepository { .. } => "wrong-repository",
            Self::ThresholdUnmet { .. } => "threshold-unmet",
            Self::MixAndMatch { .. } => "mix-and-match",
            Self::Rollback { .. } => "rollback",
            Self::Expired { .. } => "expired",
            Self::Limit { .. } => "limit",
        }
    }
}

fn list(items: &[String], otherwise: &str) -> String {
    if items.is_empty() { otherwise.to_owned() } else { items.join(", ") }
}
