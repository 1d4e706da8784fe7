//! What boltseal pulls, other tools read.

use crate::{
    bench::{Bench, Case, OTHER, P256, text, tree},
    common::Ran,
};
use std::path::Path;

pub fn cases() -> Vec<Case> {
    let mut cases = Case::on_each("a pulled layout and a pulled archive are read by skopeo", &["skopeo"], read);
    cases.extend(Case::on_each("a denied pull leaves nothing behind", &[], denied));
    cases
}

fn pull(bench: &Bench, key: &crate::bench::Key, more: &[&str]) -> Ran {
    bench.boltseal.run([&["pull", "--key", &key.public()], more].concat())
}

fn inspect(bench: &Bench, from: &str, more: &[&str]) -> serde_json::Value {
    bench.run("skopeo", &[&["--insecure-policy", "inspect"], more, &[from]].concat()).expect(0).json()
}

fn read(bench: &Bench) {
    let image = bench.push();
    bench.boltseal_sign(&P256, &[&image.tag()]).expect(0);
    let layout = format!("oci:{}:v1", text(&bench.home().join("pulled")));
    pull(bench, &P256, &["--to", &layout, &image.tag()]).expect(0);
    for architecture in ["amd64", "arm64"] {
        let seen = inspect(bench, &layout, &["--override-arch", architecture]);
        assert_eq!((&seen["Architecture"], &seen["Os"]), (&architecture.into(), &"linux".into()));
    }
    let raw = inspect(bench, &layout, &["--raw"]);
    assert_eq!(raw["manifests"].as_array().map(Vec::len), Some(2), "{raw:#}");
    // Every blob is there: a copy reads them all.
    let copy = format!("dir:{}", text(&bench.home().join("copy")));
    bench.run("skopeo", &["--insecure-policy", "copy", "--all", &layout, &copy]).expect(0);

    let archive = format!("docker-archive:{}", text(&bench.home().join("app.tar")));
    pull(bench, &P256, &["--platform", "linux/arm64", "--to", &archive, &image.tag()]).expect(0);
    assert_eq!(inspect(bench, &archive, &[])["Architecture"], "arm64");
    let tags = bench.run("skopeo", &["--insecure-policy", "list-tags", &archive]).expect(0).json();
    assert_eq!(tags["Tags"], serde_json::json!([image.tag()]));
    let copy = format!("dir:{}", text(&bench.home().join("copy-of-archive")));
    bench.run("skopeo", &["--insecure-policy", "copy", &archive, &copy]).expect(0);
}

fn denied(bench: &Bench) {
    let image = bench.push();
    bench.boltseal_sign(&P256, &["--index-only", &image.tag()]).expect(0);
    let place = tempfile::tempdir().expect("a folder");
    let nothing = |folder: &Path| assert_eq!(tree(folder), [], "left behind");
    for to in ["oci:DIR/image:v1", "docker-archive:DIR/app.tar"] {
        let to = to.replace("DIR", &text(place.path()));
        pull(bench, &OTHER, &["--to", &to, &image.tag()]).expect(1);
        nothing(place.path());
        pull(bench, &P256, &["--to", &to, &format!("{}:v9", image.name)]).expect(4);
        nothing(place.path());
    }
    // Neither is what was there before changed.
    let there = format!("oci:{}/image:v1", text(place.path()));
    pull(bench, &P256, &["--to", &there, &image.tag()]).expect(0);
    let before = tree(place.path());
    pull(bench, &OTHER, &["--to", &there, &image.tag()]).expect(1);
    assert_eq!(tree(place.path()), before);
}
