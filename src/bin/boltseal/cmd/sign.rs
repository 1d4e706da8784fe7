use super::trust::{Shown, signed_tag};
use crate::{
    args::{SignArgs, SignFormat},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, Unit, printable},
    render::logging,
    settings::{self, By},
};
use boltseal::{
    oci::{Reference, Repository},
    ops::{
        OpsError, Platform, Signatory,
        sign::{Formats, Scope, SignRequest, Signed, SignedImage, TagSigner, Written, sign_and_tag},
    },
    sign::Signer,
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

/// References that are worked on at once.
const AT_ONCE: usize = 8;

pub async fn run(mut args: SignArgs, output: &Output) -> Result<Exit, Failure> {
    // Once is enough, and two writers of one tag would only wait for each other.
    let mut seen = BTreeSet::new();
    args.references.retain(|reference| seen.insert(reference.clone()));
    let by = settings::by(args.by.key.as_deref(), &args.by.password, &args.by.keyless, output).await?;
    let signers = tag_signers(&by);
    let known = if args.no_tag { None } else { Some(settings::known(&args.known)?) };
    let tags = known
        .as_ref()
        .map(|(memory, policy)| TagSigner::new(memory, policy.as_ref(), &signers, &Timestamp::now, args.attach));
    refuse_part(&args, tags.as_ref())?;
    refuse_keyless_tags(&args, &by, tags.as_ref())?;
    let request = request(&args, by.signatory())?;
    warn(&args, &request, output);
    let session = settings::session(&args.registry)?;
    let progress = output.progress(args.references.len() as u64, Unit::Steps);
    let one = |reference: &Reference| {
        let (session, request, tags, reference) = (session.clone(), &request, tags.as_ref(), reference.clone());
        async move { (sign_and_tag(&session, &reference, request, tags).await, reference) }
    };
    let mut work = stream::iter(args.references.iter().map(one).collect::<Vec<_>>()).buffered(AT_ONCE);
    let mut exit = Exit::Done;
    let mut results = Vec::new();
    while let Some((done, reference)) = work.next().await {
        let shown = match done {
            Ok(image) => {
                progress.step(format_args!("{reference}: done"));
                show(&reference, &image)
            }
            Err(error) => {
                let failure = Failure::from(error);
                progress.step(format_args!("{reference}: failed"));
                output.failure_line(&failure);
                let value = json!({ "reference": reference.to_string(), "error": failure.message });
                Shown { exit: failure.exit, value, text: String::new() }
            }
        };
        exit = exit.worst(shown.exit);
        results.push(shown.value);
        if !output.is_json() {
            output.raw(&shown.text);
        }
    }
    drop(progress);
    by.tell_difference(output);
    if output.is_json() {
        let (key, who) = by.to_json();
        let all = json!({
            "version": JSON_VERSION, "key": key, "identity": who, "results": results, "exit": exit as u8,
        });
        output.raw(&format!("{all:#}\n"));
    }
    Ok(exit)
}

/// Tags are signed with keys: nobody signs them who has none.
fn tag_signers(by: &By) -> Vec<Box<dyn Signer>> {
    match by {
        By::Key(signer) => vec![Box::new(Arc::clone(signer))],
        By::Identity(_) => Vec::new(),
    }
}

fn request<'s>(args: &SignArgs, signer: Signatory<'s>) -> Result<SignRequest<'s>, Failure> {
    let scope = match (&args.platform, args.index_only) {
        (Some(platform), _) => Scope::Platform(Platform(platform.clone())),
        (None, true) => Scope::IndexOnly,
        (None, false) => Scope::All,
    };
    Ok(SignRequest {
        signer,
        formats: formats(args.format, signer)?,
        scope,
        annotations: args.annotations.iter().cloned().collect(),
        identity: settings::signed_reference(args.identity.as_ref())?,
        now: Timestamp::now(),
    })
}

