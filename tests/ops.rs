//! Use-cases against a registry in this process: what they write, what they leave alone, how often they ask.

mod common;

use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey},
    limits::Limits,
    oci::{Digest, Reference, Repository, media_type},
    ops::{
        OpsError, Platform, Signatory,
        attest::Content,
        evidence::{Keeper, Kept, folders},
        pull::{Destination, Progress, Pulled, pull},
        sign::{Formats, Scope, SignRequest, Signed, Written, sign},
        verify::{Verification, Verifier},
    },
    policy::{Decision, Policy},
    registry::{
        Access, Options, Repo, Session,
        embedded::{Embedded, EmbeddedOptions, Hook},
    },
    sign::{LocalSigner, Signer, Signing},
    verify::{BlobKind, Rejection},
};
use common::{hostile, image};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

struct World {
    registry: Embedded,
    session: Session,
    made: image::Layout,
    key: LocalSigner,
}

impl World {
    async fn new(options: EmbeddedOptions) -> Self {
        let registry = Embedded::start(options).await.unwrap();
        let settle = Duration::from_millis(20);
        let session =
            Session::new(Options { settle, backoff: Duration::from_millis(1), ..Options::default() }).unwrap();
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("layout");
        let made = image::write(&dir, "1", "ops");
        let from = session.open(&Repository::Layout(dir), Access::Pull).unwrap();
        let name: Reference = format!("{}/team/app", registry.address()).parse().unwrap();
        let to = session.open(&name.repository, Access::PullPush).unwrap();
        image::copy(&from, &to, "1", &made).await;
        registry.forget_requests();
        let key = LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
        Self { registry, session, made, key }
    }

    fn reference(&self, end: &str) -> Reference {
        format!("{}/team/app{end}", self.registry.address()).parse().unwrap()
    }

    async fn sign_as(&self, signer: &dyn Signer, annotation: Option<&str>) -> Result<Vec<Signed>, OpsError> {
        let annotations = annotation.map(|value| ("env".to_owned(), value.to_owned()));
        let request = SignRequest {
            signer: Signatory::Key(signer),
            formats: Formats { bundle: true, simple: true },
            scope: Scope::All,
            annotations: annotations.into_iter().collect(),
            identity: None,
            now: Timestamp::UNIX_EPOCH,
        };
        sign(&self.session, &self.reference(":1"), &request).await
    }

    fn policy(&self, mode: &str) -> Policy {
        let text = format!(
            "version: 1\nmode: {mode}\nauthorities: {{ a: {{ key: a }} }}\nimages: {{ \"**\": {{ signatures: {{ from: [a] }} }} }}\n"
        );
        Policy::parse(&text, &|_| Ok(self.key.public_key().clone())).unwrap()
    }

    async fn verify(&self, end: &str, mode: &str, platform: Option<&Platform>) -> Result<Verification, OpsError> {
        let (policy, limits) = (self.policy(mode), Limits::default());
        let verifier =
            Verifier { session: &self.session, policy: &policy, now: Timestamp::now(), limits: &limits, trust: None };
        verifier.verify(&self.reference(end), platform).await
    }

    async fn pull(&self, to: &str, mode: &str) -> Result<Pulled, OpsError> {
        struct Nobody;
        impl Progress for Nobody {
            fn total(&self, _: u64) {}
            fn arrived(&self, _: u64) {}
        }
        let (policy, limits) = (self.policy(mode), Limits::default());
        let verifier =
            Verifier { session: &self.session, policy: &policy, now: Timestamp::now(), limits: &limits, trust: None };
        let destination: Destination = to.parse().unwrap();
        pull(&verifier, &self.reference(":1"), None, &destination, &Nobody).await
    }

    fn writes(&self) -> usize {
        self.registry.requests().iter().filter(|request| request.method != "GET" && request.method != "HEAD").count()
    }
}

