//! Docker Content Trust as it really is: notary publishes on notary-server as docker does, boltseal takes over.

use crate::{
    bench::{Bench, Case, says, text},
    common::{
        Ran, key,
        peers::{self, Kind, Registry},
    },
};
use std::fs;

pub fn cases() -> Vec<Case> {
    let on = |name: &str, run: fn(&Bench)| Case::on(Kind::DockerRegistry, name, &["notary", "notary-server"], run);
    vec![
        on("tags on a notary server are taken over as signed tags", taken_over),
        on("a notary server's root is followed from an older pin, and another root is refused", roots),
        on("nothing is taken over that a notary server did not serve so", refused),
    ]
}

/// The password of docker's root key.
const ROOT: &str = "rootpass1234";
/// The password of docker's other keys.
const REST: &str = "repopass1234";

/// A repository in a registry, and its trust data on a notary server.
struct Docker<'b> {
    bench: &'b Bench,
    server: Registry,
    name: String,
}

impl<'b> Docker<'b> {
    /// As `docker trust signer add alice` leaves it: the server has the snapshot's key, alice signs for `targets/alice` and
    /// for `targets/releases`.
    fn start(bench: &'b Bench) -> Self {
        let name = bench.push().name;
        let new = Self { bench, server: peers::start_notary_server(), name };
        new.begin();
        let [private, public] =
            ["p256-pkcs8", "p256-pub"].map(|file| key(&format!("../testdata/keys/{file}.test.pem")));
        new.notary(&["key", "import", &private, "--role", "alice"]);
        for role in ["targets/releases", "targets/alice"] {
            new.notary(&["delegation", "add", "--publish", &new.name, role, &public, "--all-paths"]);
        }
        new
    }

    fn begin(&self) {
        self.notary(&["init", "--publish", &self.name]);
        self.notary(&["key", "rotate", &self.name, "snapshot", "--server-managed"]);
    }

    fn notary(&self, arguments: &[&str]) -> Ran {
        let server = self.address();
        let mut command = self.bench.tool("notary");
        command.env("NOTARY_ROOT_PASSPHRASE", ROOT);
        for role in ["TARGETS", "SNAPSHOT", "DELEGATION"] {
            command.env(format!("NOTARY_{role}_PASSPHRASE"), REST);
        }
        Ran::of(command.args(["--server", &server, "--trustDir", "docker"]).args(arguments)).expect(0)
    }

