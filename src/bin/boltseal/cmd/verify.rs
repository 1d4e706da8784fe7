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
use boltseal::{
    limits::Limits,
    oci::Reference,
    ops::{
        OpsError, Platform,
        trust::TrustError,
        verify::{Verification, Verifier},
    },
    policy::{Decision, Mode},
    trust::tuf::TrustRefusal,
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// References that are verified at once; results come in the order that was typed, as they are ready.
const AT_ONCE: usize = 16;

pub async fn run(args: VerifyArgs, output: &Output) -> Result<Exit, Failure> {
    let show = Show {
        json: to_json,
        text: |verification, _| to_text(verification),
        unpinned: |reference, word| format!("{word}  {reference}\n"),
    };
    judge_each(args.images, args.all_platforms, &show, output).await
}

/// How a verb shows what it judged.
pub struct Show {
    pub json: fn(&Verification) -> Value,
    pub text: fn(&Verification, &Output) -> String,
    /// What could not be pinned to a digest, and the word for it.
    pub unpinned: fn(&Reference, &str) -> String,
}

/// What came of one reference.
enum Judged {
    One(Box<Verification>),
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

/// Judges images, and shows each as it is ready, in the order that was typed.
pub async fn judge_all(args: ImagesArgs, show: &Show, output: &Output) -> Result<Exit, Failure> {
    judge_each(args, false, show, output).await
}

/// As [`judge_all`]; with `each`, an index and every image of it by itself.
async fn judge_each(args: ImagesArgs, each: bool, show: &Show, output: &Output) -> Result<Exit, Failure> {
    let judge = settings::judge(&args.judge, output)?;
    let session = settings::session(&args.registry)?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(args.judge.lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let platform = args.platform.map(Platform);
    let patience = Duration::from_secs(args.timeout);
    let one = |reference: Reference| {
        let (verifier, platform) = (&verifier, platform.as_ref());
        async move {
            let judged = async {
                if each {
                    let row = |one: Verification| Row::of(&one, &reference, show, output);
                    return verifier.verify_each(&reference, row).await.map(Judged::Each);
                }
                verifier.verify(&reference, platform).await.map(|one| Judged::One(Box::new(one)))
            };
            let judged = tokio::time::timeout(patience, judged).await;
            let judged = judged.map_or_else(
                |_| Err((None, gave_up(&reference, patience))),
                |done| done.map_err(|error| (refusal(&error), Failure::from(error))),
            );
            (judged, reference)
        }
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
            Ok(Judged::One(verification)) => {
                let Row { exit, value, text } = Row::of(&verification, &reference, show, output);
                report.one(exit, || value, || text);
            }
            Err((refusal, failure)) => report.unpinned(&reference, refusal.as_ref(), failure, show),
        }
    }
    Ok(report.end())
}

/// Why trust data refuse a reference that could not be pinned.
fn refusal(error: &OpsError) -> Option<TrustRefusal> {
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
