use super::*;
use crate::{
    format::tuf::RoleName,
    oci::Reference,
    policy::{ByDigest, OnExpired, Tofu, schema},
};
use proptest::prelude::*;
use serde_json::Value;

const EXAMPLE: &str = include_str!("../../../testdata/policy/example.yaml");

fn key(path: &str) -> Result<PublicKey, String> {
    let pem = match path {
        "release.test.pub" => include_str!("../../../testdata/policy/release.test.pub"),
        "qa.test.pub" => include_str!("../../../testdata/policy/qa.test.pub"),
        "ci.test.pub" => include_str!("../../../testdata/policy/ci.test.pub"),
        "other.test.pub" => include_str!("../../../testdata/policy/other.test.pub"),
        _ => return Err("no such file".to_owned()),
    };
    PublicKey::from_pem(pem).map_err(|e| e.to_string())
}

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text, &key)
}

/// A policy with two authorities and this under `images:`.
fn images(yaml: &str) -> String {
    format!(
        "version: 1\nauthorities:\n  a: {{ key: qa.test.pub }}\n  b: {{ key: ci.test.pub }}\n  a2: {{ key: qa.test.pub }}\nimages:\n{yaml}"
    )
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

#[test]
fn the_example_is_a_policy() {
    let policy = parse(EXAMPLE).unwrap();
    assert_eq!(policy.anchors().keys.len(), 4);
    let explained = policy.explain(&reference("Registry.Example.com/prod/app:1.0"));
    assert_eq!(explained.repository, "registry.example.com/prod/app");
    let scope = explained.scope.unwrap();
    assert_eq!(scope.pattern.to_string(), "registry.example.com/prod/**");
    let asked: Vec<_> = scope.requirements.iter().map(|r| (r.asked.to_string(), r.threshold)).collect();
    let slsa = "attestation https://slsa.dev/provenance/v1".to_owned();
    let vuln = "attestation https://cosign.sigstore.dev/attestation/vuln/v1".to_owned();
    assert_eq!(asked, [("image signature".to_owned(), 2), (slsa, 1), (vuln, 1)]);
    let trust = scope.content_trust.as_ref().unwrap();
    let root = trust.root.as_ref().unwrap();
    assert_eq!((root.keys.len(), root.threshold, root.min_version), (2, 2, Some(3)));
    assert_eq!(trust.require_roles, ["targets/releases", "targets/qa"].map(RoleName::from));
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    assert_eq!((trust.min_signers, trust.travel), (2, Some(days(30))));
    assert_eq!(
        (trust.on_expired, trust.by_digest, trust.tofu),
        (OnExpired::MaxStale(days(7)), ByDigest::Deny, Tofu::Deny)
    );
    let mirrored = reference("mirror.example.com/prod/app:1.0").repository;
    let trust = policy.scope(&mirrored).unwrap().content_trust.clone().unwrap();
    assert_eq!(trust.signed_name(&mirrored).unwrap().to_string(), "registry.example.com/prod/app");
    assert_eq!(policy.locks().collect::<Vec<_>>(), ["boltseal.lock"]);
    assert_eq!(policy.explain(&reference("registry.example.com/dev/a")).mode, Mode::Permissive);
    assert_eq!(policy.explain(&reference("oci:out")).mode, Mode::Disabled);
    assert!(policy.explain(&reference("registry.example.com/other")).scope.is_none());
}

#[test]
fn a_policy_in_json_is_a_policy() {
    let json = r#"{"version": 1, "authorities": {"a": {"key": "qa.test.pub"}},
        "images": {"**": {"signatures": {"from": ["a"]}}}}"#;
    assert_eq!(parse(json).unwrap().scopes().len(), 1);
}

#[test]
fn an_inline_key_is_the_same_key_as_its_file() {
    let inline = EXAMPLE.replace(
        "{ key: qa.test.pub }",
        &format!(
            "\n    key: |\n{}",
            include_str!("../../../testdata/policy/qa.test.pub")
                .replace("-----BEGIN", "      -----BEGIN")
                .replace('\n', "\n      ")
        ),
    );
    let of = |policy: &Policy| policy.anchors().keys.iter().map(PublicKey::fingerprint).collect::<BTreeSet<_>>();
    assert_eq!(of(&parse(&inline).unwrap()), of(&parse(EXAMPLE).unwrap()));
}

