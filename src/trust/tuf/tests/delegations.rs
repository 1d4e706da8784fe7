use super::{repo::*, *};
use crate::{
    format::tuf::{Delegation, Key, Targets},
    sign::{LocalSigner, Signer},
    trust::tuf::author::*,
};

fn alice() -> RoleName {
    RoleName::from("targets/alice")
}

fn list(tag: &str, text: &str) -> Targets {
    let mut list = new_targets(REPOSITORY, in_days(300));
    set_tag(&mut list, tag, target(text)).unwrap();
    list
}

fn add(by: &mut Targets, role: &str, keys: &[&LocalSigner], paths: &[&str], terminating: bool) {
    let (role, keys) = (RoleName::from(role), public(keys));
    let signers = Signers { keys: &keys, threshold: 1 };
    delegate(by, &NewDelegation { role: &role, signers, paths, terminating, first: false }).unwrap();
}

// [V-80]
#[test]
fn a_delegate_that_cannot_be_used_breaks_no_other_lookup() {
    let spoil: Spoils = &[
        ("missing", |repo| drop(repo.served.remove(&alice().file_name(Some(1))))),
        ("missing", |repo| {
            let mut snapshot = repo.snapshot.clone().unwrap();
            snapshot.meta.remove(&alice().meta_name());
            repo.seal_snapshot(snapshot);
        }),
        ("expired", |repo| {
            repo.put(alice(), new_targets(REPOSITORY, in_days(-1)));
            repo.seal();
        }),
        ("threshold-unmet", |repo| {
            repo.alice_key = key();
            let mut keys = repo.delegation_keys();
            keys.insert("new".to_owned(), Key::new(repo.alice_key.public_key()));
            let list = list("1.0", "evil");
            let bytes = signed(list.clone(), &keys, &[&repo.alice_key]);
            repo.roles.insert(alice(), (list, bytes));
            repo.seal();
        }),
        ("malformed", |repo| {
            repo.roles.insert(alice(), (list("1.0", "evil"), b"{}".to_vec()));
            repo.seal();
        }),
        ("wrong-repository", |repo| {
            repo.put(alice(), new_targets("elsewhere", in_days(300)));
            repo.seal();
        }),
    ];
    for &(expected, spoil) in spoil {
        let mut repo = Repo::new();
        spoil(&mut repo);
        let state = repo.fresh().unwrap();
        assert_eq!(state.lookup("1.0").unwrap().target, &target("one"), "{expected}");
        let passed_over: Vec<_> = state.passed_over().map(|(by, role, error)| (by, role, error.id())).collect();
        assert_eq!(passed_over, [(&RoleName::Targets, &alice(), expected)]);
        // By the specification alone the search ends at such a role, and does not start where another answers first.
        assert!(repo.plain(Scope::Paths(vec!["1.0".to_owned()])).is_ok());
    }
}

// [V-80]
#[test]
fn nobody_answers_in_the_place_of_a_terminating_role_that_cannot_be_used() {
    let mut repo = Repo::new();
    repo.put(alice(), list("1.0", "evil"));
    repo.seal();
    assert_eq!(repo.digest_of("1.0"), Some(digest("one")));
    repo.served.remove(&releases().file_name(Some(1)));
    let error = repo.fresh().unwrap().lookup("1.0").unwrap_err();
    assert!(matches!(&error, LookupError::RoleUnusable { role, id: "missing", .. } if *role == releases()), "{error}");
    assert_eq!(repo.plain(Scope::Paths(vec!["1.0".to_owned()])).unwrap_err().id(), "missing");
}

