use super::{
    args::{ExportArgs, ImportArgs},
    desk::Desk,
    report::Shown,
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    settings,
};
use boltseal::ops::trust::Writer;
use serde_json::json;

pub async fn export(args: ExportArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::reading(&args.read)?;
    let place = desk.look_at(&args.repository)?;
    let (state, bytes) = desk.writer(&place).export().await?;
    settings::write_over(&args.file, &bytes)?;
    let (root, timestamp) = (state.root().version(), state.timestamp().version());
    let value = json!({
        "repository": args.repository.to_string(), "file": args.file.display().to_string(), "rootVersion": root,
        "timestampVersion": timestamp,
    });
    let text = format!("{}: written, root version {root}, timestamp version {timestamp}\n", args.file.display());
    Ok(Shown::done(value, text).show(output))
}

pub async fn import(args: ImportArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::reading(&args.read)?;
    let place = desk.work_on(&args.repository)?;
    let name = args.signed_for.unwrap_or_else(|| place.signed_name());
    let writer = Writer { name: name.clone(), ..desk.writer(&place) };
    let state = writer.import(&args.file).await?;
    let (root, timestamp) = (state.root().version(), state.timestamp().version());
    let value = json!({
        "repository": args.repository.to_string(), "signedFor": name.to_string(), "rootVersion": root,
        "timestampVersion": timestamp,
    });
    let text = format!(
        "{}: in place, signed for {name}, root version {root}, timestamp version {timestamp}\n",
        args.repository
    );
    Ok(Shown::done(value, text).show(output))
}
