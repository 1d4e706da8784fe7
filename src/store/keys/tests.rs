use super::*;
use crate::crypto::KeyAlgorithm;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/keys").join(format!("{name}.test.pem"))
}

fn pw() -> Result<Password, PasswordError> {
    Ok(Zeroizing::new(b"pw".to_vec()))
}

/// A copy of a test key with a mode.
#[cfg(unix)]
fn copy(dir: &Path, name: &str, mode: u32) -> KeySource {
    use std::os::unix::fs::PermissionsExt as _;
    let to = dir.join(format!("{name}-{mode:o}"));
    fs::write(&to, fs::read(testdata(name)).unwrap()).unwrap();
    fs::set_permissions(&to, fs::Permissions::from_mode(mode)).unwrap();
    KeySource::Path(to)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn sources_are_paths_or_variables_and_unknown_schemes_are_no_paths() {
    assert_eq!("a/b.key".parse(), Ok(KeySource::Path("a/b.key".into())));
    assert_eq!("env://COSIGN_PRIVATE_KEY".parse(), Ok(KeySource::Env("COSIGN_PRIVATE_KEY".to_owned())));
    for text in ["a/b.key", "env://X"] {
        assert_eq!(text.parse::<KeySource>().unwrap().to_string(), text);
    }
    for (text, scheme) in [("awskms:///alias/x", "awskms"), ("pkcs11:token=x", "pkcs11"), ("https://x/k", "https")] {
        let error = KeySourceError::Scheme { text: text.to_owned(), scheme: scheme.to_owned() };
        assert_eq!(text.parse::<KeySource>(), Err(error));
    }
    for text in ["", "env://"] {
        assert_eq!(text.parse::<KeySource>(), Err(KeySourceError::Empty(text.to_owned())));
    }
}

// [V-42]
#[cfg(unix)]
#[test]
fn an_unencrypted_key_that_others_can_read_or_write_is_refused_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    for (mode, good) in
        [(0o600, true), (0o400, true), (0o711, true), (0o644, false), (0o640, false), (0o620, false), (0o602, false)]
    {
        let from = copy(dir.path(), "p256-pkcs8", mode);
        let loaded = load_private_key(&from, &mut || panic!("not encrypted"), false);
        assert_eq!(loaded.is_ok(), good, "{mode:o}");
        if let Err(error) = loaded {
            assert!(matches!(error, LoadKeyError::Permissions { mode: found, .. } if found == mode));
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        let loaded = load_private_key(&from, &mut || panic!("not encrypted"), true).unwrap();
        assert_eq!(loaded.warning, None);
    }
}

#[cfg(unix)]
#[test]
fn an_encrypted_key_that_others_can_read_is_loaded_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let closed = load_private_key(&copy(dir.path(), "p256-scrypt", 0o600), &mut pw, false).unwrap();
    assert_eq!(closed.warning, None);
    let from = copy(dir.path(), "p256-scrypt", 0o644);
    let open = load_private_key(&from, &mut pw, false).unwrap();
    let warning = open.warning.unwrap();
    assert_eq!((KeySource::Path(warning.path.clone()), warning.mode), (from, 0o644));
    assert!(warning.to_string().contains("0644"), "{warning}");
}

#[test]
fn failures_name_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large");
    fs::write(&large, vec![b'x'; KEY_FILE_BYTES as usize + 1]).unwrap();
    let load = |from: KeySource| {
        let private = load_private_key(&from, &mut pw, true).unwrap_err();
        let public = load_public_key(&from).unwrap_err();
        for error in [&private, &public] {
            assert!(error.to_string().starts_with(&from.to_string()), "{error}");
        }
        (private, public)
    };
    assert!(matches!(load(KeySource::Path(large)), (LoadKeyError::TooLarge { .. }, LoadKeyError::TooLarge { .. })));
    let missing = dir.path().join("missing");
    assert!(matches!(load(KeySource::Path(missing)), (LoadKeyError::Read { .. }, LoadKeyError::Read { .. })));
    assert!(matches!(load(KeySource::Path(dir.path().into())), (LoadKeyError::Read { .. }, LoadKeyError::Read { .. })));
    let unset = KeySource::Env("BOLTSEAL_TEST_NEVER_SET".to_owned());
    assert!(matches!(load(unset), (LoadKeyError::Env { .. }, LoadKeyError::Env { .. })));
    let certificate = KeySource::Path(testdata("p256-certificate"));
    assert!(matches!(load(certificate), (LoadKeyError::Private { .. }, LoadKeyError::Public { .. })));
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    if Path::new("/dev/zero").exists() {
        let from = KeySource::Path("/dev/zero".into());
        assert!(matches!(load_public_key(&from), Err(LoadKeyError::TooLarge { .. })));
    }
}