// [V-82]
#[test]
fn a_role_is_asked_only_for_the_paths_of_its_delegations() {
    let mut repo = Repo::new();
    let (bob, carol) = (key(), key());
    repo.edit(&RoleName::Targets, |targets| {
        undelegate(targets, &releases()).unwrap();
        undelegate(targets, &alice()).unwrap();
        add(targets, "targets/bob", &[&bob], &["v1*"], false);
    });
    let mut by_bob = list("v1", "bob");
    set_tag(&mut by_bob, "v2", target("bob")).unwrap();
    // Bob hands on more than he has.
    add(&mut by_bob, "targets/bob/carol", &[&carol], &["*"], false);
    let mut by_carol = list("v1.5", "carol");
    set_tag(&mut by_carol, "v2", target("carol")).unwrap();
    let bytes = signed(by_carol.clone(), &by_bob.delegations.clone().unwrap().keys, &[&carol]);
    repo.roles.insert(RoleName::from("targets/bob/carol"), (by_carol, bytes));
    let bytes = signed(by_bob.clone(), &repo.delegation_keys(), &[&bob]);
    repo.roles.insert(RoleName::from("targets/bob"), (by_bob, bytes));
    repo.seal();
    let state = repo.fresh().unwrap();
    assert_eq!(state.lookup("v1").unwrap().target, &target("bob"));
    assert_eq!(state.lookup("v1.5").unwrap().target, &target("carol"));
    assert_eq!(state.lookup("v2").unwrap_err().id(), "not-listed");
    let roles = [RoleName::from("targets/bob/carol")];
    assert_eq!(state.lookup_agreed("v1.5", &roles).unwrap().target, &target("carol"));
}

// [V-83]
#[test]
fn roles_that_must_agree_say_the_same_digest_and_length() {
    let mut repo = Repo::new();
    let roles = [releases(), alice()];
    repo.fresh().unwrap().lookup_agreed("1.0", &roles).unwrap();
    for other in [list("1.0", "two"), list("2.0", "one"), {
        let mut longer = list("1.0", "one");
        longer.targets.edit().get_mut("1.0").unwrap().length += 1;
        longer
    }] {
        repo.put(alice(), other);
        repo.seal();
        let error = repo.fresh().unwrap().lookup_agreed("1.0", &roles).unwrap_err();
        assert_eq!(error.id(), "roles-disagree", "{error}");
    }
    let unknown = [RoleName::from("targets/nobody")];
    assert_eq!(repo.fresh().unwrap().lookup_agreed("1.0", &unknown).unwrap_err().id(), "roles-disagree");
}

/// Two delegates who expect others behind one name, in this order; the file is signed by whom Carol expects.
fn shared_by(names: [&str; 2]) -> Repo {
    let mut repo = Repo::new();
    let keys = [key(), key()];
    repo.edit(&RoleName::Targets, |targets| {
        undelegate(targets, &releases()).unwrap();
        undelegate(targets, &alice()).unwrap();
        names.iter().zip(&keys).for_each(|(name, key)| add(targets, name, &[key], &["*"], false));
    });
    for (name, by) in names.iter().zip(&keys) {
        let (mut targets, other) = (new_targets(REPOSITORY, in_days(300)), key());
        add(&mut targets, "shared", &[&other], &["*"], false);
        repo.put_by(name, targets.clone(), &repo.delegation_keys(), by);
        if *name == "carol" {
            repo.put_by("shared", list("1.0", "shared"), &targets.delegations.unwrap().keys, &other);
        }
    }
    repo.seal();
    repo
}

#[test]
fn by_tuf_s_rules_one_file_can_be_good_for_one_delegation_and_not_for_another() {
    let only = || Scope::Paths(vec!["1.0".to_owned()]);
    let state = shared_by(["carol", "bob"]).plain(only()).unwrap();
    assert_eq!(state.lookup("1.0").unwrap().target, &target("shared"));
    // That it was read for Carol does not make it good for Bob.
    for (names, scope) in [(["carol", "bob"], Scope::All), (["bob", "carol"], only())] {
        assert_eq!(shared_by(names).plain(scope).unwrap_err().id(), "threshold-unmet", "{names:?}");
    }
}

/// The delegations that were passed over: by whom, to whom, and why.
fn passed_over(state: &TrustState) -> Vec<(&str, &str, &str)> {
    state.passed_over().map(|(by, role, error)| (by.as_str(), role.as_str(), error.id())).collect()
}

// [V-102]
#[test]
fn the_first_delegator_of_a_level_is_the_only_one() {
    for (names, found) in [(["carol", "bob"], Ok(target("shared"))), (["bob", "carol"], Err("threshold-unmet"))] {
        let repo = shared_by(names);
        let state = repo.fresh().unwrap();
        assert_eq!(state.lookup("1.0").map(|listed| listed.target.clone()).map_err(|error| error.id()), found);
        assert!(passed_over(&state).contains(&(names[1], "shared", "delegated-twice")), "{names:?}");
    }
}

