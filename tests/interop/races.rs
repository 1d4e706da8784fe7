//! Many who sign one image at once: nobody's signature gets lost.

use crate::{
    bench::{Bench, Case, CosignFormat, Image, OTHER, P256, RSA},
    common::{Ran, peers::Kind},
};
use rcgen::KeyPair;
use std::{
    collections::BTreeSet,
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Signers at once.
const SIGNERS: usize = 10;

/// One race at a time: ten processes on two cores are late enough.
static RACE: Mutex<()> = Mutex::new(());

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::on(Kind::DockerRegistry, "ten sign one image at once and all stay, five times", &[], |bench| {
            (1..=5).for_each(|round| ours(bench, round));
        }),
        Case::on(Kind::Refreg, "ten sign one image at once and all stay", &[], |bench| ours(bench, 1)),
    ];
    cases.extend(Case::on_each(
        "ten sign one image while three of cosign do too and ours all stay",
        &["cosign"],
        with_cosign,
    ));
    cases.extend(Case::on_each("ten attest one image at once and all stay", &[], attest));
    cases
}

/// Somebody with a key of their own. It is not encrypted, so that deriving keys does not spread the starts over seconds.
struct Signer {
    private: String,
    public: String,
}

impl Signer {
    fn new(bench: &Bench, number: usize) -> Self {
        let pair = KeyPair::generate().expect("a key");
        Self { private: pair.serialize_pem(), public: bench.file(&format!("{number}.pub"), &pair.public_key_pem()) }
    }

    fn command(&self, bench: &Bench, arguments: &[&str]) -> Command {
        let mut command = bench.boltseal.command();
        command.env("SIGNER", &self.private).args(arguments).args(["--key", "env://SIGNER"]);
        command
    }
}

fn signers(bench: &Bench) -> Vec<Signer> {
    (0..SIGNERS).map(|number| Signer::new(bench, number)).collect()
}

/// Runs all commands at once.
fn at_once(commands: Vec<Command>) {
    let _alone = RACE.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let running: Vec<_> =
            commands.into_iter().map(|mut command| scope.spawn(move || Ran::of(&mut command))).collect();
        for one in running {
            one.join().expect("a finished command").expect(0);
        }
    });
}

fn ours(bench: &Bench, round: usize) {
    let (image, signers) = (bench.push_as(&format!("{}/{round}", bench.repository)), signers(bench));
    at_once(signers.iter().map(|signer| signer.command(bench, &["sign", &image.tag()])).collect());
    for digest in image.digests() {
        let layers = &bench.manifest(&image.attached(digest, ".sig"))["layers"];
        assert_eq!(layers.as_array().map(Vec::len), Some(SIGNERS), "layers under .sig, round {round}");
        if bench.kind == Kind::DockerRegistry {
            let entries = &bench.manifest(&image.attached(digest, ""))["manifests"];
            assert_eq!(entries.as_array().map(Vec::len), Some(SIGNERS), "entries of the fallback tag, round {round}");
        }
        all_are_there(bench, &image.at(digest), &signers);
    }
    for format in ["bundle", "simple"] {
        let again = signers[0].command(bench, &["sign", "-o", "json", "--format", format, &image.tag()]).output();
        let said = String::from_utf8(again.expect("boltseal runs").stdout).expect("text");
        assert!(said.contains("already there") && !said.contains("written"), "{said}");
    }
}

/// Every signer has a bundle and a simple signature on the image.
fn all_are_there(bench: &Bench, reference: &str, signers: &[Signer]) {
    let mut command = bench.boltseal.command();
    command.args(["verify", "-o", "json", "--threshold", &SIGNERS.to_string(), reference]);
    for signer in signers {
        command.args(["--key", &signer.public]);
    }
    let report = Ran::of(&mut command).expect(0).json();
    for format in ["bundle", "simple"] {
        let verified = report["results"][0]["verified"].as_array().into_iter().flatten();
        let keys: BTreeSet<_> =
            verified.filter(|one| one["format"] == format).map(|one| one["signer"]["key"].to_string()).collect();
        assert_eq!(keys.len(), SIGNERS, "{format}s of {reference}");
    }
}

fn with_cosign(bench: &Bench) {
    let (image, signers) = (bench.push(), signers(bench));
    let index = image.index();
    let mut commands: Vec<_> = signers.iter().map(|signer| signer.command(bench, &["sign", &image.tag()])).collect();
    for (key, format) in [(P256, CosignFormat::Bundle), (OTHER, CosignFormat::Legacy), (RSA, CosignFormat::Bundle)] {
        let mut cosign = bench.cosign_command(&key, "sign", format);
        cosign.arg(&index);
        commands.push(cosign);
    }
    at_once(commands);
    for digest in image.digests() {
        all_are_there(bench, &image.at(digest), &signers);
    }
}

fn attest(bench: &Bench) {
    let (image, signers) = (bench.push(), signers(bench));
    let file = bench.file("predicate.json", "{}");
    let arguments =
        ["attest", "--format", "both", "--type", "https://example.com/t", "--predicate", &file, &image.tag()];
    at_once(signers.iter().map(|signer| signer.command(bench, &arguments)).collect());
    attestations(bench, &image, &signers);
}

fn attestations(bench: &Bench, image: &Image, signers: &[Signer]) {
    let layers = &bench.manifest(&image.attached(&image.layout.index, ".att"))["layers"];
    assert_eq!(layers.as_array().map(Vec::len), Some(SIGNERS), "layers under .att");
    for signer in signers {
        let arguments =
            ["verify", "-o", "json", "--type", "https://example.com/t", "--key", &signer.public, &image.tag()];
        let report = bench.boltseal.run(arguments).expect(0).json();
        let verified = report["results"][0]["verified"].as_array().map_or(0, Vec::len);
        assert_eq!(verified, 2, "a bundle and an envelope: {report:#}");
    }
}
