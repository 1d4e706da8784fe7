use super::{KeySource, LoadKeyError, keys::read};
use crate::crypto::{PublicKey, keyfile};

/// What a key file is, as far as it tells without a password.
#[derive(Debug)]
pub enum KeyFile {
    /// A public key.
    Public(PublicKey),
    /// An unencrypted private key, by its public half.
    Private(PublicKey),
    /// An encrypted private key.
    Encrypted,
}

impl KeyFile {
    /// `public key` or `private key`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Public(_) => "public key",
            Self::Private(_) | Self::Encrypted => "private key",
        }
    }

    /// Whether a password is needed.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Encrypted)
    }

    /// The public key, where the file tells it.
    #[must_use]
    pub fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::Public(key) | Self::Private(key) => Some(key),
            Self::Encrypted => None,
        }
    }
}

/// Looks at a key file without asking for a password.
///
/// # Errors
/// Not readable, or neither a public nor a private key that is read here.
pub fn load_key_file(from: &KeySource) -> Result<KeyFile, LoadKeyError> {
    let content = read(from)?;
    if let Ok(key) = PublicKey::from_pem_bytes(&content.bytes) {
        return Ok(KeyFile::Public(key));
    }
    let refused = |source| LoadKeyError::Private { from: from.clone(), source: Box::new(source) };
    if keyfile::is_encrypted(&content.bytes).map_err(refused)? {
        return Ok(KeyFile::Encrypted);
    }
    let no_password = &mut || Err("not encrypted".into());
    let key = keyfile::decode(&content.bytes, no_password).map_err(refused)?;
    Ok(KeyFile::Private(key.public().clone()))
}