#[test]
fn the_order_of_scopes_in_the_file_means_nothing() {
    let wide = "  'r.example/**': { signatures: { from: [a] } }\n";
    let narrow = "  'r.example/prod/*': { signatures: { from: [b] } }\n";
    for text in [[wide, narrow].concat(), [narrow, wide].concat()] {
        let policy = parse(&images(&text)).unwrap();
        let scope = policy.scope(&reference("r.example/prod/app").repository).unwrap();
        assert_eq!(scope.pattern.to_string(), "r.example/prod/*");
    }
}

// [V-28] [V-29]
#[test]
fn what_is_wrong_is_refused_with_its_place_and_what_would_be_right() {
    let asking = |yaml: &str| images(&format!("  a/b:\n    signatures: {yaml}"));
    let attested = |yaml: &str| images(&format!("  a/b:\n    attestations: [{yaml}]"));
    for (text, place, message) in [
        (String::new(), "line 1, column 1", "expected `version: 1`"),
        ("version: 2\nnew: thing".to_owned(), "line 1, column 10", "version 2; expected `version: 1`"),
        ("version: one".to_owned(), "line 1, column 10", "a whole number"),
        ("version: 1".to_owned(), "line 1, column 1", "missing field `images`"),
        ("[]".to_owned(), "line 1, column 1", "expected a mapping"),
        ("version: 1\nmode: off\nimages: {}".to_owned(), "line 2, column 7", "expected one of enforced"),
        ("version: 1\ndefault: allow\nimages: {}".to_owned(), "line 2, column 10", "expected one of deny"),
        ("version: 1\nimages: {}\n---\nversion: 1".to_owned(), "line 3, column 1", "a second document"),
        ("version: 1\nauthorities: &x {}\nimages: *x".to_owned(), "line 2, column 17", "anchors and aliases"),
        ("version: 1\nimages:\n  <<: {}".to_owned(), "line 3, column 3", "merge key"),
        ("version: 1\nimages: !x {}".to_owned(), "line 2", "unsupported tag"),
        ("version: 1\nimages: {}\nimages: {}".to_owned(), "line 3, column 1", "duplicate mapping key"),
        (images("  a/b: { mode: disabled }\n  a/b: { mode: disabled }"), "line 8, column 3", "duplicate mapping key"),
        (images("  1: { mode: disabled }\n  '1': { mode: disabled }"), "line 7", "appears twice"),
        (
            images("  nginx: { mode: disabled }\n  docker.io/nginx: { mode: disabled }"),
            "line 8, column 3",
            "none is the more specific",
        ),
        (
            images("  a.io/*b*: { mode: disabled }\n  a.io/*c*: { mode: disabled }"),
            "line 8",
            "none is the more specific",
        ),
        (
            images(
                "  r.io/*b: { mode: disabled }\n  r.io/c*: { mode: disabled }\n  r.io/*c: { mode: disabled }\n  x*.io/y: { mode: disabled }\n  '*x.io/y': { mode: disabled }",
            ),
            "",
            "",
        ),
        (images("  a/b: {}"), "line 7, column 3", "asks for nothing that somebody signed; expected `content-trust`"),
        (images("  a/b: { mode: permissive }"), "line 7, column 3", "asks for nothing"),
        (images("  a/b:1.0: { mode: disabled }"), "line 7", "neither tag nor digest"),
        (images("  a/b: { signatures: }"), "line 7", "expected a mapping"),
        (asking("{ from: [a], threshold: }"), "line 8", "a whole number"),
        (images("  a/b:\n    mode:\n    signatures: { from: [a] }"), "line 8", ""),
        (asking("{ from: [a], annotations: }"), "line 8", "expected a mapping"),
        (asking("{ from: [a], annotations: { k: } }"), "line 8", "expected a text"),
        (attested("{ type: vuln, from: [a], max-age: }"), "line 8", "expected a text"),
        (asking("{ from: [] }"), "line 7", "`from` is empty"),
        (asking("{ from: a }"), "line 8", "expected a list"),
        (asking("{ from: [c] }"), "line 8, column 26", "no authority `c`; defined are: a, a2, b"),
        (asking("{ from: [a, b, a] }"), "line 8, column 32", "named twice"),
        (asking("{ from: [a, b], threshold: 0 }"), "line 8, column 44", "expected 1 to 2"),
        (asking("{ from: [a, b], threshold: 3 }"), "line 8, column 44", "expected 1 to 2"),
        (asking("{ from: [a, b], threshold: -1 }"), "line 8, column 44", "a whole number"),
        (asking("{ from: [a, a2], threshold: 2 }"), "line 8, column 45", "are 1 different signers"),
        (
            asking("{ from: [a], thresold: 1 }"),
            "line 8, column 30",
            "unknown field `thresold`; expected threshold, from",
        ),
        (asking("{ from: [a], identity: some }"), "line 8", "expected one of any, repository, tag, map"),
        (asking("{ from: [a], identity: { map: {} } }"), "line 7", "without a prefix"),
        (asking("{ from: [a], identity: { map: { r.io/x/: r.io/y } } }"), "line 8", "no prefix of a repository"),
        (asking("{ from: [a], identity: { map: { r.io/x: y } } }"), "line 8", "no prefix of a repository"),
        (attested("{ type: sbom, from: [a] }"), "line 8, column 28", "one of slsaprovenance"),
        (attested("{ type: link, from: [a], max-age: 1d }"), "line 8", "no time is known"),
        (attested("{ type: vuln, from: [a], max-age: 7 }"), "line 8", "`36h` or `7d`"),
        (attested("{ type: vuln, from: [a], max-age: 0d }"), "line 8", "`36h` or `7d`"),
        (attested("{ type: vuln, from: [a], max-age: +7d }"), "line 8", "`36h` or `7d`"),
        (attested("{ type: vuln, from: [a], max-age: 9999999d }"), "line 8", "`36h` or `7d`"),
        (attested("{ type: vuln, from: [a], max-severity: high }"), "line 8", "unknown field `max-severity`"),
        (EXAMPLE.replace("key: release.test.pub", "base: x"), "line 6, column 14", "unknown field `base`"),
        (EXAMPLE.replace("{ key: release.test.pub }", "{}"), "line 6, column 3", "`key` with one public key"),
        (EXAMPLE.replace("{ key: release.test.pub }", "{ key: x, keys: [y] }"), "line 6", "`key` with one public key"),
        (EXAMPLE.replace("{ key: release.test.pub }", "{ keys: [] }"), "line 6", "`key` with one public key"),
        (EXAMPLE.replace("release.test.pub", "gone.pub"), "line 6, column 19", "key gone.pub: no such file"),
        (EXAMPLE.replace("release.test.pub", "'-----BEGIN X'"), "line 6, column 19", "key (inline)"),
    ] {
        match parse(&text) {
            Ok(_) => assert!(message.is_empty(), "taken:\n{text}"),
            Err(error) => {
                let told = error.to_string();
                assert!(told.starts_with(place) && told.contains(message), "{text}\n=> {told}");
                assert!(!place.is_empty(), "{text}\n=> {told}");
            }
        }
    }
}

