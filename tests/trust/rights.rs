//! Who may do what: signing and sealing are two rights, thresholds take several people, roots change hands.

use crate::{
    start,
    world::{Key, World, refusal, role},
};
use boltseal::{
    format::{
        trust_manifest::{TRUST_TAG, TrustArtifact, staging_tag},
        tuf::{Metadata, RoleName, Root, Target, Targets},
    },
    ops::trust::{Published, Sealing, Started, TrustError, sign_root_file},
    registry::Selector,
    trust::tuf::author::{AuthorError, add_key, next_targets, set_tag},
};
use std::collections::BTreeMap;

/// Carol may sign, and not seal.
async fn with_carol(address: &str) -> World {
    let mut world = World::sealed(address, "app").await;
    world.keys.insert("carol".to_owned(), Key::new());
    let keys = [world.key("carol").public()];
    let owner = world.machine("owner");
    let added = owner.write(&["targets", "alice"], async |writer| writer.add_signer("carol", &keys, true).await);
    assert_eq!(added.await.expect("added").sealing, Sealing::Sealed);
    world
}

#[tokio::test]
async fn who_cannot_seal_stages_and_the_next_sealer_takes_it_in() {
    let (_registry, address) = start().await;
    let world = with_carol(&address).await;
    let digest = world.push("1.0", "one").await;
    let policy = world.policy("@ROOT@");
    world.machine("owner").pin().await;
    let staged = world.locked().sign("1.0", &["carol"]).await.expect("staged");
    assert_eq!((staged.sealing, staged.waiting.len()), (Sealing::Staged, 0));
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "not-listed");
    let status = world.machine("owner").write(&[], async |writer| writer.status().await).await.expect("a status");
    let paths: Vec<_> =
        status.paths.iter().map(|staged| (staged.role.as_str(), staged.path.as_str(), staged.fits)).collect();
    assert_eq!(paths, [("targets/carol", "1.0", true), ("targets/releases", "1.0", true)]);
    assert_eq!(status.staged.len(), 2);
    let sealed = world.machine("owner").refresh(&["bob"]).await.expect("sealed");
    assert_eq!(sealed.sealing, Sealing::Sealed);
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {digest}"));
}

#[tokio::test]
async fn two_of_three_change_the_root_on_two_machines_without_a_shared_secret() {
    let (_registry, address) = start().await;
    let mut world = World::sealed(&address, "app").await;
    world.push("1.0", "one").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    world.keys.insert("root4".to_owned(), Key::new());
    let policy = world.policy("@ROOT@");
    let (new, old) = ([world.key("root4").public()], [world.key("root3").public().fingerprint()]);
    let owner = world.machine("owner");
    let began = owner.write(&["root1"], async |writer| writer.rotate(&RoleName::Root, &new, &old).await);
    let began = began.await.expect("staged");
    assert_eq!((began.sealing, began.waiting[0].signed, began.waiting[0].needed), (Sealing::Staged, 1, 2));
    world.machine("owner").pin().await;
    // The second holder has another machine, and no sealing key: the old seal holds under the new root.
    let done = world
        .locked()
        .write(&["root2"], async |writer| {
            let reviewed = writer.review(&RoleName::Root).await?;
            assert!(reviewed[0].changes.keys().any(|name| name.starts_with("keys/")), "{reviewed:?}");
            writer.cosign(&RoleName::Root, &reviewed).await
        })
        .await
        .expect("complete");
    assert_eq!((done.sealing, done.state().root().version()), (Sealing::Sealed, 2));
    let verification = world.machine("reader").verify(&policy, ":1.0").await.expect("it can tell");
    assert!(matches!(verification.outcome.decision, boltseal::policy::Decision::Allow(_)));
    // One of the old keys alone goes no further, and neither does a stranger.
    let alone = owner.write(&["root3"], async |writer| {
        writer.rotate(&RoleName::Root, &[], &[world.key("root4").public().fingerprint()]).await
    });
    assert!(matches!(alone.await.expect_err("no key"), TrustError::NoKey { .. }));
}

