//! What cosign signs with certificates of the private Sigstore, boltseal verifies: in each of cosign's formats, in a
//! registry and in a layout, by flags and by a policy; and refuses for anybody else.

use crate::{
    bench::{Bench, Case, CosignFormat, NAMESPACE, says, text},
    common::{Boltseal, Ran, peers::Kind},
    keyless::{JANE, by, signing_arguments},
    sigstore::{Identity, PrivateSigstore, Signing, server::Sigstore},
};
use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::process::Command;
use tokio::runtime::Runtime;

const TESTS: &str = "https://example.com/tests";

/// How cosign signs.
#[derive(Clone, Copy, Debug)]
struct Way {
    format: CosignFormat,
    rekor: u32,
}

const WAYS: [Way; 3] = [
    Way { format: CosignFormat::Bundle, rekor: 1 },
    Way { format: CosignFormat::Bundle, rekor: 2 },
    Way { format: CosignFormat::Legacy, rekor: 1 },
];

impl Way {
    fn words(self) -> String {
        format!("{}, Rekor v{}", self.format.words(), self.rekor)
    }

    /// cosign's arguments; its older format knows no signing configuration.
    fn arguments(self, started: &Sigstore, bench: &Bench) -> Vec<String> {
        let arguments = signing_arguments(started, bench.home(), self.rekor);
        if self.format == CosignFormat::Bundle { arguments } else { unconfigured(started, bench, self.format) }
    }
}

/// cosign's arguments without a signing configuration.
fn unconfigured(started: &Sigstore, bench: &Bench, format: CosignFormat) -> Vec<String> {
    started.write(bench.home(), JANE);
    let file = |name: &str| text(&bench.home().join(name));
    let is_bundle = format == CosignFormat::Bundle;
    let mut arguments = vec!["--use-signing-config=false".to_owned(), format!("--new-bundle-format={is_bundle}")];
    arguments.extend(["--fulcio-url", "--rekor-url", "--oidc-issuer"].map(|name| format!("{name}={}", started.url)));
    arguments.push(format!("--identity-token={}", file("token")));
    arguments.push(format!("--trusted-root={}", file("trusted_root.json")));
    arguments
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for way in WAYS {
        let name = format!("boltseal verifies what cosign signs with a certificate {}", way.words());
        cases.extend(Case::on_each(name.clone(), &["cosign"], move |bench| verifies(bench, way)));
        cases.push(Case::new(format!("{name} (embedded registry)"), &["cosign", "oras"], move || embedded(way)));
    }
    let name = "boltseal verifies what cosign signs with a certificate without a log, if told to";
    cases.push(Case::on(Kind::DockerRegistry, name, &["cosign"], unlogged));
    cases.push(Case::new("boltseal verifies certificates' signatures without a network", &[NAMESPACE], offline));
    cases
}

fn embedded(way: Way) {
    let runtime = Runtime::new().expect("a runtime");
    let registry = runtime.block_on(Embedded::start(EmbeddedOptions::default())).expect("a registry");
    verifies(&Bench::at(Kind::Refreg, registry.address().to_string()), way);
}

/// A verification by flags.
struct Judge<'b> {
    bench: &'b Bench,
    root: String,
    issuer: String,
}

impl Judge<'_> {
    fn run(&self, who: &str, more: &[&str], reference: &str) -> Ran {
        let arguments = [&["verify", "--trusted-root", &self.root], &by(who, &self.issuer)[..], more, &[reference]];
        self.bench.boltseal.run(arguments.concat())
    }

    fn allows(&self, more: &[&str], reference: &str) {
        self.run(JANE, more, reference).expect(0);
    }
}

/// The first reason's id.
#[track_caller]
fn refused(ran: Ran, id: &str) {
    let report = ran.expect(1).json();
    assert_eq!(report["results"][0]["reasons"][0]["id"], id, "{report:#}");
}

