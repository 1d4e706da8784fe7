use crate::{
    crypto::Fingerprint,
    format::tuf::{MetadataError, PatternError, RoleName},
    limits::TUF_ROLE_NAME,
};

/// Why an edit was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorError {
    /// Not a role of this file.
    #[error("{0} is no role here")]
    NoRole(RoleName),
    /// A role that is there already.
    #[error("{0} is delegated to already")]
    RoleExists(RoleName),
    /// A name that is not written: other bytes than printable ASCII look alike, or do not show.
    #[error(
        "{0:?} is not printable ASCII, is empty or longer than {TUF_ROLE_NAME} bytes, or is a top-level role's name"
    )]
    Name(String),
    /// Text that is not written, for the same reason.
    #[error("{0:?} is not printable ASCII")]
    Text(String),
    /// Not a tag of the distribution specification, or one of boltseal's own.
    #[error(
        "{0:?} can't be signed as a tag: expected a letter, digit or `_`, then at most 127 of these, `.` and `-`, and not boltseal's own `boltseal.…`"
    )]
    Tag(String),
    /// A tag that is not listed.
    #[error("{0:?} is not listed")]
    NotListed(String),
    /// A key that has the role already, under whatever id.
    #[error("{role} has key {key} already")]
    KeyListed {
        /// The role.
        role: RoleName,
        /// The key.
        key: Fingerprint,
    },
    /// A key that the role does not have.
    #[error("{role} does not have key {key}")]
    KeyNotListed {
        /// The role.
        role: RoleName,
        /// The key.
        key: Fingerprint,
    },
    /// A threshold that nothing, or nobody, could meet.
    #[error("threshold {threshold} of {role}: expected 1 to {keys}, the number of its keys")]
    Threshold {
        /// The role.
        role: RoleName,
        /// The threshold.
        threshold: u64,
        /// The number of the role's keys.
        keys: usize,
    },
    /// A pattern that readers understand differently.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A version that can't be counted on from.
    #[error("{role}: after version {version} there is none")]
    LastVersion {
        /// The role.
        role: RoleName,
        /// Its version.
        version: u64,
    },
    /// The result is not what a reader would take.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}
