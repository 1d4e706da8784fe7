//! What is fuzzed: one function a target, each with what has to hold for any input. `tests/corpora.rs` includes this
//! file and replays the corpora with the product's own compiler.

use boltseal::{
    crypto::{Authority, PublicKey, Purpose, SigningCertificate, TimestampToken, hash, keyfile},
    format::{
        bundle::{self, Bundle, Content, Material},
        decision_log::{Chain, Event, Head},
        dsse::Envelope,
        fulcio,
        image_config::ImageConfig,
        predicate::{Document, Family, Severity},
        statement::Statement,
    },
    limits::{Limits, REGO_MESSAGE, REGO_MESSAGES},
    oci::{Digest, Embedded, Reference},
    policy::{
        BaseRule, Bases, Circumstances, ConfigRule, Decision, PackagePattern, Policy, ProvenanceRule, Question,
        SbomRule, TextPattern, Topic, VsaRule, VulnRule, evaluate,
    },
    rego::{InProcess, Program, RegoError, Runner},
    trust::{Anchors, Identity, Instance, TrustedRoot},
    verify::{
        Artifact, Blob, BlobKind, Claim, Collected, LegacyMaterial, Place, SignedReference, Subject, Via,
        verify_all as judge, verify_blob,
    },
};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// cosign's test key, which signed the seeds.
static KEY: LazyLock<PublicKey> =
    LazyLock::new(|| PublicKey::from_pem(include_str!("../../testdata/keys/p256-cosign-pub.test.pem")).expect("a key"));

/// What that key signed of the image, and therefore all that may ever be verified.
static SIGNED: LazyLock<Vec<Claim>> = LazyLock::new(|| SEEDS.iter().flat_map(|seed| claims(seed)).collect());

/// Every seed of `verify_all` that holds: nothing else can, unless a signature was forged.
const SEEDS: &[&[u8]] = &[
    include_bytes!("../corpus/verify_all/cosign-bundle"),
    include_bytes!("../corpus/verify_all/cosign-envelope"),
    include_bytes!("../corpus/verify_all/cosign-simple"),
    include_bytes!("../corpus/verify_all/cosign-attestation"),
];

fn image() -> Subject {
    const IMAGE: &str =
        "registry.example.com/app@sha256:a4ae8dba89657ee343d766312957890a960e40c41512ca197ccb7413016c9215";
    let reference: Reference = IMAGE.parse().expect("a reference");
    let digest = reference.digest.expect("a digest");
    Subject::new(reference, digest)
}

/// What an input says that it is: its first line is `bundle`, `envelope`, or the signature of a simple signature.
fn claims(input: &[u8]) -> Vec<Claim> {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (first, rest) = input.split_at(line);
    let kind = match first {
        b"bundle" => BlobKind::Bundle,
        b"envelope" => BlobKind::Envelope { material: LegacyMaterial::default() },
        signature => BlobKind::SimpleSigning {
            signature: String::from_utf8_lossy(signature).into_owned(),
            material: LegacyMaterial::default(),
        },
    };
    let subject = image();
    let place = Place { subject: subject.digest(), via: Via::Supplied, manifest: None, layer: 0 };
    let bytes = rest.get(1..).unwrap_or_default().to_vec();
    let collected = Collected { blobs: vec![Blob { place, kind, bytes }], unread: Vec::new() };
    let findings = judge(&subject, collected, &Anchors::new([KEY.clone()]), Timestamp::UNIX_EPOCH, &Limits::default());
    assert_eq!(findings.verified().len() + findings.rejected().len(), 1, "one blob by one key has one end");
    findings.verified().iter().map(|verified| verified.claim().clone()).collect()
}

/// Evidence of any kind: nothing is verified that was not signed.
pub fn verify_all(input: &[u8]) {
    for claim in claims(input) {
        assert!(SIGNED.contains(&claim), "nobody signed {claim:?}");
    }
}

/// A policy's text: whatever it says, an image on which nothing hangs is not allowed.
pub fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let rego = |_: &str| Ok(Some(b"package x\n\ndeny contains \"no\" if input.digest == \"\"\n".to_vec()));
    let Ok(policy) = Policy::parse_with(text, &|_| Ok(KEY.clone()), &rego) else { return };
    let subject = image();
    let _ = policy.explain(subject.reference());
    let findings = judge(&subject, Collected::default(), policy.anchors(), Timestamp::UNIX_EPOCH, &Limits::default());
    let decision = evaluate(&policy, &findings, Timestamp::UNIX_EPOCH).decision;
    assert!(matches!(decision, Decision::Deny(_) | Decision::NotJudged), "{decision:?}");
}

