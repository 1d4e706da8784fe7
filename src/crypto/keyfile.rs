//! Private keys as files: cosign's encrypted format, PKCS#8 plain and encrypted, SEC1 and PKCS#1, all in PEM.
//!
//! Bytes in, bytes out: reading from disk is [`crate::store`]'s.

mod pbes2;
mod sigstore;

use super::{
    PrivateKey, PrivateKeyError,
    pem::{self, Block, PemError},
};
use crate::{json::JsonError, limits};
use pkcs8::ObjectIdentifier;
use std::error::Error;
use zeroize::Zeroizing;

/// A password's bytes, wiped on drop.
pub type Password = Zeroizing<Vec<u8>>;
/// What a password's source can fail with: no terminal, no such variable, an unreadable file.
pub type PasswordError = Box<dyn Error + Send + Sync>;

/// Why a file holds no private key that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Larger than [`limits::KEY_FILE_BYTES`].
    #[error("key file: {0} bytes, expected at most {max}", max = limits::KEY_FILE_BYTES)]
    TooLarge(usize),
    /// Not one PEM block.
    #[error("key file: {0}")]
    Pem(#[from] PemError),
    /// A PEM block that holds no private key in a format that is read.
    #[error("key file: the PEM block is {found:?}, expected a private key{}", advice(.found))]
    Label {
        /// The block's label.
        found: String,
    },
    /// Encrypted by OpenSSL's own scheme, whose key derivation is one round of MD5.
    #[error(
        "key file: encrypted by OpenSSL's legacy scheme (`DEK-Info`), which protects nothing; convert it with `openssl pkcs8 -topk8`"
    )]
    LegacyEncryption,
    /// cosign's format, with a content that is not the expected JSON.
    #[error("encrypted key file: {0}")]
    Json(#[from] JsonError),
    /// A member of cosign's JSON with another value than the one that is known.
    #[error("encrypted key file: {member} is {found:?}, expected {expected:?}")]
    Unknown {
        /// Where in the document.
        member: &'static str,
        /// What is there.
        found: String,
        /// What is known.
        expected: &'static str,
    },
    /// A member of cosign's JSON that is no base64 of the right length.
    #[error("encrypted key file: {member} is not base64 of {bytes} bytes")]
    Encoding {
        /// Where in the document.
        member: &'static str,
        /// The expected length in bytes.
        bytes: usize,
    },
    /// scrypt parameters that are no parameters, or beyond [`limits::SCRYPT`].
    #[error(
        "encrypted key file: scrypt with N={n}, r={r}, p={p}; expected N a power of two up to {}, r up to {}, p up to {}",
        limits::SCRYPT.0, limits::SCRYPT.1, limits::SCRYPT.2
    )]
    Scrypt {
        /// The cost in CPU and memory.
        n: u64,
        /// The block size.
        r: u32,
        /// The parallelisation.
        p: u32,
    },
    /// PBKDF2 with more rounds than [`limits::PBKDF2_ROUNDS`].
    #[error("encrypted key file: PBKDF2 with {rounds} rounds, expected 1 to {}", limits::PBKDF2_ROUNDS)]
    Pbkdf2 {
        /// The rounds.
        rounds: u32,
    },
    /// Not an EncryptedPrivateKeyInfo.
    #[error("encrypted key file: not an EncryptedPrivateKeyInfo (PKCS#8) in DER: {0}")]
    Pkcs8(#[source] pkcs8::der::Error),
    /// An encryption that is not read.
    #[error(
        "encrypted key file: encrypted with {oid}, expected PBES2 with AES and PBKDF2 or scrypt; convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
    )]
    Scheme {
        /// The scheme, cipher or key derivation.
        oid: ObjectIdentifier,
    },
    /// The password could not be had.
    #[error("no password for the encrypted key: {0}")]
    NoPassword(#[source] PasswordError),
    /// The password does not open the file.
    #[error("wrong password for the encrypted key, or the file is damaged")]
    WrongPassword,
    /// What is in the file is no usable key.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    /// The system's random number generator failed.
    #[error("the system's random number generator failed")]
    Random,
    /// The library refused to encrypt.
    #[error("the key could not be encrypted")]
    Encrypt,
}

