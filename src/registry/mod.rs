//! Fetch and push: registries over HTTP, and image layouts on disk. Every read is checked against its digest.
//!
//! A [`Session`] is one run's connections, credentials and tokens; [`Session::open`] gives the [`Repo`] of a name. What
//! goes out passes `exchange` (retries, time), `auth` (tokens), `transport` (redirects, TLS), in this order.

mod auth;
mod body;
mod content;
mod copying;
mod credentials;
pub mod embedded;
mod environment;
mod error;
mod evidence;
mod exchange;
mod host;
mod hosts_toml;
mod kept;
mod layout;
mod message;
mod mirror;
mod mirrored;
mod notary;
mod options;
mod push;
mod referrers;
mod remote;
mod repo;
mod retry;
mod session;
mod shared_tag;
mod streamed;
mod tagged;
mod tags;
mod tls;
mod transport;

pub use content::{Access, Fetched, ListSource, Listing, Merge, Merged, Selector};
pub use copying::Copying;
pub use environment::Environment;
pub use error::{Fault, RegistryError};
pub use evidence::EvidenceCache;
pub use layout::{Layout, NewBlob};
pub use mirror::Mirror;
pub use notary::NotaryServer;
pub use options::Options;
pub use remote::Remote;
pub use repo::Repo;
pub use session::Session;
pub use shared_tag::TagRead;
pub use streamed::BlobStream;
pub use tagged::Tagged;
pub use tags::{Named, Tags};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose content is whole at all times, so that a panic elsewhere can't have broken it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
