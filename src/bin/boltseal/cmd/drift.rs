use crate::{
    args::DriftArgs,
    cmd::verify::{policy_source, refusal, warn},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
    render::{
        drift::{outcome, to_json, to_text},
        provenance, verification,
    },
    settings,
};
use boltseal::{
    limits::Limits,
    ops::{
        Platform,
        drift::{DriftError, IgnoreError, Rules, drift},
        verify::Verifier,
    },
};
use jiff::Timestamp;
use serde_json::json;

pub async fn run(args: DriftArgs, output: &Output) -> Result<Exit, Failure> {
    let rules = Rules::parse(&args.ignore)?;
    let judge = settings::judge(&args.judge, "audit drift", output)?;
    let session = settings::session(&args.registry)?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(args.judge.lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let platform = args.platform.map(Platform);
    let done = drift(&verifier, &args.reference, platform.as_ref(), &args.rootfs, rules).await.map_err(|error| {
        let refusal = if let DriftError::Ops(error) = &error { refusal(error) } else { None };
        judge.record_unjudged(&args.reference, refusal.as_ref(), error.into())
    })?;
    judge.record(&done.verification)?;
    warn(&done.verification, &args.reference, output);
    let (word, exit) = outcome(&done);
    let value = json!({
        "version": JSON_VERSION, "policy": policy_source(&judge), "result": provenance::to_json(&done.verification),
        "outcome": word, "comparison": done.report.as_ref().map(|report| to_json(report, &done.layers)), "exit": exit as u8,
    });
    output.result(&value, || {
        let verified = verification::to_text(&done.verification);
        let compared = done.report.as_ref().map(|report| to_text(report, word));
        format!("{verified}{}", compared.unwrap_or_default())
    });
    Ok(exit)
}

impl From<IgnoreError> for Failure {
    fn from(error: IgnoreError) -> Self {
        Self::usage(error.to_string())
    }
}

/// What can't be compared is not known; only what the operator named and can't be opened is unusable.
impl From<DriftError> for Failure {
    fn from(error: DriftError) -> Self {
        match error {
            DriftError::Ops(error) => error.into(),
            DriftError::Rootfs { .. } => Self::supplied(error.to_string()),
            _ => Self::new(Exit::Unknown, error.to_string()),
        }
    }
}
