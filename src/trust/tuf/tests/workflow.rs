use super::{repo::*, *};
use crate::trust::tuf::author::*;
use std::collections::BTreeMap;

fn known(state: &TrustState) -> BTreeMap<RoleName, Vec<u8>> {
    let roles = state.roles().into_iter().filter(|role| *role.name != RoleName::Root);
    roles.map(|role| (role.name.clone(), state.file(role.name).unwrap().to_vec())).collect()
}

/// The files that an update asks for, and how it ends.
fn wanted(mut update: Update, served: &BTreeMap<String, Vec<u8>>) -> (Vec<String>, TrustState) {
    let mut files = Vec::new();
    while let Some(want) = update.want().unwrap() {
        files.push(want.file.clone());
        match served.get(&want.file) {
            Some(bytes) => update.supply(bytes).unwrap(),
            None => update.absent().unwrap(),
        };
    }
    (files, update.finish().unwrap())
}

#[test]
fn files_that_are_known_and_still_fit_are_not_read_again() {
    let mut repo = Repo::new();
    let state = repo.fresh().unwrap();
    let start = || TrustedStart::Root(state.file(&RoleName::Root).unwrap().to_vec());
    let begin = |repo: &Repo| Update::begin(start(), Terms { known: known(&state), ..repo.terms() }).unwrap();
    let (files, again) = wanted(begin(&repo), &repo.served);
    assert_eq!(files, ["2.root.json", "timestamp.json"]);
    assert_eq!(again.lookup("1.0"), state.lookup("1.0"));
    repo.edit(&releases(), |list| set_tag(list, "1.0", target("two")).unwrap());
    repo.seal();
    let version = repo.snapshot.as_ref().unwrap().header.version;
    let (files, newer) = wanted(begin(&repo), &repo.served);
    assert_eq!(files[2..], [format!("{version}.snapshot.json"), "2.targets%2Freleases.json".to_owned()]);
    assert_eq!(newer.lookup("1.0").unwrap().target, &target("two"));
}

#[test]
fn known_files_are_floors() {
    let mut repo = Repo::new();
    let old = repo.served.clone();
    repo.seal();
    let state = repo.fresh().unwrap();
    for rules in [Rules::Tuf, repo.terms().rules] {
        let terms = Terms { known: known(&state), ..Terms::new(now(), rules) };
        let error = run(TrustedStart::Root(old["1.root.json"].clone()), terms, &old).unwrap_err();
        assert!(matches!(error, UpdateError::Rollback { role: RoleName::Timestamp, .. }), "{error}");
    }
}

#[test]
fn another_timestamp_of_the_known_version_is_left_aside_and_by_our_rules_taken() {
    let mut repo = Repo::new();
    let state = repo.fresh().unwrap();
    let mut timestamp = repo.timestamp.clone().unwrap();
    timestamp.header.expires = in_days(15);
    repo.serve_timestamp(timestamp);
    let start = TrustedStart::Root(repo.served["1.root.json"].clone());
    let plain = Terms { known: known(&state), ..Terms::new(now(), Rules::Tuf) };
    let kept = run(start.clone(), plain, &repo.served).unwrap();
    assert_eq!(kept.file(&RoleName::Timestamp), state.file(&RoleName::Timestamp));
    let terms = Terms { known: known(&state), ..repo.terms() };
    let taken = run(start, terms, &repo.served).unwrap();
    assert_eq!(taken.file(&RoleName::Timestamp), repo.served.get("timestamp.json").map(Vec::as_slice));
}