fn advice(label: &str) -> &'static str {
    match label {
        "PUBLIC KEY" => "; this is a public key",
        "CERTIFICATE" => "; this is a certificate",
        "OPENSSH PRIVATE KEY" => "; convert a copy with `ssh-keygen -p -m PKCS8 -f FILE`",
        _ => "",
    }
}

enum Kind {
    Sigstore,
    EncryptedPkcs8,
    Pkcs8,
    Sec1,
    Pkcs1,
}

fn open(bytes: &[u8]) -> Result<(Kind, Block), KeyFileError> {
    if bytes.len() as u64 > limits::KEY_FILE_BYTES {
        return Err(KeyFileError::TooLarge(bytes.len()));
    }
    let block = pem::decode_one(bytes)?;
    if block.legacy_encrypted {
        return Err(KeyFileError::LegacyEncryption);
    }
    let kind = match block.label.as_str() {
        // cosign wrote the second until 2.0, and still reads it.
        "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => Kind::Sigstore,
        "ENCRYPTED PRIVATE KEY" => Kind::EncryptedPkcs8,
        "PRIVATE KEY" => Kind::Pkcs8,
        "EC PRIVATE KEY" => Kind::Sec1,
        "RSA PRIVATE KEY" => Kind::Pkcs1,
        _ => return Err(KeyFileError::Label { found: block.label }),
    };
    Ok((kind, block))
}

/// Whether a key file needs a password.
///
/// # Errors
/// The file is no private key in a format that is read; what is inside of the PEM block is not looked at.
pub fn is_encrypted(bytes: &[u8]) -> Result<bool, KeyFileError> {
    Ok(matches!(open(bytes)?.0, Kind::Sigstore | Kind::EncryptedPkcs8))
}

/// Decodes a key file. The password is asked for once, and only if the file is encrypted and within all bounds.
///
/// Read are cosign's `ENCRYPTED SIGSTORE PRIVATE KEY` (and `ENCRYPTED COSIGN PRIVATE KEY`), `PRIVATE KEY` and
/// `ENCRYPTED PRIVATE KEY` (PKCS#8, RFC 5958; PBES2, RFC 8018, with PBKDF2 or scrypt), `EC PRIVATE KEY` (RFC 5915) and
/// `RSA PRIVATE KEY` (RFC 8017). Not read are OpenSSL's legacy encryption, PBES1 and DES.
///
/// # Errors
/// The file's size, form or cost is not acceptable, the password is not to be had or wrong, or the key is none that
/// boltseal signs with.
pub fn decode(
    bytes: &[u8],
    password: &mut dyn FnMut() -> Result<Password, PasswordError>,
) -> Result<PrivateKey, KeyFileError> {
    let (kind, block) = open(bytes)?;
    let der = match kind {
        Kind::Sigstore => sigstore::decrypt(&block.bytes, password)?,
        Kind::EncryptedPkcs8 => pbes2::decrypt(&block.bytes, password)?,
        Kind::Pkcs8 => block.bytes,
        Kind::Sec1 => return Ok(PrivateKey::from_sec1_der(&block.bytes)?),
        Kind::Pkcs1 => return Ok(PrivateKey::from_pkcs1_der(&block.bytes)?),
    };
    Ok(PrivateKey::from_pkcs8_der(&der)?)
}

/// Encodes a key as cosign does: PEM `ENCRYPTED SIGSTORE PRIVATE KEY` around JSON, the key's PKCS#8 in NaCl's secretbox,
/// its key by scrypt with N=65536, r=8, p=1 (64 MiB, about 0.2 s).
///
/// # Errors
/// No random numbers, or the key cannot be encoded.
pub fn encode_encrypted(key: &PrivateKey, password: &[u8]) -> Result<String, KeyFileError> {
    let json = sigstore::encrypt(&key.to_pkcs8_der()?, password)?;
    Ok(pem::encode("ENCRYPTED SIGSTORE PRIVATE KEY", &json))
}

#[cfg(test)]
mod tests;
