//! The attacks that CONTENT-TRUST lists, on whatever registry holds the repository: who may push, and what clients say.

use crate::world::{Key, Machine, Served, World, refusal, role};
use boltseal::{
    crypto::PublicKey,
    format::{
        trust_manifest::{TRUST_TAG, TrustArtifact, staging_tag},
        tuf::{Key as TufKey, Metadata, Role, RoleName, Root, Snapshot, Target, Targets, Timestamp},
    },
    oci::{Digest, Manifest},
    ops::trust::{Sealing, Started, TrustError},
    sign::sign_metadata,
    trust::tuf::author::{self, Sealed},
};
use std::{collections::BTreeMap, pin::Pin};

type Attack = for<'a> fn(&'a str, &'a str) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Each attack by name: takes the registry's address and a repository's path that nobody else uses.
pub fn all() -> Vec<(&'static str, Attack)> {
    macro_rules! attacks {
        ($($name:ident),* $(,)?) => { vec![$((stringify!($name), (|address, path| Box::pin($name(address, path))) as Attack)),*] };
    }
    attacks![
        an_older_state_is_served,
        an_older_map_is_served_under_a_newer_seal,
        the_timestamp_is_signed_by_nobody,
        another_root_takes_the_place_of_a_known_one,
        a_fresh_client_is_led_to_the_attackers_root,
        trust_data_are_removed,
        an_honest_pipeline_does_not_launder_an_old_state,
        another_repositorys_state_is_copied,
        another_repositorys_staged_role_is_copied,
        a_removed_signer_seals_an_old_state,
        a_key_is_labelled_with_a_pinned_ones_id,
        one_key_under_two_ids_meets_no_threshold_of_two,
        a_version_at_the_end_locks_nobody_out,
        a_frozen_state_expires,
        a_moved_tag_has_no_effect,
        a_revoked_tag_and_digest_are_refused,
        a_removed_signer_is_refused_whatever_the_client_knows,
        roles_that_disagree_answer_nothing,
        a_signer_poses_as_another_by_a_second_delegation,
    ]
}

/// A repository with `1.0` signed by alice, and what was live then.
async fn signed(address: &str, path: &str) -> (World, Digest, Served) {
    let world = World::sealed(address, path).await;
    let digest = world.push("1.0", "one").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    let live = world.served(TRUST_TAG).await;
    (world, digest, live)
}

fn allowed(digest: &Digest) -> String {
    format!("allowed {digest}")
}

/// Signs a role's file with these keys, which the map of keys has to list.
pub async fn sign<R: Role>(file: R, keys: &BTreeMap<String, TufKey>, signers: &[&Key]) -> Vec<u8> {
    let mut metadata = Metadata::unsigned(file).expect("metadata");
    for signer in signers {
        sign_metadata(&mut metadata, keys, *signer).await.expect("it signs");
    }
    metadata.encode()
}