// [V-17]
#[tokio::test]
async fn signing_again_adds_nothing_and_other_words_are_another_signature() {
    for referrers_api in [true, false] {
        let world = World::new(EmbeddedOptions { referrers_api, ..EmbeddedOptions::default() }).await;
        let first = world.sign_as(&world.key, None).await.unwrap();
        assert_eq!(first.len(), 3, "the index and two images");
        assert!(first.iter().all(|one| (one.bundle, one.simple) == (Written::New, Written::New)));
        world.registry.forget_requests();
        let second = world.sign_as(&world.key, None).await.unwrap();
        assert!(second.iter().all(|one| (one.bundle, one.simple) == (Written::Already, Written::Already)));
        assert_eq!(world.writes(), 0);
        let third = world.sign_as(&world.key, Some("prod")).await.unwrap();
        assert!(third.iter().all(|one| (one.bundle, one.simple) == (Written::New, Written::New)));
        let found = world.verify(":1", "enforced", None).await.unwrap();
        assert_eq!(found.findings.verified().len(), 4, "two formats, with and without the annotation");
    }
}

/// Says that it is one key, signs with another.
struct Broken(LocalSigner, LocalSigner);

impl Signer for Broken {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        self.1.sign(message)
    }
}

// [V-16]
#[tokio::test]
async fn a_signature_that_does_not_verify_is_never_pushed() {
    let world = World::new(EmbeddedOptions::default()).await;
    let key = || LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
    let failed = world.sign_as(&Broken(key(), key()), None).await.unwrap_err();
    assert!(matches!(failed, OpsError::Unverifiable(Rejection::SignatureInvalid(_) | Rejection::SignerUnknown { .. })));
    assert_eq!(world.writes(), 0);
}

// [V-02] [V-03]
#[tokio::test]
async fn a_tag_is_resolved_once_and_never_beside_a_digest() {
    let world = World::new(EmbeddedOptions::default()).await;
    world.sign_as(&world.key, None).await.unwrap();
    let asked_for = |tag: &str| {
        let end = format!("/manifests/{tag}");
        world.registry.requests().iter().filter(|request| request.path_and_query.ends_with(&end)).count()
    };
    world.registry.forget_requests();
    let _ = world.verify(":1", "enforced", None).await.unwrap();
    assert_eq!(asked_for("1"), 1);
    world.registry.forget_requests();
    let both = format!(":1@{}", world.made.images[0]);
    let verified = world.verify(&both, "enforced", None).await.unwrap();
    assert_eq!(asked_for("1"), 0);
    assert_eq!(verified.findings.subject().digest().to_string(), world.made.images[0]);
}

#[tokio::test]
async fn what_is_signed_of_the_index_counts_for_its_images_and_not_the_reverse() {
    let world = World::new(EmbeddedOptions::default()).await;
    let request = |scope| SignRequest {
        signer: Signatory::Key(&world.key),
        formats: Formats { bundle: true, simple: false },
        scope,
        annotations: BTreeMap::new(),
        identity: None,
        now: Timestamp::UNIX_EPOCH,
    };
    let arm = Platform("linux/arm64".into());
    sign(&world.session, &world.reference(":1"), &request(Scope::Platform(arm.clone()))).await.unwrap();
    let index = world.verify(":1", "enforced", None).await.unwrap();
    assert!(matches!(index.outcome.decision, Decision::Deny(_)));
    let amd = Platform("linux/amd64".into());
    assert!(matches!(world.verify(":1", "enforced", Some(&amd)).await.unwrap().outcome.decision, Decision::Deny(_)));
    assert!(matches!(world.verify(":1", "enforced", Some(&arm)).await.unwrap().outcome.decision, Decision::Allow(_)));
    sign(&world.session, &world.reference(":1"), &request(Scope::IndexOnly)).await.unwrap();
    let through_the_index = world.verify(":1", "enforced", Some(&amd)).await.unwrap();
    assert!(matches!(through_the_index.outcome.decision, Decision::Allow(_)));
    let nowhere = world.verify(":1", "enforced", Some(&Platform("linux/s390x".into()))).await.unwrap_err();
    assert!(matches!(nowhere, OpsError::NoPlatform { .. }));
}

