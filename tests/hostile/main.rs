//! What boltseal makes of a registry that fails, lies or holds junk: `faults` and `junk` are the tables, with the exit
//! code of each case; `moved` is what changes between two requests; `helpers` shows that each way to misbehave does
//! what it is named after.
#![cfg(feature = "net")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/evidence.rs"]
mod evidence;
/// The command line's own mapping of errors to exit codes.
#[allow(dead_code, reason = "the binary uses the rest")]
#[path = "../../src/bin/boltseal/exit.rs"]
mod exit;

mod faults;
mod helpers;
mod junk;
mod moved;
mod world;
