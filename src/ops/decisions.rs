//! Decisions kept: each is recorded before anybody is told, and the log can be verified by whoever has it.

use super::{admit::Admitted, audit::record::ImageRecord, provenance::Hop, verify::Verification};
use crate::{
    format::decision_log::{Chain, ChainFault, Decided, Event, Head, LineHash, NamedPolicy},
    limits::{LOG_ERROR_BYTES, LOG_LINE_BYTES},
    oci::{Digest, Reference},
    policy::{Decision, Mode, Outcome},
    store::{self, DecisionLogError},
};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

/// Bytes that are read at once when a log is verified.
const READ_BYTES: usize = 256 << 10;

/// The word for a decision in its mode.
#[must_use]
pub fn word(outcome: &Outcome) -> &'static str {
    match (&outcome.decision, outcome.mode) {
        (Decision::Allow(_), _) => "allowed",
        (Decision::NotJudged, _) => "not-judged",
        (Decision::Deny(_), Mode::Permissive) => "would-deny",
        (Decision::Deny(_), _) => "denied",
        (Decision::Undetermined(_), _) => "could-not-tell",
    }
}

/// Where a run records what it decides.
#[derive(Clone, Debug)]
pub struct DecisionLog {
    /// The file.
    pub path: PathBuf,
    /// The verb, or the enforcement point.
    pub by: &'static str,
    /// The policy file and its digest; none where flags are judged by.
    pub policy: Option<(PathBuf, Digest)>,
}

impl DecisionLog {
    /// Records what was decided.
    ///
    /// # Errors
    /// It is not recorded: then nothing may be used that it allows.
    pub fn judged(&self, verification: &Verification) -> Result<Head, DecisionLogError> {
        self.record(self.decided(verification))
    }

    /// Records what an enforcement point was answered: a tag that means another digest is refused, whatever stands for this one.
    ///
    /// # Errors
    /// As [`DecisionLog::judged`].
    pub fn admitted(&self, asked: &Reference, digest: Digest, admitted: &Admitted) -> Result<Head, DecisionLogError> {
        let mut decided = self.decided(&admitted.verification);
        if admitted.moved.is_some() {
            let word = if admitted.may_be_used() { "would-deny" } else { "denied" };
            decided.reference = asked.to_string();
            decided.digest = Some(digest.to_string());
            decided.decision = word.to_owned();
            decided.reasons.push("moved-tag".to_owned());
        }
        self.record(decided)
    }

    /// Records what an audit says of an image.
    ///
    /// # Errors
    /// As [`DecisionLog::judged`].
    pub fn audited(&self, image: &ImageRecord) -> Result<Head, DecisionLogError> {
        let ids: BTreeSet<_> = image.reasons.iter().map(|reason| reason.id.clone()).collect();
        self.record(Decided {
            reference: image.reference.clone(),
            digest: image.digest.map(|digest| digest.to_string()),
            index: image.index.map(|index| index.to_string()),
            decision: image.decision.word().to_owned(),
            reasons: ids.into_iter().collect(),
            scope: image.scope.clone(),
            mode: image.mode.clone(),
            ..Decided::default()
        })
    }

    /// Records what is said of one image of a chain.
    ///
    /// # Errors
    /// As [`DecisionLog::judged`].
    pub fn followed(&self, hop: &Hop) -> Result<Head, DecisionLogError> {
        let ids: BTreeSet<_> = hop.judged.reasons.iter().map(|reason| reason.id.clone()).collect();
        self.record(Decided {
            reference: hop.reference.clone(),
            digest: hop.digest.map(|digest| digest.to_string()),
            decision: hop.judged.verdict.word().to_owned(),
            reasons: ids.into_iter().collect(),
            scope: hop.judged.scope.clone(),
            mode: hop.judged.mode.clone(),
            ..Decided::default()
        })
    }

    /// Records that there was nothing to judge, and why.
    ///
    /// # Errors
    /// As [`DecisionLog::judged`].
    pub fn unjudged(
        &self,
        reference: &Reference,
        word: &str,
        reasons: Vec<String>,
        why: &str,
    ) -> Result<Head, DecisionLogError> {
        let most = why.floor_char_boundary(LOG_ERROR_BYTES);
        self.record(Decided {
            reference: reference.to_string(),
            decision: word.to_owned(),
            reasons,
            error: why.get(..most).map(str::to_owned),
            ..Decided::default()
        })
    }