#[test]
fn a_refused_file_changes_nothing_and_may_come_again() {
    let repo = Repo::new();
    let mut update = Update::begin(repo.pins(), repo.terms()).unwrap();
    while let Some(want) = update.want().unwrap() {
        // A root that says nothing about the pinned keys is passed over, not refused.
        if want.role != RoleName::Root {
            assert!(update.supply(b"{}").is_err(), "{}", want.file);
            assert!(update.supply(&vec![b' '; want.max_bytes as usize + 1]).is_err());
            let unfinished = update.want().unwrap();
            assert_eq!(unfinished.as_ref(), Some(&want), "still wanted");
        }
        if want.role == RoleName::Delegated(RoleName::REVOKED.to_owned()) {
            update.supply(&repo.served[&want.file]).unwrap();
            break;
        }
        match repo.served.get(&want.file) {
            Some(bytes) => assert_ne!(update.supply(bytes).unwrap(), Supplied::PassedOver),
            None => assert_eq!(update.absent().unwrap(), Supplied::NotNeeded),
        }
    }
    // A delegate is passed over instead, and then it is not wanted any more.
    let want = update.want().unwrap().unwrap();
    assert_eq!(update.supply(b"{}").unwrap(), Supplied::PassedOver);
    assert_ne!(update.want().unwrap(), Some(want));
    assert!(matches!(update.finish(), Err(UpdateError::Unfinished { .. })));
}

#[test]
fn nothing_can_be_supplied_when_nothing_is_wanted() {
    let repo = Repo::new();
    let terms = Terms { scope: Scope::TopLevel, ..Terms::new(now(), Rules::Tuf) };
    let mut update = Update::begin(repo.pins(), terms).unwrap();
    while let Some(want) = update.want().unwrap() {
        match repo.served.get(&want.file) {
            Some(bytes) => update.supply(bytes).unwrap(),
            None => update.absent().unwrap(),
        };
    }
    assert!(matches!(update.supply(b"{}"), Err(UpdateError::NothingWanted)));
    assert!(matches!(update.absent(), Err(UpdateError::NothingWanted)));
    let state = update.finish().unwrap();
    // What was not read is not "not listed".
    assert_eq!(state.lookup("1.0").unwrap_err().id(), "unfinished");
}

#[test]
fn a_file_may_be_as_long_as_it_was_signed() {
    let repo = Repo::new();
    let mut update = Update::begin(repo.pins(), repo.terms()).unwrap();
    while let Some(want) = update.want().unwrap() {
        let Some(bytes) = repo.served.get(&want.file) else {
            update.absent().unwrap();
            continue;
        };
        if !matches!(want.role, RoleName::Root | RoleName::Timestamp) {
            assert_eq!(want.max_bytes, bytes.len() as u64);
        }
        update.supply(bytes).unwrap();
    }
}

// [V-65]
#[test]
fn boltseal_wants_length_and_sha256_listed_and_plain_tuf_does_not() {
    let mut repo = Repo::new();
    let mut snapshot = repo.snapshot.clone().unwrap();
    snapshot.meta.get_mut("targets.json").unwrap().hashes = None;
    repo.seal_snapshot(snapshot);
    assert_eq!(repo.fresh().unwrap_err().id(), "mix-and-match");
    let _ = repo.plain(Scope::All).unwrap();
}

#[test]
fn floors_say_what_was_seen() {
    let repo = Repo::new();
    let state = repo.fresh().unwrap();
    let floors = state.floors();
    assert_eq!(floors.root.as_ref().unwrap().version, 1);
    let versions: BTreeMap<_, _> = floors.roles.iter().map(|(role, floor)| (role, floor.version)).collect();
    let mut expected = state.versions();
    expected.remove(&RoleName::Root);
    assert_eq!(versions, expected);
    assert!(floors.roles.values().all(|floor| floor.keys.len() == 1 && floor.digest.is_some()));
    assert_eq!(repo.after(floors.clone()).unwrap().floors(), floors);
}

#[test]
fn without_consistent_snapshots_names_have_no_versions() {
    let mut repo = Repo::new();
    let root = crate::format::tuf::Root { consistent_snapshot: false, ..repo.root.clone() };
    repo.serve_root(root, &[0, 1]);
    for (name, bytes) in repo.served.clone() {
        if let Some((_, rest)) =
            name.split_once('.').filter(|(version, rest)| version.parse::<u64>().is_ok() && *rest != "root.json")
        {
            repo.served.insert(rest.to_owned(), bytes);
            repo.served.remove(&name);
        }
    }
    assert!(repo.served.contains_key("targets%2Freleases.json"));
    assert!(repo.fresh().unwrap().lookup("1.0").is_ok());
}
