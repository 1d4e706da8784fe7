//! Parts of a trusted root out of files: those that cosign's variables name, and those of `root create`.

use super::{Roots, TrustedRootFileError, read};
use crate::trust::{Instance, MakeError, Parts, Service};
use std::path::{Path, PathBuf};

/// The files that cosign reads in the place of what the public good instance's root has of their kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// `SIGSTORE_ROOT_FILE`: certificate authorities and their intermediates (PEM).
    pub authorities: Option<PathBuf>,
    /// `SIGSTORE_REKOR_PUBLIC_KEY`: a transparency log's key (PEM).
    pub log: Option<PathBuf>,
    /// `SIGSTORE_CT_LOG_PUBLIC_KEY_FILE`: a certificate transparency log's key (PEM).
    pub ct_log: Option<PathBuf>,
    /// `SIGSTORE_TSA_CERTIFICATE_FILE`: a timestamp authority's chain (PEM), the certificate that signs first.
    pub timestamp_authority: Option<PathBuf>,
}

/// What a service of a trusted root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It issues certificates (Fulcio); a chain.
    Authority,
    /// A transparency log (Rekor); a key.
    Log,
    /// A certificate transparency log; a key.
    CtLog,
    /// It signs timestamps; a chain.
    TimestampAuthority,
}

impl Variables {
    /// The variables, by which the fields are named.
    pub const NAMES: [&'static str; 4] = [
        "SIGSTORE_ROOT_FILE",
        "SIGSTORE_REKOR_PUBLIC_KEY",
        "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",
        "SIGSTORE_TSA_CERTIFICATE_FILE",
    ];

    /// The files that the variables of [`Variables::NAMES`] name.
    #[must_use]
    pub fn of(read: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let [authorities, log, ct_log, timestamp_authority] = Self::NAMES.map(read);
        Self { authorities, log, ct_log, timestamp_authority }
    }

    /// The names of those that are set, to be shown.
    #[must_use]
    pub fn set(&self) -> Vec<&'static str> {
        let all = [&self.authorities, &self.log, &self.ct_log, &self.timestamp_authority];
        Self::NAMES.into_iter().zip(all).filter(|(_, path)| path.is_some()).map(|(name, _)| name).collect()
    }

    /// Adds what the files hold, each where nothing of its kind was added before. The names of those that were read.
    ///
    /// # Errors
    /// A file can't be read or used.
    pub fn add_to(&self, parts: &mut Parts) -> Result<Vec<&'static str>, TrustedRootFileError> {
        let all = [
            (Kind::Authority, &self.authorities),
            (Kind::Log, &self.log),
            (Kind::CtLog, &self.ct_log),
            (Kind::TimestampAuthority, &self.timestamp_authority),
        ];
        let mut used = Vec::new();
        for ((kind, path), name) in all.into_iter().zip(Self::NAMES) {
            let Some(path) = path.as_ref().filter(|_| !kind.is_in(parts)) else { continue };
            match kind {
                Kind::Authority => {
                    parts.authority_pool(&text(path)?).map_err(unfit(path))?;
                }
                _ => add(parts, kind, path, &Service::default())?,
            }
            used.push(name);
        }
        Ok(used)
    }
}

impl Kind {
    fn is_in(self, parts: &Parts) -> bool {
        let [logs, authorities, ct_logs, timestamp_authorities] = parts.counts();
        0 < match self {
            Self::Authority => authorities,
            Self::Log => logs,
            Self::CtLog => ct_logs,
            Self::TimestampAuthority => timestamp_authorities,
        }
    }
}

/// Adds a service by the file of its chain or key.
///
/// # Errors
/// The file can't be read or used.
pub fn add(parts: &mut Parts, kind: Kind, path: &Path, service: &Service) -> Result<(), TrustedRootFileError> {
    match kind {
        Kind::Authority => parts.authority(&text(path)?, service),
        Kind::Log => parts.log(&read(path)?, service),
        Kind::CtLog => parts.ct_log(&read(path)?, service),
        Kind::TimestampAuthority => parts.timestamp_authority(&text(path)?, service),
    }
    .map_err(unfit(path))
}

impl Roots {
    /// The trusted root that cosign's variables make: what they name, and the public good instance's for the rest.
    ///
    /// # Errors
    /// A file can't be read or used; the public good instance's root can't.
    pub fn of_variables(&self, variables: &Variables) -> Result<Vec<u8>, TrustedRootFileError> {
        let mut parts = Parts::default();
        variables.add_to(&mut parts)?;
        if parts.counts().contains(&0) {
            self.fill(&mut parts)?;
        }
        Ok(parts.encode())
    }

    /// Takes what the public good instance's root has of the kinds of which nothing was added.
    ///
    /// # Errors
    /// That root can't be used.
    pub fn fill(&self, parts: &mut Parts) -> Result<(), TrustedRootFileError> {
        let name = Instance::PublicGood.name();
        parts.fill_from(&self.bytes(name, None)?).map_err(unfit(Path::new(name)))
    }
}

fn text(path: &Path) -> Result<String, TrustedRootFileError> {
    Ok(String::from_utf8_lossy(&read(path)?).into_owned())
}

fn unfit(path: &Path) -> impl FnOnce(MakeError) -> TrustedRootFileError {
    let path = path.to_owned();
    move |source| TrustedRootFileError::Part { path, source }
}
