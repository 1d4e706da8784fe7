//! Against metadata that docker and notary made (testdata/dct/README.md): the good state, and the attacks that were
//! run on the real client.

use super::*;
use std::{fs, path::Path};

const APP: &str = "localhost:15000/acme/app";
const WEB: &str = "localhost:15000/acme/web";
/// The id that `docker trust inspect` shows as root key of [`WEB`].
const WEB_ROOT: &str = "e0043f81b8a1e0fc4b81c0b0e29f890bdbbef35f53bf104aea31fe0f215af057";
/// The root certificates of [`APP`], before and after its root key was changed.
const APP_ROOT: &str = "334c140f7ed6771fdafa4e1304a5dd8d8dc6a203fa1d7a44952ac41258ce575f";
const APP_NEW_ROOT: &str = "c26d8c156b84d505c1bb14aa37571c766234632866317722d07e8294d493141c";

fn load(name: &str) -> Files {
    fn walk(base: &Path, folder: &Path, files: &mut Files) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(base, &path, files);
            } else {
                let name = path.strip_prefix(base).unwrap().with_extension("");
                files.insert(name.to_str().unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    let base = Path::new("testdata/dct").join(name);
    let mut files = Files::new();
    walk(&base, &base, &mut files);
    files
}

struct Case {
    repository: &'static str,
    pin: RootPin,
    floors: BTreeMap<String, u64>,
    now: &'static str,
    allow_expired: bool,
}

impl Case {
    fn new(repository: &'static str, key: &str) -> Self {
        let pin = RootPin::Keys([key.parse().unwrap()].into());
        Self { repository, pin, floors: BTreeMap::new(), now: "2026-11-22T00:00:00Z", allow_expired: false }
    }

    fn verify(&self, files: &Files) -> Result<NotaryState, NotaryError> {
        let Self { repository, pin, floors, now, allow_expired } = self;
        let now = now.parse().unwrap();
        super::verify(files, &Rules { repository, pin, floors, now, allow_expired: *allow_expired })
    }

    #[track_caller]
    fn refused(&self, files: &Files) -> &'static str {
        self.verify(files).unwrap_err().id()
    }
}

fn floors(state: &NotaryState) -> BTreeMap<String, u64> {
    state.roles().iter().map(|role| (role.name.clone(), role.version)).collect()
}

#[test]
fn what_docker_signed_is_what_is_read() {
    let state = Case::new(WEB, WEB_ROOT).verify(&load("state.A")).unwrap();
    let tags: Vec<_> = state.tags().iter().map(|(tag, signed)| (tag.as_str(), signed.digest.to_string())).collect();
    assert_eq!(tags[0].0, "1.0");
    assert!(tags[0].1.starts_with("sha256:3985f59d89ce39c631409d4eecae06d8"), "{tags:?}");
    let signed = &state.tags()["1.0"];
    assert_eq!(
        (signed.length, signed.role.as_str(), signed.signers.as_slice()),
        (423, "targets/releases", &["alice".to_owned()][..])
    );
    let [alice] = state.signers() else { panic!("{:?}", state.signers()) };
    let file = crate::crypto::PublicKey::from_pem(include_str!("../../../testdata/dct/alice.pub")).unwrap();
    assert_eq!((alice.name.as_str(), alice.keys[0].fingerprint, alice.published), ("alice", file.fingerprint(), true));
    assert_eq!(alice.keys[0].id.to_string(), "7a8679c8ec6a44cd655f74914a6c2fd6e6d2c62208a080b931db819f924a9b12");
    let roles: Vec<_> = state.roles().iter().map(|role| (role.name.as_str(), role.version)).collect();
    assert_eq!(
        roles,
        [("root", 1), ("timestamp", 3), ("snapshot", 3), ("targets", 2), ("targets/alice", 2), ("targets/releases", 2)]
    );
    assert_eq!(state.warnings(), []);
}

#[test]
fn releases_come_before_targets_and_a_path_is_a_prefix() {
    let state = Case::new(APP, APP_ROOT).verify(&load("02-delegations")).unwrap();
    assert_eq!(state.tags()["v1"].role, "targets");
    assert_eq!(
        (state.tags()["v2"].role.as_str(), &state.tags()["v2"].signers[..]),
        ("targets/releases", &["alice".to_owned()][..])
    );
}

#[test]
fn any_name_of_the_pinned_key_pins_it_and_another_key_does_not() {
    let files = load("state.C");
    let state = Case::new(WEB, WEB_ROOT).verify(&files).unwrap();
    let root = &state.roles()[0].keys[0];
    let key = Signed::<crate::format::notary::Root>::decode(&files["root"]).unwrap();
    let key = key.body.root.keys[&root.id].public_key().unwrap();
    for pin in
        [root.fingerprint.to_string(), root.id.to_string(), crate::format::notary::KeyId::of_bare(&key).to_string()]
    {
        assert!(Case::new(WEB, &pin).verify(&files).is_ok(), "{pin}");
    }
    assert_eq!(Case::new(WEB, APP_ROOT).refused(&files), "not-pinned");
    let targets = state.roles().iter().find(|role| role.name == "targets").unwrap().keys[0].fingerprint.to_string();
    assert_eq!(Case::new(WEB, &targets).refused(&files), "not-pinned", "a key of another role");
}

