//! What the other tools do worse (`WIRE`, pitfalls): strange signatures beside good ones, formats side by side.

use crate::{
    bench::{Bench, Case, CosignFormat, Image, Key, OTHER, P256, RSA},
    junk,
};

pub fn cases() -> Vec<Case> {
    [
        Case::on_each("somebody else's bundle hides no signature in the older format", &["cosign"], foreign_bundle),
        Case::on_each("images signed in different formats are verified in one run", &["cosign"], one_run),
        Case::on_each("150 foreign signatures of each format hide no good one", &[], many),
        Case::on_each("notation's signatures and ours do not disturb each other", &["notation"], notation),
        Case::on_each(
            "a signature that was copied to another repository is denied by its own repository's name",
            &["cosign", "crane"],
            copied,
        ),
        Case::on_each("an unsigned image is denied and an absent one is not", &[], absent),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn foreign_bundle(bench: &Bench) {
    let image = bench.push();
    let index = image.index();
    bench.cosign_with(&P256, "sign", CosignFormat::Legacy, &[&index]).expect(0);
    bench.cosign_with(&OTHER, "sign", CosignFormat::Bundle, &[&index]).expect(0);
    bench.boltseal_verify(&P256, &[&index]).expect(0);
    bench.boltseal_verify(&OTHER, &[&index]).expect(0);
    bench.boltseal_verify(&RSA, &[&index]).expect(1);
    // Two people, two formats: they count together.
    let both = ["verify", "--threshold", "2", "--key", &P256.public(), "--key", &OTHER.public(), &index];
    bench.boltseal.run(both).expect(0);
}

fn one_run(bench: &Bench) {
    let [legacy, bundle] = ["legacy", "bundle"].map(|name| bench.push_as(&format!("{}/{name}", bench.repository)));
    bench.cosign_with(&P256, "sign", CosignFormat::Legacy, &[&legacy.index()]).expect(0);
    bench.cosign_with(&P256, "sign", CosignFormat::Bundle, &[&bundle.index()]).expect(0);
    bench.boltseal_verify(&P256, &[&legacy.index(), &bundle.index()]).expect(0);
    bench.boltseal_verify(&P256, &[&bundle.index(), &legacy.index()]).expect(0);
    let unsigned = bench.push_as(&format!("{}/unsigned", bench.repository));
    let mixed = ["-o", "json", &unsigned.index(), &bundle.index()];
    let report = bench.boltseal_verify(&P256, &mixed).expect(1).json();
    let decisions: Vec<_> = report["results"].as_array().into_iter().flatten().map(|one| &one["decision"]).collect();
    assert_eq!(decisions, ["denied", "allowed"]);
}

fn many(bench: &Bench) {
    let image = bench.push();
    junk::push(&image, 150).unwrap_or_else(|error| panic!("{error}"));
    bench.boltseal_verify(&P256, &[&image.index()]).expect(1);
    for format in ["bundle", "simple"] {
        let image = if format == "simple" {
            another(bench)
        } else {
            Image { name: image.name.clone(), layout: image.layout.clone() }
        };
        bench.boltseal_sign(&P256, &["--index-only", "--format", format, &image.tag()]).expect(0);
        let report = bench.boltseal_verify(&P256, &["-o", "json", &image.index()]).expect(0).json();
        let rejected = report["results"][0]["rejected"].as_array().map_or(0, Vec::len);
        assert_eq!(rejected, 300, "all the junk was read and rejected");
    }
}

fn another(bench: &Bench) -> Image {
    let image = bench.push_as(&format!("{}/simple", bench.repository));
    junk::push(&image, 150).unwrap_or_else(|error| panic!("{error}"));
    image
}

fn notation(bench: &Bench) {
    let image = bench.push();
    let (index, key) = (image.index(), notation_key(bench));
    let sign = || bench.run("notation", &["sign", "--insecure-registry", "--key", &key, &index]).expect(0);
    let verify = || bench.run("notation", &["verify", "--insecure-registry", &index]).expect(0);
    sign();
    bench.boltseal_verify(&P256, &[&index]).expect(1);
    bench.boltseal_sign(&P256, &[&image.tag()]).expect(0);
    verify();
    // notation writes the fallback tag anew and deletes what was there.
    sign();
    bench.boltseal_sign(&OTHER, &["--index-only", &image.tag()]).expect(0);
    for key in [P256, OTHER] {
        bench.boltseal_verify(&key, &[&index]).expect(0);
        counted(bench, &key, &index, 2);
    }
    verify();
}

/// How much of the evidence on an image `key` verifies.
fn counted(bench: &Bench, key: &Key, reference: &str, expected: usize) {
    let report = bench.boltseal_verify(key, &["-o", "json", reference]).expect(0).json();
    let verified = report["results"][0]["verified"].as_array().map_or(0, Vec::len);
    assert_eq!(verified, expected, "{report:#}");
}

/// A key and a certificate that notation makes and trusts; its name.
fn notation_key(bench: &Bench) -> String {
    let name = "boltseal-test";
    bench.run("notation", &["cert", "generate-test", "--default", name]).expect(0);
    let policy = serde_json::json!({ "version": "1.0", "trustPolicies": [{
        "name": "all", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
        "trustStores": [format!("ca:{name}")], "trustedIdentities": ["*"],
    }] });
    let policy = bench.file("trustpolicy.json", &policy.to_string());
    bench.run("notation", &["policy", "import", &policy]).expect(0);
    name.to_owned()
}

fn copied(bench: &Bench) {
    let image = bench.push();
    let copy = Image { name: format!("{}-copy", image.name), layout: image.layout.clone() };
    bench.boltseal_sign(&P256, &[&image.tag()]).expect(0);
    bench.cosign_with(&OTHER, "sign", CosignFormat::Legacy, &[&image.index()]).expect(0);
    bench.run("crane", &["copy", "--insecure", &image.tag(), &copy.tag()]).expect(0);
    for digest in image.digests() {
        let [from, to] = [&image, &copy].map(|image| image.attached(digest, ".sig"));
        bench.run("crane", &["copy", "--insecure", &from, &to]).expect(0);
    }
    for key in [P256, OTHER] {
        bench.boltseal_verify(&key, &["--identity", "repository", &image.index()]).expect(0);
        bench.boltseal_verify(&key, &["--identity", "repository", &copy.index()]).expect(1);
        bench.boltseal_verify(&key, &[&copy.index()]).expect(0);
        // cosign looks at the digest alone.
        bench.cosign_verify(&key, &[&copy.index()]).expect(0);
    }
}

fn absent(bench: &Bench) {
    let image = bench.push();
    bench.boltseal_verify(&P256, &[&image.tag()]).expect(1);
    bench.boltseal_verify(&P256, &[&image.index()]).expect(1);
    bench.boltseal_verify(&P256, &[&format!("{}:v9", image.name)]).expect(4);
    let nothing = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    bench.boltseal_verify(&P256, &[&image.at(nothing)]).expect(4);
    bench.boltseal_verify(&P256, &[&format!("{}/case-none/app@{nothing}", bench.address)]).expect(4);
}
