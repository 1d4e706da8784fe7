use super::{AuthorError, keys::next_version};
use crate::{
    format::tuf::{FileMeta, Header, RoleName, Snapshot, Timestamp},
    limits::TUF_VERSION,
};
use jiff::Timestamp as Time;
use serde_json::Map;
use std::collections::BTreeMap;

/// A signed file that is listed by version, length and SHA-256.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    /// Its version.
    pub version: u64,
    /// Its bytes, signatures included.
    pub bytes: &'a [u8],
}

/// The version of a timestamp or snapshot: one more than the last, or the seconds since 1970, whichever is more. It goes on
/// over a lost state, and two writers who do not know of each other seldom choose the same.
///
/// # Errors
/// There is no next version.
pub fn sealing_version(role: &RoleName, previous: Option<u64>, now: Time) -> Result<u64, AuthorError> {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default().clamp(1, TUF_VERSION);
    previous.map_or(Ok(seconds), |previous| Ok(next_version(role, previous)?.max(seconds)))
}

/// The snapshot of these targets roles. Roles that the previous one listed and `files` does not name are listed as before:
/// a reader refuses a snapshot that leaves one out (TUF 1.0.34, 5.5.5).
///
/// # Errors
/// There is no next version.
pub fn next_snapshot(
    previous: Option<&Snapshot>,
    files: &BTreeMap<RoleName, Sealed<'_>>,
    now: Time,
    expires: Time,
) -> Result<Snapshot, AuthorError> {
    let version = sealing_version(&RoleName::Snapshot, previous.map(|snapshot| snapshot.header.version), now)?;
    let mut meta = previous.map(|snapshot| snapshot.meta.clone()).unwrap_or_default();
    meta.extend(files.iter().map(|(role, file)| (role.meta_name(), FileMeta::new(file.version, file.bytes))));
    let unknown = previous.map_or_else(Map::new, |snapshot| snapshot.unknown.clone());
    Ok(Snapshot { header: Header::new(version, expires), meta, unknown })
}

/// The timestamp of this snapshot.
///
/// # Errors
/// There is no next version.
pub fn next_timestamp(
    previous: Option<&Timestamp>,
    snapshot: Sealed<'_>,
    now: Time,
    expires: Time,
) -> Result<Timestamp, AuthorError> {
    let version = sealing_version(&RoleName::Timestamp, previous.map(|timestamp| timestamp.header.version), now)?;
    let meta = BTreeMap::from([(RoleName::Snapshot.meta_name(), FileMeta::new(snapshot.version, snapshot.bytes))]);
    let unknown = previous.map_or_else(Map::new, |timestamp| timestamp.unknown.clone());
    Ok(Timestamp { header: Header::new(version, expires), meta, unknown })
}
