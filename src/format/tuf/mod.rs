//! TUF metadata (The Update Framework specification 1.0.34): untrusted bytes to untrusted structs and back.
//!
//! Strict JSON, members that are not known are kept, and what is signed is the canonical JSON of what was received. Nothing
//! here says who signed: that is [`crate::trust::tuf`].

mod canonical;
mod hashes;
mod key;
mod metadata;
mod name;
mod pattern;
mod roles;
mod target;
mod target_list;
mod targets;

pub use canonical::{CanonicalError, canonical};
pub use hashes::Hashes;
pub use key::{Key, KeyError, KeyObject, KeyValue, VerifyingKey};
#[cfg(test)]
use metadata::PlainWire;
pub use metadata::{Header, Metadata, MetadataError, Role, RoleSignature};
pub use name::{RoleName, percent_encode};
pub use pattern::{Pattern, PatternError, hash_prefix_matches};
pub use roles::{FileMeta, RoleKeys, Root, Snapshot, Timestamp};
pub use target::Target;
pub use target_list::TargetList;
pub use targets::{Binding, Delegation, Delegations, Targets};

#[cfg(test)]
mod tests;
