use super::{
    args::CosignArgs,
    desk::Desk,
    keys::Keys,
    report::{self, Shown},
    review,
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    settings,
};
use boltseal::{format::tuf::RoleName, oci::RepositoryName, ops::trust::sign_root_file};
use serde_json::{Value, json};
use std::path::Path;

pub async fn run(args: CosignArgs, output: &Output) -> Result<Exit, Failure> {
    match (&args.file, &args.repository) {
        (Some(file), _) => sign_file(file, &args, output).await,
        (None, Some(repository)) => sign_waiting(repository, &args, output).await,
        (None, None) => Err(Failure::usage("expected a repository, or --file")),
    }
}

/// Signs what its holder has seen and agreed to, file by file, and nothing else.
async fn sign_waiting(repository: &RepositoryName, args: &CosignArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::writing(&args.write, output)?;
    let place = desk.work_on(repository)?;
    let writer = desk.writer(&place);
    let waiting = writer.review(&args.role).await?;
    if waiting.is_empty() {
        return Ok(nothing(repository, &args.role).show(output));
    }
    let live = writer.state(true).await?;
    let mut reviewed = Vec::new();
    for file in waiting {
        output.propose(review::to_text(&file, &live));
        if output.confirm(&format!("Sign this for {} of {repository}?", args.role)).await? {
            reviewed.push(file);
        }
    }
    if reviewed.is_empty() {
        return Err(Failure::usage("not confirmed: nothing was signed"));
    }
    let published = writer.cosign(&args.role, &reviewed).await?;
    let mut shown = report::published(repository, &published);
    shown.put("reviewed", reviewed.iter().map(review::to_json).collect::<Vec<_>>());
    Ok(shown.show(output))
}

fn nothing(repository: &RepositoryName, role: &RoleName) -> Shown {
    let none = Vec::<Value>::new();
    let value = json!({
        "repository": repository.to_string(), "sealing": "unchanged", "signed": none, "waiting": none, "sealers": none,
        "reviewed": none,
    });
    Shown::done(value, format!("nothing waits for signatures in {role}\n"))
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
