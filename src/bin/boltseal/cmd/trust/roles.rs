//! Who may sign what.

use super::{
    args::{RotateArgs, SealerArgs, SignerAddArgs, SignerRemoveArgs, ThresholdArgs},
    desk::Desk,
    keys::{Keys, fingerprint},
    report, view,
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
};
use boltseal::{crypto::Fingerprint, format::tuf::RoleName};
use std::collections::BTreeSet;

/// What who must not be believed any more is still believed by.
const PIN_AGAIN: &str = "machines that remember nothing go by their lock: write it anew with `boltseal trust pin`";

pub async fn add_signer(args: SignerAddArgs, output: &Output) -> Result<Exit, Failure> {
    let mut keys = Keys::new(&args.write.password, output);
    let added = keys.open_all(&args.signer_key)?;
    let desk = Desk::writing_with(&args.write, keys)?;
    let place = desk.work_on(&args.repository)?;
    let published = desk.writer(&place).add_signer(&args.name, &added, !args.no_release).await?;
    Ok(report::published(&args.repository, &published).show(output))
}

pub async fn remove_signer(args: SignerRemoveArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::writing(&args.write, output)?;
    let exit = report::each(&args.repositories, output, async |repository| {
        let place = desk.work_on(repository)?;
        let published = desk.writer(&place).remove_signer(&args.name).await?;
        Ok(report::published(repository, &published))
    })
    .await;
    output.note(PIN_AGAIN);
    Ok(exit)
}

pub async fn add_sealer(args: SealerArgs, output: &Output) -> Result<Exit, Failure> {
    let mut keys = Keys::new(&args.write.password, output);
    let added = keys.open(&args.sealing_key)?;
    let desk = Desk::writing_with(&args.write, keys)?;
    let place = desk.work_on(&args.repository)?;
    let published = desk.writer(&place).add_sealer(&added).await?;
    Ok(report::published(&args.repository, &published).show(output))
}

pub async fn remove_sealer(args: SealerArgs, output: &Output) -> Result<Exit, Failure> {
    let removed = fingerprint(&args.sealing_key)?;
    let desk = Desk::writing(&args.write, output)?;
    let place = desk.work_on(&args.repository)?;
    let published = desk.writer(&place).remove_sealer(removed).await?;
    output.note(PIN_AGAIN);
    Ok(report::published(&args.repository, &published).show(output))
}

pub async fn threshold(args: ThresholdArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::writing(&args.write, output)?;
    let place = desk.work_on(&args.repository)?;
    let published = desk.writer(&place).set_threshold(&args.role, args.threshold).await?;
    Ok(report::published(&args.repository, &published).show(output))
}

pub async fn rotate(args: RotateArgs, output: &Output) -> Result<Exit, Failure> {
    if args.recover && !matches!(args.role, RoleName::Snapshot | RoleName::Timestamp) {
        return Err(Failure::usage(format!(
            "--recover is for the sealing keys, snapshot or timestamp, not for {}",
            args.role
        )));
    }
    if args.new_key.is_empty() && args.old_key.is_empty() {
        return Err(Failure::usage("which key comes, which goes? say with --new-key and --old-key"));
    }
    let mut keys = Keys::new(&args.write.password, output);
    let added = keys.open_all(&args.new_key)?;
    let mut removed = args.old_key.iter().map(|text| fingerprint(text)).collect::<Result<BTreeSet<_>, _>>()?;
    let desk = Desk::writing_with(&args.write, keys)?;
    let place = desk.work_on(&args.repository)?;
    let writer = desk.writer(&place);
    if args.recover {
        removed.extend(view::keys(&writer.state(true).await?, &args.role));
    }
    let stays = |key: &Fingerprint| added.iter().any(|added| added.fingerprint() == *key);
    let removed: Vec<_> = removed.into_iter().filter(|key| !stays(key)).collect();
    let published = writer.rotate(&args.role, &added, &removed).await?;
    output.note(PIN_AGAIN);
    Ok(report::published(&args.repository, &published).show(output))
}