fn verifies(bench: &Bench, way: Way) {
    let started = Sigstore::start_blocking();
    let arguments = way.arguments(&started, bench);
    let image = bench.push();
    let reference = image.index();
    Ran::of(bench.tool("cosign").arg("sign").args(&arguments).arg(&reference)).expect(0);
    let root = text(&bench.home().join("trusted_root.json"));
    let judge = Judge { bench, root: root.clone(), issuer: started.url.clone() };
    judge.allows(&[], &reference);
    judge.allows(&[], &image.tag());
    let json = ["-o", "json"];
    let no_tests = [&json[..], &["--type", TESTS]].concat();
    refused(judge.run(JANE, &no_tests, &reference), "attestation-missing");
    refused(judge.run("joe@example.com", &json, &reference), "signer-mismatch");
    let elsewhere = Judge { bench, root: root.clone(), issuer: "https://issuer.test".to_owned() };
    refused(elsewhere.run(JANE, &json, &reference), "signer-mismatch");
    let strange = bench.file("strange.json", &PrivateSigstore::new().trusted_root().to_string());
    let strange = Judge { bench, root: strange, issuer: started.url.clone() };
    refused(strange.run(JANE, &json, &reference), "certificate-untrusted");

    let report = judge.run(JANE, &json, &reference).expect(0).json();
    backed(&report["results"][0]["verified"][0]["backing"], way);
    let predicate = bench.file("predicate.json", "{\"passed\": true}");
    let attest = ["--type", TESTS, "--predicate", &predicate, &reference];
    Ran::of(bench.tool("cosign").arg("attest").args(&arguments).args(attest)).expect(0);
    judge.allows(&["--type", TESTS], &reference);
    refused(judge.run("joe@example.com", &no_tests, &reference), "signer-mismatch");
    by_policy(bench, &started.url, &reference);
    in_a_layout(bench, &judge, &reference, way);
}

/// What stands behind the signature, as the report says it.
fn backed(backing: &Value, way: Way) {
    let log = &backing["logs"][0];
    assert_eq!(log["proven"], way.format == CosignFormat::Bundle, "{backing:#}");
    assert_eq!(log["integrated"].is_string(), way.rekor == 1, "{backing:#}");
    assert_eq!(backing["scts"], 1, "{backing:#}");
    let stamps = backing["timestamps"].as_array().map_or(0, Vec::len);
    assert_eq!(stamps, usize::from(way.format == CosignFormat::Bundle), "{backing:#}");
}

fn by_policy(bench: &Bench, issuer: &str, reference: &str) {
    let policy = |subject: &str| {
        let text = format!(
            "version: 1\nauthorities:\n  ci: {{ keyless: {{ issuer: \"{issuer}\", subject: \"{subject}\", trusted-root: \
             trusted_root.json }} }}\nimages:\n  \"**\": {{ signatures: {{ from: [ci] }} }}\n"
        );
        let file = bench.file("policy.yaml", &text);
        bench.boltseal.run(["verify", "-o", "json", "--policy", &file, reference])
    };
    policy("*@example.com").expect(0);
    refused(policy("*@example.org"), "signer-mismatch");
}

/// The same image, carried away by another tool.
fn in_a_layout(bench: &Bench, judge: &Judge<'_>, reference: &str, way: Way) {
    let dir = text(&bench.home().join("carried"));
    let copy = |more: &[&str], from: &str, tag: &str| {
        let arguments = [&["cp", "--no-tty", "--from-plain-http", "--to-oci-layout"], more].concat();
        bench.run("oras", &[&arguments[..], &[from, &format!("{dir}:{tag}")]].concat()).expect(0);
    };
    copy(&["-r"], reference, "v1");
    let (name, digest) = reference.split_once('@').expect("a digest");
    if way.format == CosignFormat::Legacy {
        for suffix in [".sig", ".att"] {
            let tag = format!("{}{suffix}", digest.replace(':', "-"));
            copy(&[], &format!("{name}:{tag}"), &tag);
        }
    }
    let carried = format!("oci:{dir}@{digest}");
    judge.allows(&[], &carried);
    judge.allows(&["--type", TESTS], &carried);
    refused(judge.run("joe@example.com", &["-o", "json"], &carried), "signer-mismatch");
}

