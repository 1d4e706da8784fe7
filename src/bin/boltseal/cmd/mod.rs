//! One file a verb: arguments to `ops`, results to [`crate::output`].

pub mod attest;
pub mod blob;
pub mod docs;
pub mod inspect;
pub mod key;
pub mod policy;
pub mod pull;
pub mod resolve;
pub mod root;
pub mod sign;
pub mod trust;
pub mod verify;
