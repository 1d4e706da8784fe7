//! Images signed with certificates, judged by policies.

use crate::{
    judges::{CONTENT, then},
    sigstore::{Identity, Key, Leaf, Logged, PrivateSigstore, San, Signing, b64, pem, unb64},
};
use boltseal::{
    crypto::PublicKey,
    format::predicate,
    limits::Limits,
    oci::{Digest, Reference},
    policy::{Decision, Policy, Reason, evaluate},
    verify::{Blob, BlobKind, Collected, LegacyMaterial, Place, Subject, Via, verify_all},
};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use serde_json::{Value, json};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const RELEASE: &str = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1";
const OTHER: &str = "https://github.com/acme/app/.github/workflows/test.yml@refs/heads/main";

fn image() -> Digest {
    Digest::sha256(CONTENT)
}

fn workflow(san: &str) -> Identity {
    Identity::new(ISSUER, San::Uri(san.to_owned())).claim(11, "github-hosted")
}

fn statement(predicate_type: &str) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { "sha256": image().hex() } }],
        "predicateType": predicate_type,
        "predicate": {},
    })
}

fn signed(signing: &Signing<'_>) -> Vec<u8> {
    signing.statement(&statement(predicate::IMAGE_SIGNATURE)).to_string().into_bytes()
}

fn blob(kind: BlobKind, bytes: Vec<u8>) -> Blob {
    Blob { place: Place { subject: image(), via: Via::Supplied, manifest: None, layer: 0 }, kind, bytes }
}

fn bundles(bundles: impl IntoIterator<Item = Vec<u8>>) -> Vec<Blob> {
    bundles.into_iter().map(|bytes| blob(BlobKind::Bundle, bytes)).collect()
}

struct World {
    sigstore: PrivateSigstore,
    key: PublicKey,
}

impl World {
    fn new() -> Self {
        let key = PublicKey::from_pem(include_str!("../../testdata/policy/release.test.pub")).unwrap();
        Self { sigstore: PrivateSigstore::new(), key }
    }

