use super::{
    args::{PinArgs, RefreshArgs},
    desk::Desk,
    report::{self, Shown},
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    settings,
};
use boltseal::format::tuf::RoleName;
use serde_json::json;
use std::path::PathBuf;

pub async fn refresh(args: RefreshArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::writing(&args.write, output)?;
    let exit = report::each(&args.repositories, output, async |repository| {
        let place = desk.work_on(repository)?;
        let published = desk.writer(&place).refresh(args.if_older_than).await?;
        Ok(report::published(repository, &published))
    });
    Ok(exit.await)
}

pub async fn pin(args: PinArgs, output: &Output) -> Result<Exit, Failure> {
    let lock = settings::lock_path(args.read.trust.known.lock.as_deref());
    let lock = lock.unwrap_or_else(|| PathBuf::from("boltseal.lock"));
    let desk = Desk::pinning(&args.read, &lock)?;
    let exit = report::each(&args.repositories, output, async |repository| {
        let place = desk.look_at(repository)?;
        let locked = desk.writer(&place).pin(&lock).await?;
        let floors = locked.floors();
        let version = |role: &RoleName| floors.roles.get(role).map_or(0, |floor| floor.version);
        let root = floors.root.as_ref().map_or(0, |root| root.version);
        let text = format!(
            "{}: {repository}, root version {root}, timestamp version {}\n",
            lock.display(),
            version(&RoleName::Timestamp),
        );
        let value =
            json!({ "repository": repository.to_string(), "lock": lock.display().to_string(), "locked": locked });
        Ok(Shown::done(value, text))
    });
    Ok(exit.await)
}
