use crate::{
    crypto::Fingerprint,
    format::tuf::{MetadataError, RoleName},
    oci::Digest,
};
use jiff::Timestamp;
use std::fmt;

/// Why an update of trust metadata was refused, or a role was passed over. Nothing of what was refused is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// Not metadata of this role.
    #[error("{role}: {source}")]
    Malformed {
        /// The role.
        role: RoleName,
        /// What is wrong with the file.
        source: MetadataError,
    },
    /// A file that had to be there is not.
    #[error("{role}: {file} is not there")]
    Missing {
        /// The role.
        role: RoleName,
        /// The file's name.
        file: String,
    },
    /// Larger than its signed length or its limit.
    #[error("{role}: {found} bytes, expected at most {most}")]
    TooLarge {
        /// The role.
        role: RoleName,
        /// Its length in bytes.
        found: u64,
        /// What it may have at most, in bytes.
        most: u64,
    },
    /// Too few principals signed.
    #[error("{role}: signed by {signed} of its keys, {needed} are needed")]
    ThresholdUnmet {
        /// The role.
        role: RoleName,
        /// How many principals signed.
        signed: usize,
        /// The threshold.
        needed: u64,
    },
    /// One key under two ids of the same role, which can only be meant to count it twice.
    #[error("{role}: key {key} is listed under two ids")]
    DuplicateKey {
        /// The role.
        role: RoleName,
        /// The key.
        key: Fingerprint,
    },
    /// A second delegation to one role, which would let who delegates name keys for somebody else's.
    #[error("{role}: {by} delegates to it, but its delegator is {delegator}, which comes first from the top")]
    DelegatedTwice {
        /// The role.
        role: RoleName,
        /// Who delegates to it too.
        by: RoleName,
        /// Who names its keys.
        delegator: RoleName,
    },
    /// The first root is none that the pinned keys signed.
    #[error(
        "no root among versions 1 to {last} is signed by {needed} of the pinned keys: this is another trust than the one that was pinned"
    )]
    RootNotPinned {
        /// The newest version that was looked at.
        last: u64,
        /// How many pinned keys have to sign.
        needed: u64,
    },
    /// A newer root that the root we trust did not allow.
    #[error("root {version} is signed by {signed} of the keys of root {before}, {needed} are needed: this is another trust than the one that is known", before = .version.saturating_sub(1))]
    RootChanged {
        /// The refused root's version.
        version: u64,
        /// How many principals of the root before it signed.
        signed: usize,
        /// The threshold of the root before it.
        needed: u64,
    },
    /// The root of a version that we remember, with other content.
    #[error("root {version} is {found}, but {remembered} is remembered under this version")]
    RootForked {
        /// The version.
        version: u64,
        /// The digest of what was found.
        found: Digest,
        /// The digest that is remembered.
        remembered: Digest,
    },
    /// More new roots than are read.
    #[error("more than {0} roots newer than the trusted one")]
    RootChainTooLong(u64),
    /// No longer valid.
    #[error("{role}: expired on {expires}, and it is {now}")]
    Expired {
        /// The role.
        role: RoleName,
        /// When it expired.
        expires: Timestamp,
        /// The time of the update.
        now: Timestamp,
    },
    /// Older than what was seen before.
    #[error(
        "{role}: version {found} is older than version {known}, which was seen before: somebody serves an old state"
    )]
    Rollback {
        /// The role.
        role: RoleName,
        /// The version that is served.
        found: u64,
        /// The version that was seen.
        known: u64,
    },
    /// A role that was listed before and is not listed any more.
    #[error("{role}: it was listed before, and this snapshot leaves it out")]
    RoleDropped {
        /// The role.
        role: RoleName,
    },
    /// Another file of a version that was seen before.
    #[error("{role}: version {version} was seen with digest {known}, and is served with {found}")]
    VersionReused {
        /// The role.
        role: RoleName,
        /// The version.
        version: u64,
        /// The digest that is remembered.
        known: Digest,
        /// The digest of what was found.
        found: Digest,
    },
    /// The file is another than the one that belongs to the others.
    #[error("{role}: {what} is {found}, but {by} says {expected}: files of different states are mixed")]
    MixAndMatch {
        /// The role.
        role: RoleName,
        /// `version`, `length` or `sha256`.
        what: &'static str,
        /// Who says otherwise.
        by: RoleName,
        /// What it says.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A version that counts seconds and lies in the future, to lock everybody out.
    #[error("{role}: version {found} counts seconds and is later than {most}, one day from now")]
    VersionImplausible {
        /// The role.
        role: RoleName,
        /// The version.
        found: u64,
        /// The largest plausible one.
        most: u64,
    },
    /// Signed for another repository, or for none.
    #[error("{role}: signed for {}, not for {expected}", .found.as_deref().unwrap_or("no repository"))]
    WrongRepository {
        /// The role.
        role: RoleName,
        /// The repository under judgement.
        expected: String,
        /// The repository it was signed for.
        found: Option<String>,
    },
    /// The list of what is revoked has lost an entry that was seen.
    #[error("{digest} was revoked, and the list no longer says so; it can only grow")]
    RevocationDropped {
        /// The digest.
        digest: Digest,
    },
    /// More delegations, deeper ones, or ones to longer names, than are followed.
    #[error("{role}: more than {most} {what}")]
    OverLimit {
        /// The role.
        role: RoleName,
        /// What there is too much of.
        what: &'static str,
        /// How many are followed.
        most: usize,
    },
    /// Something is supplied although nothing is wanted.
    #[error("nothing is wanted any more")]
    NothingWanted,
    /// The end was asked for while a file is still wanted.
    #[error("{file} is still wanted")]
    Unfinished {
        /// The wanted file's name.
        file: String,
    },
}

