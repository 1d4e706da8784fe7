use super::{
    args::CosignArgs,
    desk::Desk,
    keys::Keys,
    report::{self, Shown},
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    settings,
};
use boltseal::{format::tuf::RoleName, ops::trust::sign_root_file};
use serde_json::json;
use std::path::Path;

pub async fn run(args: CosignArgs, output: &Output) -> Result<Exit, Failure> {
    match (&args.file, &args.repository) {
        (Some(file), _) => sign_file(file, &args, output).await,
        (None, Some(repository)) => {
            let desk = Desk::writing(&args.write, output)?;
            let place = desk.work_on(repository)?;
            let writer = desk.writer(&place);
            let reviewed = writer.review(&args.role).await?;
            let published = writer.cosign(&args.role, &reviewed).await?;
            Ok(report::published(repository, &published).show(output))
        }
        (None, None) => Err(Failure::usage("expected a repository, or --file")),
    }
}

/// Needs neither a registry nor what is known: what counts is decided when the root is published.
async fn sign_file(file: &Path, args: &CosignArgs, output: &Output) -> Result<Exit, Failure> {
    if args.role != RoleName::Root {
        return Err(Failure::usage(format!("--file is a root's, not a file of {}", args.role)));
    }
    let mut keys = Keys::new(&args.write.password, output);
    for key in &args.write.key {
        keys.open_private(key)?;
    }
    let root = sign_root_file(file, &keys.signers()).await?;
    let out = args.out.as_deref().unwrap_or(file);
    settings::write_over(out, &root.file)?;
    let value = json!({
        "file": out.display().to_string(), "role": "root", "rootVersion": root.version, "signed": root.signed,
        "needed": root.needed,
    });
    let text =
        format!("{}: root version {}, {} of {} signatures\n", out.display(), root.version, root.signed, root.needed);
    Ok(Shown::done(value, text).show(output))
}
