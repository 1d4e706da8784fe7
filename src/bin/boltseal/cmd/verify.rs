mod attest;

use crate::{
    args::{ImagesArgs, VerifyArgs},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
    render::{
        provenance::{self, to_json},
        verification::{to_text, verdict},
    },
    settings::{self, Judge},
};
use attest::{Attester, Said};
use boltseal::{
    limits::Limits,
    oci::Reference,
    ops::{
        OpsError, Platform,
        evidence::Keeper,
        trust::TrustError,
        verify::{Verification, Verifier},
    },
    policy::{Decision, Mode},
    trust::tuf::TrustRefusal,
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use tokio::time::Instant;

/// References that are verified at once; results come in the order that was typed, as they are ready.
const AT_ONCE: usize = 16;

pub async fn run(args: VerifyArgs, output: &Output) -> Result<Exit, Failure> {
    let show = Show {
        by: "verify",
        json: to_json,
        text: |verification, _| to_text(verification),
        unpinned: |reference, word| format!("{word}  {reference}\n"),
    };
    let attest = match &args.summary.attest_vsa {
        Some(verifier) => Some(Attester::new(verifier, &args.summary, output).await?),
        None => None,
    };
    let how = How { each: args.all_platforms, keep: args.save_evidence, attest: attest.as_ref() };
    let exit = judge_each(args.images, how, &show, output).await?;
    if let Some(attest) = &attest {
        attest.by.tell_difference(output);
    }
    Ok(exit)
}

/// How a verb shows what it judged.
pub struct Show {
    /// The verb.
    pub by: &'static str,
    pub json: fn(&Verification) -> Value,
    pub text: fn(&Verification, &Output) -> String,
    /// What could not be pinned to a digest, and the word for it.
    pub unpinned: fn(&Reference, &str) -> String,
}

/// What came of one reference.
enum Judged {
    /// With what became of its summary, where one was asked for.
    One(Box<Verification>, Option<Said>),
    /// An index and its images: shown already, so that no result is kept for the sake of the next.
    Each(Vec<Row>),
}

/// A result as it is shown, in the one form that is asked for.
struct Row {
    exit: Exit,
    value: Value,
    text: String,
}

impl Row {
    fn of(verification: &Verification, reference: &Reference, show: &Show, output: &Output) -> Self {
        warn(verification, reference, output);
        let (_, exit) = verdict(verification);
        if output.is_json() {
            Self { exit, value: (show.json)(verification), text: String::new() }
        } else {
            Self { exit, value: Value::Null, text: (show.text)(verification, output) }
        }
    }
}

/// Why nothing came of a reference.
enum Unjudged {
    /// It was decided, and could not be recorded.
    Unrecorded(Failure),
    /// There was nothing to decide about.
    Error(OpsError),
}

/// What the references of a run share.
struct Run<'a> {
    verifier: &'a Verifier<'a>,
    judge: &'a Judge,
    platform: Option<&'a Platform>,
    patience: Duration,
    each: bool,
    keeper: Option<Keeper>,
    attest: Option<&'a Attester>,
    show: &'a Show,
    output: &'a Output,
}

impl Run<'_> {
    /// Judges one, and records what was decided before anybody is told, or it is said on.
    async fn one(&self, reference: &Reference) -> Result<Judged, (Option<TrustRefusal>, Failure)> {
        let unjudged = |refusal: Option<TrustRefusal>, failure| {
            let failure = self.judge.record_unjudged(reference, refusal.as_ref(), failure);
            Err((refusal, failure))
        };
        let deadline = Instant::now() + self.patience;
        match tokio::time::timeout_at(deadline, self.judged(reference)).await {
            Ok(Ok(Judged::One(verification, _))) => {
                let said = self.said(&verification, deadline).await;
                Ok(Judged::One(verification, said))
            }
            Ok(Ok(judged)) => Ok(judged),
            Ok(Err(Unjudged::Unrecorded(failure))) => Err((None, failure)),
            Ok(Err(Unjudged::Error(error))) => unjudged(refusal(&error), error.into()),
            Err(_) => unjudged(None, gave_up(reference, self.patience)),
        }
    }

    /// Says a decision on. It stands, whatever becomes of that.
    async fn said(&self, verification: &Verification, deadline: Instant) -> Option<Said> {
        let Verifier { session, now, .. } = *self.verifier;
        let saying = self.attest?.say(session, verification, self.judge, now);
        let late = |_| {
            let reference = verification.findings.subject().reference();
            let Failure { exit, message, .. } = gave_up(reference, self.patience);
            Said::Unsaid(Failure::new(exit, format!("{message}: its summary may be attached, or not")))
        };
        Some(tokio::time::timeout_at(deadline, saying).await.unwrap_or_else(late))
    }

    async fn judged(&self, reference: &Reference) -> Result<Judged, Unjudged> {
        let recorded = |verification: &Verification| self.judge.record(verification).map_err(Unjudged::Unrecorded);
        if self.each {
            let shown = |verification| {
                recorded(&verification).map(|()| Row::of(&verification, reference, self.show, self.output))
            };
            let rows = self.verifier.verify_each(reference, shown).await.map_err(Unjudged::Error)?;
            return Ok(Judged::Each(rows.into_iter().collect::<Result<_, _>>()?));
        }
        let verification = match &self.keeper {
            Some(keeper) => keeper.verify(self.verifier, reference, self.platform, to_json).await,
            None => self.verifier.verify(reference, self.platform).await,
        };
        let verification = verification.map_err(Unjudged::Error)?;
        recorded(&verification)?;
        Ok(Judged::One(Box::new(verification), None))
    }
}