// [V-04]
#[tokio::test]
async fn all_places_are_read_and_judged_together() {
    let world = World::new(EmbeddedOptions { referrers_api: false, ..EmbeddedOptions::default() }).await;
    world.sign_as(&world.key, None).await.unwrap();
    let found = world.verify(":1", "enforced", None).await.unwrap();
    let places: std::collections::BTreeSet<_> = found.findings.verified().iter().map(|v| v.place().via).collect();
    assert_eq!(places.len(), 2, "{places:?}");
}

// [V-05]
#[tokio::test]
async fn a_list_s_types_are_not_believed() {
    let world = World::new(EmbeddedOptions { referrers_api: false, ..EmbeddedOptions::default() }).await;
    world.sign_as(&world.key, None).await.unwrap();
    let repo = world.session.open(&world.reference("").repository, Access::PullPush).unwrap();
    let digest: Digest = world.made.index.parse().unwrap();
    let tag = boltseal::registry::Selector::Tag(digest.fallback_tag());
    let mut list = repo.manifest(&tag).await.unwrap().manifest;
    let boltseal::oci::Manifest::Index(index) = &mut list else { panic!("an index") };
    // As cosign 3.1.1 writes its entries.
    for entry in &mut index.manifests {
        entry.artifact_type = Some(media_type::EMPTY.to_owned());
        entry.annotations.clear();
    }
    repo.push_manifest(&tag, &list).await.unwrap();
    let found = world.verify(":1", "enforced", None).await.unwrap();
    assert!(found.findings.verified().iter().any(|v| v.place().via == boltseal::verify::Via::FallbackTag));
}

#[tokio::test]
async fn a_disabled_policy_costs_one_request_and_allows_nothing() {
    let world = World::new(EmbeddedOptions::default()).await;
    let told = world.verify(":1", "disabled", None).await.unwrap();
    assert!(matches!(told.outcome.decision, Decision::NotJudged));
    assert_eq!(world.registry.requests().len(), 1);
}

// [V-38]
#[tokio::test]
async fn what_is_not_there_is_not_unsigned() {
    let world = World::new(EmbeddedOptions::default()).await;
    for end in [":2", &format!("@{}", Digest::sha256(b"nothing"))] {
        let OpsError::Registry(error) = world.verify(end, "enforced", None).await.unwrap_err() else { panic!("{end}") };
        assert!(error.is_not_found(), "{end}: {error}");
    }
}

// [V-39]
#[tokio::test]
async fn nothing_is_left_of_a_pull_that_was_denied_or_broke_off() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    let is_empty = || std::fs::read_dir(home.path()).unwrap().next().is_none();
    let world = World::new(EmbeddedOptions::default()).await;
    for to in [format!("oci:{}:1", at("a")), format!("docker-archive:{}", at("a.tar"))] {
        assert!(world.pull(&to, "enforced").await.unwrap().fetched.is_none());
        assert!(is_empty(), "{to}");
    }
    let broken = EmbeddedOptions { alter: Some(hostile::truncated("/blobs/sha256:")), ..EmbeddedOptions::default() };
    let world = World::new(broken).await;
    for to in [format!("oci:{}:1", at("b")), format!("docker-archive:{}", at("b.tar"))] {
        assert!(world.pull(&to, "disabled").await.is_err());
        assert!(is_empty(), "{to}");
    }
}

