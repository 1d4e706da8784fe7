//! Use-cases: the only place where I/O and judgement meet.

#[cfg(feature = "net")]
pub mod archive;
