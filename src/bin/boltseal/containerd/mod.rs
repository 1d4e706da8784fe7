//! The image verifier that containerd runs before it pulls (`io.containerd.image-verifier.v1.bindir`): one answer by exit
//! code, one line of reason on standard output. Whatever goes wrong is no leave to pull.

mod call;
pub mod config;

use crate::{
    cmd::verify::refusal,
    exit::{Exit, Failure},
    output::printable,
    render::{one_line, verification::to_text},
    settings::Judge,
};
use boltseal::{
    limits::{GRACE, Limits, REASON_BYTES},
    oci::Reference,
    ops::{
        admit::Admitted,
        trust::{Memory, TrustReader},
        verify::Verifier,
    },
    policy::{Decision, Mode},
    registry::Session,
    store::{TrustStore, read_trust_lock},
    trust::tuf::TrustRefusal,
};
use call::Call;
use config::Config;
use jiff::Timestamp;
use std::{
    env,
    ffi::OsString,
    io::Write as _,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// The name under which the program is containerd's verifier, also behind a prefix as `10-`.
const NAME: &str = "boltseal-containerd";

/// What containerd calls us with, if it is containerd that calls: by our name, or by the flag that it begins with.
pub fn called() -> Option<Vec<OsString>> {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    let by_name = std::path::Path::new(&name).file_name().is_some_and(|name| name.to_string_lossy().ends_with(NAME));
    let rest: Vec<_> = arguments.collect();
    (by_name || rest.first().is_some_and(|first| first == "-name")).then_some(rest)
}

/// Answers containerd.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let config = match Config::load() {
        Ok(config) => config,
        Err(failure) => return answer(failure.exit, &unjudged(&failure)),
    };
    let deadline = Instant::now() + config.timeout;
    last_resort(config.timeout + GRACE, unjudged(&late(&config)));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return answer(Exit::Bug, &format!("could not tell: no runtime: {error}")),
    };
    let code = match runtime.block_on(judge(arguments, &config, deadline)) {
        Ok((exit, reason)) => answer(exit, &reason),
        Err(failure) => answer(failure.exit, &unjudged(&failure)),
    };
    runtime.shutdown_background();
    code
}

/// Judges, and records what will be answered: also that there was nothing to judge, once it is known what about and where to.
async fn judge(arguments: &[OsString], config: &Config, deadline: Instant) -> Result<(Exit, String), Failure> {
    let call = Call::parse(arguments)?;
    let judge = config.judge()?;
    let admitted = tokio::time::timeout_at(deadline.into(), admit(&call, &judge, config)).await;
    let admitted = admitted.unwrap_or_else(|_| Err((None, late(config)))).map_err(|(refusal, failure)| {
        let asked = Reference { digest: Some(call.digest), ..call.name.clone() };
        judge.record_unjudged(&asked, refusal.as_ref(), failure)
    })?;
    if let Some(log) = &judge.log {
        log.admitted(&call.name, call.digest, &admitted)?;
    }
    // containerd's log has what the one line leaves out.
    let _ = write!(std::io::stderr(), "{}", to_text(&admitted.verification));
    Ok(verdict(&call, &admitted))
}

fn late(config: &Config) -> Failure {
    Failure::new(Exit::Unknown, format!("no result within {} s", config.timeout.as_secs_f64()))
}

async fn admit(call: &Call, judge: &Judge, config: &Config) -> Result<Admitted, (Option<TrustRefusal>, Failure)> {
    let unusable = |failure| (None, failure);
    call.check_descriptor().await.map_err(unusable)?;
    let session = Session::new(config.options()).map_err(|error| unusable(error.into()))?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let lock = config.lock.as_deref().map(read_trust_lock).transpose().map_err(|error| unusable(error.into()))?;
    let memory = Memory { store: Some(TrustStore::at(config.state.clone())), lock, locks: judge.locks.clone() };
    let reader = TrustReader::new(memory, now);
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    verifier.admit(&call.name, call.digest).await.map_err(|error| (refusal(&error), error.into()))
}

fn verdict(call: &Call, admitted: &Admitted) -> (Exit, String) {
    let outcome = &admitted.verification.outcome;
    let reason = match admitted.moved {
        Some(signed) if !matches!(outcome.decision, Decision::Deny(_) | Decision::Undetermined(_)) => {
            format!("moved-tag: {} is {signed} by the signed map, and {} by the registry", call.name, call.digest)
        }
        _ => one_line::reasons(&admitted.verification),
    };
    let told = outcome.mode != Mode::Enforced;
    match (admitted.may_be_used(), &outcome.decision) {
        (true, Decision::Allow(_)) if admitted.moved.is_none() => (Exit::Done, format!("allowed: {reason}")),
        (true, Decision::NotJudged) => (Exit::Done, "not judged: the policy's mode is disabled, UNVERIFIED".to_owned()),
        (true, _) if told => {
            (Exit::Done, format!("would be denied, the policy's mode is permissive, UNVERIFIED: {reason}"))
        }
        (_, Decision::Undetermined(_)) => (Exit::Unknown, format!("could not tell: {reason}")),
        _ => (Exit::Denied, format!("denied: {reason}")),
    }
}

fn unjudged(failure: &Failure) -> String {
    let word = match failure.exit {
        Exit::Denied => "denied",
        Exit::Usage | Exit::Supplied => "not usable",
        _ => "could not tell",
    };
    format!("{word}: {}", failure.message)
}

/// Writes the line that containerd passes on, and ends with the code.
fn answer(exit: Exit, reason: &str) -> ExitCode {
    let line = one_line::cut(&printable(reason), REASON_BYTES);
    let _ = writeln!(std::io::stdout(), "{line}");
    exit.into()
}

/// Ends the program if something blocks that can't be cancelled, the log's disk too: before containerd kills it, which would
/// hide the reason. Nothing is recorded then, and nothing allowed.
fn last_resort(after: Duration, reason: String) {
    thread::spawn(move || {
        thread::sleep(after);
        let _ = answer(Exit::Unknown, &reason);
        std::process::exit(i32::from(Exit::Unknown as u8));
    });
}
