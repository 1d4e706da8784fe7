use super::atomic::{Staged, write_atomic};
use crate::{
    crypto::{
        PrivateKey, PublicKey, PublicKeyError, Zeroizing,
        keyfile::{self, KeyFileError, Password, PasswordError},
    },
    limits::KEY_FILE_BYTES,
};
use std::{
    env, fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    str::FromStr,
};

const PRIVATE_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;

/// Where a key is: a path, or an environment variable (`env://NAME`) that holds the file's content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySource {
    /// A file.
    Path(PathBuf),
    /// An environment variable.
    Env(String),
}

/// Why a text names no place of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySourceError {
    /// Empty, or `env://` without a name.
    #[error("key {0:?}: expected a path or env://NAME")]
    Empty(String),
    /// A scheme that this build does not know. It is not taken for a path.
    #[error("key {text:?}: {scheme} keys are not supported, expected a path or env://NAME")]
    Scheme {
        /// What was typed.
        text: String,
        /// The part before `://` or `:`.
        scheme: String,
    },
}

impl FromStr for KeySource {
    type Err = KeySourceError;

    fn from_str(text: &str) -> Result<Self, KeySourceError> {
        if text.is_empty() || text == "env://" {
            return Err(KeySourceError::Empty(text.to_owned()));
        }
        match text.split_once("://") {
            Some(("env", name)) => return Ok(Self::Env(name.to_owned())),
            Some((scheme, _)) => {
                return Err(KeySourceError::Scheme { text: text.to_owned(), scheme: scheme.to_owned() });
            }
            None => {}
        }
        // RFC 7512's URI has no slashes after its colon.
        if text.starts_with("pkcs11:") {
            return Err(KeySourceError::Scheme { text: text.to_owned(), scheme: "pkcs11".to_owned() });
        }
        Ok(Self::Path(PathBuf::from(text)))
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Env(name) => write!(f, "env://{name}"),
        }
    }
}

/// Why a key was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadKeyError {
    /// The file cannot be read.
    #[error("{from}: {source}")]
    Read {
        /// Where.
        from: KeySource,
        /// What the file system says.
        source: io::Error,
    },
    /// The environment variable is not set, or no text.
    #[error("{from}: {source}")]
    Env {
        /// Where.
        from: KeySource,
        /// What is wrong with it.
        source: env::VarError,
    },
    /// More than [`KEY_FILE_BYTES`].
    #[error("{from}: larger than {KEY_FILE_BYTES} bytes, which no key is")]
    TooLarge {
        /// Where.
        from: KeySource,
    },
    /// An unencrypted private key that others than its owner can read or write.
    #[error("{from}: an unencrypted private key with mode {mode:04o}, expected no access but the owner's (chmod 600)")]
    Permissions {
        /// Where.
        from: KeySource,
        /// The file's permissions.
        mode: u32,
    },
    /// The content is no private key that can be used.
    #[error("{from}: {source}")]
    Private {
        /// Where.
        from: KeySource,
        /// Why not.
        #[source]
        source: Box<KeyFileError>,
    },
    /// The content is no public key that can be used.
    #[error("{from}: {source}")]
    Public {
        /// Where.
        from: KeySource,
        /// Why not.
        source: PublicKeyError,
    },
}

