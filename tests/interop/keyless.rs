//! cosign against the private Sigstore of the tests: it verifies what is made there, and signs with its services.

use crate::{
    bench::{Bench, Case, text},
    common::{Boltseal, Ran, peers},
    sigstore::{
        CaOptions, EVER, Identity, Key, Kind, Logged, Options, PrivateSigstore, Signing, Witness,
        server::{Endpoint, Sigstore},
    },
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{fs, path::Path};

const NEEDS: [&str; 1] = ["cosign"];
const CONTENT: &[u8] = b"shop/cart 1.0";
const ISSUER: &str = "https://issuer.test";
pub const JANE: &str = "jane@example.com";
const STAMPED: &str = "--use-signed-timestamps";

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("cosign verifies keyless bundles that a private Sigstore makes", &NEEDS, verifies_keyless),
        Case::new("cosign verifies bundles of keys that a private Sigstore makes", &NEEDS, verifies_keyed),
    ];
    for rekor in [1, 2] {
        let name = format!("cosign signs a blob against a private Sigstore, Rekor v{rekor}");
        cases.push(Case::new(name, &NEEDS, move || signs_a_blob(rekor)));
        let name = format!("cosign signs an image against a private Sigstore, Rekor v{rekor}");
        cases.extend(Case::on_each(name, &NEEDS, move |bench| signs_an_image(bench, rekor)));
    }
    cases
}

/// A folder with a blob, where cosign works.
struct Desk {
    home: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { home: tempfile::tempdir().expect("a folder") };
        desk.file("blob", CONTENT);
        desk
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.home.path().join(name);
        fs::write(&path, content).expect("a file");
        text(&path)
    }

    /// `cosign VERB` of the blob with a bundle and this trust.
    fn verify(&self, verb: &str, (sigstore, bundle): (&PrivateSigstore, &Value), more: &[&str]) -> Ran {
        let root = self.file("trusted_root.json", sigstore.trusted_root().to_string().as_bytes());
        let bundle = self.file("bundle.json", bundle.to_string().as_bytes());
        let mut command = peers::tool("cosign", self.home.path());
        command.args([verb, "--bundle", &bundle, "--trusted-root", &root]).args(more).arg("blob");
        Ran::of(&mut command)
    }
}

/// Arguments for somebody's certificate.
pub fn by<'a>(who: &'a str, issuer: &'a str) -> [&'a str; 4] {
    ["--certificate-identity", who, "--certificate-oidc-issuer", issuer]
}

fn now() -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(5)
}

fn statement() -> Value {
    let digest = hex::encode(crate::sigstore::Hash::Sha256.of(CONTENT));
    json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": [{ "name": "cart", "digest": { "sha256": digest } }],
        "predicateType": "https://slsa.dev/provenance/v1", "predicate": {},
    })
}

fn verifies_keyless() {
    let (desk, mut sigstore) = (Desk::new(), PrivateSigstore::new());
    sigstore.rekor2.witnesses = vec![Witness::new("witness.test", now())];
    let one = || Signing::keyless(&sigstore, Identity::email(ISSUER, JANE), now());
    let verify = |verb: &str, bundle: &Value, more: &[&str]| desk.verify(verb, (&sigstore, bundle), more);
    let stamped = [&by(JANE, ISSUER)[..], &[STAMPED]].concat();
    verify("verify-blob", &one().blob(CONTENT), &by(JANE, ISSUER)).expect(0);
    verify("verify-blob", &one().blob(CONTENT), &by("joe@example.com", ISSUER)).expect(1);
    verify("verify-blob", &one().blob(b"shop/cart 1.1"), &by(JANE, ISSUER)).expect(1);
    verify("verify-blob", &one().rekor2().blob(CONTENT), &stamped).expect(0);
    let slsa = ["--type", "slsaprovenance1"];
    verify("verify-blob-attestation", &one().statement(&statement()), &[&by(JANE, ISSUER)[..], &slsa].concat())
        .expect(0);
    verify("verify-blob-attestation", &one().rekor2().statement(&statement()), &[&stamped[..], &slsa].concat())
        .expect(0);
    let npm = one().rekor2().logged(&[Logged::Rekor2Dsse]).statement(&statement());
    verify("verify-blob-attestation", &npm, &[&stamped[..], &slsa].concat()).expect(1);
    // RFC 3161 allows fractions of seconds, and so does cosign.
    let mut fraction = one().rekor2();
    fraction.stamps[0].fraction = ".25".to_owned();
    verify("verify-blob", &fraction.blob(CONTENT), &stamped).expect(0);
    for logged in [Logged::Rekor1, Logged::Rekor2] {
        let p384 = Signing { key: Key::new(Kind::P384), ..one() }.stamped().logged(&[logged]);
        verify("verify-blob", &p384.blob(CONTENT), &stamped).expect(0);
    }
    let mut late = one().rekor2();
    late.stamps[0].time += SignedDuration::from_hours(1);
    verify("verify-blob", &late.blob(CONTENT), &stamped).expect(1);
    let old = (EVER.0, now() - SignedDuration::from_hours(1));
    let ca = CaOptions { intermediate: old, ..CaOptions::default() };
    let expired = PrivateSigstore::with(&Options { ca, ..Options::default() });
    let bundle = Signing::keyless(&expired, Identity::email(ISSUER, JANE), now()).blob(CONTENT);
    desk.verify("verify-blob", (&expired, &bundle), &by(JANE, ISSUER)).expect(1);
    desk.verify("verify-blob", (&PrivateSigstore::new(), &one().blob(CONTENT)), &by(JANE, ISSUER)).expect(1);
}

