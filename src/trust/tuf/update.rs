use super::{
    Terms, TrustState, TrustedStart, UpdateError,
    delegates::Edge,
    graph::{Graph, revocations},
    trusted::Trusted,
};
use crate::format::tuf::{RoleName, Root, Snapshot, Timestamp};
use bytes::Bytes;
use std::collections::VecDeque;

/// The client's update (TUF 1.0.34, 5) as a state machine: it says which file it wants, and is given its bytes or told
/// that there are none. It reads no clock, disk or network.
///
/// ```text
/// let mut update = Update::begin(start, terms)?;
/// while let Some(want) = update.want()? {
///     match fetch(&want.file, want.max_bytes) {
///         Some(bytes) => update.supply(&bytes)?,
///         None => update.absent()?,
///     };
/// }
/// let state = update.finish()?;
/// ```
///
/// A file that is refused changes nothing: the same one is still wanted, so that another source may be asked. Nothing
/// can be looked up before [`Update::finish`].
#[derive(Debug)]
pub struct Update {
    pub(super) terms: Terms,
    pub(super) start: TrustedStart,
    pub(super) root: Option<Trusted<Root>>,
    /// The version that the chain of roots began with; while there is no root, the last one that was looked at.
    pub(super) first_root: u64,
    pub(super) chain_ended: bool,
    pub(super) previous: Previous,
    pub(super) timestamp: Option<Trusted<Timestamp>>,
    pub(super) snapshot: Option<Trusted<Snapshot>>,
    pub(super) graph: Graph,
    /// Delegations that are still to be followed.
    pub(super) queue: VecDeque<Edge>,
    /// The delegation whose role is wanted.
    pub(super) edge: Option<Edge>,
    pub(super) followed: usize,
    wanted: Option<Want>,
}

/// What was kept from before and is signed by the keys that the newest root names.
#[derive(Debug, Default)]
pub(super) struct Previous {
    pub timestamp: Option<Trusted<Timestamp>>,
    pub snapshot: Option<Trusted<Snapshot>>,
}

/// A file that an update wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The role.
    pub role: RoleName,
    /// The version, which only for the timestamp nobody can know before.
    pub version: Option<u64>,
    /// The file's name in a repository of this kind (TUF 1.0.34, 6.2).
    pub file: String,
    /// How many bytes may be read.
    pub max_bytes: u64,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supplied {
    /// It verified and is part of the state.
    Kept,
    /// It is not needed: the known timestamp has the same version (TUF 1.0.34, 5.4.3.1), or this root is none of the
    /// pinned keys, or the chain of roots is at its end.
    NotNeeded,
    /// It can't be used, and the update goes on without this delegated role. [`TrustState::passed_over`] says why.
    PassedOver,
}

impl Update {
    /// Starts an update from what is trusted.
    ///
    /// # Errors
    /// The trusted root is malformed, or is not signed by its own keys.
    pub fn begin(start: TrustedStart, terms: Terms) -> Result<Self, UpdateError> {
        let mut update = Self {
            terms,
            start,
            root: None,
            first_root: 0,
            chain_ended: false,
            previous: Previous::default(),
            timestamp: None,
            snapshot: None,
            graph: Graph::default(),
            queue: VecDeque::new(),
            edge: None,
            followed: 0,
            wanted: None,
        };
        update.trust_first_root()?;
        Ok(update)
    }

    /// The file that is wanted next; nothing once all are there. Known files are taken first.
    ///
    /// # Errors
    /// There is no further way: more roots than are read, no root of the pinned keys, or a `targets/revoked` that the
    /// snapshot does not list.
    pub fn want(&mut self) -> Result<Option<Want>, UpdateError> {
        while self.wanted.is_none() {
            let Some(want) = self.next_want()? else { return Ok(None) };
            let known = want.role != RoleName::Root && want.role != RoleName::Timestamp;
            match self.terms.known.remove(&want.role).filter(|_| known).map(Bytes::from) {
                // A known file that no longer fits is only read again.
                Some(bytes) if self.take(&want, &bytes).is_ok() => {}
                _ => self.wanted = Some(want),
            }
        }
        Ok(self.wanted.clone())
    }

    fn next_want(&mut self) -> Result<Option<Want>, UpdateError> {
        if !self.chain_ended {
            return self.want_root().map(Some);
        }
        if self.timestamp.is_none() {
            let max_bytes = self.terms.limits.timestamp_bytes;
            let role = RoleName::Timestamp;
            return Ok(Some(Want { file: role.file_name(None), role, version: None, max_bytes }));
        }
        if let Some(want) = self.want_snapshot() {
            return Ok(Some(want));
        }
        self.want_targets()
    }

