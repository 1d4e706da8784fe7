use crate::{
    limits::TRUSTED_ROOT_BYTES,
    registry::RegistryError,
    store::RootStoreError,
    trust::{MakeError, RefreshedError, TrustedRootError, tuf::UpdateError},
};
use std::{io, path::PathBuf};

/// Why there is no trusted root to verify by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedRootFileError {
    /// The file could not be read.
    #[error("trusted root {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// More bytes than are read.
    #[error("trusted root {path}: more than {TRUSTED_ROOT_BYTES} bytes", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It can't be used.
    #[error("trusted root {name}: {source}")]
    Unusable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: TrustedRootError,
    },
    /// A file of keys or certificates makes no part of a trusted root.
    #[error("{path}: {source}", path = .path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MakeError,
    },
    /// A name that stands for nothing on this machine.
    #[error(
        "trusted root {name}: no root of this name is known here; a file is written with a dot or a slash, ./{name}"
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// What was fetched at its last update has expired.
    #[error(
        "trusted root {name}: what was last fetched of it no longer counts: {source}; `boltseal root update {name}` fetches it again"
    )]
    Expired {
        /// Its name.
        name: String,
        /// Which role, since when.
        source: UpdateError,
    },
    /// What was fetched at its last update does not verify.
    #[error("trusted root {name}: what was kept of its last update does not verify: {source}")]
    Refused {
        /// Its name.
        name: String,
        /// Why.
        source: Box<RefreshedError>,
    },
    /// What is kept can't be read or written.
    #[error("trusted root {name}: {source}")]
    Store {
        /// Its name.
        name: String,
        /// Why.
        source: RootStoreError,
    },
    /// There is no folder to keep it in.
    #[error(
        "trusted root {name}: there is no folder to keep it in: neither BOLTSEAL_ROOTS nor XDG_DATA_HOME nor HOME is set"
    )]
    NoStore {
        /// Its name.
        name: String,
    },
}

/// Why a trusted root was not refreshed or added. What was there is there still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootUpdateError {
    /// What is here can't be built on.
    #[error(transparent)]
    Root(#[from] TrustedRootFileError),
    /// The mirror could not be read.
    #[error("trusted root {name}: {source}")]
    Mirror {
        /// Its name.
        name: String,
        /// Why.
        source: RegistryError,
    },
    /// What the mirror serves is refused.
    #[error("trusted root {name}: what {mirror} serves is refused: {source}")]
    Refused {
        /// Its name.
        name: String,
        /// The mirror.
        mirror: String,
        /// Why.
        source: Box<RefreshedError>,
    },
    /// The TUF root that was brought along is none.
    #[error("trusted root {name}: the TUF root to begin with: {source}")]
    Start {
        /// Its name.
        name: String,
        /// Why.
        source: UpdateError,
    },
    /// It came as a file, and there is nothing to refresh it from.
    #[error("trusted root {name}: it was added as a file, and is refreshed by adding it again")]
    NotRefreshed {
        /// Its name.
        name: String,
    },
    /// A name that can't be given.
    #[error("{name:?} is no name to give: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
}
