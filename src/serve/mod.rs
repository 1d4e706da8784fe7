//! Servers: what all of them share, the verifying proxy, the admission webhook.
//!
//! A [`Shell`] is what a server stands on: settings read, policy loaded, metrics and log open. [`Shell::run`] listens and
//! hands each request to a [`Service`], until it is told to stop. Whoever decides asks the one [`Judge`].

pub mod admission;
mod answer;
mod decisions;
mod error;
mod judge;
mod law;
mod listener;
mod log;
mod metrics;
mod observe;
pub mod proxy;
mod settings;
mod shared;
mod shell;
mod slots;
mod tls;
mod verdict;

pub use answer::{Answer, AnswerBody, json, text};
pub use error::ServeError;
pub use judge::Judge;
pub use law::{Law, Laws};
pub use listener::{Caller, Service};
pub use log::{Decided, Log};
pub use metrics::Metrics;
pub use settings::{CacheSettings, JudgeSettings, Seconds, ServerSettings, read_settings};
pub use shell::{Shell, Words};
pub use verdict::{Credentials, Judged, Ruling, Undecided, Verdict};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose content is whole at all times, so that a panic elsewhere can't have broken it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
