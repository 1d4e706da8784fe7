//! The update of TUF metadata (The Update Framework specification 1.0.34, section 5) without I/O or clock, and the state
//! that it ends in. One machine serves any TUF repository and an image repository's own trust state.

pub mod author;
mod checks;
mod delegates;
mod error;
mod floors;
mod graph;
mod lock;
mod quorum;
mod roots;
mod sealing;
mod state;
mod terms;
mod trusted;
mod update;
mod vouch;

pub use error::{Answer, LookupError, UpdateError};
pub use floors::{Floors, RoleFloor, RootFloor};
pub use lock::{LockError, LockedTrust, TrustLock};
pub use quorum::Count;
pub use state::{Listed, Revocation, RoleState, TrustState};
pub use terms::{Expiry, Rules, Scope, Terms, TrustedStart};
pub use update::{Supplied, Update, Want};
pub use vouch::{Asked, TrustRefusal, Vouched};

#[cfg(test)]
pub(crate) mod tests;
