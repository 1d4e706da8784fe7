//! What boltseal signs, cosign verifies.

use crate::{
    bench::{Bench, Case, CosignFormat, ED25519, Key, OTHER, P256, P384, RSA, says},
    common::Ran,
};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // cosign's own Ed25519 signatures are of another kind (Ed25519ph), which it does not verify.
    for key in [P256, RSA, ED25519] {
        for format in ["bundle", "simple", "both"] {
            let name = format!("boltseal signs with a key of type {}, format {format}, cosign verifies", key.kind);
            cases.extend(Case::on_each(name, &["cosign"], move |bench| signs(bench, key, format)));
        }
    }
    for format in ["bundle", "simple"] {
        let name =
            format!("boltseal signs with a key of type P-384, format {format}, cosign verifies when told the digest");
        cases.extend(Case::on_each(name, &["cosign"], move |bench| signs_with_p384(bench, format)));
    }
    cases.extend(Case::on_each("signing twice adds nothing, to cosign's signatures neither", &["cosign"], twice));
    cases
}

fn signs(bench: &Bench, key: Key, format: &str) {
    let image = bench.push();
    bench.boltseal_sign(&key, &["--format", format, "-a", "env=prod", &image.tag()]).expect(0);
    for digest in image.digests() {
        let reference = image.at(digest);
        bench.cosign_verify(&key, &["-a", "env=prod", &reference]).expect(0);
        bench.boltseal_verify(&key, &["--identity", "tag", &format!("{}:v1@{digest}", image.name)]).expect(0);
    }
    let index = image.index();
    // What warns of a key that others do not read does not warn of this one.
    let quiet = bench.boltseal_sign(&key, &["--format", format, &image.tag()]).expect(0);
    assert!(!quiet.stderr.contains("podman"), "{}", quiet.stderr);
    assert_ne!(bench.cosign_verify(&key, &["-a", "env=dev", &index]).code, 0);
    assert_ne!(bench.cosign_verify(&OTHER, &[&index]).code, 0);
    bench.boltseal_verify(&OTHER, &[&index]).expect(1);
}

fn signs_with_p384(bench: &Bench, format: &str) {
    let image = bench.push();
    let mut command = bench.boltseal.command();
    command.env("BOLTSEAL_PASSWORD", "pw").args(["sign", "--key", &P384.private(), "--format", format, &image.tag()]);
    says(&Ran::of(&mut command).expect(0), "only with --signature-digest-algorithm, podman and skopeo never");
    for digest in image.digests() {
        let reference = image.at(digest);
        assert_ne!(bench.cosign_verify(&P384, &[&reference]).code, 0);
        bench.cosign_verify(&P384, &["--signature-digest-algorithm", "sha384", &reference]).expect(0);
        bench.boltseal_verify(&P384, &[&reference]).expect(0);
    }
}

fn twice(bench: &Bench) {
    let image = bench.push();
    let reference = image.index();
    bench.cosign_with(&P256, "sign", CosignFormat::Bundle, &[&reference]).expect(0);
    bench.cosign_with(&P256, "sign", CosignFormat::Legacy, &[&reference]).expect(0);
    let written = |expected: &str| {
        let report = bench.boltseal_sign(&P256, &["-o", "json", "--index-only", &image.tag()]).expect(0).json();
        let signed = &report["results"][0]["signed"][0];
        assert_eq!((signed["bundle"].as_str(), signed["simple"].as_str()), (Some(expected), Some(expected)));
    };
    let layers =
        || bench.manifest(&image.attached(&image.layout.index, ".sig"))["layers"].as_array().map_or(0, Vec::len);
    // cosign's name no tag; ours do, so they say more and are added.
    written("written");
    assert_eq!(layers(), 2);
    written("already there");
    assert_eq!(layers(), 2);
    bench.cosign_verify(&P256, &[&reference]).expect(0);
}
