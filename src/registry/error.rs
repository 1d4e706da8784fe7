use crate::oci::{Digest, ManifestError};
use std::{path::PathBuf, time::Duration};

/// What went wrong, and with what: "reading sha256:… of registry.example.com/app: …".
#[derive(Debug, thiserror::Error)]
#[error("{action}: {fault}")]
pub struct RegistryError {
    /// What was being done, with the full name of what it was done to.
    pub action: String,
    /// What went wrong.
    #[source]
    pub fault: Fault,
}

/// What can go wrong with a registry or a layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is not there: the registry said so.
    #[error("not found")]
    NotFound,
    /// The registry wants credentials, or better ones.
    #[error("the registry refused the credentials: {0}")]
    Unauthorized(String),
    /// The credentials do not allow this.
    #[error("no {permission} permission: {message}")]
    Forbidden {
        /// `pull` or `push`.
        permission: &'static str,
        /// What the registry said.
        message: String,
    },
    /// Any other answer than the ones that the distribution specification has for the request.
    #[error("the registry answered {status}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the registry said.
        message: String,
    },
    /// The registry asks to wait longer than we do.
    #[error("the registry asks to wait {} s, at most {} s are waited", .0.as_secs(), crate::limits::RETRY_AFTER.as_secs())]
    RetryAfter(Duration),
    /// The connection failed or broke.
    #[error("{0}")]
    Connection(String),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The bytes do not have the digest that they were asked for by.
    #[error("the content has digest {actual}, expected {expected}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// The bytes are not as many as the descriptor says.
    #[error("the content has {actual} bytes, expected {expected}")]
    Size {
        /// What the descriptor says.
        expected: u64,
        /// What came, or how many had come when reading stopped.
        actual: u64,
    },
    /// More than is read.
    #[error("{what} is over the limit of {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// The limit, with its unit.
        limit: String,
    },
    /// Entries of a list that can't be read; the others were.
    #[error("{0} entries of the list are broken")]
    Entries(usize),
    /// The manifest is broken.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An answer that breaks the protocol: a redirect without target, a challenge that can't be met.
    #[error("{0}")]
    Protocol(String),
    /// Plain http to a host that is not this machine.
    #[error("{0} is only to be reached by plain http, where anybody on the way can read and change what is sent")]
    PlainHttp(String),
    /// A shared tag was overwritten by others each time.
    #[error("other writers overwrote the tag {0} times, each time before it was read back")]
    Contended(u32),
    /// What lies under a shared tag can't be built on.
    #[error("what is there can't be added to: {0}")]
    Merge(String),
    /// A credential file or helper failed.
    #[error("{0}")]
    Credentials(String),
    /// TLS material or another setting can't be used.
    #[error("{path}: {message}")]
    Setting {
        /// The file, or the setting's name.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// The layout's folder is not one.
    #[error("{0} is no OCI image layout")]
    NoLayout(PathBuf),
    /// Another process holds a layout's lock.
    #[error("{0} stayed locked by another process; is one hanging?")]
    Locked(PathBuf),
    /// A file could not be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Fault {
    /// The error for `action`.
    #[must_use]
    pub fn during(self, action: impl Into<String>) -> RegistryError {
        RegistryError { action: action.into(), fault: self }
    }
}

impl RegistryError {
    /// Whether the registry said that the thing is not there (which is an answer, not a failure to get one).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.fault, Fault::NotFound)
    }

    /// Whether it is nothing of the registry's, but a setting, a file or a layout's folder on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.fault, Fault::Setting { .. } | Fault::NoLayout(_) | Fault::Io { .. })
    }
}
