//! What SPEC.md's "Trust data" says that no attack shows.

use crate::{
    start,
    world::{Key, Machine, World, refusal, role},
};
use boltseal::{
    format::{
        trust_manifest::{TRUST_TAG, TrustArtifact, staging_tag},
        tuf::{Metadata, RoleName, Root, Targets},
    },
    limits::TRUST_RACE_READS,
    oci::{Descriptor, Digest, ImageIndex, ImageManifest, Manifest, Reference, Repository, media_type},
    ops::trust::{Memory, Published, Sealing, Started, StateSource, TrustError, Writer},
    policy::{ContentTrust, Policy},
    registry::{
        Access, Options, Repo, Selector, Session,
        embedded::{Embedded, EmbeddedOptions},
    },
    sign::Signer,
    store::TrustStore,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Alice signs, and bob alone seals.
async fn sealed_by_bob(address: &str) -> World {
    let world = World::new(address, "app", &["root1", "root2", "root3", "targets", "alice", "bob"]);
    let mut init = world.init_of(2, &["alice", "bob"]);
    init.sealing = vec![world.key("bob").public()];
    let started = world.machine("owner").init(&init, &["root1", "root2", "targets", "bob"]).await;
    assert!(matches!(started.expect("it starts"), Started::Live(_)));
    world
}

/// A repository with `1.0` signed by alice.
async fn signed(address: &str) -> (World, Digest) {
    let world = World::sealed(address, "app").await;
    let digest = world.push("1.0", "one").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    (world, digest)
}

fn signers(world: &World, keys: &[&str]) -> Vec<Box<dyn Signer>> {
    keys.iter().map(|name| Box::new(world.key(name).clone()) as Box<dyn Signer>).collect()
}

/// A writer for the world's name at any place, with nothing but this memory.
fn writer<'w>(
    world: &'w World,
    repo: &'w Repo,
    signers: &'w [Box<dyn Signer>],
    memory: &'w Memory,
    clock: &'w (dyn Fn() -> jiff::Timestamp + Send + Sync),
) -> Writer<'w> {
    let (name, place) = (world.name.clone(), world.name.to_string());
    Writer { repo, name, place, signers, memory, rule: None, clock, after_expiry: None, insecure_no_floor: false }
}

fn rule<'p>(world: &World, policy: &'p Policy) -> &'p ContentTrust {
    policy
        .scope(&Repository::Registry(world.name.clone()))
        .and_then(|scope| scope.content_trust.as_ref())
        .expect("a rule")
}

async fn allowed(world: &World, tag: &str, digest: Digest) {
    let policy = world.policy("@ROOT@");
    let verdict = world.machine("reader").verdict(&policy, &format!(":{tag}")).await;
    assert_eq!(verdict, format!("allowed {digest}"));
}

// [V-73]
#[tokio::test]
async fn the_first_state_is_laid_out_as_the_example_says() {
    let (_registry, address) = start().await;
    let (world, digest) = signed(&address).await;
    let served = world.served(TRUST_TAG).await;
    let Manifest::Image(image) = &served.manifest else { panic!("an image manifest") };
    assert_eq!(image.artifact_type.as_deref(), Some("application/vnd.boltseal.trust.v1"));
    assert_eq!(image.config, Descriptor::empty());
    for layer in &image.layers {
        assert_eq!(layer.media_type, "application/vnd.tuf.metadata+json");
        assert!(layer.other.contains_key("data"));
    }
    let names: Vec<_> = image.layers.iter().map(|layer| layer.annotations["tuf.io/filename"].as_str()).collect();
    let seal = names.iter().find(|name| name.ends_with(".snapshot.json")).expect("a snapshot");
    let expected = ["1.root.json", "1.targets%2Falice.json", "1.targets%2Frevoked.json", "1.targets.json", seal];
    assert_eq!(names, [&expected[..], &["2.targets%2Freleases.json", "timestamp.json"]].concat());

    let top = Metadata::<Targets>::decode(&served.files["1.targets.json"]).expect("targets");
    assert!(top.signed().targets.is_empty());
    let roles = top.signed().delegations().iter();
    let roles: Vec<_> = roles.map(|role| (role.name.as_str(), role.terminating, role.paths.clone())).collect();
    let all = Some(vec!["*".to_owned()]);
    let revoked = ("targets/revoked", false, Some(vec!["revoked/sha256/*".to_owned()]));
    let by_name = [("targets/alice", false, all.clone()), ("targets/bob", false, all.clone())];
    assert_eq!(roles, [&[("targets/releases", true, all)][..], &by_name, &[revoked]].concat());
    let map = Metadata::<Targets>::decode(&served.files["2.targets%2Freleases.json"]).expect("targets");
    assert_eq!(map.signed().targets.get("1.0").and_then(|target| target.sha256()), Some(digest));
    let root = Metadata::<Root>::decode(&served.files["1.root.json"]).expect("a root");
    let days = serde_json::json!({"root": 1095, "targets": 365, "snapshot": 365, "timestamp": 14});
    assert_eq!(root.signed().unknown["x-boltseal"], serde_json::json!({ "days": days }));
}

