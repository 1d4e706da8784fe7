//! The only module that names a cryptography crate.

mod certificate;
mod chain;
mod fingerprint;
pub mod hash;
mod hashed;
mod key;
pub mod keyfile;
mod mac;
mod notary;
mod pem;
mod private;
mod signature;
mod timestamp;
mod timestamp_request;
mod x509;

pub use certificate::{AlternativeName, Sct, SigningCertificate};
pub use chain::{Authority, ChainError, Path, Purpose};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use key::{KeyAlgorithm, KeyAlgorithmError, PublicKey, PublicKeyError};
pub use mac::MacKey;
pub use notary::NotaryMethod;
pub use pem::PemError;
pub(crate) use pem::decode_one as decode_pem;
pub use private::{PrivateKey, PrivateKeyError};
pub use signature::{SignatureError, SignatureScheme};
pub use timestamp::{TimestampError, TimestampToken};
pub use timestamp_request::timestamp_request;
pub use x509::{Certificate, CertificateError};
/// A secret's holder: wiped on drop.
pub use zeroize::Zeroizing;
