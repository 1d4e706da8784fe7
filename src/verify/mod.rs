//! The only maker of [`Verified`]: pure, synchronous; clock, limits and anchors are arguments.

mod evidence;
mod findings;
mod rejection;
mod subject;

pub use evidence::{Blob, BlobKind, Collected, Place, Unread, Via};
pub use findings::{Claim, Findings, Format, Rejected, SignedReference, Verified};
pub use rejection::Rejection;
pub use subject::{Pinned, Subject};
