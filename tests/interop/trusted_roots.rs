//! A private Sigstore's trusted root: made by cosign and used by boltseal, made by boltseal and used by cosign.

use crate::{
    bench::Case,
    common::{Boltseal, Ran, peers},
    instance::{IDENTITY, ISSUER, Sigstore},
};
use boltseal::oci::Digest;
use serde_json::Value;
use std::fs;

const TERMS: [&str; 5] =
    ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER, "--insecure-ignore-sct"];
const SERVICES: [&str; 6] = [
    "--fulcio",
    "url=https://fulcio.corp.example,certificate-chain=fulcio.pem",
    "--rekor",
    "url=https://rekor.corp.example,public-key=rekor.pub,start-time=2024-01-01T00:00:00Z",
    "--ctfe",
    "url=https://ct.corp.example,public-key=rekor.pub,start-time=2024-01-01T00:00:00Z,end-time=2034-01-01T00:00:00Z",
];

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("boltseal and cosign make the same trusted root of the same arguments", &["cosign"], the_same),
        Case::new("cosign makes a trusted root, boltseal verifies by it", &["cosign"], cosign_makes),
        Case::new("boltseal makes a trusted root, cosign verifies by it", &["cosign"], boltseal_makes),
    ]
}

/// A machine with the services' files, and `app` with its bundle `app.json`.
fn machine() -> Boltseal {
    let (machine, sigstore) = (Boltseal::new(), Sigstore::new());
    let home = machine.home.path();
    sigstore.write(home);
    let bundle = sigstore.bundle(&Digest::sha256(b"an app"));
    fs::write(home.join("app"), "an app").expect("a file");
    fs::write(home.join("other"), "another app").expect("a file");
    fs::write(home.join("app.json"), bundle).expect("a file");
    machine
}

fn boltseal_verifies(machine: &Boltseal, root: &[&str], file: &str) -> Ran {
    let command = ["blob", "verify", "--bundle", "app.json"];
    machine.run([&command[..], &TERMS, root, &[file]].concat())
}

fn cosign_verifies(machine: &Boltseal, more: &[&str], file: &str) -> Ran {
    let mut command = peers::tool("cosign", machine.home.path());
    command.args(["verify-blob-attestation", "--bundle", "app.json", "--type", "https://sigstore.dev/cosign/sign/v1"]);
    Ran::of(command.args(TERMS).args(more).arg(file))
}

fn cosign_creates(machine: &Boltseal) {
    let mut command = peers::tool("cosign", machine.home.path());
    Ran::of(command.args(["trusted-root", "create"]).args(SERVICES).args(["--out", "cosign.json"])).expect(0);
}

fn boltseal_creates(machine: &Boltseal) {
    machine.run([&["root", "create"], &SERVICES[..], &["--out", "boltseal.json"]].concat()).expect(0);
}

fn the_same() {
    let machine = machine();
    cosign_creates(&machine);
    boltseal_creates(&machine);
    let read = |file: &str| {
        let text = fs::read(machine.home.path().join(file)).expect("a file");
        serde_json::from_slice::<Value>(&text).expect("JSON")
    };
    let (mut theirs, mut ours) = (read("cosign.json"), read("boltseal.json"));
    // cosign leaves an empty organization out.
    for root in [&mut theirs, &mut ours] {
        let subject = root["certificateAuthorities"][0]["subject"].as_object_mut().expect("a subject");
        subject.retain(|_, value| *value != "");
    }
    assert_eq!(theirs, ours);
}

fn cosign_makes() {
    let machine = machine();
    cosign_creates(&machine);
    boltseal_verifies(&machine, &["--trusted-root", "cosign.json"], "app").expect(0);
    boltseal_verifies(&machine, &["--trusted-root", "cosign.json"], "other").expect(1);
}

fn boltseal_makes() {
    let machine = machine();
    boltseal_creates(&machine);
    cosign_verifies(&machine, &["--trusted-root", "boltseal.json"], "app").expect(0);
    assert_ne!(cosign_verifies(&machine, &["--trusted-root", "boltseal.json"], "other").code, 0);
    // Without anything but the keys, what boltseal makes is read too.
    machine.run(["root", "create", "--fulcio", "fulcio.pem", "--rekor", "rekor.pub", "--out", "least.json"]).expect(0);
    cosign_verifies(&machine, &["--trusted-root", "least.json"], "app").expect(0);
}
