//! Trusted roots by name: those that come with this version, what was fetched of them, those that were added, and files.
//!
//! Nothing here goes to the network but [`Roots::update`] and [`Roots::add_mirror`]: a verification reads what is here.

mod environment;
mod error;
mod update;

pub use environment::{Kind, Variables, add};
pub use error::{RootUpdateError, TrustedRootFileError};
pub use update::{Begin, Updated};

use crate::{
    limits::TRUSTED_ROOT_BYTES,
    store::{RootStore, RootStoreError, StoredRoot},
    trust::{
        Instance, RefreshedError, SIGNING_CONFIG, TRUSTED_ROOT, TrustedRoot, replay,
        tuf::{Expiry, TrustState, UpdateError},
    },
};
use jiff::Timestamp;
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Where trusted roots are found, at one time.
#[derive(Clone, Debug)]
pub struct Roots {
    store: Option<RootStore>,
    now: Timestamp,
}

/// A trusted root, and where it came from.
#[derive(Debug)]
pub struct Found {
    /// The root.
    pub root: TrustedRoot,
    /// Where it came from.
    pub source: Source,
}

/// Where a trusted root came from.
#[derive(Clone, Debug)]
pub enum Source {
    /// It came with this version, and nothing was ever fetched.
    Embedded,
    /// A file that was named.
    File(PathBuf),
    /// A file that was added by name.
    Added {
        /// Where it is kept.
        path: PathBuf,
        /// Since when.
        written: Timestamp,
    },
    /// Its last update.
    Refreshed(Refreshed),
}

/// The last update of a trusted root.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// Where it is kept.
    pub path: PathBuf,
    /// The TUF repository.
    pub mirror: String,
    /// When it was.
    pub written: Timestamp,
    /// The top-level roles.
    pub roles: Vec<RoleLine>,
    /// Whether the repository has a signing configuration.
    pub signing_config: bool,
    /// The first role that has expired: the root then counts for nothing until the next update.
    pub expired: Option<String>,
}

/// A role's version, and until when it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleLine {
    /// The role.
    pub role: String,
    /// Its version.
    pub version: u64,
    /// From when on it no longer counts.
    pub expires: Timestamp,
}

/// The instance of this name, if one comes with this version.
#[must_use]
pub fn instance(name: &str) -> Option<Instance> {
    [Instance::PublicGood, Instance::GitHub].into_iter().find(|instance| instance.name() == name)
}

impl Roots {
    /// The roots that a store keeps, beside those that come with this version; `now` is what expiry is judged by.
    #[must_use]
    pub fn new(store: Option<RootStore>, now: Timestamp) -> Self {
        Self { store, now }
    }

