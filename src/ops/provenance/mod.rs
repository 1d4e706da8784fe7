//! `provenance`: from an image to what it was built from, and on.

mod chain;

pub use chain::{Build, Chain, Claim, Hop, Judged, Link, Reached, Source, Told, Verdict};
