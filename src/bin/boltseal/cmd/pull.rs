use crate::{
    args::PullArgs,
    cmd::verify::{policy_source, refusal, warn},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, Progress, Unit},
    render::{
        provenance::to_json,
        verification::{to_text, verdict},
    },
    settings,
};
use boltseal::{
    limits::Limits,
    ops::{
        Platform,
        decisions::DecisionLog,
        pull::{self, Destination, pull},
        verify::{Verification, Verifier},
    },
    store::DecisionLogError,
};
use jiff::Timestamp;
use serde_json::json;
use std::sync::OnceLock;

pub async fn run(args: PullArgs, output: &Output) -> Result<Exit, Failure> {
    let destination: Destination =
        args.to.parse().map_err(|error: pull::DestinationError| Failure::usage(error.to_string()))?;
    let judge = settings::judge(&args.judge, "pull", output)?;
    let session = settings::session(&args.registry)?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(args.judge.lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let platform = args.platform.map(Platform);
    let bar = Bar { output, progress: OnceLock::new(), log: judge.log.as_ref(), recorded: OnceLock::new() };
    let pulled = pull(&verifier, &args.reference, platform.as_ref(), &destination, &bar).await;
    let pulled = pulled.map_err(|error| {
        let refusal = refusal(&error);
        // What was recorded as decided needs no second entry because it could not be fetched.
        match bar.recorded.get() {
            Some(()) => error.into(),
            None => judge.record_unjudged(&args.reference, refusal.as_ref(), error.into()),
        }
    })?;
    drop(bar);
    let (_, exit) = verdict(&pulled.verification);
    warn(&pulled.verification, &args.reference, output);
    let fetched = pulled.fetched.map(|reference| reference.to_string());
    let value = json!({
        "version": JSON_VERSION, "policy": policy_source(&judge), "result": to_json(&pulled.verification),
        "pulled": fetched, "to": args.to, "exit": exit as u8,
    });
    output.result(&value, || {
        let done = fetched.map(|reference| format!("  pulled   {reference}\n  to       {}\n", args.to));
        format!("{}{}", to_text(&pulled.verification), done.unwrap_or_default())
    });
    Ok(exit)
}

struct Bar<'o> {
    output: &'o Output,
    progress: OnceLock<Progress<'o>>,
    log: Option<&'o DecisionLog>,
    recorded: OnceLock<()>,
}

impl pull::Progress for Bar<'_> {
    fn judged(&self, verification: &Verification) -> Result<(), DecisionLogError> {
        let Some(log) = self.log else { return Ok(()) };
        let _ = self.recorded.set(());
        log.judged(verification).map(drop)
    }

    fn total(&self, bytes: u64) {
        self.progress.get_or_init(|| self.output.progress(bytes, Unit::Bytes));
    }

    fn arrived(&self, bytes: u64) {
        if let Some(progress) = self.progress.get() {
            progress.advance(bytes);
        }
    }
}
