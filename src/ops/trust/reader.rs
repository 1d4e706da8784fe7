//! The reading side: what a repository's trust state says of what is verified, pulled or resolved.

use super::{
    TrustError,
    live::{self, Live, Served, may_be_a_race, wait_for_the_race},
    memory::{Known, Memory},
    travel,
};
use crate::{
    format::{
        trust_manifest::{TrustFiles, TrustLayer},
        tuf::{RoleName, percent_encode},
    },
    limits::{TRUST_BLOBS_TOGETHER, TRUST_RACE_READS, TRUST_STATES},
    oci::{Digest, Reference},
    policy::{ContentTrust, OnExpired},
    registry::{Fault, RegistryError, Repo},
    store::Remembered,
    trust::tuf::{Asked, Expiry, Rules, Scope, Terms, TrustRefusal, TrustState},
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OnceCell;

/// Reads trust states for one run: each repository's once, however many of its images are asked for; over very many
/// repositories again what nobody uses at the moment.
#[derive(Debug)]
pub struct TrustReader {
    memory: Memory,
    now: Timestamp,
    read: Mutex<BTreeMap<String, Arc<OnceCell<Arc<Read>>>>>,
}

/// Where a state came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateSource {
    /// The registry, just now.
    Live,
    /// This machine, and the registry says that nothing has changed.
    Unchanged,
    /// This machine alone: the registry could not be asked.
    Remembered,
    /// A copy at the image.
    Travel,
}

/// How a state was come by: what a report says beside what the state says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Where it came from.
    pub source: StateSource,
    /// The root was trusted because nothing was known before (`tofu: once`).
    pub first_use: bool,
    /// Nothing was remembered of this repository: an older state than others have seen would not have been noticed.
    pub first_contact: bool,
}

/// A state that was read, or refused.
#[derive(Debug)]
pub(in crate::ops) struct Read {
    pub judged: Result<TrustState, TrustRefusal>,
    /// The one thing that it can answer, where not all of it was read.
    pub only: Option<Asked>,
    /// Where only time was wrong: the state all the same, for who goes on in permissive mode.
    pub stale: Option<TrustState>,
    pub provenance: Provenance,
}

/// What a trust state says of a tag or digest that is being pinned.
pub(in crate::ops) struct Said {
    pub read: Arc<Read>,
    /// The digest of a tag: signed, or of a stale state.
    pub digest: Option<Digest>,
    pub refusal: Option<TrustRefusal>,
}

impl TrustReader {
    /// A reader for one run.
    #[must_use]
    pub fn new(memory: Memory, now: Timestamp) -> Self {
        Self { memory, now, read: Mutex::default() }
    }

    /// What the trust state says of a reference. In `permissive` mode a stale state still names the digest of a tag.
    pub(in crate::ops) async fn ask(
        &self,
        repo: &Repo,
        reference: &Reference,
        rule: &ContentTrust,
        permissive: bool,
    ) -> Result<Said, TrustError> {
        let asked = asked(reference);
        let read = self.read(repo, reference, rule, &asked).await?;
        let digest_in =
            |state: &TrustState| state.vouch(&asked, &rule.require_roles, &[]).map(|vouched| vouched.digest());
        let (digest, refusal) = match &read.judged {
            Ok(state) => match digest_in(state) {
                Ok(digest) => (Some(digest), None),
                Err(error) => (None, Some(TrustRefusal::from(&error))),
            },
            Err(refusal) => {
                let stale = read.stale.as_ref().filter(|_| permissive);
                (stale.and_then(|state| digest_in(state).ok()), Some(refusal.clone()))
            }
        };
        Ok(Said { read, digest, refusal })
    }

    async fn read(
        &self,
        repo: &Repo,
        reference: &Reference,
        rule: &ContentTrust,
        asked: &Asked,
    ) -> Result<Arc<Read>, TrustError> {
        let place = reference.repository.to_string();
        let Some(name) = rule.signed_name(&reference.repository) else {
            let refusal = TrustRefusal::unnamed(&place);
            return Ok(Arc::new(Read::refused(refusal, Provenance::of(StateSource::Live, None))));
        };
        let name = name.to_string();
        let known = match self.memory.known(&place, &name, Some(rule)) {
            Err(TrustError::NoAnchor { repository }) => {
                let provenance = Provenance::of(StateSource::Live, None);
                return Ok(Arc::new(Read::refused(TrustRefusal::no_anchor(&repository), provenance)));
            }
            known => known?,
        };
        let one = One { reader: self, repo, place, name, rule, known };
        if let Some(max_age) = rule.travel {
            return Ok(Arc::new(travel::read(&one, reference, max_age).await?));
        }
        let cell = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if read.len() >= TRUST_STATES {
                read.retain(|_, cell| Arc::strong_count(cell) > 1);
            }
            Arc::clone(read.entry(one.place.clone()).or_default())
        };
        let read = cell.get_or_try_init(|| async { one.live(asked).await.map(Arc::new) }).await?;
        if read.only.as_ref().is_some_and(|only| only != asked) {
            return one.live(asked).await.map(Arc::new);
        }
        Ok(Arc::clone(read))
    }
}

/// One repository under judgement.
pub(super) struct One<'r> {
    pub reader: &'r TrustReader,
    pub repo: &'r Repo,
    pub place: String,
    pub name: String,
    pub rule: &'r ContentTrust,
    pub known: Known,
}

