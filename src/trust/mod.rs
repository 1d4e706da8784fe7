//! Anchors, identities, the one counter of principals, and the update of TUF metadata.

mod anchors;
mod identity;
pub mod notary;
mod principal;
mod root;
pub mod tuf;

pub use anchors::Anchors;
pub use identity::{Identity, Principal};
pub use principal::{Assignment, count_distinct};
pub use root::{Instance, Log, Naming, RootId, TimestampAuthority, TrustedRoot, TrustedRootError, Windowed};