// [V-102]
#[test]
fn no_delegate_poses_as_a_role_that_the_top_delegates_to() {
    let bob = RoleName::from("targets/bob");
    let (other, honest) = (key(), key());
    let scopes = [Scope::All, Scope::Paths(vec!["1.0".to_owned()])];
    for scope in scopes {
        let mut repo = Repo::new();
        repo.edit(&RoleName::Targets, |targets| {
            undelegate(targets, &releases()).unwrap();
            add(targets, bob.as_str(), &[&honest], &["*"], false);
        });
        repo.put_by(bob.as_str(), list("1.0", "one"), &repo.delegation_keys(), &honest);
        repo.seal();
        let terms = |repo: &Repo| Terms { scope: scope.clone(), ..repo.terms() };
        let before = run(repo.pins(), terms(&repo), &repo.served).unwrap();
        // Alice, who is asked first, delegates to Bob's name by a key of hers, and signs what he signs.
        repo.edit(&alice(), |targets| add(targets, bob.as_str(), &[&other], &["*"], true));
        let by_alice = repo.roles[&alice()].0.delegations.clone().unwrap().keys;
        let mut both = repo.delegation_keys();
        both.extend(by_alice.clone());
        let bobs = list("1.0", "one");
        repo.roles.insert(bob.clone(), (bobs.clone(), signed(bobs, &both, &[&honest, &other])));
        repo.seal();
        let state = run(repo.pins(), terms(&repo), &repo.served).unwrap();
        let expected = match scope {
            Scope::All => vec![("targets/alice", "targets/bob", "delegated-twice")],
            // Her own list answers: the search goes no further.
            _ => vec![],
        };
        assert_eq!(passed_over(&state), expected);
        if scope == Scope::All {
            assert_eq!(state.signers(&bob), before.signers(&bob), "her key is none of Bob's");
            assert_eq!(state.floors().roles[&bob].keys, before.floors().roles[&bob].keys);
        }
        // Without Bob's signature the file is nobody's, and where Alice lists nothing herself too.
        repo.edit(&alice(), |targets| targets.targets.edit().clear());
        repo.put_by(bob.as_str(), list("1.0", "evil"), &by_alice, &other);
        repo.seal();
        let state = run(repo.pins(), terms(&repo), &repo.served).unwrap();
        assert_eq!(state.lookup("1.0").unwrap_err().id(), "delegated-twice");
        assert!(state.lookup_agreed("1.0", std::slice::from_ref(&bob)).is_err() && state.signers(&bob).is_empty());
    }
}

// [V-62]
#[test]
fn names_of_roles_are_bounded() {
    for (length, found) in [(255, Ok(target("deep"))), (256, Err("over-limit"))] {
        let (mut repo, own, name) = (Repo::new(), key(), "n".repeat(length));
        repo.edit(&RoleName::Targets, |targets| undelegate(targets, &releases()).unwrap());
        repo.edit(&alice(), |targets| {
            add(targets, "short", &[&own], &["*"], false);
            targets.delegations.as_mut().unwrap().roles[0].name = RoleName::from(name.as_str());
        });
        let keys = repo.roles[&alice()].0.delegations.clone().unwrap().keys;
        repo.put_by(&name, list("deep", "deep"), &keys, &own);
        repo.seal();
        let state = repo.fresh().unwrap();
        assert_eq!(state.lookup("deep").map(|listed| listed.target.clone()).map_err(|error| error.id()), found);
        // It is a rule of boltseal's: any TUF repository may have such names.
        assert!(repo.plain(Scope::All).unwrap().lookup("deep").is_ok());
    }
}