/// Pushes an index of two images: its digest, and theirs.
async fn push_index(world: &World, tag: &str) -> (Digest, [Digest; 2]) {
    let repo = world.repo(Access::PullPush);
    repo.push_blob(media_type::EMPTY_CONTENT).await.expect("a blob");
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let mut image = ImageManifest::new(Descriptor::empty(), vec![Descriptor::empty()]);
        image.annotations.insert("for".to_owned(), architecture.to_owned());
        let image = Manifest::Image(Box::new(image));
        let digest = Digest::sha256(&image.encode());
        repo.push_manifest(&Selector::Digest(digest), &image).await.expect("an image");
        entries.push(Descriptor::of(media_type::IMAGE_MANIFEST, &image.encode()));
    }
    let digests = [entries[0].digest, entries[1].digest];
    let index = Manifest::Index(Box::new(ImageIndex::new(entries)));
    (repo.push_manifest(&Selector::Tag(tag.to_owned()), &index).await.expect("an index").0, digests)
}

// [V-69]
#[tokio::test]
async fn what_is_listed_or_revoked_extends_from_an_index_to_its_images() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let (index, images) = push_index(&world, "1.0").await;
    let owner = world.machine("owner");
    owner.must_sign("1.0", &["alice"]).await;
    let files = world.served(TRUST_TAG).await.files;
    let map = Metadata::<Targets>::decode(&files["2.targets%2Freleases.json"]).expect("targets");
    let target = map.signed().targets.get("1.0").expect("the tag");
    assert_eq!((target.sha256(), target.listed_digests().collect()), (Some(index), images.to_vec()));
    let policy = world.policy("@ROOT@");
    let says = async |digest: Digest| world.machine("reader").verdict(&policy, &format!("@{digest}")).await;
    assert_eq!(says(images[1]).await, format!("allowed {}", images[1]));
    let revoked = owner.write(&["targets", "alice"], async |writer| writer.revoke(index, "CVE-2026-1").await).await;
    assert_eq!(revoked.expect("revoked").sealing, Sealing::Sealed);
    assert_eq!(says(images[1]).await, "revoked");
    // A tag that stands for what is revoked can still be taken from the map.
    let removed = owner.write(&["alice", "bob"], async |writer| writer.remove_tag("1.0").await).await;
    assert_eq!(removed.expect("un-listed").sealing, Sealing::Sealed);
}

// [V-86]
#[tokio::test]
async fn what_is_refused_is_not_remembered() {
    let (_registry, address) = start().await;
    let (world, digest) = signed(&address).await;
    let old = world.served(TRUST_TAG).await;
    let two = world.push("1.0", "two").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    allowed(&world, "1.0", two).await;
    let remembered = || TrustStore::at(world.folder().join("reader")).load(&world.name.to_string()).expect("it loads");
    let before = remembered();
    world.serve(TRUST_TAG, &old.manifest).await;
    assert_eq!(world.machine("reader").verdict(&world.policy("@ROOT@"), ":1.0").await, "rollback");
    world.pass(20);
    // In permissive mode a stale state still says what a tag means, and is not remembered either.
    let permissive = world.policy_of("@ROOT@", "permissive");
    let stale = world.machine("stranger").verify(&permissive, ":1.0").await.expect("it can tell");
    assert_eq!(stale.findings.subject().digest(), digest);
    assert_eq!(remembered(), before);
    assert!(!world.folder().join("stranger").exists());
}

