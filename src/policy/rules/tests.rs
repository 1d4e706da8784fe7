//! Each rule against documents as the tools write them; SPEC.md, section 6.6.

mod rego;

use super::*;
use crate::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::predicate::{CSAF, CYCLONEDX, Document, OPENVEX, SARIF, SLSA_V1, SLSA_V02, SPDX, VULN},
    policy::{Policy, PolicyError},
    trust::Identity,
    verify::{Claim, Findings, Place, Subject, Unread, Verified, Via},
};
use serde_json::{Value, json};
use std::sync::LazyLock;

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
static OTHER: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());

const DIGEST: [u8; 32] = [0xab; 32];
const NOW: &str = "2026-11-21T00:00:00Z";

macro_rules! predicate {
    ($name:literal) => {
        serde_json::from_slice::<Value>(include_bytes!(concat!("../../../testdata/predicates/", $name))).unwrap()
    };
}

fn policy(asked: &str) -> Result<Policy, PolicyError> {
    let text = format!(
        "{{version: 1, authorities: {{ci: {{key: ci}}, other: {{key: other}}}}, images: {{\"**\": {{signatures: {{from: [ci]}}, {asked}}}}}}}"
    );
    let load = |name: &str| Ok(if name == "ci" { KEY.public().clone() } else { OTHER.public().clone() });
    Policy::parse(&text, &load)
}

fn said(key: &PrivateKey, claim: Claim) -> Verified {
    let place = Place { subject: Digest::Sha256(DIGEST), via: Via::Referrers, manifest: None, layer: 0 };
    Verified::for_test(Identity::Key(key.public().fingerprint()), Digest::Sha256(DIGEST), claim, place)
}

fn attested(key: &PrivateKey, kind: &str, predicate: Value) -> Verified {
    let (predicate_type, predicate) = (kind.to_owned(), predicate.into());
    said(key, Claim::Attestation { predicate_type, predicate, references: Vec::new() })
}

fn ids(asked: &str, evidence: Vec<Verified>, unread: bool) -> Vec<&'static str> {
    use crate::policy::{Decision, evaluate};
    let subject = Subject::new("r.example/shop/cart:1".parse().unwrap(), Digest::Sha256(DIGEST));
    let signature = Claim::Signature { references: Vec::new(), annotations: [].into() };
    let mut all = vec![said(&KEY, signature)];
    all.extend(evidence);
    let unread = if unread { vec![Unread { what: "a referrer".into(), why: "503".into() }] } else { Vec::new() };
    let findings = Findings::for_test(subject, all, Vec::new(), unread);
    let policy = policy(asked).unwrap_or_else(|error| panic!("{asked}: {error}"));
    match evaluate(&policy, &findings, NOW.parse().unwrap()).decision {
        Decision::Allow(_) => Vec::new(),
        Decision::Deny(reasons) | Decision::Undetermined(reasons) => {
            reasons.iter().map(crate::policy::Reason::id).collect()
        }
        Decision::NotJudged => vec!["not-judged"],
    }
}

#[track_caller]
fn first(asked: &str, kind: &str, predicate: Value) -> Option<&'static str> {
    ids(asked, vec![attested(&KEY, kind, predicate)], false).first().copied()
}

/// Every text that is this one but for one character: one changed, one left out, one added.
fn one_off(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    let changed = (0..chars.len()).flat_map({
        let chars = chars.clone();
        move |at| {
            let mut changed = chars.clone();
            changed[at] = if changed[at] == 'x' { 'y' } else { 'x' };
            let mut shorter = chars.clone();
            shorter.remove(at);
            [changed, shorter].map(|chars| chars.into_iter().collect())
        }
    });
    changed.chain([format!("{text}x"), format!("x{text}")])
}

fn replaced(predicate: &Value, from: &str, to: &str) -> Value {
    let quoted = |text: &str| Value::from(text).to_string();
    let (from, to) = (quoted(from), quoted(to));
    let text = predicate.to_string();
    serde_json::from_str(&text.replace(from.trim_matches('"'), to.trim_matches('"'))).unwrap()
}

const APP: &str = "https://github.com/acme/cart";
const REF: &str = "refs/tags/v1.2.0";