#[test]
fn ten_thousand_tags_and_a_thousand_revocations_are_answered_at_once() {
    let mut repo = Repo::new();
    repo.edit(&releases(), |list| {
        (0..10_000).for_each(|n| set_tag(list, &format!("t{n}"), target(&format!("{n}"))).unwrap());
    });
    repo.edit(&revoked(), |list| {
        (0..1_000).for_each(|n| revoke(list, &digest(&format!("gone {n}")), 1, &[], "gone").unwrap());
    });
    repo.seal();
    let state = repo.fresh().unwrap();
    assert!(state.revoked(&digest("gone 999")).is_some());
    let begin = std::time::Instant::now();
    for n in 0..20 {
        let asked = Asked::Digest(digest(&format!("{n}")));
        assert_eq!(state.vouch(&asked, &[releases()], &[]).unwrap().tag(), Some(format!("t{n}").as_str()));
    }
    // All tags times all revocations takes minutes.
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

// [V-62]
#[test]
fn circles_end_and_depth_and_number_are_bounded() {
    let mut repo = Repo::new();
    // Alice delegates to herself and back up, and then down and down.
    repo.edit(&alice(), |targets| {
        targets.targets.edit().clear();
        add(targets, "targets/alice", &[&key()], &["*"], false);
    });
    let keys: Vec<_> = (0..12).map(|_| key()).collect();
    let name = |n: usize| format!("deep/{n}");
    repo.edit(&alice(), |targets| add(targets, &name(0), &[&keys[0]], &["*"], false));
    let mut by = repo.roles[&alice()].0.delegations.clone().unwrap().keys;
    for n in 0..11 {
        let mut targets = list(&format!("t{n}"), "deep");
        add(&mut targets, &name(n + 1), &[&keys[n + 1]], &["*"], false);
        let bytes = signed(targets.clone(), &by, &[&keys[n]]);
        by = targets.delegations.clone().unwrap().keys;
        repo.roles.insert(RoleName::from(name(n)), (targets, bytes));
    }
    repo.edit(&RoleName::Targets, |targets| undelegate(targets, &releases()).unwrap());
    repo.seal();
    let state = repo.fresh().unwrap();
    assert!(state.lookup("t6").is_ok(), "eight delegations below the top");
    assert_eq!(state.lookup("t7").unwrap_err().id(), "over-limit");
    let mut terms = repo.terms();
    terms.limits.delegations = 3;
    let state = run(repo.pins(), terms, &repo.served).unwrap();
    assert!(
        state.revoked(&digest("x")).is_none() && state.targets(&revoked()).is_some(),
        "what is revoked comes first"
    );
    assert_eq!(state.lookup("t3").unwrap_err().id(), "over-limit");
    let mut terms = repo.terms();
    let upper: usize = [RoleName::Targets, revoked(), alice()].iter().map(|role| repo.roles[role].1.len()).sum();
    terms.limits.all_targets_bytes = upper as u64 + 10;
    let state = run(repo.pins(), terms, &repo.served).unwrap();
    assert_eq!(state.lookup("t0").unwrap_err().id(), "over-limit");
}

// [V-81]
#[test]
fn who_delegates_to_thousands_keeps_nobody_else_out() {
    let mut repo = Repo::new();
    let bob = key();
    repo.edit(&RoleName::Targets, |targets| {
        undelegate(targets, &releases()).unwrap();
        add(targets, "targets/bob", &[&bob], &["*"], false);
    });
    let bobs = list("bob", "bob");
    let bytes = signed(bobs.clone(), &repo.delegation_keys(), &[&bob]);
    repo.roles.insert(RoleName::from("targets/bob"), (bobs, bytes));
    repo.edit(&alice(), |targets| {
        add(targets, "x", &[&key()], &["*"], false);
        let delegations = targets.delegations.as_mut().unwrap();
        let first = delegations.roles[0].clone();
        let many = (0..3000).map(|n| Delegation { name: RoleName::from(format!("x{n}")), ..first.clone() });
        delegations.roles.extend(many);
    });
    repo.seal();
    let state = repo.fresh().unwrap();
    assert_eq!(state.lookup("bob").unwrap().target, &target("bob"));
    assert!(state.passed_over().count() <= 1024);
    assert_eq!(state.lookup("none").unwrap_err().id(), "missing");
    // Nor is the list of what is revoked ever over the limit, wherever it stands.
    repo.edit(&RoleName::Targets, |targets| {
        let delegations = targets.delegations.as_mut().unwrap();
        let first = delegations.roles[0].clone();
        let many = (0..2000).map(|n| Delegation { name: RoleName::from(format!("y{n}")), ..first.clone() });
        delegations.roles.splice(0..0, many);
    });
    repo.edit(&revoked(), |list| revoke(list, &digest("bob"), 3, &[], "gone").unwrap());
    repo.seal();
    for limit in [0, 1024, 5000] {
        let mut terms = repo.terms();
        (terms.limits.delegations, terms.limits.depth) = (limit, limit.min(8));
        assert!(run(repo.pins(), terms, &repo.served).unwrap().revoked(&digest("bob")).is_some(), "{limit}");
    }
}

// [V-82]
#[test]
fn the_search_asks_in_preorder_and_reads_no_more_than_it_must() {
    let mut repo = Repo::new();
    let [a, b, c, d] = [key(), key(), key(), key()];
    repo.edit(&RoleName::Targets, |targets| {
        targets.delegations = None;
        add(targets, "a", &[&a], &["*"], false);
        add(targets, "b", &[&b], &["v*"], true);
        add(targets, "d", &[&d], &["*"], false);
    });
    let mut by_a = new_targets(REPOSITORY, in_days(300));
    add(&mut by_a, "c", &[&c], &["*"], false);
    let under_a = by_a.delegations.clone().unwrap().keys;
    for (name, targets, keys, signer) in [
        ("a", by_a, repo.delegation_keys(), &a),
        ("b", list("v1", "b"), repo.delegation_keys(), &b),
        ("c", list("c", "c"), under_a, &c),
        ("d", list("v2", "d"), repo.delegation_keys(), &d),
    ] {
        let bytes = signed(targets.clone(), &keys, &[signer]);
        repo.roles.insert(RoleName::from(name), (targets, bytes));
    }
    repo.seal();
    for (path, asked, found) in [("v1", "acb", true), ("c", "ac", true), ("v2", "acb", false), ("other", "acd", false)]
    {
        let terms = Terms { scope: Scope::Paths(vec![path.to_owned()]), ..Terms::new(now(), Rules::Tuf) };
        let mut update = Update::begin(TrustedStart::Root(repo.served["1.root.json"].clone()), terms).unwrap();
        let mut order = String::new();
        while let Some(want) = update.want().unwrap() {
            if !want.role.is_top_level() {
                order.push_str(want.role.as_str());
            }
            match repo.served.get(&want.file) {
                Some(bytes) => update.supply(bytes).unwrap(),
                None => update.absent().unwrap(),
            };
        }
        let state = update.finish().unwrap();
        assert_eq!((order.as_str(), state.lookup(path).is_ok()), (asked, found), "{path}");
    }
}

// [V-83]
#[test]
fn a_role_s_hashed_bins_are_its_list_in_parts() {
    let mut repo = Repo::new();
    let bins = [key(), key()];
    let (low, high): (Vec<_>, Vec<_>) =
        "0123456789abcdef".chars().map(|hex| hex.to_string()).partition(|hex| hex.as_str() < "8");
    let name = |at: usize| RoleName::from(format!("targets/releases/{at}"));
    repo.edit(&releases(), |list| {
        list.targets.edit().clear();
        for (at, prefixes) in [low, high].into_iter().enumerate() {
            add(list, name(at).as_str(), &[&bins[at]], &["-"], false);
            let bin = list.delegations.as_mut().unwrap().roles.last_mut().unwrap();
            (bin.paths, bin.path_hash_prefixes) = (None, Some(prefixes));
        }
    });
    // Both bins list the tag; by its hash it belongs to one.
    let keys = repo.roles[&releases()].0.delegations.clone().unwrap().keys;
    for (at, (bin, text)) in bins.iter().zip(["one", "two"]).enumerate() {
        let file = list("1.0", text);
        repo.roles.insert(name(at), (file.clone(), signed(file, &keys, &[bin])));
    }
    repo.seal();
    let state = repo.fresh().unwrap();
    let at = usize::from(digest("1.0").hex().as_str() >= "8");
    let expected = ["one", "two"][at];
    assert_eq!(state.lookup_agreed("1.0", &[releases()]).unwrap().target, &target(expected));
    let vouched = state.vouch(&Asked::Tag("1.0".to_owned()), &[releases()], &[]).unwrap();
    let signer = crate::trust::Principal::Key(bins[at].public_key().fingerprint());
    assert_eq!(vouched.by()[&releases()], [signer].into(), "who signed the bin vouches");
    // Alice lists it too, and no bin of hers is meant.
    assert_eq!(state.lookup_agreed("1.0", &[releases(), alice()]).is_ok(), expected == "one");
}
