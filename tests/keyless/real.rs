//! Real signatures of real tools, verified offline.

use boltseal::{
    crypto::PublicKey,
    limits::Limits,
    oci::Digest,
    policy::{Decision, Policy, Reason, evaluate},
    trust::{Anchors, Identity, Instance, TrustedRoot},
    verify::{Artifact, Blob, BlobKind, Collected, Demands, Place, Subject, Verified, Via, verify_all, verify_blob},
};
use jiff::Timestamp;
use std::sync::Arc;

enum Root {
    Embedded(Instance),
    Data(&'static str),
}

struct Real {
    bundle: &'static str,
    root: Root,
    digest: &'static str,
    issuer: &'static str,
    san: &'static str,
    demands: Demands,
}

const ACTIONS: &str = "https://token.actions.githubusercontent.com";
const USUAL: Demands = Demands { logs: 1, proofs: true, timestamps: 0, scts: 1 };

const REAL: [Real; 8] = [
    Real {
        bundle: "github-attestation",
        root: Root::Embedded(Instance::PublicGood),
        digest: "sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f",
        issuer: ACTIONS,
        san: "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main",
        demands: USUAL,
    },
    Real {
        bundle: "npm-provenance",
        root: Root::Embedded(Instance::PublicGood),
        digest: "sha512:46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c",
        issuer: ACTIONS,
        san: "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
        demands: USUAL,
    },
    Real {
        bundle: "pypi-wheel",
        root: Root::Embedded(Instance::PublicGood),
        digest: "sha256:c4e92e9ecc828bef2aa7dba1de8ac983511f7532a0df11c770d39099a25cf201",
        issuer: ACTIONS,
        san: "https://github.com/trailofbits/rfc8785.py/.github/workflows/release.yml@refs/tags/v0.1.2",
        demands: USUAL,
    },
    Real {
        bundle: "slsa-github-generator",
        root: Root::Embedded(Instance::PublicGood),
        digest: "sha256:376e7e01348585b6e6643bc6663146b9d525d9b41228bf180eaeb4d4a3706caa",
        issuer: ACTIONS,
        san: "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml@refs/tags/v2.1.0",
        demands: USUAL,
    },
    Real {
        bundle: "cosign-blob",
        root: Root::Embedded(Instance::PublicGood),
        digest: "sha256:e194b99df6639501325c5f44da79fe3a8efae6f239bd79443a19787e06fb1764",
        issuer: "https://github.com/login/oauth",
        san: "w.vollprecht@gmail.com",
        demands: Demands { timestamps: 1, ..USUAL },
    },
    Real {
        bundle: "github-private-attestation",
        root: Root::Embedded(Instance::GitHub),
        digest: "sha256:76f1fe8593bf227cca2c089e3c16dc95014a8d3e89c5dd220530469ca043c428",
        issuer: "",
        san: "https://dotcom.releases.github.com",
        demands: Demands { logs: 0, proofs: false, timestamps: 1, scts: 0 },
    },
    Real {
        bundle: "othername",
        root: Root::Data("scaffolding-trusted-root.json"),
        digest: "sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b",
        issuer: "http://oidc.local:8080",
        san: "foo!oidc.local",
        demands: USUAL,
    },
    Real {
        bundle: "staging-rekor2-dsse",
        root: Root::Data("staging-trusted-root.json"),
        digest: "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf",
        issuer: ACTIONS,
        san: "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main",
        demands: Demands { timestamps: 1, ..USUAL },
    },
];

fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("testdata/sigstore/{name}")).expect(name)
}

fn root(root: &Root) -> TrustedRoot {
    match root {
        Root::Embedded(instance) => TrustedRoot::embedded(*instance),
        Root::Data(name) => TrustedRoot::decode(name, &data(name)),
    }
    .expect("a trusted root")
}

fn judge(bundle: &[u8], digest: &str, root: TrustedRoot) -> Result<Vec<Verified>, &'static str> {
    let artifact = Artifact::from_digest(digest.parse().expect("a digest"));
    let anchors = Anchors::default().with_roots([Arc::new(root)]);
    verify_blob(&artifact, bundle.to_vec(), &anchors, Timestamp::now(), &Limits::default())
        .map_err(|rejection| rejection.id())
}