pub fn decode<R: Role>(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Metadata<R> {
    Metadata::decode(&files[name]).expect("metadata")
}

pub fn root_of(files: &BTreeMap<String, Vec<u8>>) -> Root {
    let newest = files.keys().filter_map(|name| name.strip_suffix(".root.json")?.parse::<u64>().ok()).max();
    decode::<Root>(files, &format!("{}.root.json", newest.expect("a root"))).signed().clone()
}

/// The name of a role's file among these, whatever its version.
pub fn file_of(files: &BTreeMap<String, Vec<u8>>, role: &str) -> String {
    let suffix = format!(".{}", RoleName::from(role).file_name(None));
    files.keys().find(|name| name.ends_with(&suffix)).expect("a file").clone()
}

/// Seals files anew: what a thief of the sealing keys can do, and others try.
pub async fn seal_with(
    world: &World,
    files: &mut BTreeMap<String, Vec<u8>>,
    keys: &BTreeMap<String, TufKey>,
    signers: &[&Key],
) {
    let now = world.now();
    let later = jiff::Timestamp::from_second(now.as_second() + 86_400).expect("a time");
    let old = file_of(files, "snapshot");
    let before = decode::<Snapshot>(files, &old).signed().clone();
    let names: Vec<_> =
        ["targets", "targets/releases", "targets/revoked", "targets/alice", "targets/bob"].map(role).to_vec();
    let there = names.into_iter().filter_map(|role| {
        let suffix = format!(".{}", role.file_name(None));
        let name = files.keys().find(|name| name.ends_with(&suffix))?;
        let version = name.split('.').next()?.parse().ok()?;
        Some((role, Sealed { version, bytes: files[name].as_slice() }))
    });
    let snapshot = author::next_snapshot(Some(&before), &there.collect(), now, later).expect("a snapshot");
    let version = snapshot.header.version;
    let snapshot = sign(snapshot, keys, signers).await;
    let timestamp = decode::<Timestamp>(files, "timestamp.json").signed().clone();
    let timestamp = author::next_timestamp(Some(&timestamp), Sealed { version, bytes: &snapshot }, now, later)
        .expect("a timestamp");
    files.remove(&old);
    files.insert(RoleName::Snapshot.file_name(Some(version)), snapshot);
    files.insert("timestamp.json".to_owned(), sign(timestamp, keys, signers).await);
}

/// Readers who saw the newer state, or have its lock, refuse the older one; one without memory can't know, until it expires.
async fn an_older_state_is_served(address: &str, path: &str) {
    let (world, one, old) = signed(address, path).await;
    let policy = world.policy("@ROOT@");
    let two = world.push("1.0", "two").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    world.machine("owner").pin().await;
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, allowed(&two));
    world.serve(TRUST_TAG, &old.manifest).await;
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "rollback");
    assert_eq!(world.locked().verdict(&policy, ":1.0").await, "rollback");
    assert_eq!(world.machine("stranger").verdict(&policy, ":1.0").await, allowed(&one));
    world.pass(15);
    assert_eq!(world.machine("another").verdict(&policy, ":1.0").await, "expired");
}

async fn an_older_map_is_served_under_a_newer_seal(address: &str, path: &str) {
    let (world, _, old) = signed(address, path).await;
    world.push("1.0", "two").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    let mut files = world.served(TRUST_TAG).await.files;
    let (new, before) = (file_of(&files, "targets/releases"), file_of(&old.files, "targets/releases"));
    files.insert(new, old.files[&before].clone());
    world.serve_files(&files).await;
    let policy = world.policy("@ROOT@");
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "mix-and-match");
    assert_eq!(world.machine("owner").verdict(&policy, ":1.0").await, "mix-and-match");
}

async fn the_timestamp_is_signed_by_nobody(address: &str, path: &str) {
    let (world, _, live) = signed(address, path).await;
    let mut files = live.files;
    let text = String::from_utf8(files["timestamp.json"].clone()).expect("text");
    let at = text.find("\"sig\":\"").expect("a signature") + 20;
    let mut text = text.into_bytes();
    text[at] = if text[at] == b'0' { b'1' } else { b'0' };
    files.insert("timestamp.json".to_owned(), text);
    world.serve_files(&files).await;
    let policy = world.policy("@ROOT@");
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "threshold-unmet");
    // A thief of another key seals.
    let mallory = world.key("mallory");
    let mut keys = root_of(&files).keys;
    keys.insert("mallory".to_owned(), TufKey::new(&mallory.public()));
    let timestamp = decode::<Timestamp>(&world.served(TRUST_TAG).await.files, "timestamp.json").signed().clone();
    files.insert("timestamp.json".to_owned(), sign(timestamp, &keys, &[mallory]).await);
    world.serve_files(&files).await;
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "threshold-unmet");
}

