//! The only module that names a cryptography crate.

mod fingerprint;
pub mod hash;

pub use fingerprint::{Fingerprint, FingerprintError};
