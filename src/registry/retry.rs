//! When a failed request is sent again, and after how long.

use super::Fault;
use crate::limits::{RETRY_AFTER, TRIES};
use http::HeaderMap;
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

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

/// The wait after the `tries`th try: doubled each time, half of it up to one and a half times it, at random.
pub(super) fn delay(base: Duration, tries: u32) -> Duration {
    let full = base.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(RETRY_AFTER);
    full / 2 + jitter(full)
}

/// A random part of `most`. The hash maps' seeds are random enough for writers to fall out of step.
pub(super) fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    most.mul_f64(random as f64 / u64::MAX as f64)
}

/// `Retry-After` (RFC 9110, 10.2.3), seconds or a date, as a wait from `now` on.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        let read = |value: &str| {
            retry_after(&HeaderMap::from_iter([(http::header::RETRY_AFTER, value.parse().unwrap())]), now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO), "a date that has passed");
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn waits_double_and_stay_bounded() {
        for tries in 1..40 {
            let wait = delay(Duration::from_millis(100), tries);
            assert!(wait >= Duration::from_millis(50) && wait <= RETRY_AFTER * 3 / 2, "{tries}: {wait:?}");
        }
        assert!(delay(Duration::from_millis(100), 4) >= Duration::from_millis(400));
        let waits: std::collections::BTreeSet<_> = (0..20).map(|_| jitter(Duration::from_secs(1))).collect();
        assert!(waits.len() > 10 && waits.iter().all(|wait| *wait <= Duration::from_secs(1)), "{waits:?}");
    }
}