/// A scope with this content trust alone.
fn sealed(yaml: &str) -> String {
    images(&format!("  a/b:\n    content-trust: {{ {} }}", yaml.replace("KEY", &"1a".repeat(32))))
}

#[test]
fn content_trust_alone_asks_for_something_and_has_defaults() {
    let policy = parse(&sealed("lock: a.lock")).unwrap();
    let asked = reference("a/b").repository;
    let trust = policy.scope(&asked).unwrap().content_trust.clone().unwrap();
    assert_eq!(trust.require_roles, [RoleName::from(RoleName::RELEASES)]);
    assert_eq!((trust.min_signers, trust.root.as_ref(), trust.travel), (1, None, None));
    assert_eq!((trust.on_expired, trust.by_digest, trust.tofu), (OnExpired::Fail, ByDigest::Listed, Tofu::Deny));
    assert_eq!(trust.signed_name(&asked).unwrap().to_string(), "docker.io/a/b");
    assert!(!policy.asks_for_evidence(&asked));
    assert_eq!(
        parse(&sealed("tofu: once")).unwrap().scope(&asked).unwrap().content_trust.clone().unwrap().tofu,
        Tofu::Once
    );
    let root = parse(&sealed("root: { keys: [KEY] }"))
        .unwrap()
        .scope(&asked)
        .unwrap()
        .content_trust
        .clone()
        .unwrap()
        .root
        .unwrap();
    assert_eq!((root.threshold, root.min_version), (1, None));
    let both = parse(&images("  a/b: { content-trust: { lock: l }, signatures: { from: [a] } }")).unwrap();
    assert!(both.asks_for_evidence(&asked));
    assert!(both.scope(&reference("c/d").repository).is_none());
    assert!(!both.asks_for_evidence(&reference("c/d").repository));
}