/// A reference, a digest, a signed name: what is read has one spelling.
pub fn reference(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse().ok(), Some(reference));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    if let Some(signed) = SignedReference::parse(text) {
        assert_eq!(SignedReference::parse(&signed.to_string()), Some(signed));
    }
}

/// A bare envelope: what is read is written so that it is read again.
pub fn dsse(input: &[u8]) {
    if let Ok(envelope) = Envelope::decode(input) {
        assert_eq!(Envelope::decode(&envelope.encode()).ok(), Some(envelope));
    }
}

/// A bundle, likewise.
pub fn bundle(input: &[u8]) {
    let Ok(read) = Bundle::decode(input) else { return };
    let (Content::Envelope(envelope), Material::PublicKey { hint }) = (&read.content, &read.material) else { return };
    assert_eq!(envelope.signatures.len(), 1, "a bundle's envelope has one signature");
    let again = Bundle::decode(&bundle::encode_keyed(envelope, hint)).ok();
    assert_eq!(again.map(|again| (again.content, again.material)), Some((read.content, read.material)));
}

/// A key file. Encrypted ones end at the password: scrypt would be all that is fuzzed.
pub fn key_file(input: &[u8]) {
    if let Ok(key) = keyfile::decode(input, &mut || Err("no password".into())) {
        let again = key.to_pkcs8_der().map(|der| boltseal::crypto::PrivateKey::from_pkcs8_der(&der));
        assert_eq!(
            again.ok().and_then(Result::ok).map(|again| again.public().fingerprint()),
            Some(key.public().fingerprint())
        );
    }
    if let Ok(key) = PublicKey::from_pem_bytes(input) {
        assert_eq!(PublicKey::from_pem(&key.to_pem()).map(|again| again.fingerprint()).ok(), Some(key.fingerprint()));
    }
}

/// A predicate, its type in the first line: it is read or refused, within its bounds, and what is read is read again the same.
/// What nobody signed allows nothing, whatever a policy asks of it.
pub fn documents(input: &[u8]) {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (first, rest) = input.split_at(line);
    let Ok(kind) = std::str::from_utf8(first) else { return };
    let predicate = rest.get(1..).unwrap_or_default();
    let read = Document::decode(kind, predicate);
    let Ok(Some(document)) = read else { return };
    assert!(Family::of(kind).is_some(), "{kind} was read and has no family");
    let again = Document::decode(kind, predicate).expect("the same").expect("the same");
    assert_eq!(format!("{document:?}"), format!("{again:?}"));
    // A document that is read is strict: no other reader can take another meaning from it.
    assert!(serde_json::from_slice::<serde_json::Value>(predicate).is_ok());
    for about in QUESTIONS.iter() {
        let question = Question { about: about.clone(), max_age: None, newest: false };
        let digests = [image().digest()];
        let resource = SignedReference::parse("registry.example.com/shop/cart:1.0");
        let (bases, now) = (Bases::default(), Timestamp::UNIX_EPOCH);
        let beside = Circumstances { digests: &digests, resource: resource.as_ref(), vex: &[], bases: &bases, now };
        if question.family() != Family::of(kind).expect("a family") {
            assert!(question.judge(&document, &beside).is_err(), "a document of another family answers nothing");
        } else if let Err(miss) = question.judge(&document, &beside) {
            assert!(!miss.id().is_empty() && !miss.to_string().is_empty());
        }
    }
}

/// What a process answers that runs a Rego program, and what a program is shown: whatever it is, messages are within their bounds.
///
/// Programs are not fuzzed. The engine overflows its stack, panics and runs on, as is known, and dies of it where nobody else
/// does; a target that ends at these at once finds nothing of ours.
pub fn rego(input: &[u8]) {
    let bounded = |messages: &Vec<String>| {
        assert!(messages.len() <= REGO_MESSAGES + 1);
        assert!(messages.iter().all(|message| !message.is_empty() && message.chars().count() <= REGO_MESSAGE));
    };
    let says = Arc::new(Says { answers: [b"{\"Ok\":[]}".to_vec(), input.to_vec()], at: AtomicUsize::new(0) });
    let program = Program::load("fuzz.rego", "package x", says).expect("a good first answer");
    let _ = program.denials("{}", Timestamp::UNIX_EPOCH).as_ref().map(bounded);
    let Ok(shown) = std::str::from_utf8(input) else { return };
    let _ = ECHO.denials(shown, Timestamp::UNIX_EPOCH).as_ref().map(bounded);
}

