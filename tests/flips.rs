//! Every single bit of good evidence is flipped, one at a time: the image is not allowed any more, or nothing that was
//! decided has changed (the bit lay in an unsigned hint, or in base64 that reads the same).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use boltseal::{
    crypto::{PublicKey, keyfile},
    format::{bundle, dsse, simple_signing::Payload, statement::Statement},
    limits::Limits,
    oci::{Digest, Reference},
    policy::{Decision, Policy, evaluate},
    sign::{LocalSigner, Signer, seal},
    trust::Identity,
    verify::{Blob, BlobKind, Claim, Collected, LegacyMaterial, Place, Subject, Via, verify_all},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    thread,
};

const IMAGE: &str = "sha256:a4ae8dba89657ee343d766312957890a960e40c41512ca197ccb7413016c9215";
const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

fn read(path: &str) -> Vec<u8> {
    let path = format!("{}/testdata/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn image() -> Digest {
    IMAGE.parse().expect("a digest")
}

fn signer(name: &str) -> LocalSigner {
    let not_asked = &mut || unreachable!("not encrypted");
    let pem = read(&format!("keys/{name}-pkcs8.test.pem"));
    LocalSigner::new(keyfile::decode(&pem, not_asked).expect("a key"))
}

/// A local signer's future is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a local signer waits for nothing"),
    }
}

/// Good evidence, and a policy that it satisfies.
struct Good {
    name: &'static str,
    kind: BlobKind,
    bytes: Vec<u8>,
    reference: &'static str,
    policy: Value,
}

fn policy(key: &str, asked: Value) -> Value {
    json!({ "version": 1, "authorities": { "a": { "key": key } }, "images": { "**": asked } })
}

fn ours(key: &str, kind: &str, predicate: Value) -> dsse::Envelope {
    let mut statement = Statement::about(&image(), Some("registry.example.com/app:v1".to_owned()), kind, predicate);
    statement.subject[0].annotations = Some(BTreeMap::from([("env".to_owned(), "prod".into())]));
    now(seal(statement.encode(), &signer(key))).expect("it signs")
}

fn our_bundle(name: &'static str, key: &str) -> Good {
    let envelope = ours(key, "https://sigstore.dev/cosign/sign/v1", json!({}));
    let asked = json!({ "signatures": { "from": ["a"], "identity": "tag", "annotations": { "env": "prod" } } });
    Good {
        name,
        kind: BlobKind::Bundle,
        bytes: bundle::encode_keyed(&envelope, &signer(key).public_key().hint()),
        reference: "registry.example.com/app:v1",
        policy: policy(&format!("keys/{key}-pub.test.pem"), asked),
    }
}

fn our_envelope() -> Good {
    let envelope = ours("p256", VULN, json!({ "metadata": { "scanFinishedOn": "2026-11-20T00:00:00Z" } }));
    let asked = json!({ "attestations": [{ "type": "vuln", "from": ["a"], "max-age": "7d" }] });
    Good {
        name: "our .att envelope",
        kind: BlobKind::Envelope { material: LegacyMaterial::default() },
        bytes: envelope.encode(),
        reference: "registry.example.com/app:v1",
        policy: policy("keys/p256-pub.test.pem", asked),
    }
}

fn our_simple() -> Good {
    let optional = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    let payload = Payload { docker_reference: "registry.example.com/app:v1".to_owned(), digest: image(), optional };
    let (key, bytes) = (signer("ed25519"), payload.encode());
    let signature = STANDARD.encode(now(key.sign(&bytes)).expect("it signs"));
    let asked = json!({ "signatures": { "from": ["a"], "identity": "tag", "annotations": { "env": "prod" } } });
    Good {
        name: "our .sig",
        kind: BlobKind::SimpleSigning { signature, material: LegacyMaterial::default() },
        bytes,
        reference: "registry.example.com/app:v1",
        policy: policy("keys/ed25519-pub.test.pem", asked),
    }
}

fn cosigns() -> Vec<Good> {
    let by_cosign = |asked| policy("keys/p256-cosign-pub.test.pem", asked);
    let manifest: Value = serde_json::from_slice(&read("wire/cosign-legacy/sig.json")).expect("JSON");
    let signature = &manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"];
    let signature = signature.as_str().expect("a signature").to_owned();
    let repository = json!({ "from": ["a"], "identity": "repository", "annotations": { "env": "prod" } });
    vec![
        Good {
            name: "cosign's bundle",
            kind: BlobKind::Bundle,
            bytes: read("wire/cosign-bundle.json"),
            reference: "registry.example.com/app:v1",
            policy: by_cosign(json!({ "signatures": { "from": ["a"] } })),
        },
        Good {
            name: "cosign's .sig",
            kind: BlobKind::SimpleSigning { signature, material: LegacyMaterial::default() },
            bytes: read("wire/cosign-simple-signing.json"),
            reference: "127.0.0.1:5100/cs-legacy:v1",
            policy: by_cosign(json!({ "signatures": repository })),
        },
        Good {
            name: "cosign's .att envelope",
            kind: BlobKind::Envelope { material: LegacyMaterial::default() },
            bytes: read("wire/cosign-att-legacy/blob-4c5b6678defc.json"),
            reference: "registry.example.com/app:v1",
            policy: by_cosign(json!({ "attestations": [{ "type": "slsaprovenance1", "from": ["a"] }] })),
        },
    ]
}

