//! Another verifier's decision in the place of the work; SPEC.md, section 6.9.

use super::*;
use crate::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::predicate::VSA,
    policy::{Decision, Flags, PolicyError, Reason, evaluate},
    trust::Identity,
    verify::{Claim, Findings, Place, Subject, Unread, Verified, Via},
};
use serde_json::{Value, json};
use std::sync::LazyLock;

static KEYS: LazyLock<[PrivateKey; 3]> =
    LazyLock::new(|| [(); 3].map(|()| PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()));
const NAMES: [&str; 3] = ["release", "scanner", "other"];
const BOTH_KEYS: &str = "from: [scanner, other]";
const DIGEST: Digest = Digest::Sha256([0xab; 32]);
const NOW: &str = "2026-11-21T12:00:00Z";
const POLICY: &str = "sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";
const SIGNATURES: &str = "signatures: {from: [release]}";
const ASKED: &str = "vsa: {from: [scanner], verifier: \"https://verify.example.com\", max-age: 24h}";

fn policy(asked: &str) -> Result<Policy, PolicyError> {
    let authorities = NAMES.map(|name| format!("{name}: {{key: {name}}}")).join(", ");
    let text = format!(
        "{{version: 1, authorities: {{{authorities}}}, images: {{\"**\": {{{asked}}}, \"oci:**\": {{{asked}}}}}}}"
    );
    let load = |name: &str| Ok(KEYS[NAMES.iter().position(|one| *one == name).unwrap()].public().clone());
    let rego = "package boltseal\ndeny contains msg if { input.met[_].asked == \"verification summary\"; input.tag == \"1\"; msg := \"not on a Monday\" }";
    Policy::parse_with(&text, &load, &|_| Ok(Some(rego.into())))
}

fn said(who: usize, claim: Claim) -> Verified {
    let place = Place { subject: DIGEST, via: Via::Referrers, manifest: None, layer: 0 };
    Verified::for_test(Identity::Key(KEYS[who].public().fingerprint()), DIGEST, claim, place)
}

fn signed(who: usize) -> Verified {
    said(who, Claim::Signature { references: Vec::new(), annotations: [].into() })
}

fn summary() -> Value {
    json!({
        "verifier": {"id": "https://verify.example.com", "version": {"boltseal": "0.1.0"}},
        "timeVerified": "2026-11-21T00:00:00Z",
        "resourceUri": "pkg:oci/cart?repository_url=r.example/shop/cart",
        "policy": {"uri": "file:policy.yaml", "digest": {"sha256": "cd".repeat(32)}},
        "verificationResult": "PASSED",
        "verifiedLevels": ["SLSA_BUILD_LEVEL_2", "ACME_SCANNED"],
    })
}

fn attested(who: usize, predicate: Value) -> Verified {
    let claim =
        Claim::Attestation { predicate_type: VSA.to_owned(), predicate: predicate.into(), references: Vec::new() };
    said(who, claim)
}

fn but(member: &str, value: Value) -> Value {
    let mut changed = summary();
    changed[member] = value;
    changed
}

fn judged(asked: &str, reference: &str, evidence: &[Verified], unread: bool) -> Decision {
    let subject = Subject::new(reference.parse().unwrap(), DIGEST);
    let unread = if unread { vec![Unread { what: "a referrer".into(), why: "503".into() }] } else { Vec::new() };
    let findings = Findings::for_test(subject, evidence.to_vec(), Vec::new(), unread);
    let policy = policy(asked).unwrap_or_else(|error| panic!("{asked}: {error}"));
    evaluate(&policy, &findings, NOW.parse().unwrap()).decision
}