/// With a key both are written; without one there is a bundle alone.
fn formats(asked: Option<SignFormat>, signer: Signatory<'_>) -> Result<Formats, Failure> {
    match (asked, signer) {
        (None | Some(SignFormat::Bundle), Signatory::Identity(_)) => Ok(Formats { bundle: true, simple: false }),
        (Some(_), Signatory::Identity(_)) => Err(OpsError::SimpleWithoutKey.into()),
        (asked, Signatory::Key(_)) => {
            Ok(Formats { bundle: asked != Some(SignFormat::Simple), simple: asked != Some(SignFormat::Bundle) })
        }
    }
}

/// What other tools will make of these signatures.
fn warn(args: &SignArgs, request: &SignRequest<'_>, output: &Output) {
    let Signatory::Key(signer) = request.signer else { return };
    let algorithm = signer.public_key().algorithm();
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

/// What became of an image and, where it was signed, of its tag.
fn show(reference: &Reference, image: &SignedImage) -> Shown {
    let mut text = format!("{reference}\n");
    text.extend(image.signed.iter().map(to_text));
    let (exit, tag) = match (&reference.repository, &image.tag) {
        (Repository::Registry(name), Some(tag)) => {
            let shown = signed_tag(name, tag);
            text.push_str(&shown.text);
            (shown.exit, shown.value)
        }
        _ => (Exit::Done, Value::Null),
    };
    if let Some(copy) = &image.attached {
        text.push_str(&format!("  attached {copy}\n"));
    }
    let value = json!({
        "reference": reference.to_string(), "signed": image.signed.iter().map(to_json).collect::<Vec<_>>(), "tag": tag,
        "attached": image.attached.map(|copy| copy.to_string()),
    });
    Shown { exit, value, text }
}

fn to_json(signed: &Signed) -> Value {
    json!({
        "digest": signed.digest.to_string(),
        "platform": signed.platform,
        "bundle": word(signed.bundle),
        "simple": word(signed.simple),
        "log": signed.logging.as_ref().map(logging::to_json),
    })
}

fn to_text(signed: &Signed) -> String {
    let what = signed.platform.as_deref().unwrap_or("image");
    let formats = [("bundle", signed.bundle), ("simple", signed.simple)];
    let shown = formats.iter().filter_map(|(name, written)| Some(format!("{name} {}", word(*written)?)));
    let shown: Vec<_> = shown.collect();
    let logged = signed.logging.as_ref().map(logging::to_text).unwrap_or_default();
    format!("  {}  {}: {}{logged}\n", signed.digest, printable(what), shown.join(", "))
}

/// Nobody signs a tag without a key: they would only be told so after the image.
fn refuse_keyless_tags(args: &SignArgs, by: &By, tags: Option<&TagSigner<'_>>) -> Result<(), Failure> {
    let Some(tags) = tags.filter(|_| matches!(by, By::Identity(_))) else { return Ok(()) };
    for reference in args.references.iter().filter(|reference| reference.tag_or_latest().is_some() || args.attach) {
        if tags.is_sealed(&reference.repository)? {
            return Err(Failure::usage(format!(
                "{reference}: its tag is signed, and tags are signed with keys; sign with --key, or the image alone with --no-tag"
            )));
        }
    }
    Ok(())
}

/// A tag stands for the whole index: who signs a part of it must not vouch for the rest by the way.
fn refuse_part(args: &SignArgs, tags: Option<&TagSigner<'_>>) -> Result<(), Failure> {
    let Some(tags) = tags.filter(|_| args.platform.is_some()) else { return Ok(()) };
    for reference in args.references.iter().filter(|reference| reference.tag_or_latest().is_some()) {
        if tags.is_sealed(&reference.repository)? {
            return Err(Failure::usage(format!(
                "{reference}: its tag is signed, and stands for all platforms; with --platform say --no-tag"
            )));
        }
    }
    Ok(())
}

fn word(written: Written) -> Option<&'static str> {
    match written {
        Written::NotAsked => None,
        Written::Already => Some("already there"),
        Written::New => Some("written"),
    }
}
