//! cosign's encrypted key: JSON that names scrypt and its parameters, and NaCl's secretbox around PKCS#8.

use super::{KeyFileError, Password, PasswordError};
use crate::{json, limits};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_secretbox::{Key, KeyInit as _, Nonce, XSalsa20Poly1305, aead::Aead as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const SCRYPT: &str = "scrypt";
const SECRETBOX: &str = "nacl/secretbox";
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// What cosign writes; its reader takes no others.
const COSIGN: Params = Params { n: 1 << 16, r: 8, p: 1 };

#[derive(Serialize, Deserialize)]
struct Document {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Opens the box; everything that needs no password is checked before one is asked for.
pub(super) fn decrypt(
    document: &[u8],
    password: &mut dyn FnMut() -> Result<Password, PasswordError>,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let Document { kdf, cipher, ciphertext } = json::decode(document)?;
    known("kdf.name", kdf.name, SCRYPT)?;
    known("cipher.name", cipher.name, SECRETBOX)?;
    let params = scrypt_params(kdf.params.n, kdf.params.r, kdf.params.p)?;
    let salt: [u8; SALT_BYTES] = decode_base64("kdf.salt", &kdf.salt)?;
    let nonce: [u8; NONCE_BYTES] = decode_base64("cipher.nonce", &cipher.nonce)?;
    let ciphertext = STANDARD.decode(ciphertext).map_err(|_| KeyFileError::WrongPassword)?;
    let password = password().map_err(KeyFileError::NoPassword)?;
    let opened = secretbox(&password, &salt, &params)?.decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice());
    opened.map(Zeroizing::new).map_err(|_| KeyFileError::WrongPassword)
}

/// Closes the box, with a fresh salt and nonce.
pub(super) fn encrypt(secret: &[u8], password: &[u8]) -> Result<Vec<u8>, KeyFileError> {
    let mut salt = [0; SALT_BYTES];
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut salt).map_err(|_| KeyFileError::Random)?;
    getrandom::fill(&mut nonce).map_err(|_| KeyFileError::Random)?;
    let params = scrypt_params(COSIGN.n, COSIGN.r, COSIGN.p)?;
    let ciphertext = secretbox(password, &salt, &params)?
        .encrypt(Nonce::from_slice(&nonce), secret)
        .map_err(|_| KeyFileError::Encrypt)?;
    let document = Document {
        kdf: Kdf { name: SCRYPT.to_owned(), params: COSIGN, salt: STANDARD.encode(salt) },
        cipher: Cipher { name: SECRETBOX.to_owned(), nonce: STANDARD.encode(nonce) },
        ciphertext: STANDARD.encode(ciphertext),
    };
    serde_json::to_vec(&document).map_err(|_| KeyFileError::Encrypt)
}

fn secretbox(password: &[u8], salt: &[u8], params: &scrypt::Params) -> Result<XSalsa20Poly1305, KeyFileError> {
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, params, key.as_mut()).map_err(|_| KeyFileError::Encrypt)?;
    Ok(XSalsa20Poly1305::new(Key::from_slice(key.as_ref())))
}

/// Parameters within [`limits::SCRYPT`], so that a file cannot ask for more memory or time.
pub(super) fn scrypt_params(n: u64, r: u32, p: u32) -> Result<scrypt::Params, KeyFileError> {
    let refused = || KeyFileError::Scrypt { n, r, p };
    let (most_n, most_r, most_p) = limits::SCRYPT;
    if n < 2 || !n.is_power_of_two() || n > most_n || r > most_r || p > most_p {
        return Err(refused());
    }
    let log_n = u8::try_from(n.ilog2()).map_err(|_| refused())?;
    scrypt::Params::new(log_n, r, p).map_err(|_| refused())
}

fn known(member: &'static str, found: String, expected: &'static str) -> Result<(), KeyFileError> {
    if found == expected { Ok(()) } else { Err(KeyFileError::Unknown { member, found, expected }) }
}

fn decode_base64<const N: usize>(member: &'static str, text: &str) -> Result<[u8; N], KeyFileError> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(KeyFileError::Encoding { member, bytes: N })
}