/// A `^` marks the place that the message names.
// [V-28] [V-43]
#[test]
fn content_trust_that_cannot_be_kept_is_refused() {
    for (yaml, message) in [
        ("", "starts from nothing; expected `root`, `lock` or `tofu: once`"),
        ("tofu: deny", "starts from nothing"),
        ("lock: l, tofu: once", "never used"),
        ("root: { keys: [KEY] }, tofu: once", "never used"),
        ("tofu: once, travel: { max-age: 7d }", "would trust any copy"),
        ("lock: l, by-digest: signatures", "`by-digest: signatures` asks for nothing here"),
        ("lock: ^''", "`lock` is empty"),
        ("lock:", "expected a text"),
        ("root: {}", "missing field `keys`"),
        ("root: { keys: [] }", "`keys` is empty"),
        ("root: { keys: [KEY, ^KEY] }", "is named twice"),
        ("root: { keys: [^abc] }", "64 lower-case hex"),
        ("root: { keys: [KEY], threshold: ^0 }", "expected 1 to 1"),
        ("root: { keys: [KEY], threshold: ^2 }", "expected 1 to 1"),
        ("root: { keys: [KEY], min-version: ^0 }", "`min-version` is 0; expected at least 1"),
        ("root: { keys: [KEY], ^pin: 1 }", "unknown field `pin`; expected keys, threshold, min-version"),
        ("lock: l, require-roles: []", "`require-roles` is empty"),
        ("lock: l, require-roles: [^'']", "lists no tags"),
        ("lock: l, require-roles: [^snapshot]", "\"snapshot\" lists no tags"),
        ("lock: l, require-roles: [^targets/revoked]", "\"targets/revoked\" lists no tags"),
        ("lock: l, require-roles: [targets/a, ^targets/a]", "role `targets/a` is named twice"),
        ("lock: l, min-signers: ^0", "`min-signers` is 0; expected at least 1"),
        ("lock: l, on-expired: ^pass", "expected one of fail, max-stale"),
        ("lock: l, on-expired: { max-stale: ^7 }", "`36h` or `7d`"),
        ("lock: l, by-digest: ^any", "expected one of listed, signatures, deny"),
        ("lock: l, identity: { map: {} }", "without a prefix"),
        ("lock: l, identity: { map: { ^r.io/x/: r.io/y } }", "no prefix of a repository"),
        ("lock: l, travel: {}", "missing field `max-age`"),
        ("lock: l, travel: { max-age: ^0d }", "`36h` or `7d`"),
        ("lock: l, tofu: ^twice", "expected one of deny, once"),
        ("lock: l, ^keys: 1", "unknown field `keys`; expected root, lock"),
    ] {
        let marked = sealed(yaml);
        let column = marked.lines().last().and_then(|line| line.find('^')).map(|at| format!("{}: ", at + 1));
        let told = parse(&marked.replace('^', "")).expect_err(yaml).to_string();
        let place = format!("line 8, column {}", column.unwrap_or_default());
        assert!(told.starts_with(&place) && told.contains(message), "{yaml}\n=> {told}");
    }
    let asked =
        "  a/b: { content-trust: { lock: l, by-digest: signatures }, attestations: [{ type: vuln, from: [a] }] }";
    assert!(parse(&images(asked)).is_ok());
    assert!(parse(&sealed("lock: l, require-roles: [targets, releases]")).is_ok());
    let empty = parse(&images("  a/b: { content-trust: }")).unwrap_err().to_string();
    assert!(empty.contains("expected a mapping"), "{empty}");
}

