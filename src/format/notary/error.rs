use super::KeyId;
use crate::json::JsonError;

/// Why bytes are no metadata of Notary v1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotaryFormatError {
    /// Not strict JSON, or not of the role's shape.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A member of `signed` is missing or of another shape.
    #[error("`signed` is not of the expected shape: {0}")]
    Shape(#[source] serde_json::Error),
    /// Another kind of metadata.
    #[error("`_type` is {found:?}, expected {expected:?}")]
    Type {
        /// What it says.
        found: String,
        /// What it should say.
        expected: &'static str,
    },
    /// Version 0.
    #[error("`version` is 0, expected at least 1")]
    Version,
    /// A number that canonical JSON can't carry.
    #[error("{0} is not a whole number of 64 bits, which is all that can be signed")]
    Number(String),
    /// A hash of another length than its algorithm's.
    #[error("the {algorithm} of {name:?} has {found} bytes, expected {expected}")]
    Hash {
        /// Whose hash.
        name: String,
        /// Which hash.
        algorithm: &'static str,
        /// Its bytes.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// No SHA-256, without which nothing can be checked.
    #[error("{0:?} is listed without a sha256")]
    NoHash(String),
    /// A key under an id that is not its own.
    #[error("a key is listed as {stated}, its id is {computed}")]
    KeyId {
        /// The name it stands under.
        stated: String,
        /// SHA-256 of its canonical JSON.
        computed: KeyId,
    },
    /// A role of a root is missing.
    #[error("the root does not say who holds the role {0}")]
    RoleMissing(&'static str),
    /// A role names a key that is not listed.
    #[error("the role {role:?} names the key {key}, which is not listed")]
    UnknownKey {
        /// The role.
        role: String,
        /// The key.
        key: KeyId,
    },
    /// A threshold of 0, which anybody would meet.
    #[error("the role {0:?} has the threshold 0, expected at least 1")]
    Threshold(String),
    /// A name that no role can have.
    #[error("{0:?} is no role's name")]
    RoleName(String),
    /// One role delegated to twice.
    #[error("the role {0:?} is delegated to twice")]
    RepeatedRole(String),
    /// A file that has to be listed is not.
    #[error("{0} is not listed")]
    NotListed(&'static str),
    /// More than is read.
    #[error("more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
}
