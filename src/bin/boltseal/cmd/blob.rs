use crate::{
    args::{BlobVerifyArgs, SignedHash},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
    render::verification::backing,
    settings,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use boltseal::{
    crypto::hash::HashAlgorithm,
    ops::blob::{self, BlobJudge, Evidence, Wanted},
    policy::Reason,
    store::load_public_key,
    verify::{Detached, DetachedOver, Verified},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

pub fn verify(args: &BlobVerifyArgs, output: &Output) -> Result<Exit, Failure> {
    let (wanted, root) = match &args.key {
        Some(key) => {
            let key = load_public_key(&settings::key_source(key)?)?;
            let root = args.bundle.is_some().then(|| settings::trusted_root(&args.certificate, output)).transpose()?;
            (Wanted::Key(key), root.map(Arc::new))
        }
        None => {
            let root = settings::trusted_root(&args.certificate, output)?;
            let pattern = settings::certificate_pattern(&args.certificate, &root)?
                .ok_or_else(|| Failure::usage("expected --key or --certificate-identity"))?;
            (Wanted::Certificate(Box::new(pattern)), Some(Arc::new(root)))
        }
    };
    let evidence = evidence(args)?;
    // Ed25519 may have signed the file itself, which then is needed whole.
    let whole = matches!(&wanted, Wanted::Key(key) if key.is_ed25519());
    let artifact = blob::artifact(&args.artifact, whole)?;
    let judge = BlobJudge { wanted, root, ignore_log: args.certificate.insecure_ignore_tlog, now: Timestamp::now() };
    let judged = judge.judge(&artifact, evidence);
    let exit = if judged.is_ok() { Exit::Done } else { Exit::Denied };
    output.result(&to_json(&args.artifact, &judged, exit), || to_text(&args.artifact, &judged));
    Ok(exit)
}

fn evidence(args: &BlobVerifyArgs) -> Result<Evidence, Failure> {
    if let Some(path) = &args.bundle {
        return Ok(Evidence::Bundle(blob::evidence(path)?));
    }
    let Some(path) = &args.signature else { return Err(Failure::usage("expected --bundle or --signature")) };
    let bytes = blob::evidence(path)?;
    // A signature that happens to be text in base64 is none in any format that is read here.
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| STANDARD.decode(text.trim()).ok());
    let over = match args.hash {
        None => DetachedOver::Usual,
        Some(SignedHash::Sha256) => DetachedOver::Hash(HashAlgorithm::Sha256),
        Some(SignedHash::Sha384) => DetachedOver::Hash(HashAlgorithm::Sha384),
        Some(SignedHash::Sha512) => DetachedOver::Hash(HashAlgorithm::Sha512),
        Some(SignedHash::None) => DetachedOver::Bytes,
    };
    Ok(Evidence::Detached(Detached { signature: text.unwrap_or(bytes), over }))
}

fn to_json(named: &str, judged: &Result<Verified, Reason>, exit: Exit) -> Value {
    let (decision, reasons) = match judged {
        Ok(_) => ("verified", Vec::new()),
        Err(reason) => ("denied", vec![json!({ "id": reason.id(), "message": message(reason) })]),
    };
    let verified = judged.as_ref().ok();
    json!({
        "version": JSON_VERSION,
        "artifact": named,
        "decision": decision,
        "digest": verified.map(|verified| verified.digest().to_string()),
        "signer": verified.map(|verified| verified.identity().to_string()),
        "backing": verified.map(backing),
        "reasons": reasons,
        "exit": exit as u8,
    })
}

/// The reason in words that fit one file: there is no other evidence that it would stand among.
fn message(reason: &Reason) -> String {
    match reason {
        Reason::EvidenceRejected { rejection, .. } => rejection.to_string(),
        reason => reason.to_string(),
    }
}

fn to_text(named: &str, judged: &Result<Verified, Reason>) -> String {
    match judged {
        Ok(verified) => {
            let mut text = format!("verified  {named}\n  digest   {}\n", verified.digest());
            text.push_str(&format!("  signer   {}\n", printable(&verified.identity().to_string())));
            for entry in verified.backing().logs() {
                text.push_str(&format!("  log      {} #{}\n", printable(&entry.url), entry.index));
            }
            for time in verified.backing().times() {
                text.push_str(&format!("  time     {time}\n"));
            }
            text
        }
        Err(reason) => {
            format!("denied  {named}\n  reason   {}: {}\n", reason.id(), printable(&message(reason)))
        }
    }
}