/// Tells what it is shown, in this process: it has no function that could fail.
static ECHO: LazyLock<Program> = LazyLock::new(|| {
    let text = "package x\n\ndeny contains message if some message in input.shown";
    Program::load("fuzz.rego", text, Arc::new(InProcess)).expect("a program")
});

/// Gives one answer after the other, whatever it is asked.
#[derive(Debug)]
struct Says {
    answers: [Vec<u8>; 2],
    at: AtomicUsize,
}

impl Runner for Says {
    fn run(&self, _: &[u8], _: Duration) -> Result<Vec<u8>, RegoError> {
        let at = self.at.fetch_add(1, Ordering::Relaxed);
        Ok(self.answers.get(at).cloned().unwrap_or_default())
    }
}

/// An in-toto statement: what is read is written so that it is read again.
pub fn statement(input: &[u8]) {
    let _ = Statement::read(input);
    if let Ok(statement) = Statement::decode(input) {
        assert_eq!(Statement::decode(&statement.encode()).ok(), Some(statement));
    }
}

/// One question of each topic.
static QUESTIONS: LazyLock<Vec<Topic>> = LazyLock::new(|| {
    let glob = |text| TextPattern::glob(text).expect("a glob");
    let package = |text| PackagePattern::parse(text).expect("a pattern");
    vec![
        Topic::Provenance(ProvenanceRule {
            builder: Some(glob("https://**")),
            source: Some(glob("https://github.com/acme/*")),
            reference: Some(glob("refs/tags/*")),
            level: Some(2),
            refuse_unknown: true,
            ..ProvenanceRule::default()
        }),
        Topic::Provenance(ProvenanceRule { base: Some(BaseRule { depth: 1 }), ..ProvenanceRule::default() }),
        Topic::Sbom(SbomRule {
            of_image: true,
            deny_packages: vec![package("pkg:npm/**")],
            deny_licenses: vec![glob("gpl-*")],
            ..SbomRule::default()
        }),
        Topic::Vuln(VulnRule { most: Some(Severity::Medium), ..VulnRule::default() }),
        Topic::Summary(VsaRule {
            verifier: "https://verify.example.com".to_owned(),
            policy: Some(image().digest()),
            levels: vec!["SLSA_BUILD_LEVEL_3".to_owned()],
        }),
    ]
});

/// A log of decisions: read without end, and one that is whole ends with an entry that the next one follows.
pub fn decision_log(input: &[u8]) {
    for whole in [true, false] {
        if let Ok((head, torn)) = Head::of_tail(input, whole) {
            let _ = head.recovered(torn, Timestamp::UNIX_EPOCH).expect("a short one");
        }
    }
    let mut chain = Chain::default();
    let followed = input.split_inclusive(|byte| *byte == b'\n').all(|line| chain.line(line).is_ok());
    let Some(head) = chain.head().filter(|_| followed && chain.end().is_ok()) else { return };
    assert_eq!(Head::of_tail(input, true).ok(), Some((head, &b""[..])), "the writer finds what the reader read");
    let event = Event::Continued { from: "another".to_owned() };
    let (line, next) = head.next(&event, Timestamp::UNIX_EPOCH).expect("a short one");
    assert!(chain.line(&line).is_ok() && chain.end().is_ok() && chain.head() == Some(next));
}

/// An image's configuration: it is read or refused, and no rule of it tells a secret.
pub fn image_config(input: &[u8]) {
    let Ok(config) = ImageConfig::decode(input) else { return };
    let rule = ConfigRule { non_root: true, no_secrets: true, max_layers: Some(1), ..ConfigRule::default() };
    if let Err(miss) = rule.judge(&config, 0) {
        assert!(!miss.to_string().contains("hunter"), "{miss}");
    }
}

/// Now, for what has to be past.
const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

/// Real bundles and the files that they are about: who may be found to have signed, and nobody else.
const REAL: [(&[u8], &str); 4] = [
    (
        include_bytes!("../corpus/keyless/cosign-blob"),
        "sha256:e194b99df6639501325c5f44da79fe3a8efae6f239bd79443a19787e06fb1764",
    ),
    (
        include_bytes!("../corpus/keyless/github-attestation"),
        "sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f",
    ),
    (
        include_bytes!("../corpus/keyless/pypi-wheel"),
        "sha256:c4e92e9ecc828bef2aa7dba1de8ac983511f7532a0df11c770d39099a25cf201",
    ),
    (
        include_bytes!("../corpus/keyless/github-private-attestation"),
        "sha256:76f1fe8593bf227cca2c089e3c16dc95014a8d3e89c5dd220530469ca043c428",
    ),
];