#[track_caller]
fn told(asked: &str, evidence: &[Verified], unread: bool) -> String {
    let ids = |reasons: &[Reason]| reasons.iter().map(Reason::id).collect::<Vec<_>>().join(",");
    match judged(asked, "r.example/shop/cart:1", evidence, unread) {
        Decision::Allow(approved) if approved.is_delegated() => "delegated".to_owned(),
        Decision::Allow(_) => "allowed".to_owned(),
        Decision::Deny(reasons) => ids(&reasons),
        Decision::Undetermined(reasons) => format!("? {}", ids(&reasons)),
        Decision::NotJudged => "not judged".to_owned(),
    }
}

// [V-280]
#[test]
fn a_summary_stands_in_the_place_of_the_work_and_without_one_the_work_is_done() {
    let both = format!("{ASKED}, {SIGNATURES}");
    assert_eq!(told(&both, &[attested(1, summary())], false), "delegated");
    assert_eq!(told(&both, &[signed(0)], false), "allowed");
    assert_eq!(told(&both, &[signed(0), attested(1, summary())], false), "delegated");
    assert_eq!(told(&both, &[], false), "unsigned,attestation-missing");
    assert_eq!(
        told(&both, &[attested(2, summary())], false),
        "unsigned,threshold-unmet",
        "another's counts for nothing"
    );
    // Alone it is what is asked: nothing else could allow.
    assert_eq!(told(ASKED, &[attested(1, summary())], false), "delegated");
    assert_eq!(told(ASKED, &[signed(0), signed(1)], false), "attestation-missing");
    let config = format!("{both}, config: {{non-root: true}}");
    assert_eq!(told(&config, &[attested(1, summary())], false), "delegated", "the verifier looked at it");
    assert_eq!(told(&config, &[signed(0)], false), "config-unread,attestation-missing");
    // Rego is asked all the same, last, and can deny: by whoever says it on, too.
    let rego = format!("{both}, rego: x.rego");
    assert_eq!(told(&rego, &[attested(1, summary())], false), "rego-denied");
    assert!(matches!(judged(&rego, "r.example/shop/cart:2", &[attested(1, summary())], false), Decision::Allow(_)));
    assert!(policy(&rego).unwrap().undelegated().scopes().iter().all(|scope| scope.rego.is_some()));
    let (asked, who) = (policy(&both).unwrap(), policy(ASKED).unwrap());
    let image = "r.example/shop/cart".parse::<Reference>().unwrap().repository;
    assert!(who.delegates(&image) && !asked.delegates(&image) && !policy("mode: disabled").unwrap().delegates(&image));
    assert!(asked.undelegated().scopes().iter().all(|scope| scope.vsa.is_none()));
    assert!(
        who.undelegated().scopes().iter().all(|scope| scope.requirements.len() == 1),
        "a scope never comes to ask nothing"
    );
}

