//! Whether containerd asks its verifier before every pull. Facts: containerd 2.1's `internal/cri` and
//! `plugins/imageverifier`, tried on 1.7, 2.0 and 2.1.

use super::{
    Finding, Level, folder,
    settings::{self, Settings},
};
use std::{path::PathBuf, time::Duration};
use toml::{Table, Value};

const VERIFIER: &str = "io.containerd.image-verifier.v1.bindir";
const TRANSFER: &str = "io.containerd.transfer.v1.local";
/// The CRI's image service by the names of configuration versions 3, 2 and 1.
const CRI: [&str; 3] = ["io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri", "cri"];
const BIN_DIR: &str = "/opt/containerd/image-verifier/bin";
/// The first version whose CRI asks verifiers.
const ASKS: (u64, u64) = (2, 1);
/// containerd's defaults.
const MAX_VERIFIERS: i64 = 10;
const PER_VERIFIER: Duration = Duration::from_secs(10);

/// A node's containerd, as it is looked at.
#[derive(Clone, Debug)]
pub struct ContainerdNode {
    /// Its configuration.
    pub config: PathBuf,
    /// Its version, as it says it (`2.1.9`); `None` if it could not be asked.
    pub version: Option<String>,
    /// This program, which the verifier has to be.
    pub program: PathBuf,
    /// When our verifier answers at the latest.
    pub deadline: Duration,
    /// Where our verifier looks for `hosts.toml`.
    pub hosts: Vec<PathBuf>,
}

/// Looks for every way in which an image is pulled unverified, and for what would block pulls; worst first. Beside it the
/// name of the pause image, where the configuration has one.
#[must_use]
pub fn containerd(node: &ContainerdNode) -> (Vec<Finding>, Option<String>) {
    let mut findings: Vec<Finding> = version(node.version.as_deref()).into_iter().collect();
    let files = settings::read(&node.config, &mut findings);
    for file in &files {
        findings.extend(disabled(file));
        findings.extend(falls_back(file));
        findings.extend(hosts(file, &node.hosts));
    }
    verifiers(node, &files, &mut findings);
    findings.sort_by_key(|finding| finding.level);
    let pause = files.iter().find_map(|file| {
        let cri = file.plugin(&CRI)?;
        let pinned = cri.get("pinned_images").and_then(|pinned| pinned.get("sandbox"));
        pinned.or_else(|| cri.get("sandbox_image"))?.as_str().map(str::to_owned)
    });
    (findings, pause)
}

