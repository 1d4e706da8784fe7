//! Every row of the attack table that is decided by the metadata alone.

use super::{repo::*, *};
use crate::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::tuf::{Key, Metadata, Root, Snapshot, Timestamp},
    oci::Digest,
    sign::{LocalSigner, Signer},
    trust::tuf::author::*,
};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

fn id(result: Result<TrustState, UpdateError>) -> &'static str {
    result.map_or_else(|error| error.id(), |_| "accepted")
}

#[test]
fn an_honest_state_is_accepted_and_answers() {
    let repo = Repo::new();
    let state = repo.fresh().unwrap();
    let listed = state.lookup("1.0").unwrap();
    assert_eq!((listed.role, listed.target), (&releases(), &target("one")));
    assert_eq!(state.lookup("2.0").unwrap_err().id(), "not-listed");
    assert_eq!(state.roles().len(), 7);
    assert_eq!(state.passed_over().count(), 0);
    // A plain TUF client finds the same answer.
    let plain = repo.plain(Scope::Paths(vec!["1.0".to_owned()])).unwrap();
    assert_eq!(plain.lookup("1.0").unwrap(), listed);
}

// [V-78]
#[test]
fn an_older_state_is_a_rollback_for_who_has_seen_the_newer_one() {
    let mut repo = Repo::new();
    let old = repo.served.clone();
    repo.time = in_days(1);
    repo.edit(&releases(), |list| set_tag(list, "1.0", target("two")).unwrap());
    repo.seal();
    let state = repo.fresh_at(1).unwrap();
    let floors = state.floors();
    assert_eq!(id(run(repo.pins(), Terms { floors: floors.clone(), ..repo.terms() }, &old)), "rollback");
    // Somebody who holds the sealing key seals the old list anew.
    repo.roles.get_mut(&releases()).unwrap().1 = old[&releases().file_name(Some(1))].clone();
    repo.roles.get_mut(&releases()).unwrap().0.header.version = 1;
    repo.seal();
    let terms = Terms { floors: floors.clone(), now: in_days(1), ..repo.terms() };
    let error = run(repo.pins(), terms, &repo.served).unwrap_err();
    assert!(matches!(error, UpdateError::Rollback { role, found: 1, known: 2 } if role == releases()));
    // Who has seen nothing cannot know: that is what floors are for.
    assert_eq!(id(repo.fresh_at(1)), "accepted");
}

// [V-65]
#[test]
fn an_older_delegation_file_under_new_seals_is_mixed() {
    let mut repo = Repo::new();
    let old = repo.served[&releases().file_name(Some(1))].clone();
    repo.edit(&releases(), |list| set_tag(list, "2.0", target("two")).unwrap());
    repo.seal();
    repo.served.insert(releases().file_name(Some(2)), old);
    let state = repo.fresh().unwrap();
    assert_eq!(state.lookup("1.0").unwrap_err().id(), "mix-and-match", "and nobody answers in its place");
    let old = repo.served["1.targets.json"].clone();
    repo.edit(&RoleName::Targets, |_| {});
    repo.seal();
    repo.served.insert("2.targets.json".to_owned(), old);
    assert_eq!(id(repo.fresh()), "mix-and-match");
}

#[test]
fn a_snapshot_of_another_moment_is_mixed() {
    let mut repo = Repo::new();
    let first = repo.snapshot.clone().unwrap().header.version;
    let old = repo.served[&RoleName::Snapshot.file_name(Some(first))].clone();
    repo.seal();
    repo.served.insert(RoleName::Snapshot.file_name(Some(first + 1)), old);
    assert_eq!(id(repo.fresh()), "mix-and-match");
}

#[test]
fn a_bad_signature_on_the_timestamp_does_not_count() {
    let mut repo = Repo::new();
    let mut metadata = Metadata::<Timestamp>::decode(&repo.served["timestamp.json"]).unwrap();
    let id_of_key = metadata.signatures()[0].keyid.clone();
    metadata.put_signature(&id_of_key, &[7; 64]);
    repo.served.insert("timestamp.json".to_owned(), metadata.encode());
    assert_eq!(id(repo.fresh()), "threshold-unmet");
}

