//! Lists of tags that are too long for one file: split into hashed bins, and read and edited there.

use crate::{
    attacks::{decode, file_of, root_of, seal_with, sign},
    other_clients::{Memory, answer},
    start,
    world::{Key, World, role},
};
use boltseal::{
    format::{
        trust_manifest::TRUST_TAG,
        tuf::{RoleName, Target, Targets},
    },
    limits::{TRUST_BIN_TAGS, TRUST_BINS},
    oci::Digest,
    ops::trust::Sealing,
    registry::embedded::Embedded,
    trust::tuf::{TrustState, author},
};
use std::collections::BTreeMap;

/// A repository whose map of tags has so many more: made by alice at once, and not by so many publications.
async fn with_tags(address: &str, path: &str, tags: usize) -> World {
    let world = World::sealed(address, path).await;
    let mut files = world.served(TRUST_TAG).await.files;
    let (newest, alice) = (file_of(&files, RoleName::RELEASES), world.key("alice"));
    let before = decode::<Targets>(&files, &newest);
    let releases = role(RoleName::RELEASES);
    let mut map =
        author::next_targets(&releases, before.signed(), &files[&newest], before.expires()).expect("the next one");
    for tag in 0..tags {
        let target = Target::new(1_200, &Digest::sha256(&tag.to_be_bytes()));
        author::set_tag(&mut map, &format!("t{tag}"), target).expect("a tag");
    }
    let top = decode::<Targets>(&files, &file_of(&files, "targets"));
    let keys = top.signed().delegations.clone().expect("delegations").keys;
    let name = releases.file_name(Some(map.header.version));
    files.remove(&newest);
    files.insert(name, sign(map, &keys, &[alice]).await);
    let keys = root_of(&files).keys;
    seal_with(&world, &mut files, &keys, &[alice]).await;
    world.serve_files(&files).await;
    world
}

fn releases() -> RoleName {
    role(RoleName::RELEASES)
}

fn bins() -> Vec<RoleName> {
    (0..TRUST_BINS).map(|number| role(&format!("{}/{number:02x}", RoleName::RELEASES))).collect()
}

fn tags(state: &TrustState, role: &RoleName) -> usize {
    state.targets(role).map_or(0, |file| file.signed().targets.len())
}

fn versions(state: &TrustState) -> BTreeMap<RoleName, u64> {
    state.versions().into_iter().map(|(role, version)| (role.clone(), version)).collect()
}

/// The targets roles that differ between two states.
fn changed(before: &BTreeMap<RoleName, u64>, after: &BTreeMap<RoleName, u64>) -> Vec<RoleName> {
    let targets = after.keys().filter(|role| !matches!(role, RoleName::Timestamp | RoleName::Snapshot));
    targets.filter(|role| before.get(*role) != after.get(*role)).cloned().collect()
}

/// What was read: manifests and blobs.
fn read(registry: &Embedded) -> Vec<String> {
    let kind = |path: &str| path.split('/').nth(3).unwrap_or_default().to_owned();
    registry.requests().iter().map(|one| kind(&one.path_and_query)).collect()
}

#[tokio::test]
async fn a_list_of_twenty_thousand_tags_is_split_and_read_by_the_bin() {
    let (registry, address) = start().await;
    let world = with_tags(&address, "app", 2 * TRUST_BIN_TAGS).await;
    let (owner, policy) = (world.machine("owner"), world.policy("@ROOT@"));
    let one = world.push("1.0", "one").await;
    let published = owner.sign("1.0", &["alice"]).await.expect("it is signed");
    assert_eq!((published.sealing, published.waiting.len()), (Sealing::Sealed, 0));
    let split = published.state();
    assert_eq!(tags(split, &releases()), 0, "no tag is left there");
    let lists: Vec<_> = bins().iter().map(|bin| tags(split, bin)).collect();
    assert_eq!(lists.iter().sum::<usize>(), 2 * TRUST_BIN_TAGS + 1);
    assert!(lists.iter().all(|tags| (1_000..1_500).contains(tags)), "{lists:?}");

    // Whoever has nothing yet reads the manifest and, if it does not stand in there, the tag's bin.
    for (tag, digest) in [("1.0", &one), ("t7", &Digest::sha256(&7_usize.to_be_bytes()))] {
        let bin = split
            .lookup(tag)
            .expect("listed")
            .role
            .file_name(Some(split.versions()[split.lookup(tag).expect("listed").role]));
        let inline = world.inline(&bin).await;
        registry.forget_requests();
        let verdict = world.machine(tag).verdict(&policy, &format!(":{tag}")).await;
        assert_eq!(verdict, format!("allowed {digest}"));
        assert_eq!(read(&registry), if inline { vec!["manifests"] } else { vec!["manifests", "blobs"] }, "{tag}");
    }

    // What comes then changes one bin.
    let before = versions(split);
    let two = world.push("2.0", "two").await;
    let published = owner.sign("2.0", &["alice"]).await.expect("it is signed");
    let after = versions(published.state());
    let bin = published.state().lookup("2.0").expect("listed").role.clone();
    assert_eq!(changed(&before, &after), [role("targets/alice"), bin]);
    world.push("t7", "seven").await;
    let removed = owner.write(&["alice"], async |writer| writer.remove_tag("t7").await).await.expect("un-listed");
    let last = versions(removed.state());
    assert_eq!((removed.sealing, changed(&after, &last).len()), (Sealing::Sealed, 1));
    assert_eq!(world.machine("reader").verdict(&policy, ":t7").await, "not-listed");
    assert_eq!(world.machine("reader").verdict(&policy, &format!("@{two}")).await, format!("allowed {two}"));
    assert_eq!(world.machine("reader").verdict(&policy, &format!("@{}", Digest::sha256(b"none"))).await, "not-listed");
    let root = world.served(TRUST_TAG).await.files["1.root.json"].clone();
    assert_eq!(answer(&world, &root, &Memory::default(), "2.0").await, Some(two.hex()));
}

