//! What lies in an index, and an index with its images: found, bounded, and judged each by itself.

use super::{assert_no_repeats, assert_within, evidence, session, start};
use boltseal::{
    format::{predicate, statement::Statement},
    limits::{ATTESTATION_MANIFEST_BYTES, ATTESTATION_MANIFESTS, Limits, PLATFORMS},
    oci::{Descriptor, Digest, ImageIndex, ImageManifest, Manifest, Platform, Reference, media_type},
    ops::{
        self, OpsError,
        inspect::{Node, Role, inspect},
        verify::{Verification, Verifier},
    },
    policy::{Decision, Policy},
    registry::{
        Selector,
        embedded::{Embedded, EmbeddedOptions, Hook},
    },
    sign::LocalSigner,
};
use evidence::{Writer, reference};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const BUILDER: &str = "https://ci.example.com/builder";

/// An index as BuildKit pushes it, in a registry: two images, and an attestation manifest of each.
struct Built {
    registry: Embedded,
    writer: Writer,
    index: Descriptor,
    images: Vec<Descriptor>,
    manifests: Vec<Descriptor>,
    key: LocalSigner,
}

fn on(mut entry: Descriptor, os: &str, architecture: &str) -> Descriptor {
    let (architecture, os) = (architecture.to_owned(), os.to_owned());
    entry.platform = Some(Platform { architecture, os, variant: None, other: BTreeMap::new() });
    entry
}

fn attestation(entry: Descriptor, image: &Digest) -> Descriptor {
    on(entry, "unknown", "unknown")
        .annotated(media_type::REFERENCE_TYPE_ANNOTATION, media_type::ATTESTATION_MANIFEST)
        .annotated(media_type::REFERENCE_DIGEST_ANNOTATION, image.to_string())
}

async fn push_index(writer: &Writer, entries: Vec<Descriptor>) -> Descriptor {
    let index = Manifest::Index(Box::new(ImageIndex::new(entries)));
    writer.0.push_manifest(&Selector::Tag("v1".to_owned()), &index).await.expect("an index");
    Descriptor::of(media_type::IMAGE_INDEX, &index.encode())
}

