use super::{repo::*, *};
use crate::{
    format::tuf::{Metadata, MetadataError, Root, Targets},
    sign::Signer,
    trust::tuf::author::*,
};

fn signed_by(counts: &[Count]) -> Vec<(usize, u64)> {
    counts.iter().map(|count| (count.signed, count.needed)).collect()
}

#[test]
fn two_of_three_sign_one_after_the_other_without_a_shared_secret() {
    let repo = Repo::new();
    let old = repo.root.clone();
    let new = key();
    let mut root = next_root(&old, in_days(1000)).unwrap();
    add_key(&mut root, &RoleName::Root, new.public_key()).unwrap();
    remove_key(&mut root, &RoleName::Root, repo.root_keys[2].public_key().fingerprint()).unwrap();
    let mut keys = old.keys.clone();
    keys.extend(root.keys.clone());
    let mut metadata = Metadata::unsigned(root).unwrap();
    assert_eq!(signed_by(&root_counts(Some(&old), &metadata)), [(0, 2), (0, 2)]);
    // The file travels between machines as bytes.
    for (signer, expected) in
        [(&repo.root_keys[0], [(1, 2), (1, 2)]), (&new, [(1, 2), (2, 2)]), (&repo.root_keys[2], [(2, 2), (2, 2)])]
    {
        metadata = Metadata::<Root>::decode(&metadata.encode()).unwrap();
        sign(&mut metadata, &keys, &[signer]);
        assert_eq!(signed_by(&root_counts(Some(&old), &metadata)), expected);
    }
    let mut served = repo.served.clone();
    served.insert("2.root.json".to_owned(), metadata.encode());
    assert_eq!(run(repo.pins(), repo.terms(), &served).unwrap().root().version(), 2);
    let before = metadata.encode();
    sign(&mut metadata, &keys, &[&repo.root_keys[0]]);
    assert_eq!(metadata.encode(), before, "signing again replaces");
}

#[test]
fn thresholds_stay_between_one_and_the_number_of_keys() {
    let mut root = Repo::new().root;
    for (threshold, fine) in [(0, false), (1, true), (3, true), (4, false)] {
        assert_eq!(set_threshold(&mut root, &RoleName::Root, threshold).is_ok(), fine, "{threshold}");
    }
    let key = root.keys[&root.roles["root"].keyids[0]].decode().unwrap();
    let before = root.clone();
    let error = remove_key(&mut root, &RoleName::Root, key.fingerprint()).unwrap_err();
    assert!(matches!(error, AuthorError::Threshold { threshold: 3, keys: 2, .. }), "{error}");
    let error = add_key(&mut root, &RoleName::Root, key.public()).unwrap_err();
    assert!(matches!(error, AuthorError::KeyListed { .. }), "{error}");
    let error = add_key(&mut root, &releases(), key.public()).unwrap_err();
    assert!(matches!(error, AuthorError::NoRole(_)), "{error}");
    let error = remove_key(&mut root, &RoleName::Targets, key.fingerprint()).unwrap_err();
    assert!(matches!(error, AuthorError::KeyNotListed { .. }), "{error}");
    assert_eq!(root, before, "a refused edit changes nothing");
}

#[test]
fn keys_that_no_role_has_are_dropped_and_shared_ones_stay() {
    let mut root = Repo::new().root;
    let sealing = root.keys[&root.roles["snapshot"].keyids[0]].decode().unwrap().fingerprint();
    let (id, new) = (root.roles["snapshot"].keyids[0].clone(), key());
    for role in [RoleName::Snapshot, RoleName::Timestamp] {
        assert!(root.keys.contains_key(&id));
        add_key(&mut root, &role, new.public_key()).unwrap();
        remove_key(&mut root, &role, sealing).unwrap();
    }
    assert!(!root.keys.contains_key(&id));
}

// [V-67]
#[test]
fn the_next_file_counts_on_and_names_the_one_it_was_made_from() {
    let repo = Repo::new();
    let (current, bytes) = &repo.roles[&releases()];
    let next = next_targets(&releases(), current, bytes, in_days(9)).unwrap();
    assert_eq!((next.header.version, next.header.expires), (2, in_days(9)));
    assert_eq!(next.binding.unwrap().previous, Some(crate::oci::Digest::sha256(bytes)));
    assert_eq!(current.binding.as_ref().unwrap().previous, None);
    let mut last: Targets = current.clone();
    last.header.version = (1 << 53) - 1;
    let error = next_targets(&releases(), &last, bytes, in_days(9)).unwrap_err();
    assert!(matches!(error, AuthorError::LastVersion { .. }), "{error}");
    last.header.version += 1;
    assert!(matches!(Metadata::unsigned(last), Err(MetadataError::Version { .. })));
}

