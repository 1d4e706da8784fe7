use super::{ServiceError, ServiceFault};
use crate::crypto::{CertificateError, PrivateKeyError};
use jiff::Timestamp;
use std::path::PathBuf;

/// Why nothing was signed without a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeylessError {
    /// A file that can't be read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The signing configuration is none.
    #[error("{name}: no signing configuration: {why}")]
    Config {
        /// Its file.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The signing configuration names no service of a kind that is needed, or none that is valid now.
    #[error("{name}: it lists no {service} that is valid at {now}; {}", if *.expired { "those that it lists have expired: get a newer one" } else { "it lists none of a version that boltseal speaks" })]
    NoService {
        /// The signing configuration.
        name: String,
        /// What is missing.
        service: &'static str,
        /// Whether it lists some whose time is over.
        expired: bool,
        /// When this is.
        now: Timestamp,
    },
    /// No place has an identity token.
    #[error("no identity: looked for {0}; nobody to log in is at a terminal")]
    NoIdentity(&'static str),
    /// A token that can't be used. Nothing of it stands here.
    #[error("identity token of {origin}: {why}")]
    Token {
        /// Where it came from.
        origin: String,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// The place that has a token did not give it.
    #[error("{provider} gives no identity token: {why}")]
    Provider {
        /// Which.
        provider: &'static str,
        /// What went wrong.
        why: String,
    },
    /// Somebody should have logged in.
    #[error("logging in: {0}")]
    Login(String),
    /// A service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Fulcio's answer is no certificate for our key.
    #[error("the certificate that Fulcio made can't be used: {0}")]
    Certificate(String),
    /// The key of the run.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    /// Nothing shows when it was signed: a certificate lasts minutes, so nobody could verify it later.
    #[error("nothing shows when it was signed: {why}; a log or a timestamp has to")]
    NoTime {
        /// Why there is neither.
        why: String,
    },
}

impl KeylessError {
    /// Whether a service could not be asked, so that another time may go better: not whether it said no.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Service(ServiceError { fault, .. }) => {
                !fault.is_refusal() && !matches!(fault, ServiceFault::Address | ServiceFault::PlainHttp)
            }
            Self::Provider { .. } | Self::Login(_) | Self::Certificate(_) | Self::NoTime { .. } => true,
            _ => false,
        }
    }
}

impl From<CertificateError> for KeylessError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error.to_string())
    }
}
