//! `trust import-dct`: reads a repository's trust data from a Notary server, from docker's cache or from a file that was
//! saved before, verifies it completely, compares it with the registry, saves it, and says which tags are to be signed anew:
//! [`Writer::sign_all`](crate::ops::trust::Writer::sign_all) does that.

mod compare;
mod files;
mod plan;
mod saved;
mod server;

pub use compare::{Compared, DigestThere, TagNow, compare};
pub use files::{pin_from_cache, read_tree};
pub use plan::{Fate, Left, plan};
pub use saved::{Saved, read_saved};
pub use server::fetch;

use crate::{
    oci::RepositoryName,
    registry::RegistryError,
    store::write_atomic,
    trust::notary::{self, Files, NotaryError, NotaryState, RootPin, Rules},
};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Where docker's client looks for trust data of Docker Hub.
pub const DOCKER_SERVER: &str = "https://notary.docker.io";

/// Whom the root has to come from, and which versions were seen before.
#[derive(Clone, Debug)]
pub struct Pin {
    /// The root pin.
    pub root: RootPin,
    /// The least version of each role, from docker's cache.
    pub floors: BTreeMap<String, u64>,
}

/// Trust data that verified, with the files that it was drawn from.
#[derive(Debug)]
#[must_use]
pub struct Imported {
    repository: RepositoryName,
    state: NotaryState,
    files: Files,
    pin: Pin,
}

/// Why trust data could not be read, verified or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportDctError {
    /// The Notary server failed.
    #[error(transparent)]
    Server(#[from] RegistryError),
    /// The Notary server says that it has none.
    #[error("{server} has no trust data of {repository}")]
    NoTrustData {
        /// The server's address.
        server: String,
        /// The repository.
        repository: String,
    },
    /// The trust data does not verify.
    #[error(transparent)]
    Unverified(#[from] NotaryError),
    /// A file or folder could not be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A folder holds nothing of the repository.
    #[error("{folder} holds no trust data of {repository}: expected {expected}", folder = .folder.display(), expected = .expected.display())]
    NoTree {
        /// The folder that was named.
        folder: PathBuf,
        /// The repository.
        repository: String,
        /// The file that should be there.
        expected: PathBuf,
    },
    /// A file is none that `--save` wrote.
    #[error("{path}: not a saved trust state: {message}", path = .path.display())]
    NotSaved {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A saved file is about something else.
    #[error("{path} holds the trust data of {found}, expected that of {expected}", path = .path.display())]
    OtherRepository {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// A file that should pin the root is broken.
    #[error("{path}: {source}", path = .path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::format::notary::NotaryFormatError,
    },
    /// More than is read.
    #[error("{what} is over the limit of {limit} bytes")]
    Limit {
        /// What is too large.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
}

impl Imported {
    /// Verifies files, wherever they are from; see [`notary::verify`] for what is checked.
    ///
    /// # Errors
    /// They do not verify.
    pub fn verify(
        repository: &RepositoryName,
        files: Files,
        pin: Pin,
        now: Timestamp,
        allow_expired: bool,
    ) -> Result<Self, NotaryError> {
        let name = repository.to_string();
        let rules = Rules { repository: &name, pin: &pin.root, floors: &pin.floors, now, allow_expired };
        let state = notary::verify(&files, &rules)?;
        Ok(Self { repository: repository.clone(), state, files, pin })
    }

    /// What verified.
    pub fn state(&self) -> &NotaryState {
        &self.state
    }

    /// Writes one file from which all of this can be verified again, without a network: the metadata as it was read,
    /// and beside it, for people, where it came from, the pin, the time and `summary`. Old file or new one, never a
    /// part; readable by all, as nothing in it is secret.
    ///
    /// # Errors
    /// As the file system says.
    pub fn save(&self, path: &Path, source: &str, now: Timestamp, summary: &Value) -> Result<(), ImportDctError> {
        let bytes = saved::encode(&self.repository, &self.files, &self.pin, source, now, summary);
        write_atomic(path, &bytes, 0o644).map_err(|source| ImportDctError::Io { path: path.to_owned(), source })
    }
}

/// The Notary server that docker asks about a repository: Docker Hub has its own, every other registry is asked itself.
#[must_use]
pub fn default_server(repository: &RepositoryName) -> String {
    if repository.host == "docker.io" { DOCKER_SERVER.to_owned() } else { format!("https://{}", repository.host) }
}
