//! Use-cases: the only place that joins I/O and judgement.

pub mod archive;
mod attach;
pub mod attest;
pub mod blob;
mod collect;
mod error;
mod image;
pub mod import_dct;
pub mod inspect;
mod pin;
pub mod policy_file;
pub mod pull;
pub mod sign;
pub mod trust;
pub mod trusted_root;
pub mod verify;

pub use error::OpsError;
pub use pin::{Choice, Platform, pin};
