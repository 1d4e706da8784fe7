use super::{repo::*, *};
use crate::{
    format::tuf::{Metadata, Root},
    sign::Signer,
    trust::tuf::author::*,
};

/// A root whose three keys are all others, signed by these old and new ones.
fn rotated(repo: &Repo, new: &[crate::sign::LocalSigner; 3], old: usize, own: usize) -> Vec<u8> {
    let mut root = next_root(&repo.root, in_days(1000)).unwrap();
    for signer in new {
        add_key(&mut root, &RoleName::Root, signer.public_key()).unwrap();
    }
    for signer in &repo.root_keys {
        remove_key(&mut root, &RoleName::Root, signer.public_key().fingerprint()).unwrap();
    }
    let mut keys = repo.root.keys.clone();
    keys.extend(root.keys.clone());
    let signers: Vec<_> = repo.root_keys.iter().take(old).chain(new.iter().take(own)).collect();
    signed(root, &keys, &signers)
}

// [V-75]
#[test]
fn a_root_takes_the_old_threshold_and_its_own() {
    let mut repo = Repo::new();
    let new = [key(), key(), key()];
    for (old, own, expected) in [(2, 1, "threshold-unmet"), (1, 3, "root-changed"), (0, 3, "root-changed")] {
        repo.served.insert("2.root.json".to_owned(), rotated(&repo, &new, old, own));
        assert_eq!(repo.fresh().unwrap_err().id(), expected, "{old} old, {own} new");
    }
    repo.served.insert("2.root.json".to_owned(), rotated(&repo, &new, 2, 2));
    let state = repo.fresh().unwrap();
    assert_eq!(state.root().version(), 2);
    assert!(state.lookup("1.0").is_ok());
}

// [V-74]
#[test]
fn pins_of_older_and_of_newer_keys_both_find_the_newest_root() {
    let mut repo = Repo::new();
    let old = repo.pins();
    let new = [key(), key(), key()];
    let bytes = rotated(&repo, &new, 2, 2);
    repo.root = Metadata::<Root>::decode(&bytes).unwrap().signed().clone();
    repo.served.insert("2.root.json".to_owned(), bytes);
    repo.root_keys = new;
    repo.serve_root(next_root(&repo.root, in_days(1000)).unwrap(), &[0, 1]);
    for pins in [old, repo.pins()] {
        assert_eq!(run(pins, repo.terms(), &repo.served).unwrap().root().version(), 3);
    }
    let nobody = TrustedStart::Pinned { keys: Default::default(), threshold: 0 };
    assert_eq!(run(nobody, repo.terms(), &repo.served).unwrap_err().id(), "root-changed", "0 of none is nothing");
    let stranger = TrustedStart::Pinned { keys: [key().public_key().fingerprint()].into(), threshold: 1 };
    let error = run(stranger, repo.terms(), &repo.served).unwrap_err();
    assert!(matches!(error, UpdateError::RootNotPinned { last: 3, needed: 1 }), "{error}");
}

// [V-75]
#[test]
fn a_root_must_be_exactly_one_version_on() {
    let mut repo = Repo::new();
    let mut root = next_root(&repo.root, in_days(1000)).unwrap();
    root.header.version = 3;
    let bytes = signed(root.clone(), &root.keys, &[&repo.root_keys[0], &repo.root_keys[1]]);
    repo.served.insert("2.root.json".to_owned(), bytes);
    assert_eq!(repo.fresh().unwrap_err().id(), "mix-and-match");
}

// [V-76]
#[test]
fn hiding_the_newest_root_is_a_rollback_for_who_has_seen_it() {
    let mut repo = Repo::new();
    repo.serve_root(next_root(&repo.root, in_days(1000)).unwrap(), &[1, 2]);
    let floors = repo.fresh().unwrap().floors();
    let newest = repo.served.remove("2.root.json").unwrap();
    let error = repo.after(floors.clone()).unwrap_err();
    assert!(matches!(error, UpdateError::Rollback { role: RoleName::Root, found: 1, known: 2 }), "{error}");
    repo.served.insert("2.root.json".to_owned(), newest);
    let _ = repo.after(floors).unwrap();
}