// [V-76]
#[test]
fn another_root_is_refused_by_who_knows_one_and_by_who_pins_one() {
    let known = Repo::new();
    let other = Repo::new();
    let start = || TrustedStart::Root(known.served["1.root.json"].clone());
    let mut mixed = other.served.clone();
    let root = next_root(&other.root, in_days(1000)).unwrap();
    mixed.insert("2.root.json".to_owned(), signed(root, &other.root.keys, &[&other.root_keys[0], &other.root_keys[1]]));
    assert_eq!(id(run(start(), known.terms(), &mixed)), "root-changed");
    // Without a newer root the stranger's seals are by keys that the known root does not name.
    assert_eq!(id(run(start(), known.terms(), &other.served)), "threshold-unmet");
    assert_eq!(id(run(known.pins(), known.terms(), &other.served)), "root-changed");
    // The version is remembered with its content.
    let floors = known.fresh().unwrap().floors();
    assert_eq!(id(run(other.pins(), Terms { floors, ..known.terms() }, &other.served)), "root-changed");
}

#[test]
fn no_trust_state_at_all_is_never_an_answer() {
    let repo = Repo::new();
    assert_eq!(id(run(repo.pins(), repo.terms(), &Default::default())), "root-changed");
    for gone in ["timestamp.json", "1.targets.json"] {
        let mut served = repo.served.clone();
        served.remove(gone);
        assert_eq!(id(run(repo.pins(), repo.terms(), &served)), "missing", "{gone}");
    }
}

// [V-66]
#[test]
fn another_repository_s_state_is_not_this_one_s_even_under_the_same_root() {
    let repo = Repo::new();
    let here = Rules::Boltseal { repository: "registry.example.com/shop/till".to_owned() };
    let error = run(repo.pins(), Terms::new(now(), here), &repo.served).unwrap_err();
    assert_eq!(error.id(), "wrong-repository");
    assert_eq!(error.to_string(), format!("targets: signed for {REPOSITORY}, not for registry.example.com/shop/till"));
    // One role of another repository among the right ones: a staged file, say.
    let mut repo = Repo::new();
    let mut list = repo.roles[&releases()].0.clone();
    list.binding.as_mut().unwrap().repository = "registry.example.com/shop/till".to_owned();
    repo.put(releases(), list.clone());
    repo.seal();
    assert_eq!(repo.fresh().unwrap().lookup("1.0").unwrap_err().id(), "wrong-repository");
    // No repository is no match.
    list.binding = None;
    repo.put(releases(), list);
    repo.seal();
    assert_eq!(repo.fresh().unwrap().lookup("1.0").unwrap_err().id(), "wrong-repository");
    assert!(repo.plain(Scope::All).unwrap().lookup("1.0").is_ok(), "plain TUF knows of no repositories");
}

#[test]
fn a_removed_signer_is_gone_and_cannot_seal_a_state_that_lists_it() {
    let mut repo = Repo::new();
    let (old, before) = (repo.served.clone(), repo.roles.clone());
    let gone = repo.releases_key.public_key().clone();
    let successor = key();
    repo.edit(&RoleName::Targets, |targets| {
        add_signer(targets, &releases(), successor.public_key()).unwrap();
        remove_signer(targets, &releases(), gone.fingerprint()).unwrap();
    });
    // What the removed key signed no longer counts, nor what it signs now.
    repo.edit(&RoleName::from("targets/alice"), |_| {});
    repo.seal();
    assert_eq!(repo.fresh().unwrap().lookup("1.0").unwrap_err().id(), "threshold-unmet");
    // It seals the state before, with the only key it has.
    let timestamp = Metadata::<Timestamp>::decode(&old["timestamp.json"]).unwrap().signed().clone();
    let mut keys = repo.root.keys.clone();
    let own = Key::new(&gone);
    keys.insert(own.id(), own);
    let mut served = old;
    served.insert("timestamp.json".to_owned(), signed(timestamp, &keys, &[&repo.releases_key]));
    assert_eq!(id(run(repo.pins(), repo.terms(), &served)), "threshold-unmet");
    assert_eq!(before[&releases()].0.header.version, 1);
}