/// An encrypted private key is more open than it should be; its password still protects it. To be shown once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: an encrypted private key with mode {mode:04o}; 0600 would keep it from password guessing", path = .path.display())]
pub struct PermissionWarning {
    /// The file.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

/// A private key, and what its holder should hear about its file.
#[derive(Debug)]
pub struct LoadedKey {
    /// The key.
    pub key: PrivateKey,
    /// What is to be shown once.
    pub warning: Option<PermissionWarning>,
}

/// Loads a private key. The password is asked for only if the file is encrypted.
///
/// An *unencrypted* key in a file that group or others can read or write is refused unless `insecure_permissions`; an
/// encrypted one is loaded with a warning (git checkouts and Kubernetes secrets have mode 0644). Permissions are those
/// of the opened file, on Unix; who owns it, and its directories, are not looked at.
///
/// # Errors
/// Not readable, too large, too open, or what [`keyfile::decode`] refuses.
pub fn load_private_key(
    from: &KeySource,
    password: &mut dyn FnMut() -> Result<Password, PasswordError>,
    insecure_permissions: bool,
) -> Result<LoadedKey, LoadKeyError> {
    let content = read(from)?;
    let refused = |source| LoadKeyError::Private { from: from.clone(), source: Box::new(source) };
    let encrypted = keyfile::is_encrypted(&content.bytes).map_err(refused)?;
    let warning = match (content.open_to_others, from) {
        (Some(mode), from) if !encrypted && !insecure_permissions => {
            return Err(LoadKeyError::Permissions { from: from.clone(), mode });
        }
        (Some(mode), KeySource::Path(path)) if encrypted => Some(PermissionWarning { path: path.clone(), mode }),
        _ => None,
    };
    let key = keyfile::decode(&content.bytes, password).map_err(refused)?;
    Ok(LoadedKey { key, warning })
}

/// Loads a public key in PEM.
///
/// # Errors
/// Not readable, too large, or what [`PublicKey::from_pem`] refuses.
pub fn load_public_key(from: &KeySource) -> Result<PublicKey, LoadKeyError> {
    let content = read(from)?;
    PublicKey::from_pem_bytes(&content.bytes).map_err(|source| LoadKeyError::Public { from: from.clone(), source })
}

pub(super) struct Content {
    pub bytes: Zeroizing<Vec<u8>>,
    /// The mode, if it lets group or others read or write.
    open_to_others: Option<u32>,
}

pub(super) fn read(from: &KeySource) -> Result<Content, LoadKeyError> {
    let content = match from {
        KeySource::Path(path) => read_file(path).map_err(|source| LoadKeyError::Read { from: from.clone(), source })?,
        KeySource::Env(name) => {
            let text = env::var(name).map_err(|source| LoadKeyError::Env { from: from.clone(), source })?;
            Content { bytes: Zeroizing::new(text.into_bytes()), open_to_others: None }
        }
    };
    if content.bytes.len() as u64 > KEY_FILE_BYTES {
        return Err(LoadKeyError::TooLarge { from: from.clone() });
    }
    Ok(content)
}

fn read_file(path: &Path) -> io::Result<Content> {
    let file = File::open(path)?;
    let open_to_others = open_to_others(&file)?;
    // All room at once: a growing vector leaves copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES as usize + 1));
    file.take(KEY_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(Content { bytes, open_to_others })
}

#[cfg(unix)]
fn open_to_others(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    Ok((mode & 0o066 != 0).then_some(mode))
}

#[cfg(not(unix))]
fn open_to_others(_file: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

/// Why a key pair was not saved. Nothing was changed on disk, except as [`SaveKeyError::Restore`] says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveKeyError {
    /// There is such a file already.
    #[error("{path} exists and is not overwritten", path = .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The key could not be encoded.
    #[error(transparent)]
    Encode(#[from] KeyFileError),
    /// A file could not be written.
    #[error("{path}: {source}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The private key could not be written, and the public key beside it could not be put back.
    #[error("{path} does not belong to the private key beside it, which could not be written: {source}", path = .path.display())]
    Restore {
        /// The public key's file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
}

/// Saves a key pair: the private key encrypted as cosign does with mode 0600, the public key as PEM with mode 0644.
///
/// Both files are complete on disk before either gets its name. The public key gets its name first and loses it again if
/// the private one cannot be put in place, so a private key is never lost for a failure.
///
/// # Errors
/// A file exists and `overwrite` is not set, or cannot be written.
pub fn save_key_pair(
    key: &PrivateKey,
    password: &[u8],
    private: &Path,
    public: &Path,
    overwrite: bool,
) -> Result<(), SaveKeyError> {
    for path in [private, public] {
        if !overwrite && path.symlink_metadata().is_ok() {
            return Err(SaveKeyError::Exists { path: path.to_owned() });
        }
    }
    let stage = |path: &Path, text: &str, mode| {
        Staged::write(path, text.as_bytes(), mode)
            .map_err(|source| SaveKeyError::Write { path: path.to_owned(), source })
    };
    let staged_private = stage(private, &keyfile::encode_encrypted(key, password)?, PRIVATE_MODE)?;
    let staged_public = stage(public, &key.public().to_pem(), PUBLIC_MODE)?;
    let old_public = if overwrite { read_old(public)? } else { None };
    put(staged_public, public, overwrite)?;
    put(staged_private, private, overwrite).or_else(|error| {
        let restored = match old_public {
            Some(old) => write_atomic(public, &old, PUBLIC_MODE),
            None => fs::remove_file(public),
        };
        restored.map_err(|source| SaveKeyError::Restore { path: public.to_owned(), source })?;
        Err(error)
    })
}

fn put(staged: Staged, path: &Path, overwrite: bool) -> Result<(), SaveKeyError> {
    let put = if overwrite { staged.replace() } else { staged.create() };
    put.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SaveKeyError::Exists { path: path.to_owned() },
        _ => SaveKeyError::Write { path: path.to_owned(), source },
    })
}

fn read_old(path: &Path) -> Result<Option<Vec<u8>>, SaveKeyError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SaveKeyError::Write { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests;