impl Built {
    async fn new(registry: Embedded) -> Self {
        let writer = Writer::new(registry.address(), "app");
        let (mut images, mut manifests, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for architecture in ["amd64", "arm64"] {
            let (image, manifest) = evidence::image(architecture);
            writer.image(&manifest).await;
            let provenance =
                json!({ "builder": { "id": BUILDER }, "buildType": "https://mobyproject.org/buildkit@v1" });
            let statement = Statement::about(&image.digest, None, predicate::SLSA_V02, provenance).encode();
            writer.blob(&statement).await;
            let layers = vec![Descriptor::of(media_type::IN_TOTO, &statement)];
            let manifest = Manifest::Image(Box::new(ImageManifest::new(Descriptor::empty(), layers)));
            let described = Descriptor::of(media_type::IMAGE_MANIFEST, &manifest.encode());
            writer.0.push_manifest(&Selector::Digest(described.digest), &manifest).await.expect("a manifest");
            entries.push(on(image.clone(), "linux", architecture));
            entries.push(attestation(described.clone(), &image.digest));
            images.push(image);
            manifests.push(described);
        }
        let index = push_index(&writer, entries).await;
        registry.forget_requests();
        Self { registry, writer, index, images, manifests, key: evidence::signer() }
    }

    async fn sign(&self, subject: &Descriptor) {
        self.writer.attach(&evidence::bundle(&self.key, subject).await).await;
        self.registry.forget_requests();
    }

    fn reference(&self) -> Reference {
        reference(self.registry.address(), "app")
    }

    fn policy(&self, rule: &str) -> Policy {
        let text = format!("version: 1\nauthorities: {{ ci: {{ key: k }} }}\nimages: {{ '**': {rule} }}\n");
        Policy::parse(&text, &|_| {
            use boltseal::sign::Signer as _;
            Ok(self.key.public_key().clone())
        })
        .expect("a policy")
    }

    async fn verify(&self, rule: &str, platform: Option<&str>) -> String {
        let (policy, limits, session) = (self.policy(rule), Limits::default(), session());
        let verifier =
            Verifier { session: &session, policy: &policy, now: Timestamp::UNIX_EPOCH, limits: &limits, trust: None };
        let platform = platform.map(|platform| ops::Platform(platform.to_owned()));
        told(&verifier.verify(&self.reference(), platform.as_ref()).await.expect("it is there"))
    }

    async fn verify_each(&self, rule: &str) -> Result<Vec<String>, OpsError> {
        let (policy, limits, session) = (self.policy(rule), Limits::default(), session());
        let verifier =
            Verifier { session: &session, policy: &policy, now: Timestamp::UNIX_EPOCH, limits: &limits, trust: None };
        let named = |verification: Verification| {
            let subject = verification.findings.subject();
            let what = subject.platform().map_or("index".to_owned(), ToString::to_string);
            format!("{what} {}", told(&verification))
        };
        verifier.verify_each(&self.reference(), named).await
    }
}

/// `allow`, or the ids of the reasons behind `deny:` or `unknown:`.
fn told(verification: &Verification) -> String {
    let (word, reasons) = match &verification.outcome.decision {
        Decision::Allow(_) => return "allow".to_owned(),
        Decision::Deny(reasons) => ("deny", reasons),
        Decision::Undetermined(reasons) => ("unknown", reasons),
        Decision::NotJudged => return "not judged".to_owned(),
    };
    let ids: Vec<_> = reasons.iter().map(boltseal::policy::Reason::id).collect();
    format!("{word}:{}", ids.join(","))
}

fn rule(unsigned: &str) -> String {
    format!("{{ provenance: {{ from: [ci], builder: '{BUILDER}', unsigned: {unsigned} }} }}")
}

const ARM: Option<&str> = Some("linux/arm64");

// [V-240] [V-241] [V-242] [V-243]
#[tokio::test]
async fn provenance_in_an_index_counts_as_its_signer_s_where_the_policy_says_so() {
    for api in [true, false] {
        let built = Built::new(start(api, Duration::ZERO).await).await;
        let (index, manifest) = (rule("covered-by-index"), rule("covered-by-manifest"));
        let uncovered = "statement-uncovered,attestation-missing";
        assert_eq!(built.verify(&index, ARM).await, format!("deny:{uncovered}"));
        assert_eq!(built.verify(&index, None).await, format!("deny:{uncovered},image-unattested"));
        built.sign(&built.index).await;
        assert_eq!(built.verify(&index, ARM).await, "allow");
        assert_eq!(built.verify(&index, None).await, "allow");
        assert_eq!(
            built.verify(&index.replace("/builder", "/bui1der"), ARM).await,
            "deny:builder-mismatch,threshold-unmet"
        );
        assert_eq!(built.verify(&rule("refuse"), ARM).await, "deny:attestation-missing");
        assert_eq!(built.verify(&manifest, ARM).await, "deny:attestation-missing", "covered otherwise");
        // As Docker's builder signs: the attestation manifests.
        built.sign(&built.manifests[1]).await;
        assert_eq!(built.verify(&manifest, ARM).await, "allow");
        assert_eq!(built.verify(&manifest, Some("linux/amd64")).await, "deny:attestation-missing");
        assert_eq!(built.verify(&manifest, None).await, "deny:attestation-missing,image-unattested");
        built.sign(&built.manifests[0]).await;
        assert_eq!(built.verify(&manifest, None).await, "allow");
    }
}

// [V-248]
#[tokio::test]
async fn a_signature_of_an_attestation_manifest_is_none_of_an_image() {
    let built = Built::new(start(true, Duration::ZERO).await).await;
    built.sign(&built.manifests[1]).await;
    let both = format!("{{ signatures: {{ from: [ci] }}, {}", &rule("covered-by-manifest")[1..]);
    assert_eq!(built.verify(&both, ARM).await, "deny:unsigned");
    built.sign(&built.images[1]).await;
    assert_eq!(built.verify(&both, ARM).await, "allow");
}

// [V-246]
#[tokio::test]
async fn an_index_is_read_only_where_the_policy_asks_for_what_lies_in_it() {
    let delay = Duration::from_millis(60);
    let built = Built::new(start(true, delay).await).await;
    built.sign(&built.index).await;
    for (what, rule, platform, requests, levels) in [
        ("provenance that is signed", rule("refuse"), None, 6, 4),
        ("provenance in the index", rule("covered-by-index"), None, 11, 5),
        ("provenance in the index, one platform", rule("covered-by-index"), ARM, 13, 5),
        ("provenance in signed manifests, one platform", rule("covered-by-manifest"), ARM, 18, 5),
    ] {
        built.registry.forget_requests();
        built.verify(&rule, platform).await;
        let seen = built.registry.requests();
        assert_within(what, &seen, requests, levels);
        if platform.is_none() {
            assert_no_repeats(&seen, &[]);
        }
    }
}

// [V-246]
#[tokio::test]
async fn what_lies_in_an_index_is_bounded_and_what_is_not_read_is_not_absent() {
    let built = Built::new(start(true, Duration::ZERO).await).await;
    let arm = on(built.images[1].clone(), "linux", "arm64");
    let of_arm = |padding: usize, at: usize| {
        let mut manifest = ImageManifest::new(Descriptor::empty(), Vec::new());
        manifest.annotations.insert(at.to_string(), "x".repeat(padding));
        Manifest::Image(Box::new(manifest))
    };
    let many: Vec<_> = (0..=ATTESTATION_MANIFESTS).map(|at| of_arm(0, at)).collect();
    for (what, manifests) in [("large", vec![of_arm(ATTESTATION_MANIFEST_BYTES as usize, 0)]), ("many", many)] {
        let mut entries = vec![arm.clone()];
        for manifest in &manifests {
            let entry = Descriptor::of(media_type::IMAGE_MANIFEST, &manifest.encode());
            built.writer.0.push_manifest(&Selector::Digest(entry.digest), manifest).await.expect("a manifest");
            entries.push(attestation(entry, &arm.digest));
        }
        push_index(&built.writer, entries).await;
        built.registry.forget_requests();
        assert_eq!(built.verify(&rule("covered-by-index"), ARM).await, "unknown:unread,attestation-missing", "{what}");
        assert!(built.registry.requests().len() < ATTESTATION_MANIFESTS + 20);
    }
    // A list instead of layers: that is its own fault, and no reason to doubt the registry.
    let list = Manifest::Index(Box::new(ImageIndex::new(Vec::new())));
    let entry = attestation(Descriptor::of(media_type::IMAGE_INDEX, &list.encode()), &arm.digest);
    built.writer.0.push_manifest(&Selector::Digest(entry.digest), &list).await.expect("a list");
    push_index(&built.writer, vec![arm.clone(), entry]).await;
    assert_eq!(built.verify(&rule("covered-by-index"), ARM).await, "deny:attestation-missing,malformed");
}

const SIGNED: &str = "{ signatures: { from: [ci] } }";

// [V-244]
#[tokio::test]
async fn all_platforms_are_judged_each_by_itself() {
    let built = Built::new(start(true, Duration::ZERO).await).await;
    let each = |index: &str, amd: &str, arm: &str| {
        [format!("index {index}"), format!("linux/amd64 {amd}"), format!("linux/arm64 {arm}")]
    };
    assert_eq!(built.verify_each(SIGNED).await.unwrap(), each("deny:unsigned", "deny:unsigned", "deny:unsigned"));
    built.sign(&built.images[1]).await;
    assert_eq!(built.verify_each(SIGNED).await.unwrap(), each("deny:unsigned", "deny:unsigned", "allow"));
    built.sign(&built.index).await;
    assert_eq!(built.verify_each(SIGNED).await.unwrap(), each("allow", "allow", "allow"));
    assert_no_repeats(&built.registry.requests(), &[]);
    let covered = rule("covered-by-index");
    assert_eq!(built.verify_each(&covered).await.unwrap(), each("allow", "allow", "allow"));
    // One image alone is one result.
    let (lone, manifest) = evidence::image("lone");
    built.writer.image(&manifest).await;
    assert_eq!(built.verify_each(SIGNED).await.unwrap(), ["index deny:unsigned"]);
    built.sign(&lone).await;
    assert_eq!(built.verify_each(SIGNED).await.unwrap(), ["index allow"]);
}

// [V-245]
#[tokio::test]
async fn an_image_that_is_not_there_stops_no_other_and_too_many_are_an_error() {
    let gone = evidence::image("arm64").0.digest.to_string();
    let hook: Hook = Arc::new(move |exchange| {
        let asked =
            exchange.method == http::Method::GET && exchange.path_and_query.contains(&format!("manifests/{gone}"));
        asked.then(|| {
            let mut answer = Response::new(Full::default().map_err(|never| match never {}).boxed());
            *answer.status_mut() = StatusCode::NOT_FOUND;
            answer
        })
    });
    let registry = Embedded::start(EmbeddedOptions { hook: Some(hook), ..Default::default() }).await.expect("loopback");
    let built = Built::new(registry).await;
    built.sign(&built.images[0]).await;
    let expected = ["index deny:unsigned", "linux/amd64 allow", "linux/arm64 unknown:unread,unsigned"];
    assert_eq!(built.verify_each(SIGNED).await.unwrap(), expected);
    let mut entries = Vec::new();
    for at in 0..=PLATFORMS {
        let (entry, manifest) = evidence::image(&at.to_string());
        built.writer.0.push_manifest(&Selector::Digest(entry.digest), &manifest).await.expect("an image");
        entries.push(on(entry, "linux", "amd64"));
    }
    push_index(&built.writer, entries).await;
    assert!(matches!(built.verify_each(SIGNED).await, Err(OpsError::Manifest { .. })));
}

// [V-170] [V-172]
#[tokio::test]
async fn each_image_s_own_configuration_is_judged() {
    let registry = start(true, Duration::ZERO).await;
    let built = Built::new(registry).await;
    let mut entries = Vec::new();
    for (architecture, config) in [
        (
            "amd64",
            json!({ "rootfs": { "diff_ids": ["sha256:00"] }, "config": { "User": "1000", "Labels": { "vendor": "acme" } } }),
        ),
        (
            "arm64",
            json!({ "rootfs": { "diff_ids": ["sha256:00"] }, "config": { "User": "root" }, "history": [{ "created_by": "RUN echo AKIAIOSFODNN7EXAMPLE" }] }),
        ),
    ] {
        let config = config.to_string().into_bytes();
        built.writer.blob(&config).await;
        let layer = Descriptor { size: 700, ..Descriptor::empty() };
        let manifest = ImageManifest::new(Descriptor::of(media_type::IMAGE_CONFIG, &config), vec![layer]);
        let manifest = Manifest::Image(Box::new(manifest));
        let entry = Descriptor::of(media_type::IMAGE_MANIFEST, &manifest.encode());
        built.writer.0.push_manifest(&Selector::Digest(entry.digest), &manifest).await.expect("an image");
        entries.push(on(entry, "linux", architecture));
    }
    let index = push_index(&built.writer, entries).await;
    built.sign(&index).await;
    let asks = |config: &str| format!("{{ signatures: {{ from: [ci] }}, config: {{ {config} }} }}");
    for (config, index, amd, arm) in [
        ("non-root: true", "deny:config-root-user", "allow", "deny:config-root-user"),
        ("no-secrets-in-history: true", "deny:config-secret", "allow", "deny:config-secret"),
        ("labels: { vendor: acme }", "deny:config-label", "allow", "deny:config-label"),
        ("max-size: 700", "allow", "allow", "allow"),
        ("max-size: 699", "deny:config-too-large,config-too-large", "deny:config-too-large", "deny:config-too-large"),
        ("max-layers: 1", "allow", "allow", "allow"),
    ] {
        let expected = [format!("index {index}"), format!("linux/amd64 {amd}"), format!("linux/arm64 {arm}")];
        assert_eq!(built.verify_each(&asks(config)).await.unwrap(), expected, "{config}");
        assert_eq!(built.verify(&asks(config), ARM).await, arm);
    }
}

// [V-170]
#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_not_good() {
    let config = br#"{"rootfs":{"diff_ids":[]},"config":{"User":"1000"}}"#;
    let named = Digest::sha256(config).to_string();
    let hook: Hook = Arc::new(move |exchange| {
        let asked = exchange.method == http::Method::GET && exchange.path_and_query.contains(&named);
        asked.then(|| {
            let mut answer = Response::new(Full::default().map_err(|never| match never {}).boxed());
            *answer.status_mut() = StatusCode::FORBIDDEN;
            answer
        })
    });
    let registry = Embedded::start(EmbeddedOptions { hook: Some(hook), ..Default::default() }).await.expect("loopback");
    let built = Built::new(registry).await;
    built.writer.blob(config).await;
    let manifest = ImageManifest::new(Descriptor::of(media_type::IMAGE_CONFIG, config), Vec::new());
    let manifest = Manifest::Image(Box::new(manifest));
    built.writer.image(&manifest).await;
    built.sign(&Descriptor::of(media_type::IMAGE_MANIFEST, &manifest.encode())).await;
    assert_eq!(built.verify(SIGNED, None).await, "allow");
    let asks = "{ signatures: { from: [ci] }, config: { non-root: true } }";
    assert_eq!(built.verify(asks, None).await, "unknown:unread,config-unread");
    assert_eq!(built.verify_each(asks).await.unwrap(), ["index unknown:unread,config-unread"]);
}

