use crate::{ops::policy_file::PolicyFileError, registry::RegistryError, store::TrustLockError};
use std::{io, net::SocketAddr, path::PathBuf};

/// Why a server does not start. All of it is what the operator supplied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A settings file that can't be read.
    #[error("{path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Settings that can't be used.
    #[error("{path}: {message}", path = .path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        message: String,
    },
    /// The policy can't be used.
    #[error(transparent)]
    Policy(Box<PolicyFileError>),
    /// The lock can't be used.
    #[error("lock: {0}")]
    Lock(Box<TrustLockError>),
    /// Certificates or credentials for registries that can't be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The address can't be listened at.
    #[error("listening at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

impl From<PolicyFileError> for ServeError {
    fn from(error: PolicyFileError) -> Self {
        Self::Policy(Box::new(error))
    }
}

impl From<TrustLockError> for ServeError {
    fn from(error: TrustLockError) -> Self {
        Self::Lock(Box::new(error))
    }
}
