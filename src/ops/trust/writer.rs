//! The writing side: reads, stages, merges, seals and reads back until what was wanted is in place.

use super::{
    TrustError,
    change::Edits,
    draft::Draft,
    live::{self, Live, Served, may_be_a_race, wait_for_the_race},
    make::{self, Made},
    memory::{Known, Memory},
    push, seal,
    staged::{self, Staged},
};
use crate::{
    format::{trust_manifest::TRUST_TAG, tuf::RoleName},
    limits::{TRUST_RACE_READS, TRUST_ROUNDS, TRUST_SETTLE_LOOK},
    oci::{Digest, RepositoryName},
    policy::ContentTrust,
    registry::Repo,
    sign::Signer,
    trust::tuf::{Expiry, Rules, Terms, TrustRefusal},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Who writes a repository's trust data, and from what is known.
pub struct Writer<'a> {
    /// The repository, opened for pushing.
    pub repo: &'a Repo,
    /// The name for which everything is signed: the repository's own, or of a mirror that of its origin.
    pub name: RepositoryName,
    /// Under which name it is remembered: where it is.
    pub place: String,
    /// The keys at hand; each signs for the roles that name it.
    pub signers: &'a [Box<dyn Signer>],
    /// What is known.
    pub memory: &'a Memory,
    /// What the policy says of the repository, where there is one.
    pub rule: Option<&'a ContentTrust>,
    /// The time, asked for each time that something is signed.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// The digest of the newest snapshot, for a state that has expired.
    pub after_expiry: Option<Digest>,
    /// Build on whatever is served, without knowing what is the least it has to be.
    pub insecure_no_floor: bool,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// It is part of the live state.
    Sealed,
    /// It was there already.
    Unchanged,
    /// It waits: for signatures, or for who holds the sealing keys.
    Staged,
}

/// A file that lacks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The role.
    pub role: RoleName,
    /// The file's version.
    pub version: u64,
    /// How many of those who may sign it did; for a root the lesser count of the old keys' and its own.
    pub signed: usize,
    /// How many have to.
    pub needed: u64,
}

/// A publication.
#[derive(Debug)]
#[must_use]
pub struct Published {
    /// What became of it.
    pub sealing: Sealing,
    /// The files that were signed here.
    pub signed: Vec<(RoleName, u64)>,
    /// What lacks signatures.
    pub waiting: Vec<Waiting>,
    /// The live state at the end.
    pub(super) live: Live,
}

impl Published {
    /// The live state at the end.
    pub fn state(&self) -> &crate::trust::tuf::TrustState {
        &self.live.state
    }
}

/// What a writer wants, said anew for every state that it finds.
pub(super) type Plan<'p> = dyn Fn(&Draft<'_>) -> Result<Edits, TrustError> + Send + Sync + 'p;

/// What one publication has done so far.
#[derive(Default)]
struct Progress {
    made: Vec<Made>,
    waiting: Vec<Waiting>,
    /// Roles of which what others have staged can't be published: it stays staged.
    ignored: BTreeSet<RoleName>,
    sealed: bool,
    slowest: Duration,
}

