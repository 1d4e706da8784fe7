//! Sigstore's clients for npm and PyPI against the private Sigstore of the tests: they sign with its services, and verify
//! what is made there.

use crate::{
    bench::{Case, says, text},
    common::{Boltseal, Ran, peers},
    keyless,
    sigstore::{Hash, Identity, Logged, PrivateSigstore, Signing, server::Sigstore},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fs;

const CONTENT: &str = "shop/cart 1.0";
const JANE: &str = "jane@example.com";
const JOE: &str = "joe@example.com";
const IN_TOTO: &str = "application/vnd.in-toto+json";

pub fn cases() -> Vec<Case> {
    let (npm, pypi) = (&["npm-sigstore", "cosign"], &["pypi-sigstore", "cosign"]);
    let mut cases = vec![
        Case::new("npm's client verifies what a private Sigstore makes", &npm[..1], npm_verifies),
        Case::new("PyPI's client verifies what a private Sigstore makes", &pypi[..1], pypi_verifies),
    ];
    for rekor in [1, 2] {
        let name = |whose: &str| format!("{whose} client signs against a private Sigstore, Rekor v{rekor}");
        cases.push(Case::new(name("npm's"), npm, move || npm_signs(rekor)));
        cases.push(Case::new(name("PyPI's"), pypi, move || pypi_signs(rekor)));
        let name =
            |whose: &str| format!("boltseal signs a file without a key, Rekor v{rekor}; {whose} client verifies");
        let npm_reads = move || boltseal_signs(rekor, |desk, who| desk.npm("signed.json", who, &["blob"]));
        cases.push(Case::new(name("npm's"), &npm[..1], npm_reads));
        let pypi_reads = move || boltseal_signs(rekor, |desk, who| desk.pypi("signed.json", who));
        cases.push(Case::new(name("PyPI's"), &pypi[..1], pypi_reads));
    }
    cases
}

/// A folder with trust, a blob and a statement of it.
struct Desk {
    home: tempfile::TempDir,
    issuer: String,
}

impl Desk {
    fn new(started: &Sigstore) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        started.write(home.path(), JANE);
        let desk = Self { home, issuer: started.url.clone() };
        desk.file("blob", CONTENT);
        desk.file("statement.json", &statement().to_string());
        desk
    }

    fn file(&self, name: &str, content: &str) {
        fs::write(self.home.path().join(name), content).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).expect("a file")
    }

    fn run(&self, tool: &str, arguments: &[&str]) -> Ran {
        Ran::of(peers::tool(tool, self.home.path()).args(arguments))
    }

    /// npm's client; without the blob for an envelope.
    fn npm(&self, bundle: &str, who: &str, blob: &[&str]) -> Ran {
        self.run("npm-sigstore", &[&["verify", "trusted_root.json", bundle, who, &self.issuer], blob].concat())
    }

    fn pypi(&self, bundle: &str, who: &str) -> Ran {
        let trust = ["--trust-config", "trust_config.json", "verify", "identity", "--bundle", bundle];
        self.run(
            "pypi-sigstore",
            &[&trust[..], &["--cert-identity", who, "--cert-oidc-issuer", &self.issuer, "blob"]].concat(),
        )
    }

    /// boltseal verifies it for Jane, and for nobody else, and of no other file.
    fn ours(&self, bundle: &str) {
        let run = |who| keyless::ours(self.home.path(), bundle, who, &self.issuer);
        run(JANE).expect(0);
        run(JOE).expect(1);
        self.file("blob", "shop/cart 1.1");
        run(JANE).expect(1);
        self.file("blob", CONTENT);
    }

    fn cosign(&self, verb: &str, bundle: &str, more: &[&str]) -> Ran {
        let root = text(&self.home.path().join("trusted_root.json"));
        let who = ["--certificate-identity", JANE, "--certificate-oidc-issuer", &self.issuer];
        let arguments = [verb, "--bundle", bundle, "--trusted-root", &root, "--use-signed-timestamps"];
        self.run("cosign", &[&arguments[..], &who, more, &["blob"]].concat())
    }
}

fn statement() -> Value {
    let digest = hex::encode(Hash::Sha256.of(CONTENT.as_bytes()));
    json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": [{ "name": "blob", "digest": { "sha256": digest } }],
        "predicateType": "https://slsa.dev/provenance/v1", "predicate": {},
    })
}

fn signing(started: &Sigstore) -> Signing<'_> {
    let who = Identity::email(&started.url, JANE);
    Signing::keyless(&started.services, who, Timestamp::now() - SignedDuration::from_mins(5)).stamped()
}