#[tokio::test]
async fn a_list_of_ten_thousand_tags_is_one_file() {
    let (_registry, address) = start().await;
    let world = with_tags(&address, "app", TRUST_BIN_TAGS - 1).await;
    let owner = world.machine("owner");
    let one = world.push("1.0", "one").await;
    for seed in ["one", "two"] {
        let digest = world.push("1.0", seed).await;
        owner.must_sign("1.0", &["alice"]).await;
        assert_eq!(world.machine("reader").verdict(&world.policy("@ROOT@"), ":1.0").await, format!("allowed {digest}"));
    }
    let again = owner.sign("t1", &["bob"]).await;
    assert!(again.is_err(), "its image is not in the registry");
    let state = owner.write(&[], async |writer| writer.state(false).await).await.expect("a state");
    assert_eq!((tags(&state, &releases()), state.listed(&one).count()), (TRUST_BIN_TAGS, 0));
}

/// Carol may sign, and not seal: what she signs waits for a sealer. All of it, though it stands under one tag.
#[tokio::test]
async fn a_split_list_waits_for_who_seals_with_all_that_is_signed_after() {
    let (_registry, address) = start().await;
    let mut world = with_tags(&address, "app", TRUST_BIN_TAGS).await;
    world.keys.insert("carol".to_owned(), Key::new());
    let (owner, carol) = (world.machine("owner"), [world.key("carol").public()]);
    let added = owner.write(&["targets", "alice"], async |writer| writer.add_signer("carol", &carol, true).await).await;
    assert_eq!(added.expect("added").sealing, Sealing::Sealed);
    let mut signed = Vec::new();
    for tag in ["a", "b", "c", "d"] {
        signed.push((tag, world.push(tag, tag).await));
        let published = owner.sign(tag, &["carol"]).await.expect("it is signed");
        assert_eq!(published.sealing, Sealing::Staged);
    }
    assert_eq!(owner.refresh(&["alice"]).await.expect("sealed").sealing, Sealing::Sealed);
    let policy = world.policy("@ROOT@, require-roles: [targets/releases, targets/carol]");
    for (tag, digest) in signed {
        let verdict = world.machine("reader").verdict(&policy, &format!(":{tag}")).await;
        assert_eq!(verdict, format!("allowed {digest}"), "{tag}");
    }
    let state = owner.write(&[], async |writer| writer.state(false).await).await.expect("a state");
    assert_eq!(bins().iter().map(|bin| tags(&state, bin)).sum::<usize>(), TRUST_BIN_TAGS + 4);
}

#[tokio::test]
async fn of_two_who_split_at_once_none_loses_a_tag() {
    let (_registry, address) = start().await;
    let world = with_tags(&address, "app", TRUST_BIN_TAGS).await;
    world.push("a", "a").await;
    world.push("b", "b").await;
    world.machine("owner").pin().await;
    let lock = world.lock();
    let with = |name| {
        let mut machine = world.machine(name);
        machine.memory.lock = Some(lock.clone());
        machine
    };
    let (one, two) = (with("one"), with("two"));
    let (first, second) = tokio::join!(one.sign("a", &["alice"]), two.sign("b", &["bob"]));
    for published in [first, second] {
        assert_eq!(published.expect("it is signed").sealing, Sealing::Sealed);
    }
    let state = world.machine("owner").write(&[], async |writer| writer.state(false).await).await.expect("a state");
    assert!(["a", "b", "t0", "t9999"].iter().all(|tag| state.lookup(tag).is_ok()));
    assert_eq!(bins().iter().map(|bin| tags(&state, bin)).sum::<usize>(), TRUST_BIN_TAGS + 2);
}