#[test]
fn what_real_tools_signed_is_verified_offline_and_nothing_else() {
    for real in &REAL {
        let bundle = data(&format!("{}.sigstore.json", real.bundle));
        let verified =
            judge(&bundle, real.digest, root(&real.root)).unwrap_or_else(|id| panic!("{}: {id}", real.bundle));
        let expected = Identity::Certificate { issuer: real.issuer.to_owned(), san: real.san.to_owned() };
        assert_eq!(*verified[0].identity(), expected);
        assert_eq!(verified[0].backing().meets(&real.demands), Ok(()), "{}", real.bundle);
        let more = Demands { logs: 2, timestamps: 2, ..real.demands.clone() };
        assert!(verified[0].backing().meets(&more).is_err(), "{}", real.bundle);

        let other = Digest::sha256(b"another").to_string();
        assert!(judge(&bundle, &other, root(&real.root)).is_err(), "{}: another file", real.bundle);
        let strange = match real.root {
            Root::Embedded(Instance::GitHub) | Root::Data(_) => Instance::PublicGood,
            Root::Embedded(_) => Instance::GitHub,
        };
        assert_eq!(
            judge(&bundle, real.digest, root(&Root::Embedded(strange))).map(|_| ()),
            Err("certificate-untrusted"),
            "{}",
            real.bundle
        );
    }
}

#[test]
fn no_changed_character_of_a_real_signature_is_taken_for_another_identity() {
    for real in &REAL {
        let bundle = data(&format!("{}.sigstore.json", real.bundle));
        let expected = Identity::Certificate { issuer: real.issuer.to_owned(), san: real.san.to_owned() };
        let trusted = Arc::new(root(&real.root));
        let anchors = Anchors::default().with_roots([trusted]);
        let artifact = Artifact::from_digest(real.digest.parse().expect("a digest"));
        for at in (0..bundle.len()).step_by(bundle.len() / 140) {
            let mut changed = bundle.clone();
            changed[at] ^= 4;
            let judged = verify_blob(&artifact, changed, &anchors, Timestamp::now(), &Limits::default());
            for verified in judged.into_iter().flatten() {
                assert_eq!(*verified.identity(), expected, "{} byte {at}", real.bundle);
            }
        }
    }
}

#[test]
fn a_key_s_signature_with_its_log_entry_is_verified() {
    let key = PublicKey::from_pem_bytes(&data("managed-key.test.pub")).expect("a key");
    let digest = "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";
    let artifact = Artifact::from_digest(digest.parse().expect("a digest"));
    let judge = |anchors: &Anchors| {
        let bundle = data("managed-key.sigstore.json");
        verify_blob(&artifact, bundle, anchors, Timestamp::now(), &Limits::default())
            .map_err(|rejection| rejection.id())
    };
    let keys = Anchors::new([key.clone()]);
    let verified = judge(&keys).expect("by the key alone");
    assert_eq!(*verified[0].identity(), Identity::Key(key.fingerprint()));
    assert!(verified[0].backing().logs().is_empty() && verified[0].backing().root().is_none());
    let rooted = keys.clone().with_roots([Arc::new(root(&Root::Embedded(Instance::PublicGood)))]);
    let verified = judge(&rooted).expect("with its log");
    assert_eq!((verified[0].backing().logs().len(), verified[0].backing().timestamps().len()), (1, 1));
    assert_eq!(judge(&Anchors::default()).map(|_| ()), Err("signer-unknown"));
}

