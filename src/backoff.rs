//! How long to wait before a request is sent again: of registries and of the services that keyless signing asks.

use crate::limits::RETRY_AFTER;
use http::HeaderMap;
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// The wait after the `tries`th try: doubled each time, half of it up to one and a half times it, at random.
pub(crate) fn delay(base: Duration, tries: u32) -> Duration {
    let full = base.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(RETRY_AFTER);
    full / 2 + jitter(full)
}

/// A random part of `most`. The hash maps' seeds are random enough for writers to fall out of step.
pub(crate) fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    most.mul_f64(random as f64 / u64::MAX as f64)
}

/// `Retry-After` (RFC 9110, 10.2.3), seconds or a date, as a wait from `now` on.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
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