/// What tools write: a name, the predicate's type, the predicate, who built it.
fn builds() -> [(&'static str, &'static str, Value, &'static str); 7] {
    const GITHUB: &str = "https://github.com/acme/cart/.github/workflows/release.yml@refs/tags/v1.2.0";
    const GENERATOR: &str = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v2.1.0";
    const MIN: &str = "https://github.com/acme/cart/actions/runs/9000000003/attempts/1";
    const MAX: &str = "https://github.com/acme/cart/actions/runs/9000000004/attempts/1";
    const TEKTON: &str = "https://tekton.dev/chains/v2";
    const WORKER: &str = "https://cloudbuild.googleapis.com/GoogleHostedWorker";
    [
        ("github", SLSA_V1, predicate!("github.json"), GITHUB),
        ("slsa-github-generator", SLSA_V02, predicate!("slsa-github-generator.json"), GENERATOR),
        ("buildkit min", SLSA_V02, predicate!("buildkit-v0.2-min.json"), MIN),
        ("buildkit max", SLSA_V1, predicate!("buildkit-v1-max.json"), MAX),
        ("tekton 0.2", SLSA_V02, predicate!("tekton-v0.2.json"), TEKTON),
        ("tekton 1", SLSA_V1, predicate!("tekton-v1.json"), TEKTON),
        ("cloud build", SLSA_V1, predicate!("cloud-build-v1.json"), WORKER),
    ]
}

fn asks(builder: &str, source: &str, reference: &str) -> String {
    format!("provenance: {{from: [ci], builder: \"{builder}\", source: \"{source}\", ref: \"{reference}\"}}")
}

// [V-161]
#[test]
fn real_provenance_is_met_and_not_by_what_is_asked_otherwise_by_one_character() {
    for (name, kind, predicate, builder) in builds() {
        let told = |asked: String| first(&asked, kind, predicate.clone());
        assert_eq!(told(asks(builder, "git+https://github.com/acme/cart.git", REF)), None, "{name}");
        for other in one_off(builder) {
            assert_eq!(told(asks(&other, APP, REF)), Some("builder-mismatch"), "{name}: {other}");
        }
        for other in one_off(APP) {
            assert_eq!(told(asks(builder, &other, REF)), Some("source-mismatch"), "{name}: {other}");
        }
        for other in one_off(REF).filter(|text| text.starts_with("refs/") && text.matches('/').count() > 1) {
            assert_eq!(told(asks(builder, APP, &other)), Some("ref-mismatch"), "{name}: {other}");
        }
    }
}

// [V-161]
#[test]
fn real_provenance_that_says_something_else_by_one_character_is_refused() {
    for (name, kind, predicate, builder) in builds() {
        let good = asks(builder, APP, REF);
        for text in [builder, APP, REF] {
            for other in one_off(text) {
                let changed = replaced(&predicate, text, &other);
                let found =
                    first(&good, kind, changed).unwrap_or_else(|| panic!("{name}: {other} is taken for {text}"));
                // A builder's id may have the repository or the ref in it, and then is what is told.
                assert!(found.ends_with("-mismatch") || found == "document-malformed", "{name}: {found}");
            }
        }
    }
}

// [V-161]
#[test]
fn every_source_of_a_build_counts_and_none_is_no_match() {
    let asked = "provenance: {from: [ci], source: \"https://github.com/acme/cart\"}";
    let mut two = predicate!("tekton-v1.json");
    let dependencies = two["buildDefinition"]["resolvedDependencies"].as_array_mut().unwrap();
    let mut evil = dependencies[2].clone();
    evil["uri"] = "git+https://github.com/evil/cart.git".into();
    dependencies.push(evil);
    assert_eq!(first(asked, SLSA_V1, two), Some("source-mismatch"));
    let mut none = predicate!("buildkit-v0.2-max-local.json");
    assert_eq!(first(asked, SLSA_V02, none.clone()), None, "the client's word, signed by who is asked");
    none["metadata"]["https://mobyproject.org/buildkit@v1#metadata"] = json!({});
    assert_eq!(first(asked, SLSA_V02, none), Some("source-mismatch"));
    let mut unknown = predicate!("github.json");
    unknown["buildDefinition"]["buildType"] = "https://example.com/mine/v1".into();
    assert_eq!(first(asked, SLSA_V1, unknown), Some("build-type-unknown"));
}

// [V-162]
#[test]
fn workflow_build_type_level_and_parameters_are_compared() {
    let github = || predicate!("github.json");
    let asked = |what: &str| format!("provenance: {{from: [ci], {what}}}");
    for (what, id) in [
        ("workflow: .github/workflows/release.yml", None),
        ("workflow: .github/workflows/other.yml", Some("workflow-mismatch")),
        ("build-type: \"https://actions.github.io/buildtypes/workflow/v1\"", None),
        ("build-type: \"https://mobyproject.org/**\"", Some("build-type-mismatch")),
        ("level: 2", None),
        ("level: 3", Some("level-unmet")),
        ("parameters: refuse-unknown", None),
    ] {
        assert_eq!(first(&asked(what), SLSA_V1, github()), id, "{what}");
    }
    assert_eq!(first(&asked("level: 3"), SLSA_V02, predicate!("slsa-github-generator.json")), None);
    assert_eq!(first(&asked("level: 2"), SLSA_V02, predicate!("buildkit-v0.2-min.json")), Some("level-unmet"));
    let mut more = github();
    more["buildDefinition"]["externalParameters"]["debug"] = true.into();
    assert_eq!(first(&asked("parameters: refuse-unknown"), SLSA_V1, more.clone()), Some("parameters-unknown"));
    assert_eq!(first(&asked("parameters: accept"), SLSA_V1, more), None);
}

// [V-160]
#[test]
fn a_document_that_cannot_be_read_is_told_and_does_not_spoil_another() {
    let asked = "provenance: {from: [ci], source: \"https://github.com/acme/cart\"}";
    let broken = attested(&KEY, SLSA_V1, json!({"buildDefinition": {}}));
    assert_eq!(ids(asked, vec![broken.clone()], false), ["document-malformed", "threshold-unmet"]);
    assert!(ids(asked, vec![broken, attested(&KEY, SLSA_V1, predicate!("github.json"))], false).is_empty());
    assert_eq!(ids(asked, Vec::new(), false), ["attestation-missing"]);
    // Somebody else's, whatever it says, is nobody's.
    let foreign = attested(&OTHER, SLSA_V1, predicate!("github.json"));
    assert_eq!(ids(asked, vec![foreign], false), ["threshold-unmet"]);
}

// [V-164] [V-165]
#[test]
fn sboms_are_compared_with_the_image_and_the_packages_that_are_wanted_or_not() {
    for (kind, bom) in [
        (SPDX, predicate!("spdx-2.3.json")),
        ("https://spdx.dev/Document/v3.0", predicate!("spdx-3.json")),
        (CYCLONEDX, predicate!("cyclonedx-1.6.json")),
    ] {
        for (what, id) in [
            ("describes: image", None),
            ("must-list: {\"pkg:apk/alpine/openssl@*\": any, readline: any}", None),
            ("must-list: {\"pkg:apk/alpine/opensslx@*\": any}", Some("package-missing")),
            ("deny-packages: [\"pkg:apk/alpine/readline@8.*\"]", Some("package-denied")),
            ("deny-packages: [\"openssl@3.3.2-r1\"]", Some("package-denied")),
            ("deny-packages: [\"openssl@3.3.2-r2\", \"pkg:npm/**\"]", None),
            ("deny-licenses: [\"GPL-3.0*\"]", Some("license-denied")),
            ("deny-licenses: [\"gpl-2.0*\", \"AGPL-*\"]", None),
        ] {
            assert_eq!(first(&format!("sbom: {{from: [ci], {what}}}"), kind, bom.clone()), id, "{kind}: {what}");
        }
        let other = replaced(&bom, &"ab".repeat(32), &"ba".repeat(32));
        assert_eq!(first("sbom: {from: [ci], describes: image}", kind, other), Some("sbom-subject-mismatch"), "{kind}");
    }
    let spdx = || predicate!("spdx-2.3.json");
    let listed = |digest: &str| format!("sbom: {{from: [ci], must-list: {{either: \"sha256:{digest}\"}}}}");
    assert_eq!(first(&listed(&"cd".repeat(32)), SPDX, spdx()), None);
    assert_eq!(first(&listed(&"dc".repeat(32)), SPDX, spdx()), Some("package-digest-mismatch"));
    assert_eq!(first("sbom: {from: [ci], formats: [cyclonedx]}", SPDX, spdx()), Some("sbom-format"));
    let mut unstated = spdx();
    unstated["packages"][1].as_object_mut().unwrap().remove("licenseDeclared");
    assert_eq!(first("sbom: {from: [ci], deny-licenses: [NOASSERTION]}", SPDX, unstated), Some("license-denied"));
}

/// What npm writes of a package with two dependencies, in both formats.
// [V-164] [V-165]
#[test]
fn sboms_as_npm_writes_them_are_read_and_asked() {
    for (kind, bom) in [(SPDX, predicate!("npm-spdx-2.3.json")), (CYCLONEDX, predicate!("npm-cyclonedx-1.5.json"))] {
        for (what, id) in [
            ("must-list: {\"pkg:npm/debug@4.4.1\": any, \"pkg:npm/ms@*\": any}", None),
            ("must-list: {\"pkg:npm/left-pad@*\": any}", Some("package-missing")),
            ("deny-packages: [\"pkg:npm/ms@2.*\"]", Some("package-denied")),
            ("deny-packages: [\"ms@2.1.2\"]", None),
            ("deny-licenses: [MIT]", Some("license-denied")),
            ("deny-licenses: [\"GPL-*\"]", None),
            ("describes: image", Some("sbom-subject-mismatch")),
        ] {
            assert_eq!(first(&format!("sbom: {{from: [ci], {what}}}"), kind, bom.clone()), id, "{kind}: {what}");
        }
    }
}

// [V-166]
#[test]
fn findings_above_the_limit_are_told_and_unknown_ones_are_the_worst() {
    let vuln = |most: &str| format!("vuln: {{from: [ci], max-severity: {most}}}");
    for (kind, scan, high, medium) in [
        (VULN, predicate!("vuln-trivy.json"), Some("vuln-found"), Some("vuln-found")),
        (VULN, predicate!("vuln-grype.json"), Some("vuln-found"), Some("vuln-found")),
        (SARIF, predicate!("sarif.json"), Some("vuln-found"), Some("vuln-found")),
        (
            "https://in-toto.io/attestation/vulns/v0.1",
            predicate!("vulns-in-toto.json"),
            Some("vuln-found"),
            Some("vuln-found"),
        ),
    ] {
        assert_eq!(first(&vuln("high"), kind, scan.clone()), high, "{kind}");
        assert_eq!(first(&vuln("medium"), kind, scan.clone()), medium, "{kind}");
        assert_eq!(first(&vuln("critical"), kind, scan), None, "{kind}");
    }
    let mut unknown = predicate!("vuln-trivy.json");
    unknown["scanner"]["result"]["Results"][0]["Vulnerabilities"].as_array_mut().unwrap().remove(0);
    assert_eq!(first(&vuln("medium"), VULN, unknown.clone()), None);
    unknown["scanner"]["result"]["Results"][0]["Vulnerabilities"][0]["Severity"] = "UNKNOWN".into();
    assert_eq!(first(&vuln("high"), VULN, unknown), Some("vuln-found"));
}

// [V-167]
#[test]
fn a_waiver_ends_with_its_day() {
    let waived = |until: &str| {
        format!(
            "vuln: {{from: [ci], max-severity: high, waivers: [{{id: CVE-2026-1001, until: {until}, reason: not reachable}}]}}"
        )
    };
    let trivy = || predicate!("vuln-trivy.json");
    assert_eq!(first(&waived("2026-11-21"), VULN, trivy()), None, "to the end of its day");
    assert_eq!(first(&waived("2026-11-20"), VULN, trivy()), Some("vuln-found"));
    // Grype knows it by another name first.
    assert_eq!(first(&waived("2026-12-01"), VULN, predicate!("vuln-grype.json")), None);
}

// [V-168]
#[test]
fn vex_of_the_same_authority_about_this_image_counts_and_the_newest_of_it() {
    let asked = "vuln: {from: [ci], max-severity: high, ignore-with: vex}";
    let trivy = || attested(&KEY, VULN, predicate!("vuln-trivy.json"));
    for (kind, vex) in [(OPENVEX, predicate!("openvex.json")), (CSAF, predicate!("csaf-vex.json"))] {
        assert_eq!(ids(asked, vec![trivy(), attested(&KEY, kind, vex.clone())], false), [""; 0], "{kind}");
        let grype = attested(&KEY, VULN, predicate!("vuln-grype.json"));
        assert_eq!(ids(asked, vec![grype, attested(&KEY, kind, vex.clone())], false), [""; 0], "{kind}");
        let foreign = attested(&OTHER, kind, vex.clone());
        assert_eq!(ids(asked, vec![trivy(), foreign], false)[0], "vuln-found", "{kind}: another authority's");
        let elsewhere = replaced(&vex, &"ab".repeat(32), &"ba".repeat(32));
        assert_eq!(ids(asked, vec![trivy(), attested(&KEY, kind, elsewhere)], false)[0], "vuln-found", "{kind}");
        let part = replaced(&vex, "openssl@3.3.2-r1", "openssl@3.3.2-r0");
        assert_eq!(ids(asked, vec![trivy(), attested(&KEY, kind, part)], false)[0], "vuln-found", "{kind}");
        // Something newer may be among what was not read.
        let unread = ids(asked, vec![trivy(), attested(&KEY, kind, vex)], true);
        assert!(unread.contains(&"newest-unknown") && unread.contains(&"unread"), "{kind}: {unread:?}");
    }
    // Nor is what such a document may take back known if it can't be read, or states no time.
    for (member, value) in [("/statements/0/status", json!("x")), ("/timestamp", Value::Null)] {
        let mut vex = predicate!("openvex.json");
        *vex.pointer_mut(member).unwrap() = value;
        let bad = || attested(&KEY, OPENVEX, vex.clone());
        let told = ids(asked, vec![trivy(), attested(&KEY, OPENVEX, predicate!("openvex.json")), bad()], false);
        assert_eq!(told[0], "newest-unknown", "{vex}");
        assert_eq!(ids(asked, vec![trivy(), bad()], false)[0], "vuln-found", "{vex}");
    }
    let mut newer = predicate!("openvex.json");
    newer["statements"][0]["status"] = "affected".into();
    newer["timestamp"] = "2026-11-20T12:00:00Z".into();
    let both =
        vec![trivy(), attested(&KEY, OPENVEX, newer.clone()), attested(&KEY, OPENVEX, predicate!("openvex.json"))];
    assert_eq!(ids(asked, both, false)[0], "vuln-found", "what was said last");
    newer["timestamp"] = "2027-11-20T12:00:00Z".into();
    newer["statements"][0]["status"] = "fixed".into();
    assert_eq!(ids(asked, vec![trivy(), attested(&KEY, OPENVEX, newer)], false)[0], "vuln-found", "of the future");
}

// [V-163]
#[test]
fn age_and_newest_are_by_the_stated_time() {
    let at = |time: &str| {
        let mut scan = predicate!("vuln-trivy.json");
        scan["metadata"]["scanFinishedOn"] = time.into();
        attested(&KEY, VULN, scan)
    };
    let aged = "vuln: {from: [ci], max-age: 24h}";
    assert_eq!(ids(aged, vec![at("2026-11-20T10:00:00Z")], false), [""; 0]);
    assert_eq!(ids(aged, vec![at("2026-11-19T10:00:00Z")], false)[0], "attestation-too-old");
    assert_eq!(ids(aged, vec![at("2026-11-22T10:00:00Z")], false)[0], "attestation-from-future");
    assert_eq!(ids(aged, vec![at("")], false)[0], "attestation-time-unknown");
    let newest = "vuln: {from: [ci], max-severity: high, superseded: refuse, waivers: []}";
    let clean = {
        let mut scan = predicate!("vuln-trivy.json");
        scan["scanner"]["result"]["Results"] = json!([]);
        scan["metadata"]["scanFinishedOn"] = "2026-11-19T10:00:00Z".into();
        attested(&KEY, VULN, scan)
    };
    let bad = at("2026-11-20T10:00:00Z");
    assert_eq!(ids("vuln: {from: [ci], max-severity: high}", vec![clean.clone(), bad.clone()], false), [""; 0]);
    assert_eq!(ids(newest, vec![clean.clone(), bad.clone()], false)[0], "vuln-found");
    assert_eq!(ids(newest, vec![clean.clone()], false), [""; 0]);
    assert!(ids(newest, vec![clean.clone()], true).contains(&"newest-unknown"));
    // Of the same time the worse; what can't be read or states no time may be newer.
    let tied = at("2026-11-19T10:00:00Z");
    for both in [[clean.clone(), tied.clone()], [tied, clean.clone()]] {
        let told = ids(newest, both.into(), false);
        assert_eq!(told[0], "vuln-found", "{told:?}");
    }
    let broken = attested(&KEY, VULN, json!({"scanner": {"uri": "x", "result": {}}, "metadata": {}}));
    assert_ne!(ids(newest, vec![clean.clone(), at("")], false), [""; 0]);
    assert_ne!(ids(newest, vec![clean.clone(), broken.clone()], false), [""; 0]);
    assert_eq!(ids("vuln: {from: [ci], max-severity: high}", vec![clean.clone(), broken], false), [""; 0]);
    // An SBOM in another format is no worse.
    let formats = "sbom: {from: [ci], formats: [spdx], superseded: refuse}";
    let mut other = predicate!("cyclonedx-1.6.json");
    other["metadata"]["timestamp"] = predicate!("spdx-2.3.json")["creationInfo"]["created"].clone();
    let both = vec![attested(&KEY, SPDX, predicate!("spdx-2.3.json")), attested(&KEY, CYCLONEDX, other)];
    assert_eq!(ids(formats, both, false), [""; 0]);
    let pinned = "vuln: {from: [other], max-severity: high, superseded: refuse}";
    let Claim::Attestation { predicate_type, predicate, .. } = clean.claim().clone() else { panic!("an attestation") };
    let others = said(&OTHER, Claim::Attestation { predicate_type, predicate, references: Vec::new() });
    assert_eq!(ids(pinned, vec![others, bad], false), [""; 0], "another authority's newer one supersedes nothing");
}

// [V-169]
#[test]
fn what_cannot_be_met_is_refused_when_the_policy_is_read() {
    for (asked, told) in [
        ("provenance: {from: []}", "from"),
        ("provenance: {from: [ci], level: 4}", "level"),
        ("provenance: {from: [ci], level: 0}", "level"),
        ("provenance: {from: [ci], source: \"**\"}", "matches anything"),
        ("provenance: {from: [ci], builder: \"\"}", "empty"),
        ("provenance: {from: [ci], source: \"git+https://github.com/acme/cart@refs/tags/v1\"}", "in `ref`"),
        ("provenance: {from: [ci], ref: main}", "refs/heads/"),
        ("provenance: {from: [ci], parameters: refuse}", "refuse-unknown"),
        ("provenance: {from: [ci], threshold: 2}", "threshold"),
        ("provenance: {from: [ci], max-age: 7}", "duration"),
        ("provenance: null", "mapping"),
        ("sbom: {from: [ci], formats: []}", "formats"),
        ("sbom: {from: [ci], formats: [syft]}", "syft"),
        ("sbom: {from: [ci], must-list: {curl: md5:00}}", "digest"),
        ("sbom: {from: [ci], must-list: {curl: any}, deny-packages: [\"cur*\"]}", "denied"),
        ("vuln: {from: [ci], max-severity: terrible}", "terrible"),
        ("vuln: {from: [ci], max-severity: unknown}", "unknown"),
        ("vuln: {from: [ci], ignore-with: vex}", "never used"),
        ("vuln: {from: [ci], max-severity: high, waivers: [{id: X, until: 2026-13-01, reason: r}]}", "no day"),
        ("vuln: {from: [ci], max-severity: high, waivers: [{id: X, until: 2026-12-01, reason: \" \"}]}", "reason"),
        ("vuln: {from: [ci], waivers: [{id: X, until: 2026-12-01, reason: r}]}", "never used"),
        ("provenance: {from: [ci], level: 3, builder: \"https://tekton.dev/chains/v2\"}", "known for 2"),
        ("provenance: {from: [ci], level: 2, builder: \"https://ci.example/x\"}", "known for 1"),
        ("provenance: {from: [ci], build-type: \"https://ci.example/x\", source: \"https://a/b\"}", "none is known"),
        ("provenance: {from: [ci], build-type: \"https://ci.example/x\", ref: refs/heads/main}", "none is known"),
        ("provenance: {from: [ci], build-type: \"https://mobyproject.org/buildkit@v1\", workflow: w}", "none is known"),
        ("sbom: {from: [ci], formats: [spdx, spdx]}", "twice"),
        ("config: {}", "config"),
        ("config: {max-layers: 0}", "max-layers"),
        ("config: {max-size: 10 apples}", "size"),
        ("config: {max-size: 99999999999GiB}", "size"),
    ] {
        let error = policy(asked).expect_err(asked).to_string();
        assert!(error.contains("line 1, column") && error.contains(told), "{asked}: {error}");
    }
    let twice = "vuln: {from: [ci], max-severity: high, waivers: [{id: X, until: 2026-12-01, reason: r}, {id: X, until: 2026-12-02, reason: r}]}";
    assert!(policy(twice).unwrap_err().to_string().contains("twice"));
    let load = |_: &str| Ok(KEY.public().clone());
    let alone = "{version: 1, images: {\"**\": {config: {non-root: true}}}}";
    let error = Policy::parse(alone, &load).unwrap_err();
    assert!(matches!(error, PolicyError::AsksNothing { .. }), "a configuration says nothing of who made it: {error}");
}

#[test]
fn what_a_pattern_leaves_open_can_be_asked() {
    for asked in [
        "provenance: {from: [ci], level: 3, builder: \"https://github.com/**\"}",
        "provenance: {from: [ci], level: 2, builder: \"https://tekton.dev/chains/v2\"}",
        "provenance: {from: [ci], build-type: \"https://ci.example/*\", ref: refs/heads/main}",
        "provenance: {from: [ci], build-type: \"https://mobyproject.org/buildkit@v1\", source: \"https://a/b\"}",
    ] {
        assert!(policy(asked).is_ok(), "{asked}");
    }
}

// [V-169]
#[test]
fn layouts_are_asked_for_no_name() {
    let load = |_: &str| Ok(KEY.public().clone());
    let asking = |scope: &str, identity: &str| {
        let text = format!(
            "{{version: 1, authorities: {{ci: {{key: ci}}}}, images: {{\"{scope}\": {{signatures: {{from: [ci], identity: {identity}}}}}}}}}"
        );
        Policy::parse(&text, &load)
    };
    for identity in ["repository", "tag", "{map: {r.io/x: r.io/y}}"] {
        let error = asking("oci:**", identity).expect_err(identity).to_string();
        assert!(error.starts_with("line 1, column") && error.contains("no repository name"), "{error}");
        assert!(asking("r.example/**", identity).is_ok(), "{identity}");
    }
    assert!(asking("oci:out", "any").is_ok() && asking("oci:out", "{map: {\"oci:out\": r.io/y}}").is_ok());
}

// [V-167]
#[test]
fn waivers_that_have_ended_are_named() {
    let asked = "vuln: {from: [ci], max-severity: high, waivers: [{id: CVE-1, until: 2026-11-20, reason: r}, {id: CVE-2, until: 2026-11-21, reason: r}]}";
    let policy = policy(asked).unwrap();
    let ended: Vec<_> = policy.ended_waivers(NOW.parse().unwrap()).map(|(_, waiver)| waiver.id.as_str()).collect();
    assert_eq!(ended, ["CVE-1"]);
}

// [V-170]
#[test]
fn a_configuration_that_was_not_read_is_not_known_to_be_good() {
    let asked = "config: {non-root: true}";
    assert_eq!(ids(asked, Vec::new(), false), ["config-unread"]);
    let unread = ids(asked, Vec::new(), true);
    assert!(unread.contains(&"unread"), "could not tell: {unread:?}");
}

#[test]
fn documents_of_another_family_answer_nothing() {
    let question = Question { about: Topic::Vuln(VulnRule::default()), max_age: None, newest: false };
    let document = Document::decode(SLSA_V1, predicate!("github.json").to_string().as_bytes()).unwrap().unwrap();
    let beside =
        Circumstances { digests: &[], resource: None, vex: &[], bases: &Bases::default(), now: NOW.parse().unwrap() };
    assert_eq!(question.judge(&document, &beside).unwrap_err().id(), "document-malformed");
}