/// A registry that, once told to, answers one request for the trust tag with this older manifest.
async fn forgetful(old: &Arc<Mutex<Option<Bytes>>>) -> (Embedded, String) {
    let old = Arc::clone(old);
    let path = format!("/manifests/{TRUST_TAG}");
    let hook = move |exchange: &boltseal::registry::embedded::Exchange| {
        let served = exchange.path_and_query.ends_with(&path) && exchange.method == http::Method::GET;
        let content = if served { old.lock().expect("whole").take() } else { None };
        let body = Full::new(content?).map_err(|never| match never {}).boxed();
        Some(
            http::Response::builder().header("content-type", media_type::IMAGE_MANIFEST).body(body).expect("an answer"),
        )
    };
    let options = EmbeddedOptions { hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() };
    let registry = Embedded::start(options).await.expect("loopback");
    let address = registry.address().to_string();
    (registry, address)
}

// [V-87]
#[tokio::test]
async fn an_older_state_that_is_gone_at_the_next_read_was_a_race() {
    let next = Arc::default();
    let (registry, address) = forgetful(&next).await;
    let (world, _) = signed(&address).await;
    let old = world.served(TRUST_TAG).await.manifest;
    let two = world.push("1.0", "two").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    allowed(&world, "1.0", two).await;
    for keys in [None, Some("alice")] {
        *next.lock().expect("whole") = Some(Bytes::from(old.encode()));
        match keys {
            None => allowed(&world, "1.0", two).await,
            Some(key) => {
                assert_eq!(world.machine("owner").refresh(&[key]).await.expect("sealed").sealing, Sealing::Sealed)
            }
        }
    }
    world.serve(TRUST_TAG, &old).await;
    registry.forget_requests();
    assert_eq!(world.machine("reader").verdict(&world.policy("@ROOT@"), ":1.0").await, "rollback");
    let reads = registry.requests().iter().filter(|one| one.path_and_query.ends_with(TRUST_TAG)).count();
    assert_eq!(reads, 1 + TRUST_RACE_READS as usize, "once, and as often again");
}

// [V-98]
#[tokio::test]
async fn a_writer_who_is_written_over_does_not_wait_to_the_end() {
    let path = format!("/manifests/{TRUST_TAG}");
    let over: Arc<AtomicBool> = Arc::default();
    let is_over = Arc::clone(&over);
    let hook = move |exchange: &boltseal::registry::embedded::Exchange| {
        let asks = exchange.path_and_query.ends_with(&path) && exchange.method == http::Method::HEAD;
        let asked = asks && is_over.load(Ordering::Relaxed);
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed();
        let answer = http::Response::builder()
            .header("content-type", media_type::IMAGE_MANIFEST)
            .header("content-length", "2")
            .header("docker-content-digest", Digest::sha256(b"somebody else's").to_string());
        asked.then(|| answer.body(body).expect("an answer"))
    };
    let options = EmbeddedOptions { hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() };
    let registry = Embedded::start(options).await.expect("loopback");
    let (world, _) = signed(&registry.address().to_string()).await;
    over.store(true, Ordering::Relaxed);
    let patient = Session::new(Options { settle: Duration::from_secs(3600), ..Options::default() }).expect("a session");
    let repo = patient.open(&Repository::Registry(world.name.clone()), Access::PullPush).expect("a repository");
    let (keys, owner, clock) = (signers(&world, &["alice"]), world.machine("owner"), || world.now());
    let sealing = writer(&world, &repo, &keys, &owner.memory, &clock);
    let sealed = tokio::time::timeout(Duration::from_secs(60), sealing.refresh(None)).await.expect("it looked");
    assert_eq!(sealed.expect("it is published").sealing, Sealing::Sealed);
}

