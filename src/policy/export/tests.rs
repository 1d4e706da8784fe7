use super::*;
use crate::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey},
    oci::{Digest, Reference},
    policy::{Decision, evaluate},
    trust::Identity,
    verify::{Claim, Findings, Place, SignedReference, Subject, Verified, Via},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::{collection, prelude::*, sample};
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};

const PEM: [&str; 4] = [
    include_str!("../../../testdata/policy/release.test.pub"),
    include_str!("../../../testdata/policy/qa.test.pub"),
    include_str!("../../../testdata/policy/ci.test.pub"),
    include_str!("../../../testdata/policy/other.test.pub"),
];

static KEYS: LazyLock<[PublicKey; 4]> = LazyLock::new(|| PEM.map(|text| PublicKey::from_pem(text).unwrap()));

/// The keys as an exported policy has them.
static DATA: LazyLock<[String; 4]> = LazyLock::new(|| KEYS.each_ref().map(|key| STANDARD.encode(key.to_pem())));

fn key(path: &str) -> Result<PublicKey, String> {
    match path.parse::<usize>() {
        Ok(number) => Ok(KEYS[number].clone()),
        Err(_) => Ok(PrivateKey::generate(KeyAlgorithm::EcdsaP384).unwrap().public().clone()),
    }
}

/// A policy over the authorities a, b, c, d (a key each), ab (of a's and b's keys), and wide (of a P-384 key).
fn policy(head: &str, images: &str) -> Policy {
    let text = format!(
        "version: 1\n{head}\nauthorities: {{ a: {{ key: '0' }}, b: {{ key: '1' }}, c: {{ key: '2' }}, d: {{ key: '3' }}, ab: {{ keys: ['0', '1'] }}, wide: {{ key: p384 }}, ci: {{ keyless: {{ issuer: 'https://i.example', subject: x }} }} }}\nimages:\n{images}\n"
    );
    Policy::parse(&text, &key).unwrap()
}

fn text(exported: &Exported, name: &str) -> String {
    let (_, bytes) = exported.files.iter().find(|(found, _)| *found == name).unwrap();
    String::from_utf8(bytes.clone()).unwrap()
}

/// The policy.json of a policy that can be said.
fn containers(images: &str) -> Value {
    serde_json::from_str(&text(&export(&policy("", images), Target::Containers).unwrap(), "policy.json")).unwrap()
}

/// Scope and field of all that cannot be said.
fn refused(policy: &Policy, target: Target) -> Vec<(Option<String>, &'static str)> {
    match export(policy, target) {
        Err(ExportError::Inexpressible(all)) => {
            assert!(all.iter().all(|one| !one.why.is_empty()));
            all.into_iter().map(|one| (one.scope, one.field)).collect()
        }
        Err(other) => panic!("{other}"),
        Ok(exported) => panic!("{exported:?}"),
    }
}

const SIGNED: &str = "{ signatures: { from: [a], identity: repository } }";

#[test]
fn what_both_say_is_said_in_their_words() {
    let found = containers(&format!(
        "  'r.example/**': {SIGNED}\n  'r.example/dev/**': {{ mode: disabled }}\n  'busybox/**': {{ signatures: {{ from: [a, b], identity: tag }} }}"
    ));
    assert_eq!(found["default"], serde_json::json!([{ "type": "reject" }]));
    let docker = &found["transports"]["docker"];
    assert_eq!(
        docker.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["docker.io/busybox", "r.example", "r.example/dev"]
    );
    assert_eq!(
        docker["r.example"],
        serde_json::json!([{ "type": "sigstoreSigned", "keyData": DATA[0], "signedIdentity": { "type": "matchRepository" } }])
    );
    assert_eq!(docker["r.example/dev"], serde_json::json!([{ "type": "insecureAcceptAnything" }]));
    assert_eq!(docker["docker.io/busybox"][0]["keyDatas"].as_array().unwrap().len(), 2);
    assert_eq!(docker["docker.io/busybox"][0]["signedIdentity"]["type"], "matchExact");
}

#[test]
fn signatures_are_looked_for_before_they_are_asked_for_and_only_where_they_are() {
    let images = format!("  'r.example/**': {SIGNED}\n  'r.example/dev/**': {{ mode: disabled }}");
    let exported = export(&policy("", &images), Target::Containers).unwrap();
    let names: Vec<_> = exported.files.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["registries.d/boltseal.yaml", "policy.json"]);
    assert_eq!(text(&exported, names[0]), "docker:\n  r.example:\n    use-sigstore-attachments: true\n");
    let everything = export(&policy("", &format!("  '**': {SIGNED}")), Target::Containers).unwrap();
    assert!(text(&everything, names[0]).contains("default-docker:\n  use-sigstore-attachments: true\n"));
}