// [V-39]
#[tokio::test]
async fn a_pull_fetches_what_was_judged_into_a_new_or_an_old_layout() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("layout");
    let world = World::new(EmbeddedOptions::default()).await;
    world.sign_as(&world.key, None).await.unwrap();
    for tag in ["first", "second"] {
        let pulled = world.pull(&format!("oci:{}:{tag}", dir.display()), "enforced").await.unwrap();
        assert_eq!(pulled.fetched.unwrap().digest.unwrap().to_string(), world.made.index);
    }
    let layout = world.session.open(&Repository::Layout(dir.clone()), Access::Pull).unwrap();
    for tag in ["first", "second"] {
        assert_eq!(layout.resolve(tag).await.unwrap().digest.to_string(), world.made.index);
    }
    let image = layout.manifest(&boltseal::registry::Selector::Digest(world.made.images[1].parse().unwrap())).await;
    let image = image.unwrap();
    let layer = &image.image().unwrap().layers[0];
    assert_eq!(layout.blob(layer, layer.size).await.unwrap().len() as u64, layer.size);
    let only = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(only, 1, "no temporary folder stays");
    let _ = world.pull(&format!("docker-archive:{}", home.path().join("a.tar").display()), "enforced").await.unwrap();
    let archive = std::fs::File::open(home.path().join("a.tar")).unwrap();
    let names: Vec<_> = tar::Archive::new(archive)
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(names.contains(&"manifest.json".to_owned()) && names.len() == 3, "{names:?}");
}

