//! Content trust: signed tags, kept as TUF metadata in the image's own repository.
//!
//! [`TrustReader`] is the reading side, which `verify` and `pull` ask; [`Writer`] is the writing side. What may be believed
//! is decided in [`crate::trust::tuf`] alone.

mod admin;
mod bins;
mod bulk;
mod change;
mod cosign;
mod draft;
mod error;
mod init;
mod lifetimes;
mod live;
mod make;
mod memory;
mod push;
mod reader;
mod seal;
mod staged;
mod tags;
mod transfer;
mod travel;
mod upkeep;
mod writer;

pub use admin::signer_role;
pub use cosign::Review;
pub use error::TrustError;
pub use init::{Init, Started};
pub use lifetimes::Lifetimes;
pub use memory::Memory;
pub use reader::{Provenance, StateSource, TrustReader};
pub(in crate::ops) use reader::{Said, asked};
pub use staged::StagedPath;
pub use tags::SignedTag;
pub use transfer::{SignedRoot, sign_root_file};
pub use upkeep::{RoleStatus, Status};
pub use writer::{Published, Sealing, Waiting, Writer};