    /// All names: those that come with this version, then those that were added.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn names(&self) -> Result<Vec<String>, RootStoreError> {
        let mut names = vec![Instance::PublicGood.name().to_owned(), Instance::GitHub.name().to_owned()];
        let kept = self.store.as_ref().map(RootStore::names).transpose()?.unwrap_or_default();
        names.extend(kept.into_iter().filter(|name| instance(name).is_none()));
        Ok(names)
    }

    /// Whether a root was fetched, and can be again without being told from where.
    ///
    /// # Errors
    /// What is kept of it can't be read.
    pub fn is_refreshed(&self, name: &str) -> Result<bool, TrustedRootFileError> {
        Ok(self.kept(name)?.is_some_and(|stored| stored.mirror.is_some()))
    }

    /// Loads a trusted root to verify by: by name, or a file. What a text means does not depend on what is on the disk: with a
    /// dot or a slash it is a file, without a name.
    ///
    /// Of a name counts what was fetched or added; what comes with this version only where nothing ever was.
    ///
    /// # Errors
    /// No such name or file, it is no trusted root, or what was fetched has expired or does not verify.
    pub fn load(&self, text: &str) -> Result<TrustedRoot, TrustedRootFileError> {
        let bytes = self.bytes(text, None)?;
        TrustedRoot::decode(text, &bytes)
            .map_err(|source| TrustedRootFileError::Unusable { name: text.to_owned(), source })
    }

    /// The bytes of a root that a policy names; none where the one counts that comes with this version. Files lie in `folder`.
    ///
    /// # Errors
    /// As [`Roots::load`].
    pub fn for_policy(&self, text: &str, folder: &Path) -> Result<Option<Vec<u8>>, TrustedRootFileError> {
        if instance(text).is_some() && self.kept(text)?.is_none() {
            return Ok(None);
        }
        self.bytes(text, Some(folder)).map(Some)
    }

    /// The root's bytes. Files lie in `folder`, else where the process is.
    ///
    /// # Errors
    /// As [`Roots::load`].
    pub fn bytes(&self, text: &str, folder: Option<&Path>) -> Result<Vec<u8>, TrustedRootFileError> {
        if text.contains(['.', std::path::MAIN_SEPARATOR]) {
            return read(&folder.map_or_else(|| PathBuf::from(text), |folder| folder.join(text)));
        }
        match (self.kept(text)?, instance(text)) {
            (Some(mut stored), _) => {
                self.check(text, &stored)?;
                Ok(stored.files.remove(TRUSTED_ROOT).unwrap_or_default())
            }
            (None, Some(instance)) => Ok(instance.json().as_bytes().to_vec()),
            (None, None) => Err(TrustedRootFileError::Unknown { name: text.to_owned() }),
        }
    }

    /// When a root of this name stops to count, if it was fetched: the first of its TUF roles to expire.
    ///
    /// # Errors
    /// What is kept of it can't be read or does not verify.
    pub fn expires(&self, text: &str) -> Result<Option<Timestamp>, TrustedRootFileError> {
        let Some(stored) = self.kept(text)? else { return Ok(None) };
        match self.source(text, &stored)? {
            Source::Refreshed(refreshed) => Ok(refreshed.roles.iter().map(|role| role.expires).min()),
            _ => Ok(None),
        }
    }

    /// The signing configuration that was fetched with a root; none where there is none.
    ///
    /// # Errors
    /// What was fetched has expired or does not verify.
    pub fn signing_config(&self, name: &str) -> Result<Option<Vec<u8>>, TrustedRootFileError> {
        let Some(mut stored) = self.kept(name)? else { return Ok(None) };
        self.check(name, &stored)?;
        Ok(stored.files.remove(SIGNING_CONFIG))
    }

    /// A root and where it came from, to be shown: one that has expired too, which says so.
    ///
    /// # Errors
    /// As [`Roots::load`], expiry apart.
    pub fn look(&self, text: &str) -> Result<Found, TrustedRootFileError> {
        let name = RootStore::is_name(text);
        let stored = if name { self.kept(text)? } else { None };
        let (bytes, source) = match stored {
            None if name => (self.bytes(text, None)?, Source::Embedded),
            None => (self.bytes(text, None)?, Source::File(PathBuf::from(text))),
            Some(stored) => {
                let source = self.source(text, &stored)?;
                (stored.files.get(TRUSTED_ROOT).cloned().unwrap_or_default(), source)
            }
        };
        let root = TrustedRoot::decode(text, &bytes)
            .map_err(|source| TrustedRootFileError::Unusable { name: text.to_owned(), source })?;
        Ok(Found { root, source })
    }

    /// Of what was fetched: that it verifies, and has not expired.
    fn check(&self, name: &str, stored: &StoredRoot) -> Result<(), TrustedRootFileError> {
        match stored.mirror {
            Some(_) => replay(&stored.files, self.now, Expiry::Refuse).map(drop).map_err(refused(name)),
            None => Ok(()),
        }
    }

    fn source(&self, name: &str, stored: &StoredRoot) -> Result<Source, TrustedRootFileError> {
        let path = self.store(name)?.path(name);
        let written = stored.written;
        let Some(mirror) = stored.mirror.clone() else { return Ok(Source::Added { path, written }) };
        let state = replay(&stored.files, self.now, Expiry::InsecureAccept).map_err(refused(name))?;
        let expired = state.overdue(self.now).first().map(|(role, since)| format!("{role} expired on {since}"));
        let signing_config = stored.files.contains_key(SIGNING_CONFIG);
        Ok(Source::Refreshed(Refreshed { path, mirror, written, roles: roles(&state), signing_config, expired }))
    }

    fn kept(&self, name: &str) -> Result<Option<StoredRoot>, TrustedRootFileError> {
        let loaded = self.store.as_ref().filter(|_| RootStore::is_name(name)).map(|store| store.load(name)).transpose();
        Ok(loaded.map_err(in_store(name))?.flatten())
    }

    fn store(&self, name: &str) -> Result<&RootStore, TrustedRootFileError> {
        self.store.as_ref().ok_or_else(|| TrustedRootFileError::NoStore { name: name.to_owned() })
    }
}

fn roles(state: &TrustState) -> Vec<RoleLine> {
    let line = |role: crate::trust::tuf::RoleState<'_>| {
        role.name.is_top_level().then(|| RoleLine {
            role: role.name.to_string(),
            version: role.version,
            expires: role.expires,
        })
    };
    state.roles().into_iter().filter_map(line).collect()
}

fn refused(name: &str) -> impl FnOnce(RefreshedError) -> TrustedRootFileError {
    let name = name.to_owned();
    move |source| match source {
        RefreshedError::Update(source @ UpdateError::Expired { .. }) => TrustedRootFileError::Expired { name, source },
        source => TrustedRootFileError::Refused { name, source: Box::new(source) },
    }
}

fn in_store(name: &str) -> impl FnOnce(RootStoreError) -> TrustedRootFileError {
    let name = name.to_owned();
    move |source| TrustedRootFileError::Store { name, source }
}

/// Reads a trusted root's file, or certificates, within the bound.
///
/// # Errors
/// It can't be read, or is over the bound.
pub fn read(path: &Path) -> Result<Vec<u8>, TrustedRootFileError> {
    let failed = |source| TrustedRootFileError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(TRUSTED_ROOT_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > TRUSTED_ROOT_BYTES {
        return Err(TrustedRootFileError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}
