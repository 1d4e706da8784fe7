//! Boltseal signs image digests, attaches signatures and attestations in the registry, and verifies them against a
//! trust policy.
#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::print_stdout, clippy::print_stderr, clippy::too_many_lines)]
#![allow(clippy::double_must_use)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod admission;
#[cfg(feature = "net")]
mod backoff;
pub mod crypto;
pub mod format;
mod json;
pub mod limits;
pub mod oci;
#[cfg(feature = "net")]
pub mod ops;
pub mod policy;
#[cfg(feature = "net")]
pub mod registry;
pub mod rego;
#[cfg(feature = "serve")]
pub mod serve;
pub mod sign;
pub mod store;
pub mod trust;
pub mod verify;
