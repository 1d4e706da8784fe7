//! Image layouts on disk: signed without a registry, carried to one and back by other tools.

use crate::{
    bench::{Bench, Case, OTHER, P256, text},
    common::{Ran, image},
    predicates::content,
};

pub fn cases() -> Vec<Case> {
    let mut cases =
        Case::on_each("a layout signed offline is verified where oras copied it, and back", &[], round_trip);
    cases.extend(Case::on_each(
        "a signature in the older format travels with crane and skopeo",
        &["crane", "skopeo"],
        by_tag,
    ));
    cases
}

/// An image in a layout, signed and attested there; its folder and its index's digest.
fn signed(bench: &Bench, more: &[&str]) -> (String, image::Layout) {
    let dir = bench.home().join("image");
    let layout = image::write(&dir, "v1", &bench.repository);
    let reference = format!("oci:{}:v1", dir.display());
    bench.boltseal_verify(&P256, &[&reference]).expect(1);
    bench.boltseal_sign(&P256, &[&[reference.as_str()], more].concat()).expect(0);
    let file = bench.file("sbom.json", content("spdxjson"));
    bench.boltseal_with(&P256, "attest", &["--type", "spdxjson", "--predicate", &file, &reference]).expect(0);
    bench.boltseal_verify(&P256, &[&reference]).expect(0);
    bench.boltseal_verify(&P256, &["--type", "spdxjson", &reference]).expect(0);
    bench.boltseal_verify(&OTHER, &[&reference]).expect(1);
    (text(&dir), layout)
}

fn round_trip(bench: &Bench) {
    let (dir, layout) = signed(bench, &[]);
    let there = format!("{}/{}:v1", bench.address, bench.repository);
    bench
        .run("oras", &["cp", "--no-tty", "-r", "--from-oci-layout", "--to-plain-http", &format!("{dir}:v1"), &there])
        .expect(0);
    let report = bench.boltseal_verify(&P256, &["-o", "json", &there]).expect(0).json();
    assert_eq!(report["results"][0]["digest"], layout.index.as_str());
    bench.boltseal_verify(&P256, &["--type", "spdxjson", &there]).expect(0);
    bench.boltseal_verify(&OTHER, &[&there]).expect(1);
    // What was signed offline names no repository.
    bench.boltseal_verify(&P256, &["--identity", "repository", &there]).expect(1);

    let back = text(&bench.home().join("back"));
    bench
        .run("oras", &["cp", "--no-tty", "-r", "--from-plain-http", "--to-oci-layout", &there, &format!("{back}:v1")])
        .expect(0);
    let reference = format!("oci:{back}:v1");
    bench.boltseal_verify(&P256, &[&reference]).expect(0);
    bench.boltseal_verify(&P256, &["--type", "spdxjson", &reference]).expect(0);
    bench.boltseal_verify(&OTHER, &[&reference]).expect(1);
}

fn by_tag(bench: &Bench) {
    let name = format!("{}/{}", bench.address, bench.repository);
    let (dir, layout) = signed(bench, &["--format", "simple", "--identity", &format!("{name}:v1")]);
    let signature = format!("{}.sig", layout.index.replace(':', "-"));
    let mut skopeo = bench.tool("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false"]);
    Ran::of(skopeo.args([format!("oci:{dir}:v1"), format!("docker://{name}:v1")])).expect(0);
    bench.boltseal_verify(&P256, &[&format!("{name}:v1")]).expect(1);
    let [from, to] = [format!("{dir}:{signature}"), format!("{name}:{signature}")];
    bench.run("oras", &["cp", "--no-tty", "--from-oci-layout", "--to-plain-http", &from, &to]).expect(0);
    bench.boltseal_verify(&P256, &["--identity", "tag", &format!("{name}:v1")]).expect(0);
    let copied = format!("{name}/crane");
    bench.run("crane", &["copy", "--insecure", &format!("{name}:v1"), &format!("{copied}:v1")]).expect(0);
    bench.run("crane", &["copy", "--insecure", &to, &format!("{copied}:{signature}")]).expect(0);
    bench.boltseal_verify(&P256, &[&format!("{copied}:v1")]).expect(0);
    bench.boltseal_verify(&P256, &["--identity", "repository", &format!("{copied}:v1")]).expect(1);
}