#[test]
fn m_of_n_is_one_of_each_that_leave_too_few() {
    let scope = |threshold, from| {
        format!("  'r.example/**': {{ signatures: {{ threshold: {threshold}, from: {from}, identity: repository }} }}")
    };
    let clauses = |threshold, from| {
        let found = containers(&scope(threshold, from));
        let all = found["transports"]["docker"]["r.example"].as_array().unwrap().clone();
        all.iter().map(|one| one["keyDatas"].as_array().map_or(1, Vec::len)).collect::<Vec<_>>()
    };
    assert_eq!(clauses(1, "[a, b, c]"), [3]);
    assert_eq!(clauses(2, "[a, b, c]"), [2, 2, 2]);
    assert_eq!(clauses(3, "[a, b, c]"), [1, 1, 1]);
    assert_eq!(clauses(2, "[ab, c, d]"), [3, 3, 2]);
    let shared = policy("", &scope(2, "[ab, b]"));
    assert_eq!(refused(&shared, Target::Containers), [(Some("r.example/**".to_owned()), "signatures.threshold")]);
}

// [V-230]
#[test]
fn what_cannot_be_said_is_named_all_of_it() {
    let ct = "content-trust: { tofu: once }";
    for (scope, rule, fields) in [
        ("r.example/**", "{ signatures: { from: [a] } }", &["signatures.identity"][..]),
        (
            "r.example/**",
            "{ signatures: { from: [a], identity: { map: { r.example: s.example } } } }",
            &["signatures.identity"],
        ),
        (
            "r.example/**",
            "{ signatures: { from: [a], identity: tag, annotations: { x: y } } }",
            &["signatures.annotations"],
        ),
        ("r.example/**", "{ signatures: { from: [wide], identity: tag } }", &["authorities"]),
        ("r.example/**", "{ signatures: { from: [a, ci], identity: tag } }", &["authorities"]),
        (
            "r.example/**",
            "{ attestations: [{ type: vuln, from: [a], max-age: 7d }, { type: spdxjson, from: [a] }] }",
            &["attestations", "attestations"],
        ),
        ("r.example/**", &format!("{{ {ct} }}"), &["content-trust"]),
        (
            "r.example/**",
            "{ signatures: { from: [a], identity: repository }, config: { non-root: true }, vuln: { from: [a], max-severity: high } }",
            &["config", "documents"],
        ),
        (
            "r.example/**",
            &format!("{{ mode: permissive, {ct}, signatures: {{ from: [a], identity: any }} }}"),
            &["mode", "content-trust", "signatures.identity"],
        ),
        ("r.example/app", SIGNED, &["images"]),
        ("r.example/app-*/**", SIGNED, &["images"]),
        ("r.example/*/**", SIGNED, &["images"]),
        ("*/app/**", SIGNED, &["images"]),
        ("*.example/**", SIGNED, &["images"]),
        ("oci:**", "{ signatures: { from: [a] } }", &["images", "signatures.identity"]),
    ] {
        let found = refused(&policy("", &format!("  '{scope}': {rule}")), Target::Containers);
        let expected: Vec<_> = fields.iter().map(|field| (Some(scope.to_owned()), *field)).collect();
        assert_eq!(found, expected, "{scope}: {rule}");
    }
    let permissive =
        policy("mode: permissive", "  'r.example/**': { mode: enforced, signatures: { from: [a], identity: tag } }");
    assert_eq!(refused(&permissive, Target::Containers), [(None, "mode")]);
}

#[test]
fn hosts_in_capitals_may_not_fall_into_less() {
    let inner = "  'r.example/**': { signatures: { from: [b], identity: repository } }";
    let found = refused(&policy("", &format!("  '**': {SIGNED}\n{inner}")), Target::Containers);
    assert_eq!(found, [(Some("**".to_owned()), "images")]);
    // Where both ask for the same, it makes no difference.
    containers(&format!("  '**': {SIGNED}\n  'r.example/**': {SIGNED}"));
    let domain = format!("  '*.example/**': {SIGNED}\n  '*.example:*/**': {SIGNED}");
    let found = containers(&domain);
    assert!(found["transports"]["docker"]["*.example"].is_array());
    let found = refused(
        &policy("", &format!("{domain}\n{}", inner.replace("r.example", "r.example:5000"))),
        Target::Containers,
    );
    assert_eq!(found, [(Some("*.example:*/**".to_owned()), "images")]);
}

