//! Use-cases: the only place that joins I/O and judgement.

pub mod admit;
pub mod archive;
mod attach;
pub mod attest;
pub mod audit;
pub mod blob;
pub mod blob_sign;
mod collect;
pub mod decisions;
pub mod doctor;
pub mod drift;
mod error;
pub mod evidence;
mod image;
pub mod import_dct;
pub mod inspect;
pub mod isolated;
mod pin;
pub mod pin_files;
pub mod policy_file;
pub mod policy_test;
mod printable;
pub mod provenance;
pub mod pull;
pub mod sign;
mod signatory;
pub mod source_policy;
pub mod summary;
pub mod trust;
pub mod trusted_root;
pub mod verify;

pub use error::OpsError;
pub use pin::{Choice, Platform, pin};
pub use printable::{printable, toml_fault};
pub use signatory::{Identity, Logging, Signatory};
