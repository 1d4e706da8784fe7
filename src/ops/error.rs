use super::{archive::ArchiveError, trust::TrustError};
use crate::{
    format::{predicate::PredicateTypeError, statement::StatementError},
    oci::{Digest, ManifestError},
    registry::RegistryError,
    sign::SignError,
    verify::{Rejection, SubjectError},
};
use std::path::PathBuf;

/// Why a use-case could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpsError {
    /// A registry or layout failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The repository's trust data could not be read.
    #[error(transparent)]
    Trust(Box<TrustError>),
    /// The image's manifest is broken.
    #[error("{reference}: {source}")]
    Manifest {
        /// The image.
        reference: String,
        /// What is wrong with its manifest.
        source: ManifestError,
    },
    /// The index does not list the platform that was asked for.
    #[error("{reference} has no image for {asked}; it has {}", .listed.join(", "))]
    NoPlatform {
        /// The image.
        reference: String,
        /// What was asked for.
        asked: String,
        /// What there is.
        listed: Vec<String>,
    },
    /// A platform of an image that is no index.
    #[error("{reference} is one image, not an index: it has no platforms to choose from")]
    NotAnIndex {
        /// The image.
        reference: String,
    },
    /// The platform's image is not known to lie in the index.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// What was just signed does not verify; nothing was pushed.
    #[error("what was just signed does not verify ({0}); nothing was pushed")]
    Unverifiable(Rejection),
    /// A text that would be signed holds what can't be signed.
    #[error("{what} {text:?} can't be signed: printable ASCII is expected")]
    Unprintable {
        /// What it is.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// The text after `--type`.
    #[error(transparent)]
    PredicateType(#[from] PredicateTypeError),
    /// The predicate is not in the shape of its type.
    #[error("{path}: {message}", path = .path.display())]
    Predicate {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// The ready statement is none.
    #[error("{path}: {source}", path = .path.display())]
    Statement {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: StatementError,
    },
    /// The ready statement is about something else.
    #[error("{path}: the statement's subjects do not name {digest}; they name {named}", path = .path.display())]
    StatementSubject {
        /// The file.
        path: PathBuf,
        /// The image's digest.
        digest: Digest,
        /// What the statement names.
        named: String,
    },
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file could not be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl From<TrustError> for OpsError {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Registry(error) => Self::Registry(error),
            error => Self::Trust(Box::new(error)),
        }
    }
}
