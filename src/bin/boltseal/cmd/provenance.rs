use super::verify::policy_source;
use crate::{
    args::ProvenanceArgs,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
    render::chain,
    settings,
};
use boltseal::{
    limits::Limits,
    ops::{Platform, verify::Verifier},
};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

pub async fn run(args: ProvenanceArgs, output: &Output) -> Result<Exit, Failure> {
    if args.dot && output.is_json() {
        return Err(Failure::new(Exit::Usage, "--dot and -o json are two formats; expected one of them"));
    }
    let judge = settings::judge(&args.judge, output)?;
    let session = settings::session(&args.registry)?;
    let (limits, now) = (Limits::default(), Timestamp::now());
    let reader = settings::trust_reader(args.judge.lock.as_deref(), &judge, now)?;
    let verifier = Verifier { session: &session, policy: &judge.policy, now, limits: &limits, trust: Some(&reader) };
    let platform = args.platform.map(Platform);
    let patience = Duration::from_secs(args.timeout);
    let following = verifier.chain(&args.reference, platform.as_ref(), args.depth);
    let followed = tokio::time::timeout(patience, following).await.map_err(|_| {
        let message = format!("{}: no result within {} s", args.reference, patience.as_secs());
        Failure::new(Exit::Unknown, message)
    })?;
    let found = followed.map_err(|error| {
        let failure = Failure::from(error);
        // That an index lists no such platform is the registry's word: nothing was judged.
        if failure.exit == Exit::Usage { Failure { exit: Exit::Unknown, ..failure } } else { failure }
    })?;
    let exit = chain::exit(&found);
    let value = json!({
        "version": JSON_VERSION, "policy": policy_source(&judge), "reference": args.reference.to_string(),
        "chain": found, "exit": exit as u8,
    });
    output.result(&value, || if args.dot { chain::to_dot(&found) } else { chain::to_text(&found) });
    Ok(exit)
}