    fn policy(&self, authorities: &str, signatures: &str) -> Policy {
        let text = format!(
            "version: 1\nauthorities:\n{authorities}\nimages:\n  \"**\": {{ signatures: {{ {signatures} }} }}\n"
        );
        let chain = self.sigstore.ca.chain.last().map(|der| pem("CERTIFICATE", der)).unwrap();
        let files = |name: &str| match name {
            "private.json" => Ok(Some(self.sigstore.trusted_root().to_string().into_bytes())),
            "ca.pem" => Ok(Some(chain.clone().into_bytes())),
            _ => Err("no such file".to_owned()),
        };
        Policy::parse_with(&text, &|_| Ok(self.key.clone()), &files).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The ids of the reasons; none where it is allowed.
    fn judge(&self, policy: &Policy, blobs: Vec<Blob>) -> Vec<&'static str> {
        let reference: Reference = format!("registry.example.com/acme/app@{}", image()).parse().unwrap();
        let subject = Subject::new(reference.clone(), image());
        let anchors = policy.anchors_for(&reference.repository);
        let now = Timestamp::now();
        let findings = verify_all(&subject, Collected { blobs, unread: Vec::new() }, &anchors, now, &Limits::default());
        match evaluate(policy, &findings, now).decision {
            Decision::Allow(_) => Vec::new(),
            Decision::Deny(reasons) => reasons.iter().map(Reason::id).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn release(&self) -> Signing<'_> {
        Signing::keyless(&self.sigstore, workflow(RELEASE), then())
    }
}

const CI: &str = "  ci: { keyless: { issuer: \"https://token.actions.githubusercontent.com\", subject: \"https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*\", trusted-root: private.json } }";

// [V-122]
#[test]
fn the_right_workflow_s_certificate_speaks_for_its_authority() {
    let world = World::new();
    let policy = world.policy(CI, "from: [ci]");
    assert_eq!(world.judge(&policy, bundles([signed(&world.release())])), [] as [&str; 0]);
    assert_eq!(world.judge(&policy, bundles([signed(&world.release().rekor2())])), [] as [&str; 0]);
    let other = Signing::keyless(&world.sigstore, workflow(OTHER), then());
    assert_eq!(world.judge(&policy, bundles([signed(&other)]))[0], "signer-mismatch");
    let elsewhere = Identity::new("https://issuer.test", San::Uri(RELEASE.to_owned()));
    let elsewhere = Signing::keyless(&world.sigstore, elsewhere, then());
    assert_eq!(world.judge(&policy, bundles([signed(&elsewhere)]))[0], "signer-mismatch");
    let strange = PrivateSigstore::new();
    let strange = Signing::keyless(&strange, workflow(RELEASE), then());
    assert_eq!(world.judge(&policy, bundles([signed(&strange)]))[0], "certificate-untrusted");
    let unlogged = world.release().logged(&[Logged::Not]).stamped();
    assert_eq!(world.judge(&policy, bundles([signed(&unlogged)]))[0], "log-missing");
    // Junk beside a good one harms nobody.
    let both = bundles([signed(&strange), signed(&other), b"{}".to_vec(), signed(&world.release())]);
    assert_eq!(world.judge(&policy, both), [] as [&str; 0]);
}

// [V-22] [V-120]
#[test]
fn an_attestation_or_a_signed_file_is_no_image_signature() {
    let world = World::new();
    let policy = world.policy(CI, "from: [ci]");
    let sbom = world.release().statement(&statement("https://spdx.dev/Document")).to_string().into_bytes();
    assert_eq!(world.judge(&policy, bundles([sbom]))[0], "unsigned");
    let file = world.release().blob(CONTENT).to_string().into_bytes();
    assert_eq!(world.judge(&policy, bundles([file]))[0], "unsigned");
}

// [V-122]
#[test]
fn what_is_asked_of_a_certificate_has_to_be_there() {
    let world = World::new();
    let ask = |more: &str| {
        let authority = CI.replace("trusted-root", &format!("{more}, trusted-root"));
        world.policy(&authority, "from: [ci]")
    };
    let good = || bundles([signed(&world.release())]);
    assert_eq!(world.judge(&ask("claims: { runner-environment: github-hosted }"), good()), [] as [&str; 0]);
    assert_eq!(world.judge(&ask("claims: { runner-environment: self-hosted }"), good())[0], "claim-mismatch");
    assert_eq!(world.judge(&ask("claims: { source-repository-uri: \"**\" }"), good())[0], "claim-mismatch");
    assert_eq!(world.judge(&ask("timestamp: required"), good())[0], "timestamp-missing");
    let stamped = || bundles([signed(&world.release().stamped())]);
    assert_eq!(world.judge(&ask("timestamp: required, log: proven"), stamped()), [] as [&str; 0]);
    let unlogged = || bundles([signed(&world.release().logged(&[Logged::Not]).stamped())]);
    assert_eq!(world.judge(&ask("log: optional"), unlogged()), [] as [&str; 0]);
    let unseen = Leaf { scts: crate::sigstore::Scts::None, ..Leaf::new(workflow(RELEASE), then()) };
    let unseen = || bundles([signed(&Signing { leaf: Some(unseen.clone()), ..world.release() })]);
    assert_eq!(world.judge(&ask("sct: required"), unseen())[0], "sct-missing");
    assert_eq!(world.judge(&ask("sct: optional"), unseen()), [] as [&str; 0]);
}

// [V-123]
#[test]
fn one_identity_is_one_principal_whatever_keys_it_had() {
    let world = World::new();
    let two = format!(
        "{CI}\n  too: {{ keyless: {{ issuer: \"**\", subject-regexp: \"https://github\\\\.com/acme/.*\", trusted-root: private.json }} }}"
    );
    let policy = world.policy(&two, "from: [ci, too], threshold: 2");
    let twice = bundles([signed(&world.release()), signed(&world.release())]);
    assert_eq!(world.judge(&policy, twice), ["threshold-unmet"]);
    let other = Signing::keyless(&world.sigstore, workflow(OTHER), then());
    assert_eq!(world.judge(&policy, bundles([signed(&world.release()), signed(&other)])), [] as [&str; 0]);
}

#[test]
fn cosign_s_older_formats_are_read_with_their_certificates() {
    let world = World::new();
    let policy = world.policy(CI, "from: [ci]");
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": "registry.example.com/acme/app" },
            "image": { "docker-manifest-digest": image().to_string() },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = payload.to_string().into_bytes();
    let bundle = world.release().blob(&payload);
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let cosign = json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": number(&entry["integratedTime"]),
            "logIndex": number(&entry["logIndex"]),
            "logID": hex::encode(unb64(entry["logId"]["keyId"].as_str().unwrap()).unwrap()),
        },
    });
    let leaf = unb64(bundle["verificationMaterial"]["certificate"]["rawBytes"].as_str().unwrap()).unwrap();
    let chain: Vec<_> = world.sigstore.ca.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
    let signature = bundle["messageSignature"]["signature"].as_str().unwrap().to_owned();
    let simple = |change: &dyn Fn(&mut LegacyMaterial)| {
        let mut material = LegacyMaterial {
            certificate: Some(pem("CERTIFICATE", &leaf)),
            chain: Some(chain.concat()),
            log_entry: Some(cosign.to_string()),
            timestamp: None,
        };
        change(&mut material);
        vec![blob(BlobKind::SimpleSigning { signature: signature.clone(), material }, payload.clone())]
    };
    assert_eq!(world.judge(&policy, simple(&|_| {})), [] as [&str; 0]);
    assert_eq!(world.judge(&policy, simple(&|m| m.log_entry = None))[0], "log-missing");
    assert_eq!(world.judge(&policy, simple(&|m| m.certificate = None))[0], "signer-unknown");
    let broken = |m: &mut LegacyMaterial| m.log_entry = Some("{}".to_owned());
    assert!(world.judge(&policy, simple(&broken)).contains(&"malformed"));
    let token = world.sigstore.tsa.stamp(&unb64(&signature).unwrap(), &crate::sigstore::Stamp::at(then()));
    let stamped = json!({ "SignedRFC3161Timestamp": b64(&token) }).to_string();
    let asked = CI.replace("trusted-root", "timestamp: required, trusted-root");
    let asked = world.policy(&asked, "from: [ci]");
    assert_eq!(world.judge(&asked, simple(&|m| m.timestamp = Some(stamped.clone()))), [] as [&str; 0]);
    assert_eq!(world.judge(&asked, simple(&|_| {}))[0], "timestamp-missing");
}