// [V-74]
#[test]
fn a_key_labelled_with_a_pinned_key_s_id_is_no_pinned_key() {
    let repo = Repo::new();
    let attacker = [key(), key()];
    let mut root = repo.root.clone();
    let ids = root.roles["root"].keyids.clone();
    for (at, id) in ids.iter().take(2).enumerate() {
        root.keys.insert(id.clone(), Key::new(attacker[at].public_key()));
    }
    let mut metadata = Metadata::unsigned(root.clone()).unwrap();
    sign(&mut metadata, &root.keys, &[&attacker[0], &attacker[1]]);
    let mut served = repo.served.clone();
    served.insert("1.root.json".to_owned(), metadata.encode());
    assert_eq!(id(run(repo.pins(), repo.terms(), &served)), "root-changed");
    // Listed pinned keys count for nothing either; they have to sign.
    let mut root = repo.root.clone();
    for signer in &attacker {
        add_key(&mut root, &RoleName::Root, signer.public_key()).unwrap();
    }
    let keys = root.keys.clone();
    served.insert("1.root.json".to_owned(), signed(root, &keys, &[&attacker[0], &attacker[1], &repo.root_keys[0]]));
    assert_eq!(id(run(repo.pins(), repo.terms(), &served)), "root-changed");
}

/// Lists a role's first key a second time, under an id of the producer's choice.
fn list_twice(root: &mut Root, role: &str) {
    let role_keys = root.roles.get_mut(role).unwrap();
    let written = root.keys[&role_keys.keyids[0]].clone();
    root.keys.insert("again".to_owned(), written);
    role_keys.keyids.push("again".to_owned());
    role_keys.threshold = 2;
}

// [V-71]
#[test]
fn one_key_under_two_ids_is_refused_and_counts_once_where_it_is_not() {
    for role in ["timestamp", "snapshot", "targets"] {
        let mut repo = Repo::new();
        let mut root = repo.root.clone();
        list_twice(&mut root, role);
        repo.serve_root(root, &[0, 1]);
        repo.put_targets(repo.roles[&RoleName::Targets].0.clone());
        repo.seal();
        assert_eq!(id(repo.fresh()), "duplicate-key", "{role}");
        assert_eq!(id(repo.plain(Scope::TopLevel)), "threshold-unmet", "{role}");
    }
    let mut repo = Repo::new();
    repo.edit(&RoleName::Targets, |targets| {
        let delegations = targets.delegations.as_mut().unwrap();
        let written = delegations.keys[&delegations.roles[0].keys.keyids[0]].clone();
        delegations.keys.insert("again".to_owned(), written);
        delegations.roles[0].keys.keyids.push("again".to_owned());
        delegations.roles[0].keys.threshold = 2;
    });
    repo.put(releases(), repo.roles[&releases()].0.clone());
    repo.seal();
    assert_eq!(repo.fresh().unwrap().lookup("1.0").unwrap_err().id(), "duplicate-key");
    let plain = repo.plain(Scope::Paths(vec!["1.0".to_owned()]));
    assert_eq!(id(plain), "threshold-unmet");
}

// [V-68]
#[test]
fn a_version_that_would_lock_everybody_out_is_implausible_and_not_remembered() {
    let mut repo = Repo::new();
    let floors = repo.fresh().unwrap().floors();
    let honest = repo.served.clone();
    for days in [2, 100_000] {
        repo.time = in_days(days);
        repo.seal();
        assert_eq!(id(repo.after(floors.clone())), "version-implausible");
        assert_eq!(id(repo.plain(Scope::TopLevel)), "accepted", "plain versions count nothing but versions");
    }
    let mut timestamp = json!({"_type": "timestamp", "spec_version": "1.0.34", "expires": "2030-01-01T00:00:00Z"});
    timestamp["version"] = json!(1_u64 << 63);
    timestamp["meta"] = json!({"snapshot.json": {"version": 1}});
    let file = serde_json::to_vec(&json!({"signed": timestamp, "signatures": []})).unwrap();
    repo.served.insert("timestamp.json".to_owned(), file);
    assert_eq!(id(repo.after(floors.clone())), "version-implausible");
    assert_eq!(id(run(repo.pins(), Terms { floors, ..repo.terms() }, &honest)), "accepted");
}

