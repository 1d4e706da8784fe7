//! Results as JSON and as text. JSON is versioned and documented in SPEC.md; text is for people.

pub mod chain;
pub mod logging;
pub mod one_line;
pub mod policy;
pub mod provenance;
pub mod tree;
pub mod verification;
