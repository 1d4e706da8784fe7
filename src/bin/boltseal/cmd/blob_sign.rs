use crate::{
    args::BlobSignArgs,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output},
    render::logging,
    settings::{self, write_over},
};
use boltseal::ops::blob_sign::{sign_blob, sign_statement};
use serde_json::json;

pub async fn sign(args: &BlobSignArgs, output: &Output) -> Result<Exit, Failure> {
    let by = settings::by(args.by.key.as_deref(), &args.by.password, &args.by.keyless, output).await?;
    let signed = match args.statement {
        true => sign_statement(by.signatory(), &args.file).await?,
        false => sign_blob(by.signatory(), &args.file).await?,
    };
    write_over(&args.bundle, &signed.bundle)?;
    by.tell_difference(output);
    let (key, who) = by.to_json();
    let value = json!({
        "version": JSON_VERSION,
        "file": args.file.display().to_string(),
        "digest": signed.digest.to_string(),
        "bundle": args.bundle.display().to_string(),
        "key": key,
        "identity": who,
        "log": signed.logging.as_ref().map(logging::to_json),
        "exit": 0,
    });
    output.result(&value, || {
        let logged = signed.logging.as_ref().map(logging::to_text).unwrap_or_default();
        format!("{}\n  {}  bundle written: {}{logged}\n", args.file.display(), signed.digest, args.bundle.display())
    });
    Ok(Exit::Done)
}
