//! Content trust from end to end, on the embedded registry; `tests/interop` has the same attacks on a real one.
#![cfg(feature = "net")]

#[path = "../common/trust.rs"]
mod world;

mod publishing;
mod reading;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions};

/// A registry in this process, and where it listens.
async fn start() -> (Embedded, String) {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("loopback");
    let address = registry.address().to_string();
    (registry, address)
}
