//! Attestations, both ways.

use crate::{
    bench::{Bench, Case, CosignFormat, ED25519, Image, Key, OTHER, P256, RSA, says},
    predicates::{self, content},
};
use serde_json::{Value, json};

/// The types that cosign writes and verifies itself. Its `spdx` makes a string of the document, which nobody reads.
const OF_COSIGN: [&str; 5] = ["custom", "slsaprovenance1", "spdxjson", "cyclonedx", "vuln"];

const V1: &str = "https://in-toto.io/Statement/v1";
const OWN_TYPE: &str = "https://example.com/checked/v1";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in CosignFormat::BOTH {
        let words = format.words();
        let name = format!("cosign attests each type {words}, boltseal verifies");
        cases.extend(Case::on_each(name, &["cosign"], move |bench| cosign_attests(bench, format)));
        let name = format!("an image that carries only an attestation of cosign's {words} is not signed");
        cases.extend(Case::on_each(name, &["cosign"], move |bench| attested_is_not_signed(bench, format)));
    }
    for (format, words) in [("bundle", "as bundles"), ("att", "in cosign's older format"), ("both", "in both formats")]
    {
        let name = format!("boltseal attests each type {words}, cosign verifies");
        cases.extend(Case::on_each(name, &["cosign"], move |bench| boltseal_attests(bench, &P256, format)));
    }
    for key in [RSA, ED25519] {
        let name = format!("boltseal attests each type with a key of type {}, cosign verifies", key.kind);
        cases.extend(Case::on_each(name, &["cosign"], move |bench| boltseal_attests(bench, &key, "bundle")));
    }
    cases.extend(Case::on_each(
        "boltseal attests a ready statement of either version, cosign verifies",
        &["cosign"],
        ready,
    ));
    cases.extend(Case::on_each(
        "boltseal attests one platform's image, cosign verifies it there",
        &["cosign"],
        platform,
    ));
    cases.extend(Case::on_each("an SBOM that cosign attaches is shown, and never counts", &["cosign"], attached_sbom));
    cases
}

/// `.sbom` is unsigned; `cosign sign` of its digest signs that manifest, and no image.
fn attached_sbom(bench: &Bench) {
    let image = bench.push();
    let file = bench.file("sbom.json", content("spdxjson"));
    let words = ["attach", "sbom", "--sbom", &file, "--type", "spdx", "--input-format", "json", &image.child()];
    bench.run("cosign", &words).expect(0);
    let seen = || bench.boltseal.run(["inspect", "-o", "json", &image.tag()]).expect(0).json();
    let sbom = |seen: &Value| {
        let images = seen["root"]["images"].as_array().expect("images");
        let mut beside = images.iter().flat_map(|image| image["beside"].as_array().expect("nodes"));
        let found = beside.next().expect("an SBOM").clone();
        assert!(beside.next().is_none() && found["role"] == "sbom", "{seen:#}");
        found
    };
    let found = sbom(&seen());
    let kinds = |found: &Value| {
        let attachments = found["attachments"].as_array().expect("attachments");
        attachments.iter().map(|one| one["kind"].as_str().expect("a kind").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&found), ["foreign: text/spdx+json"]);
    let digest = image.at(found["digest"].as_str().expect("a digest"));
    bench.cosign_with(&P256, "sign", CosignFormat::Bundle, &[&digest]).expect(0);
    assert_eq!(kinds(&sbom(&seen())), ["bundle", "foreign: text/spdx+json"]);
    bench.boltseal_verify(&P256, &["--platform", "linux/amd64", &image.tag()]).expect(1);
    bench.boltseal_verify(&P256, &["--platform", "linux/amd64", "--type", "spdxjson", &image.tag()]).expect(1);
}

