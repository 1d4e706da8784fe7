//! Files: bundles that Sigstore's own verifier and ours accept.

use super::{WHO, World};
use sigstore_trust_root::TrustedRoot;
use sigstore_types::{Bundle, Sha256Hash};
use sigstore_verify::{VerificationPolicy, Verifier};
use std::fs;

const CONTENT: &str = "a file\n";

fn verified_by_sigstore(world: &World, bundle: &str) -> Option<String> {
    let read = |name: &str| fs::read_to_string(world.machine.home.path().join(name)).expect("a file");
    let root = TrustedRoot::from_json(&read("trusted_root.json")).expect("a root");
    let bundle = Bundle::from_json(&read(bundle)).expect("a bundle");
    let digest = Sha256Hash::new(boltseal::crypto::hash::sha256(CONTENT.as_bytes()));
    let verifier = Verifier::new(&root).expect("a verifier");
    let result = verifier.verify(digest, &bundle, &VerificationPolicy::any_identity()).expect("it verifies");
    result.identity().map(ToString::to_string)
}

fn verify(world: &World, bundle: &str) {
    let line = format!(
        "blob verify --bundle {bundle} --certificate-identity {WHO} --certificate-oidc-issuer {} --trusted-root trusted_root.json file",
        world.sigstore.url
    );
    world.run("signing_config", &line).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_s_bundle_is_verified_by_sigstore_s_own_verifier() {
    let world = World::new(&[]).await;
    world.file("file", CONTENT);
    let digest = hex::encode(boltseal::crypto::hash::sha256(CONTENT.as_bytes()));
    let statement = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{{\"name\":\"file\",\"digest\":{{\"sha256\":\"{digest}\"}}}}],\"predicateType\":\"https://example.com/tested/v1\",\"predicate\":{{}}}}"
    );
    world.file("statement", &statement);
    for config in ["signing_config_rekor1", "signing_config_rekor2"] {
        for (what, bundle) in [("file", "file.json"), ("--statement statement", "statement.json")] {
            let line = format!("blob sign -y -o json --identity-token token --bundle {bundle} {what}");
            let json = world.run(config, &line).expect(0).json();
            assert_eq!(
                (json["identity"]["subject"].as_str(), json["log"]["timestamps"].as_u64()),
                (Some(WHO), Some(1))
            );
            assert_eq!(verified_by_sigstore(&world, bundle).as_deref(), Some(WHO), "{config} {bundle}");
            verify(&world, bundle);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_s_signature_that_waits_is_finished_too() {
    let world = World::new(&[]).await;
    world.file("file", CONTENT);
    world.sigstore.fail(super::Endpoint::Rekor1, 4, 503, None);
    let line = "blob sign -y --identity-token token --bundle file.json file";
    world.run("signing_config_rekor1", line).expect(4);
    assert!(!world.machine.home.path().join("file.json").exists());
    assert_eq!(world.kept().len(), 1);
    let ran = world.run("signing_config_rekor1", line).expect(0);
    assert!(ran.stdout.contains("made by an earlier run"), "{}", ran.stdout);
    assert!(world.kept().is_empty());
    verify(&world, "file.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_signs_a_file_as_a_bundle() {
    let world = World::new(&[]).await;
    world.file("file", CONTENT);
    for kind in ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048"] {
        world.run("x", &format!("key generate --force --type {kind} --output-key-prefix k")).expect(0);
        world.run("x", "blob sign --key k.key --bundle file.json file").expect(0);
        world.run("x", "blob verify --key k.pub --bundle file.json file").expect(0);
        world.file("other", "another file\n");
        world.run("x", "blob verify --key k.pub --bundle file.json other").expect(1);
    }
    let ran = world.run("x", "blob sign --key k.key --statement --bundle s.json file").expect(3);
    assert!(ran.stderr.contains("file: "), "{}", ran.stderr);
}
