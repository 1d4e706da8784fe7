//! Real provenance: what BuildKit writes into an index, covered by a signature over it, verified by what it states.

use crate::{
    bench::{Bench, Case, CosignFormat, Key, OTHER, P256},
    common::{
        Ran, isolate,
        peers::{self, Kind},
    },
    docker::{Daemon, client},
};
use serde_json::Value;
use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const BUILDER: &str = "https://ci.example.com/builder";
const ORIGIN: &str = "https://github.com/acme/app";

pub fn cases() -> Vec<Case> {
    let needs = ["docker-buildx", "dockerd", "docker", "containerd", "runc", "cosign", "git daemon", "CAP_SYS_ADMIN"];
    vec![Case::on(
        Kind::DockerRegistry,
        "BuildKit's provenance is verified by builder, source and ref, and refused for each changed by a character",
        &needs,
        provenance,
    )]
}

/// A repository with one commit, from which git serves whoever asks.
struct Served {
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    fn start(base: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let work = folder.path().join("app.git");
        fs::create_dir(&work).expect("a folder");
        fs::write(
            work.join("Dockerfile"),
            format!("FROM {base}\nARG FLAVOUR\nCOPY Dockerfile /d\nUSER 1000\nLABEL vendor=acme\n"),
        )
        .expect("a file");
        for words in [
            &["init", "-q", "-b", "main"][..],
            &["add", "."],
            &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "first"],
            &["remote", "add", "origin", &format!("{ORIGIN}.git")],
        ] {
            Ran::of(git(folder.path()).arg("-C").arg(&work).args(words)).expect(0);
        }
        let address = peers::free_address();
        let mut command = git(folder.path());
        command.arg("daemon").arg("--export-all").arg(format!("--base-path={}", folder.path().display()));
        command.args(["--listen=127.0.0.1", &format!("--port={}", address.port()), "--reuseaddr"]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("git daemon starts");
        let served = Self { process, url: format!("git://{address}/app.git"), folder };
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < patience, "git daemon does not listen on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        served
    }

    fn work(&self) -> String {
        self.folder.path().join("app.git").display().to_string()
    }
}

fn git(home: &Path) -> Command {
    let mut command = Command::new("git");
    isolate(&mut command, home);
    command
}

fn provenance(bench: &Bench) {
    let base = bench.push_as(&format!("{}/base", bench.repository)).index();
    bench.boltseal_sign(&P256, &[&base]).expect(0);
    let (daemon, served) = (Daemon::with_images(true), Served::start(&base));
    let local = [("builder", BUILDER), ("source", ORIGIN)];
    let from_git = [("builder", BUILDER), ("source", &served.url), ("ref", "refs/heads/main")];
    for (what, context, stated) in
        [("local", served.work(), &local[..]), ("git", format!("{}#refs/heads/main", served.url), &from_git[..])]
    {
        for mode in ["min", "max"] {
            let name = format!("{}/{}/{what}-{mode}:v1", bench.address, bench.repository);
            build(bench, &daemon, &context, mode, &name);
            if what == "git" && mode == "max" {
                by_manifest(bench, &name, stated);
            }
            by_index(bench, mode == "max", &name, stated);
            if what == "git" && mode == "max" {
                configured(bench, &name, &base);
            }
        }
    }
}

/// What is asked of the configurations of each image, in an image that has it and in one that has not.
fn configured(bench: &Bench, good: &str, bad: &str) {
    for (config, id) in [
        ("non-root: true", "config-root-user"),
        ("labels: { vendor: ac* }", "config-label"),
        ("labels: { vendor: acme }, max-layers: 2, max-size: 1MB, no-secrets-in-history: true", "config-label"),
    ] {
        let rule = format!("{{ signatures: {{ from: [ci] }}, config: {{ {config} }} }}");
        judge_by(bench, &P256, &rule, &["--all-platforms", good]).expect(0);
        let ran = judge_by(bench, &P256, &rule, &["-o", "json", "--all-platforms", bad]).expect(1).json();
        for result in ran["results"].as_array().expect("results") {
            assert_eq!(result["reasons"][0]["id"], id, "{ran:#}");
        }
    }
    for (config, id) in [("max-layers: 1", "config-too-many-layers"), ("max-size: 10", "config-too-large")] {
        let rule = format!("{{ signatures: {{ from: [ci] }}, config: {{ {config} }} }}");
        let ran = judge_by(bench, &P256, &rule, &["-o", "json", good]).expect(1).json();
        assert_eq!(ran["results"][0]["reasons"][0]["id"], id, "{ran:#}");
    }
}

fn build(bench: &Bench, daemon: &Daemon, context: &str, mode: &str, name: &str) {
    let mut command = client(bench.home());
    command.args(["-H", &daemon.host(), "buildx", "build", "--progress", "plain", "--push", "-t", name]);
    command.args(["--platform", "linux/amd64,linux/arm64", "--build-arg", "FLAVOUR=plain"]);
    command.arg(format!("--provenance=mode={mode},builder-id={BUILDER}")).arg(context);
    Ran::of(&mut command).expect(0);
}

