//! Fetch and push: registries over HTTP, and image layouts on disk. Every read is checked against its digest.

mod content;
pub mod embedded;
mod error;
mod layout;

pub use content::{Access, Fetched, ListSource, Listing, Merge, Merged, Selector};
pub use error::{Fault, RegistryError};
pub use layout::{Layout, NewBlob};
