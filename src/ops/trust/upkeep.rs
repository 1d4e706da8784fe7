//! Keeping trust data fresh, and telling how fresh they are.

use super::{
    TrustError,
    change::{Change, Edits, RootChange},
    draft::Draft,
    lifetimes::Lifetimes,
    staged::{self, StagedPath},
    writer::{Published, Waiting, Writer},
};
use crate::format::tuf::RoleName;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// How a role stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleStatus {
    /// The role.
    pub role: RoleName,
    /// Its file's version.
    pub version: u64,
    /// From when on it no longer counts.
    pub expires: Timestamp,
    /// Whether less than 30 % of its lifetime is left.
    pub due: bool,
    /// Whether it has expired.
    pub expired: bool,
}

/// How a repository's trust data stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Status {
    /// Each role that could be read.
    pub roles: Vec<RoleStatus>,
    /// Roles that are delegated to and can't be used, and why.
    pub unusable: Vec<(RoleName, String)>,
    /// What is staged and fits: the next sealer takes it in. With the version.
    pub staged: Vec<(RoleName, u64)>,
    /// What is staged and lacks signatures.
    pub waiting: Vec<Waiting>,
    /// Paths that are staged otherwise than they are live.
    pub paths: Vec<StagedPath>,
}

impl Writer<'_> {
    /// Seals anew, and takes in what is staged. Roles that the keys at hand may sign for are renewed if it is time. With
    /// `if_older_than` nothing is sealed for its own sake while the seal is younger.
    ///
    /// # Errors
    /// It could not be published.
    pub async fn refresh(&self, if_older_than: Option<SignedDuration>) -> Result<Published, TrustError> {
        let plan = |draft: &Draft<'_>| {
            let now = self.now();
            let lifetimes = Lifetimes::of(draft.root.signed());
            let due = |role: &RoleName, expires| lifetimes.is_due(role, expires, now);
            let mut edits = Edits::default();
            let root = &draft.root;
            if due(&RoleName::Root, root.expires()) && self.may_sign(&draft.keys(&RoleName::Root)) {
                edits.root.push(RootChange::Renew { above: root.version() });
            }
            for role in draft.delegated() {
                let file = draft.file(&role).filter(|file| due(&role, file.expires()));
                if let Some(file) = file.filter(|_| self.may_sign(&draft.keys(&role))) {
                    let renew = Change::Renew { above: file.version() };
                    edits.roles.push((role, vec![renew]));
                }
            }
            let sealed = i64::try_from(draft.live.timestamp().version()).unwrap_or_default();
            let age = SignedDuration::from_secs(now.as_second().saturating_sub(sealed));
            let stale = due(&RoleName::Timestamp, draft.live.timestamp().expires())
                || due(&RoleName::Snapshot, draft.live.snapshot().expires());
            edits.seal = stale || if_older_than.is_none_or(|most| age > most);
            Ok(edits)
        };
        self.publish(&plan).await
    }

    /// How the trust data stand. Nothing is written, and no key is needed.
    ///
    /// # Errors
    /// They can't be read, or are refused.
    pub async fn status(&self) -> Result<Status, TrustError> {
        let known = self.known()?;
        let live = self.read(&known).await?;
        let name = self.name.to_string();
        let mut draft = Draft::of(&live.state, &name);
        let found = staged::read(self.repo, &mut draft, &BTreeSet::new()).await?;
        let (now, lifetimes) = (self.now(), Lifetimes::of(live.state.root().signed()));
        let roles = live.state.roles().into_iter().map(|role| RoleStatus {
            role: role.name.clone(),
            version: role.version,
            expires: role.expires,
            due: lifetimes.is_due(role.name, role.expires, now),
            expired: role.expires <= now,
        });
        // Who has never signed has nothing that could be unusable.
        let listed = |role: &RoleName| live.state.snapshot().signed().file(role).is_some();
        let unusable = live.state.passed_over().filter(|(_, role, _)| listed(role));
        let unusable = unusable.map(|(_, role, error)| (role.clone(), error.to_string()));
        let newer = draft.newer.iter();
        let staged = newer.flat_map(|(role, files)| files.keys().map(|version| (role.clone(), *version)));
        Ok(Status {
            roles: roles.collect(),
            unusable: unusable.collect(),
            staged: staged.collect(),
            waiting: draft.waiting(),
            paths: found.paths(&draft).into_iter().collect(),
        })
    }
}