async fn another_root_takes_the_place_of_a_known_one(address: &str, path: &str) {
    let (world, digest, _) = signed(address, path).await;
    let (pinned, tofu) = (world.policy("@ROOT@"), world.policy("tofu: once"));
    assert_eq!(world.machine("reader").verdict(&pinned, ":1.0").await, allowed(&digest));
    assert_eq!(world.machine("first").verdict(&tofu, ":1.0").await, allowed(&digest));
    world.machine("owner").pin().await;
    take_over(&world).await;
    for (known, policy) in [("reader", &pinned), ("owner", &pinned), ("first", &tofu)] {
        assert_eq!(world.machine(known).verdict(policy, ":1.0").await, "root-changed", "{known}");
    }
    assert_eq!(world.locked().verdict(&pinned, ":1.0").await, "root-changed");
    let error = world.machine("owner").sign("1.0", &["alice"]).await.expect_err("it is another trust");
    assert_eq!(refusal(&error), "root-changed");
}

async fn a_fresh_client_is_led_to_the_attackers_root(address: &str, path: &str) {
    let (world, _, _) = signed(address, path).await;
    let evil = take_over(&world).await;
    assert_eq!(world.machine("fresh").verdict(&world.policy("@ROOT@"), ":1.0").await, "root-changed");
    // Only a policy that allows first use is led on, and says so.
    let tofu = world.policy("tofu: once");
    let led = world.machine("trusting").verify(&tofu, ":1.0").await.expect("it can tell");
    assert!(led.trust.expect("asked").first_use);
    assert_eq!(led.findings.subject().digest(), evil);
    let mut forgetful = world.machine("forgetful");
    forgetful.memory.store = None;
    assert_eq!(forgetful.verdict(&tofu, ":1.0").await, "no-anchor");
}

/// Whoever may push puts trust data of their own in the place of those that are there: complete, for the same name.
async fn take_over(world: &World) -> Digest {
    let evil = world.push("1.0", "evil").await;
    let files = forge(&world.name.to_string(), &evil, world.now()).await;
    world.serve_files(&files).await;
    evil
}

/// A complete state by keys of one's own.
async fn forge(repository: &str, digest: &Digest, now: jiff::Timestamp) -> BTreeMap<String, Vec<u8>> {
    let later = jiff::Timestamp::from_second(now.as_second() + 86_400 * 10).expect("a time");
    let (root_key, key) = (Key::new(), Key::new());
    let (roots, others): ([PublicKey; 1], [PublicKey; 1]) = ([root_key.public()], [key.public()]);
    let by = |keys| author::Signers { keys, threshold: 1 };
    let top =
        author::TopLevel { root: by(&roots), timestamp: by(&others), snapshot: by(&others), targets: by(&others) };
    let root = author::new_root(&top, later).expect("a root");
    let keys = root.keys.clone();
    let releases = role(RoleName::RELEASES);
    let mut list = author::new_targets(repository, later);
    let delegation =
        author::NewDelegation { role: &releases, signers: by(&others), paths: &["*"], terminating: true, first: true };
    author::delegate(&mut list, &delegation).expect("a delegation");
    let mut map = author::new_targets(repository, later);
    author::set_tag(&mut map, "1.0", Target::new(1, digest)).expect("a tag");
    let (list, map) = (sign(list, &keys, &[&key]).await, sign(map, &keys, &[&key]).await);
    let listed = BTreeMap::from([
        (RoleName::Targets, Sealed { version: 1, bytes: &list }),
        (releases.clone(), Sealed { version: 1, bytes: &map }),
    ]);
    let snapshot = author::next_snapshot(None, &listed, now, later).expect("a snapshot");
    let version = snapshot.header.version;
    let snapshot = sign(snapshot, &keys, &[&key]).await;
    let sealed = Sealed { version, bytes: &snapshot };
    let timestamp = author::next_timestamp(None, sealed, now, later).expect("a timestamp");
    BTreeMap::from([
        ("1.root.json".to_owned(), sign(root, &keys, &[&root_key]).await),
        ("1.targets.json".to_owned(), list),
        (releases.file_name(Some(1)), map),
        ("timestamp.json".to_owned(), sign(timestamp, &keys, &[&key]).await),
        (RoleName::Snapshot.file_name(Some(version)), snapshot),
    ])
}