fn unlogged(bench: &Bench) {
    let started = Sigstore::start_blocking();
    for format in CosignFormat::BOTH {
        let arguments = unconfigured(&started, bench, format);
        let reference = bench.push_as(&format!("{}/{format:?}", bench.repository).to_lowercase()).index();
        let mut sign = bench.tool("cosign");
        sign.arg("sign").args(arguments).arg("--tlog-upload=false");
        let stamps = format!("--timestamp-server-url={}", started.services.timestamp_url());
        Ran::of(sign.args([&stamps, &reference])).expect(0);
        let root = text(&bench.home().join("trusted_root.json"));
        let judge = Judge { bench, root, issuer: started.url.clone() };
        refused(judge.run(JANE, &["-o", "json"], &reference), "log-missing");
        judge.allows(&["--insecure-ignore-tlog"], &reference);
        let joe = judge.run("joe@example.com", &["--insecure-ignore-tlog", "-o", "json"], &reference);
        refused(joe, "signer-mismatch");
    }
}

/// In a namespace where not even loopback is up.
fn offline() {
    let issuer = "https://issuer.test";
    let (boltseal, sigstore) = (Boltseal::new(), PrivateSigstore::new());
    let file = |name: &str, content: &[u8]| {
        let path = boltseal.home.path().join(name);
        std::fs::write(&path, content).expect("a file");
        text(&path)
    };
    let without_network = |arguments: &[&str]| {
        let inner = boltseal.command();
        let mut outer = Command::new("unshare");
        outer.arg("-rn").arg(inner.get_program()).args(arguments);
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        Ran::of(outer.current_dir(boltseal.home.path()))
    };
    let signing = || {
        let time = Timestamp::now() - SignedDuration::from_mins(5);
        Signing::keyless(&sigstore, Identity::email(issuer, JANE), time).rekor2()
    };
    let root = file("trusted_root.json", sigstore.trusted_root().to_string().as_bytes());
    let blob = file("blob", b"shop/cart 1.0");
    let bundle = file("bundle.json", signing().blob(b"shop/cart 1.0").to_string().as_bytes());
    let trust = ["--trusted-root", &root];
    let verify = |who: &str| {
        let head = ["blob", "verify", "--bundle", &bundle];
        without_network(&[&head[..], &trust, &by(who, issuer), &[&blob]].concat())
    };
    verify(JANE).expect(0);
    verify("joe@example.com").expect(1);

    let dir = boltseal.home.path().join("image");
    let digest = layout(&dir, &signing());
    let reference = format!("oci:{}@{digest}", dir.display());
    let verify = |who: &str, reference: &str| {
        without_network(&[&["verify"][..], &trust, &by(who, issuer), &[reference]].concat())
    };
    verify(JANE, &reference).expect(0);
    verify("joe@example.com", &reference).expect(1);
    // The namespace has no network, or this would be another answer.
    says(&verify(JANE, &format!("127.0.0.1:1/app@{digest}")).expect(4), "Network is unreachable");
}

/// An image in a layout, with a bundle as its referrer; its digest.
fn layout(dir: &std::path::Path, signing: &Signing<'_>) -> String {
    let digest = crate::common::image::write(dir, "v1", "offline").index;
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
        "subject": [{ "digest": { "sha256": digest.trim_start_matches("sha256:") } }],
    });
    let bundle = signing.statement(&statement).to_string().into_bytes();
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(attach(dir, &digest, &bundle)).expect("it is attached");
    digest
}

async fn attach(dir: &std::path::Path, digest: &str, bundle: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    use boltseal::{
        oci::{Descriptor, ImageManifest, Reference, media_type},
        registry::{Access, Options, Session},
    };
    let reference: Reference = format!("oci:{}@{digest}", dir.display()).parse()?;
    let repo = Session::new(Options::default())?.open(&reference.repository, Access::PullPush)?;
    let size = std::fs::metadata(dir.join("blobs/sha256").join(digest.trim_start_matches("sha256:")))?.len();
    repo.push_blob(media_type::EMPTY_CONTENT).await?;
    repo.push_blob(bundle).await?;
    let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(media_type::BUNDLE_V03, bundle)]);
    manifest.artifact_type = Some(media_type::BUNDLE_V03.to_owned());
    let mut subject = Descriptor::of(media_type::IMAGE_INDEX, b"");
    (subject.digest, subject.size) = (digest.parse()?, size);
    manifest.subject = Some(subject);
    repo.attach(&manifest).await?;
    Ok(())
}