// [V-77]
#[test]
fn a_frozen_state_expires_and_stale_is_for_the_sealing_roles_alone() {
    let repo = Repo::new();
    let at = |days, expiry| run(repo.pins(), Terms { now: in_days(days), expiry, ..repo.terms() }, &repo.served);
    assert_eq!(id(at(13, Expiry::Refuse)), "accepted");
    let error = at(14, Expiry::Refuse).unwrap_err();
    assert_eq!(error.to_string(), "timestamp: expired on 2026-12-06T00:00:00Z, and it is 2026-12-06T00:00:00Z");
    let stale = Expiry::MaxStale(SignedDuration::from_hours(24 * 30));
    let state = at(44, stale).unwrap();
    assert_eq!(state.overdue(in_days(44)), [(&RoleName::Timestamp, in_days(14))]);
    assert_eq!(id(at(45, stale)), "expired");
    let long = Expiry::MaxStale(SignedDuration::from_hours(24 * 5000));
    let error = at(300, long).unwrap_err();
    assert!(matches!(error, UpdateError::Expired { role: RoleName::Targets, .. }), "{error}");
    let error = at(1000, long).unwrap_err();
    assert!(matches!(error, UpdateError::Expired { role: RoleName::Root, .. }), "{error}");
    // Renewal goes on from what has expired, if only the keys are right.
    assert_eq!(at(2000, Expiry::InsecureAccept).unwrap().overdue(in_days(2000)).len(), 7);
}

// [V-84]
#[test]
fn what_is_revoked_is_refused_by_tag_by_digest_and_by_platform() {
    let mut repo = Repo::new();
    repo.edit(&revoked(), |list| revoke(list, &digest("one"), 3, &[digest("arm64")], "CVE-2026-1").unwrap());
    repo.seal();
    let state = repo.fresh().unwrap();
    let error = state.lookup("1.0").unwrap_err();
    assert_eq!((error.id(), error.to_string().contains("CVE-2026-1")), ("revoked", true));
    for name in ["one", "arm64"] {
        assert_eq!(state.revoked(&digest(name)).unwrap().reason.as_deref(), Some("CVE-2026-1"));
    }
    assert_eq!(state.revoked(&digest("two")), None);
    assert_eq!(state.listed(&digest("one")).next(), None);
    // Whoever saw it does not see it go, even if the key that may list it changes.
    let floors = state.floors();
    repo.edit(&revoked(), |list| list.targets.edit().clear());
    repo.seal();
    assert_eq!(id(repo.after(floors.clone())), "revocation-dropped");
    repo.edit(&RoleName::Targets, |targets| undelegate(targets, &revoked()).unwrap());
    repo.seal();
    assert_eq!(id(repo.after(floors)), "revocation-dropped");
    assert_eq!(id(repo.fresh()), "accepted");
}

// [V-81]
#[test]
fn without_the_list_of_what_is_revoked_there_is_no_answer() {
    let spoil: Spoils = &[
        ("missing", |repo| drop(repo.served.remove(&revoked().file_name(Some(1))))),
        ("expired", |repo| {
            let list = new_targets(&repo.repository, in_days(-1));
            repo.put(revoked(), list);
            repo.seal();
        }),
        ("threshold-unmet", |repo| {
            let list = repo.roles[&revoked()].0.clone();
            let mut keys = repo.delegation_keys();
            let strange = key();
            keys.insert("strange".to_owned(), Key::new(strange.public_key()));
            let bytes = signed(list.clone(), &keys, &[&strange]);
            repo.roles.insert(revoked(), (list, bytes));
            repo.seal();
        }),
        ("mix-and-match", |repo| {
            repo.served.insert(revoked().file_name(Some(1)), b"{}".to_vec());
        }),
    ];
    for &(expected, spoil) in spoil {
        let mut repo = Repo::new();
        spoil(&mut repo);
        assert_eq!(id(repo.fresh()), expected);
        // Nor is there a way around it by asking for one path only.
        let path = Terms { scope: Scope::Paths(vec!["1.0".to_owned()]), ..repo.terms() };
        assert_eq!(id(run(repo.pins(), path, &repo.served)), expected);
    }
}

// [V-78]
#[test]
fn a_sealing_key_cannot_drop_a_role_nor_raise_the_floor_of_one_that_it_hides() {
    let mut repo = Repo::new();
    let floors = repo.fresh().unwrap().floors();
    let mut snapshot = repo.snapshot.clone().unwrap();
    snapshot.header.version += 1;
    let mut dropped = snapshot.clone();
    dropped.meta.remove(&releases().meta_name());
    repo.seal_snapshot(dropped);
    assert_eq!(id(repo.after(floors.clone())), "rollback");
    // A version that nobody signed: the role is passed over, and remembered as it was.
    let mut raised: Snapshot = snapshot;
    raised.header.version += 1;
    raised.meta.get_mut(&releases().meta_name()).unwrap().version = (1 << 53) - 1;
    repo.seal_snapshot(raised);
    let state = repo.after(floors.clone()).unwrap();
    assert_eq!(state.lookup("1.0").unwrap_err().id(), "missing");
    assert_eq!(state.floors().roles[&releases()], floors.roles[&releases()]);
}