// [V-67]
#[test]
fn seals_count_seconds_and_never_go_back() {
    let seconds = now().as_second() as u64;
    assert_eq!(sealing_version(&RoleName::Snapshot, None, now()).unwrap(), seconds);
    assert_eq!(sealing_version(&RoleName::Snapshot, Some(5), now()).unwrap(), seconds);
    assert_eq!(sealing_version(&RoleName::Snapshot, Some(seconds + 5), now()).unwrap(), seconds + 6);
    assert!(sealing_version(&RoleName::Snapshot, Some((1 << 53) - 1), now()).is_err());
    let mut repo = Repo::new();
    let before = repo.snapshot.clone().unwrap();
    repo.roles.remove(&RoleName::from("targets/alice"));
    repo.seal();
    let after = repo.snapshot.clone().unwrap();
    assert_eq!(after.header.version, before.header.version + 1);
    assert_eq!(after.meta, before.meta, "a role that is gone stays listed");
}

// [V-70]
#[test]
fn only_tags_can_be_signed_as_tags() {
    let mut list = new_targets(REPOSITORY, in_days(1));
    for good in ["1.0", "latest", "_x", "A-b.c_d", &"a".repeat(128)] {
        set_tag(&mut list, good, target("x")).unwrap();
    }
    for bad in ["", ".a", "-a", "a/b", "a b", "é", "boltseal.trust", "boltseal.role.x", &"a".repeat(129)] {
        assert!(matches!(set_tag(&mut list, bad, target("x")), Err(AuthorError::Tag(_))), "{bad}");
    }
    remove_tag(&mut list, "1.0").unwrap();
    assert!(matches!(remove_tag(&mut list, "1.0"), Err(AuthorError::NotListed(_))));
    assert!(matches!(revoke(&mut list, &digest("x"), 1, &[], "caf\u{e9}"), Err(AuthorError::Text(_))));
}

// [V-70]
#[test]
fn a_delegation_is_made_once_with_a_name_and_patterns_that_all_read_alike() {
    let mut targets = new_targets(REPOSITORY, in_days(1));
    let keys = [key().public_key().clone()];
    let make = |targets: &mut Targets, role: &str, paths: &[&str], threshold, first| {
        let role = RoleName::from(role);
        let signers = Signers { keys: &keys, threshold };
        delegate(targets, &NewDelegation { role: &role, signers, paths, terminating: false, first })
    };
    make(&mut targets, "b", &["*"], 1, false).unwrap();
    make(&mut targets, "a", &["*"], 1, true).unwrap();
    let names: Vec<_> = targets.delegations().iter().map(|delegation| delegation.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let before = targets.clone();
    assert!(matches!(make(&mut targets, "a", &["*"], 1, false), Err(AuthorError::RoleExists(_))));
    for bad in ["", "root", "targets", "caf\u{e9}", "a\n"] {
        assert!(matches!(make(&mut targets, bad, &["*"], 1, false), Err(AuthorError::Name(_))), "{bad:?}");
    }
    assert!(matches!(make(&mut targets, "c", &["[a"], 1, false), Err(AuthorError::Pattern(_))));
    assert!(matches!(make(&mut targets, "c", &["*"], 2, false), Err(AuthorError::Threshold { .. })));
    assert_eq!(targets, before, "a refused edit changes nothing");
    set_signer_threshold(&mut targets, &RoleName::from("a"), 2).unwrap_err();
    undelegate(&mut targets, &RoleName::from("a")).unwrap();
    undelegate(&mut targets, &RoleName::from("b")).unwrap();
    assert_eq!(targets.delegations.unwrap().keys.len(), 0);
}

#[test]
fn a_delegated_role_s_signatures_are_counted_by_its_delegation() {
    let repo = Repo::new();
    let by = &repo.roles[&RoleName::Targets].0;
    let file = Metadata::<Targets>::decode(&repo.roles[&releases()].1).unwrap();
    let counted = count(by, &releases(), &file).unwrap();
    assert!(counted.is_met());
    assert_eq!(signed_by(&[counted]), [(1, 1)]);
    assert_eq!(signed_by(&[count(by, &revoked(), &file).unwrap()]), [(0, 1)]);
    assert!(matches!(count(by, &RoleName::from("x"), &file), Err(AuthorError::NoRole(_))));
}
