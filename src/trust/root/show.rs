//! What a trusted root holds, for who wants to read it.

use super::{Log, TimestampAuthority, TrustedRoot, Windowed};
use crate::crypto::Authority;
use jiff::Timestamp;

impl TrustedRoot {
    /// Who issues signing certificates.
    #[must_use]
    pub fn authorities(&self) -> &[Windowed<Authority>] {
        &self.authorities
    }

    /// Transparency logs.
    #[must_use]
    pub fn logs(&self) -> &[Windowed<Log>] {
        &self.logs
    }

    /// Certificate transparency logs.
    #[must_use]
    pub fn ct_logs(&self) -> &[Windowed<Log>] {
        &self.ct_logs
    }

    /// Who signs timestamps.
    #[must_use]
    pub fn timestamp_authorities(&self) -> &[Windowed<TimestampAuthority>] {
        &self.timestamp_authorities
    }
}

impl<T> Windowed<T> {
    /// The first and the last moment about which it may be believed; none where that is open.
    #[must_use]
    pub fn window(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.start, self.end)
    }
}