// [V-281]
#[test]
fn each_member_that_is_another_keeps_a_summary_from_counting() {
    let asked = format!(
        "vsa: {{from: [scanner], verifier: \"https://verify.example.com\", max-age: 24h, policy: \"{POLICY}\", levels: [SLSA_BUILD_LEVEL_2, ACME_SCANNED]}}, {SIGNATURES}"
    );
    assert_eq!(told(&asked, &[attested(1, summary())], false), "delegated");
    for (member, value, id) in [
        ("verifier", json!({"id": "https://verify.example.con"}), "vsa-verifier-mismatch"),
        ("verifier", json!({"id": "https://verify.example.com/"}), "vsa-verifier-mismatch"),
        ("verifier", json!({}), "document-malformed"),
        ("timeVerified", json!("2026-11-20T11:59:59Z"), "attestation-too-old"),
        ("timeVerified", json!("2026-11-21T12:05:01Z"), "attestation-from-future"),
        ("timeVerified", json!(null), "attestation-time-unknown"),
        ("timeVerified", json!("today"), "document-malformed"),
        ("resourceUri", json!("pkg:oci/cart?repository_url=r.example/shop/card"), "vsa-resource-mismatch"),
        ("resourceUri", json!(""), "vsa-resource-mismatch"),
        ("policy", json!({"uri": "file:policy.yaml", "digest": {"sha256": "cc".repeat(32)}}), "vsa-policy-mismatch"),
        ("policy", json!({"uri": "file:policy.yaml"}), "vsa-policy-mismatch"),
        ("policy", json!("file:policy.yaml"), "document-malformed"),
        ("verificationResult", json!("FAILED"), "vsa-failed"),
        ("verificationResult", json!("passed"), "document-malformed"),
        ("verifiedLevels", json!(["SLSA_BUILD_LEVEL_1", "ACME_SCANNED"]), "vsa-level-unmet"),
        ("verifiedLevels", json!(["SLSA_SOURCE_LEVEL_3", "ACME_SCANNED"]), "vsa-level-unmet"),
        ("verifiedLevels", json!(["SLSA_BUILD_LEVEL_UNEVALUATED", "ACME_SCANNED"]), "vsa-level-unmet"),
        ("verifiedLevels", json!(["SLSA_BUILD_LEVEL_2", "ACME_SCANNED_2"]), "vsa-level-unmet"),
        ("verifiedLevels", json!(["SLSA_BUILD_LEVEL_2", "ACME_SCANNED", "FAILED"]), "document-malformed"),
        ("verifiedLevels", json!(null), "vsa-level-unmet"),
    ] {
        let evidence = [attested(1, but(member, value.clone()))];
        let reasons = told(&asked, &evidence, false);
        assert!(reasons.split(',').any(|one| one == id) && reasons.contains("unsigned"), "{member} {value}: {reasons}");
        let with = [evidence[0].clone(), signed(0)];
        assert_eq!(told(&asked, &with, false), "allowed", "{member} {value}: the work is done");
    }
    let higher = but("verifiedLevels", json!(["SLSA_BUILD_LEVEL_3", "ACME_SCANNED"]));
    assert_eq!(told(&asked, &[attested(1, higher)], false), "delegated");
}

