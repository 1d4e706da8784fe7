//! One file a verb: arguments to `ops`, results to [`crate::output`].

pub mod attest;
pub mod audit;
pub mod blob;
pub mod blob_sign;
pub mod docs;
pub mod doctor;
pub mod drift;
pub mod inspect;
pub mod key;
pub mod pin;
pub mod policy;
pub mod provenance;
pub mod pull;
pub mod resolve;
pub mod root;
pub mod run;
#[cfg(feature = "serve")]
pub mod serve;
pub mod sign;
pub mod trust;
pub mod verify;
