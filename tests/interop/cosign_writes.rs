//! What cosign signs, boltseal verifies.

use crate::{
    bench::{Bench, Case, CosignFormat, ED25519, Key, OTHER, P256, P384, RSA, says},
    common::Ran,
};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for key in [P256, RSA, P384, ED25519] {
        for format in CosignFormat::BOTH {
            let name = format!("cosign signs with a key of type {} {}, boltseal verifies", key.kind, format.words());
            cases.extend(Case::on_each(name, &["cosign"], move |bench| signs(bench, key, format)));
        }
    }
    cases.extend(Case::on_each("cosign signs a tag and its digest is verified", &["cosign"], by_tag));
    cases.extend(Case::on_each("cosign signs in Docker's media types, boltseal verifies", &["cosign"], |bench| {
        let (variable, more) = (("COSIGN_DOCKER_MEDIA_TYPES", "1"), &[]);
        otherwise(bench, variable, more);
    }));
    cases.extend(Case::on_each(
        "cosign signs in its experimental OCI 1.1 mode, boltseal verifies",
        &["cosign"],
        |bench| {
            let (variable, more) = (("COSIGN_EXPERIMENTAL", "1"), &["--registry-referrers-mode", "oci-1-1"]);
            otherwise(bench, variable, more);
        },
    ));
    cases
}

fn signs(bench: &Bench, key: Key, format: CosignFormat) {
    let image = bench.push();
    for reference in [image.index(), image.child()] {
        let reference = reference.as_str();
        bench.boltseal_verify(&key, &[reference]).expect(1);
        bench.cosign_with(&key, "sign", format, &["-a", "env=prod", reference]).expect(0);
        let allowed = bench.boltseal_verify(&key, &["-a", "env=prod", reference]).expect(0);
        claims_no_more_than_was_checked(&allowed);
        bench.boltseal_verify(&key, &["-a", "env=dev", reference]).expect(1);
        bench.boltseal_verify(&OTHER, &[reference]).expect(1);
        // cosign's bundles carry no reference; its older payloads carry the repository, without a tag.
        let repository = if format == CosignFormat::Legacy { 0 } else { 1 };
        bench.boltseal_verify(&key, &["--identity", "repository", reference]).expect(repository);
        bench.boltseal_verify(&key, &["--identity", "tag", reference]).expect(1);
    }
    // The index is not signed by what was said of an image in it, nor the other image.
    bench.boltseal_verify(&key, &[&image.at(&image.layout.images[1])]).expect(1);
    bench.boltseal_verify(&key, &["--platform", "linux/arm64", &image.tag()]).expect(0);
}

/// cosign's own report speaks of a transparency log whatever it was told to ignore (WIRE: pitfall 6).
fn claims_no_more_than_was_checked(allowed: &Ran) {
    let said = allowed.stdout.to_lowercase();
    for word in ["transparency", "rekor", "certificate", "timestamp"] {
        assert!(!said.contains(word), "{word} was not checked:\n{}", allowed.stdout);
    }
}

fn by_tag(bench: &Bench) {
    let image = bench.push();
    bench.cosign_with(&P256, "sign", CosignFormat::Bundle, &[&image.tag()]).expect(0);
    let report = bench.boltseal_verify(&P256, &["-o", "json", &image.tag()]).expect(0).json();
    assert_eq!(report["results"][0]["digest"], image.layout.index.as_str());
    assert_eq!(report["results"][0]["verified"][0]["format"], "bundle");
    says(&bench.boltseal_verify(&OTHER, &[&image.tag()]).expect(1), "denied");
}

fn otherwise(bench: &Bench, (name, value): (&str, &str), more: &[&str]) {
    let image = bench.push();
    let mut command = bench.cosign_command(&P256, "sign", CosignFormat::Legacy);
    Ran::of(command.env(name, value).args(more).arg(image.index())).expect(0);
    let report = bench.boltseal_verify(&P256, &["-o", "json", &image.index()]).expect(0).json();
    assert_eq!(report["results"][0]["verified"][0]["format"], "simple");
    bench.boltseal_verify(&OTHER, &[&image.index()]).expect(1);
}
