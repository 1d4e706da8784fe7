//! What several test binaries share; none uses all of it.
#![allow(dead_code)]

pub mod hostile;