#[tokio::test]
async fn a_threshold_of_two_takes_two_whoever_begins() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let digest = world.push("1.0", "one").await;
    let (policy, releases) = (world.policy("@ROOT@"), role(RoleName::RELEASES));
    let owner = world.machine("owner");
    let set = owner.write(&["targets", "alice", "bob"], async |writer| writer.set_threshold(&releases, 2).await).await;
    assert_eq!(set.expect("set").sealing, Sealing::Sealed);
    let half = owner.sign("1.0", &["alice"]).await.expect("signed");
    let waits = |published: &Published| {
        let waiting = published.waiting.iter().map(|waiting| (waiting.role.clone(), waiting.signed, waiting.needed));
        waiting.collect::<Vec<_>>()
    };
    assert_eq!((half.sealing, waits(&half)), (Sealing::Staged, vec![(releases.clone(), 1, 2)]));
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "not-listed");
    // Signing the same again adds nothing; signing it with another key is the second signature.
    assert_eq!(waits(&owner.sign("1.0", &["alice"]).await.expect("signed")), [(releases.clone(), 1, 2)]);
    let both = owner.sign("1.0", &["bob"]).await.expect("signed");
    assert_eq!((both.sealing, waits(&both)), (Sealing::Sealed, Vec::new()));
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {digest}"));
    // The same by `cosign`, of what others staged.
    let two = world.push("2.0", "two").await;
    assert_eq!(owner.sign("2.0", &["bob"]).await.expect("signed").sealing, Sealing::Staged);
    let cosigned = owner
        .write(&["alice"], async |writer| {
            let reviewed = writer.review(&releases).await?;
            assert_eq!(reviewed[0].changes["targets/2.0"].0, None);
            writer.cosign(&releases, &reviewed).await
        })
        .await
        .expect("cosigned");
    assert_eq!(cosigned.sealing, Sealing::Sealed);
    assert_eq!(world.machine("reader").verdict(&policy, ":2.0").await, format!("allowed {two}"));
    // Who signs another tag meanwhile leaves what waits where it is.
    for tag in ["3.0", "4.0"] {
        world.push(tag, tag).await;
        assert_eq!(owner.sign(tag, &["alice"]).await.expect("signed").sealing, Sealing::Staged);
    }
    assert_eq!(owner.sign("3.0", &["bob"]).await.expect("signed").sealing, Sealing::Sealed);
    let status = owner.write(&[], async |writer| writer.status().await).await.expect("a status");
    let lost: Vec<_> = status.paths.iter().map(|staged| (staged.path.as_str(), staged.fits)).collect();
    assert_eq!(lost, [("4.0", false)], "3.0 was faster");
    let strict = world.policy("@ROOT@, min-signers: 2");
    assert_eq!(world.machine("reader").verdict(&strict, ":2.0").await, format!("allowed {two}"));
}

#[tokio::test]
async fn a_removed_signers_map_is_signed_again_or_nothing_is_sealed() {
    let (_registry, address) = start().await;
    let world = with_carol(&address).await;
    let digest = world.push("1.0", "one").await;
    let (policy, owner) = (world.policy("@ROOT@"), world.machine("owner"));
    owner.must_sign("1.0", &["carol", "alice"]).await;
    let carol_alone = world.push("2.0", "two").await;
    owner.sign("2.0", &["carol"]).await.map(drop).expect("staged");
    owner.refresh(&["bob"]).await.map(drop).expect("sealed");
    assert_eq!(world.machine("reader").verdict(&policy, ":2.0").await, format!("allowed {carol_alone}"));
    // The map was last signed by carol alone: without another of its keys her removal waits.
    let waits = owner.write(&["targets"], async |writer| writer.remove_signer("carol").await).await.expect("staged");
    assert_eq!(
        (waits.sealing, waits.waiting.first().map(|waiting| &waiting.role)),
        (Sealing::Staged, Some(&role(RoleName::RELEASES)))
    );
    let sealed = owner.refresh(&["alice"]).await.expect("sealed");
    assert_eq!(sealed.sealing, Sealing::Sealed);
    for (tag, digest) in [(":1.0", digest), (":2.0", carol_alone)] {
        assert_eq!(world.machine("reader").verdict(&policy, tag).await, format!("allowed {digest}"));
    }
    let error = owner.sign("2.0", &["carol"]).await.expect_err("she is no signer");
    assert!(matches!(error, TrustError::NoRole { .. }), "{error}");
}

#[tokio::test]
async fn a_stolen_sealing_key_is_dropped_and_what_it_did_is_forgotten() {
    let (_registry, address) = start().await;
    let mut world = World::sealed(&address, "app").await;
    let digest = world.push("1.0", "one").await;
    let (policy, owner) = (world.policy("@ROOT@"), world.machine("owner"));
    owner.must_sign("1.0", &["alice"]).await;
    world.pass(0);
    // Both sealing keys go: from then on what they sealed is no floor.
    world.keys.insert("sealer".to_owned(), Key::new());
    let owner = world.machine("owner");
    let new = [world.key("sealer").public()];
    let old = ["alice", "bob"].map(|name| world.key(name).public().fingerprint());
    let rotated = owner
        .write(&["root1", "root2", "sealer"], async |writer| writer.rotate(&RoleName::Timestamp, &new, &old).await);
    assert_eq!(rotated.await.expect("rotated").sealing, Sealing::Sealed);
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {digest}"));
    assert_eq!(owner.refresh(&["alice"]).await.expect("she can't seal").sealing, Sealing::Staged);
}

