use crate::{
    args::{AttestArgs, AttestFormat},
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
    render::logging,
    settings,
};
use boltseal::{
    limits::ATTACHMENT_BYTES,
    ops::{
        OpsError, Platform, Signatory,
        attest::{AttestRequest, Content, attest},
        sign::Formats,
    },
};
use jiff::Timestamp;
use serde_json::json;
use std::{
    io::{self, Read as _},
    path::Path,
};

pub async fn run(args: AttestArgs, output: &Output) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    let content = content(&args, now)?;
    let by = settings::by(args.by.key.as_deref(), &args.by.password, &args.by.keyless, output).await?;
    if let Signatory::Key(signer) = by.signatory() {
        let algorithm = signer.public_key().algorithm();
        if !settings::is_read_by_others(algorithm) {
            output.warn(format_args!("cosign will refuse this attestation: it does not verify {algorithm} by default"));
        }
    } else if args.format != AttestFormat::Bundle {
        return Err(OpsError::SimpleWithoutKey.into());
    }
    let formats = Formats { bundle: args.format != AttestFormat::Att, simple: args.format != AttestFormat::Bundle };
    let request = AttestRequest {
        signer: by.signatory(),
        formats,
        platform: args.platform.map(Platform),
        content,
        identity: settings::signed_reference(args.identity.as_ref())?,
        now,
    };
    let attested = attest(&settings::session(&args.registry)?, &args.reference, &request).await?;
    by.tell_difference(output);
    let (key, who) = by.to_json();
    let value = json!({
        "version": JSON_VERSION,
        "reference": args.reference.to_string(),
        "digest": attested.digest.to_string(),
        "predicateType": attested.predicate_type,
        "key": key,
        "identity": who,
        "log": attested.logging.as_ref().map(logging::to_json),
        "exit": 0,
    });
    output.result(&value, || {
        let logged = attested.logging.as_ref().map(logging::to_text).unwrap_or_default();
        format!("{}\n  {}  attested: {}{logged}\n", args.reference, attested.digest, attested.predicate_type)
    });
    Ok(Exit::Done)
}

fn content(args: &AttestArgs, now: Timestamp) -> Result<Content, Failure> {
    match (&args.statement, &args.predicate, &args.predicate_type) {
        (Some(statement), _, _) => Ok(Content::statement(statement, &read(statement)?)?),
        (None, Some(predicate), Some(name)) => Ok(Content::predicate(name, predicate, &read(predicate)?, now)?),
        _ => Err(Failure::usage("expected --type and --predicate, or --statement")),
    }
}

/// A file's content, or standard input's for `-`.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    // In an envelope it grows by a third, and what a text of `custom` has escaped comes on top.
    let most = ATTACHMENT_BYTES / 3 * 2;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(most + 1).read_to_end(&mut content)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut content))
    };
    read.map_err(|error| Failure::supplied(format!("{}: {error}", path.display())))?;
    if content.len() as u64 > most {
        return Err(Failure::supplied(format!(
            "{}: more than {most} bytes, which verifiers would refuse",
            path.display()
        )));
    }
    Ok(content)
}