impl Writer<'_> {
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn known(&self) -> Result<Known, TrustError> {
        self.memory.known(&self.place, &self.name.to_string(), self.rule)
    }

    pub(super) fn terms(&self, known: &Known, expiry: Expiry) -> Terms {
        let rules = Rules::Boltseal { repository: self.name.to_string() };
        Terms { expiry, floors: known.floors.clone(), ..Terms::new(self.now(), rules) }
    }

    /// Reads the live state as a writer: a writer is first a reader. What has expired is read too, since it can be renewed.
    pub(super) async fn read(&self, known: &Known) -> Result<Live, TrustError> {
        let name = self.name.to_string();
        let mut read = 0;
        loop {
            let Served::Files { files, digest, etag } = live::fetch(self.repo, None).await? else {
                return Err(TrustError::refused(&name, TrustRefusal::removed()));
            };
            let terms = self.terms(known, Expiry::InsecureAccept);
            let refused = match live::judge(self.repo, &files, etag, known, terms).await? {
                Ok(live) => return Ok(Live { digest: Some(digest), ..live }),
                Err(error) => error,
            };
            read += 1;
            if !may_be_a_race(&refused) || read > TRUST_RACE_READS {
                return Err(TrustError::refused(&name, &refused));
            }
            wait_for_the_race(read).await;
        }
    }

    /// Refuses to build on a state that has expired, unless it is known to be the newest: an honest pipeline must not turn
    /// an old state into a fresh one.
    pub(super) fn check_newest(&self, live: &Live, known: &Known) -> Result<(), TrustError> {
        let overdue = live.state.overdue(self.now());
        let Some((role, expires)) = overdue.into_iter().find(|(role, _)| role.is_top_level()) else { return Ok(()) };
        let role = role.clone();
        let found = Digest::sha256(live.state.file(&RoleName::Snapshot).unwrap_or_default());
        let remembered = known.floors.roles.get(&RoleName::Snapshot).and_then(|floor| floor.digest);
        let repository = self.name.to_string();
        match self.after_expiry.or(remembered) {
            Some(expected) if expected == found => Ok(()),
            Some(expected) => Err(TrustError::OtherSnapshot { repository, expected, found }),
            None => Err(TrustError::NeedsSnapshot { repository, role, expires, snapshot: found }),
        }
    }

    /// Publishes what `plan` wants: in rounds, each of which reads what is there, takes in what others have staged, stages
    /// what is missing, and seals. It is done once a read finds all of it in place.
    pub(super) async fn publish(&self, plan: &Plan<'_>) -> Result<Published, TrustError> {
        let known = self.known()?;
        let mut progress = Progress::default();
        for round in 1..=TRUST_ROUNDS {
            let live = self.read(&known).await?;
            self.check_newest(&live, &known)?;
            if let Some(sealing) = self.round(&live, &known, plan, &mut progress, round).await? {
                return self.conclude(progress, sealing, live, &known).await;
            }
        }
        Err(TrustError::Contended(TRUST_ROUNDS))
    }

    /// One round on a state that was read; what became of it all, once nothing is left to do.
    async fn round(
        &self,
        live: &Live,
        known: &Known,
        plan: &Plan<'_>,
        progress: &mut Progress,
        round: u32,
    ) -> Result<Option<Sealing>, TrustError> {
        let from = Instant::now();
        let name = self.name.to_string();
        let mut draft = Draft::of(&live.state, &name);
        let staged = staged::read(self.repo, &mut draft, &progress.ignored).await?;
        let may_seal = self.may_sign(&draft.keys(&RoleName::Timestamp));
        if may_seal && !self.insecure_no_floor && !known.has_floor() {
            return Err(TrustError::NoFloor { repository: name });
        }
        let mut edits = plan(&draft)?;
        edits.add(staged.written_over(&draft).into_iter().filter(|(role, _)| self.may_sign(&draft.keys(role))));
        let made = self.make(&mut draft, &edits).await?;
        if !made.is_empty() {
            // Whoever stages and then reads again is seen by, or sees, everybody else who does.
            make::stage(made.iter(), self.repo, &staged, &draft, false).await?;
            progress.made.extend(made);
            return Ok(None);
        }
        progress.waiting = draft.waiting();
        let is_late = round > TRUST_ROUNDS / 2;
        if draft.is_live() && (progress.sealed || !edits.seal) || is_late && progress.is_in_place(live, plan, &name) {
            self.mark_sealed(progress, &staged, &draft).await?;
            return Ok(Some(progress.outcome(edits.are_in(&draft))));
        }
        let Some(files) = seal::sealed(self, &draft, live).await? else { return Ok(Some(Sealing::Staged)) };
        if let Err(error) = seal::check(&files, known, self.terms(known, Expiry::Refuse), &draft) {
            return progress.without(error, &draft).map(|()| None);
        }
        let new = files.iter().filter(|(name, bytes)| live.files.get(*name) != Some(*bytes));
        push::blobs(self.repo, new.map(|(_, bytes)| bytes)).await?;
        // Pushing takes time, in which others may have written.
        if self.is_unchanged(live).await? {
            let written = push::live(self.repo, &files).await?;
            progress.sealed = true;
            progress.slowest = progress.slowest.max(from.elapsed());
            self.settle(live, written, self.repo.settle(progress.slowest, round)).await;
        }
        Ok(None)
    }

    /// Whether the live state is still the one that was read.
    async fn is_unchanged(&self, live: &Live) -> Result<bool, TrustError> {
        Ok(match live::fetch(self.repo, live.etag.as_deref()).await? {
            Served::Same => true,
            Served::Absent => false,
            Served::Files { digest, .. } => Some(digest) == live.digest,
        })
    }

    /// Waits before what was written is read back; less if somebody has written over it, so that it is mended before readers
    /// have to call it an attack. What a registry served before the write is no such sign: it may lag behind.
    async fn settle(&self, before: &Live, written: Digest, mut left: Duration) {
        while left > TRUST_SETTLE_LOOK {
            tokio::time::sleep(TRUST_SETTLE_LOOK).await;
            left -= TRUST_SETTLE_LOOK;
            // Whether it could be asked or not: the read at the end says what is there.
            let found = self.repo.resolve(TRUST_TAG).await.ok().map(|found| found.digest);
            if found.is_some_and(|found| found != written && Some(found) != before.digest) {
                return;
            }
        }
        tokio::time::sleep(left).await;
    }

    /// Marks what was staged here and is in place; what waits for signatures stays as it is.
    async fn mark_sealed(&self, progress: &Progress, staged: &Staged, draft: &Draft<'_>) -> Result<(), TrustError> {
        let waits = |made: &&Made| progress.waiting.iter().any(|waiting| waiting.role == made.role);
        let done = progress.made.iter().filter(|made| !waits(made));
        // The last file of each: it stands on the ones before it.
        let last: BTreeMap<_, _> = done.map(|made| ((&made.role, made.key), made)).collect();
        make::stage(last.into_values(), self.repo, staged, draft, true).await
    }

    /// Remembers what is in place, unless nothing but that says that it is the newest.
    async fn conclude(
        &self,
        progress: Progress,
        sealing: Sealing,
        live: Live,
        known: &Known,
    ) -> Result<Published, TrustError> {
        if sealing == Sealing::Sealed || (sealing == Sealing::Unchanged && known.has_floor()) {
            self.memory.remember(&self.place, &live.state, live.files.clone(), live.etag.clone()).await?;
        }
        let signed = progress.made.iter().map(|made| (made.role.clone(), made.version)).collect();
        Ok(Published { sealing, signed, waiting: progress.waiting, live })
    }
}

