use crate::{
    args::{DoctorCommand, DoctorContainerdArgs},
    containerd::config::Config,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
};
use boltseal::{
    limits::{GRACE, HELPER_TIMEOUT},
    oci::Reference,
    ops::doctor::{self, ContainerdNode, Finding, Level},
};
use serde_json::{Value, json};
use std::{fmt::Write as _, path::Path};

/// The pause image where nothing says another (containerd 2.1).
const PAUSE: &str = "registry.k8s.io/pause:3.10";

pub async fn run(command: DoctorCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        DoctorCommand::Containerd(args) => containerd(args, output).await,
    }
}

async fn containerd(args: DoctorContainerdArgs, output: &Output) -> Result<Exit, Failure> {
    let version = match args.containerd_version {
        Some(version) => Some(version),
        None => ask_version(&args.containerd).await,
    };
    let ours = Config::load();
    let node = ContainerdNode {
        config: args.config,
        version: version.clone(),
        program: std::env::current_exe().map_err(|error| Failure::new(Exit::Bug, error.to_string()))?,
        hosts: ours.as_ref().map(|config| config.hosts.clone()).unwrap_or_default(),
        deadline: ours.as_ref().map(|config| config.timeout + GRACE).unwrap_or_default(),
    };
    let (mut findings, pause) = doctor::containerd(&node);
    findings.extend(our_side(ours, pause.as_deref()));
    findings.sort_by_key(|finding| finding.level);
    let exit = findings.first().map_or(Exit::Done, |worst| exit_of(worst.level));
    let value = json!({
        "version": JSON_VERSION, "containerd": { "config": node.config.display().to_string(), "version": version },
        "findings": findings.iter().map(to_json).collect::<Vec<_>>(), "exit": exit as u8,
    });
    output.result(&value, || to_text(&findings, version.as_deref()));
    Ok(exit)
}

/// What is wrong with the verifier's own configuration and policy.
fn our_side(config: Result<Config, Failure>, pause: Option<&str>) -> Vec<Finding> {
    let blocked = |failure: Failure| Finding {
        id: "misconfigured",
        level: Level::Blocked,
        place: None,
        message: format!("{}: every pull is blocked", failure.message),
        remedy: "a configuration and a policy that can be used".to_owned(),
    };
    let judge = match config.and_then(|config| config.judge()) {
        Ok(judge) => judge,
        Err(failure) => return vec![blocked(failure)],
    };
    match pause.unwrap_or(PAUSE).parse::<Reference>() {
        Ok(pause) => doctor::covers(&judge.policy, &pause),
        Err(error) => vec![blocked(Failure::supplied(format!("the pause image: {error}")))],
    }
}

fn exit_of(worst: Level) -> Exit {
    match worst {
        Level::Bypass | Level::Blocked => Exit::Denied,
        Level::Unknown => Exit::Unknown,
        Level::Warning => Exit::Done,
    }
}

/// `containerd github.com/containerd/containerd/v2 2.1.9 HASH`: the third word.
async fn ask_version(program: &Path) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command.arg("--version").stdin(std::process::Stdio::null()).kill_on_drop(true);
    let answer = tokio::time::timeout(HELPER_TIMEOUT, command.output()).await.ok()?.ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    text.split_whitespace().nth(2).map(printable)
}

fn to_json(finding: &Finding) -> Value {
    json!({
        "id": finding.id, "level": finding.level.name(), "message": finding.message, "remedy": finding.remedy,
        "place": finding.place.as_ref().map(|place| place.display().to_string()),
    })
}

fn to_text(findings: &[Finding], version: Option<&str>) -> String {
    let mut text = String::new();
    for finding in findings {
        let place = finding.place.as_ref().map(|place| format!("{} ", place.display())).unwrap_or_default();
        let line = format!("{place}{}", finding.message);
        let _ = writeln!(text, "{:<8} {}: {}", finding.level.name(), finding.id, printable(&line));
        let _ = writeln!(text, "         -> {}", printable(&finding.remedy));
    }
    if !findings.iter().any(|finding| finding.level != Level::Warning) {
        let version = version.unwrap_or("of an unknown version");
        let _ = writeln!(text, "containerd {} asks boltseal before every pull by CRI and ctr", printable(version));
    }
    text
}
