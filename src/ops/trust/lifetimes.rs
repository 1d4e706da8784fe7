//! How long the files of a repository's trust data count: written into the root, so that every writer knows.

use crate::format::tuf::{RoleName, Root};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Member of a root that holds boltseal's own settings.
const MEMBER: &str = "x-boltseal";
/// Part of a lifetime from which on it is time to renew: 30 %.
const DUE: (i32, i32) = (3, 10);

/// For how many days a role's file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// The root.
    pub root: i64,
    /// The top-level targets role and all that it delegates to.
    pub targets: i64,
    /// The snapshot.
    pub snapshot: i64,
    /// The timestamp.
    pub timestamp: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { root: 3 * 365, targets: 365, snapshot: 365, timestamp: 14 }
    }
}

impl Lifetimes {
    /// Docker Content Trust's.
    #[must_use]
    pub fn dct() -> Self {
        Self { root: 10 * 365, targets: 3 * 365, snapshot: 3 * 365, timestamp: 14 }
    }

    /// What a root says; the default where it says nothing that makes sense.
    pub(super) fn of(root: &Root) -> Self {
        let said = root.unknown.get(MEMBER).and_then(|member| member.get("days"));
        let default = Self::default();
        let days = |role: &RoleName, otherwise: i64| {
            let days = said.and_then(|days| days.get(role.as_str())).and_then(Value::as_i64);
            days.filter(|days| (1..=100 * 365).contains(days)).unwrap_or(otherwise)
        };
        Self {
            root: days(&RoleName::Root, default.root),
            targets: days(&RoleName::Targets, default.targets),
            snapshot: days(&RoleName::Snapshot, default.snapshot),
            timestamp: days(&RoleName::Timestamp, default.timestamp),
        }
    }

    /// Writes them into a root.
    pub(super) fn put(self, root: &mut Root) {
        let Self { root: days, targets, snapshot, timestamp } = self;
        let days = json!({ "root": days, "targets": targets, "snapshot": snapshot, "timestamp": timestamp });
        root.unknown.insert(MEMBER.to_owned(), json!({ "days": days }));
    }

    /// How long a role's file counts.
    #[must_use]
    pub fn of_role(&self, role: &RoleName) -> SignedDuration {
        let days = match role {
            RoleName::Root => self.root,
            RoleName::Timestamp => self.timestamp,
            RoleName::Snapshot => self.snapshot,
            RoleName::Targets | RoleName::Delegated(_) => self.targets,
        };
        SignedDuration::from_hours(24 * days)
    }

    /// Until when a file of a role counts that is signed now; to the second, as metadata has it.
    pub(super) fn until(&self, role: &RoleName, now: Timestamp) -> Timestamp {
        let until = now.saturating_add(self.of_role(role)).unwrap_or(Timestamp::MAX);
        Timestamp::from_second(until.as_second()).unwrap_or(until)
    }

    /// Whether it is time to renew a file of a role: less than 30 % of its lifetime is left.
    #[must_use]
    pub fn is_due(&self, role: &RoleName, expires: Timestamp, now: Timestamp) -> bool {
        let (part, whole) = DUE;
        expires.duration_since(now) < self.of_role(role) * part / whole
    }
}