#[test]
fn a_variable_holds_a_files_content() {
    // Cargo sets variables for tests; one of them is certainly no key, which shows that the content is looked at.
    let from = KeySource::Env("CARGO_PKG_NAME".to_owned());
    assert!(matches!(load_public_key(&from), Err(LoadKeyError::Public { .. })));
}

#[test]
fn the_shipped_test_pairs_open_and_are_three_different_keys() {
    let load = |name: &str| {
        let path =
            |end: &str| KeySource::Path(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("keys/{name}.test.{end}")));
        let mut password = || Ok(Zeroizing::new(b"boltseal-test".to_vec()));
        let public = load_public_key(&path("pub")).unwrap();
        assert_eq!(load_private_key(&path("key"), &mut password, false).unwrap().key.public(), &public);
        public
    };
    let keys: std::collections::HashSet<_> = ["release", "qa", "ci"].map(load).into();
    assert_eq!(keys.len(), 3);
}

#[test]
fn a_saved_pair_loads_again_with_the_right_modes() {
    let dir = tempfile::tempdir().unwrap();
    let (private, public) = (dir.path().join("k.key"), dir.path().join("k.pub"));
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    save_key_pair(&key, b"pw", &private, &public, false).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&private), mode(&public)), (0o600, 0o644));
    }
    let loaded = load_private_key(&KeySource::Path(private), &mut pw, false).unwrap();
    assert_eq!(loaded.warning, None);
    assert_eq!(loaded.key.public(), key.public());
    assert_eq!(&load_public_key(&KeySource::Path(public)).unwrap(), key.public());
    assert_eq!(names(dir.path()), ["k.key", "k.pub"]);
}

#[test]
fn nothing_is_overwritten_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    let (private, public) = (dir.path().join("k.key"), dir.path().join("k.pub"));
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    for (taken, free) in [(&private, &public), (&public, &private)] {
        fs::write(taken, "precious").unwrap();
        let error = save_key_pair(&key, b"pw", &private, &public, false).unwrap_err();
        assert!(matches!(error, SaveKeyError::Exists { path } if path == *taken));
        assert_eq!(fs::read_to_string(taken).unwrap(), "precious");
        assert!(!free.exists());
        assert_eq!(names(dir.path()).len(), 1);
        fs::remove_file(taken).unwrap();
    }
    fs::write(&private, "old").unwrap();
    save_key_pair(&key, b"pw", &private, &public, true).unwrap();
    assert_eq!(names(dir.path()), ["k.key", "k.pub"]);
    assert!(keyfile::is_encrypted(&fs::read(&private).unwrap()).unwrap());
}

#[test]
fn a_pair_that_cannot_be_completed_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let (private, public) = (dir.path().join("k.key"), dir.path().join("k.pub"));
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    // A folder in the private key's place: the rename onto it fails, after the public key is in place.
    fs::create_dir_all(private.join("inside")).unwrap();
    fs::write(&public, "old public").unwrap();
    save_key_pair(&key, b"pw", &private, &public, true).unwrap_err();
    assert_eq!(fs::read_to_string(&public).unwrap(), "old public");
    assert_eq!(names(dir.path()), ["k.key", "k.pub"]);
    fs::remove_file(&public).unwrap();
    save_key_pair(&key, b"pw", &private, &public, true).unwrap_err();
    assert_eq!(names(dir.path()), ["k.key"]);
    // No folder for the public key: the private one is not left behind.
    let missing = dir.path().join("missing/k.pub");
    save_key_pair(&key, b"pw", &dir.path().join("new.key"), &missing, false).unwrap_err();
    assert_eq!(names(dir.path()), ["k.key"]);
}