    fn decided(&self, verification: &Verification) -> Decided {
        let (subject, outcome) = (verification.findings.subject(), &verification.outcome);
        let ids: BTreeSet<_> = match &outcome.decision {
            Decision::Deny(reasons) | Decision::Undetermined(reasons) => reasons.iter().map(|one| one.id()).collect(),
            Decision::Allow(_) | Decision::NotJudged => BTreeSet::new(),
        };
        Decided {
            reference: subject.reference().to_string(),
            digest: Some(subject.digest().to_string()),
            index: subject.within().map(|index| index.to_string()),
            decision: word(outcome).to_owned(),
            reasons: ids.into_iter().map(str::to_owned).collect(),
            scope: outcome.scope.clone(),
            mode: Some(outcome.mode.to_string()),
            ..Decided::default()
        }
    }

    fn record(&self, decided: Decided) -> Result<Head, DecisionLogError> {
        let named = |(file, digest): &(PathBuf, Digest)| NamedPolicy {
            file: file.display().to_string(),
            digest: digest.to_string(),
        };
        let decided = Decided { by: self.by.to_owned(), policy: self.policy.as_ref().map(named), ..decided };
        // The time of its writing, so that a log's times rise: that of the judgement is not far before.
        store::append_decision(&self.path, &Event::Decision(Box::new(decided)), Timestamp::now())
    }
}

/// What a log, or several that go on from each other, say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// What the first line follows: the beginning, or the end of a log that was not given.
    pub began: Head,
    /// The last entry: what is worth keeping elsewhere.
    pub head: Head,
    /// How often a crash cut something off, and the next entry said so.
    pub recovered: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Why a log is not whole, or could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A file can't be read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// There is no entry.
    #[error("{path}: no entry; expected a decision log", path = .0.display())]
    Empty(PathBuf),
    /// A line does not follow.
    #[error("{path}, line {line}: {fault}; the {whole} entries before it hold", path = .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: ChainFault,
        /// How many entries hold before it.
        whole: u64,
    },
    /// A kept hash is not there.
    #[error("{path}: {fault}", path = .path.display())]
    Head {
        /// The last file.
        path: PathBuf,
        /// Which.
        fault: ChainFault,
    },
}

/// Verifies logs, the oldest first, each of which goes on from the one before it.
///
/// Checked: that every line is an entry whose hash the next one names, with the next number; that each of `heads` is the hash
/// of one of them, or of what the first one follows. Not checked: who wrote them, and whether what they say is so; nor, but
/// for `heads`, whether something was cut off at the end, or the end was written anew.
///
/// # Errors
/// The first line that does not follow, or a head that is missing.
pub fn verify_log(paths: &[PathBuf], heads: &[LineHash]) -> Result<LogReport, LogError> {
    let mut log = Reading { chain: Chain::default(), wanted: heads.iter().copied().collect(), bytes: 0, whole: 0 };
    for path in paths {
        log.file(path)?;
    }
    let last = paths.last().cloned().unwrap_or_default();
    let (Some(began), Some(head)) = (log.chain.began(), log.chain.head()) else { return Err(LogError::Empty(last)) };
    log.wanted.remove(&began.hash);
    if let Some(missing) = log.wanted.first() {
        return Err(LogError::Head { path: last, fault: ChainFault::HeadMissing(*missing) });
    }
    Ok(LogReport { began, head, recovered: log.chain.recovered(), bytes: log.bytes })
}

struct Reading {
    chain: Chain,
    wanted: BTreeSet<LineHash>,
    bytes: u64,
    whole: u64,
}

impl Reading {
    fn file(&mut self, path: &Path) -> Result<(), LogError> {
        let io = |source| LogError::Io { path: path.to_owned(), source };
        let mut file = BufReader::with_capacity(READ_BYTES, File::open(path).map_err(io)?);
        let mut buffer = Vec::new();
        let mut number = 0_u64;
        let whole_before = self.whole;
        loop {
            buffer.clear();
            // Of a line that is too long one byte more than it may have: what follows is the next piece of it.
            let read = (&mut file).take(LOG_LINE_BYTES + 1).read_until(b'\n', &mut buffer).map_err(io)?;
            if read == 0 {
                break;
            }
            number += 1;
            self.bytes += read as u64;
            let whole = self.whole;
            let broken = |(back, fault)| LogError::Broken { path: path.to_owned(), line: number - back, fault, whole };
            let before = self.chain.head();
            self.chain.line(&buffer).map_err(broken)?;
            if let Some(head) = self.chain.head().filter(|head| Some(*head) != before) {
                self.whole += 1;
                if !self.wanted.is_empty() {
                    self.wanted.remove(&head.hash);
                }
            }
        }
        let whole = self.whole;
        let broken = |(back, fault): (u64, _)| LogError::Broken {
            path: path.to_owned(),
            line: (number + 1).saturating_sub(back),
            fault,
            whole,
        };
        self.chain.end().map_err(broken)?;
        if self.whole == whole_before { Err(LogError::Empty(path.to_owned())) } else { Ok(()) }
    }
}
