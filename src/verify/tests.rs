//! What the one verifier checks, a step a test; SPEC.md, section 5.

use super::*;
use crate::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::{bundle::encode_keyed, predicate, statement::Statement},
    oci::{Digest, Embedded, Reference},
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

/// An index with one image, the attestation manifest that BuildKit puts beside it, and the statement in that.
struct Built {
    index: Digest,
    image: Digest,
    manifest: Digest,
    embedded: Embedded,
    whole: Subject,
    one: Subject,
}

impl Built {
    fn new(statement: &[u8]) -> Self {
        use crate::oci::{Descriptor, ImageIndex, ImageManifest, Manifest, media_type as types};
        let entry = |bytes: &[u8], os: &str| {
            let platform = serde_json::from_value(json!({"os": os, "architecture": os})).unwrap();
            Descriptor { platform: Some(platform), ..Descriptor::of(types::IMAGE_MANIFEST, bytes) }
        };
        let manifest =
            ImageManifest::new(Descriptor::of(types::IMAGE_CONFIG, b"{}"), vec![Descriptor::of(IN_TOTO, statement)]);
        let manifest = Manifest::Image(Box::new(manifest)).encode();
        let image = Digest::sha256(IMAGE);
        let about = entry(&manifest, "unknown")
            .annotated(types::REFERENCE_TYPE_ANNOTATION, types::ATTESTATION_MANIFEST)
            .annotated(types::REFERENCE_DIGEST_ANNOTATION, image.to_string());
        let entries = vec![entry(IMAGE, "linux"), entry(b"another", "windows"), about];
        let bytes = Manifest::Index(Box::new(ImageIndex::new(entries))).encode();
        let (index, manifest_digest) = (Digest::sha256(&bytes), Digest::sha256(&manifest));
        let mut embedded = Embedded::of_index(index, &bytes).unwrap();
        embedded.add(manifest_digest, &manifest).unwrap();
        let whole = Subject::new("r.example/app:1".parse().unwrap(), index);
        let one = whole.clone().image_within(&bytes, image).unwrap();
        Self { index, image, manifest: manifest_digest, embedded, whole, one }
    }

    fn blob(&self, statement: &[u8]) -> Blob {
        let place = Place { subject: self.image, via: Via::Index, manifest: Some(self.manifest), layer: 0 };
        Blob { place, kind: BlobKind::Statement, bytes: statement.to_vec() }
    }

    fn judge(&self, world: &World, subject: &Subject, blobs: Vec<Blob>) -> Findings {
        let subject = subject.clone().with_embedded(self.embedded.clone());
        let collected = Collected { blobs, unread: Vec::new() };
        verify_all(&subject, collected, &world.anchors, Timestamp::UNIX_EPOCH, &Limits::default())
    }
}

fn signature(world: &World, about: Digest, predicate_type: &str) -> Blob {
    let statement = Statement::about(&about, Some("r.example/app:1".into()), predicate_type, json!({}));
    blob(BlobKind::Bundle, world.bundle(&statement))
}

// [V-241]
#[test]
fn an_unsigned_statement_is_the_claim_of_whoever_signed_what_is_around_it() {
    let world = World::new();
    let text = world.statement(predicate::SLSA_V1).encode();
    let built = Built::new(&text);
    for (around, format) in [(built.index, Format::CoveredByIndex), (built.manifest, Format::CoveredByManifest)] {
        for subject in [&built.one, &built.whole] {
            let blobs = vec![built.blob(&text), signature(&world, around, predicate::IMAGE_SIGNATURE)];
            let findings = built.judge(&world, subject, blobs);
            let covered: Vec<_> = findings.verified().iter().filter(|one| one.format() == format).collect();
            let [claim] = covered[..] else { panic!("{findings:?}") };
            assert_eq!(claim.digest(), &built.image);
            assert_eq!(claim.identity(), &Identity::Key(world.key.public().fingerprint()));
            let Claim::Attestation { predicate_type, references, .. } = claim.claim() else { panic!("an attestation") };
            assert_eq!(
                (predicate_type.as_str(), references[0].to_string()),
                (predicate::SLSA_V1, "r.example/app:1".into())
            );
            // A signature of the attestation manifest is no signature of the image.
            let signatures = findings.verified().iter().filter(|one| matches!(one.claim(), Claim::Signature { .. }));
            assert_eq!(signatures.count(), usize::from(around == built.index));
        }
    }
}

