use crate::{
    args::{SignArgs, SignFormat},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, Unit, printable},
    settings,
};
use boltseal::{
    oci::Reference,
    ops::{
        Platform,
        sign::{Formats, Scope, SignRequest, Signed, Written, sign},
    },
    sign::Signer as _,
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// References that are worked on at once.
const AT_ONCE: usize = 8;

pub async fn run(mut args: SignArgs, output: &Output) -> Result<Exit, Failure> {
    // Once is enough, and two writers of one tag would only wait for each other.
    let mut seen = BTreeSet::new();
    args.references.retain(|reference| seen.insert(reference.clone()));
    let signer = settings::signer(&args.key, output)?;
    let session = settings::session(&args.registry)?;
    let scope = match (&args.platform, args.index_only) {
        (Some(platform), _) => Scope::Platform(Platform(platform.clone())),
        (None, true) => Scope::IndexOnly,
        (None, false) => Scope::All,
    };
    let formats = Formats { bundle: args.format != SignFormat::Simple, simple: args.format != SignFormat::Bundle };
    let request = SignRequest {
        signer: &signer,
        formats,
        scope,
        annotations: args.annotations.iter().cloned().collect(),
        identity: settings::signed_reference(args.identity.as_ref())?,
        now: Timestamp::now(),
    };
    warn(&args, &request, output);
    let progress = output.progress(args.references.len() as u64, Unit::Steps);
    let one = |reference: &Reference| {
        let (session, request, reference) = (session.clone(), &request, reference.clone());
        async move { (sign(&session, &reference, request).await, reference) }
    };
    let mut work = stream::iter(args.references.iter().map(one).collect::<Vec<_>>()).buffered(AT_ONCE);
    let mut exit = Exit::Done;
    let mut results = Vec::new();
    while let Some((done, reference)) = work.next().await {
        match done {
            Ok(signed) => {
                progress.step(format_args!("{reference}: done"));
                results.push(json!({ "reference": reference.to_string(), "signed": signed.iter().map(to_json).collect::<Vec<_>>() }));
                if !output.is_json() {
                    output.raw(&to_text(&reference, &signed));
                }
            }
            Err(error) => {
                let failure = Failure::from(error);
                progress.step(format_args!("{reference}: failed"));
                results.push(json!({ "reference": reference.to_string(), "error": failure.message }));
                exit = exit.worst(failure.exit);
                output.failure_line(&failure);
            }
        }
    }
    drop(progress);
    if output.is_json() {
        let key = signer.public_key().fingerprint().to_string();
        let all = json!({ "version": JSON_VERSION, "key": key, "results": results, "exit": exit as u8 });
        output.raw(&format!("{all:#}\n"));
    }
    Ok(exit)
}

/// What other tools will make of these signatures.
fn warn(args: &SignArgs, request: &SignRequest<'_>, output: &Output) {
    let algorithm = request.signer.public_key().algorithm();
    if !settings::is_read_by_others(algorithm) {
        output.warn(format_args!(
            "cosign verifies {algorithm} signatures only with --signature-digest-algorithm, podman and skopeo never"
        ));
    }
    if request.formats.simple && request.identity.is_none() {
        for reference in args.references.iter().filter(|reference| reference.tag_or_latest().is_none()) {
            output.warn(format_args!(
                "{reference}: signed without a tag; podman and CRI-O refuse that by default, :TAG@DIGEST signs both"
            ));
        }
    }
}

fn to_json(signed: &Signed) -> Value {
    json!({
        "digest": signed.digest.to_string(),
        "platform": signed.platform,
        "bundle": word(signed.bundle),
        "simple": word(signed.simple),
    })
}

fn to_text(reference: &Reference, signed: &[Signed]) -> String {
    let mut text = format!("{reference}\n");
    for one in signed {
        let what = one.platform.as_deref().unwrap_or("image");
        let formats = [("bundle", one.bundle), ("simple", one.simple)];
        let shown = formats.iter().filter_map(|(name, written)| Some(format!("{name} {}", word(*written)?)));
        let shown: Vec<_> = shown.collect();
        text.push_str(&format!("  {}  {}: {}\n", one.digest, printable(what), shown.join(", ")));
    }
    text
}

fn word(written: Written) -> Option<&'static str> {
    match written {
        Written::NotAsked => None,
        Written::Already => Some("already there"),
        Written::New => Some("written"),
    }
}
