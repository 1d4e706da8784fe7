use super::*;
use crate::{
    crypto::{Fingerprint, PublicKey},
    oci::Digest,
    trust::Identity,
    verify::{Place, Rejected, Subject, Unread, Via},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: &str = "2026-11-22T12:00:00Z";
const KEYS: [&str; 4] = [
    include_str!("../../../testdata/policy/release.test.pub"),
    include_str!("../../../testdata/policy/qa.test.pub"),
    include_str!("../../../testdata/policy/ci.test.pub"),
    include_str!("../../../testdata/policy/other.test.pub"),
];

fn fingerprint(key: usize) -> Fingerprint {
    PublicKey::from_pem(KEYS[key]).unwrap().fingerprint()
}

/// A policy over the authorities release, qa, ci and both (of release's and qa's keys).
fn policy(rule: &str) -> Policy {
    let text = format!(
        "version: 1\nauthorities: {{ release: {{ key: '0' }}, qa: {{ key: '1' }}, ci: {{ key: '2' }}, both: {{ keys: ['0', '1'] }} }}\nimages:\n  'r.example/**': {rule}\n"
    );
    let load = |path: &str| PublicKey::from_pem(KEYS[path.parse::<usize>().unwrap()]).map_err(|e| e.to_string());
    Policy::parse(&text, &load).unwrap()
}

fn digest() -> Digest {
    Digest::sha256(b"image")
}

fn place() -> Place {
    Place { subject: digest(), via: Via::Referrers, manifest: None, layer: 0 }
}

fn references(names: &[&str]) -> Vec<SignedReference> {
    names.iter().map(|name| SignedReference::parse(name).unwrap()).collect()
}

fn signed(key: usize, names: &[&str], annotations: &[(&str, &str)]) -> Verified {
    let annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let claim = Claim::Signature { references: references(names), annotations };
    Verified::for_test(Identity::Key(fingerprint(key)), digest(), claim, place())
}

fn attested(key: usize, kind: &str, predicate: Value) -> Verified {
    let (predicate_type, predicate) = (kind.to_owned(), predicate.into());
    let claim = Claim::Attestation { predicate_type, predicate, references: Vec::new() };
    Verified::for_test(Identity::Key(fingerprint(key)), digest(), claim, place())
}

fn scanned(key: usize, time: &str) -> Verified {
    let kind = "https://cosign.sigstore.dev/attestation/vuln/v1";
    attested(key, kind, json!({ "metadata": { "scanFinishedOn": time } }))
}

fn unread() -> Vec<Unread> {
    vec![Unread { what: "referrers".to_owned(), why: "503".to_owned() }]
}

fn subject(reference: &str) -> Subject {
    Subject::new(reference.parse().unwrap(), digest())
}

fn findings(verified: &[Verified], unread: Vec<Unread>) -> Findings {
    Findings::for_test(subject("r.example/app:1.0"), verified.to_vec(), Vec::new(), unread)
}

fn judged(policy: &Policy, findings: &Findings) -> Decision {
    evaluate(policy, findings, NOW.parse().unwrap()).decision
}

/// `allow`, or the ids of the reasons behind `deny:` or `undetermined:`.
pub(super) fn told(decision: &Decision) -> String {
    let ids = |reasons: &[Reason]| reasons.iter().map(Reason::id).collect::<Vec<_>>().join(",");
    match decision {
        Decision::Allow(_) => "allow".to_owned(),
        Decision::Deny(reasons) => format!("deny:{}", ids(reasons)),
        Decision::Undetermined(reasons) => format!("undetermined:{}", ids(reasons)),
        Decision::NotJudged => "not-judged".to_owned(),
    }
}

fn says(rule: &str, verified: &[Verified]) -> String {
    told(&judged(&policy(rule), &findings(verified, Vec::new())))
}

#[test]
fn an_image_signature_by_an_authority_is_enough() {
    let policy = policy("{ signatures: { from: [release] } }");
    let Decision::Allow(approved) = judged(&policy, &findings(&[signed(0, &[], &[])], Vec::new())) else { panic!() };
    assert_eq!(approved.reference().to_string(), format!("r.example/app@{}", digest()));
    assert_eq!(approved.digest(), digest());
    let [met] = approved.met() else { panic!() };
    assert_eq!(met.by[0].authority, "release");
    assert_eq!(met.by[0].principal, Principal::Key(fingerprint(0)));
    assert_eq!(met.by[0].place, place());
}

#[test]
fn a_key_of_the_policy_that_the_scope_does_not_name_is_not_enough() {
    assert_eq!(says("{ signatures: { from: [release] } }", &[signed(2, &[], &[])]), "deny:threshold-unmet");
}

// [V-22]
#[test]
fn nothing_is_unsigned_and_an_attestation_is_no_signature_nor_the_reverse() {
    let rule = "{ signatures: { from: [ci] } }";
    assert_eq!(says(rule, &[]), "deny:unsigned");
    assert_eq!(says(rule, &[scanned(2, NOW)]), "deny:unsigned");
    let rule = "{ attestations: [{ type: vuln, from: [ci] }] }";
    assert_eq!(says(rule, &[signed(2, &[], &[])]), "deny:attestation-missing");
    assert_eq!(says(rule, &[attested(2, "https://spdx.dev/Document", json!({}))]), "deny:attestation-missing");
    assert_eq!(says(rule, &[scanned(2, NOW)]), "allow");
}

// [V-32]
#[test]
fn a_threshold_counts_different_principals_and_each_authority_once() {
    let rule = "{ signatures: { from: [release, qa, both], threshold: 2 } }";
    assert_eq!(says(rule, &[signed(0, &[], &[])]), "deny:threshold-unmet");
    assert_eq!(says(rule, &[signed(0, &[], &[]), signed(0, &[], &[])]), "deny:threshold-unmet");
    assert_eq!(says(rule, &[signed(0, &[], &[]), signed(1, &[], &[])]), "allow");
    let rule = "{ signatures: { from: [both, ci], threshold: 2 } }";
    assert_eq!(says(rule, &[signed(0, &[], &[]), signed(1, &[], &[])]), "deny:threshold-unmet");
    assert_eq!(says(rule, &[signed(2, &[], &[]), signed(1, &[], &[])]), "allow");
}

#[test]
fn a_role_or_certificate_is_not_the_key_s_own_signature() {
    let key = fingerprint(0);
    for identity in [
        Identity::Role { name: "targets/releases".to_owned(), key },
        Identity::Certificate { issuer: key.to_string(), san: key.to_string() },
    ] {
        let claim = signed(0, &[], &[]).claim().clone();
        let verified = Verified::for_test(identity, digest(), claim, place());
        assert_eq!(says("{ signatures: { from: [release] } }", &[verified]), "deny:threshold-unmet");
    }
}

#[test]
fn all_requirements_have_to_be_met_and_all_shortfalls_are_told() {
    let rule = "{ signatures: { from: [release] }, attestations: [{ type: vuln, from: [ci] }] }";
    assert_eq!(says(rule, &[]), "deny:unsigned,attestation-missing");
    assert_eq!(says(rule, &[signed(0, &[], &[])]), "deny:attestation-missing");
    assert_eq!(says(rule, &[signed(0, &[], &[]), scanned(2, NOW)]), "allow");
}

// [V-33]
#[test]
fn the_signed_reference_has_to_meet_the_identity_rule() {
    let elsewhere = "{ map: { r.example: q.example, r.example/app: s.example/prod/app, r.example/ap: t.example } }";
    for (identity, reference, names, expected) in [
        ("any", "r.example/app:1.0", &[][..], "allow"),
        ("repository", "r.example/app:1.0", &["r.example/app:2.0"], "allow"),
        ("repository", "r.example/app:1.0", &["r.example/app"], "allow"),
        ("repository", "r.example/app:1.0", &["r.example/other:1.0", "r.example/app:1.0"], "allow"),
        ("repository", "r.example/app:1.0", &[], "deny:identity-mismatch,threshold-unmet"),
        ("repository", "r.example/app:1.0", &["r.example/other:1.0"], "deny:identity-mismatch,threshold-unmet"),
        ("tag", "r.example/app:1.0", &["r.example/app:1.0"], "allow"),
        ("tag", "r.example/app", &["r.example/app:latest"], "allow"),
        ("tag", "r.example/app:1.0", &["r.example/app:2.0"], "deny:identity-mismatch,threshold-unmet"),
        ("tag", "r.example/app:1.0", &["r.example/app"], "deny:identity-mismatch,threshold-unmet"),
        (
            "tag",
            "r.example/app:1.0",
            &["r.example/app", "r.example/other:1.0"],
            "deny:identity-mismatch,threshold-unmet",
        ),
        ("tag", "r.example/app@D", &["r.example/app:1.0"], "deny:identity-unmeetable"),
        ("tag", "r.example/app:1.0@D", &["r.example/app:1.0"], "allow"),
        (elsewhere, "r.example/app:1.0", &["s.example/prod/app:3.0"], "allow"),
        (elsewhere, "r.example/app/sub:1.0", &["s.example/prod/app/sub"], "allow"),
        (elsewhere, "r.example/apple:1.0", &["q.example/apple"], "allow"),
        (elsewhere, "r.example/apple:1.0", &["t.example/ple"], "deny:identity-mismatch,threshold-unmet"),
        (elsewhere, "r.example/app:1.0", &["r.example/app:1.0"], "deny:identity-mismatch,threshold-unmet"),
        (elsewhere, "r.example/app:1.0", &["q.example/app:1.0"], "deny:identity-mismatch,threshold-unmet"),
        ("{ map: { x.example: y.example } }", "r.example/app:1.0", &["r.example/app"], "allow"),
    ] {
        let policy = policy(&format!("{{ signatures: {{ from: [release], identity: {identity} }} }}"));
        let subject = subject(&reference.replace("@D", &format!("@{}", digest())));
        let findings = Findings::for_test(subject, vec![signed(0, names, &[])], Vec::new(), Vec::new());
        assert_eq!(told(&judged(&policy, &findings)), expected, "{identity} {reference} {names:?}");
    }
}

#[test]
fn a_layout_has_no_name_of_its_own_and_can_be_mapped_to_one() {
    let load = |_: &str| PublicKey::from_pem(KEYS[0]).map_err(|e| e.to_string());
    for (identity, reference, expected) in [
        ("repository", "oci:/srv/app", "deny:identity-unmeetable"),
        ("{ map: { 'oci:/srv': r.example } }", "oci:/srv/app", "allow"),
        ("{ map: { 'oci:/srv': r.example } }", "oci:/srv/../srv/app", "deny:identity-unmeetable"),
        ("{ map: { 'oci:/srv': r.example } }", "oci:5000/app", "deny:identity-unmeetable"),
        ("any", "oci:/srv/app", "allow"),
    ] {
        let text = format!(
            "version: 1\nauthorities: {{ a: {{ key: k }} }}\nimages: {{ 'oci:**': {{ signatures: {{ from: [a], identity: {identity} }} }} }}"
        );
        let policy = Policy::parse(&text, &load).unwrap();
        let signed = vec![signed(0, &["r.example/app:1.0"], &[])];
        let findings = Findings::for_test(subject(reference), signed, Vec::new(), Vec::new());
        assert_eq!(told(&judged(&policy, &findings)), expected, "{identity} {reference}");
    }
}

#[test]
fn every_annotation_that_is_asked_for_has_to_be_signed() {
    let rule = "{ signatures: { from: [release], annotations: { stage: prod, ok: 'true' } } }";
    let both = [("stage", "prod"), ("ok", "true"), ("more", "x")];
    assert_eq!(says(rule, &[signed(0, &[], &both)]), "allow");
    for wrong in [&[][..], &both[..1], &[("stage", "dev"), ("ok", "true")]] {
        assert_eq!(says(rule, &[signed(0, &[], wrong)]), "deny:annotation-mismatch,threshold-unmet");
    }
    // Two signatures that have one each do not add up.
    assert_ne!(says(rule, &[signed(0, &[], &both[..1]), signed(0, &[], &both[1..2])]), "allow");
}

// [V-34]
#[test]
fn an_attestation_s_age_is_the_time_that_it_states() {
    let rule = "{ attestations: [{ type: vuln, from: [ci], max-age: 7d }] }";
    for (time, expected) in [
        (NOW, "allow"),
        ("2026-11-15T12:00:00Z", "allow"),
        ("2026-11-15T11:59:59Z", "deny:attestation-too-old,threshold-unmet"),
        ("2026-11-22T12:05:00Z", "allow"),
        ("2026-11-22T12:05:01Z", "deny:attestation-from-future,threshold-unmet"),
        ("9999-12-30T00:00:00Z", "deny:attestation-from-future,threshold-unmet"),
        ("-009999-06-02T00:00:00Z", "deny:attestation-too-old,threshold-unmet"),
        ("2026-11-22T14:00:00+02:00", "allow"),
        ("soon", "deny:attestation-time-unknown,threshold-unmet"),
    ] {
        assert_eq!(says(rule, &[scanned(2, time)]), expected, "{time}");
    }
    // One that is new enough is enough, whatever lies beside it; else the newest is told.
    assert_eq!(says(rule, &[scanned(2, "soon"), scanned(2, NOW), scanned(2, "2020-01-01T00:00:00Z")]), "allow");
    let old = [scanned(2, "2020-01-01T00:00:00Z"), scanned(2, "2026-01-01T00:00:00Z"), scanned(2, "soon")];
    let Decision::Deny(reasons) = judged(&policy(rule), &findings(&old, Vec::new())) else { panic!() };
    assert!(reasons[0].to_string().contains("2026-01-01"), "{}", reasons[0]);
    // Somebody else's does not count.
    assert_eq!(says(rule, &[scanned(0, NOW)]), "deny:threshold-unmet");
}

// [V-35] [V-36]
#[test]
fn what_was_not_read_turns_a_deny_and_nothing_else() {
    let policy = policy("{ signatures: { from: [release], identity: tag } }");
    let good = signed(0, &["r.example/app:1.0"], &[]);
    assert_eq!(told(&judged(&policy, &findings(&[good], unread()))), "allow");
    assert_eq!(told(&judged(&policy, &findings(&[], unread()))), "undetermined:unread,unsigned");
    let by_digest = subject(&format!("r.example/app@{}", digest()));
    let final_deny = Findings::for_test(by_digest, Vec::new(), Vec::new(), unread());
    assert_eq!(told(&judged(&policy, &final_deny)), "deny:identity-unmeetable");
    let elsewhere = Findings::for_test(subject("x.example/app"), Vec::new(), Vec::new(), unread());
    assert_eq!(told(&judged(&policy, &elsewhere)), "deny:no-policy");
}

// [V-23]
#[test]
fn rejected_evidence_neither_helps_nor_harms_and_is_told_once_for_each_reason() {
    let unknown = || Rejected { place: place(), rejection: Rejection::SignerUnknown { hint: None } };
    let other = |rejection| Rejected { place: place(), rejection };
    let rejected = vec![
        other(Rejection::Malformed("x".to_owned())),
        unknown(),
        other(Rejection::FormatUnsupported("x".to_owned())),
        unknown(),
        other(Rejection::SignatureInvalid("k".to_owned())),
    ];
    let policy = policy("{ signatures: { from: [release] } }");
    let of = |verified| Findings::for_test(subject("r.example/app"), verified, rejected.clone(), Vec::new());
    assert_eq!(told(&judged(&policy, &of(vec![signed(0, &[], &[])]))), "allow");
    let decision = judged(&policy, &of(Vec::new()));
    assert_eq!(told(&decision), "deny:signature-invalid,signer-unknown,unsigned,malformed");
    let Decision::Deny(reasons) = decision else { panic!() };
    assert!(reasons[1].to_string().contains("2 pieces"), "{}", reasons[1]);
}

// [V-37]
#[test]
fn a_mode_changes_what_is_done_and_not_what_is_decided() {
    let outcome = |mode, verified: &[Verified]| {
        let policy = policy(&format!("{{ mode: {mode}, signatures: {{ from: [release] }} }}"));
        evaluate(&policy, &findings(verified, Vec::new()), NOW.parse().unwrap())
    };
    let permissive = outcome("permissive", &[]);
    assert_eq!((permissive.mode, told(&permissive.decision).as_str()), (Mode::Permissive, "deny:unsigned"));
    assert_eq!(permissive.scope.as_deref(), Some("r.example/**"));
    assert_eq!(told(&outcome("enforced", &[]).decision), "deny:unsigned");
    // Disabled is never called allowed, whatever there is.
    assert_eq!(told(&outcome("disabled", &[signed(0, &[], &[])]).decision), "not-judged");
}

#[test]
fn no_message_says_how_to_ask_for_less() {
    let policy = policy(
        "{ signatures: { from: [release, qa], threshold: 2, identity: tag, annotations: { a: b } }, attestations: [{ type: vuln, from: [ci], max-age: 1h }] }",
    );
    let verified = [
        signed(0, &["r.example/x:1"], &[]),
        signed(1, &["r.example/app:1.0"], &[]),
        scanned(2, "2020-01-01T00:00:00Z"),
    ];
    let Decision::Undetermined(reasons) = judged(&policy, &findings(&verified, unread())) else { panic!() };
    assert!(reasons.len() >= 5);
    for reason in reasons {
        let told = reason.to_string();
        for word in ["permissive", "disabled", "lower", "raise", "remove", "set ", "use ", "instead"] {
            assert!(!told.contains(word), "{told}");
        }
    }
}

fn evidence() -> impl Strategy<Value = Verified> {
    let names = prop_oneof![Just(vec![]), Just(vec!["r.example/app:1.0"]), Just(vec!["r.example/x:1.0"])];
    let time = prop_oneof![Just(NOW), Just("2020-01-01T00:00:00Z"), Just("2030-01-01T00:00:00Z"), Just("never")];
    prop_oneof![
        (0_usize..4, names, any::<bool>())
            .prop_map(|(key, names, a)| { signed(key, &names, if a { &[("a", "b")] } else { &[] }) }),
        (0_usize..4, time).prop_map(|(key, time)| scanned(key, time)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn more_evidence_never_takes_an_allow_away(
        some in proptest::collection::vec(evidence(), 0..6),
        more in proptest::collection::vec(evidence(), 0..4),
        rule in prop_oneof![
            Just("{ signatures: { from: [release, both, ci], threshold: 2 } }"),
            Just("{ signatures: { from: [release, both], identity: repository, annotations: { a: b } } }"),
            Just("{ attestations: [{ type: vuln, from: [qa, ci], max-age: 7d }] }"),
            Just("{ signatures: { from: [both] }, attestations: [{ type: vuln, from: [both, qa], threshold: 2 }] }"),
        ],
    ) {
        let policy = policy(rule);
        let allows = |verified: &[Verified], unread| matches!(judged(&policy, &findings(verified, unread)), Decision::Allow(_));
        let before = allows(&some, Vec::new());
        prop_assert_eq!(before, allows(&some, unread()));
        let denied = matches!(judged(&policy, &findings(&some, unread())), Decision::Deny(_));
        prop_assert!(!denied, "a deny although not everything was read");
        let all = [more, some].concat();
        prop_assert!(!before || allows(&all, Vec::new()));
    }
}

/// An index of these images as a subject, and a statement about one of them as its signer's claim.
fn index_of(images: &[&[u8]]) -> Subject {
    use crate::oci::{Descriptor, Embedded, ImageIndex, Manifest, media_type};
    let entries = images.iter().map(|bytes| Descriptor::of(media_type::IMAGE_MANIFEST, bytes)).collect();
    let bytes = Manifest::Index(Box::new(ImageIndex::new(entries))).encode();
    let embedded = Embedded::of_index(Digest::sha256(&bytes), &bytes).unwrap();
    Subject::new("r.example/app:1.0".parse().unwrap(), Digest::sha256(&bytes)).with_embedded(embedded)
}

fn covered(key: usize, image: &[u8], format: crate::verify::Format) -> Verified {
    let claim = scanned(key, NOW).claim().clone();
    Verified::for_test(Identity::Key(fingerprint(key)), Digest::sha256(image), claim, place()).written(format)
}

// [V-242] [V-243]
#[test]
fn an_unsigned_statement_counts_only_where_the_rule_says_so_and_of_an_index_for_each_image() {
    use crate::verify::Format::{CoveredByIndex, CoveredByManifest};
    let says = |unsigned: &str, subject: Subject, verified: &[Verified]| {
        let rule = format!("{{ attestations: [{{ type: vuln, from: [ci]{unsigned} }}] }}");
        let findings = Findings::for_test(subject, verified.to_vec(), Vec::new(), Vec::new());
        told(&judged(&policy(&rule), &findings))
    };
    let one = || subject("r.example/app:1.0");
    let (index, manifest) = (", unsigned: covered-by-index", ", unsigned: covered-by-manifest");
    for (format, good, bad) in [(CoveredByIndex, index, manifest), (CoveredByManifest, manifest, index)] {
        let claim = covered(2, b"image", format);
        assert_eq!(says(good, one(), std::slice::from_ref(&claim)), "allow");
        for refused in ["", ", unsigned: refuse", bad] {
            assert_eq!(says(refused, one(), std::slice::from_ref(&claim)), "deny:attestation-missing");
        }
        // Another image's, or another signer's.
        assert_eq!(says(good, one(), &[covered(2, b"other", format)]), "deny:attestation-missing");
        assert_eq!(says(good, one(), &[covered(1, b"image", format)]), "deny:threshold-unmet");
    }
    let both = || index_of(&[b"image", b"other"]);
    let (first, second) = (covered(2, b"image", CoveredByIndex), covered(2, b"other", CoveredByIndex));
    assert_eq!(says(index, both(), &[first.clone(), second.clone()]), "allow");
    for lone in [first, second] {
        assert_eq!(says(index, both(), &[lone]), "deny:attestation-missing,image-unattested");
    }
    // What is signed of the index itself holds for all of it.
    assert_eq!(says(index, both(), &[scanned(2, NOW)]), "allow");
}