// [V-89]
async fn trust_data_are_removed(address: &str, path: &str) {
    let (world, digest, _) = signed(address, path).await;
    let policy = world.policy("@ROOT@");
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, allowed(&digest));
    world.delete(TRUST_TAG).await;
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "trust-removed");
    assert_eq!(world.machine("fresh").verdict(&policy, ":1.0").await, "trust-removed");
    let error = world.machine("owner").sign("1.0", &["alice"]).await.expect_err("nothing to build on");
    assert_eq!(refusal(&error), "trust-removed");
}

/// The old state is back and what was staged since is gone; then an honest pipeline signs, and cron refreshes.
// [V-92]
async fn an_honest_pipeline_does_not_launder_an_old_state(address: &str, path: &str) {
    let (world, _, old) = signed(address, path).await;
    world.push("1.0", "two").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    world.machine("owner").pin().await;
    world.serve(TRUST_TAG, &old.manifest).await;
    let nothing = Manifest::Image(Box::new(TrustArtifact::Staged.encode(&BTreeMap::<_, Vec<u8>>::new())));
    for signer in ["alice", "bob"] {
        let staged = staging_tag(&role(RoleName::RELEASES), world.key(signer).public().fingerprint());
        world.serve(&staged, &nothing).await;
    }
    let before = world.served(TRUST_TAG).await.files;
    for machine in [world.machine("owner"), world.locked()] {
        for error in [
            machine.sign("1.0", &["alice"]).await.expect_err("an old state"),
            machine.refresh(&["alice"]).await.expect_err("an old state"),
        ] {
            assert_eq!(refusal(&error), "rollback");
        }
    }
    // Who remembers nothing and has no lock does not seal at all.
    let mut stranger = world.machine("stranger");
    stranger.memory.lock = None;
    let policy_pins = stranger.refresh(&["alice"]).await.expect_err("nothing is known");
    assert!(matches!(policy_pins, TrustError::NoAnchor { .. }), "{policy_pins}");
    assert_eq!(world.served(TRUST_TAG).await.files, before);
}

/// Two repositories with one root: their states are not interchangeable.
async fn another_repositorys_state_is_copied(address: &str, path: &str) {
    let (mut world, _, live) = signed(address, path).await;
    world.name = format!("{address}/{path}-copy").parse().expect("a name");
    world.push("1.0", "one").await;
    world.serve_files(&live.files).await;
    assert_eq!(world.machine("reader").verdict(&world.policy("@ROOT@"), ":1.0").await, "wrong-repository");
    // Where the policy says that this is a mirror, it is one.
    let origin = format!("{address}/{path}");
    let mirror = world.policy(&format!("@ROOT@, identity: {{ map: {{ \"{}\": \"{origin}\" }} }}", world.name));
    let verdict = world.machine("mirrored").verdict(&mirror, ":1.0").await;
    assert!(verdict.starts_with("allowed"), "{verdict}");
}

// [V-95]
async fn another_repositorys_staged_role_is_copied(address: &str, path: &str) {
    let (world, digest, _) = signed(address, path).await;
    // The same key holders have another repository, in which an image was staged, and not sealed.
    let mut other = World::new(address, &format!("{path}-other"), &[]);
    other.keys = world.keys.clone();
    let init = other.init_of(2, &["alice", "bob"]);
    let started = other.machine("owner").init(&init, &["root1", "root2", "targets", "alice"]).await;
    assert!(matches!(started.expect("it starts"), Started::Live(_)));
    let tag = staging_tag(&role(RoleName::RELEASES), world.key("alice").public().fingerprint());
    let live = world.served(TRUST_TAG).await.files;
    let newest = file_of(&live, RoleName::RELEASES);
    let before = decode::<Targets>(&live, &newest);
    let mut map = author::next_targets(&role(RoleName::RELEASES), before.signed(), &live[&newest], before.expires())
        .expect("the next one");
    map.binding.as_mut().expect("bound").repository = other.name.to_string();
    author::set_tag(&mut map, "1.0", Target::new(1, &Digest::sha256(b"evil"))).expect("a tag");
    let keys = decode::<Targets>(&live, &file_of(&live, "targets")).signed().delegations.clone().expect("some").keys;
    let version = map.header.version;
    let staged = sign(map, &keys, &[world.key("alice")]).await;
    let files = BTreeMap::from([(role(RoleName::RELEASES).file_name(Some(version)), staged)]);
    world.stage(&tag, &files).await;
    assert_eq!(world.machine("owner").refresh(&["bob"]).await.expect("refreshed").sealing, Sealing::Sealed);
    let policy = world.policy("@ROOT@");
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, allowed(&digest));
}

