//! skopeo's policy reads what boltseal signs, and boltseal what skopeo signs. podman, CRI-O and OpenShift share its code.

use crate::{
    bench::{Bench, Case, CosignFormat, ED25519, Image, Key, OTHER, P256, RSA, says},
    common::Ran,
};
use serde_json::{Value, json};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // P-384 is not among them: containers/image hashes with SHA-256 whatever the curve.
    for key in [P256, RSA, ED25519] {
        let name = format!("boltseal signs with a key of type {}, skopeo's policy lets a copy pass", key.kind);
        cases.extend(Case::on_each(name, &["skopeo"], move |bench| reads(bench, &key)));
    }
    cases.extend(Case::on_each(
        "skopeo refuses a copy under another tag than the signed one",
        &["skopeo"],
        another_tag,
    ));
    cases.extend(Case::on_each("a bundle alone is nothing to skopeo", &["skopeo"], bundle_alone));
    for key in [P256, RSA] {
        let name = format!("skopeo signs with a key of type {}, boltseal verifies with identity tag", key.kind);
        cases.extend(Case::on_each(name, &["skopeo"], move |bench| writes(bench, &key)));
    }
    cases.extend(Case::on_each(
        "skopeo, cosign and boltseal sign under the same tag and all stay",
        &["skopeo", "cosign"],
        side_by_side,
    ));
    cases
}

/// `skopeo copy` into a folder, under a policy that asks for a signature of `key` on everything.
fn copy(bench: &Bench, key: &Key, identity: Option<&str>, more: &[&str], from: &str) -> Ran {
    let mut asked = json!({ "type": "sigstoreSigned", "keyPath": key.public() });
    if let Some(identity) = identity {
        asked["signedIdentity"] = json!({ "type": identity });
    }
    let signed: Value = json!([asked]);
    let policy =
        json!({ "default": [{ "type": "reject" }], "transports": { "docker": { bench.address.as_str(): signed } } });
    let policy = bench.file("policy.json", &policy.to_string());
    let to = tempfile::tempdir_in(bench.home()).expect("a folder");
    let mut command = bench.tool("skopeo");
    command.args(["--policy", &policy, "--registries.d", &attachments(bench), "copy", "--src-tls-verify=false"]);
    Ran::of(command.args(more).args([format!("docker://{from}"), format!("dir:{}", to.path().display())]))
}

/// The folder of the setting without which skopeo does not look for `.sig`.
fn attachments(bench: &Bench) -> String {
    std::fs::create_dir_all(bench.home().join("registries.d")).expect("a folder");
    bench.file(
        "registries.d/default.yaml",
        &format!("docker:\n  {}:\n    use-sigstore-attachments: true\n", bench.address),
    );
    bench.home().join("registries.d").display().to_string()
}

fn reads(bench: &Bench, key: &Key) {
    let image = bench.push();
    bench.boltseal_sign(key, &[&image.tag()]).expect(0);
    for identity in [None, Some("matchRepository")] {
        copy(bench, key, identity, &[], &image.tag()).expect(0);
        copy(bench, key, identity, &["--all"], &image.tag()).expect(0);
        copy(bench, key, identity, &[], &image.index()).expect(0);
        copy(bench, key, identity, &[], &image.child()).expect(0);
        says(
            &copy(bench, &OTHER, identity, &[], &image.tag()).expect(1),
            "cryptographic signature verification failed",
        );
    }
}

fn another_tag(bench: &Bench) {
    let image = bench.push();
    bench.boltseal_sign(&P256, &[&image.tag()]).expect(0);
    bench.run("oras", &["tag", "--plain-http", &image.tag(), "v2"]).expect(0);
    let moved = format!("{}:v2", image.name);
    says(&copy(bench, &P256, None, &[], &moved).expect(1), "is not accepted");
    copy(bench, &P256, Some("matchRepository"), &[], &moved).expect(0);
    bench.boltseal_verify(&P256, &["--identity", "tag", &moved]).expect(1);
    bench.boltseal_verify(&P256, &["--identity", "repository", &moved]).expect(0);
    // Signed once more, for the other tag: each is accepted under its own name.
    bench.boltseal_sign(&P256, &[&moved]).expect(0);
    copy(bench, &P256, None, &["--all"], &moved).expect(0);
    copy(bench, &P256, None, &["--all"], &image.tag()).expect(0);
}

fn bundle_alone(bench: &Bench) {
    let image = bench.push();
    bench.boltseal_sign(&P256, &["--format", "bundle", &image.tag()]).expect(0);
    says(&copy(bench, &P256, None, &[], &image.tag()).expect(1), "no signature exists");
    bench.boltseal_verify(&P256, &[&image.tag()]).expect(0);
}

fn writes(bench: &Bench, key: &Key) {
    let image = bench.push();
    let signed = skopeo_sign(bench, key, &image);
    for digest in signed.digests() {
        let reference = format!("{}:v1@{digest}", signed.name);
        bench.boltseal_verify(key, &["--identity", "tag", &reference]).expect(0);
        bench.boltseal_verify(&OTHER, &[&reference]).expect(1);
    }
    bench.boltseal_verify(key, &["--identity", "tag", &signed.tag()]).expect(0);
    bench.boltseal_verify(key, &[&image.tag()]).expect(1);
}

/// Copies an image with all its platforms to `…/signed`, signing on the way.
fn skopeo_sign(bench: &Bench, key: &Key, image: &Image) -> Image {
    let signed = Image { name: format!("{}/signed", image.name), layout: image.layout.clone() };
    let passphrase = bench.file("passphrase", key.password());
    let mut command = bench.tool("skopeo");
    command.args(["--insecure-policy", "--registries.d", &attachments(bench), "copy", "--all", "--preserve-digests"]);
    command.args([
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--sign-by-sigstore-private-key",
        &key.private(),
    ]);
    command.args(["--sign-passphrase-file", &passphrase]);
    command.args([format!("docker://{}", image.tag()), format!("docker://{}", signed.tag())]);
    Ran::of(&mut command).expect(0);
    signed
}

fn side_by_side(bench: &Bench) {
    let image = skopeo_sign(bench, &RSA, &bench.push());
    bench.boltseal_sign(&P256, &[&image.tag()]).expect(0);
    bench.cosign_with(&OTHER, "sign", CosignFormat::Legacy, &[&image.index()]).expect(0);
    let layers = bench.manifest(&image.attached(&image.layout.index, ".sig"));
    assert_eq!(layers["layers"].as_array().map(Vec::len), Some(3), "{layers:#}");
    for key in [RSA, P256] {
        copy(bench, &key, None, &["--all"], &image.tag()).expect(0);
    }
    let keys = [P256, RSA, OTHER].map(|key| ["--key".to_owned(), key.public()]).concat();
    let three = ["verify", "--threshold", "3", &image.index()].map(str::to_owned);
    bench.boltseal.run([&three[..], &keys].concat()).expect(0);
}