/// All that was decided: whether it is allowed, by whom, and what was said.
#[derive(Debug, PartialEq)]
struct Decided {
    allowed: bool,
    signers: Vec<Identity>,
    claims: Vec<Claim>,
}

struct Judge {
    subject: Subject,
    policy: Policy,
    now: Timestamp,
}

impl Judge {
    fn new(good: &Good) -> Self {
        let load = |path: &str| PublicKey::from_pem_bytes(&read(path)).map_err(|error| error.to_string());
        let reference: Reference = good.reference.parse().expect("a reference");
        Self {
            subject: Subject::new(reference, image()),
            policy: Policy::parse(&good.policy.to_string(), &load).expect("a policy"),
            now: "2026-11-22T00:00:00Z".parse().expect("a time"),
        }
    }

    fn decide(&self, kind: BlobKind, bytes: Vec<u8>) -> Decided {
        let place = Place { subject: image(), via: Via::Supplied, manifest: None, layer: 0 };
        let collected = Collected { blobs: vec![Blob { place, kind, bytes }], unread: Vec::new() };
        let findings = verify_all(&self.subject, collected, self.policy.anchors(), self.now, &Limits::default());
        let allowed = matches!(evaluate(&self.policy, &findings, self.now).decision, Decision::Allow(_));
        let signers = findings.verified().iter().map(|one| one.identity().clone()).collect();
        let claims = findings.verified().iter().map(|one| one.claim().clone()).collect();
        Decided { allowed, signers, claims }
    }
}

/// Flips every bit of `bytes`; how many flips changed nothing.
fn flip_all(name: &str, bytes: &[u8], before: &Decided, decide: impl Fn(Vec<u8>) -> Option<Decided> + Sync) -> usize {
    let bits = bytes.len() * 8;
    let (next, unchanged) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let bit = next.fetch_add(1, Ordering::Relaxed);
            if bit >= bits {
                return;
            }
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Some(after) = decide(flipped) else { continue };
            assert!(!after.allowed || after == *before, "{name}: bit {bit} changes what was decided: {after:?}");
            unchanged.fetch_add(usize::from(after.allowed), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(2, usize::from).min(8);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for one in running {
            one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    unchanged.into_inner()
}

fn flip(good: &Good) {
    let judge = Judge::new(good);
    let before = judge.decide(good.kind.clone(), good.bytes.clone());
    assert!(before.allowed, "{}: unflipped it is allowed", good.name);
    let unchanged = flip_all(good.name, &good.bytes, &before, |bytes| Some(judge.decide(good.kind.clone(), bytes)));
    let bits = good.bytes.len() * 8;
    println!("{}: {unchanged} of {bits} flips change nothing, the others deny", good.name);
    // Most bits are signed, or make the rest unreadable.
    assert!(unchanged * 4 < bits, "{}: {unchanged} of {bits} flips change nothing", good.name);
    let BlobKind::SimpleSigning { signature, .. } = &good.kind else { return };
    let unchanged = flip_all(good.name, signature.as_bytes(), &before, |text| {
        // What is no text can't stand in a manifest.
        let signature = String::from_utf8(text).ok()?;
        Some(
            judge
                .decide(BlobKind::SimpleSigning { signature, material: LegacyMaterial::default() }, good.bytes.clone()),
        )
    });
    println!("{}, signature annotation: {unchanged} of {} change nothing", good.name, signature.len() * 8);
    assert!(unchanged <= 8, "{}: {unchanged} flips of the annotation change nothing", good.name);
}

// [V-24]
#[test]
fn no_flipped_bit_of_our_evidence_changes_a_decision() {
    for good in
        [our_bundle("our bundle", "p256"), our_bundle("our Ed25519 bundle", "ed25519"), our_simple(), our_envelope()]
    {
        flip(&good);
    }
}

#[test]
fn no_flipped_bit_of_cosign_s_evidence_changes_a_decision() {
    for good in cosigns() {
        flip(&good);
    }
}