#[test]
fn an_old_pin_leads_to_the_current_root_by_every_version_between() {
    let mut files = load("03-rotated");
    let state = Case::new(APP, APP_ROOT).verify(&files).unwrap();
    assert_eq!(state.root_version(), 5);
    assert_eq!(Case::new(APP, APP_NEW_ROOT).verify(&files).unwrap().root_version(), 5);
    let cached = load("02-delegations").remove("root").unwrap();
    let by_cache = Case { pin: RootPin::Cache(cached), ..Case::new(APP, APP_ROOT) };
    assert_eq!(by_cache.verify(&files).unwrap().root_version(), 5);
    files.remove("3.root");
    assert_eq!(by_cache.refused(&files), "root-gap");
    assert!(Case::new(APP, APP_ROOT).verify(&files).is_ok(), "version 4 is pinned itself");
    files.remove("4.root");
    assert_eq!(Case::new(APP, APP_ROOT).refused(&files), "root-gap");
    let third = load("03-rotated").remove("3.root").unwrap();
    files.extend([("3.root".to_owned(), third.clone()), ("4.root".to_owned(), third)]);
    assert_eq!(Case::new(APP, APP_ROOT).refused(&files), "mix-and-match");
}

#[test]
fn another_root_for_a_known_repository_is_refused() {
    let mine = load("state.C").remove("root").unwrap();
    let other = Case { pin: RootPin::Cache(mine), ..Case::new(APP, APP_ROOT) };
    assert_eq!(other.refused(&load("02-delegations")), "wrong-repository");
    let mut taken_over = load("02-delegations");
    taken_over.insert("6.root".to_owned(), load("03-rotated").remove("5.root").unwrap());
    assert_eq!(Case::new(APP, APP_ROOT).refused(&taken_over), "rollback", "a newer root lies beside it");
}

#[test]
fn another_repositorys_state_is_refused_even_under_its_own_key() {
    assert_eq!(Case::new(APP, WEB_ROOT).refused(&load("state.C")), "wrong-repository");
    assert_eq!(Case::new("localhost:15000/acme/we", WEB_ROOT).refused(&load("state.C")), "wrong-repository");
}

#[test]
fn an_older_state_is_refused_by_whoever_saw_the_newer_one() {
    let newest = Case::new(WEB, WEB_ROOT).verify(&load("state.C")).unwrap();
    let remembers = Case { floors: floors(&newest), ..Case::new(WEB, WEB_ROOT) };
    assert!(remembers.verify(&load("state.C")).is_ok());
    for older in ["state.A", "state.B"] {
        assert_eq!(remembers.refused(&load(older)), "rollback");
    }
}

#[test]
fn files_of_two_states_do_not_mix() {
    for role in ["snapshot", "targets", "targets/releases", "targets/alice"] {
        let mut mixed = load("state.C");
        mixed.insert(role.to_owned(), load("state.A").remove(role).unwrap());
        assert_eq!(Case::new(WEB, WEB_ROOT).refused(&mixed), "mix-and-match", "{role}");
    }
    let mut mixed = load("state.C");
    mixed.insert("timestamp".to_owned(), load("state.A").remove("timestamp").unwrap());
    assert_eq!(Case::new(WEB, WEB_ROOT).refused(&mixed), "mix-and-match");
}

#[test]
fn a_listed_file_that_is_gone_is_missed() {
    for role in ["root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice"] {
        let mut files = load("state.C");
        files.remove(role);
        assert_eq!(Case::new(WEB, WEB_ROOT).refused(&files), "incomplete", "{role}");
    }
}

#[test]
fn what_has_expired_is_named_and_taken_only_when_asked_for() {
    let files = load("state.C");
    let late = |now| Case { now, ..Case::new(WEB, WEB_ROOT) };
    let NotaryError::Expired { roles } = late("2026-12-24T00:00:00Z").verify(&files).unwrap_err() else { panic!() };
    assert_eq!(roles.iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>(), ["timestamp"]);
    let NotaryError::Expired { roles } = late("2037-01-01T00:00:00Z").verify(&files).unwrap_err() else { panic!() };
    assert_eq!(
        roles.iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>(),
        ["root", "timestamp", "snapshot", "targets"]
    );
    let asked = Case { allow_expired: true, ..late("2037-01-01T00:00:00Z") };
    let state = asked.verify(&files).unwrap();
    assert_eq!(state.tags(), Case::new(WEB, WEB_ROOT).verify(&files).unwrap().tags());
    let expired = state.warnings().iter().filter(|warning| warning.id() == "expired").count();
    assert_eq!(expired, 7, "{:?}", state.warnings());
    assert!(state.warnings().iter().any(|warning| warning.id() == "certificate-expired"));
}

/// Every byte of the files that carry signatures of their own, replaced by another of its kind. Of the snapshot and of
/// what it lists the timestamp keeps the hash, so that no change of theirs can pass; of root and timestamp some changes
/// are without meaning (the spelling of a discarded `method`, white space): they must change nothing.
#[test]
fn no_changed_byte_changes_what_is_believed() {
    let good = load("state.C");
    let case = Case::new(WEB, WEB_ROOT);
    let believed = case.verify(&good).unwrap();
    for role in ["timestamp", "snapshot", "targets/releases", "targets/bob"] {
        for at in 0..good[role].len() {
            let mut files = good.clone();
            let byte = &mut files.get_mut(role).unwrap()[at];
            *byte = if *byte == b'a' { b'b' } else { b'a' };
            match case.verify(&files) {
                Err(_) => {}
                Ok(state) => {
                    assert_eq!(role, "timestamp", "byte {at}");
                    assert_eq!((state.tags(), state.roles()), (believed.tags(), believed.roles()), "byte {at}");
                }
            }
        }
    }
}

#[test]
fn a_root_with_any_byte_changed_is_refused() {
    let good = load("state.C");
    for at in 0..good["root"].len() {
        let mut files = good.clone();
        files.get_mut("root").unwrap()[at] ^= 1;
        assert!(Case::new(WEB, WEB_ROOT).verify(&files).is_err(), "byte {at}");
    }
}