/// Judges an image by what its provenance has to state; the key is the only one that counts.
fn judge(bench: &Bench, key: &Key, unsigned: &str, asked: &[(&str, &str)], words: &[&str]) -> Ran {
    let asked: Vec<_> = asked.iter().map(|(name, value)| format!(", {name}: '{value}'")).collect();
    judge_by(bench, key, &format!("{{ provenance: {{ from: [ci], unsigned: {unsigned}{} }} }}", asked.concat()), words)
}

fn judge_by(bench: &Bench, key: &Key, rule: &str, words: &[&str]) -> Ran {
    fs::copy(key.public(), bench.home().join("ci.pub")).expect("a key");
    let text = format!("version: 1\nauthorities: {{ ci: {{ key: ci.pub }} }}\nimages: {{ '**': {rule} }}\n");
    let policy = bench.file("policy.yaml", &text);
    bench.boltseal.run(["verify", "--policy", &policy].iter().chain(words))
}

/// Good as asked for, and refused for each thing that is asked changed by one character.
fn as_stated(bench: &Bench, key: &Key, unsigned: &str, stated: &[(&str, &str)], name: &str) {
    for words in [&[name][..], &["--platform", "linux/arm64", name], &["--all-platforms", name]] {
        let ran = judge(bench, key, unsigned, stated, words).expect(0);
        assert!(ran.stdout.contains("ci (unsigned, covered by its signature over the"), "{}", ran.stdout);
    }
    for at in 0..stated.len() {
        let mut asked = stated.to_vec();
        let (field, value) = asked[at];
        let changed = format!("{}x", &value[..value.len() - 1]);
        asked[at].1 = &changed;
        let ran = judge(bench, key, unsigned, &asked, &["-o", "json", "--all-platforms", name]).expect(1).json();
        for result in ran["results"].as_array().expect("results") {
            let ids: Vec<_> = result["reasons"].as_array().expect("reasons").iter().map(|one| &one["id"]).collect();
            assert!(ids.contains(&&Value::from(format!("{field}-mismatch"))), "{field}: {ids:?}");
        }
    }
}

/// A signature over the index, by cosign or by boltseal.
fn by_index(bench: &Bench, by_cosign: bool, name: &str, stated: &[(&str, &str)]) {
    let covered = "covered-by-index";
    let ran = judge(bench, &P256, covered, stated, &["-o", "json", "--all-platforms", name]).expect(1).json();
    let results = ran["results"].as_array().expect("results");
    let platforms: Vec<_> = results.iter().map(|result| result["platform"].as_str().unwrap_or("none")).collect();
    assert_eq!(platforms, ["none", "linux/amd64", "linux/arm64"]);
    assert!(results.iter().all(|result| result["rejected"][0]["id"] == "statement-uncovered"), "{ran:#}");
    if by_cosign {
        let index = format!("{name}@{}", results[0]["digest"].as_str().expect("a digest"));
        bench.cosign_with(&P256, "sign", CosignFormat::Bundle, &[&index]).expect(0);
    } else {
        bench.boltseal_sign(&P256, &["--index-only", name]).expect(0);
    }
    as_stated(bench, &P256, covered, stated, name);
    judge(bench, &OTHER, covered, stated, &[name]).expect(1);
    // Without the word for it, nothing that is unsigned counts.
    judge(bench, &P256, "refuse", stated, &[name]).expect(1);
}

/// As Docker's own builder signs: `cosign sign` for each attestation manifest.
fn by_manifest(bench: &Bench, name: &str, stated: &[(&str, &str)]) {
    let covered = "covered-by-manifest";
    judge(bench, &P256, covered, stated, &[name]).expect(1);
    let index = bench.manifest(name);
    let entries = index["manifests"].as_array().expect("an index");
    let kind = |entry: &&Value| entry["annotations"]["vnd.docker.reference.type"] == "attestation-manifest";
    for entry in entries.iter().filter(kind) {
        let place = name.rsplit_once(':').expect("a tag").0;
        let digest = entry["digest"].as_str().expect("a digest");
        bench.cosign_with(&P256, "sign", CosignFormat::Bundle, &[&format!("{place}@{digest}")]).expect(0);
    }
    as_stated(bench, &P256, covered, stated, name);
    let seen = bench.boltseal.run(["inspect", name]).expect(0).stdout;
    assert_eq!(seen.matches("attestation manifest").count(), 2, "{seen}");
    assert_eq!(seen.matches("unsigned statement (index), https://slsa.dev/provenance/v0.2").count(), 2, "{seen}");
    // It signs no image.
    bench.boltseal_verify(&P256, &["--platform", "linux/amd64", name]).expect(1);
}