impl Progress {
    /// Whether what was made or sealed here is live, and so all that is wanted. Who goes on for what others have staged since
    /// then is done only once nobody stages any more: late on, that is left to them.
    fn is_in_place(&self, live: &Live, plan: &Plan<'_>, repository: &str) -> bool {
        let versions = live.state.versions();
        let is_live = |made: &Made| versions.get(&made.role).is_some_and(|version| *version >= made.version);
        let draft = Draft::of(&live.state, repository);
        let has_all = |edits: Edits| edits.cosign.is_none() && (self.sealed || !edits.seal) && edits.are_in(&draft);
        (self.sealed || !self.made.is_empty()) && self.made.iter().all(is_live) && plan(&draft).is_ok_and(has_all)
    }

    /// What would not verify because of what somebody else has staged is done without that; anything else is an error.
    fn without(&mut self, error: TrustError, draft: &Draft<'_>) -> Result<(), TrustError> {
        let role = match &error {
            TrustError::RoleLost(role) => Some(role.clone()),
            TrustError::Unverifiable(refused) => seal::role_of(refused),
            _ => None,
        };
        let merged =
            |role: &RoleName| draft.newer.contains_key(role) && self.made.iter().all(|made| made.role != *role);
        match role.filter(merged).filter(|role| self.ignored.insert(role.clone())) {
            Some(_) => Ok(()),
            None => Err(error),
        }
    }

    /// What became of the change once the live state has all that is complete.
    fn outcome(&self, in_place: bool) -> Sealing {
        match (in_place, self.sealed || !self.made.is_empty()) {
            (false, _) => Sealing::Staged,
            (true, true) => Sealing::Sealed,
            (true, false) => Sealing::Unchanged,
        }
    }
}