fn version(version: Option<&str>) -> Option<Finding> {
    let numbers = |version: &str| {
        let mut parts = version.trim_start_matches('v').split(['.', '-', '+', '~']).map(str::parse::<u64>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    let remedy = "containerd 2.1 or newer";
    match version.map(|version| (version, numbers(version))) {
        Some((_, Some(numbers))) if numbers >= ASKS => None,
        Some((version, Some((major, _)))) => {
            let who = if major < 2 {
                "has no verifiers"
            } else {
                "does not ask verifiers for CRI, by which Kubernetes pulls"
            };
            let message = format!("containerd {version} {who}");
            Some(Finding::new("version-too-old", Level::Bypass, message, remedy))
        }
        Some((version, None)) => {
            let message = format!("containerd says that its version is {version:?}");
            Some(Finding::new("version-unknown", Level::Unknown, message, "say it with --containerd-version"))
        }
        None => {
            let message = "containerd could not be asked for its version";
            Some(Finding::new("version-unknown", Level::Unknown, message, "say it with --containerd-version"))
        }
    }
}

fn disabled(file: &Settings) -> Vec<Finding> {
    let listed = file.value(&["disabled_plugins"]).and_then(Value::as_array).into_iter().flatten();
    let ours = |name: &&str| [VERIFIER, TRANSFER].contains(name);
    let one = |name: &str| {
        let message = format!("disabled_plugins has {name}: no verifier is asked");
        Finding::new("plugin-disabled", Level::Bypass, message, "take it off the list").at(&file.path)
    };
    listed.filter_map(Value::as_str).filter(ours).map(one).collect()
}

/// The settings that have CRI pull by itself, past the transfer service and its verifiers. It logs a warning, or nothing.
fn falls_back(file: &Settings) -> Vec<Finding> {
    let Some(cri) = file.plugin(&CRI) else { return Vec::new() };
    let nested = cri.get("containerd").and_then(Value::as_table);
    let value = |key: &str| cri.get(key).or_else(|| nested?.get(key));
    let registry = |key: &str| {
        let table = cri.get("registry").and_then(|registry| registry.get(key)).and_then(Value::as_table);
        table.is_some_and(|table| !table.is_empty())
    };
    let is = |key: &str, wrong: bool| value(key).and_then(Value::as_bool) == Some(wrong);
    let several = value("max_concurrent_downloads").and_then(Value::as_integer).is_some_and(|most| most != 3);
    let found = [
        ("use_local_image_pull = true", is("use_local_image_pull", true), "take it out"),
        ("disable_snapshot_annotations = false", is("disable_snapshot_annotations", false), "take it out"),
        ("discard_unpacked_layers = true", is("discard_unpacked_layers", true), "take it out"),
        ("image_pull_with_sync_fs = true", is("image_pull_with_sync_fs", true), "take it out"),
        (
            "max_concurrent_downloads is not 3",
            several,
            "take it out, and set it for plugins.\"io.containerd.transfer.v1.local\"",
        ),
        ("registry.mirrors", registry("mirrors"), "hosts.toml below registry.config_path"),
        ("registry.configs", registry("configs"), "hosts.toml below registry.config_path"),
        ("registry.auths", registry("auths"), "credentials of kubelet: imagePullSecrets or a credential provider"),
    ];
    let one = |(what, _, remedy): (&str, bool, &str)| {
        let message = format!("{what}: CRI pulls by itself, and asks no verifier");
        Finding::new("cri-falls-back", Level::Bypass, message, remedy).at(&file.path)
    };
    found.into_iter().filter(|found| found.1).map(one).collect()
}

/// Folders of `hosts.toml` that containerd follows and our verifier does not: it would not know the mirrors.
fn hosts(file: &Settings, ours: &[PathBuf]) -> Vec<Finding> {
    let cri = file.plugin(&CRI).and_then(|cri| cri.get("registry")?.get("config_path"));
    let transfer = file.plugin(&[TRANSFER]).and_then(|transfer| transfer.get("config_path"));
    let named = [cri, transfer].into_iter().flatten().filter_map(Value::as_str);
    let mut folders: Vec<_> = named.flat_map(|paths| paths.split(':')).filter(|path| !path.is_empty()).collect();
    folders.sort_unstable();
    folders.dedup();
    let unknown = folders.into_iter().filter(|folder| !ours.iter().any(|ours| ours.as_os_str() == *folder));
    let one = |folder| {
        let message = format!("containerd follows the mirrors of {folder}, boltseal does not");
        Finding::new("hosts-differ", Level::Warning, message, "the same folders as `hosts` in containerd.toml")
            .at(&file.path)
    };
    unknown.map(one).collect()
}

/// The folders of verifiers that may hold, and what is in them. Where one file names a folder and another one has the same
/// plugin without it, containerd may take its default.
fn verifiers(node: &ContainerdNode, files: &[Settings], findings: &mut Vec<Finding>) {
    let tables: Vec<(&Settings, &Table)> =
        files.iter().filter_map(|file| Some((file, file.plugin(&[VERIFIER])?))).collect();
    let mut folders: Vec<PathBuf> = tables
        .iter()
        .map(|(_, table)| PathBuf::from(table.get("bin_dir").and_then(Value::as_str).unwrap_or(BIN_DIR)))
        .collect();
    folders.sort();
    folders.dedup();
    if folders.is_empty() {
        folders.push(BIN_DIR.into());
    }
    if let [first, .., last] = folders.as_slice() {
        let message = format!("files name different folders of verifiers, {} and {}", first.display(), last.display());
        let remedy = "one file that says it; both are looked at here";
        findings.push(Finding::new("folders-differ", Level::Warning, message, remedy).at(&node.config));
    }
    let integers = || tables.iter().filter_map(|(_, table)| table.get("max_verifiers")?.as_integer());
    let most = integers().min().unwrap_or(MAX_VERIFIERS);
    for folder in &folders {
        findings.extend(folder::look(folder, &node.program, usize::try_from(most).ok()));
    }
    for (file, table) in &tables {
        let Some(text) = table.get("per_verifier_timeout") else { continue };
        findings.extend(timeout(text, node.deadline).map(|finding| finding.at(&file.path)));
    }
    if tables.iter().all(|(_, table)| table.get("per_verifier_timeout").is_none()) {
        findings.extend(deadline(PER_VERIFIER, node.deadline));
    }
}

fn timeout(text: &Value, ours: Duration) -> Option<Finding> {
    let Some(theirs) = text.as_str().and_then(go_duration) else {
        let message = format!("per_verifier_timeout = {text:?}: this check can't read it");
        return Some(Finding::new("deadline-unknown", Level::Warning, message, "seconds, such as \"10s\""));
    };
    deadline(theirs, ours)
}

fn deadline(theirs: Duration, ours: Duration) -> Option<Finding> {
    (ours >= theirs).then(|| {
        let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
        let message = format!(
            "containerd gives a verifier {theirs} s, boltseal takes up to {ours} s: what is slow is blocked without a reason"
        );
        Finding::new("deadline", Level::Warning, message, "a `timeout` in containerd.toml that is a second less")
    })
}

/// Go's `time.Duration` as it is written (`1m30s`, `1.5s`, `500ms`).
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let seconds = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(total).ok())?
}