// [V-88]
#[tokio::test]
async fn what_is_remembered_stands_in_for_a_registry_that_fails_as_long_as_it_is_fresh() {
    let (registry, address) = start().await;
    let (world, digest) = signed(&address).await;
    allowed(&world, "1.0", digest).await;
    drop(registry);
    let policy = world.policy("@ROOT@");
    let verification = world.machine("reader").verify(&policy, ":1.0").await.expect("it remembers");
    assert_eq!(verification.trust.expect("asked").source, StateSource::Remembered);
    assert!(world.machine("stranger").verify(&policy, ":1.0").await.is_err(), "it can't tell");
    world.pass(15);
    let stale = world.policy_of("@ROOT@", "permissive");
    let verification = world.machine("reader").verify(&stale, ":1.0").await.expect("it remembers");
    assert!(matches!(verification.outcome.decision, boltseal::policy::Decision::Deny(_)));
}

// [V-92] [V-93]
#[tokio::test]
async fn what_has_expired_is_renewed_by_who_knows_that_it_is_the_newest() {
    let (_registry, address) = start().await;
    let (world, _) = signed(&address).await;
    world.machine("owner").pin().await;
    let old_lock = world.locked();
    let (policy, keys) = (world.policy("@ROOT@"), signers(&world, &["alice"]));
    let (repo, memory, clock) = (world.repo(Access::PullPush), Memory::default(), || world.now());
    let pinned = |after_expiry, insecure_no_floor| Writer {
        rule: Some(rule(&world, &policy)),
        after_expiry,
        insecure_no_floor,
        ..writer(&world, &repo, &keys, &memory, &clock)
    };
    // Root keys alone say nothing of what is the newest.
    assert!(matches!(pinned(None, false).refresh(None).await, Err(TrustError::NoFloor { .. })));
    world.push("2.0", "two").await;
    world.machine("owner").must_sign("2.0", &["alice"]).await;
    world.pass(15);
    let Err(TrustError::NeedsSnapshot { snapshot, .. }) = pinned(None, true).refresh(None).await else {
        panic!("it has expired")
    };
    let other = Digest::sha256(b"another");
    assert!(matches!(pinned(Some(other), true).refresh(None).await, Err(TrustError::OtherSnapshot { .. })));
    let before = old_lock.refresh(&["alice"]).await;
    assert!(matches!(before, Err(TrustError::OtherSnapshot { .. })), "the lock knows an older one");
    assert_eq!(pinned(Some(snapshot), true).refresh(None).await.expect("sealed").sealing, Sealing::Sealed);
    // A machine that remembers what is live renews it, too.
    assert_eq!(world.machine("owner").sign("2.0", &["alice"]).await.expect("there").sealing, Sealing::Unchanged);
    world.pass(15);
    assert_eq!(world.machine("owner").refresh(&["alice"]).await.expect("sealed").sealing, Sealing::Sealed);
}

// [V-96]
#[tokio::test]
async fn what_one_signer_stages_one_after_the_other_is_all_sealed() {
    let (_registry, address) = start().await;
    let world = sealed_by_bob(&address).await;
    let owner = world.machine("owner");
    let mut digests = Vec::new();
    for tag in ["1.0", "2.0", "3.0"] {
        digests.push((tag, world.push(tag, tag).await));
        assert_eq!(owner.sign(tag, &["alice"]).await.expect("staged").sealing, Sealing::Staged);
    }
    let tag = staging_tag(&role(RoleName::RELEASES), world.key("alice").public().fingerprint());
    let staged = world.served(&tag).await;
    let names: Vec<_> = staged.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["2.targets%2Freleases.json", "3.targets%2Freleases.json", "4.targets%2Freleases.json"]);
    assert_eq!(owner.refresh(&["bob"]).await.expect("sealed").sealing, Sealing::Sealed);
    for (tag, digest) in digests {
        allowed(&world, tag, digest).await;
    }
}

