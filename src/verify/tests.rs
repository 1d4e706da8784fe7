//! What the one verifier checks, a step a test; SPEC.md, section 5.

use super::*;
use crate::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::{bundle::encode_keyed, predicate, statement::Statement},
    oci::{Digest, Reference},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

const IMAGE: &[u8] = b"an image";

struct World {
    key: PrivateKey,
    anchors: Anchors,
    subject: Subject,
}

impl World {
    fn new() -> Self {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let anchors = Anchors::new([key.public().clone()]);
        let reference: Reference = "r.example/app:1".parse().unwrap();
        Self { key, anchors, subject: Subject::new(reference, Digest::sha256(IMAGE)) }
    }

    fn statement(&self, predicate_type: &str) -> Statement {
        Statement::about(&self.subject.digest(), Some("r.example/app:1".into()), predicate_type, json!({}))
    }

    fn envelope(&self, payload_type: &str, payload: Vec<u8>) -> Envelope {
        let mut envelope = Envelope { payload_type: payload_type.into(), payload, signatures: Vec::new() };
        let signature = self.key.sign(&envelope.pae()).unwrap();
        envelope.signatures.push(EnvelopeSignature { key_hint: None, signature });
        envelope
    }

    fn bundle(&self, statement: &Statement) -> Vec<u8> {
        encode_keyed(&self.envelope(IN_TOTO, statement.encode()), &self.key.public().hint())
    }

    fn judge(&self, kind: BlobKind, bytes: Vec<u8>) -> Findings {
        self.judge_within(kind, bytes, &Limits::default())
    }

    fn judge_within(&self, kind: BlobKind, bytes: Vec<u8>, limits: &Limits) -> Findings {
        let collected = Collected { blobs: vec![blob(kind, bytes)], unread: Vec::new() };
        verify_all(&self.subject, collected, &self.anchors, Timestamp::UNIX_EPOCH, limits)
    }
}

fn blob(kind: BlobKind, bytes: Vec<u8>) -> Blob {
    let place = Place { subject: Digest::sha256(IMAGE), via: Via::Supplied, manifest: None, layer: 0 };
    Blob { place, kind, bytes }
}

#[track_caller]
fn rejected(findings: &Findings) -> &'static str {
    assert!(findings.verified().is_empty(), "{:?}", findings.verified());
    findings.rejected()[0].rejection.id()
}

#[test]
fn a_good_bundle_says_who_what_and_where() {
    let world = World::new();
    let findings = world.judge(BlobKind::Bundle, world.bundle(&world.statement(predicate::IMAGE_SIGNATURE)));
    let verified = &findings.verified()[0];
    assert_eq!(verified.identity(), &Identity::Key(world.key.public().fingerprint()));
    assert_eq!((verified.digest(), verified.format()), (&world.subject.digest(), Format::Bundle));
    let Claim::Signature { references, .. } = verified.claim() else { panic!("a signature") };
    assert_eq!(references[0].to_string(), "r.example/app:1");
}

// [V-18]
#[test]
fn what_is_over_a_limit_is_not_judged() {
    let world = World::new();
    let bundle = world.bundle(&world.statement(predicate::SLSA_V1));
    let small = Limits { attachment_bytes: bundle.len() as u64 - 1, ..Limits::default() };
    assert_eq!(rejected(&world.judge_within(BlobKind::Bundle, bundle.clone(), &small)), "over-limit");
    let none = Limits { attachments: 0, ..Limits::default() };
    let findings = world.judge_within(BlobKind::Bundle, bundle, &none);
    assert_eq!((findings.verified().len(), findings.unread().len()), (0, 1), "too many is unread, not absent");
    let mut envelope = world.envelope(IN_TOTO, world.statement(predicate::SLSA_V1).encode());
    envelope.signatures = vec![envelope.signatures[0].clone(); crate::limits::ENVELOPE_SIGNATURES + 1];
    assert_eq!(
        rejected(&world.judge(BlobKind::Envelope { material: LegacyMaterial::default() }, envelope.encode())),
        "over-limit"
    );
    let mut statement = world.statement(predicate::SLSA_V1);
    statement.subject = vec![statement.subject[0].clone(); crate::limits::STATEMENT_SUBJECTS + 1];
    assert_eq!(rejected(&world.judge(BlobKind::Bundle, world.bundle(&statement))), "over-limit");
}

