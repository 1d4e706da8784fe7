//! The only module that names a cryptography crate.

mod fingerprint;
pub mod hash;
mod key;
pub mod keyfile;
mod pem;
mod private;
mod signature;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use key::{KeyAlgorithm, KeyAlgorithmError, PublicKey, PublicKeyError};
pub use pem::PemError;
pub use private::{PrivateKey, PrivateKeyError};
pub use signature::{SignatureError, SignatureScheme};
/// A secret's holder: wiped on drop.
pub use zeroize::Zeroizing;