// [V-247]
#[tokio::test]
async fn inspect_shows_the_whole_graph() {
    let built = Built::new(start(true, Duration::ZERO).await).await;
    for signed in [&built.index, &built.images[1], &built.manifests[1]] {
        built.sign(signed).await;
    }
    let sbom = b"SPDXVersion: SPDX-2.3";
    built.writer.blob(sbom).await;
    let manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of("text/spdx", sbom)]);
    let manifest = Manifest::Image(Box::new(manifest));
    let tag = Selector::Tag(format!("{}.sbom", built.images[0].digest.fallback_tag()));
    built.writer.0.push_manifest(&tag, &manifest).await.expect("an SBOM");
    built.sign(&Descriptor::of(media_type::IMAGE_MANIFEST, &manifest.encode())).await;
    let root = inspect(&session(), &built.reference()).await.unwrap();
    let kinds = |node: &Node| node.attachments.iter().map(|one| one.place.via.to_string()).collect::<Vec<_>>();
    assert_eq!((root.role, kinds(&root)), (Role::Index, vec!["referrers".to_owned()]));
    let [amd, arm] = &root.images[..] else { panic!("{root:?}") };
    let beside = |node: &Node| node.beside.iter().map(|one| (one.role, kinds(one))).collect::<Vec<_>>();
    let words = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(kinds(amd), Vec::<String>::new());
    assert_eq!(
        beside(amd),
        [(Role::Sbom, words(&["referrers", "sbom-tag"])), (Role::AttestationManifest, words(&["index"]))]
    );
    assert_eq!(kinds(arm), ["referrers"]);
    assert_eq!(beside(arm), [(Role::AttestationManifest, words(&["referrers", "index"]))]);
    let statement = arm.beside[0].attachments.last().expect("a statement");
    assert_eq!(statement.claim.statement_type.as_deref(), Some(predicate::SLSA_V02));
}