#[test]
fn sizes_are_bounded() {
    let long = format!("version: 1\nimages: {{}}\n#{}", "x".repeat(1 << 20));
    assert!(matches!(parse(&long), Err(PolicyError::TooLarge { .. })));
    let many: String = (0..=POLICY_SCOPES).map(|n| format!("  r.io/a{n}: {{ mode: disabled }}\n")).collect();
    assert!(matches!(parse(&images(&many)), Err(PolicyError::TooManyScopes(_))));
    let deep = format!("version: 1\nimages: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(parse(&deep).is_err());
}

#[test]
fn flags_are_a_policy_for_everything() {
    let flags = |threshold, signatures, types: &[&str]| Flags {
        keys: ["qa.test.pub", "ci.test.pub"].map(|path| (path.to_owned(), key(path).unwrap())).to_vec(),
        threshold,
        signatures,
        types: types.iter().map(|t| (*t).to_owned()).collect(),
        ..Flags::default()
    };
    let policy = Policy::from_flags(flags(Some(2), true, &["vuln"])).unwrap();
    for text in ["nginx", "r.example/a/b:1.0", "oci:../out", "oci:/x"] {
        let scope = policy.scope(&reference(text).repository).unwrap();
        assert_eq!(scope.requirements.len(), 2, "{text}");
        assert!(scope.requirements.iter().all(|r| r.threshold == 2 && r.from.len() == 2));
    }
    assert!(matches!(Policy::from_flags(flags(Some(3), true, &[])), Err(PolicyError::Threshold { reachable: 2, .. })));
    assert!(matches!(Policy::from_flags(flags(None, false, &[])), Err(PolicyError::AsksNothing { .. })));
    assert!(matches!(Policy::from_flags(flags(None, false, &["sbom"])), Err(PolicyError::PredicateType { .. })));
    let nobody = Flags { keys: Vec::new(), ..flags(None, true, &[]) };
    assert!(matches!(Policy::from_flags(nobody), Err(PolicyError::FromNobody { place: Position::Flags })));
    let twice = Flags { keys: vec![("x".to_owned(), key("qa.test.pub").unwrap()); 2], ..flags(Some(2), true, &[]) };
    assert!(matches!(Policy::from_flags(twice), Err(PolicyError::Threshold { reachable: 1, .. })));
}

/// Every schema object below a value, with the path that leads to it.
fn objects<'v>(value: &'v Value, path: &str, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(members) => {
            if members.get("type") == Some(&Value::from("object")) && members.contains_key("properties") {
                found.push((path.to_owned(), value));
            }
            members.iter().for_each(|(name, value)| objects(value, &format!("{path}/{name}"), found));
        }
        Value::Array(items) => items.iter().for_each(|value| objects(value, path, found)),
        _ => {}
    }
}

#[test]
fn the_schema_is_closed_and_explains_every_field() {
    let schema = schema();
    let mut found = Vec::new();
    objects(&schema, "", &mut found);
    assert!(found.len() >= 11);
    for (path, object) in found {
        assert_eq!(object["additionalProperties"], Value::Bool(false), "{path}");
        for (name, field) in object["properties"].as_object().unwrap() {
            assert!(
                field.get("description").is_some() || ["map", "max-stale"].contains(&name.as_str()),
                "{path}/{name}"
            );
            assert!(!field.to_string().contains("null"), "{path}/{name}: {field}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_edit_of_a_policy_panics(at in 0..EXAMPLE.len(), cut in 0_usize..40, new in "[ \\n:{}\\[\\],&*!|>'\"a-d0-9-]{0,6}") {
        let (head, rest) = EXAMPLE.split_at(at);
        let _ = parse(&format!("{head}{new}{}", rest.get(cut..).unwrap_or_default()));
    }
}

// A root for Sigstore's certificates would let any of its holders pass, by a name alone and without a log.
#[test]
fn the_roots_of_a_private_authority_are_certificates_and_not_a_named_root() {
    for name in ["public-good", "github"] {
        let text = format!(
            "version: 1\nauthorities:\n  corp: {{ x509: {{ roots: {name}, subject: \"CN=release\" }} }}\n\
             images:\n  \"r.example/**\": {{ signatures: {{ from: [corp] }} }}\n"
        );
        let refused = Policy::parse_with(&text, &key, &|_| Ok(None)).unwrap_err();
        assert!(matches!(&refused, PolicyError::TrustedRoot { name: named, .. } if named == name), "{refused}");
    }
}