/// Carol may sign, and not seal. Once removed she brings back the state that lists her: she can't seal it.
async fn a_removed_signer_seals_an_old_state(address: &str, path: &str) {
    let (mut world, _, _) = signed(address, path).await;
    world.keys.insert("carol".to_owned(), Key::new());
    let owner = world.machine("owner");
    let keys = [world.key("carol").public()];
    let added = owner.write(&["targets", "alice"], async |writer| writer.add_signer("carol", &keys, true).await).await;
    assert_eq!(added.expect("added").sealing, Sealing::Sealed);
    let evil = world.push("1.0", "evil").await;
    let listed = world.served(TRUST_TAG).await.files;
    let removed = owner.write(&["targets", "alice"], async |writer| writer.remove_signer("carol").await).await;
    assert_eq!(removed.expect("removed").sealing, Sealing::Sealed);
    let mut old = listed.clone();
    let (newest, keys) = (file_of(&old, RoleName::RELEASES), carol_s_keys(&old));
    let before = decode::<Targets>(&old, &newest);
    let mut map = author::next_targets(&role(RoleName::RELEASES), before.signed(), &old[&newest], before.expires())
        .expect("the next one");
    author::set_tag(&mut map, "1.0", Target::new(1, &evil)).expect("a tag");
    let (version, map) = (map.header.version, sign(map, &keys, &[world.key("carol")]).await);
    old.remove(&newest);
    old.insert(role(RoleName::RELEASES).file_name(Some(version)), map);
    let mut root = root_of(&old).keys;
    root.extend(keys);
    seal_with(&world, &mut old, &root, &[world.key("carol")]).await;
    world.serve_files(&old).await;
    let policy = world.policy("@ROOT@");
    for known in ["fresh", "owner"] {
        assert_eq!(world.machine(known).verdict(&policy, ":1.0").await, "threshold-unmet", "{known}");
    }
}

