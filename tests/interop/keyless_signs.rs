//! What boltseal signs without a key, cosign verifies, and reads as its own.

use crate::{
    bench::{Bench, Case, text},
    common::Ran,
    sigstore::server::{Endpoint, Sigstore},
};
use std::path::PathBuf;

const NEEDS: [&str; 1] = ["cosign"];
const JANE: &str = "jane@example.com";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rekor in [1, 2] {
        let name = format!("boltseal signs, attests and signs a file without a key, Rekor v{rekor}; cosign verifies");
        cases.extend(Case::on_each(name, &NEEDS, move |bench| signs(bench, rekor)));
    }
    cases
}

struct Desk<'b> {
    bench: &'b Bench,
    sigstore: Sigstore,
    config: String,
}

impl<'b> Desk<'b> {
    fn new(bench: &'b Bench, rekor: u32) -> Self {
        let sigstore = Sigstore::start_blocking();
        sigstore.write(bench.home(), JANE);
        let config = text(&bench.home().join(format!("signing_config_rekor{rekor}.json")));
        Self { bench, sigstore, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.home().join(name)
    }

    fn boltseal(&self, words: &[&str]) -> Ran {
        let mut command = self.bench.boltseal.command();
        command.env("BOLTSEAL_SIGNING_CONFIG", &self.config);
        command.env("BOLTSEAL_TRUSTED_ROOT", self.path("trusted_root.json"));
        command.args(words).args(["-y", "--identity-token"]).arg(self.path("token"));
        Ran::of(&mut command)
    }

    fn cosign(&self, verb: &str, who: &str, more: &[&str]) -> Ran {
        let root = text(&self.path("trusted_root.json"));
        let common = [verb, "--trusted-root", &root, "--use-signed-timestamps"];
        let by = ["--certificate-identity", who, "--certificate-oidc-issuer", &self.sigstore.url];
        self.bench.run("cosign", &[&common[..], &by, more].concat())
    }
}

fn signs(bench: &Bench, rekor: u32) {
    let desk = Desk::new(bench, rekor);
    let image = bench.push();
    desk.boltseal(&["sign", &image.tag()]).expect(0);
    assert_eq!(desk.sigstore.count(Endpoint::Fulcio), 1);
    for digest in image.digests() {
        let reference = image.at(digest);
        desk.cosign("verify", JANE, &["--new-bundle-format", &reference]).expect(0);
        desk.cosign("verify", "joe@example.com", &["--new-bundle-format", &reference]).expect(1);
    }
    let predicate = bench.file("predicate.json", "{\"passed\": true}");
    let tests = ["--type", "https://example.com/tests"];
    let index = image.index();
    desk.boltseal(&[&["attest", &index, "--predicate", &predicate][..], &tests].concat()).expect(0);
    desk.cosign("verify-attestation", JANE, &[&tests[..], &["--new-bundle-format", &index]].concat()).expect(0);

    let (file, bundle) = (bench.file("file", "a file"), text(&desk.path("file.json")));
    desk.boltseal(&["blob", "sign", "--bundle", &bundle, &file]).expect(0);
    desk.cosign("verify-blob", JANE, &["--bundle", &bundle, &file]).expect(0);
    let other = bench.file("other", "another file");
    assert_ne!(desk.cosign("verify-blob", JANE, &["--bundle", &bundle, &other]).code, 0);
}