/// A private authority, and a leaf for this subject and purpose, valid around now. PEM of the root, DER of the leaf.
fn private(
    subject: &str,
    purpose: ExtendedKeyUsagePurpose,
    key_of_leaf: &KeyPair,
    until: Timestamp,
) -> (String, Vec<u8>) {
    let date = |time: Timestamp| {
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(u64::try_from(time.as_second()).unwrap())
    };
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date(then() - SignedDuration::from_hours(1));
        params
    };
    let mut root = named("root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = root.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(root, key);
    let mut leaf = named(subject);
    leaf.not_after = date(until);
    leaf.extended_key_usages = vec![purpose];
    (pem, leaf.signed_by(key_of_leaf, &issuer).unwrap().der().to_vec())
}

// [V-119]
#[test]
fn a_private_authority_s_subject_speaks_while_its_certificate_is_valid() {
    let world = World::new();
    let signing = Signing::keyed(&world.sigstore, Key::p256(), then()).logged(&[Logged::Not]);
    let mut bundle = signing.statement(&statement(predicate::IMAGE_SIGNATURE));
    let soon = Timestamp::now() + SignedDuration::from_hours(1);
    let mut judge = |purpose: ExtendedKeyUsagePurpose, until: Timestamp, who: &str| {
        let (root, leaf) = private("release", purpose, &signing.key.pair, until);
        let material = &mut bundle["verificationMaterial"];
        *material = json!({ "certificate": { "rawBytes": b64(&leaf) }, "tlogEntries": [] });
        let text = format!(
            "version: 1\nauthorities:\n  corp: {{ x509: {{ roots: ca.pem, {who} }} }}\nimages:\n  \"**\": {{ signatures: {{ from: [corp] }} }}\n"
        );
        let files = |_: &str| Ok(Some(root.clone().into_bytes()));
        let policy = Policy::parse_with(&text, &|_| Err("no keys".to_owned()), &files).unwrap();
        world.judge(&policy, bundles([bundle.to_string().into_bytes()]))
    };
    use ExtendedKeyUsagePurpose::{CodeSigning, EmailProtection};
    assert_eq!(judge(CodeSigning, soon, "subject: \"CN=release,O=Acme\""), [] as [&str; 0]);
    assert_eq!(judge(CodeSigning, soon, "subject: \"CN=other,O=Acme\"")[0], "signer-mismatch");
    assert_eq!(judge(EmailProtection, soon, "subject: \"**\"")[0], "certificate-untrusted");
    assert_eq!(judge(EmailProtection, soon, "subject: \"**\", eku: 1.3.6.1.5.5.7.3.4"), [] as [&str; 0]);
    let past = Timestamp::now() - SignedDuration::from_mins(1);
    assert_eq!(judge(CodeSigning, past, "subject: \"**\"")[0], "certificate-expired");
}
