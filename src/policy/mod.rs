//! Findings to decision: what a scope asks of an image, and whether it was met. Pure; `now` is an argument.

mod scope;

pub use scope::{Pattern, ScopeError};