fn carol_s_keys(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, TufKey> {
    decode::<Targets>(files, &file_of(files, "targets")).signed().delegations.clone().expect("delegations").keys
}

/// The attacker's key under the id of a pinned one: pins are fingerprints that we compute.
async fn a_key_is_labelled_with_a_pinned_ones_id(address: &str, path: &str) {
    let (world, _, live) = signed(address, path).await;
    let mut root = root_of(&live.files);
    let mallory = world.key("mallory");
    for key in root.keys.values_mut() {
        *key = TufKey::new(&mallory.public());
    }
    for keys in root.roles.values_mut() {
        keys.threshold = 1;
    }
    let keys = root.keys.clone();
    let mut files = live.files.clone();
    files.insert("1.root.json".to_owned(), sign(root, &keys, &[mallory]).await);
    seal_with(&world, &mut files, &keys, &[mallory]).await;
    world.serve_files(&files).await;
    let policy = world.policy("@ROOT@");
    assert_eq!(world.machine("fresh").verdict(&policy, ":1.0").await, "root-changed");
    assert_eq!(world.machine("owner").verdict(&policy, ":1.0").await, "root-changed");
}

/// One of the root's key holders lists their key twice in a next root, to reach two alone.
async fn one_key_under_two_ids_meets_no_threshold_of_two(address: &str, path: &str) {
    let (world, digest, live) = signed(address, path).await;
    let old = root_of(&live.files);
    let mut root = author::next_root(&old, old.header.expires).expect("the next one");
    let id = |name: &str| {
        let own = world.key(name).public().fingerprint();
        let found = old.keys.iter().find(|(_, key)| key.decode().is_ok_and(|key| key.fingerprint() == own));
        found.expect("a key").0.clone()
    };
    let one = id("root1");
    root.keys.insert("again".to_owned(), old.keys[&one].clone());
    let top = root.roles.get_mut("root").expect("the root's");
    top.keyids = vec![one, "again".to_owned()];
    let (keys, version) = (root.keys.clone(), root.header.version);
    let signed = sign(root, &keys, &[world.key("root1")]).await;
    let mut files = live.files.clone();
    files.insert(RoleName::Root.file_name(Some(version)), signed);
    world.serve_files(&files).await;
    let policy = world.policy("@ROOT@");
    assert_eq!(world.machine("fresh").verdict(&policy, ":1.0").await, "root-changed");
    // With the signature of a second holder of the old root it is still refused: one key has two ids in it.
    let both = {
        let mut root = decode::<Root>(&files, &RoleName::Root.file_name(Some(version)));
        let mut keys = old.keys.clone();
        keys.extend(root.signed().keys.clone());
        sign_metadata(&mut root, &keys, world.key("root2")).await.expect("it signs");
        root.encode()
    };
    files.insert(RoleName::Root.file_name(Some(version)), both);
    world.serve_files(&files).await;
    let verdict = world.machine("fresh").verdict(&policy, ":1.0").await;
    assert!(["threshold-unmet", "duplicate-key"].contains(&verdict.as_str()), "{verdict}");
    world.serve_files(&live.files).await;
    assert_eq!(world.machine("fresh").verdict(&policy, ":1.0").await, allowed(&digest));
}

/// A thief of the sealing key signs the last version there is: it is refused, not remembered, and the honest go on.
async fn a_version_at_the_end_locks_nobody_out(address: &str, path: &str) {
    let (world, digest, live) = signed(address, path).await;
    let policy = world.policy("@ROOT@");
    let keys = root_of(&live.files).keys;
    for version in [1_u64 << 63, (1 << 53) - 1] {
        let text = String::from_utf8(live.files["timestamp.json"].clone()).expect("text");
        let mut file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        file["signed"]["version"] = version.into();
        let canonical = boltseal::format::tuf::canonical(&file["signed"]).expect("canonical");
        let alice = world.key("alice");
        let signature = boltseal::sign::Signer::sign(alice, &canonical).await.expect("it signs");
        let id = keys
            .iter()
            .find(|(_, key)| key.decode().is_ok_and(|key| key.fingerprint() == alice.public().fingerprint()));
        file["signatures"] = serde_json::json!([{ "keyid": id.expect("a key").0, "sig": hex::encode(signature) }]);
        let mut files = live.files.clone();
        files.insert("timestamp.json".to_owned(), file.to_string().into_bytes());
        world.serve_files(&files).await;
        assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "version-implausible");
    }
    world.serve_files(&live.files).await;
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, allowed(&digest));
    assert_eq!(world.machine("owner").refresh(&["alice"]).await.expect("refreshed").sealing, Sealing::Sealed);
}

async fn a_frozen_state_expires(address: &str, path: &str) {
    let (world, digest, _) = signed(address, path).await;
    let policy = world.policy("@ROOT@");
    world.pass(13);
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, allowed(&digest));
    world.pass(2);
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "expired");
    let lenient = world.policy("@ROOT@, on-expired: { max-stale: 10d }");
    assert_eq!(world.machine("reader").verdict(&lenient, ":1.0").await, allowed(&digest));
    world.pass(10);
    assert_eq!(world.machine("reader").verdict(&lenient, ":1.0").await, "expired");
}

// [V-85]
async fn a_moved_tag_has_no_effect(address: &str, path: &str) {
    let (world, digest, _) = signed(address, path).await;
    let evil = world.push("1.0", "evil").await;
    let policy = world.policy("@ROOT@");
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, allowed(&digest));
    assert_eq!(world.machine("reader").verdict(&policy, &format!("@{evil}")).await, "not-listed");
    assert_eq!(world.machine("reader").verdict(&policy, &format!("@{digest}")).await, allowed(&digest));
}