fn verifies_keyed() {
    let (desk, sigstore) = (Desk::new(), PrivateSigstore::new());
    let stranger = desk.file("stranger.pub", Key::p256().pem().as_bytes());
    // P-384 is missing: cosign takes SHA-256 for every key that it is given, and SHA-384 for one in a certificate.
    let key = Key::p256();
    let public = desk.file("key.pub", key.pem().as_bytes());
    let signing = Signing::keyed(&sigstore, key, now());
    let bundle = signing.blob(CONTENT);
    desk.verify("verify-blob", (&sigstore, &bundle), &["--key", &public]).expect(0);
    desk.verify("verify-blob", (&sigstore, &bundle), &["--key", &stranger]).expect(1);
    let bundle = signing.rekor2().blob(CONTENT);
    desk.verify("verify-blob", (&sigstore, &bundle), &["--key", &public, STAMPED]).expect(0);
}

/// cosign's arguments for signing with these services; `token` is good for an hour.
pub fn signing_arguments(started: &Sigstore, folder: &Path, rekor: u32) -> Vec<String> {
    started.write(folder, JANE);
    let file = |name: &str| text(&folder.join(name));
    let config = format!("signing_config_rekor{rekor}.json");
    let pairs = [("identity-token", "token"), ("trusted-root", "trusted_root.json"), ("signing-config", &config)];
    pairs.into_iter().flat_map(|(option, name)| [format!("--{option}"), file(name)]).collect()
}

/// `boltseal blob verify` of the blob, all of it in this folder.
pub fn ours(folder: &Path, bundle: &str, who: &str, issuer: &str) -> Ran {
    let mut command = Boltseal::new().command();
    command.args(["blob", "verify", "--bundle", bundle, "--trusted-root", "trusted_root.json"]);
    Ran::of(command.args(by(who, issuer)).arg("blob").current_dir(folder))
}

fn signs_a_blob(rekor: u32) {
    let (desk, started) = (Desk::new(), Sigstore::start_blocking());
    let arguments = signing_arguments(&started, desk.home.path(), rekor);
    let mut command = peers::tool("cosign", desk.home.path());
    Ran::of(command.arg("sign-blob").args(arguments).args(["--bundle", "signed.json", "blob"])).expect(0);
    let bundle = fs::read_to_string(desk.home.path().join("signed.json")).expect("a bundle");
    let bundle: Value = serde_json::from_str(&bundle).expect("JSON");
    let kinds: Vec<_> = bundle["verificationMaterial"]["tlogEntries"].as_array().expect("entries").iter().collect();
    assert_eq!((kinds.len(), &kinds[0]["kindVersion"]["kind"]), (1, &json!("hashedrekord")));
    let mine = (&*started.services, &bundle);
    desk.verify("verify-blob", mine, &[&by(JANE, &started.url)[..], &[STAMPED]].concat()).expect(0);
    desk.verify("verify-blob", mine, &[&by(JANE, ISSUER)[..], &[STAMPED]].concat()).expect(1);
    ours(desk.home.path(), "signed.json", JANE, &started.url).expect(0);
    ours(desk.home.path(), "signed.json", "joe@example.com", &started.url).expect(1);
    ours(desk.home.path(), "signed.json", JANE, ISSUER).expect(1);
    asked_once(&started, rekor);
}

fn signs_an_image(bench: &Bench, rekor: u32) {
    let started = Sigstore::start_blocking();
    let arguments = signing_arguments(&started, bench.home(), rekor);
    let image = bench.push();
    let reference = image.index();
    Ran::of(bench.tool("cosign").arg("sign").args(&arguments).arg(&reference)).expect(0);
    asked_once(&started, rekor);
    let root = text(&bench.home().join("trusted_root.json"));
    let verify = |verb: &str, who: &str, more: &[&str]| {
        let common = [verb, "--trusted-root", &root, STAMPED, "--new-bundle-format"];
        bench.run("cosign", &[&common[..], &by(who, &started.url), more, &[&reference]].concat())
    };
    verify("verify", JANE, &[]).expect(0);
    verify("verify", "joe@example.com", &[]).expect(1);
    let predicate = bench.file("predicate.json", "{\"passed\": true}");
    let attest = ["--type", "https://example.com/tests", "--predicate", &predicate, &reference];
    Ran::of(bench.tool("cosign").arg("attest").args(&arguments).args(attest)).expect(0);
    verify("verify-attestation", JANE, &["--type", "https://example.com/tests"]).expect(0);
}

/// Each service was asked once, and refused nothing.
fn asked_once(started: &Sigstore, rekor: u32) {
    let log = if rekor == 1 { Endpoint::Rekor1 } else { Endpoint::Rekor2 };
    for endpoint in [Endpoint::Fulcio, log, Endpoint::Timestamp] {
        assert_eq!(started.count(endpoint), 1, "{endpoint:?}: {:?}", started.requests());
    }
    assert!(started.requests().iter().all(|request| request.refusal.is_none()), "{:?}", started.requests());
}
