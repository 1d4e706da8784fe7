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
pub use root::{
    Instance, Log, MakeError, Naming, Parts, REFRESHED_TARGETS, RefreshedError, RootId, SIGNING_CONFIG, Service,
    TRUSTED_ROOT, TimestampAuthority, TrustedRoot, TrustedRootError, Windowed, refresh_terms, replay,
};
