//! Anchors, identities, and the one counter of principals.

mod identity;

pub use identity::{Identity, Principal};