// [V-282]
#[test]
fn the_newest_counts_and_of_one_time_the_one_that_failed() {
    let both = format!("{ASKED}, {SIGNATURES}");
    let at = |time: &str, result: &str| {
        let mut one = but("timeVerified", json!(time));
        one["verificationResult"] = json!(result);
        attested(1, one)
    };
    let (early, late) = ("2026-11-21T00:00:00Z", "2026-11-21T01:00:00Z");
    let counts = |evidence: &[Verified]| told(&both, evidence, false) == "delegated";
    assert!(counts(&[at(early, "FAILED"), at(late, "PASSED")]));
    assert!(!counts(&[at(late, "FAILED"), at(early, "PASSED")]));
    assert!(!counts(&[at(late, "FAILED"), at(late, "PASSED")]) && !counts(&[at(late, "PASSED"), at(late, "FAILED")]));
    let reasons = told(&both, &[at(late, "FAILED"), at(early, "PASSED")], false);
    assert!(reasons.contains("unsigned"), "{reasons}");
    assert_eq!(told(&both, &[at(late, "FAILED"), at(early, "PASSED"), signed(0)], false), "allowed");
    // Others' summaries, of other images, by others, by other policies, supersede nothing; nor does one of tomorrow.
    let mut other = but("verifier", json!({"id": "https://other.example.com"}));
    other["timeVerified"] = json!(late);
    let mut elsewhere = but("resourceUri", json!("r.example/shop/till"));
    elsewhere["timeVerified"] = json!(late);
    for beside in [attested(1, other), attested(1, elsewhere), at("2026-11-22T00:00:00Z", "FAILED")] {
        assert!(counts(&[at(early, "PASSED"), beside]));
    }
    let pinned = format!("{}, {SIGNATURES}", ASKED.replace("24h", &format!("24h, policy: \"{POLICY}\"")));
    let mut by_another = but("policy", json!({"uri": "x", "digest": {"sha256": "00"}}));
    by_another["timeVerified"] = json!(late);
    by_another["verificationResult"] = json!("FAILED");
    assert_eq!(told(&pinned, &[attested(1, summary()), attested(1, by_another.clone())], false), "delegated");
    assert_ne!(told(&both, &[attested(1, summary()), attested(1, by_another)], false), "delegated");
    // A verifier that has a new key, under a new name, is the same verifier.
    let renewed = both.replace("from: [scanner]", BOTH_KEYS);
    let by = |who: usize, time: &str, result: &str| {
        let mut one = but("timeVerified", json!(time));
        one["verificationResult"] = json!(result);
        attested(who, one)
    };
    assert_eq!(told(&renewed, &[by(1, early, "PASSED"), by(2, late, "PASSED")], false), "delegated");
    assert_ne!(told(&renewed, &[by(1, early, "PASSED"), by(2, late, "FAILED")], false), "delegated");
    assert_ne!(told(&renewed, &[by(2, late, "FAILED"), by(1, late, "PASSED")], false), "delegated");
    assert_eq!(told(&renewed, &[by(1, early, "FAILED"), by(2, late, "PASSED")], false), "delegated");
    assert!(counts(&[by(1, early, "PASSED"), by(2, late, "FAILED")]), "by who is not asked");
    // Its word that can't be read, or has no time, may be newer and a refusal; a stranger's is nothing.
    for open in [but("verificationResult", json!("DENIED")), but("timeVerified", json!(null)), json!(null)] {
        let evidence = [at(late, "PASSED"), attested(1, open.clone())];
        assert!(!counts(&evidence) && told(ASKED, &evidence, false) != "delegated", "{open}");
        assert_eq!(told(&both, &[&evidence[..], &[signed(0)]].concat(), false), "allowed", "{open}");
        assert!(counts(&[at(late, "PASSED"), attested(2, open)]));
    }
    let mut untimed = but("verifier", json!({"id": "https://other.example.com"}));
    untimed["timeVerified"] = json!(null);
    assert!(counts(&[at(late, "PASSED"), attested(1, untimed)]), "another verifier's");
    // What is unread may be a newer one: then the work is done, and where that fails it can't be told.
    assert_eq!(told(&both, &[at(late, "PASSED"), signed(0)], true), "allowed");
    assert!(told(&both, &[at(late, "PASSED")], true).starts_with("? "));
    assert!(told(ASKED, &[at(late, "PASSED")], true).starts_with("? "));
}

// [V-281]
#[test]
fn the_resource_is_the_repository_that_was_asked_for() {
    let of = |uri: &str| told(ASKED, &[attested(1, but("resourceUri", json!(uri)))], false) == "delegated";
    let (hex, other) = ("ab".repeat(32), "ac".repeat(32));
    for good in [
        "pkg:oci/cart?repository_url=r.example/shop/cart".to_owned(),
        "pkg:oci/cart?arch=amd64&repository_url=r.example%2Fshop%2Fcart&tag=1".to_owned(),
        format!("pkg:oci/cart@sha256%3A{hex}?repository_url=r.example/shop/cart"),
        "pkg:docker/shop/cart?repository_url=r.example".to_owned(),
        "oci://r.example/shop/cart".to_owned(),
        format!("docker://r.example/shop/cart:1@sha256:{hex}"),
        "r.example/shop/cart:1".to_owned(),
        format!("r.example/shop/cart@sha256:{hex}"),
    ] {
        assert!(of(&good), "{good}");
    }
    for bad in [
        "pkg:oci/cart".to_owned(),
        "pkg:oci/till?repository_url=r.example/shop/cart".to_owned(),
        "pkg:oci/cart?repository_url=other.example/shop/cart".to_owned(),
        "pkg:oci/cart?repository_url=r.example/shop/cart&tag=2".to_owned(),
        "pkg:oci/cart?repository_url=r.example/shop/cart&repository_url=x".to_owned(),
        format!("pkg:oci/cart@sha256%3A{other}?repository_url=r.example/shop/cart"),
        "pkg:docker/shop/cart".to_owned(),
        "r.example/shop/cart:2".to_owned(),
        format!("r.example/shop/cart@sha256:{other}"),
        "r.example/shop/cart/x".to_owned(),
        "shop/cart".to_owned(),
        "https://r.example/shop/cart".to_owned(),
        "oci:cart".to_owned(),
        "**".to_owned(),
    ] {
        assert!(!of(&bad), "{bad}");
    }
    // A copy elsewhere counts under the name that a map gives it; a layout has no name by itself.
    let layout =
        |asked: &str| matches!(judged(asked, "oci:copy:1", &[attested(1, summary())], false), Decision::Allow(_));
    assert!(!layout(ASKED));
    let mapped = ASKED.replace("24h", "24h, identity: {map: {\"oci:copy\": r.example/shop/cart}}");
    assert!(!layout(&mapped), "the signed name has to be there, too");
    let claim = Claim::Attestation {
        predicate_type: VSA.to_owned(),
        predicate: summary().into(),
        references: vec![SignedReference::parse("r.example/shop/cart:1").unwrap()],
    };
    assert!(matches!(judged(&mapped, "oci:copy:1", &[said(1, claim)], false), Decision::Allow(_)));
}