impl One<'_> {
    pub fn terms(&self, expiry: Expiry) -> Terms {
        let rules = Rules::Boltseal { repository: self.name.clone() };
        Terms { expiry, floors: self.known.floors.clone(), ..Terms::new(self.reader.now, rules) }
    }

    pub fn expiry(&self) -> Expiry {
        match self.rule.on_expired {
            OnExpired::Fail => Expiry::Refuse,
            OnExpired::MaxStale(most) => Expiry::MaxStale(most),
        }
    }

    pub fn provenance(&self, source: StateSource) -> Provenance {
        Provenance { first_use: self.known.start.is_none(), ..Provenance::of(source, self.known.remembered.as_ref()) }
    }

    fn refused(&self, refusal: TrustRefusal, source: StateSource) -> Read {
        Read::refused(refusal, self.provenance(source))
    }

    /// The live state. What looks like an attack and may be a race is read again before it is called one.
    async fn live(&self, asked: &Asked) -> Result<Read, TrustError> {
        let mut etag = self.known.remembered.as_ref().and_then(|seen| seen.etag.as_deref());
        let mut reads = 0;
        loop {
            let served = match live::fetch(self.repo, etag).await {
                Ok(served) => served,
                Err(TrustError::Registry(error)) if is_out_of_reach(&error) => {
                    return self.remembered(error, asked).await;
                }
                Err(TrustError::Artifact(error)) => return Ok(self.refused((&error).into(), StateSource::Live)),
                Err(error) => return Err(error),
            };
            let (files, tag, source) = match served {
                Served::Absent => return Ok(self.refused(TrustRefusal::removed(), StateSource::Live)),
                Served::Files { files, etag, .. } => (files, etag, StateSource::Live),
                Served::Same => (self.kept(), etag.map(str::to_owned), StateSource::Unchanged),
            };
            let judged = self.judge(&files, tag, asked, source).await?;
            reads += 1;
            let again = judged.1 && reads <= TRUST_RACE_READS;
            if !again {
                return Ok(judged.0);
            }
            etag = None;
            wait_for_the_race(reads).await;
        }
    }

    /// The files that this machine remembers.
    fn kept(&self) -> TrustFiles {
        let kept = self.known.remembered.iter().flat_map(|seen| &seen.files);
        TrustFiles(kept.map(|(name, bytes)| (name.clone(), TrustLayer::Inline(bytes.clone()))).collect())
    }

    /// The registry is out of reach: what is remembered counts as long as it is fresh.
    async fn remembered(&self, error: RegistryError, asked: &Asked) -> Result<Read, TrustError> {
        match &self.known.remembered {
            Some(Remembered { files, .. }) if !files.is_empty() => {
                Ok(self.judge(&self.kept(), None, asked, StateSource::Remembered).await?.0)
            }
            _ => Err(error.into()),
        }
    }

    /// Judges files; whether a refusal may be a race.
    async fn judge(
        &self,
        files: &TrustFiles,
        etag: Option<String>,
        asked: &Asked,
        source: StateSource,
    ) -> Result<(Read, bool), TrustError> {
        let only = is_read_in_part(files, asked, self.rule).then(|| asked.clone());
        let scope = match &only {
            Some(Asked::Tag(tag)) => Scope::Paths(vec![tag.clone()]),
            _ => Scope::All,
        };
        let terms = Terms { scope, ..self.terms(self.expiry()) };
        let provenance = self.provenance(source);
        match live::judge(self.repo, files, etag, &self.known, terms).await? {
            Ok(Live { state, files, etag, .. }) => {
                if source == StateSource::Live {
                    self.reader.memory.remember(&self.place, &state, files, etag).await?;
                }
                Ok((Read { judged: Ok(state), only, stale: None, provenance }, false))
            }
            Err(error) => {
                let refusal = TrustRefusal::from(&error);
                let stale = if refusal.is_freshness() { self.stale(files).await? } else { None };
                Ok((Read { stale, ..Read::refused(refusal, provenance) }, may_be_a_race(&error)))
            }
        }
    }

    /// The same state with everything checked but time. It is never remembered.
    async fn stale(&self, files: &TrustFiles) -> Result<Option<TrustState>, TrustError> {
        let terms = self.terms(Expiry::InsecureAccept);
        Ok(live::judge(self.repo, files, None, &self.known, terms).await?.ok().map(|live| live.state))
    }
}

impl Read {
    pub fn refused(refusal: TrustRefusal, provenance: Provenance) -> Self {
        Self { judged: Err(refusal), only: None, stale: None, provenance }
    }
}

impl Provenance {
    fn of(source: StateSource, remembered: Option<&Remembered>) -> Self {
        Self { source, first_use: false, first_contact: remembered.is_none() }
    }
}

/// What is asked for a reference: its digest where it has one.
pub(in crate::ops) fn asked(reference: &Reference) -> Asked {
    match reference.digest {
        Some(digest) => Asked::Digest(digest),
        None => Asked::Tag(reference.tag_or_latest().unwrap_or_default().to_owned()),
    }
}

/// One read of all roles serves all tags; of a state in many blobs, or whose map of tags is in parts of which some are blobs,
/// only what is asked for a tag is read.
fn is_read_in_part(files: &TrustFiles, asked: &Asked, rule: &ContentTrust) -> bool {
    let blobs: Vec<_> = files.0.iter().filter(|(_, file)| matches!(file, TrustLayer::Blob(_))).collect();
    let parts = percent_encode(&format!(".{}/", RoleName::RELEASES), b"");
    let many = blobs.len() > TRUST_BLOBS_TOGETHER || blobs.iter().any(|(name, _)| name.contains(&parts));
    let releases = rule.require_roles.iter().all(|role| role.as_str() == RoleName::RELEASES);
    matches!(asked, Asked::Tag(_)) && many && releases
}

/// Whether nobody answered, or the answer was a failure of the server's own.
fn is_out_of_reach(error: &RegistryError) -> bool {
    match &error.fault {
        Fault::Connection(_) | Fault::Timeout(_) => true,
        Fault::Status { status, .. } => *status >= 500,
        _ => false,
    }
}
