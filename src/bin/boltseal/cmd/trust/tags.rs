use super::{
    args::{RevokeArgs, SignTagArgs},
    desk::Desk,
    report,
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
};
use boltseal::ops::trust::Sealing;
use serde_json::Value;
use std::fmt::Write as _;

pub async fn sign(args: SignTagArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::writing(&args.write, output)?;
    let place = desk.work_on(&args.image.repository)?;
    let writer = desk.writer(&place);
    let signed = writer.sign_tag(&args.image.reference, &args.role).await?;
    let mut shown = report::signed_tag(&args.image.repository, &signed);
    let attached = if args.attach && signed.published.sealing != Sealing::Staged {
        Some(writer.attach(&args.image.reference.at(signed.digest)).await?.to_string())
    } else {
        None
    };
    if let Some(copy) = &attached {
        let _ = writeln!(shown.text, "  attached {copy}");
    }
    shown.put("attached", attached.map_or(Value::Null, Value::from));
    Ok(shown.show(output))
}

pub async fn revoke(args: RevokeArgs, output: &Output) -> Result<Exit, Failure> {
    let reference = &args.image.reference;
    let wrong = |expected: &str| Err(Failure::usage(format!("{reference}: expected {expected}")));
    let desk = Desk::writing(&args.write, output)?;
    let place = desk.work_on(&args.image.repository)?;
    let writer = desk.writer(&place);
    let (published, name, what) = match (args.digest, args.reason, reference.digest, &reference.tag) {
        (Some(digest), Some(reason), None, None) => {
            (writer.revoke(digest, &reason).await?, "revoked", digest.to_string())
        }
        (Some(_), ..) => return wrong("a repository alone beside --digest; un-list a tag with a command of its own"),
        (None, _, None, Some(tag)) => (writer.remove_tag(tag).await?, "unlisted", tag.clone()),
        (None, ..) => return wrong("a tag to un-list, or --digest and --reason"),
    };
    let mut shown = report::published(&args.image.repository, &published);
    let _ = writeln!(shown.text, "  {name:8} {what}");
    shown.put(name, what);
    Ok(shown.show(output))
}
