use super::{archive::ArchiveError, trust::TrustError};
use crate::{
    format::{predicate::PredicateTypeError, statement::StatementError},
    oci::{Digest, ManifestError},
    registry::RegistryError,
    sign::{SignError, keyless::KeylessError},
    store::DecisionLogError,
    verify::{Rejection, SubjectError},
};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

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
    #[error("{reference} has no image for {asked}; it has {}", if .listed.is_empty() { "none with a platform".to_owned() } else { .listed.join(", ") })]
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
    /// What runs is not what its tag means now.
    #[error("{reference} means {now}; {runs} runs, which is another image")]
    Moved {
        /// The image, by its tag.
        reference: String,
        /// What runs.
        runs: Digest,
        /// What the tag means.
        now: Digest,
        /// Whether the repository's signed map says so; else the registry alone.
        signed: bool,
    },
    /// The platform's image is not known to lie in the index.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// A folder does not hold a decision with its evidence.
    #[error("{path}: {why}", path = .path.display())]
    Evidence {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What a policy asks for was not kept.
    #[error("{reference}: {why}")]
    Unkept {
        /// The image.
        reference: String,
        /// What is missing.
        why: String,
    },
    /// The key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Nothing was signed without a key.
    #[error(transparent)]
    Keyless(#[from] KeylessError),
    /// It was signed, and what has to witness it did not.
    #[error("{about}: signed, not pushed: {why}; {}", fate(.kept.as_deref(), *.until))]
    Unfinished {
        /// What was signed.
        about: String,
        /// Why it is not finished.
        why: Box<KeylessError>,
        /// When its certificate ends.
        until: Timestamp,
        /// Where it is kept.
        kept: Option<PathBuf>,
    },
    /// Simple signing holds no certificate that could be verified later without a log's promise.
    #[error("without a key bundles are written, not simple signatures; `--format bundle`, or sign with a key too")]
    SimpleWithoutKey,
    /// What certificate, log or timestamp authority answered does not verify by the trusted root; nothing was pushed.
    #[error("what the services answered does not verify by the trusted root {root} ({rejection}); nothing was pushed")]
    Unwitnessed {
        /// The trusted root's name.
        root: String,
        /// Why.
        rejection: Rejection,
    },
    /// What was kept unfinished is something else.
    #[error("what was kept unfinished is no envelope")]
    NoEnvelope,
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
    /// What was decided could not be recorded.
    #[error(transparent)]
    DecisionLog(#[from] DecisionLogError),
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

/// What becomes of a signature that is not finished.
fn fate(path: Option<&Path>, until: Timestamp) -> String {
    match path {
        Some(path) => format!(
            "it is kept in {}, and the same command finishes it until {until}, later it is made anew",
            path.display()
        ),
        None => "it is lost, and the same command makes it anew".to_owned(),
    }
}

impl From<TrustError> for OpsError {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Registry(error) => Self::Registry(error),
            error => Self::Trust(Box::new(error)),
        }
    }
}