#[tokio::test]
async fn a_first_root_travels_as_a_file_between_those_who_sign_it() {
    let (_registry, address) = start().await;
    let world = World::new(&address, "app", &["root1", "root2", "root3", "targets", "alice"]);
    let init = world.init_of(2, &["alice"]);
    let owner = world.machine("owner");
    let began = owner.init(&init, &["root1", "targets", "alice"]).await.expect("begun");
    let Started::Root { file, signed: 1, needed: 2 } = began else { panic!("{began:?}") };
    let path = world.folder().join("root.json");
    std::fs::write(&path, file).expect("a file");
    let signers: Vec<Box<dyn boltseal::sign::Signer>> = vec![Box::new(world.key("root3").clone())];
    let signed = sign_root_file(&path, &signers).await.expect("signed");
    assert_eq!((signed.signed, signed.needed), (2, 2));
    let ready = signed.file;
    let live = owner.write(&["targets", "alice"], async |writer| writer.init(&init, Some(&ready)).await).await;
    assert!(matches!(live.expect("live"), Started::Live(_)));
    let again = owner.init(&init, &["root1", "root2", "targets", "alice"]).await.expect_err("there already");
    assert!(matches!(again, TrustError::Exists { .. }), "{again}");
}

#[tokio::test]
async fn what_has_expired_is_renewed_by_its_keys_and_only_from_the_newest_known_snapshot() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let digest = world.push("1.0", "one").await;
    let (policy, owner) = (world.policy("@ROOT@"), world.machine("owner"));
    owner.must_sign("1.0", &["alice"]).await;
    let old = world.served(TRUST_TAG).await;
    world.push("1.0", "two").await;
    owner.must_sign("1.0", &["alice"]).await;
    owner.pin().await;
    let newest = world.served(TRUST_TAG).await;
    world.pass(400);
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "expired");
    // An old state that has expired is not made fresh, by whom ever: with a lock, a store, or a digest by hand.
    world.serve(TRUST_TAG, &old.manifest).await;
    for machine in [world.machine("owner"), world.locked()] {
        assert_eq!(refusal(&machine.refresh(&["alice", "targets"]).await.expect_err("an old state")), "rollback");
    }
    world.serve(TRUST_TAG, &newest.manifest).await;
    let mut wrong = world.locked();
    wrong.after_expiry = Some(digest);
    assert!(matches!(wrong.refresh(&["alice"]).await.expect_err("another"), TrustError::OtherSnapshot { .. }));
    let renewed = world.locked().refresh(&["alice", "targets"]).await.expect("renewed");
    assert_eq!(renewed.sealing, Sealing::Sealed);
    assert!(world.machine("fresh").verdict(&policy, ":1.0").await.starts_with("allowed"));
}

#[tokio::test]
async fn junk_where_roles_are_staged_hinders_nobody() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let digest = world.push("1.0", "one").await;
    let owner = world.machine("owner");
    let live = world.served(TRUST_TAG).await.files;
    let mut root = Metadata::<Root>::decode(&live["1.root.json"]).expect("a root").signed().clone();
    root.header.version = 2;
    let unsigned = Metadata::unsigned(root).expect("metadata").encode();
    for (place, key, junk) in [
        (RoleName::Root, "root1", unsigned),
        (role(RoleName::RELEASES), "alice", b"{}".to_vec()),
        (role(RoleName::RELEASES), "bob", live["1.targets.json"].clone()),
        (RoleName::Targets, "targets", live["1.root.json"].clone()),
    ] {
        let tag = staging_tag(&place, world.key(key).public().fingerprint());
        world.stage(&tag, &BTreeMap::from([("junk.json".to_owned(), junk)])).await;
    }
    let index = boltseal::oci::Manifest::Index(Box::new(boltseal::oci::ImageIndex::new(Vec::new())));
    world.serve(&staging_tag(&role("targets/bob"), world.key("bob").public().fingerprint()), &index).await;
    owner.must_sign("1.0", &["alice"]).await;
    let policy = world.policy("@ROOT@");
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {digest}"));
}

