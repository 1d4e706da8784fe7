//! `audit`: what the policy says of every image of a fleet, and what is known of each beside that.
//!
//! ```text
//! source -> inventory: images, each once -> shard -> judge, many at once -> record -> whoever writes
//! ```

pub mod html;
mod inventory;
mod judge;
mod kinds;
mod lines;
pub mod record;
mod run;
mod source;
mod tell;

pub use inventory::{Counts, Found, Item};
pub use run::Audit;
pub use source::{Source, SourceError};