// [V-97]
#[tokio::test]
async fn nothing_is_written_that_a_reader_would_refuse() {
    let (_registry, address) = start().await;
    let (world, _) = signed(&address).await;
    world.pass(366);
    let before = world.served(TRUST_TAG).await.files;
    // The administration's file has expired, and its key is elsewhere.
    let error = world.machine("owner").refresh(&["alice", "bob"]).await.expect_err("it can't be renewed");
    assert!(matches!(&error, TrustError::Unverifiable(why) if why.id() == "expired"), "{error}");
    assert_eq!(world.served(TRUST_TAG).await.files, before);
}

// [V-98]
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_was_overtaken_since_its_read_does_not_write() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    world.machine("owner").pin().await;
    let gone = world.key("bob").public().fingerprint();
    let others = async || {
        let keys = ["root1", "root2"];
        let removed = world.locked().write(&keys, async |writer| writer.remove_sealer(gone).await).await;
        assert_eq!(removed.expect("removed").sealing, Sealing::Sealed);
    };
    // The time is asked for when the state has been read: meanwhile holders of root keys take bob's right to seal. They
    // can't seal, so that timestamp and snapshot stay as they are.
    let first = AtomicBool::new(true);
    let clock = || {
        if first.swap(false, Ordering::SeqCst) {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(others()));
        }
        world.now()
    };
    let (repo, keys, owner) = (world.repo(Access::PullPush), signers(&world, &["alice"]), world.machine("owner"));
    let published = writer(&world, &repo, &keys, &owner.memory, &clock).refresh(None).await.expect("sealed");
    assert_eq!((published.sealing, published.state().root().version()), (Sealing::Sealed, 2));
    assert!(world.served(TRUST_TAG).await.files.contains_key("2.root.json"));
}

// [V-98]
#[tokio::test]
async fn what_calls_itself_a_root_and_is_none_is_not_taken_along() {
    let (_registry, address) = start().await;
    let (world, digest) = signed(&address).await;
    let mut files = world.served(TRUST_TAG).await.files;
    files.insert("99.root.json".to_owned(), b"junk".to_vec());
    world.serve_files(&files).await;
    allowed(&world, "1.0", digest).await;
    assert_eq!(world.machine("owner").refresh(&["alice"]).await.expect("sealed").sealing, Sealing::Sealed);
    assert!(!world.served(TRUST_TAG).await.files.contains_key("99.root.json"));
}

// [V-99]
#[tokio::test]
async fn a_copy_at_the_image_is_read_only_where_the_policy_says_so_and_not_for_ever() {
    let (_registry, address) = start().await;
    let (world, digest) = signed(&address).await;
    let image: Reference = world.reference(&format!("@{digest}"));
    let attached = world.machine("owner").write(&[], async |writer| writer.attach(&image).await).await;
    let copy =
        world.repo(Access::Pull).manifest(&Selector::Digest(attached.expect("a copy"))).await.expect("it is there");
    let copy = copy.image().expect("an artifact").clone();
    assert_eq!(copy.subject.as_ref().map(|subject| subject.digest), Some(digest));
    assert_eq!(TrustArtifact::State.decode(&copy).expect("files").0.len(), world.served(TRUST_TAG).await.files.len());
    world.delete(TRUST_TAG).await;
    let travels = world.policy("@ROOT@, travel: { max-age: 30d }");
    let says = async |policy: &Policy, rest: &str| world.machine("reader").verdict(policy, rest).await;
    assert_eq!(says(&world.policy("@ROOT@"), ":1.0").await, "trust-removed");
    for rest in [":1.0".to_owned(), format!("@{digest}")] {
        assert_eq!(says(&travels, &rest).await, format!("allowed {digest}"));
    }
    // The timestamp counts for 14 days; how long a copy does is the policy's say.
    world.pass(29);
    assert_eq!(says(&travels, ":1.0").await, format!("allowed {digest}"));
    world.pass(2);
    assert_eq!(says(&travels, ":1.0").await, "travel-too-old");
    let bare = world.push("2.0", "bare").await;
    assert_eq!(says(&travels, &format!("@{bare}")).await, "trust-removed");
}

/// Writes the live state into a file.
async fn export(world: &World, path: &Path) {
    let exported = world.machine("owner").write(&[], async |writer| writer.export().await).await.expect("a state");
    fs::write(path, exported.1).expect("a file");
}

