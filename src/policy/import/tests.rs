use super::*;
use crate::{
    crypto::PublicKey,
    policy::{Policy, Target, export},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

const PEM: [&str; 3] = [
    include_str!("../../../testdata/policy/release.test.pub"),
    include_str!("../../../testdata/policy/qa.test.pub"),
    include_str!("../../../testdata/policy/ci.test.pub"),
];

fn load(path: &str) -> Result<PublicKey, String> {
    let number = path.bytes().filter(u8::is_ascii_digit).map(usize::from).sum::<usize>() % PEM.len();
    PublicKey::from_pem(PEM[number]).map_err(|error| error.to_string())
}

/// What was read, which has to be a policy, and the places of what was lost.
fn read(source: Source, text: &str) -> (Value, Vec<String>) {
    let imported = import(source, text).unwrap();
    if let Err(error) = Policy::parse(&imported.text, &load) {
        panic!("{error}\n{}", imported.text);
    }
    assert!(imported.lost.iter().all(|lost| !lost.why.is_empty()));
    let images: Value = serde_saphyr::from_str(&imported.text).unwrap();
    assert_eq!(images["images"].as_object().unwrap().len(), imported.scopes);
    (images, imported.lost.into_iter().map(|lost| lost.place).collect())
}

fn scopes(policy: &Value) -> Vec<&str> {
    policy["images"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn signed(key: &str) -> Value {
    json!({ "type": "sigstoreSigned", "keyPath": key, "signedIdentity": { "type": "matchRepository" } })
}

fn containers(default: &str, docker: &Value) -> String {
    json!({ "default": [{ "type": default }], "transports": { "docker": docker } }).to_string()
}

#[test]
fn containers_scopes_take_what_lies_below_and_keys_are_named_by_their_files() {
    let text = containers(
        "reject",
        &json!({ "r.example/prod": [signed("/etc/pki/release-1.pub")], "r.example": [{ "type": "insecureAcceptAnything" }] }),
    );
    let (policy, lost) = read(Source::Containers, &text);
    assert_eq!(lost, Vec::<String>::new());
    assert_eq!(policy["authorities"], json!({ "release-1": { "key": "/etc/pki/release-1.pub" } }));
    assert_eq!(
        policy["images"],
        json!({
            "r.example/**": { "mode": "disabled" },
            "r.example/prod/**": { "signatures": { "threshold": 1, "from": ["release-1"], "identity": "repository" } },
        })
    );
}

// [V-234]
#[test]
fn what_was_exported_is_read_back() {
    let load = |path: &str| PublicKey::from_pem(PEM[path.parse::<usize>().unwrap()]).map_err(|error| error.to_string());
    let text = "version: 1\nauthorities: { a: { key: '0' }, b: { key: '1' }, c: { key: '2' }, ab: { keys: ['0', '1'] } }\nimages:\n";
    for rule in [
        "threshold: 1, from: [a]",
        "threshold: 1, from: [ab]",
        "threshold: 2, from: [a, b, c]",
        "threshold: 3, from: [a, b, c]",
        "threshold: 2, from: [ab, c]",
    ] {
        let images = format!("  '*.r.example/**': &r {{ signatures: {{ {rule}, identity: tag }} }}\n");
        let both = images.replace("&r ", "") + &images.replace("&r ", "").replace("example/", "example:*/");
        let policy = Policy::parse(&format!("{text}{both}  's.example/x/**': {{ mode: disabled }}\n"), &load).unwrap();
        let exported = export(&policy, Target::Containers).unwrap();
        let (_, said) = exported.files.iter().find(|(name, _)| *name == "policy.json").unwrap();
        let imported = import(Source::Containers, std::str::from_utf8(said).unwrap()).unwrap();
        assert_eq!(imported.lost, [], "{rule}");
        let again = export(&Policy::parse(&imported.text, &load).unwrap(), Target::Containers).unwrap();
        assert!(again == exported, "{rule}\n{}", imported.text);
    }
}

// [V-233]
#[test]
fn what_has_no_equal_takes_wider_scopes_along_and_leaves_narrower_ones() {
    let gpg = json!([{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k" }]);
    let docker = json!({ "r.example": [signed("/k1")], "r.example/prod": gpg, "r.example/prod/app": [signed("/k2")], "s.example": [signed("/k1")] });
    let (policy, lost) = read(Source::Containers, &containers("insecureAcceptAnything", &docker));
    assert_eq!(scopes(&policy), ["r.example/prod/app/**", "s.example/**"]);
    assert_eq!(lost, ["default", "transports.docker[\"r.example\"]", "transports.docker[\"r.example/prod\"][0]"]);
    // A reject, likewise: it needs no words unless a wider scope would let its images pass.
    let docker = json!({ "r.example/prod": [{ "type": "reject" }] });
    assert_eq!(read(Source::Containers, &containers("reject", &docker)).1, Vec::<String>::new());
    let (policy, lost) = read(Source::Containers, &containers("insecureAcceptAnything", &docker));
    assert_eq!((scopes(&policy), lost), (vec![], vec!["default".to_owned()]));
}

// [V-233]
#[test]
fn each_thing_that_containers_know_and_we_do_not_is_named_with_its_place() {
    let here = "transports.docker[\"r.example/app\"]";
    let field = |name: &str, value: Value| {
        let mut one = signed("/k1");
        one[name] = value;
        json!([one])
    };
    for (requirements, place) in [
        (field("rekorPublicKeyData", json!("x")), "[0].rekorPublicKeyData"),
        (field("fulcio", json!({})), "[0].fulcio"),
        (field("pki", json!({})), "[0].pki"),
        (field("novel", json!(1)), "[0].novel"),
        (field("keyData", json!("%")), "[0].keyData"),
        (
            field("signedIdentity", json!({ "type": "remapIdentity", "prefix": "a", "signedPrefix": "b" })),
            "[0].signedIdentity",
        ),
        (
            field("signedIdentity", json!({ "type": "exactRepository", "dockerRepository": "x.example/y" })),
            "[0].signedIdentity",
        ),
        (json!([signed("/k1"), field("signedIdentity", json!({ "type": "matchExact" }))[0]]), ""),
        (
            json!([{ "type": "sigstoreSigned", "keyPaths": ["/k1", "/k2"], "signedIdentity": { "type": "matchExact" } }, signed("/k1")]),
            "",
        ),
        (json!([{ "type": "novel" }]), "[0]"),
    ] {
        let (policy, lost) = read(Source::Containers, &containers("reject", &json!({ "r.example/app": requirements })));
        assert_eq!((scopes(&policy), lost), (vec![], vec![format!("{here}{place}")]), "{requirements}");
    }
    // Tags and digests as scopes, other transports, short names.
    let text = json!({
        "default": [{ "type": "reject" }],
        "transports": {
            "docker-daemon": { "": [{ "type": "insecureAcceptAnything" }] },
            "docker": { "r.example:5000/app:1": [signed("/k1")], "r.example:5000": [signed("/k1")], "busybox": [signed("/k1")] },
        },
        "novel": 1,
    });
    let (policy, lost) = read(Source::Containers, &text.to_string());
    assert_eq!(scopes(&policy), Vec::<&str>::new());
    let docker = |scope: &str| format!("transports.docker{scope}");
    let expected = [
        "novel".to_owned(),
        "transports.docker-daemon".to_owned(),
        docker(".busybox"),
        docker("[\"r.example:5000\"]"),
        docker("[\"r.example:5000/app:1\"]"),
    ];
    assert_eq!(lost, expected);
}

#[test]
fn the_default_identity_is_narrowed_and_that_is_said() {
    let pem = STANDARD.encode(PEM[0]);
    for identity in [None, Some("matchRepoDigestOrExact")] {
        let mut one = json!({ "type": "sigstoreSigned", "keyData": pem });
        if let Some(identity) = identity {
            one["signedIdentity"] = json!({ "type": identity });
        }
        let (policy, lost) = read(Source::Containers, &containers("reject", &json!({ "r.example/app": [one] })));
        assert_eq!(policy["images"]["r.example/app/**"]["signatures"]["identity"], "tag");
        assert_eq!(lost.len(), 1);
    }
}

#[test]
fn notation_keeps_what_it_does_not_verify() {
    let text = json!({ "version": "1.0", "trustPolicies": [
        { "name": "a", "registryScopes": ["r.example/dev"], "signatureVerification": { "level": "skip" } },
        { "name": "b", "registryScopes": ["r.example/app"], "signatureVerification": { "level": "strict", "override": { "expiry": "log" } },
          "trustStores": ["ca:acme"], "trustedIdentities": ["x509.subject: CN=x"] },
        { "name": "c", "registryScopes": ["*"], "signatureVerification": { "level": "skip" } },
    ] });
    let (policy, lost) = read(Source::Notation, &text.to_string());
    assert_eq!(policy["images"], json!({ "r.example/dev": { "mode": "disabled" } }));
    let b = |rest: &str| format!("trustPolicies[1].{rest}");
    let verification = |rest: &str| b(&format!("signatureVerification.{rest}"));
    let expected = [
        verification("level"),
        verification("override"),
        b("trustStores"),
        b("trustedIdentities"),
        "trustPolicies[2].registryScopes[0]".to_owned(),
    ];
    assert_eq!(lost, expected);
}

fn cluster(spec: &str) -> String {
    let key = PEM[0].replace('\n', "\n          ");
    let head = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: { name: x }\nspec:\n";
    format!("{head}{}", spec.replace("KEY", &format!("data: |\n          {key}")))
}

const RELEASE: &str = "  authorities:\n    - name: release\n      key:\n        KEY\n";

#[test]
fn cluster_image_policies_keep_their_globs() {
    for (glob, scope) in [
        ("index.docker.io/acme/*", "docker.io/acme/*"),
        ("r.example/**", "r.example/**"),
        ("r.example/prod/**", "r.example/prod/*/**"),
        ("r.example:5000/prod/app*", "r.example:5000/prod/app*"),
        ("*.r.example/x/*", "*.r.example/x/*"),
        ("**", "**"),
        ("*", "docker.io/library/*"),
    ] {
        let (policy, lost) =
            read(Source::ClusterImagePolicy, &cluster(&format!("  images:\n    - glob: '{glob}'\n{RELEASE}")));
        assert_eq!((scopes(&policy), lost), (vec![scope], vec![]), "{glob}");
        assert_eq!(policy["images"][scope], json!({ "signatures": { "from": ["release"] } }));
    }
    for glob in ["r.example/app", "r.example/app:**", "r.example/**/app*", "r.example/app**", "docker.io/acme/*"] {
        let (policy, lost) =
            read(Source::ClusterImagePolicy, &cluster(&format!("  images:\n    - glob: '{glob}'\n{RELEASE}")));
        assert_eq!((scopes(&policy), lost), (vec![], vec!["spec.images[0].glob".to_owned()]), "{glob}");
    }
}

// [V-233]
#[test]
fn cluster_image_policies_that_both_count_are_left_out_both() {
    let one = |glob: &str, more: &str| cluster(&format!("  images:\n    - glob: '{glob}'\n{more}"));
    let attested = RELEASE.to_owned()
        + "      attestations:\n        - name: s\n          predicateType: https://slsa.dev/provenance/v1\n";
    let text = [one("r.example/**", RELEASE), one("r.example/prod/*", &attested), one("s.example/**", &attested)]
        .join("---\n");
    let (policy, lost) = read(Source::ClusterImagePolicy, &text);
    assert_eq!(
        policy["images"],
        json!({ "s.example/**": { "attestations": [{ "type": "https://slsa.dev/provenance/v1", "from": ["release"] }] } })
    );
    assert_eq!(lost, ["document 2.spec.images[0].glob", "spec.images[0].glob"]);
    // Nothing is asked by one: the narrower one counts, as it does there.
    let pass = "  authorities:\n    - static: { action: pass }\n";
    let (policy, lost) =
        read(Source::ClusterImagePolicy, &[one("**", pass), one("r.example/prod/*", RELEASE)].join("---\n"));
    assert_eq!((scopes(&policy), lost), (vec!["**", "r.example/prod/*"], vec![]));
    let (policy, lost) =
        read(Source::ClusterImagePolicy, &[one("**", RELEASE), one("r.example/dev/*", pass)].join("---\n"));
    assert_eq!((scopes(&policy), lost.len()), (vec![], 2));
}

// [V-233]
#[test]
fn what_a_cluster_image_policy_asks_beside_keys_has_no_equal() {
    let images = "  images:\n    - glob: 'r.example/**'\n";
    let authority = |more: &str| format!("{images}{RELEASE}{more}");
    for (spec, place) in [
        (authority("      ctlog: { url: 'https://rekor.example' }\n"), "spec.authorities[0].ctlog"),
        (authority("      rfc3161timestamp: { trustRootRef: x }\n"), "spec.authorities[0].rfc3161timestamp"),
        (
            authority("      attestations:\n        - predicateType: custom\n          policy: { type: cue }\n"),
            "spec.authorities[0].attestations[0].policy",
        ),
        (authority("  match:\n    - resource: pods\n"), "spec.match"),
        (authority("  policy: { type: rego }\n"), "spec.policy"),
        (format!("{images}  authorities:\n    - keyless: {{ identities: [] }}\n"), "spec.authorities[0].keyless"),
        (
            format!("{images}  authorities:\n    - keyless: {{ url: 'https://f.example', {GITHUB} }}\n"),
            "spec.authorities[0].keyless.url",
        ),
        (
            format!("{images}  authorities:\n    - keyless: {{ ca-cert: x, {GITHUB} }}\n"),
            "spec.authorities[0].keyless.ca-cert",
        ),
        (
            format!(
                "{images}  authorities:\n    - keyless: {{ {GITHUB} }}\n      ctlog: {{ url: 'https://r.example' }}\n"
            ),
            "spec.authorities[0].ctlog.url",
        ),
        (
            format!("{images}  authorities:\n    - keyless: {{ identities: [{{ issuerRegExp: x, subject: y }}] }}\n"),
            "spec.authorities[0].keyless.identities[0].issuerRegExp",
        ),
        (
            format!("{images}  authorities:\n    - keyless: {{ identities: [{{ issuer: x, subject: 'y*' }}] }}\n"),
            "spec.authorities[0].keyless.identities[0]",
        ),
        (format!("{images}  authorities:\n    - key: {{ kms: 'awskms://x' }}\n"), "spec.authorities[0].key.kms"),
        (images.to_owned(), "spec"),
    ] {
        let (policy, lost) = read(Source::ClusterImagePolicy, &cluster(&spec));
        assert!(scopes(&policy).is_empty() && lost.iter().any(|lost| lost == place), "{spec}: {lost:?}");
    }
    let (policy, _) = read(Source::ClusterImagePolicy, &cluster(&authority("    - keyless: {}\n  mode: warn\n")));
    assert_eq!(
        policy["images"]["r.example/**"],
        json!({ "mode": "permissive", "signatures": { "from": ["release"] } })
    );
}

#[test]
fn a_daemon_s_pins_are_named_and_denied() {
    let text = json!({ "log-level": "info", "content-trust": { "mode": "enforced", "allow-expired-cached-trust-data": true,
        "trust-pinning": { "library-images": true, "root-keys": { "r.example/acme/*": ["ab"] } } } });
    let (policy, lost) = read(Source::Daemon, &text.to_string());
    assert_eq!(scopes(&policy), Vec::<&str>::new());
    let pins = |rest: &str| format!("content-trust.trust-pinning.{rest}");
    let expected = [
        "content-trust.allow-expired-cached-trust-data".to_owned(),
        "content-trust.mode".to_owned(),
        pins("library-images"),
        pins("root-keys[\"r.example/acme/*\"]"),
    ];
    assert_eq!(lost, expected);
    let (policy, lost) = read(Source::Daemon, r#"{"content-trust": {"mode": "ignored"}}"#);
    assert_eq!((policy["images"].clone(), lost), (json!({ "**": { "mode": "disabled" } }), vec![]));
    assert!(import(Source::Daemon, "{}").is_err());
}

#[test]
fn connaisseur_s_patterns_and_validators() {
    let root = |name: &str, key: usize| json!({ "name": name, "key": PEM[key] });
    let validators = json!([
        { "name": "default", "type": "notaryv1", "host": "notary.docker.io", "trustRoots": [root("default", 0)] },
        { "name": "allow", "type": "static", "approve": true }, { "name": "deny", "type": "static", "approve": false },
        { "name": "keys", "type": "cosign", "trustRoots": [root("a", 0), root("b", 1), root("c", 2)], "auth": { "secretName": "x" } },
    ]);
    let without_log = |more: Value| {
        let mut with = json!({ "verifyInTransparencyLog": false });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with
    };
    let policy = json!([
        { "pattern": "*:*" },
        { "pattern": "r.example/*:*", "validator": "keys", "with": without_log(json!({ "trustRoot": "*", "threshold": 2 })) },
        { "pattern": "r.example/x/app", "validator": "keys", "with": without_log(json!({ "trustRoot": "b", "mode": "mutate" })) },
        { "pattern": "s.example/y/*:*", "validator": "allow" }, { "pattern": "t.example/y/*", "validator": "default", "with": { "delegations": ["ci"] } },
    ]);
    let text = json!({ "application": { "validators": validators, "policy": policy } }).to_string();
    let (read_policy, lost) = read(Source::Connaisseur, &text);
    assert_eq!(lost, Vec::<String>::new());
    let root = PublicKey::from_pem(PEM[0]).unwrap().fingerprint().to_string();
    let images = json!({
        "**": { "content-trust": { "root": { "keys": [root] } } },
        "r.example/**": { "signatures": { "threshold": 2, "from": ["a", "b", "c"] } },
        "r.example/x/app": { "signatures": { "threshold": 1, "from": ["b"] } },
        "s.example/y/*/**": { "mode": "disabled" },
        "t.example/y/*/**": { "content-trust": { "root": { "keys": [root] }, "require-roles": ["targets/ci"] } },
    });
    assert_eq!(read_policy["images"], images);
}

// [V-233]
#[test]
fn what_connaisseur_asks_beside_keys_has_no_equal() {
    let key = json!([{ "name": "default", "key": PEM[0] }]);
    for (validator, rule, place) in [
        (json!({ "type": "cosign", "trust_roots": key }), json!({}), "validators[0]"),
        (
            json!({ "type": "cosign", "trust_roots": key }),
            json!({ "with": { "verifyInTransparencyLog": true } }),
            "policy[0].with.verifyInTransparencyLog",
        ),
        (json!({ "type": "notation", "trust_roots": [] }), json!({}), "validators[0]"),
        (
            json!({ "type": "cosign", "trust_roots": [{ "name": "default", "keyless": {} }] }),
            json!({}),
            "validators[0].trust_roots[0].keyless",
        ),
        (
            json!({ "type": "cosign", "trust_roots": key }),
            json!({ "with": { "verifyInTransparencyLog": false, "novel": 1 } }),
            "policy[0].with.novel",
        ),
        (json!({ "type": "static", "approve": true }), json!({ "pattern": "r.example/app:v*" }), "policy[0].pattern"),
        (json!({ "type": "static", "approve": true }), json!({ "pattern": "r.example/app*" }), "policy[0].pattern"),
    ] {
        let (mut validator, mut rule) = (validator, rule);
        validator["name"] = json!("default");
        if rule.get("pattern").is_none() {
            rule["pattern"] = json!("r.example/app");
        }
        let text = json!({ "validators": [validator], "policy": [rule] }).to_string();
        let (policy, lost) = read(Source::Connaisseur, &text);
        assert!(scopes(&policy).is_empty() && lost.iter().any(|lost| lost == place), "{text}: {lost:?}");
    }
}

#[test]
fn what_is_no_policy_of_that_tool_is_refused() {
    for source in
        [Source::Containers, Source::Notation, Source::ClusterImagePolicy, Source::Daemon, Source::Connaisseur]
    {
        for bad in [
            "",
            "[]",
            "1",
            "{}",
            "a: 1\na: 2",
            "- x: [",
            "{} \n---\n{}",
            "{\"default\": 1, \"policy\": 1, \"trustPolicies\": {}}",
        ] {
            let error = import(source, bad).expect_err(bad);
            assert!(!error.to_string().is_empty());
        }
    }
}

/// An identity of the public good instance.
const GITHUB: &str = "identities: [{ issuer: 'https://token.example', subjectRegExp: '^https://github.com/acme/.*$' }]";

#[test]
fn identities_of_the_public_good_instance_have_an_equal() {
    let spec = |more: &str| {
        cluster(&format!(
            "  images:\n    - glob: 'r.example/**'\n  authorities:\n    - name: ci\n      keyless: {{ {GITHUB}{more} }}\n      ctlog: {{ url: 'https://rekor.sigstore.dev' }}\n"
        ))
    };
    let (policy, lost) = read(Source::ClusterImagePolicy, &spec(", url: 'https://fulcio.sigstore.dev'"));
    assert_eq!(lost, Vec::<String>::new());
    let ci = json!({ "issuer": "https://token.example", "subject-regexp": "^https://github.com/acme/.*$" });
    assert_eq!(policy["authorities"], json!({ "ci": { "keyless": ci } }));
    assert_eq!(policy["images"]["r.example/**"], json!({ "signatures": { "from": ["ci"] } }));
    let (policy, _) = read(Source::ClusterImagePolicy, &spec(", insecureIgnoreSCT: true"));
    assert_eq!(policy["authorities"]["ci"]["keyless"]["sct"], "optional");
    // There it matches anywhere, here the whole.
    let loose = spec("").replace(".*$", "");
    let (policy, lost) = read(Source::ClusterImagePolicy, &loose);
    assert_eq!(lost, ["spec.authorities[0].keyless.identities[0].subjectRegExp"]);
    assert_eq!(policy["authorities"]["ci"]["keyless"]["subject-regexp"], "^https://github.com/acme/");
}
