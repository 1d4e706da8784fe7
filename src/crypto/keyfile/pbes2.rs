//! PKCS#8's EncryptedPrivateKeyInfo with PBES2 (RFC 8018, 6.2), as OpenSSL and Notary write it.

use super::{KeyFileError, Password, PasswordError, sigstore::scrypt_params};
use crate::limits;
use pkcs8::{
    EncryptedPrivateKeyInfoRef, Error,
    der::{Decode as _, ErrorKind},
    pkcs5::{self, EncryptionScheme, pbes2::Kdf},
};
use zeroize::Zeroizing;

/// Decrypts; the cost is bounded, and the scheme known, before a password is asked for.
///
/// CBC is not authenticated: a wrong password shows by padding or by a plaintext that is no DER.
pub(super) fn decrypt(
    der: &[u8],
    password: &mut dyn FnMut() -> Result<Password, PasswordError>,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let encrypted = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|error| match error.kind() {
        ErrorKind::OidUnknown { oid } => KeyFileError::Scheme { oid },
        _ => KeyFileError::Pkcs8(error),
    })?;
    let EncryptionScheme::Pbes2(parameters) = &encrypted.encryption_algorithm else {
        return Err(KeyFileError::Scheme { oid: encrypted.encryption_algorithm.oid() });
    };
    match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) if !(1..=limits::PBKDF2_ROUNDS).contains(&pbkdf2.iteration_count) => {
            return Err(KeyFileError::Pbkdf2 { rounds: pbkdf2.iteration_count });
        }
        Kdf::Scrypt(scrypt) => {
            scrypt_params(scrypt.cost_parameter, scrypt.block_size.into(), scrypt.parallelization.into())?;
        }
        _ => {}
    }
    let password = password().map_err(KeyFileError::NoPassword)?;
    encrypted.decrypt(&password).map(|document| document.to_bytes()).map_err(|error| match error {
        Error::EncryptedPrivateKey(
            pkcs5::Error::UnsupportedAlgorithm { oid } | pkcs5::Error::AlgorithmParametersInvalid { oid },
        ) => KeyFileError::Scheme { oid },
        _ => KeyFileError::WrongPassword,
    })
}