// [V-19]
#[test]
fn only_a_key_of_the_anchors_over_exactly_these_bytes_counts() {
    let world = World::new();
    let stranger = World::new();
    let foreign = stranger.bundle(&world.statement(predicate::IMAGE_SIGNATURE));
    assert_eq!(rejected(&world.judge(BlobKind::Bundle, foreign.clone())), "signer-unknown");
    let lying = String::from_utf8(foreign).unwrap();
    let lying = lying.replace(&stranger.key.public().hint(), &world.key.public().hint());
    assert_eq!(rejected(&world.judge(BlobKind::Bundle, lying.into_bytes())), "signature-invalid");
    let good = String::from_utf8(world.bundle(&world.statement(predicate::IMAGE_SIGNATURE))).unwrap();
    let misled = good.replace(&world.key.public().hint(), "AAAA");
    assert_eq!(world.judge(BlobKind::Bundle, misled.into_bytes()).verified().len(), 1, "a hint decides nothing");
}

#[test]
fn each_signer_of_an_envelope_counts_once() {
    let world = World::new();
    let other = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let mut envelope = world.envelope(IN_TOTO, world.statement(predicate::SLSA_V1).encode());
    let again = envelope.signatures[0].clone();
    let signature = other.sign(&envelope.pae()).unwrap();
    envelope.signatures.extend([again, EnvelopeSignature { key_hint: None, signature }]);
    let both = Anchors::new([world.key.public().clone(), other.public().clone()]);
    let collected = Collected {
        blobs: vec![blob(BlobKind::Envelope { material: LegacyMaterial::default() }, envelope.encode())],
        unread: Vec::new(),
    };
    assert_eq!(
        verify_all(&world.subject, collected, &both, Timestamp::UNIX_EPOCH, &Limits::default()).verified().len(),
        2
    );
}

// [V-20]
#[test]
fn an_envelope_of_something_else_is_no_statement() {
    let world = World::new();
    let envelope = world.envelope("text/plain", world.statement(predicate::SLSA_V1).encode());
    assert_eq!(
        rejected(&world.judge(BlobKind::Envelope { material: LegacyMaterial::default() }, envelope.encode())),
        "format-unsupported"
    );
}

// [V-21]
#[test]
fn what_is_about_another_digest_does_not_count() {
    let world = World::new();
    let other = Statement::about(&Digest::sha256(b"another"), None, predicate::IMAGE_SIGNATURE, json!({}));
    assert_eq!(rejected(&world.judge(BlobKind::Bundle, world.bundle(&other))), "subject-mismatch");
    let payload = Payload { docker_reference: String::new(), digest: Digest::sha256(b"another"), optional: [].into() };
    let signature = STANDARD.encode(world.key.sign(&payload.encode()).unwrap());
    assert_eq!(
        rejected(
            &world.judge(BlobKind::SimpleSigning { signature, material: LegacyMaterial::default() }, payload.encode())
        ),
        "subject-mismatch"
    );
}

// [V-22]
#[test]
fn the_predicate_type_tells_a_signature_from_an_attestation() {
    let world = World::new();
    for (predicate_type, is_signature) in [(predicate::IMAGE_SIGNATURE, true), (predicate::SPDX, false)] {
        let findings = world.judge(BlobKind::Bundle, world.bundle(&world.statement(predicate_type)));
        assert_eq!(matches!(findings.verified()[0].claim(), Claim::Signature { .. }), is_signature, "{predicate_type}");
    }
}

#[test]
fn a_simple_signature_is_over_the_payload_s_bytes() {
    let world = World::new();
    let payload = Payload {
        docker_reference: "r.example/app:1".into(),
        digest: world.subject.digest(),
        optional: [("env".to_owned(), "prod".to_owned())].into(),
    };
    let signature = STANDARD.encode(world.key.sign(&payload.encode()).unwrap());
    let findings = world.judge(
        BlobKind::SimpleSigning { signature: signature.clone(), material: LegacyMaterial::default() },
        payload.encode(),
    );
    let Claim::Signature { annotations, references } = findings.verified()[0].claim() else { panic!("a signature") };
    assert_eq!((annotations["env"].as_str(), references.len()), ("prod", 1));
    let mut spaced = payload.encode();
    spaced.push(b' ');
    assert_eq!(
        rejected(&world.judge(BlobKind::SimpleSigning { signature, material: LegacyMaterial::default() }, spaced)),
        "signer-unknown"
    );
    let none = BlobKind::SimpleSigning { signature: "*".into(), material: LegacyMaterial::default() };
    assert_eq!(rejected(&world.judge(none, payload.encode())), "malformed");
}

#[test]
fn a_signed_name_is_a_reference_only_if_it_has_a_host() {
    let parsed = |text: &str| SignedReference::parse(text).map(|r| r.to_string());
    assert_eq!(parsed("127.0.0.1:5000/app:1").as_deref(), Some("127.0.0.1:5000/app:1"));
    assert_eq!(parsed("index.docker.io/library/busybox").as_deref(), Some("docker.io/library/busybox"));
    for none in ["", "app", "app:1", "library/app", "pkg:docker/app", "oci:dir", "a.b/UPPER", "sbom.json"] {
        assert_eq!(parsed(none), None, "{none}");
    }
}