/// Both roots that come with boltseal.
static ROOTS: LazyLock<Anchors> = LazyLock::new(|| {
    let root = |instance| Arc::new(TrustedRoot::embedded(instance).expect("a root"));
    Anchors::default().with_roots([Instance::PublicGood, Instance::GitHub].map(root))
});

/// Who signed the seeds.
static SIGNERS: LazyLock<BTreeSet<(&str, Identity)>> = LazyLock::new(|| {
    let all: BTreeSet<_> = REAL.iter().flat_map(|(bundle, digest)| signers(bundle, digest, &ROOTS)).collect();
    assert_eq!(all.len(), REAL.len(), "each seed holds");
    all
});

fn signers<'d>(bundle: &[u8], digest: &'d str, anchors: &Anchors) -> Vec<(&'d str, Identity)> {
    let artifact = Artifact::from_digest(digest.parse().expect("a digest"));
    let verified = verify_blob(&artifact, bundle.to_vec(), anchors, NOW, &Limits::default());
    verified.into_iter().flatten().map(|one| (digest, one.identity().clone())).collect()
}

/// A bundle with a certificate: by the roots that come with boltseal, nobody signed but those who did.
pub fn keyless(input: &[u8]) {
    for (_, digest) in REAL {
        for signer in signers(input, digest, &ROOTS) {
            assert!(SIGNERS.contains(&signer), "{signer:?} did not sign");
        }
    }
}

/// A trusted root: whatever it trusts, a bundle is by whom its certificate names, and the bytes name the root.
pub fn trusted_root(input: &[u8]) {
    let Ok(root) = TrustedRoot::decode("fuzzed", input) else { return };
    assert_eq!(root.id().to_string(), Digest::sha256(input).to_string());
    let anchors = Anchors::default().with_roots([Arc::new(root)]);
    for (bundle, digest) in REAL {
        for signer in signers(bundle, digest, &anchors) {
            assert!(SIGNERS.contains(&signer), "{signer:?} did not sign");
        }
    }
}

/// A certificate: what is read is exactly these bytes, and none vouches for itself as a signer while it is an authority.
pub fn certificate(input: &[u8]) {
    let Ok(read) = SigningCertificate::from_der(input) else { return };
    assert_eq!(read.der(), input);
    let _ = (fulcio::issuer_and_name(&read), fulcio::claims(&read), read.scts(b"an issuer"));
    if let Ok(authority) = Authority::from_chain(std::slice::from_ref(&read)) {
        for at in [read.validity().0, read.validity().1] {
            let path = authority.verify(&read, std::slice::from_ref(&read), &Purpose::CODE_SIGNING, at);
            assert!(path.is_err() || !read.is_ca(), "an authority's certificate signs nothing else");
        }
    }
}

/// A timestamp: it is over nothing that nobody stamped.
pub fn timestamp(input: &[u8]) {
    let Ok(token) = TimestampToken::decode(input) else { return };
    let _ = token.time();
    let message = hash::sha256(input);
    for certificate in token.certificates() {
        let _ = token.names(certificate);
        assert!(token.verify(&message, certificate).is_err(), "nobody stamped its own hash");
    }
}

/// An index, an attestation manifest and a statement, a line each: it lies in the index only if each names the next.
pub fn embedded(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let (Some(index), Some(manifest), Some(statement)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Ok(mut embedded) = Embedded::of_index(Digest::sha256(index), index) else { return };
    let at = Digest::sha256(manifest);
    let _ = embedded.add(at, manifest);
    // An escape would hide a digest from this look, not from the reader.
    let plain = !input.contains(&b'\\') && !String::from_utf8_lossy(input).contains("sha512:");
    let names = |text: &[u8], digest: Digest| String::from_utf8_lossy(text).contains(&digest.hex());
    for image in embedded.images().to_vec() {
        for layer in 0..4 {
            let held = embedded.holds(image, at, layer, statement);
            let chained = names(index, image) && names(index, at) && names(manifest, Digest::sha256(statement));
            assert!(!(held && plain) || chained, "{image}, layer {layer}");
        }
    }
}