async fn a_revoked_tag_and_digest_are_refused(address: &str, path: &str) {
    let (world, digest, _) = signed(address, path).await;
    let policy = world.policy("@ROOT@");
    let owner = world.machine("owner");
    let removed = owner.write(&["alice", "bob"], async |writer| writer.remove_tag("1.0").await).await;
    assert_eq!(removed.expect("un-listed").sealing, Sealing::Sealed);
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "not-listed");
    owner.must_sign("1.0", &["alice"]).await;
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, allowed(&digest));
    let revoked = owner.write(&["targets", "alice"], async |writer| writer.revoke(digest, "CVE-2026-1").await).await;
    assert_eq!(revoked.expect("revoked").sealing, Sealing::Sealed);
    for by_digest in ["listed", "signatures"] {
        let evidence = if by_digest == "listed" { &policy } else { &world.policy("@ROOT@, by-digest: deny") };
        assert_eq!(world.machine("reader").verdict(evidence, ":1.0").await, "revoked");
        assert_eq!(world.machine("reader").verdict(evidence, &format!("@{digest}")).await, "revoked");
    }
}

/// What a removed signer's key signs is refused by who has a store, by a new lock, and by an old one as far as it can know.
async fn a_removed_signer_is_refused_whatever_the_client_knows(address: &str, path: &str) {
    let (world, _, _) = signed(address, path).await;
    let owner = world.machine("owner");
    owner.pin().await;
    let (policy, old_lock, before) = (world.policy("@ROOT@"), world.lock(), world.served(TRUST_TAG).await.files);
    assert!(world.machine("reader").verdict(&policy, ":1.0").await.starts_with("allowed"));
    let removed = owner.write(&["targets", "alice"], async |writer| writer.remove_signer("bob").await).await;
    assert_eq!(removed.expect("removed").sealing, Sealing::Sealed);
    let gone = world.key("bob").public().fingerprint();
    let unsealed = owner.write(&["root1", "root2", "alice"], async |writer| writer.remove_sealer(gone).await).await;
    assert_eq!(unsealed.expect("removed").sealing, Sealing::Sealed);
    owner.pin().await;
    // Bob signs another image in the state that he was part of, and seals that with his old key.
    let evil = world.push("1.0", "evil").await;
    let mut old = before;
    let newest = file_of(&old, RoleName::RELEASES);
    let map = decode::<Targets>(&old, &newest);
    let mut next =
        author::next_targets(&role(RoleName::RELEASES), map.signed(), &old[&newest], map.expires()).expect("next");
    next.header.version += 100;
    author::set_tag(&mut next, "1.0", Target::new(1, &evil)).expect("a tag");
    let (version, next) = (next.header.version, sign(next, &carol_s_keys(&old), &[world.key("bob")]).await);
    old.remove(&newest);
    old.insert(role(RoleName::RELEASES).file_name(Some(version)), next);
    let keys = root_of(&old).keys;
    seal_with(&world, &mut old, &keys, &[world.key("bob")]).await;
    world.serve_files(&old).await;
    world.machine("reader").verdict(&policy, ":1.0").await;
    let known = |lock| {
        let mut machine = world.locked();
        machine.memory.lock = Some(lock);
        machine
    };
    // Who saw the state in which he was removed, and who has its lock, know the newer root.
    assert_eq!(world.machine("owner").verdict(&policy, ":1.0").await, "rollback");
    assert_eq!(known(world.lock()).verdict(&policy, ":1.0").await, "rollback");
    // An old lock can't know of it: where the registry shows the new root beside, his seal does not hold.
    let verdict = known(old_lock.clone()).verdict(&policy, ":1.0").await;
    assert_eq!(verdict, allowed(&evil), "an old lock knows nothing of the removal, until the seal expires");
    let live = owner_s_root(&world, &owner).await;
    old.extend(live);
    world.serve_files(&old).await;
    assert_eq!(known(old_lock).verdict(&policy, ":1.0").await, "threshold-unmet");
}