    /// Gives the bytes of the wanted file.
    ///
    /// # Errors
    /// The file is refused, as [`UpdateError`] says; the update stands where it stood.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<Supplied, UpdateError> {
        self.supply_shared(&Bytes::copy_from_slice(bytes))
    }

    /// As [`Update::supply`], of bytes that others hold too: no copy is made.
    ///
    /// # Errors
    /// As [`Update::supply`].
    pub fn supply_shared(&mut self, bytes: &Bytes) -> Result<Supplied, UpdateError> {
        let want = self.want()?.ok_or(UpdateError::NothingWanted)?;
        let (found, most) = (bytes.len() as u64, self.limit_of(&want.role));
        // What is within the limit, and longer than it is listed, is another file than the listed one.
        let result = if found > most {
            Err(UpdateError::TooLarge { role: want.role.clone(), found, most })
        } else {
            self.take(&want, bytes)
        };
        self.conclude(result)
    }

    /// How many bytes a file of a role may have, whatever is listed.
    pub(super) fn limit_of(&self, role: &RoleName) -> u64 {
        let limits = &self.terms.limits;
        match role {
            RoleName::Root => limits.root_bytes,
            RoleName::Timestamp => limits.timestamp_bytes,
            RoleName::Snapshot => limits.snapshot_bytes,
            RoleName::Targets | RoleName::Delegated(_) => {
                limits.targets_bytes.min(limits.all_targets_bytes.saturating_sub(self.targets_bytes()))
            }
        }
    }

    /// Tells that there is no such file. "Could not be read" is not "is not there": then the update can't go on.
    ///
    /// # Errors
    /// The file had to be there.
    pub fn absent(&mut self) -> Result<Supplied, UpdateError> {
        let want = self.want()?.ok_or(UpdateError::NothingWanted)?;
        let result = match want.role {
            RoleName::Root if self.root.is_some() => self.end_chain().map(|()| Supplied::NotNeeded),
            RoleName::Root => Err(self.not_pinned()),
            role => Err(UpdateError::Missing { role, file: want.file }),
        };
        self.conclude(result)
    }

    /// Tells that the wanted file has more bytes than may be read.
    ///
    /// # Errors
    /// As [`Update::supply`] of so many bytes.
    pub fn too_large(&mut self, found: u64) -> Result<Supplied, UpdateError> {
        let Want { role, max_bytes: most, .. } = self.want()?.ok_or(UpdateError::NothingWanted)?;
        self.conclude(Err(UpdateError::TooLarge { role, found, most }))
    }

    fn take(&mut self, want: &Want, bytes: &Bytes) -> Result<Supplied, UpdateError> {
        match want.role {
            RoleName::Root => self.take_root(want.version.unwrap_or_default(), bytes),
            RoleName::Timestamp => self.take_timestamp(bytes),
            RoleName::Snapshot => self.take_snapshot(bytes),
            RoleName::Targets => self.take_targets(bytes),
            RoleName::Delegated(_) => self.take_delegate(bytes),
        }
    }

    fn conclude(&mut self, result: Result<Supplied, UpdateError>) -> Result<Supplied, UpdateError> {
        let supplied = match result {
            Ok(supplied) => supplied,
            Err(error) => self.pass_over(error)?,
        };
        self.wanted = None;
        Ok(supplied)
    }

    /// The state, once nothing is wanted any more. Checks last that no role that was seen before is older now, and that
    /// everything that was revoked still is.
    ///
    /// # Errors
    /// Something is still wanted, or one of these checks fails.
    pub fn finish(mut self) -> Result<TrustState, UpdateError> {
        if let Some(want) = self.want()? {
            return Err(UpdateError::Unfinished { file: want.file });
        }
        let missing = |role: RoleName| UpdateError::Missing { file: role.file_name(None), role };
        let repository = self.terms.repository().map(str::to_owned);
        let state = TrustState {
            root: self.root.ok_or_else(|| missing(RoleName::Root))?,
            timestamp: self.timestamp.ok_or_else(|| missing(RoleName::Timestamp))?,
            snapshot: self.snapshot.ok_or_else(|| missing(RoleName::Snapshot))?,
            revoked: repository.as_ref().map(|_| revocations(&self.graph)).unwrap_or_default(),
            graph: self.graph,
            floors: std::mem::take(&mut self.terms.floors),
            repository,
            now: self.terms.now,
        };
        state.check_last()?;
        Ok(state)
    }
}
