//! When a failed request is sent again, and after how long.

pub(super) use crate::backoff::{delay, jitter, retry_after};

use super::Fault;
use crate::limits::{RETRY_AFTER, TRIES};
use std::time::Duration;

/// A fault, and whether another try could go better.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) again: Again,
}

/// Whether and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// After our own wait.
    Backoff,
    /// After the wait that the registry asked for.
    After(Duration),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, again: Again::Never }
    }
}

impl Failure {
    /// A failure of the transport. A refused certificate does not get better; all else may.
    pub(super) fn transport(error: &reqwest::Error, read_timeout: Duration, connect_timeout: Duration) -> Self {
        if error.is_timeout() {
            let waited = if error.is_connect() { connect_timeout } else { read_timeout };
            return Self { fault: Fault::Timeout(waited), again: Again::Backoff };
        }
        let again = if is_tls(error) { Again::Never } else { Again::Backoff };
        Self { fault: Fault::Connection(innermost(error)), again }
    }
}

/// Makes attempts until one succeeds, fails for good, or [`TRIES`] are used up.
pub(super) async fn retrying<T, F, A>(backoff: Duration, attempt: F) -> Result<T, Fault>
where
    F: Fn() -> A,
    A: Future<Output = Result<T, Failure>>,
{
    let mut tries = 0;
    loop {
        let Failure { fault, again } = match attempt().await {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        tries += 1;
        let wait = match again {
            Again::Never => return Err(fault),
            Again::After(asked) if asked > RETRY_AFTER => return Err(Fault::RetryAfter(asked)),
            _ if tries >= TRIES => return Err(fault),
            Again::After(asked) => asked,
            Again::Backoff => delay(backoff, tries),
        };
        tokio::time::sleep(wait).await;
    }
}

/// Whether the failure came out of TLS: tokio-rustls gives each as an I/O error of invalid data, hyper-rustls puts
/// another I/O error around it.
fn is_tls(error: &reqwest::Error) -> bool {
    fn invalid_data(io: &std::io::Error) -> bool {
        let inner = io.get_ref().and_then(|inner| inner.downcast_ref());
        io.kind() == std::io::ErrorKind::InvalidData || inner.is_some_and(invalid_data)
    }
    error.is_connect() && chain(error).any(|cause| cause.downcast_ref().is_some_and(invalid_data))
}

/// What the last cause says: reqwest's own words name the address, which the action's name has already.
fn innermost(error: &reqwest::Error) -> String {
    chain(error).last().map_or_else(|| error.to_string(), |cause| super::message::shown(&cause.to_string()))
}

fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}
