use super::{repo::*, *};
use crate::{json, limits::TUF_VERSION, oci::Digest, sign::Signer, trust::tuf::author::*};
use serde_json::{Value, json};

const CART: &str = r#"{
  "version": 1,
  "repositories": {
    "registry.example.com/shop/cart": {
      "root": {
        "version": 3,
        "sha256": "1111111111111111111111111111111111111111111111111111111111111111",
        "keys": [
          "2222222222222222222222222222222222222222222222222222222222222222",
          "3333333333333333333333333333333333333333333333333333333333333333"
        ],
        "threshold": 2
      },
      "timestamp": 1764000001,
      "snapshot": {
        "version": 1764000000,
        "sha256": "4444444444444444444444444444444444444444444444444444444444444444"
      },
      "roles": {
        "targets": 4,
        "targets/releases": 17,
        "targets/revoked": 1
      }
    }
  }
}
"#;

/// The lock with one value changed, or added.
fn with(pointer: &str, member: &str, value: Value) -> Result<TrustLock, LockError> {
    let mut lock = json::decode_value(CART.as_bytes()).unwrap();
    lock.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(member.to_owned(), value);
    TrustLock::decode(lock.to_string().as_bytes())
}

fn cart(member: &str) -> String {
    format!("/repositories/registry.example.com~1shop~1cart{member}")
}

fn lock_of(trust: LockedTrust) -> TrustLock {
    let mut lock = TrustLock::default();
    lock.insert(REPOSITORY.to_owned(), trust).unwrap();
    lock
}

// [V-91]
#[test]
fn a_lock_is_written_as_it_was_read() {
    let lock = TrustLock::decode(CART.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(lock.encode()).unwrap(), CART);
    assert!(lock.get("registry.example.com/shop").is_none());
    let empty = TrustLock::default();
    assert_eq!(TrustLock::decode(&empty.encode()).unwrap(), empty);
}

// [V-91]
#[test]
fn what_is_not_quite_a_lock_is_refused() {
    assert!(with(&cart(""), "timestamp", json!(TUF_VERSION)).is_ok());
    for (pointer, member, value) in [
        ("", "extra", json!(1)),
        (&cart(""), "extra", json!(1)),
        (&cart("/root"), "extra", json!(1)),
        (&cart("/snapshot"), "extra", json!(1)),
        (&cart("/root"), "keys", json!(["22"])),
        (&cart("/root"), "sha256", json!("AA".repeat(32))),
        (&cart("/snapshot"), "sha256", json!(format!("sha256:{}", "4".repeat(64)))),
        (&cart("/roles"), "targets/a", json!(-1)),
    ] {
        let error = with(pointer, member, value.clone()).unwrap_err();
        assert!(matches!(error, LockError::Json(_)), "{pointer} {member} {value}: {error}");
    }
    assert!(
        TrustLock::decode(CART.replacen("\"version\": 1,", "\"version\": 1, \"version\": 1,", 1).as_bytes()).is_err()
    );
    assert!(TrustLock::decode(CART.replacen("\"version\": 1,", "", 1).as_bytes()).is_err());
    for version in [json!(2), json!("1")] {
        assert!(matches!(with("", "version", version).unwrap_err(), LockError::Version(_)));
    }
}

#[test]
fn versions_and_thresholds_are_those_that_there_can_be() {
    for version in [0, TUF_VERSION + 1] {
        for (pointer, member) in
            [("", "timestamp"), ("/root", "version"), ("/snapshot", "version"), ("/roles", "targets")]
        {
            let error = with(&cart(pointer), member, json!(version)).unwrap_err();
            assert!(matches!(error, LockError::RoleVersion { found, .. } if found == version), "{error}");
        }
    }
    let same = json!(["2".repeat(64), "2".repeat(64)]);
    for (member, value) in [("threshold", json!(0)), ("threshold", json!(3)), ("keys", json!([])), ("keys", same)] {
        let error = with(&cart("/root"), member, value).unwrap_err();
        assert!(matches!(error, LockError::Threshold { .. }), "{error}");
    }
    let error = with(&cart("/roles"), "snapshot", json!(1)).unwrap_err();
    assert!(matches!(error, LockError::NotTargets { role: RoleName::Snapshot, .. }), "{error}");
}

#[test]
fn a_machine_with_nothing_but_the_lock_accepts_what_was_locked_and_nothing_older() {
    let mut repo = Repo::new();
    let old = repo.served.clone();
    repo.time = in_days(1);
    repo.edit(&releases(), |list| set_tag(list, "1.1", target("two")).unwrap());
    repo.seal();
    let state = repo.fresh().unwrap();
    let lock = TrustLock::decode(&lock_of(LockedTrust::of(&state)).encode()).unwrap();
    let locked = lock.get(REPOSITORY).unwrap();
    assert_eq!(*locked, LockedTrust::of(&state));
    assert_eq!(locked.snapshot_digest(), Digest::sha256(state.file(&RoleName::Snapshot).unwrap()));
    let TrustedStart::Pinned { keys, threshold: 2 } = locked.start() else { panic!("{:?}", locked.start()) };
    assert_eq!(keys, repo.root_keys.iter().map(|key| key.public_key().fingerprint()).collect());

    let terms = Terms { floors: locked.floors(), ..repo.terms() };
    assert!(run(locked.start(), terms.clone(), &repo.served).is_ok());
    assert_eq!(run(locked.start(), terms, &old).unwrap_err().id(), "rollback");
    for (role, floor) in state.floors().roles {
        let least = locked.floors().roles[&role].clone();
        assert_eq!((least.version, least.keys), (floor.version, Default::default()), "{role}");
    }
    assert_eq!(locked.floors().root, state.floors().root);
}

/// The entry with one member changed, or added.
fn changed(trust: &LockedTrust, pointer: &str, member: &str, value: Value) -> LockedTrust {
    let mut entry = serde_json::to_value(trust).unwrap();
    entry.pointer_mut(pointer).unwrap()[member] = value;
    serde_json::from_value(entry).unwrap()
}

// [V-91]
#[test]
fn an_entry_is_never_lowered() {
    let mut repo = Repo::new();
    let old = LockedTrust::of(&repo.fresh().unwrap());
    let other = changed(&old, "/snapshot", "sha256", json!("5".repeat(64)));
    let error = lock_of(old.clone()).insert(REPOSITORY.to_owned(), other).unwrap_err();
    assert!(matches!(error, LockError::Reused { role: RoleName::Snapshot, .. }), "{error}");

    repo.edit(&releases(), |list| set_tag(list, "1.1", target("two")).unwrap());
    repo.seal();
    let mut lock = lock_of(old.clone());
    lock.insert(REPOSITORY.to_owned(), LockedTrust::of(&repo.fresh().unwrap())).unwrap();
    let before = lock.clone();
    let error = lock.insert(REPOSITORY.to_owned(), old.clone()).unwrap_err();
    assert!(matches!(error, LockError::Lowered { .. }), "{error}");
    assert_eq!(lock, before);
    lock.insert("elsewhere.example.com/cart".to_owned(), old).unwrap();
}

#[test]
fn a_role_that_is_gone_stays_locked() {
    let now = LockedTrust::of(&Repo::new().fresh().unwrap());
    let before = changed(&now, "/roles", "targets/gone", json!(8));
    let mut lock = lock_of(before.clone());
    lock.insert(REPOSITORY.to_owned(), now).unwrap();
    assert_eq!(lock.get(REPOSITORY), Some(&before));
}