/// A waiting file with more in it than was asked for is not signed by who asks for less; nor is one that nobody signed.
#[tokio::test]
async fn nobody_signs_along_what_they_did_not_ask_for() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let (owner, releases) = (world.machine("owner"), role(RoleName::RELEASES));
    let set = owner.write(&["targets", "alice", "bob"], async |writer| writer.set_threshold(&releases, 2).await).await;
    assert_eq!(set.expect("set").sealing, Sealing::Sealed);
    let (digest, evil) = (world.push("1.0", "one").await, world.push("evil", "evil").await);
    let live = world.served(TRUST_TAG).await.files;
    let name = live.keys().find(|name| name.ends_with("targets%2Freleases.json")).expect("the map").clone();
    let map = Metadata::<Targets>::decode(&live[&name]).expect("the map");
    let top = live.keys().find(|name| name.ends_with(".targets.json")).expect("targets").clone();
    let top = Metadata::<Targets>::decode(&live[&top]).expect("targets");
    let mut next = next_targets(&releases, map.signed(), &live[&name], map.expires()).expect("the next one");
    let image =
        world.repo(boltseal::registry::Access::Pull).manifest(&Selector::Tag("1.0".to_owned())).await.expect("it");
    set_tag(&mut next, "1.0", Target::new(image.bytes.len() as u64, &digest)).expect("a tag");
    set_tag(&mut next, "evil", Target::new(1, &evil)).expect("a tag");
    let mut file = Metadata::unsigned(next).expect("metadata");
    let unsigned = file.encode();
    let keys = &top.signed().delegations.as_ref().expect("delegations").keys;
    boltseal::sign::sign_metadata(&mut file, keys, world.key("alice")).await.expect("it signs");
    let staged = staging_tag(&releases, world.key("alice").public().fingerprint());
    for bytes in [unsigned, file.encode()] {
        world.stage(&staged, &BTreeMap::from([("next.json".to_owned(), bytes)])).await;
        let published = owner.sign("1.0", &["bob"]).await.expect("signed");
        assert_eq!(published.sealing, Sealing::Staged);
        let policy = world.policy("@ROOT@");
        assert_eq!(world.machine("reader").verdict(&policy, ":evil").await, "not-listed");
        assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "not-listed");
    }
}

/// A thief of the map's key and of the sealing key leaves the map at the last version there is. Once both keys are others, the
/// map starts anew, for who saw the last version too.
#[tokio::test]
async fn a_map_that_a_thief_left_at_the_last_version_starts_anew_under_other_keys() {
    let (_registry, address) = start().await;
    let mut world = World::sealed(&address, "app").await;
    let digest = world.push("1.0", "one").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    let policy = world.policy("@ROOT@");
    let releases = role(RoleName::RELEASES);
    let mut files = world.served(TRUST_TAG).await.files;
    let name = files.keys().find(|name| name.ends_with("targets%2Freleases.json")).expect("the map").clone();
    let top = files.keys().find(|name| name.ends_with(".targets.json")).expect("targets").clone();
    let keys =
        Metadata::<Targets>::decode(&files[&top]).expect("targets").signed().delegations.clone().expect("some").keys;
    let mut last = Metadata::<Targets>::decode(&files[&name]).expect("the map").signed().clone();
    last.header.version = (1 << 53) - 1;
    let mut stolen = Metadata::unsigned(last).expect("metadata");
    boltseal::sign::sign_metadata(&mut stolen, &keys, world.key("alice")).await.expect("it signs");
    files.remove(&name);
    files.insert(releases.file_name(Some((1 << 53) - 1)), stolen.encode());
    let root = Metadata::<Root>::decode(&files["1.root.json"]).expect("a root").signed().keys.clone();
    crate::attacks::seal_with(&world, &mut files, &root, &[world.key("alice")]).await;
    world.serve_files(&files).await;
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {digest}"));
    for name in ["dora", "sealer"] {
        world.keys.insert(name.to_owned(), Key::new());
    }
    let owner = world.machine("owner");
    let stuck = owner.sign("1.1", &["alice"]).await;
    assert!(stuck.is_err(), "there is no version after the last");
    let (new, old) =
        ([world.key("sealer").public()], ["alice", "bob"].map(|who| world.key(who).public().fingerprint()));
    let rotated = owner.write(&["root1", "root2", "targets", "sealer", "dora"], async |writer| {
        let sealing = writer.rotate(&RoleName::Timestamp, &new, &old).await?;
        assert_eq!(sealing.sealing, Sealing::Sealed);
        writer.rotate(&releases, &[world.key("dora").public()], &old).await
    });
    assert_eq!(rotated.await.expect("rotated").sealing, Sealing::Sealed);
    let version = world.served(TRUST_TAG).await.files.keys().any(|name| name == "1.targets%2Freleases.json");
    assert!(version, "the map counts from one again");
    for who in ["reader", "fresh", "owner"] {
        assert_eq!(world.machine(who).verdict(&policy, ":1.0").await, format!("allowed {digest}"), "{who}");
    }
    world.push("2.0", "two").await;
    owner.must_sign("2.0", &["dora", "sealer"]).await;
}