fn npm_signs(rekor: u32) {
    let started = Sigstore::start_blocking();
    let desk = Desk::new(&started);
    let config = format!("signing_config_rekor{rekor}.json");
    desk.run("npm-sigstore", &["sign", &config, "token", "signed.json", "blob"]).expect(0);
    desk.npm("signed.json", JANE, &["blob"]).expect(0);
    desk.npm("signed.json", JOE, &["blob"]).expect(1);
    desk.cosign("verify-blob", "signed.json", &[]).expect(0);
    desk.ours("signed.json");

    desk.run("npm-sigstore", &["attest", &config, "token", "attested.json", "statement.json", IN_TOTO]).expect(0);
    desk.npm("attested.json", JANE, &[]).expect(0);
    desk.ours("attested.json");
    let bundle: Value = serde_json::from_str(&desk.read("attested.json")).expect("JSON");
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0]["kindVersion"];
    assert_eq!(*entry, json!({ "kind": "dsse", "version": format!("0.0.{rekor}") }));
    // cosign of today does not read the entries that npm's client writes to Rekor v2.
    let code = if rekor == 1 { 0 } else { 1 };
    desk.cosign("verify-blob-attestation", "attested.json", &["--type", "slsaprovenance1"]).expect(code);
    refused_nothing(&started);
}

fn pypi_signs(rekor: u32) {
    let started = Sigstore::start_blocking();
    let desk = Desk::new(&started);
    let (token, rekor) = (desk.read("token"), rekor.to_string());
    let arguments = ["--rekor-version", &rekor, "--identity-token", &token, "--bundle", "signed.json", "blob"];
    desk.run("pypi-sigstore", &[&["--trust-config", "trust_config.json", "sign"], &arguments[..]].concat()).expect(0);
    desk.pypi("signed.json", JANE).expect(0);
    desk.pypi("signed.json", JOE).expect(1);
    desk.cosign("verify-blob", "signed.json", &[]).expect(0);
    desk.ours("signed.json");
    refused_nothing(&started);
}

fn boltseal_signs(rekor: u32, verify: fn(&Desk, &str) -> Ran) {
    let started = Sigstore::start_blocking();
    let desk = Desk::new(&started);
    let path = |name: &str| text(&desk.home.path().join(name));
    let boltseal = Boltseal::new();
    let mut command = boltseal.command();
    command.args(["blob", "sign", "-y", "--bundle", &path("signed.json"), "--identity-token", &path("token")]);
    command.args(["--signing-config", &path(&format!("signing_config_rekor{rekor}.json"))]);
    command.args(["--trusted-root", &path("trusted_root.json"), &path("blob")]);
    Ran::of(&mut command).expect(0);
    verify(&desk, JANE).expect(0);
    verify(&desk, JOE).expect(1);
    desk.file("blob", "shop/cart 1.1");
    verify(&desk, JANE).expect(1);
    refused_nothing(&started);
}

fn npm_verifies() {
    let started = Sigstore::start_blocking();
    let desk = Desk::new(&started);
    for logged in [Logged::Rekor1, Logged::Rekor2] {
        desk.file("bundle.json", &signing(&started).logged(&[logged]).blob(CONTENT.as_bytes()).to_string());
        desk.npm("bundle.json", JANE, &["blob"]).expect(0);
        desk.file("other", "shop/cart 1.1");
        desk.npm("bundle.json", JANE, &["other"]).expect(1);
    }
    for logged in [Logged::Rekor1, Logged::Rekor1Intoto, Logged::Rekor2Dsse] {
        desk.file("bundle.json", &signing(&started).logged(&[logged]).statement(&statement()).to_string());
        desk.npm("bundle.json", JANE, &[]).expect(0);
    }
    // The client of today does not read what cosign writes to Rekor v2.
    desk.file("bundle.json", &signing(&started).logged(&[Logged::Rekor2]).statement(&statement()).to_string());
    says(&desk.npm("bundle.json", JANE, &[]).expect(1), "digest");
    a_stranger_s(&desk, &|| desk.npm("bundle.json", JANE, &["blob"]));
}

fn pypi_verifies() {
    let started = Sigstore::start_blocking();
    let desk = Desk::new(&started);
    for logged in [Logged::Rekor1, Logged::Rekor2] {
        desk.file("bundle.json", &signing(&started).logged(&[logged]).blob(CONTENT.as_bytes()).to_string());
        desk.pypi("bundle.json", JANE).expect(0);
    }
    a_stranger_s(&desk, &|| desk.pypi("bundle.json", JANE));
}

/// The same signature of another instance is refused.
fn a_stranger_s(desk: &Desk, verify: &dyn Fn() -> Ran) {
    let stranger = PrivateSigstore::new();
    let who = Identity::email(&desk.issuer, JANE);
    let signing = Signing::keyless(&stranger, who, Timestamp::now() - SignedDuration::from_mins(5)).stamped();
    desk.file("bundle.json", &signing.blob(CONTENT.as_bytes()).to_string());
    verify().expect(1);
}

fn refused_nothing(started: &Sigstore) {
    assert!(started.requests().iter().all(|request| request.refusal.is_none()), "{:?}", started.requests());
}
