//! Registries that ask who is there: passwords, from each place where they may stand.

use crate::{
    bench::{Bench, Case, Image, OTHER, P256, says, tree},
    common::{
        Ran,
        peers::{self, Kind, Registry},
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fs;

const NEEDS: [&str; 3] = ["docker-registry", "oras", "cosign"];
/// `alice` with the password `s3cret`, by bcrypt at its least cost.
const HTPASSWD: &str = "alice:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("a password in $DOCKER_CONFIG/config.json signs and verifies", &NEEDS, docker_config),
        Case::new("a password in REGISTRY_AUTH_FILE signs and verifies", &NEEDS, auth_file),
        Case::new("no password and a wrong one can not tell", &NEEDS, refused),
    ]
}

/// A registry that asks who is there, and one with the same data that does not, to set up and to look behind.
pub struct Guarded {
    open: Registry,
    _guarded: Registry,
    pub bench: Bench,
    pub image: Image,
}

impl Guarded {
    /// With the guarded registry's configuration.
    pub fn start(more: &str, repository: &str) -> Self {
        let open = peers::start(Kind::DockerRegistry);
        let guarded = peers::start_docker_registry_beside(&open, more);
        let bench = Bench::new(Kind::DockerRegistry, &guarded);
        let layout = open.push(repository, "v1");
        let image = Image { name: format!("{}/{repository}", guarded.address), layout };
        Self { open, _guarded: guarded, bench, image }
    }

    /// boltseal signs and verifies, cosign verifies and signs, boltseal verifies that; `more` goes to boltseal, `settings`
    /// to the environment of both, `cosign` to cosign.
    pub fn round_trip(&self, more: &[&str], settings: &[(&str, &str)], cosign: &[&str]) {
        let boltseal = |arguments: &[&str]| {
            let mut command = self.bench.boltseal.command();
            Ran::of(command.envs(settings.iter().copied()).args(arguments).args(more))
        };
        let (tag, index) = (self.image.tag(), self.image.index());
        boltseal(&["verify", "--key", &P256.public(), &tag]).expect(1);
        boltseal(&["sign", "--key", &P256.private(), &tag]).expect(0);
        boltseal(&["verify", "--key", &P256.public(), "--identity", "tag", &tag]).expect(0);
        boltseal(&["verify", "--key", &OTHER.public(), &tag]).expect(1);
        let mut verify = self.bench.tool("cosign");
        verify.envs(settings.iter().copied()).args(["verify", "--insecure-ignore-tlog=true", "--key", &P256.public()]);
        Ran::of(verify.args(cosign).arg(&index)).expect(0);
        let mut sign = self.bench.cosign_command(&OTHER, "sign", crate::bench::CosignFormat::Bundle);
        Ran::of(sign.envs(settings.iter().copied()).args(cosign).arg(&index)).expect(0);
        boltseal(&["verify", "--key", &OTHER.public(), &tag]).expect(0);
    }

    /// What the registry holds, to the byte count.
    pub fn held(&self) -> Vec<(std::path::PathBuf, u64)> {
        tree(&self.open.data())
    }
}

/// Docker's credential file with this entry for the registry; its folder.
pub fn docker_config_with(bench: &Bench, entry: &serde_json::Value) -> String {
    fs::create_dir_all(bench.home().join("docker")).expect("a folder");
    let auths = serde_json::json!({ "auths": { bench.address.as_str(): entry } });
    bench.file("docker/config.json", &auths.to_string());
    bench.home().join("docker").display().to_string()
}

pub fn password(user: &str, password: &str) -> serde_json::Value {
    serde_json::json!({ "auth": STANDARD.encode(format!("{user}:{password}")) })
}

fn guarded() -> (Guarded, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("htpasswd");
    fs::write(&file, HTPASSWD).expect("a file");
    let more = format!("auth: {{htpasswd: {{realm: boltseal, path: {}}}}}\n", file.display());
    (Guarded::start(&more, "app"), folder)
}

fn docker_config() {
    let (guarded, _folder) = guarded();
    let config = docker_config_with(&guarded.bench, &password("alice", "s3cret"));
    guarded.round_trip(&[], &[("DOCKER_CONFIG", &config)], &[]);
}

fn auth_file() {
    let (guarded, _folder) = guarded();
    let config = docker_config_with(&guarded.bench, &password("alice", "s3cret"));
    // cosign reads Docker's file only, and boltseal podman's first.
    let wrong = docker_config_with(&guarded.bench, &password("alice", "s3cret"));
    let file = guarded.bench.file("auth.json", &fs::read_to_string(format!("{config}/config.json")).expect("a file"));
    guarded.round_trip(&[], &[("DOCKER_CONFIG", &wrong), ("REGISTRY_AUTH_FILE", &file)], &[]);
}

fn refused() {
    let (guarded, _folder) = guarded();
    let before = guarded.held();
    let tag = guarded.image.tag();
    let wrong = docker_config_with(&guarded.bench, &password("alice", "guess"));
    for settings in [vec![], vec![("DOCKER_CONFIG", wrong)]] {
        for arguments in [["verify", "--key", &P256.public(), &tag], ["sign", "--key", &P256.private(), &tag]] {
            let mut command = guarded.bench.boltseal.command();
            let ran = Ran::of(command.envs(settings.clone()).args(arguments)).expect(4);
            says(&ran, "credentials");
        }
    }
    assert_eq!(guarded.held(), before);
}