/// Where two have to sign, who holds one key lists tags in one file; who holds both splits it, and both sign the bins.
#[tokio::test]
async fn a_list_that_two_have_to_sign_is_split_by_who_holds_two_keys() {
    let (_registry, address) = start().await;
    let world = with_tags(&address, "app", TRUST_BIN_TAGS).await;
    let owner = world.machine("owner");
    let two =
        owner.write(&["targets", "alice", "bob"], async |writer| writer.set_threshold(&releases(), 2).await).await;
    assert_eq!(two.expect("changed").sealing, Sealing::Sealed);
    let digest = world.push("a", "a").await;
    let alone = owner.sign("a", &["alice"]).await.expect("it is signed");
    let waiting: Vec<_> = alone.waiting.iter().map(|one| (&one.role, one.signed, one.needed)).collect();
    assert_eq!((alone.sealing, waiting), (Sealing::Staged, vec![(&releases(), 1, 2)]));
    let both = owner.sign("a", &["alice", "bob"]).await.expect("it is signed");
    assert_eq!((both.sealing, tags(both.state(), &releases())), (Sealing::Sealed, 0));
    assert!(bins().iter().all(|bin| both.state().signers(bin).len() == 2));
    let policy = world.policy("@ROOT@, require-roles: [targets/releases], min-signers: 2");
    assert_eq!(world.machine("reader").verdict(&policy, ":a").await, format!("allowed {digest}"));
}

/// Who may sign a list may sign its bins, and nobody else: what a removed signer signs is refused there too.
#[tokio::test]
async fn bins_follow_the_signers_of_their_list() {
    let (_registry, address) = start().await;
    let mut world = with_tags(&address, "app", TRUST_BIN_TAGS).await;
    world.keys.insert("carol".to_owned(), Key::new());
    let (owner, carol) = (world.machine("owner"), [world.key("carol").public()]);
    world.push("a", "a").await;
    owner.must_sign("a", &["alice"]).await;
    let keys = |state: &TrustState| {
        let map = state.targets(&releases()).expect("a file").signed();
        let bins = map.bins().map(|bin| (bin.keys.keyids.len(), bin.keys.threshold));
        let all: std::collections::BTreeSet<_> = bins.collect();
        all.into_iter().collect::<Vec<_>>()
    };
    // She is added by who may not sign the list; she herself gives the bins her key.
    let added = owner.write(&["targets", "alice"], async |writer| writer.add_signer("carol", &carol, true).await).await;
    let added = added.expect("added");
    assert_eq!((added.sealing, keys(added.state())), (Sealing::Sealed, vec![(3, 1)]));
    world.push("b", "b").await;
    let published = world.machine("owner").sign("b", &["carol"]).await.expect("it is signed");
    assert_eq!(published.sealing, Sealing::Staged);
    assert_eq!(owner.refresh(&["bob"]).await.expect("sealed").sealing, Sealing::Sealed);
    assert!(world.machine("reader").verdict(&world.policy("@ROOT@"), ":b").await.starts_with("allowed"));
    // Alice signed most bins, and goes: without another's signature they would be lost, so nothing is sealed before.
    let gone = world.key("alice").public().fingerprint();
    let removed = owner.write(&["targets", "bob"], async |writer| writer.remove_signer("alice").await).await;
    let removed = removed.expect("removed");
    assert_eq!((removed.sealing, keys(removed.state())), (Sealing::Sealed, vec![(2, 1)]));
    let signers = |role: &RoleName| removed.state().signers(role);
    let is_gone = |signer: &boltseal::trust::Principal| *signer == boltseal::trust::Principal::Key(gone);
    assert!(bins().iter().all(|bin| !signers(bin).is_empty() && !signers(bin).iter().any(is_gone)));
    assert_eq!(bins().iter().map(|bin| tags(removed.state(), bin)).sum::<usize>(), TRUST_BIN_TAGS + 2);
    let error = owner.sign("a", &["alice"]).await.expect_err("she may sign nothing any more");
    assert!(error.to_string().contains("none of the given keys"), "{error}");
}