#[test]
fn a_predicate_has_to_be_in_the_shape_of_its_type() {
    let now = Timestamp::UNIX_EPOCH;
    let predicate = |kind: &str, text: &str| Content::predicate(kind, Path::new("p.json"), text.as_bytes(), now);
    let custom = predicate("custom", "any text").unwrap();
    let Content::Predicate { predicate: wrapped, .. } = custom else { panic!("a predicate") };
    assert_eq!(
        (wrapped.text(&["Data"]).as_deref(), wrapped.text(&["Timestamp"]).as_deref()),
        (Some("any text"), Some("1970-01-01T00:00:00Z"))
    );
    // As the tool wrote it: a number is not rounded, nothing is moved.
    let text = r#"{ "spdxVersion": "SPDX-2.3", "size": 1.0000000000000000001 }"#;
    let Content::Predicate { predicate: kept, .. } = predicate("spdx", text).unwrap() else { panic!("a predicate") };
    assert_eq!(std::str::from_utf8(kept.bytes()), Ok(text));
    // As dense as one of 50 MB that is verified.
    let dense = format!(r#"{{"bomFormat":"CycloneDX","x":[{}0]}}"#, "0,".repeat(3_000_000));
    assert!(predicate("cyclonedx", &dense).is_ok());
    assert!(predicate("https://example.com/x", &dense).is_err(), "a tree is made of it");
    for (kind, bad) in [
        ("spdx", "SPDXVersion: SPDX-2.3"),
        ("spdx", r#""text""#),
        ("slsaprovenance1", "{}"),
        ("vuln", r#"{"scanner":{}}"#),
        ("https://example.com/x", "[1]"),
        ("https://sigstore.dev/cosign/sign/v1", "{}"),
        ("sbom", "{}"),
        ("cyclonedx", r#"{"bomFormat":"CycloneDX","bomFormat":"x"}"#),
    ] {
        assert!(predicate(kind, bad).is_err(), "{kind}: {bad}");
    }
}

#[tokio::test]
async fn a_manifest_of_another_tool_is_shown_and_not_judged() {
    let world = World::new(EmbeddedOptions::default()).await;
    let repo = world.session.open(&world.reference("").repository, Access::PullPush).unwrap();
    let subject = repo.resolve("1").await.unwrap();
    repo.push_blob(media_type::EMPTY_CONTENT).await.unwrap();
    let empty = boltseal::oci::Descriptor::empty();
    let mut manifest = boltseal::oci::ImageManifest::new(empty.clone(), vec![empty]);
    manifest.artifact_type = Some("application/vnd.cncf.notary.signature".to_owned());
    manifest.subject = Some(subject);
    repo.attach(&manifest).await.unwrap();
    let root = boltseal::ops::inspect::inspect(&world.session, &world.reference(":1")).await.unwrap();
    assert!(matches!(&root.attachments[0].kind, BlobKind::Foreign { media_type } if media_type.contains("notary")));
    assert_eq!(root.images.len(), 2);
    let found = world.verify(":1", "enforced", None).await.unwrap();
    assert_eq!(found.findings.rejected()[0].rejection.id(), "format-unsupported");
}

/// With and without the referrers API, and `.sig` beside it: what is kept is all that was read.
// [V-180]
#[tokio::test]
async fn what_was_kept_is_judged_as_it_was_in_the_registry() {
    for referrers_api in [true, false] {
        let world = World::new(EmbeddedOptions { referrers_api, ..EmbeddedOptions::default() }).await;
        world.sign_as(&world.key, None).await.unwrap();
        let (policy, limits) = (world.policy("enforced"), Limits::default());
        let now = Timestamp::now();
        let verifier = Verifier { session: &world.session, policy: &policy, now, limits: &limits, trust: None };
        let home = tempfile::tempdir().unwrap();
        for platform in [None, Some(Platform("linux/arm64".to_owned()))] {
            let keeper = Keeper { dir: home.path().to_owned(), policy: serde_json::Value::Null };
            let show = |verification: &Verification| {
                let subject = verification.findings.subject();
                serde_json::json!({
                    "reference": subject.reference().to_string(), "digest": subject.digest(), "index": subject.within(),
                    "decision": "allowed", "unread": [],
                })
            };
            let kept = keeper.verify(&verifier, &world.reference(":1"), platform.as_ref(), show).await.unwrap();
            assert!(matches!(kept.outcome.decision, Decision::Allow(_)), "{kept:?}");
        }
        let before = world.registry.requests().len();
        let kept: Vec<_> = folders(home.path()).unwrap().iter().map(|folder| Kept::read(folder).unwrap()).collect();
        assert_eq!((kept.len(), kept.iter().filter(|one| one.index.is_some()).count()), (2, 1));
        for one in kept {
            let again = one.verify(&verifier).await.unwrap();
            assert!(matches!(again.outcome.decision, Decision::Allow(_)), "{again:?}");
            assert_eq!(again.findings.verified().len(), if one.index.is_some() { 4 } else { 2 });
        }
        assert_eq!(world.registry.requests().len(), before, "nothing is fetched");
    }
}

/// Another signature may come, or one go, between the decision and its keeping: what is kept is then not what was judged.
// [V-180]
#[tokio::test]
async fn what_changed_while_it_was_kept_is_told() {
    let empty = serde_json::json!({ "schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": [] });
    let swapped = hostile::swapped("/referrers/", media_type::IMAGE_INDEX, empty.to_string());
    for changes in [false, true] {
        let swapped = swapped.clone();
        let begun = Arc::new(AtomicBool::new(false));
        let keeps = Arc::clone(&begun);
        let hook: Hook = Arc::new(move |exchange| {
            let is_list = exchange.path().contains("/referrers/") && keeps.load(Ordering::Relaxed);
            (changes && is_list && exchange.earlier > 0).then(|| swapped(exchange)).flatten()
        });
        let world = World::new(EmbeddedOptions { hook: Some(hook), ..EmbeddedOptions::default() }).await;
        world.sign_as(&world.key, None).await.unwrap();
        world.registry.forget_requests();
        begun.store(true, Ordering::Relaxed);
        let (policy, limits, home) = (world.policy("enforced"), Limits::default(), tempfile::tempdir().unwrap());
        let now = Timestamp::now();
        let verifier = Verifier { session: &world.session, policy: &policy, now, limits: &limits, trust: None };
        let repo = Repository::Layout(home.path().join("kept"));
        let Ok(Repo::Layout(into)) = world.session.open(&repo, Access::PullPush) else { panic!("a layout") };
        let (judged, unkept) = verifier.verify_and_keep(&world.reference(":1"), None, &into).await.unwrap();
        assert!(matches!(judged.outcome.decision, Decision::Allow(_)), "{judged:?}");
        assert_eq!(unkept.len(), usize::from(changes), "{unkept:?}");
    }
}
