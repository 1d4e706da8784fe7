//! Trusted roots as they are typed: made of files, named, refreshed by TUF from a repository in this process, and used where
//! there is no network at all.

#[path = "../common/mod.rs"]
mod common;
mod instance;
mod made;
mod offline;
mod repository;
#[path = "../common/sigstore/mod.rs"]
mod sigstore;
mod update;
