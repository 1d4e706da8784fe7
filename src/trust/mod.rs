//! Anchors, identities, and the one counter of principals.

mod anchors;
mod identity;
pub mod notary;
mod principal;

pub use anchors::Anchors;
pub use identity::{Identity, Principal};
pub use principal::{Assignment, count_distinct};