// [V-75]
#[test]
fn only_the_newest_root_has_to_be_fresh() {
    let mut repo = Repo::new();
    let mut old = repo.root.clone();
    old.header.expires = in_days(-1);
    repo.serve_root(old, &[0, 1]);
    assert_eq!(repo.fresh().unwrap_err().id(), "expired");
    repo.serve_root(next_root(&repo.root, in_days(1000)).unwrap(), &[0, 1]);
    let _ = repo.fresh().unwrap();
}

// [V-62]
#[test]
fn the_chain_of_roots_is_bounded() {
    let mut repo = Repo::new();
    for _ in 0..3 {
        repo.serve_root(next_root(&repo.root, in_days(1000)).unwrap(), &[0, 1]);
    }
    let mut terms = repo.terms();
    terms.limits.roots = 4;
    let _ = run(repo.pins(), terms.clone(), &repo.served).unwrap();
    terms.limits.roots = 3;
    assert_eq!(run(repo.pins(), terms.clone(), &repo.served).unwrap_err().id(), "over-limit");
    terms.limits.root_bytes = 100;
    assert_eq!(run(repo.pins(), terms, &repo.served).unwrap_err().id(), "over-limit");
}

/// Replaces or adds the sealing key, and seals with versions that start over.
fn new_sealing_key(repo: &mut Repo, keep_old: bool) {
    let old = repo.sealing.public_key().fingerprint();
    let new = key();
    let mut root = next_root(&repo.root, in_days(1000)).unwrap();
    for role in [RoleName::Timestamp, RoleName::Snapshot] {
        add_key(&mut root, &role, new.public_key()).unwrap();
        if !keep_old {
            remove_key(&mut root, &role, old).unwrap();
        }
    }
    repo.serve_root(root, &[0, 1]);
    repo.sealing = new;
    (repo.time, repo.snapshot, repo.timestamp) = (in_days(-10), None, None);
    repo.seal();
}

// [V-79]
#[test]
fn floors_survive_a_new_root_unless_none_of_the_role_s_old_keys_remains() {
    for (keep_old, expected) in [(true, "rollback"), (false, "accepted")] {
        let mut repo = Repo::new();
        let state = repo.fresh().unwrap();
        let floors = state.floors();
        let known =
            [RoleName::Timestamp, RoleName::Snapshot].map(|role| (role.clone(), state.file(&role).unwrap().to_vec()));
        new_sealing_key(&mut repo, keep_old);
        let after = repo.after(floors.clone());
        assert_eq!(after.map_or_else(|error| error.id(), |_| "accepted"), expected);
        // A floor without keys, as a lock file has it, holds in any case.
        let mut bare = floors;
        bare.roles.values_mut().for_each(|floor| floor.keys.clear());
        assert_eq!(repo.after(bare).unwrap_err().id(), "rollback");
        // So for a plain client, whose floors are the files that it kept.
        let terms = Terms { known: known.into(), ..Terms::new(now(), Rules::Tuf) };
        let start = TrustedStart::Root(repo.served["1.root.json"].clone());
        let plain = run(start, terms, &repo.served);
        assert_eq!(plain.map_or_else(|error| error.id(), |_| "accepted"), expected);
    }
}

// [V-79]
#[test]
fn the_floor_of_a_delegated_role_is_bound_to_its_keys_too() {
    let mut repo = Repo::new();
    repo.edit(&releases(), |_| {});
    repo.seal();
    let floors = repo.fresh().unwrap().floors();
    let old = repo.releases_key.public_key().fingerprint();
    let start_over = |repo: &mut Repo| {
        let mut list = new_targets(REPOSITORY, in_days(300));
        set_tag(&mut list, "1.0", target("one")).unwrap();
        repo.put(releases(), list);
        repo.seal();
    };
    repo.releases_key = key();
    let new = repo.releases_key.public_key().clone();
    repo.edit(&RoleName::Targets, |targets| add_signer(targets, &releases(), &new).unwrap());
    start_over(&mut repo);
    assert_eq!(repo.after(floors.clone()).unwrap_err().id(), "rollback");
    repo.edit(&RoleName::Targets, |targets| remove_signer(targets, &releases(), old).unwrap());
    start_over(&mut repo);
    let _ = repo.after(floors.clone()).unwrap();
    repo.edit(&RoleName::Targets, |targets| undelegate(targets, &releases()).unwrap());
    repo.seal();
    assert_eq!(repo.after(floors).unwrap_err().id(), "rollback", "nobody's role any more still has its floor");
}