/// The roots that the owner remembers.
async fn owner_s_root(world: &World, owner: &Machine<'_>) -> BTreeMap<String, Vec<u8>> {
    let seen = owner.memory.store.as_ref().expect("a store").load(&world.name.to_string()).expect("it loads");
    let files = seen.expect("remembered").files.into_iter();
    files.filter(|(name, _)| name.ends_with(".root.json")).map(|(name, bytes)| (name, bytes.to_vec())).collect()
}

async fn roles_that_disagree_answer_nothing(address: &str, path: &str) {
    let (world, digest, _) = signed(address, path).await;
    let both = world.policy("@ROOT@, require-roles: [targets/releases, targets/alice, targets/bob]");
    assert_eq!(world.machine("reader").verdict(&both, ":1.0").await, "roles-disagree");
    world.machine("owner").must_sign("1.0", &["bob"]).await;
    assert_eq!(world.machine("reader").verdict(&both, ":1.0").await, allowed(&digest));
    let three = world.policy("@ROOT@, require-roles: [targets/releases, targets/alice, targets/bob], min-signers: 3");
    assert_eq!(world.machine("reader").verdict(&three, ":1.0").await, "min-signers-unmet");
    // One of them alone signs another image.
    let two = world.push("1.0", "two").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    assert_eq!(world.machine("reader").verdict(&both, ":1.0").await, "roles-disagree");
    assert_eq!(world.machine("reader").verdict(&world.policy("@ROOT@"), ":1.0").await, allowed(&two));
}

/// Alice, who may seal, delegates to Bob's name and to the map's by another key of hers, and signs both with it.
// [V-102]
async fn a_signer_poses_as_another_by_a_second_delegation(address: &str, path: &str) {
    let world = World::sealed(address, path).await;
    world.push("1.0", "one").await;
    world.machine("owner").must_sign("1.0", &["bob"]).await;
    let evil = world.push("1.0", "evil").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    let mut files = world.served(TRUST_TAG).await.files;
    let other = world.key("mallory");
    let mut keys =
        decode::<Targets>(&files, &file_of(&files, "targets")).signed().delegations.clone().expect("some").keys;
    for (name, signers) in [
        ("targets/alice", vec!["alice"]),
        ("targets/bob", vec!["mallory"]),
        ("targets/releases", vec!["alice", "mallory"]),
    ] {
        let newest = file_of(&files, name);
        let before = decode::<Targets>(&files, &newest);
        let mut next =
            author::next_targets(&role(name), before.signed(), &files[&newest], before.expires()).expect("next");
        author::set_tag(&mut next, "1.0", Target::new(1, &evil)).expect("a tag");
        if name == "targets/alice" {
            for role in ["targets/bob", "targets/releases"].map(role) {
                let signers = author::Signers { keys: &[other.public()], threshold: 1 };
                let new =
                    author::NewDelegation { role: &role, signers, paths: &["*"], terminating: false, first: false };
                author::delegate(&mut next, &new).expect("a delegation");
            }
            keys.extend(next.delegations.clone().expect("some").keys);
        }
        let signers: Vec<_> = signers.into_iter().map(|name| world.key(name)).collect();
        let (version, bytes) = (next.header.version, sign(next, &keys, &signers).await);
        files.remove(&newest);
        files.insert(role(name).file_name(Some(version)), bytes);
    }
    let sealing = root_of(&files).keys;
    seal_with(&world, &mut files, &sealing, &[world.key("alice")]).await;
    world.serve_files(&files).await;
    for (rule, expected) in [
        ("@ROOT@", allowed(&evil).as_str()),
        ("@ROOT@, require-roles: [targets/releases, targets/bob]", "roles-disagree"),
        ("@ROOT@, require-roles: [targets/releases], min-signers: 2", "min-signers-unmet"),
    ] {
        assert_eq!(world.machine("fresh").verdict(&world.policy(rule), ":1.0").await, expected, "{rule}");
    }
}
