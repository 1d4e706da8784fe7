//! What a scope's Rego program sees, and what its answer does; SPEC.md, section 6.8.

use super::*;
use crate::policy::{Decision, FileLoader, Reason, evaluate};

const REVIEW: &str = "https://acme.example/review/v1";

fn with_rego(program: &str) -> Result<Policy, PolicyError> {
    let text = "{version: 1, authorities: {ci: {key: ci}, other: {key: other}}, images: {\
        \"r.example/**\": {signatures: {from: [ci]}, rego: x.rego}, \"s.example/**\": {signatures: {from: [other]}}}}";
    let load = |name: &str| Ok(if name == "ci" { KEY.public().clone() } else { OTHER.public().clone() });
    let file = |_: &str| Ok(Some(format!("package x\n\n{program}\n").into_bytes()));
    let files: &FileLoader<'_> = &file;
    Policy::parse_with(text, &load, files)
}

fn decide(program: &str, evidence: Vec<Verified>, unread: bool) -> Decision {
    let subject = Subject::new("r.example/shop/cart:1".parse().unwrap(), Digest::Sha256(DIGEST));
    let unread = if unread { vec![Unread { what: "a referrer".into(), why: "503".into() }] } else { Vec::new() };
    let findings = Findings::for_test(subject, evidence, Vec::new(), unread);
    evaluate(&with_rego(program).unwrap(), &findings, NOW.parse().unwrap()).decision
}

fn signed() -> Verified {
    said(&KEY, Claim::Signature { references: Vec::new(), annotations: [].into() })
}

fn told(decision: &Decision) -> Vec<(&'static str, String)> {
    match decision {
        Decision::Deny(reasons) | Decision::Undetermined(reasons) => {
            reasons.iter().map(|reason| (reason.id(), reason.to_string())).collect()
        }
        Decision::Allow(_) | Decision::NotJudged => Vec::new(),
    }
}

// [V-174]
#[test]
fn a_program_denies_what_all_the_rest_allows_and_allows_nothing() {
    let yes = "deny contains \"never\" if false\nallow := true";
    assert!(matches!(decide(yes, vec![signed()], false), Decision::Allow(_)));
    let no = "deny contains \"not today\\nallowed\" if input.reference";
    let denied = decide(no, vec![signed()], false);
    assert!(matches!(denied, Decision::Deny(_)), "{denied:?}");
    assert_eq!(told(&denied), [("rego-denied", "x.rego: not today\nallowed".to_owned())]);
    // What is not signed is denied for that, and the program is not asked.
    for program in [yes, no] {
        let unsigned = decide(program, Vec::new(), false);
        assert!(matches!(&unsigned, Decision::Deny(_)), "{unsigned:?}");
        assert!(told(&unsigned).iter().all(|(id, _)| !id.starts_with("rego")), "{unsigned:?}");
    }
}

// [V-176]
#[test]
fn no_answer_is_could_not_tell() {
    let fails = "deny contains \"x\" if time.parse_rfc3339_ns(input.attestations[0].predicate.at) < 0";
    let odd = decide(fails, vec![signed(), attested(&KEY, REVIEW, json!({"at": "noon"}))], false);
    assert!(matches!(odd, Decision::Undetermined(_)), "{odd:?}");
    assert_eq!(told(&odd)[0].0, "rego-failed");
    // No document may have it; the engine would take it for a number that is never written out.
    let number = json!({"at": {"$serde_json::private::Number": "1e2000000000"}});
    let odd = decide(
        "deny contains \"x\" if input.attestations[0].predicate.at > 1",
        vec![signed(), attested(&KEY, REVIEW, number)],
        false,
    );
    assert!(told(&odd)[0].0 == "rego-failed" && matches!(odd, Decision::Undetermined(_)), "{odd:?}");
    let unread = decide("deny contains \"x\" if false", vec![signed()], true);
    assert!(matches!(unread, Decision::Undetermined(_)), "{unread:?}");
    assert_eq!(told(&unread).iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["unread", "rego-failed"]);
}

// [V-179]
#[test]
fn what_is_shown_is_verified_and_of_an_authority_of_the_scope() {
    let unreviewed = "deny contains \"no review\" if not reviewed\n\
        reviewed if { some a in input.attestations; a.predicateType == \"https://acme.example/review/v1\"; \
        a.predicate.by == \"bob\"; \"ci\" in a.authorities; a.signer.key }";
    let review = |key: &PrivateKey| attested(key, REVIEW, json!({"by": "bob"}));
    assert_eq!(told(&decide(unreviewed, vec![signed(), review(&KEY)], false)), []);
    // It verifies, by a key of the policy; the scope names it nowhere.
    let foreign = decide(unreviewed, vec![signed(), review(&OTHER)], false);
    assert_eq!(told(&foreign), [("rego-denied", "x.rego: no review".to_owned())]);
    let anything = "deny contains \"seen\" if count(input.attestations) > 0";
    assert_eq!(told(&decide(anything, vec![signed(), review(&OTHER)], false)), []);
}

