use super::{
    args::StatusArgs,
    desk::Desk,
    report::{self, Shown, waiting_json, waiting_text},
};
use crate::{
    exit::{Exit, Failure},
    output::{Output, printable},
};
use boltseal::{
    format::tuf::RoleName,
    oci::RepositoryName,
    ops::trust::{RoleStatus, StagedPath, Status},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;

const HOURS_A_DAY: i64 = 24;

pub async fn run(args: StatusArgs, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::reading(&args.read)?;
    let exit = report::each(&args.repositories, output, async |repository| {
        let place = desk.look_at(repository)?;
        let status = desk.writer(&place).status().await?;
        Ok(show(repository, &status, Timestamp::now()))
    });
    Ok(exit.await)
}

fn show(repository: &RepositoryName, status: &Status, now: Timestamp) -> Shown {
    Shown { exit: exit(status), value: to_json(repository, status, now), text: to_text(repository, status, now) }
}

/// For cron: whether somebody has to do something, and whether it is late.
fn exit(status: &Status) -> Exit {
    let soon = status.roles.iter().any(|role| role.due) || !status.staged.is_empty() || !status.waiting.is_empty();
    if status.roles.iter().any(|role| role.expired) || !status.unusable.is_empty() {
        Exit::Denied
    } else if soon {
        Exit::Unknown
    } else {
        Exit::Done
    }
}

/// Whole days; less than none of what has expired.
fn days_left(role: &RoleStatus, now: Timestamp) -> i64 {
    role.expires.duration_since(now).as_hours().div_euclid(HOURS_A_DAY)
}

fn to_json(repository: &RepositoryName, status: &Status, now: Timestamp) -> Value {
    let role = |role: &RoleStatus| {
        json!({
            "role": role.role, "version": role.version, "expires": role.expires, "daysLeft": days_left(role, now),
            "due": role.due, "expired": role.expired,
        })
    };
    let versions = |files: &[(RoleName, u64)]| {
        files.iter().map(|(role, version)| json!({ "role": role, "version": version })).collect::<Vec<_>>()
    };
    json!({
        "repository": repository.to_string(),
        "roles": status.roles.iter().map(role).collect::<Vec<_>>(),
        "unusable": status.unusable.iter().map(|(role, why)| json!({ "role": role, "why": why })).collect::<Vec<_>>(),
        "staged": versions(&status.staged),
        "waiting": status.waiting.iter().map(waiting_json).collect::<Vec<_>>(),
        "paths": status.paths.iter().map(path_json).collect::<Vec<_>>(),
    })
}

fn to_text(repository: &RepositoryName, status: &Status, now: Timestamp) -> String {
    let mut text = format!("{repository}\n");
    let width = status.roles.iter().map(|role| role.role.as_str().len()).max().unwrap_or_default();
    for role in &status.roles {
        let name = printable(role.role.as_str());
        let left = match (role.expired, role.due) {
            (true, _) => "EXPIRED".to_owned(),
            (false, due) => format!("{} days left{}", days_left(role, now), if due { ", DUE" } else { "" }),
        };
        let _ = writeln!(text, "  role     {name:width$}  version {}, until {:.0}, {left}", role.version, role.expires);
    }
    for (role, why) in &status.unusable {
        let _ = writeln!(text, "  unusable {}: {}", printable(role.as_str()), printable(why));
    }
    for (role, version) in &status.staged {
        let role = printable(role.as_str());
        let _ = writeln!(text, "  staged   {role} version {version}; `trust refresh` with a sealing key takes it in");
    }
    text.extend(status.waiting.iter().map(waiting_text));
    for staged in &status.paths {
        let (path, role) = (printable(&staged.path), printable(staged.role.as_str()));
        let would = staged.digest.map_or("not be listed".to_owned(), |digest| format!("be {digest}"));
        let fate = if staged.fits { "" } else { "; others were faster: its signer has to sign again" };
        let _ = writeln!(text, "  staged   {path} in {role} would {would}{fate}");
    }
    text
}

fn path_json(staged: &StagedPath) -> Value {
    let StagedPath { role, path, digest, fits } = staged;
    json!({ "role": role, "path": path, "digest": digest.map(|digest| digest.to_string()), "fits": fits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(days: i64, due: bool, expired: bool) -> RoleStatus {
        let expires = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * days);
        RoleStatus { role: RoleName::Targets, version: 1, expires, due, expired }
    }

    fn status(roles: Vec<RoleStatus>) -> Status {
        Status { roles, unusable: vec![], staged: vec![], waiting: vec![], paths: vec![] }
    }

    #[test]
    fn cron_hears_of_what_is_late_before_what_is_due() {
        let (fine, due, expired) = (role(9, false, false), role(1, true, false), role(-1, true, true));
        assert_eq!(exit(&status(vec![fine.clone()])), Exit::Done);
        assert_eq!(exit(&status(vec![fine.clone(), due.clone()])), Exit::Unknown);
        assert_eq!(exit(&status(vec![due, expired])), Exit::Denied);
        let unusable = vec![(RoleName::from("targets/a"), "why".to_owned())];
        assert_eq!(exit(&Status { unusable, ..status(vec![fine.clone()]) }), Exit::Denied);
        let staged = vec![(RoleName::Targets, 2)];
        assert_eq!(exit(&Status { staged, ..status(vec![fine.clone()]) }), Exit::Unknown);
        let lost = StagedPath { role: RoleName::Targets, path: "1.0".to_owned(), digest: None, fits: false };
        assert_eq!(exit(&Status { paths: vec![lost], ..status(vec![fine]) }), Exit::Done);
    }

    #[test]
    fn a_day_that_has_begun_to_pass_is_not_left() {
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1);
        assert_eq!(days_left(&role(2, false, false), now), 1);
        assert_eq!(days_left(&role(0, true, true), now), -1);
    }
}
