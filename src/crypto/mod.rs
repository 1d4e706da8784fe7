//! The only module that names a cryptography crate.

mod fingerprint;
pub mod hash;
mod key;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use key::{PublicKey, PublicKeyError};