/// No requirement of the scope takes an unsigned statement of the index, whoever signed the index.
// [V-179]
#[test]
fn unsigned_statements_that_no_requirement_takes_are_not_shown() {
    let anything = "deny contains \"seen\" if count(input.attestations) > 0";
    let covered = attested(&KEY, REVIEW, json!({})).written(crate::verify::Format::CoveredByIndex);
    assert_eq!(told(&decide(anything, vec![signed(), covered], false)), []);
    assert_eq!(told(&decide(anything, vec![signed(), attested(&KEY, REVIEW, json!({}))], false))[0].0, "rego-denied");
}

/// Who signs an index takes the statements in it that the scope asks for, and says nothing of others.
// [V-179]
#[test]
fn an_unsigned_statement_is_shown_as_the_requirement_that_asks_for_its_type_takes_it() {
    let slsa = "https://slsa.dev/provenance/v0.2";
    let text = "{version: 1, authorities: {ci: {key: ci}}, images: {\
        \"**\": {signatures: {from: [ci]}, provenance: {from: [ci], unsigned: covered-by-index}, rego: x.rego}}}";
    let judge = |program: &str| {
        let file = |_: &str| Ok(Some(format!("package x\n\n{program}\n").into_bytes()));
        let policy = Policy::parse_with(text, &|_: &str| Ok(KEY.public().clone()), &file).unwrap();
        let provenance = json!({"builder": {"id": "b"}, "buildType": "https://example.com/mine"});
        let covered = [attested(&KEY, slsa, provenance), attested(&KEY, REVIEW, json!({"by": "bob"}))];
        let covered = covered.map(|one| one.written(crate::verify::Format::CoveredByIndex));
        let subject = Subject::new("r.example/shop/cart:1".parse().unwrap(), Digest::Sha256(DIGEST));
        let evidence = std::iter::once(signed()).chain(covered).collect();
        let findings = Findings::for_test(subject, evidence, Vec::new(), Vec::new());
        told(&evaluate(&policy, &findings, NOW.parse().unwrap()).decision)
    };
    let shown = judge(
        "deny contains sprintf(\"%v %v %v\", [a.predicateType, a.signed, a.authorities]) if some a in input.attestations",
    );
    assert_eq!(shown, [("rego-denied", format!("x.rego: {slsa} false [\"ci\"]"))]);
}

// [V-179]
#[test]
fn the_input_is_of_the_documented_shape() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let shape = format!(
        "good if {{ input.version == 1; input.reference == \"r.example/shop/cart:1\"; input.tag == \"1\"\n\
         input.repository == \"r.example/shop/cart\"; input.digest == \"{digest}\"; input.digests == [\"{digest}\"]\n\
         input.scope == \"r.example/**\"; input.now == \"{NOW}\"; time.now_ns() == time.parse_rfc3339_ns(input.now)\n\
         count(input.met) == 1; input.met[0].asked == \"image signature\"; input.met[0].threshold == 1\n\
         input.met[0].by[0].authority == \"ci\"; input.met[0].by[0].signer == input.attestations[0].signer\n\
         input.attestations[0].references == []; input.attestations[0].digest == \"{digest}\"\n\
         input.attestations[0].predicate == {{\"a\": [1, null, 2.5]}}\n\
         object.keys(input) == {{\"version\", \"reference\", \"repository\", \"tag\", \"digest\", \"digests\", \"scope\", \"now\", \"met\", \"attestations\"}} }}\n\
         deny contains \"bad\" if not good"
    );
    let evidence = vec![signed(), attested(&KEY, REVIEW, json!({"a": [1, null, 2.5]}))];
    assert_eq!(told(&decide(&shape, evidence, false)), []);
}

// [V-177]
#[test]
fn a_file_that_cannot_be_asked_is_refused_with_its_place() {
    let error = with_rego("allow := true").unwrap_err().to_string();
    assert!(
        error.starts_with("line 1, column") && error.contains("rego x.rego: package data.x has no rule"),
        "{error}"
    );
    for (asked, expected) in [
        ("rego: x.txt", "ends with `.rego`"),
        ("rego: public-good", "ends with `.rego`"),
        ("rego: x.rego", "no files are read here"),
        ("rego: [x.rego]", "string"),
        ("rego: ", "text"),
    ] {
        let error = policy(asked).expect_err(asked).to_string();
        assert!(error.contains(expected), "{asked}: {error}");
    }
    let load = |_: &str| Ok(KEY.public().clone());
    let file = |_: &str| Ok(Some(b"package x\ndeny contains \"x\" if false".to_vec()));
    let alone = Policy::parse_with("{version: 1, images: {\"**\": {rego: x.rego}}}", &load, &file).unwrap_err();
    assert!(matches!(alone, PolicyError::AsksNothing { .. }), "nobody has signed: {alone}");
}

#[test]
fn reasons_of_a_program_are_told_first() {
    let denied = Reason::Document { by: String::new(), miss: Miss::Rego { message: String::new() } };
    let reasons = [denied, Reason::Unsigned { from: Vec::new() }];
    assert!(reasons[0].order() < reasons[1].order());
}
