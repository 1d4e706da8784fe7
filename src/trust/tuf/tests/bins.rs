use super::{repo::*, *};
use crate::{format::tuf::Targets, limits::TRUST_BINS, sign::Signer, trust::tuf::author::*};

fn alice() -> RoleName {
    RoleName::from("targets/alice")
}

fn tags() -> Vec<String> {
    (0..100).map(|tag| format!("v{tag}")).collect()
}

/// A repository whose releases and alice list the same tags, each in bins of its own.
fn split_repo() -> Repo {
    let mut repo = Repo::new();
    for role in [releases(), alice()] {
        repo.edit(&role, |list| tags().iter().for_each(|tag| set_tag(list, tag, target(tag)).unwrap()));
        split_in(&mut repo, &role);
    }
    repo.seal();
    repo
}

/// Splits a role's list, and signs all of it with the role's key.
fn split_in(repo: &mut Repo, role: &RoleName) {
    let top = repo.roles[&RoleName::Targets].0.clone();
    let mut next = repo.next(role, |_| ());
    let bins = split(&top, role, &mut next).unwrap();
    repo.put(role.clone(), next);
    let own = if *role == releases() { &repo.releases_key } else { &repo.alice_key };
    for (bin, list) in bins {
        let bytes = signed(list.clone(), &repo.delegation_keys(), &[own]);
        repo.roles.insert(bin, (list, bytes));
    }
}

#[test]
fn a_list_says_the_same_in_bins_as_in_one_file() {
    let repo = split_repo();
    let state = repo.fresh().unwrap();
    assert!(state.targets(&releases()).unwrap().signed().targets.is_empty());
    for tag in tags() {
        let roles = [releases(), alice()];
        let listed = state.lookup_agreed(&tag, &roles).unwrap();
        assert_eq!(listed.target, &target(&tag));
        assert!(listed.role.as_str().starts_with("targets/releases/"), "{}", listed.role);
        let vouched = state.vouch(&Asked::Tag(tag.clone()), &roles, &[]).unwrap();
        assert!(vouched.by().keys().eq([&alice(), &releases()]), "bins are no roles of their own: {:?}", vouched.by());
        assert_eq!((vouched.signers(&roles), vouched.signers(&[releases()])), (2, 1));
        let digest = digest(&tag);
        let by_digest: Vec<_> = state.listed(&digest).map(|(path, _)| path).collect();
        assert_eq!(by_digest, [tag.as_str()]);
        // Whoever follows the specification alone finds the same.
        let plain = repo.plain(Scope::Paths(vec![tag.clone()])).unwrap();
        assert_eq!(plain.lookup(&tag).unwrap().target, &target(&tag));
    }
    let expected = tags();
    let expected = expected.iter().map(String::as_str).chain(["1.0"]).collect();
    assert_eq!(state.paths(), expected);
    assert!(matches!(state.lookup("none"), Err(LookupError::NotListed { .. })));
}

#[test]
fn for_one_tag_one_bin_is_read() {
    let repo = split_repo();
    let terms = Terms { scope: Scope::Paths(vec!["v7".to_owned()]), ..repo.terms() };
    let mut update = Update::begin(repo.pins(), terms).unwrap();
    let mut read = Vec::new();
    while let Some(want) = update.want().unwrap() {
        match repo.served.get(&want.file) {
            Some(bytes) => update.supply(bytes).unwrap(),
            None => update.absent().unwrap(),
        };
        read.extend(Some(want.role).filter(|role| !role.is_top_level()));
    }
    let state = update.finish().unwrap();
    let listed = state.lookup("v7").unwrap();
    assert_eq!(read, [revoked(), releases(), listed.role.clone()]);
}

#[test]
fn a_bin_that_cannot_be_used_hides_its_own_tags_alone() {
    let mut repo = split_repo();
    let role = repo.fresh().unwrap().lookup("v7").unwrap().role.clone();
    repo.served.remove(&role.file_name(Some(1)));
    let state = repo.fresh().unwrap();
    for tag in tags() {
        let inside = repo.roles[&role].0.targets.contains(&tag);
        match state.lookup(&tag) {
            Ok(listed) => assert!(!inside && listed.target == &target(&tag)),
            // Alice lists it too, and answers in nobody's place.
            Err(error) => assert!(inside && matches!(error, LookupError::RoleUnusable { .. }), "{tag}: {error}"),
        }
    }
}

#[test]
fn a_list_is_split_once_and_into_names_that_are_free() {
    let repo = Repo::new();
    let top = repo.roles[&RoleName::Targets].0.clone();
    let mut map = repo.next(&releases(), |_| ());
    let error = split(&top, &RoleName::from("targets/nobody"), &mut map).unwrap_err();
    assert!(matches!(error, AuthorError::NoRole(_)), "{error}");
    let bins = split(&top, &releases(), &mut map).unwrap();
    assert_eq!(bins.len(), TRUST_BINS);
    assert_eq!(bins.values().map(|list| list.targets.len()).sum::<usize>(), 1);
    let base = map.binding.as_ref().unwrap().previous;
    assert!(bins.values().all(|list| list.binding.as_ref().unwrap().previous == base && list.header.version == 1));
    assert!(map.bins().all(|bin| bin.terminating) && map.bins().count() == TRUST_BINS);
    let before = map.clone();
    let error = split(&top, &releases(), &mut map).unwrap_err();
    assert!(matches!(error, AuthorError::RoleExists(_)), "{error}");
    assert_eq!(map, before, "a refused edit changes nothing");
    // Whom the role had delegated to is still asked.
    let mut map = repo.next(&releases(), |map| {
        let keys = public(&[&repo.alice_key]);
        let (role, signers) = (RoleName::from("team"), Signers { keys: &keys, threshold: 1 });
        delegate(map, &NewDelegation { role: &role, signers, paths: &["*"], terminating: false, first: false })
            .unwrap();
    });
    split(&top, &releases(), &mut map).unwrap();
    assert!(map.bins().all(|bin| !bin.terminating));
    assert_eq!(map.delegations().last().unwrap().name.as_str(), "team");
    let ids = &map.delegations.as_ref().unwrap().keys;
    assert_eq!(ids.len(), 2, "the keys of releases and of the team");
}

#[test]
fn bins_have_the_keys_of_their_role() {
    let repo = split_repo();
    let mut top = repo.roles[&RoleName::Targets].0.clone();
    let mut map = repo.roles[&releases()].0.clone();
    let aligned = |top: &Targets, map: &Targets| bins_are_aligned(top, &releases(), map);
    assert!(aligned(&top, &map));
    let new = key();
    add_signer(&mut top, &releases(), new.public_key()).unwrap();
    assert!(!aligned(&top, &map));
    align_bins(&top, &releases(), &mut map).unwrap();
    assert!(aligned(&top, &map) && map.delegations.as_ref().unwrap().keys.len() == 2);
    set_signer_threshold(&mut top, &releases(), 2).unwrap();
    assert!(!aligned(&top, &map));
    set_signer_threshold(&mut top, &releases(), 1).unwrap();
    remove_signer(&mut top, &releases(), repo.releases_key.public_key().fingerprint()).unwrap();
    assert!(!aligned(&top, &map));
    align_bins(&top, &releases(), &mut map).unwrap();
    assert!(aligned(&top, &map) && map.delegations.as_ref().unwrap().keys.len() == 1);
    assert!(map.bins().all(|bin| bin.keys.threshold == 1 && bin.keys.keyids.len() == 1));
}