// [V-241]
#[test]
fn an_unsigned_statement_counts_for_nobody_without_such_a_signature() {
    let (world, stranger) = (World::new(), World::new());
    let text = world.statement(predicate::SLSA_V1).encode();
    let built = Built::new(&text);
    let unsigned = |blobs: Vec<Blob>, subject: &Subject| {
        let findings = built.judge(&world, subject, blobs);
        assert!(
            !findings.verified().iter().any(|one| matches!(one.claim(), Claim::Attestation { .. })),
            "{findings:?}"
        );
        findings.rejected().iter().map(|one| one.rejection.id()).collect::<Vec<_>>()
    };
    assert_eq!(unsigned(vec![built.blob(&text)], &built.one), ["statement-uncovered"]);
    // A signature over the image alone, by a stranger, or an attestation of the index, covers nothing.
    let image = signature(&world, built.image, predicate::IMAGE_SIGNATURE);
    assert_eq!(unsigned(vec![built.blob(&text), image], &built.one), ["statement-uncovered"]);
    let foreign = signature(&stranger, built.index, predicate::IMAGE_SIGNATURE);
    assert_eq!(unsigned(vec![built.blob(&text), foreign], &built.one), ["signer-unknown", "statement-uncovered"]);
    let attested = signature(&world, built.index, predicate::VULN);
    let findings = built.judge(&world, &built.one, vec![built.blob(&text), attested]);
    assert_eq!(rejected_ids(&findings), ["statement-uncovered"]);
    // What is attested of the attestation manifest is told, and is said of no image.
    let attested = signature(&world, built.manifest, predicate::VULN);
    assert_eq!(unsigned(vec![built.blob(&text), attested], &built.one), ["statement-uncovered", "subject-mismatch"]);
    let index = || signature(&world, built.index, predicate::IMAGE_SIGNATURE);
    // Other bytes, another image, another manifest, another layer.
    let changed = String::from_utf8(text.clone()).unwrap().replace("{}", "[]").into_bytes();
    assert_eq!(unsigned(vec![built.blob(&changed), index()], &built.one), ["subject-mismatch"]);
    for change in [
        |place: &mut Place| place.subject = Digest::sha256(b"another"),
        |place: &mut Place| place.manifest = Some(Digest::sha256(b"elsewhere")),
        |place: &mut Place| place.manifest = None,
        |place: &mut Place| place.layer = 1,
    ] {
        let mut moved = built.blob(&text);
        change(&mut moved.place);
        assert_eq!(unsigned(vec![moved, index()], &built.whole), ["subject-mismatch"]);
    }
    // Without the index itself there is no chain.
    let collected = Collected { blobs: vec![built.blob(&text), index()], unread: Vec::new() };
    let findings = verify_all(&built.one, collected, &world.anchors, Timestamp::UNIX_EPOCH, &Limits::default());
    assert_eq!(rejected_ids(&findings), ["subject-mismatch"]);
}

// [V-241]
#[test]
fn an_unsigned_statement_has_to_name_its_image_and_to_be_no_signature() {
    let world = World::new();
    let other = Statement::about(&Digest::sha256(b"another"), None, predicate::SLSA_V1, json!({})).encode();
    let signed = world.statement(predicate::IMAGE_SIGNATURE).encode();
    for (text, id) in [(other, "subject-mismatch"), (signed, "format-unsupported"), (b"{}".to_vec(), "malformed")] {
        let built = Built::new(&text);
        let index = signature(&world, built.index, predicate::IMAGE_SIGNATURE);
        let findings = built.judge(&world, &built.one, vec![built.blob(&text), index]);
        assert_eq!(rejected_ids(&findings), [id]);
        assert_eq!(findings.verified().len(), 1, "the signature of the index alone");
    }
}

fn rejected_ids(findings: &Findings) -> Vec<&'static str> {
    findings.rejected().iter().map(|one| one.rejection.id()).collect()
}
