//! Writing trust metadata: pure edits that give the next file of a role, to be signed by [`crate::sign::sign_metadata`].
//!
//! An edit changes what is signed, so it starts without signatures. Adding a signature changes nothing else: holders of
//! keys can sign one after the other, on different machines.

mod bins;
mod error;
mod keys;
mod root;
mod seal;
mod targets;

pub use bins::{align_bins, bins_are_aligned, split};
pub use error::AuthorError;
pub use keys::Signers;
pub use root::{TopLevel, add_key, count_top_level, new_root, next_root, remove_key, root_counts, set_threshold};
pub use seal::{Sealed, next_snapshot, next_timestamp, sealing_version};
pub use targets::{
    NewDelegation, add_signer, count, delegate, new_targets, next_targets, remove_signer, remove_tag, revoke,
    set_signer_threshold, set_tag, undelegate,
};