#[test]
fn openshift_gets_an_object_for_each_key_and_the_list_of_what_is_allowed() {
    let images = "  'r.example/prod/**': { signatures: { threshold: 2, from: [a, b], identity: repository } }\n  'registry.redhat.io/**': { mode: disabled }";
    let exported = export(&policy("", images), Target::OpenShift).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text(&exported, "boltseal-openshift.yaml")).unwrap();
    let kinds: Vec<_> = documents.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ClusterImagePolicy", "ClusterImagePolicy", "Image"]);
    let (first, second) = (&documents[0], &documents[1]);
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
    assert_ne!(first["spec"]["policy"]["rootOfTrust"], second["spec"]["policy"]["rootOfTrust"]);
    assert_eq!(first["spec"]["scopes"], serde_json::json!(["r.example/prod"]));
    assert_eq!(first["spec"]["policy"]["signedIdentity"]["matchPolicy"], "MatchRepository");
    let allowed = serde_json::json!(["r.example/prod", "registry.redhat.io"]);
    assert_eq!(documents[2]["spec"]["registrySources"]["allowedRegistries"], allowed);
}

// [V-230]
#[test]
fn what_openshift_would_let_pass_is_refused() {
    let signed = |scope: &str, rule: &str| policy("", &format!("  '{scope}': {{ signatures: {{ {rule} }} }}"));
    for (scope, rule, field) in [
        ("r.example/**", "from: [a, b], identity: repository", "signatures.from"),
        ("r.example/**", "threshold: 2, from: [a, b, c], identity: repository", "signatures.from"),
        ("r.example/**", "from: [a], identity: tag", "signatures.identity"),
        ("**", "from: [a], identity: repository", "images"),
        // Its own release images' place is let pass, whatever is asked there.
        ("quay.io/**", "from: [a], identity: repository", "images"),
        ("quay.io/openshift-release-dev/ocp-release/x/**", "from: [a], identity: repository", "images"),
    ] {
        let found = refused(&signed(scope, rule), Target::OpenShift);
        assert_eq!(found, [(Some(scope.to_owned()), field)], "{scope}: {rule}");
    }
    // An empty list of allowed registries allows all.
    assert_eq!(refused(&policy("", "  {}"), Target::OpenShift), [(None, "images")]);
}