impl UpdateError {
    /// The stable name of this kind of refusal.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Malformed { source: MetadataError::Version { .. }, .. } | Self::VersionImplausible { .. } => {
                "version-implausible"
            }
            Self::Malformed { .. } => "malformed",
            Self::Missing { .. } => "missing",
            Self::TooLarge { .. } | Self::OverLimit { .. } | Self::RootChainTooLong(_) => "over-limit",
            Self::ThresholdUnmet { .. } => "threshold-unmet",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::DelegatedTwice { .. } => "delegated-twice",
            Self::RootNotPinned { .. } | Self::RootChanged { .. } | Self::RootForked { .. } => "root-changed",
            Self::Expired { .. } => "expired",
            Self::Rollback { .. } | Self::RoleDropped { .. } => "rollback",
            Self::VersionReused { .. } => "version-reused",
            Self::MixAndMatch { .. } => "mix-and-match",
            Self::WrongRepository { .. } => "wrong-repository",
            Self::RevocationDropped { .. } => "revocation-dropped",
            Self::NothingWanted | Self::Unfinished { .. } => "unfinished",
        }
    }
}

/// What a role says a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The digest.
    pub digest: Digest,
    /// The length in bytes.
    pub length: u64,
}

impl From<(Digest, u64)> for Answer {
    fn from((digest, length): (Digest, u64)) -> Self {
        Self { digest, length }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.digest, self.length)
    }
}

/// Why a path has no answer in a trust state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No role that is asked for this path lists it.
    #[error("{path:?} is not listed by any role that may list it")]
    NotListed {
        /// The path.
        path: String,
    },
    /// Not listed by the roles that could be read; one that may list it could not be used.
    #[error("{path:?} is not listed, and {role}, which may list it, could not be used: {why}")]
    RoleUnusable {
        /// The path.
        path: String,
        /// The role.
        role: RoleName,
        /// Its refusal's stable name.
        id: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A role that has to list this path lists it otherwise, or not at all.
    #[error("{path:?}: {role} {}, but {first} says {expected}", .found.as_ref().map_or("does not list it".to_owned(), |found| format!("says {found}")))]
    RolesDisagree {
        /// The path.
        path: String,
        /// The role that answers first.
        first: RoleName,
        /// Its answer.
        expected: Answer,
        /// The role that says otherwise.
        role: RoleName,
        /// What it says; none if it does not list the path, or is not asked for it.
        found: Option<Answer>,
    },
    /// Listed, and revoked.
    #[error("{path:?} is {digest}, which is revoked: {}", .reason.as_deref().unwrap_or("no reason is given"))]
    Revoked {
        /// The path.
        path: String,
        /// What it stands for.
        digest: Digest,
        /// Why it was revoked.
        reason: Option<String>,
    },
    /// Listed without a SHA-256.
    #[error("{path:?}: {role} states no SHA-256")]
    NoDigest {
        /// The path.
        path: String,
        /// The role that lists it.
        role: RoleName,
    },
}

impl LookupError {
    /// The stable name of this kind of refusal; of an unusable role, what it was refused for.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::NotListed { .. } => "not-listed",
            Self::RoleUnusable { id, .. } => id,
            Self::RolesDisagree { .. } => "roles-disagree",
            Self::Revoked { .. } => "revoked",
            Self::NoDigest { .. } => "malformed",
        }
    }
}