    fn address(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Signs what `v1` is, as `tag`; its digest.
    fn sign(&self, tag: &str) -> String {
        let image = format!("{}:v1", self.name);
        let there =
            self.bench.run("oras", &["manifest", "fetch", "--plain-http", "--descriptor", &image]).expect(0).json();
        let digest = there["digest"].as_str().expect("a digest").to_owned();
        let hash = digest.strip_prefix("sha256:").expect("SHA-256");
        let target = ["addhash", "--publish", &self.name, tag, &there["size"].to_string(), "--sha256", hash];
        self.notary(&[&target[..], &["--roles", "targets/releases", "--roles", "targets/alice"]].concat());
        digest
    }

    /// The file of the key that has this role.
    fn key_file(&self, role: &str) -> String {
        let mut files =
            fs::read_dir(self.bench.home().join("docker/private")).expect("keys").map(|file| file.expect("it").path());
        let is = |text: String| text.lines().any(|line| line == format!("role: {role}"));
        text(&files.find(|file| is(fs::read_to_string(file).expect("a key"))).expect("a key of the role"))
    }

    /// The id of the root key, as docker shows it.
    fn root_id(&self) -> String {
        let shown = self.notary(&["key", "list"]).stdout;
        let root = shown.lines().find(|line| line.starts_with("root ")).expect("a root key");
        root.split_whitespace().find(|word| word.len() == 64).expect("its id").to_owned()
    }

    /// Takes docker's root key over, and starts the repository's own trust data with it; alice signs and seals.
    fn init(&self) {
        let home = self.bench.home();
        for (file, password) in [("root.password", ROOT), ("rest.password", REST)] {
            fs::write(home.join(file), password).expect("a file");
        }
        for (role, password, prefix) in [("root", "root.password", "root"), ("alice", "rest.password", "alice")] {
            let from = ["--key", &self.key_file(role), "--key-password-file", password];
            let import = ["key", "import", "--output-key-prefix", prefix];
            self.bench.boltseal.run(import.iter().chain(&from)).expect(0);
        }
        let keys = ["--root-key", "root.key", "--signer", "alice=alice.key", "--lock", "boltseal.lock"];
        self.bench.boltseal.run(["trust", "init", &self.name].iter().chain(&keys)).expect(0);
    }

    fn import(&self, arguments: &[&str]) -> Ran {
        let import = ["trust", "import-dct", "-o", "json", &self.name];
        self.bench.boltseal.run(import.iter().chain(arguments))
    }

    fn tags(&self) -> Vec<String> {
        let tags = self.bench.run("oras", &["repo", "tags", "--plain-http", &self.name]).expect(0).stdout;
        tags.lines().map(str::to_owned).collect()
    }
}

fn taken_over(bench: &Bench) {
    let docker = Docker::start(bench);
    let digest = docker.sign("v1");
    docker.sign("v2");
    docker.sign("v3");
    peers::push(&bench.address, &bench.repository, "v3");
    docker.init();

    let from = ["--server", &docker.address(), "--trust-cache", "docker"];
    let seen = docker.import(&[&from[..], &["--dry-run", "--save", "web.dct.json"]].concat()).expect(0).json();
    let would = |at: usize| (seen["import"][at]["tag"].as_str(), seen["import"][at]["would"].as_str());
    assert_eq!((would(0), would(1)), ((Some("v1"), Some("sign")), (Some("v2"), Some("sign"))), "{seen:#}");
    assert_eq!(would(2), (Some("v3"), Some("leave")), "{seen:#}");
    let signers = &seen["tags"][0]["signers"];
    assert_eq!((signers, &seen["signers"][0]["name"]), (&serde_json::json!(["alice"]), &"alice".into()));

    // Docker's own key file signs as well as the imported one.
    let mut command = bench.boltseal.command();
    command.env_remove("BOLTSEAL_PASSWORD").env("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", REST);
    let key = docker.key_file("alice");
    let line = ["trust", "import-dct", &docker.name, "--key", &key, "--lock", "boltseal.lock", "-y"];
    let done = Ran::of(command.args(line).args(from)).expect(0);
    says(&done, "  leave    v3: the registry's tag is ");
    let resolved =
        bench.boltseal.run(["resolve", "--policy", &policy(bench), &format!("{}:v2", docker.name)]).expect(0);
    assert_eq!(resolved.stdout, format!("{}@{digest}\n", docker.name));
    let seen = bench.boltseal.run(["trust", "inspect", "-o", "json", &docker.name]).expect(0).json();
    assert_eq!(seen[0]["SignedTags"].as_array().map(Vec::len), Some(2), "{seen:#}");

    // The server goes dark; what was saved is still there, for the tag that was looked at meanwhile.
    drop(docker.server);
    let saved = ["--trust-cache", "docker", "--from", "web.dct.json", "--key", "alice.key", "-y", "v3"];
    let line = ["trust", "import-dct", "-o", "json", &docker.name];
    let done = bench.boltseal.run(line.iter().chain(&saved)).expect(0).json();
    assert_eq!(done["trustWritten"], true, "{done:#}");
}

/// A policy whose content trust starts from the lock.
fn policy(bench: &Bench) -> String {
    let text =
        format!("version: 1\nimages:\n  \"{}/**\": {{ content-trust: {{ lock: boltseal.lock }} }}\n", bench.address);
    bench.file("policy.yaml", &text)
}

fn roots(bench: &Bench) {
    let docker = Docker::start(bench);
    docker.sign("v1");
    let first = docker.root_id();
    let server = docker.address();
    fs::create_dir(bench.home().join("old")).expect("a folder");
    copy(bench, "docker/tuf", "old/tuf");
    docker.notary(&["key", "rotate", &docker.name, "root"]);
    for pin in [["--root-key", &first], ["--trust-cache", "old"]] {
        let seen = docker.import(&[&["--server", &server][..], &pin].concat()).expect(0).json();
        assert_eq!((&seen["verified"], &seen["tags"][0]["tag"]), (&true.into(), &"v1".into()));
    }

    let wrong = docker.import(&["--server", &server, "--root-key", &"0".repeat(64), "--save", "not.json"]).expect(1);
    assert_eq!(wrong.json()["reason"]["id"], "not-pinned");
    // Who took the server begins anew there, with keys of their own.
    docker.notary(&["delete", &docker.name, "--remote"]);
    fs::remove_dir_all(bench.home().join("docker")).expect("a folder");
    docker.begin();
    for pin in [["--root-key", &first], ["--trust-cache", "old"]] {
        let refused = docker.import(&[&["--server", &server, "--key", "no.key", "-y"][..], &pin].concat()).expect(1);
        let json = refused.json();
        let reason = json["reason"]["id"].as_str().expect("a reason");
        assert!(["not-pinned", "root-changed", "rollback"].contains(&reason), "{json:#}");
    }
    assert_eq!(docker.tags(), ["v1"]);
    assert!(!bench.home().join("not.json").exists());
}

fn copy(bench: &Bench, from: &str, to: &str) {
    let mut command = std::process::Command::new("cp");
    Ran::of(command.current_dir(bench.home()).args(["-r", from, to])).expect(0);
}

fn refused(bench: &Bench) {
    let docker = Docker::start(bench);
    docker.sign("v1");
    let pin = ["--trust-cache", "docker"];
    docker.import(&[&pin[..], &["--server", &docker.address(), "--save", "web.dct.json"]].concat()).expect(0);
    let saved = fs::read(bench.home().join("web.dct.json")).expect("a file");
    let saved: serde_json::Value = serde_json::from_slice(&saved).expect("JSON");
    for (file, reason) in
        [("targets/releases", "mix-and-match"), ("snapshot", "mix-and-match"), ("timestamp", "threshold-unmet")]
    {
        let mut tampered = saved.clone();
        tampered["files"][file] = flipped(saved["files"][file].as_str().expect("a file")).into();
        bench.file("tampered.json", &tampered.to_string());
        let from = ["--from", "tampered.json", "--key", "no.key", "-y"];
        let refused = docker.import(&[&pin[..], &from].concat()).expect(1).json();
        assert_eq!(refused["reason"]["id"], reason, "{file}: {refused:#}");
    }
    let none = format!("{}/none", bench.address);
    let line = ["trust", "import-dct", &none, "--server", &docker.address(), "--root-key", &"0".repeat(64)];
    says(&bench.boltseal.run(line).expect(1), "has no trust data");
    assert_eq!(docker.tags(), ["v1"]);
}

/// The year in which a file expires, ten years later.
fn flipped(base64: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = String::from_utf8(STANDARD.decode(base64).expect("base64")).expect("text");
    let at = text.find("\"expires\":\"20").expect("an expiry") + "\"expires\":\"20".len();
    let mut bytes = text.into_bytes();
    bytes[at] += 1;
    STANDARD.encode(bytes)
}
