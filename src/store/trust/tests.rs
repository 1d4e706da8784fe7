use super::*;
use crate::{
    crypto::Fingerprint,
    format::tuf::RoleName,
    trust::tuf::{RoleFloor, RootFloor},
};
use std::{
    collections::BTreeSet,
    env, fs,
    process::{Command, Stdio},
    thread,
};

const CART: &str = "registry.example.com/shop/cart";
/// Tells the child of the crash test where its store is.
const CRASHING: &str = "BOLTSEAL_TEST_REMEMBERS_UNTIL_KILLED";

/// What is seen of root 1 and a timestamp of this version; everything says it.
fn seen(version: u64) -> Remembered {
    let key: Fingerprint = "2".repeat(64).parse().unwrap();
    let digest = Some(Digest::sha256(&version.to_be_bytes()));
    let floor = RoleFloor { version, digest, keys: [key].into() };
    let file = |role: &str| Bytes::from(format!("{{\"{role}\": \"\\u00e9 é\", \"version\": {version}}}\n\n"));
    Remembered {
        floors: Floors {
            root: Some(RootFloor { version: 1, digest: None }),
            roles: [(RoleName::Timestamp, floor.clone()), (RoleName::from("targets/releases"), floor)].into(),
            revoked: [Digest::sha256(b"bad"), Digest::Sha512([7; 64])].into(),
        },
        root: file("root"),
        files: [("timestamp.json".to_owned(), file("timestamp"))].into(),
        etag: Some(format!("\"{version}\"")),
    }
}

fn store() -> (tempfile::TempDir, TrustStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = TrustStore::at(dir.path().join("state/trust"));
    (dir, store)
}

#[test]
fn what_is_remembered_is_loaded_again() {
    let (_dir, store) = store();
    assert_eq!(store.load(CART).unwrap(), None);
    let bare = Remembered { etag: None, floors: Floors::default(), files: BTreeMap::new(), root: Bytes::new() };
    let binary = Remembered { root: Bytes::from_static(&[0xff, b'\n', 0]), ..seen(6) };
    for (repository, remembered) in
        [(CART, seen(5)), ("registry.example.com", binary), ("registry.example.com/shop", bare)]
    {
        store.remember(repository, &remembered).unwrap();
        assert_eq!(store.load(repository).unwrap(), Some(remembered));
    }
    assert_eq!(store.load(CART).unwrap(), Some(seen(5)));
}

#[test]
fn different_repositories_have_different_files_in_the_store() {
    let long = "a/".repeat(STORE_PATH_BYTES);
    let names = [
        "",
        "/",
        "//",
        ".",
        "..",
        "../..",
        "%",
        "%2E",
        "%2E.",
        "...",
        "a",
        "a/",
        "/a",
        "a/.",
        "a/..",
        "a/b",
        "a%2Fb",
        "a/@trust",
        "a/.@trust.lock",
        "oci:/some/dir",
        "oci:some/dir",
        "host:5000/a/b",
        "host/5000/a/b",
        "é",
        &"a".repeat(STORE_PATH_BYTES),
        &"a".repeat(STORE_PATH_BYTES + 1),
        &"a".repeat(STORE_PATH_BYTES + 2),
        &long,
    ];
    let (_dir, store) = store();
    let paths: BTreeSet<_> = names.iter().map(|name| store.path(name)).collect();
    assert_eq!(paths.len(), names.len());
    for path in &paths {
        let inside = path.strip_prefix(&store.dir).unwrap().to_str().unwrap();
        assert!(inside.split('/').all(|part| !part.starts_with('.') && (1..=255).contains(&part.len())), "{inside}");
    }
    for name in names {
        store.remember(name, &seen(1)).unwrap();
        assert_eq!(store.load(name).unwrap(), Some(seen(1)), "{name}");
    }
    let cart = store.path(CART);
    assert_eq!(cart.strip_prefix(&store.dir).unwrap(), Path::new("registry.example.com/shop/cart/@trust"));
}