// [V-100]
#[tokio::test]
async fn an_exported_state_is_put_in_place_at_a_mirror_and_never_over_a_newer_one() {
    let (_registry, address) = start().await;
    let (world, _) = signed(&address).await;
    let (old, new) = (world.folder().join("old.json"), world.folder().join("new.json"));
    export(&world, &old).await;
    let two = world.push("2.0", "two").await;
    world.machine("owner").must_sign("2.0", &["alice"]).await;
    export(&world, &new).await;
    let file: serde_json::Value = serde_json::from_slice(&fs::read(&new).expect("a file")).expect("JSON");
    assert_eq!((&file["type"], &file["version"]), (&"boltseal.dev/trust-state".into(), &1.into()));
    assert_eq!(file["repository"], world.name.to_string());
    let served = world.served(TRUST_TAG).await.files;
    assert_eq!(file["files"]["timestamp.json"].as_str().map(str::as_bytes), Some(&*served["timestamp.json"]));

    let mut mirror = World::new(&address, "mirror", &[]);
    mirror.keys = world.keys.clone();
    assert_eq!(mirror.push("2.0", "two").await, two);
    let (repo, memory, policy) = (mirror.repo(Access::PullPush), Memory::default(), world.policy("@ROOT@"));
    let clock = || world.now();
    let place = mirror.name.to_string();
    let rule = Some(rule(&world, &policy));
    let writer = Writer { rule, place, ..writer(&world, &repo, &[], &memory, &clock) };
    let _ = writer.import(&new).await.expect("in place");
    let map = format!("@ROOT@, identity: {{ map: {{ \"{}\": \"{}\" }} }}", mirror.name, world.name);
    assert_eq!(mirror.machine("reader").verdict(&mirror.policy(&map), ":2.0").await, format!("allowed {two}"));
    assert_eq!(mirror.machine("reader").verdict(&mirror.policy("@ROOT@"), ":2.0").await, "wrong-repository");
    let before = mirror.served(TRUST_TAG).await.files;
    assert_eq!(refusal(&writer.import(&old).await.expect_err("an older one")), "rollback");
    fs::write(&old, fs::read_to_string(&new).expect("text").replacen("\"version\": 1", "\"version\": 2", 1))
        .expect("a file");
    assert!(matches!(writer.import(&old).await, Err(TrustError::File { .. })));
    assert_eq!(mirror.served(TRUST_TAG).await.files, before);
}

async fn administer(owner: &Machine<'_>, work: impl AsyncFnOnce(&Writer<'_>) -> Result<Published, TrustError>) {
    let published = owner.write(&["targets", "alice"], work).await.expect("published");
    assert_eq!(published.sealing, Sealing::Sealed);
}

// [V-101]
#[tokio::test]
async fn a_signer_that_comes_back_starts_afresh_and_goes_on_counting() {
    let (_registry, address) = start().await;
    let mut world = World::sealed(&address, "app").await;
    world.keys.insert("carol".to_owned(), Key::new());
    let (one, owner) = (world.push("1.0", "one").await, world.machine("owner"));
    let (keys, carol) = ([world.key("carol").public()], role("targets/carol"));
    let policy = world.policy("@ROOT@, require-roles: [targets/releases, targets/carol]");
    for version in 1..=2 {
        administer(&owner, async |writer| writer.add_signer("carol", &keys, true).await).await;
        assert_eq!(
            world.machine("reader").verdict(&policy, ":1.0").await,
            if version == 1 { "not-listed" } else { "roles-disagree" }
        );
        owner.must_sign("1.0", &["carol", "alice"]).await;
        assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {one}"));
        let state = owner.write(&[], async |writer| writer.state(false).await).await.expect("a state");
        assert_eq!(state.versions()[&carol], version);
        administer(&owner, async |writer| writer.remove_signer("carol").await).await;
        let state = owner.write(&[], async |writer| writer.state(false).await).await.expect("a state");
        let listed = state.snapshot().signed().file(&carol).expect("it stays listed").clone();
        assert_eq!((listed.version, listed.length, listed.hashes), (version, None, None));
    }
}
