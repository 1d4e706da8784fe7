use crate::{
    args::{DoctorCommand, DoctorContainerdArgs, DoctorProxyArgs, ProxiedBy},
    containerd::config::Config,
    exit::{Exit, Failure},
    output::{JSON_VERSION, Output, printable},
};
use boltseal::{
    limits::{GRACE, HELPER_TIMEOUT},
    oci::Reference,
    ops::doctor::{self, ContainerdNode, Finding, Level, ProxiedRuntime},
};
use serde_json::{Value, json};
use std::{fmt::Write as _, path::Path};

/// The pause image where nothing says another (containerd 2.1).
const PAUSE: &str = "registry.k8s.io/pause:3.10";

pub async fn run(command: DoctorCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        DoctorCommand::Containerd(args) => containerd(args, output).await,
        DoctorCommand::Proxy(args) => Ok(proxy(args, output)),
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
    output.result(&value, || {
        let version = printable(version.as_deref().unwrap_or("of an unknown version"));
        to_text(&findings, &format!("containerd {version} asks boltseal before every pull by CRI and ctr"))
    });
    Ok(exit)
}

fn proxy(args: DoctorProxyArgs, output: &Output) -> Exit {
    let default = match args.runtime {
        ProxiedBy::Containerd => "/etc/containerd/certs.d",
        ProxiedBy::Containers => "/etc/containers/registries.conf",
    };
    let settings = args.config.unwrap_or_else(|| default.into());
    let runtime = ProxiedRuntime { proxy: args.proxy, registries: args.registries, settings };
    let (mut findings, files) = match args.runtime {
        ProxiedBy::Containerd => (runtime.containerd(), runtime.containerd_files()),
        ProxiedBy::Containers => (runtime.containers(), runtime.containers_files()),
    };
    findings.sort_by_key(|finding| finding.level);
    let exit = findings.first().map_or(Exit::Done, |worst| exit_of(worst.level));
    let wanted = files.iter().map(|file| json!({ "path": file.path.display().to_string(), "content": file.content }));
    let value = json!({
        "version": JSON_VERSION, "settings": runtime.settings.display().to_string(),
        "findings": findings.iter().map(to_json).collect::<Vec<_>>(), "files": wanted.collect::<Vec<_>>(), "exit": exit as u8,
    });
    output.result(&value, || {
        let fine = format!("{} lead to {} alone", printable(&runtime.registries.join(", ")), runtime.proxy);
        let mut text = to_text(&findings, &fine);
        for file in files.iter().filter(|_| !findings.is_empty()) {
            let _ = write!(text, "\n# {}\n{}", printable(&file.path.display().to_string()), file.content);
        }
        text
    });
    exit
}

/// What is wrong with the verifier's own configuration and policy, and who may write them beside their owner.
fn our_side(config: Result<Config, Failure>, pause: Option<&str>) -> Vec<Finding> {
    let blocked = |failure: Failure| Finding {
        id: "misconfigured",
        level: Level::Blocked,
        place: None,
        message: format!("{}: every pull is blocked", failure.message),
        remedy: "a configuration and a policy that can be used".to_owned(),
    };
    let mut files = vec![Config::place().0];
    let loaded = config.and_then(|config| {
        let loaded = config.policy_file();
        files.push(config.policy);
        files.extend(config.lock);
        loaded
    });
    let covered = loaded.and_then(|loaded| {
        files.extend(loaded.files);
        let pause = pause.unwrap_or(PAUSE).parse::<Reference>();
        let pause = pause.map_err(|error| Failure::supplied(format!("the pause image: {error}")))?;
        Ok(doctor::covers(&loaded.policy, &pause))
    });
    let mut findings = covered.unwrap_or_else(|failure| vec![blocked(failure)]);
    findings.extend(doctor::writable(&files));
    findings
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

fn to_text(findings: &[Finding], fine: &str) -> String {
    let mut text = String::new();
    for finding in findings {
        let place = finding.place.as_ref().map(|place| format!("{} ", place.display())).unwrap_or_default();
        let line = format!("{place}{}", finding.message);
        let _ = writeln!(text, "{:<8} {}: {}", finding.level.name(), finding.id, printable(&line));
        let _ = writeln!(text, "         -> {}", printable(&finding.remedy));
    }
    if !findings.iter().any(|finding| finding.level != Level::Warning) {
        let _ = writeln!(text, "{fine}");
    }
    text
}