fn cosign_attests(bench: &Bench, format: CosignFormat) {
    let image = bench.push();
    let index = image.index();
    // The broken one first, so that it lies in the way.
    for name in ["spdx"].iter().chain(&OF_COSIGN) {
        let file = bench.file(&format!("{name}.json"), content(name));
        bench.cosign_with(&P256, "attest", format, &["--type", name, "--predicate", &file, &index]).expect(0);
    }
    for name in OF_COSIGN {
        let report = bench.boltseal_verify(&P256, &["-o", "json", "--type", name, &index]).expect(0).json();
        let verified = report["results"][0]["verified"].as_array().cloned().unwrap_or_default();
        assert!(verified.len() >= OF_COSIGN.len(), "{name}: {report:#}");
        bench.boltseal_verify(&OTHER, &["--type", name, &index]).expect(1);
    }
    bench.boltseal_verify(&P256, &["--type", "openvex", &index]).expect(1);
    bench.boltseal_verify(&P256, &["--type", "vuln", &image.child()]).expect(1);
}

fn attested_is_not_signed(bench: &Bench, format: CosignFormat) {
    let image = bench.push();
    let index = image.index();
    let file = bench.file("custom.txt", content("custom"));
    bench.cosign_with(&P256, "attest", format, &["--type", "custom", "--predicate", &file, &index]).expect(0);
    bench.boltseal_verify(&P256, &["--type", "custom", &index]).expect(0);
    says(&bench.boltseal_verify(&P256, &[&index]).expect(1), "denied");
}

fn boltseal_attests(bench: &Bench, key: &Key, format: &str) {
    let image = bench.push();
    for (name, content) in predicates::ALL {
        let file = bench.file(&format!("{name}.json"), content);
        let arguments = ["--format", format, "--type", name, "--predicate", &file, &image.tag()];
        bench.boltseal_with(key, "attest", &arguments).expect(0);
    }
    let index = image.index();
    for (name, _) in predicates::ALL {
        bench.cosign_verify_attestation(key, &["--type", name, &index]).expect(0);
        bench.boltseal_verify(key, &["--type", name, "--identity", "tag", &image.tag()]).expect(0);
    }
    bench.boltseal_verify(key, &[&index]).expect(1);
    assert_ne!(bench.cosign_verify_attestation(&OTHER, &["--type", "custom", &index]).code, 0);
}

fn ready(bench: &Bench) {
    for version in [V1, "https://in-toto.io/Statement/v0.1"] {
        for format in ["bundle", "att"] {
            // An image each: cosign passes the older format over where there is a bundle.
            let image = bench.push_as(&format!("{}/{format}-{}", bench.repository, version.len()));
            let file = bench.file("statement.json", &statement(&image, version).to_string());
            bench.boltseal_with(&P256, "attest", &["--format", format, "--statement", &file, &image.tag()]).expect(0);
            bench.boltseal_verify(&P256, &["--type", OWN_TYPE, &image.tag()]).expect(0);
            bench.cosign_verify_attestation(&P256, &["--type", OWN_TYPE, &image.index()]).expect(0);
        }
    }
    let image = bench.push();
    let file = bench.file("statement.json", &statement(&image, V1).to_string());
    bench.boltseal_with(&P256, "attest", &["--statement", &file, &image.child()]).expect(3);
    bench.boltseal_verify(&P256, &["--type", OWN_TYPE, &image.child()]).expect(1);
}

fn statement(image: &Image, version: &str) -> Value {
    let hex = image.layout.index.split_once(':').map_or("", |(_, hex)| hex);
    json!({
        "_type": version, "subject": [{ "name": image.name, "digest": { "sha256": hex } }],
        "predicateType": OWN_TYPE, "predicate": { "ok": true },
    })
}

fn platform(bench: &Bench) {
    let image = bench.push();
    let file = bench.file("sbom.json", content("spdxjson"));
    let arguments = ["--type", "spdxjson", "--predicate", &file, "--platform", "linux/amd64", &image.tag()];
    bench.boltseal_with(&P256, "attest", &arguments).expect(0);
    bench.cosign_verify_attestation(&P256, &["--type", "spdxjson", &image.child()]).expect(0);
    bench.boltseal_verify(&P256, &["--type", "spdxjson", "--platform", "linux/amd64", &image.tag()]).expect(0);
    bench.boltseal_verify(&P256, &["--type", "spdxjson", "--platform", "linux/arm64", &image.tag()]).expect(1);
    bench.boltseal_verify(&P256, &["--type", "spdxjson", &image.tag()]).expect(1);
}