/// Provenance as npm, GitHub's actions and slsa-github-generator wrote it, who signed it, and what it states. The second of
/// these was signed by the Sigstore project's beacon, not by the workflow that it speaks of; the last is of npm's first
/// trials, with a build type that is not read, so that nothing but its builder can be asked for.
type Stated = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const STATED: [Stated; 4] = [
    (
        "npm-provenance",
        REAL[1].digest,
        REAL[1].san,
        &[
            ("builder", "https://github.com/actions/runner/github-hosted"),
            ("source", "https://github.com/sigstore/sigstore-js"),
            ("ref", "refs/heads/main"),
            ("workflow", ".github/workflows/release.yml"),
            ("build-type", "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"),
        ],
    ),
    (
        "github-provenance",
        "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf",
        "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main",
        &[
            ("builder", "https://github.com/loosebazooka/aa-test/.github/workflows/provenance.yaml@refs/heads/main"),
            ("source", "https://github.com/loosebazooka/aa-test"),
            ("ref", "refs/heads/main"),
            ("workflow", ".github/workflows/provenance.yaml"),
            ("build-type", "https://actions.github.io/buildtypes/workflow/v1"),
        ],
    ),
    (
        "slsa-github-generator",
        REAL[3].digest,
        REAL[3].san,
        &[
            ("builder", REAL[3].san),
            ("source", "https://github.com/slsa-framework/example-package"),
            ("ref", "refs/tags/v14.2"),
            ("workflow", ".github/workflows/verifier-e2e.all.workflow_dispatch.main.all.slsa3.yml"),
            ("build-type", "https://github.com/slsa-framework/slsa-github-generator/generic@v1"),
        ],
    ),
    (
        "npm-provenance-v0.2",
        "sha512:bbfd372fc9beeb777fe35d05bb10c0c70a9733d366a75fed7dd18866c7391de3ee7e88ba74dd47abf3e15c845e547fcf0e5c3da80854c751554224d3a6d4e55f",
        "brian@dehamer.com",
        &[
            ("builder", "https://github.com/npm/slsa-provenance@0.0.1"),
            ("build-type", "https://github.com/npm/slsa-provenance/gha@v0"),
        ],
    ),
];

/// What a policy says of a real bundle, as evidence of an image with that digest.
fn asked(bundle: &str, digest: &str, signer: &str, asked: &[(&str, &str)]) -> Vec<&'static str> {
    let authority = format!("{{ keyless: {{ issuer: '**', subject: '{signer}' }} }}");
    let bytes = data(&format!("{bundle}.sigstore.json"));
    judged(&authority, &|_| Err("no keys".to_owned()), digest, (BlobKind::Bundle, bytes), asked)
}

/// What a policy says that asks this authority for this much of provenance.
pub fn judged(
    authority: &str,
    keys: &dyn Fn(&str) -> Result<PublicKey, String>,
    digest: &str,
    (kind, bytes): (BlobKind, Vec<u8>),
    asked: &[(&str, &str)],
) -> Vec<&'static str> {
    let asked: Vec<_> = asked.iter().map(|(name, value)| format!(", {name}: '{value}'")).collect();
    let text = format!(
        "version: 1\nauthorities: {{ ci: {authority} }}\n\
         images: {{ '**': {{ provenance: {{ from: [ci]{} }} }} }}\n",
        asked.concat()
    );
    let policy = Policy::parse(&text, &keys).expect("a policy");
    let subject = Subject::new("r.example/app:1".parse().expect("a reference"), digest.parse().expect("a digest"));
    let place = Place { subject: subject.digest(), via: Via::Supplied, manifest: None, layer: 0 };
    let collected = Collected { blobs: vec![Blob { place, kind, bytes }], unread: Vec::new() };
    let anchors = policy.anchors_for(&subject.reference().repository);
    let findings = verify_all(&subject, collected, &anchors, Timestamp::now(), &Limits::default());
    match evaluate(&policy, &findings, Timestamp::now()).decision {
        Decision::Allow(_) => Vec::new(),
        Decision::Deny(reasons) => reasons.iter().map(Reason::id).collect(),
        other => panic!("{authority}: {other:?}"),
    }
}

// [V-161] [V-162]
#[test]
fn real_provenance_is_good_for_what_it_states_and_for_nothing_that_differs_by_a_character() {
    for (bundle, digest, signer, stated) in STATED {
        assert_eq!(asked(bundle, digest, signer, stated), Vec::<&str>::new(), "{bundle}");
        for at in 0..stated.len() {
            let mut changed = stated.to_vec();
            let (field, value) = changed[at];
            let other = format!("{}x", &value[..value.len() - 1]);
            changed[at].1 = &other;
            // A policy that asks for a source in builds of a type without one is refused when it is read.
            changed.retain(|(name, _)| field != "build-type" || *name == field);
            let id = format!("{field}-mismatch");
            assert_eq!(asked(bundle, digest, signer, &changed)[0], id, "{bundle}: {field}");
        }
        let other = format!("{}x", &signer[..signer.len() - 1]);
        assert_eq!(asked(bundle, digest, &other, stated)[0], "signer-mismatch", "{bundle}");
    }
    let (bundle, digest, signer, _) = STATED[3];
    let source = [("source", "https://github.com/github/slsa-provenance")];
    assert_eq!(asked(bundle, digest, signer, &source)[0], "build-type-unknown");
}