// [V-283]
#[test]
fn what_cannot_be_met_is_refused_when_the_policy_is_read() {
    for (asked, told) in [
        ("vsa: {from: [scanner], verifier: \"https://v\"}", "max-age"),
        ("vsa: {from: [scanner], max-age: 24h}", "verifier"),
        ("vsa: {from: [scanner], verifier: v, max-age: 24h}", "URI"),
        ("vsa: {from: [], verifier: \"https://v\", max-age: 24h}", "from"),
        ("vsa: {from: [nobody], verifier: \"https://v\", max-age: 24h}", "nobody"),
        ("vsa: {from: [scanner], verifier: \"https://v\", max-age: 24}", "duration"),
        ("vsa: {from: [scanner], verifier: \"https://v\", max-age: 24h, policy: abc}", "digest"),
        ("vsa: {from: [scanner], verifier: \"https://v\", max-age: 24h, levels: [FAILED]}", "no level"),
        (
            "vsa: {from: [scanner], verifier: \"https://v\", max-age: 24h, levels: [SLSA_BUILD_LEVEL_UNEVALUATED]}",
            "no level",
        ),
        (
            "vsa: {from: [scanner], verifier: \"https://v\", max-age: 24h, levels: [SLSA_BUILD_LEVEL_1, SLSA_BUILD_LEVEL_2]}",
            "twice",
        ),
        ("vsa: {from: [scanner], verifier: \"https://v\", max-age: 24h, threshold: 1}", "threshold"),
        ("vsa: null", "mapping"),
        (
            "vsa: {from: [scanner], verifier: \"https://v\", max-age: 24h}, signatures: {from: [release], identity: tag}",
            "expected `identity: tag` in `vsa`",
        ),
        (
            "attestations: [{type: \"https://slsa.dev/verification_summary/v1\", from: [scanner]}]",
            "expected `vsa: { … }`",
        ),
    ] {
        let error = policy(asked).expect_err(asked).to_string();
        assert!(error.contains("line 1, column") && error.contains(told), "{asked}: {error}");
    }
    let bound = "vsa: {from: [scanner], verifier: \"https://v\", max-age: 24h, identity: tag}, signatures: {from: [release], identity: tag}";
    // Only that a layout has no tag is wrong with it.
    assert!(policy(bound).unwrap_err().to_string().contains("asked of layouts"));
    let flags = Flags {
        keys: vec![("k".to_owned(), KEYS[0].public().clone())],
        types: vec![VSA.to_owned()],
        ..Flags::default()
    };
    let error = Policy::from_flags(flags).unwrap_err().to_string();
    assert!(error.contains("expected `vsa: { … }`"), "{error}");
}
