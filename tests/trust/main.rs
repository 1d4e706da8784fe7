//! Content trust from end to end, on the embedded registry; `tests/interop` has the same attacks on a real one.
#![cfg(feature = "net")]

#[path = "../common/trust.rs"]
mod world;

#[path = "../common/attacks.rs"]
mod attacks;

#[path = "../common/trust_race.rs"]
mod trust_race;

#[path = "../common/image.rs"]
mod image;

mod bins;
mod other_clients;
mod publishing;
mod pulling;
mod reading;
mod rights;
mod spec;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use futures_util::future::join_all;

/// A registry in this process, and where it listens.
async fn start() -> (Embedded, String) {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("loopback");
    let address = registry.address().to_string();
    (registry, address)
}

#[tokio::test]
async fn every_attack_has_our_outcome() {
    let (_registry, address) = start().await;
    // At once: most of their time is waiting whether what looks like an attack is a race.
    join_all(attacks::all().into_iter().map(|(name, attack)| {
        let address = address.clone();
        async move { attack(&address, &name.replace('_', "-")).await }
    }))
    .await;
}