/// Whoever may push can leave anything where writers look. None of it is taken for a signer's word, shown as waiting, or in the
/// way; and a role that an honest key has staged wrongly is left where it is.
#[tokio::test]
async fn what_anybody_may_push_stops_no_publication() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let digest = world.push("1.0", "one").await;
    let (owner, policy) = (world.machine("owner"), world.policy("@ROOT@"));
    let live = world.served(TRUST_TAG).await.files;
    // A next root that takes everything over, signed by its own key alone: it must not even wait.
    let mallory = world.key("mallory");
    let mut root = Metadata::<Root>::decode(&live["1.root.json"]).expect("a root").signed().clone();
    root.header.version = 2;
    add_key(&mut root, &RoleName::Root, &mallory.public()).expect("a key");
    let keys = root.keys.clone();
    let mut taken = Metadata::unsigned(root).expect("metadata");
    boltseal::sign::sign_metadata(&mut taken, &keys, mallory).await.expect("it signs");
    let place = staging_tag(&RoleName::Root, world.key("root1").public().fingerprint());
    world.stage(&place, &BTreeMap::from([("2.root.json".to_owned(), taken.encode())])).await;
    // A blob whose size is another than its descriptor says.
    let mut lying =
        TrustArtifact::Staged.encode(&BTreeMap::from([("a.json".to_owned(), live["1.targets.json"].clone())]));
    lying.layers[0].size += 1;
    lying.layers[0].other.clear();
    let lying = boltseal::oci::Manifest::Image(Box::new(lying));
    world.serve(&staging_tag(&role("targets/bob"), world.key("bob").public().fingerprint()), &lying).await;
    // A role that its own key has staged with a time that has passed.
    let top = Metadata::<Targets>::decode(&live["1.targets.json"]).expect("targets");
    let delegated = top.signed().delegations.as_ref().expect("some").keys.clone();
    let mut late = boltseal::trust::tuf::author::new_targets(
        &world.name.to_string(),
        "2020-01-01T00:00:00Z".parse().expect("a time"),
    );
    set_tag(&mut late, "late", Target::new(1, &digest)).expect("a tag");
    let mut late = Metadata::unsigned(late).expect("metadata");
    boltseal::sign::sign_metadata(&mut late, &delegated, world.key("alice")).await.expect("it signs");
    let place = staging_tag(&role("targets/alice"), world.key("alice").public().fingerprint());
    world.stage(&place, &BTreeMap::from([("1.targets%2Falice.json".to_owned(), late.encode())])).await;
    // Layers beside the live state: one that calls itself a root, one that is no text.
    let mut junk = live.clone();
    junk.insert("x.root.json".to_owned(), b"{}".to_vec());
    junk.insert("x".to_owned(), vec![0xFF]);
    world.serve_files(&junk).await;
    let status = owner.write(&[], async |writer| writer.status().await).await.expect("a status");
    assert!(status.waiting.is_empty(), "{:?}", status.waiting);
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, "not-listed");
    owner.must_sign("1.0", &["bob"]).await;
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {digest}"));
    let files = world.served(TRUST_TAG).await.files;
    assert!(!files.contains_key("x") && !files.contains_key("x.root.json"), "junk is not taken along");
}

#[tokio::test]
async fn a_key_that_is_to_lose_its_rights_has_to_have_them() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let stranger = world.key("mallory").public().fingerprint();
    let owner = world.machine("owner");
    let people = ["root1", "root2", "targets", "alice"];
    let sealer = owner.write(&people, async |writer| writer.remove_sealer(stranger).await).await;
    let rotated =
        owner.write(&people, async |writer| writer.rotate(&role("targets/bob"), &[], &[stranger]).await).await;
    for error in [sealer.expect_err("no such key"), rotated.expect_err("no such key")] {
        assert!(matches!(error, TrustError::Author(AuthorError::KeyNotListed { .. })), "{error}");
    }
}