/// Judges images, and shows each as it is ready, in the order that was typed.
pub async fn judge_all(args: ImagesArgs, show: &Show, output: &Output) -> Result<Exit, Failure> {
    judge_each(args, How::default(), show, output).await
}

/// How images are judged.
#[derive(Default)]
struct How<'a> {
    /// An index and every image of it by itself.
    each: bool,
    /// Where decisions and their evidence are kept.
    keep: Option<PathBuf>,
    /// Who signs what was decided.
    attest: Option<&'a Attester>,
}

async fn judge_each(args: ImagesArgs, how: How<'_>, show: &Show, output: &Output) -> Result<Exit, Failure> {
    let mut judge = settings::judge(&args.judge, show.by, output)?;
    if how.attest.is_some() {
        // Whoever says on what was decided decides: another's summary would look newer than it is.
        judge.policy = judge.policy.undelegated();
    }
    let session = settings::session(&args.registry)?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(args.judge.lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let platform = args.platform.map(Platform);
    let patience = Duration::from_secs(args.timeout);
    let keeper = how.keep.map(|dir| Keeper { dir, policy: policy_source(&judge) });
    let (platform, each, attest) = (platform.as_ref(), how.each, how.attest);
    let run = Run { verifier: &verifier, judge: &judge, platform, patience, each, keeper, attest, show, output };
    let one = |reference| {
        let run = &run;
        async move { (run.one(&reference).await, reference) }
    };
    let mut work = stream::iter(args.references).map(one).buffered(AT_ONCE);
    let mut report = Report { output, exit: Exit::Done, shown: 0 };
    report.begin(&judge);
    while let Some((done, reference)) = work.next().await {
        match done {
            Ok(Judged::Each(rows)) => {
                for Row { exit, value, text } in rows {
                    report.one(exit, || value, || text);
                }
            }
            Ok(Judged::One(verification, said)) => {
                let mut row = Row::of(&verification, &reference, show, output);
                if let Some(said) = said {
                    said.add_to(&mut row, output);
                }
                report.one(row.exit, || row.value, || row.text);
            }
            Err((refusal, failure)) => report.unpinned(&reference, refusal.as_ref(), failure, show),
        }
    }
    Ok(report.end())
}

/// Why trust data refuse a reference that could not be pinned.
pub fn refusal(error: &OpsError) -> Option<TrustRefusal> {
    match error {
        OpsError::Trust(error) => match &**error {
            TrustError::Refused { refusal, .. } => Some(refusal.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn gave_up(reference: &Reference, patience: Duration) -> Failure {
    Failure::new(Exit::Unknown, format!("{reference}: no result within {} s", patience.as_secs()))
}

/// Says what an exit code of 0 does not: that nothing stands behind this image, or not what is thought.
pub fn warn(verification: &Verification, reference: &Reference, output: &Output) {
    provenance::warn(verification, reference, output);
    let (word, _) = verdict(verification);
    match (&verification.outcome.decision, verification.outcome.mode) {
        (Decision::Deny(_), Mode::Permissive) => {
            output.warn(format_args!("{reference}: {word}: the policy's mode is permissive, UNVERIFIED"));
        }
        (Decision::NotJudged, _) => {
            output.warn(format_args!("{reference}: {word}: the policy's mode is disabled, UNVERIFIED"));
        }
        _ => {}
    }
}

/// Where a report says the policy came from.
pub fn policy_source(judge: &Judge) -> Value {
    match &judge.file {
        Some((path, digest)) => json!({ "file": path.display().to_string(), "digest": digest.to_string() }),
        None => json!({ "flags": true }),
    }
}

/// Writes results as they come, so that a thousand of them need no more memory than one.
struct Report<'o> {
    output: &'o Output,
    exit: Exit,
    shown: usize,
}

impl Report<'_> {
    fn begin(&self, judge: &Judge) {
        if self.output.is_json() {
            let head =
                format!("{{\n\"version\": {JSON_VERSION},\n\"policy\": {},\n\"results\": [", policy_source(judge));
            self.output.raw(&head);
        } else if let Some((path, digest)) = &judge.file {
            self.output.note(format_args!("policy {} {digest}", path.display()));
        }
    }

    fn one(&mut self, exit: Exit, value: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
        self.exit = self.exit.worst(exit);
        if self.output.is_json() {
            let comma = if self.shown == 0 { "" } else { "," };
            self.output.raw(&format!("{comma}\n{:#}", value()));
        } else {
            self.output.raw(&text());
        }
        self.shown += 1;
    }

    /// What could not be pinned to a digest.
    fn unpinned(&mut self, reference: &Reference, refusal: Option<&TrustRefusal>, mut failure: Failure, show: &Show) {
        if failure.exit == Exit::Usage {
            // That an index lists no such platform is the registry's word: nothing was judged.
            failure.exit = Exit::Unknown;
        }
        self.output.failure_line(&failure);
        // A tag that is not in the registry can be known to be refused all the same.
        let word = if refusal.is_some() { "denied" } else { "could-not-tell" };
        let reasons = refusal.iter().map(|refusal| json!({ "id": refusal.id(), "message": refusal.to_string() }));
        let value = json!({
            "reference": reference.to_string(), "decision": word, "reasons": reasons.collect::<Vec<_>>(),
            "error": failure.message, "exit": failure.exit as u8,
        });
        self.one(failure.exit, || value, || (show.unpinned)(reference, word));
    }

    fn end(self) -> Exit {
        if self.output.is_json() {
            self.output.raw(&format!("\n],\n\"exit\": {}\n}}\n", self.exit as u8));
        }
        self.exit
    }
}