// [V-78]
#[test]
fn the_same_version_with_other_content_is_noticed() {
    let mut repo = Repo::new();
    let floors = repo.fresh().unwrap().floors();
    let mut list = repo.roles[&releases()].0.clone();
    set_tag(&mut list, "1.0", target("two")).unwrap();
    repo.put(releases(), list);
    repo.seal();
    let error = repo.after(floors.clone()).unwrap_err();
    assert!(matches!(&error, UpdateError::VersionReused { role, version: 1, .. } if *role == releases()), "{error}");
    let mut repo = Repo::new();
    let floors = repo.fresh().unwrap().floors();
    let mut timestamp = repo.timestamp.clone().unwrap();
    timestamp.header.expires = in_days(15);
    repo.serve_timestamp(timestamp);
    // Two who seal at once make two timestamps of one version: what they list is no older, so both are fine.
    assert_eq!(id(repo.after(floors)), "accepted");
}

#[test]
fn keys_of_every_kind_sign_every_role() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Rsa(2048)] {
        let mut repo = Repo::new();
        let sealing = LocalSigner::new(PrivateKey::generate(algorithm).unwrap());
        let mut root = next_root(&repo.root, in_days(1000)).unwrap();
        for role in [RoleName::Timestamp, RoleName::Snapshot] {
            let old = repo.sealing.public_key().fingerprint();
            add_key(&mut root, &role, sealing.public_key()).unwrap();
            remove_key(&mut root, &role, old).unwrap();
        }
        repo.serve_root(root, &[0, 2]);
        repo.sealing = sealing;
        repo.seal();
        assert_eq!(repo.digest_of("1.0"), Some(digest("one")), "{algorithm}");
        assert_eq!(id(repo.plain(Scope::All)), "accepted");
    }
}

impl Repo {
    /// A fresh client some days on.
    fn fresh_at(&self, days: i64) -> Result<TrustState, UpdateError> {
        run(self.pins(), Terms { now: in_days(days), ..self.terms() }, &self.served)
    }
}

fn answers(served: &std::collections::BTreeMap<String, Vec<u8>>, repo: &Repo) -> Option<BTreeSet<(String, Digest)>> {
    let state = run(repo.pins(), repo.terms(), served).ok()?;
    let answer = |path: &str| Some((path.to_owned(), state.lookup(path).ok()?.target.sha256()?));
    Some(state.paths().into_iter().filter_map(answer).collect())
}

#[test]
fn no_flipped_bit_changes_an_answer() {
    let repo = Repo::new();
    let files: Vec<_> = repo.served.keys().cloned().collect();
    let honest = answers(&repo.served, &repo).unwrap();
    let config = ProptestConfig { cases: 400, ..ProptestConfig::default() };
    proptest!(config, |(file in 0..files.len(), at: prop::sample::Index, bit in 0..8_u8)| {
        let mut served = repo.served.clone();
        let bytes = served.get_mut(&files[file]).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let answers = answers(&served, &repo);
        prop_assert!(answers.is_none_or(|answers| answers.is_subset(&honest)), "{} {at} {bit}", files[file]);
    });
}

#[test]
fn no_junk_in_a_file_s_place_is_a_panic_or_an_answer() {
    let repo = Repo::new();
    let files: Vec<_> = repo.served.keys().cloned().collect();
    let honest = answers(&repo.served, &repo).unwrap();
    proptest!(|(file in 0..files.len(), junk in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        "\\{\"signed\":\\{\"_type\":\"(root|targets|snapshot|timestamp)\",\"version\":[0-9]{1,25}\\},\"signatures\":\\[\\]\\}".prop_map(String::into_bytes),
    ])| {
        let mut served = repo.served.clone();
        served.insert(files[file].clone(), junk);
        let answers = answers(&served, &repo);
        prop_assert!(answers.is_none_or(|answers| answers.is_subset(&honest)));
    });
}