// [V-90]
#[test]
fn a_file_that_is_there_is_never_nothing() {
    let (_dir, store) = store();
    store.remember(CART, &seen(5)).unwrap();
    let (path, good) = (store.path(CART), fs::read_to_string(store.path(CART)).unwrap());
    let without = |text: &str| good.replacen(text, "", 1);
    for broken in [
        String::new(),
        "{}".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good} "),
        good.replacen('\n', "", 1),
        good.replacen('\n', "{}\n", 1),
        good.replacen("\"root\":3", "\"root\":2", 1),
        good.replacen("\"timestamp.json\":", "\"timestamp.json\":184467440737095516", 1),
        good.replacen("\"version\":1", "\"version\":2", 1),
        good.replacen("\"version\":1", "\"version\":1,\"version\":1", 1),
        good.replacen("{\"version\"", "{\"more\":1,\"version\"", 1),
        good.replacen(CART, "registry.example.com/shop/other", 1),
        good.replacen("\"version\":5", "\"version\":0", 1),
        good.replacen("\"version\":5", "\"version\":9007199254740992", 1),
        good.replacen("sha256:", "sha256:0", 1),
        without("\"version\":1,"),
    ] {
        assert_ne!(broken, good);
        fs::write(&path, &broken).unwrap();
        for result in [store.load(CART).map(drop), store.remember(CART, &seen(6))] {
            let error = result.unwrap_err();
            assert!(matches!(error, TrustStoreError::Content { .. }), "{broken}: {error}");
            assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    }
    fs::write(&path, &good).unwrap();
    assert!(matches!(store.load(CART), Ok(Some(_))));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(store.load(CART).unwrap_err(), TrustStoreError::Io { .. }));
}

#[test]
fn older_news_change_no_file_and_are_not_lost_either() {
    let (_dir, store) = store();
    store.remember(CART, &seen(5)).unwrap();
    let mut older = seen(4);
    older.floors.revoked = [Digest::sha256(b"worse")].into();
    store.remember(CART, &older).unwrap();
    let mut expected = seen(5);
    expected.floors.revoked.extend(older.floors.revoked);
    assert_eq!(store.load(CART).unwrap(), Some(expected.clone()));

    let mut rotated = seen(3);
    rotated.floors.root = Some(RootFloor { version: 2, digest: None });
    store.remember(CART, &rotated).unwrap();
    let Remembered { floors, files, etag, .. } = store.load(CART).unwrap().unwrap();
    assert_eq!((&files, &etag), (&rotated.files, &rotated.etag), "a newer root makes the newer state");
    assert_eq!((floors.root, floors.roles), (rotated.floors.root, expected.floors.roles));
}

// [V-90]
#[test]
fn of_many_at_once_the_newest_is_remembered() {
    let (_dir, store) = store();
    thread::scope(|scope| {
        // 0, 7, 14, … modulo 24: each thread has its own share, in no order.
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for n in (0..24).map(|n| n * 7 % 24).filter(|n| n % 4 == thread) {
                    store.remember(CART, &seen(n + 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(store.load(CART).unwrap(), Some(seen(24)));
}

/// The version that is remembered, 0 if none is.
fn last(store: &TrustStore) -> u64 {
    store.load(CART).unwrap().map_or(0, |remembered| remembered.floors.age().1)
}

/// The other half of the test below; does nothing unless it is run by it.
#[test]
fn remembering_until_killed() {
    let Some(dir) = env::var_os(CRASHING) else { return };
    let store = TrustStore::at(dir.into());
    for version in last(&store) + 1.. {
        store.remember(CART, &seen(version)).unwrap();
    }
}

#[test]
fn whoever_is_killed_leaves_a_file_that_loads_and_no_lock() {
    let (_dir, store) = store();
    for _ in 0..5 {
        let before = last(&store);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "store::trust::tests::remembering_until_killed"])
            .env(CRASHING, &store.dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while last(&store) == before {
            assert_eq!(child.try_wait().unwrap(), None, "it remembers until it is killed");
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = last(&store);
        assert!(left > before);
        assert_eq!(store.load(CART).unwrap(), Some(seen(left)));
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_what_is_remembered() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, store) = store();
    store.remember(CART, &seen(5)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.path(CART)), 0o600);
    let folders = store.path(CART);
    let made = folders.ancestors().skip(1).take_while(|folder| *folder != dir.path());
    assert_eq!(made.map(mode).collect::<Vec<_>>(), [0o700; 5]);
}