/// What containers/image does with a policy.json, an image that is asked for, and the signatures that hold on it: by
/// containers-policy.json(5); tests/interop/enforcers.rs holds it against skopeo.
fn accepts(policy: &Value, asked: &str, signatures: &[(usize, String)]) -> bool {
    let (name, tag) = match asked.split_once('@') {
        Some((name, _)) => (name, None),
        None => asked.rsplit_once(':').map(|(name, tag)| (name, Some(tag))).unwrap(),
    };
    let scopes = &policy["transports"]["docker"];
    let mut places = vec![asked.to_owned()];
    let components: Vec<&str> = name.split('/').collect();
    places.extend((1..=components.len()).rev().map(|many| components[..many].join("/")));
    let mut host = components[0].split(':').next().unwrap();
    while let Some((_, domain)) = host.split_once('.') {
        places.push(format!("*.{domain}"));
        host = domain;
    }
    places.push(String::new());
    let requirements = places.iter().find_map(|place| scopes.get(place)).unwrap_or(&policy["default"]);
    requirements.as_array().unwrap().iter().all(|requirement| match requirement["type"].as_str().unwrap() {
        "insecureAcceptAnything" => true,
        "reject" => false,
        "sigstoreSigned" => {
            let keys: Vec<_> = match requirement["keyData"].as_str() {
                Some(one) => vec![one],
                None => requirement["keyDatas"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect(),
            };
            signatures.iter().any(|(key, signed)| {
                let (signed_name, signed_tag) = match signed.rsplit_once(':') {
                    Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
                    _ => (signed.as_str(), None),
                };
                let identity = match requirement["signedIdentity"]["type"].as_str().unwrap() {
                    "matchRepository" => signed_name == name,
                    "matchExact" => signed_name == name && tag.is_some() && signed_tag == tag,
                    other => panic!("{other}"),
                };
                identity && keys.contains(&DATA[*key].as_str())
            })
        }
        other => panic!("{other}"),
    })
}

/// What we say of the same image and the same signatures.
fn allows(policy: &Policy, asked: &str, signatures: &[(usize, String)]) -> bool {
    let digest = Digest::sha256(b"image");
    let reference: Reference = asked.parse().unwrap();
    let place = |at| Place { subject: digest, via: Via::SignatureTag, manifest: None, layer: at };
    let verified = signatures.iter().enumerate().map(|(at, (key, name))| {
        let references = SignedReference::parse(name).into_iter().collect();
        let claim = Claim::Signature { references, annotations: BTreeMap::new() };
        let signer = KEYS[*key].fingerprint();
        Verified::for_test(Identity::Key(signer), digest, claim, place(at))
    });
    let subject = Subject::new(reference, digest);
    let findings = Findings::for_test(subject, verified.collect(), Vec::new(), Vec::new());
    let decision = evaluate(policy, &findings, "2026-11-22T12:00:00Z".parse().unwrap()).decision;
    matches!(decision, Decision::Allow(_) | Decision::NotJudged)
}

/// Most of them can be said.
const SCOPES: [&str; 12] = [
    "r.example/**",
    "r.example:5000/**",
    "r.example/p/**",
    "r.example/p/q/**",
    "s.t.example/**",
    "docker.io/library/**",
    "docker.io/**",
    "**",
    "*.example/**",
    "*.example:*/**",
    "r.example/p",
    "r.example/p*/**",
];

const NAMES: [&str; 11] = [
    "r.example/p",
    "r.example/p/q",
    "r.example/p/q/z",
    "r.example/pq",
    "r.example:5000/p",
    "R.example/p",
    "s.t.example/p",
    "t.t.example:80/p",
    "docker.io/library/p",
    "docker.io/p/q",
    "localhost/p",
];

fn scopes() -> impl Strategy<Value = (&'static str, String)> {
    let from = sample::select(vec!["[a]", "[b]", "[a, b]", "[a, b, c]", "[ab, c]", "[ab, b]", "[a, b, c, d]"]);
    let identity = prop_oneof![8 => Just("repository"), 8 => Just("tag"), 1 => Just("any")];
    let signed = (from, 1..4_usize, identity).prop_map(|(from, threshold, identity)| {
        format!("{{ signatures: {{ threshold: {threshold}, from: {from}, identity: {identity} }} }}")
    });
    let rule = prop_oneof![16 => signed, 3 => Just("{ mode: disabled }".to_owned()), 1 => Just("{ mode: permissive, signatures: { from: [a], identity: tag } }".to_owned())];
    (sample::select(SCOPES.to_vec()), rule)
}

fn asked() -> impl Strategy<Value = String> {
    let digest = format!("@{}", Digest::sha256(b"image"));
    (sample::select(NAMES.to_vec()), sample::select(vec![":1".to_owned(), ":2".to_owned(), digest]))
        .prop_map(|(name, end)| format!("{name}{end}"))
}

fn signatures() -> impl Strategy<Value = Vec<(usize, String)>> {
    let name = (sample::select(NAMES.to_vec()), sample::select(vec!["", ":1", ":2"]))
        .prop_map(|(name, tag)| format!("{name}{tag}"));
    collection::vec((0..KEYS.len(), name), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    // [V-231]
    #[test]
    fn what_the_exported_policy_lets_pass_we_allow(
        scopes in collection::vec(scopes(), 1..4), asked in collection::vec((asked(), signatures()), 12)
    ) {
        let rules: BTreeMap<_, _> = scopes.into_iter().collect();
        let images: Vec<_> = rules.iter().map(|(scope, rule)| format!("  '{scope}': {rule}")).collect();
        let text = format!(
            "version: 1\nauthorities: {{ a: {{ key: '0' }}, b: {{ key: '1' }}, c: {{ key: '2' }}, d: {{ key: '3' }}, ab: {{ keys: ['0', '1'] }} }}\nimages:\n{}\n",
            images.join("\n")
        );
        // Thresholds that can't be reached, and scopes of which none is the more specific, are no policy.
        let Ok(policy) = Policy::parse(&text, &key) else { return Ok(()) };
        let Ok(exported) = export(&policy, Target::Containers) else { return Ok(()) };
        let said: Value = serde_json::from_slice(&exported.files.iter().find(|(name, _)| *name == "policy.json").unwrap().1).unwrap();
        for (asked, random) in asked {
            // Signatures for what is asked, too: random ones seldom meet.
            let name = asked.split('@').next().unwrap();
            let bare = if asked.contains('@') { name } else { name.rsplit_once(':').unwrap().0 };
            for own in [vec![], vec![(0, name)], vec![(0, bare), (1, name)], vec![(0, name), (1, name), (2, name)], vec![(3, bare)]] {
                let own = own.into_iter().map(|(key, name)| (key, name.to_owned()));
                let signatures: Vec<_> = own.chain(random.iter().cloned()).collect();
                let (theirs, ours) = (accepts(&said, &asked, &signatures), allows(&policy, &asked, &signatures));
                prop_assert!(!theirs || ours, "{asked}\n{signatures:?}\n{text}\n{said:#}");
                // And for hosts in their one spelling the reverse holds.
                if !asked.starts_with('R') && !signatures.iter().any(|(_, name)| name.starts_with('R')) {
                    prop_assert_eq!(theirs, ours, "{}\n{:?}\n{}\n{:#}", asked, signatures, text, said);
                }
            }
        }
    }
}
