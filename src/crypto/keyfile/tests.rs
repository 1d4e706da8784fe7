use super::*;
use crate::crypto::{KeyAlgorithm, PublicKey, PublicKeyError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use std::fs;

fn file(name: &str) -> Vec<u8> {
    fs::read(format!("{}/testdata/keys/{name}.test.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn public(name: &str) -> PublicKey {
    PublicKey::from_pem_bytes(&file(name)).unwrap()
}

fn decode_with(bytes: &[u8], password: &str) -> Result<PrivateKey, KeyFileError> {
    decode(bytes, &mut || Ok(Zeroizing::new(password.as_bytes().to_vec())))
}

/// Decodes with a password that must not be asked for.
fn decode_without(bytes: &[u8]) -> Result<PrivateKey, KeyFileError> {
    decode(bytes, &mut || panic!("asked for a password"))
}

/// cosign's file with its JSON changed.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let block = pem::decode_one(&file("p256-cosign")).unwrap();
    let mut json = serde_json::from_slice(&block.bytes).unwrap();
    change(&mut json);
    pem::encode(&block.label, &serde_json::to_vec(&json).unwrap()).into_bytes()
}

#[test]
fn unencrypted_files_of_openssl_are_read_without_asking() {
    for (name, of) in [
        ("p256-pkcs8", "p256-pub"),
        ("p256-sec1", "p256-pub"),
        ("p256-sec1-with-params", "p256-pub"),
        ("p384-pkcs8", "p384-pub"),
        ("p384-sec1", "p384-pub"),
        ("ed25519-pkcs8", "ed25519-pub"),
        ("rsa2048-pkcs8", "rsa2048-pub"),
        ("rsa2048-pkcs1", "rsa2048-pub"),
    ] {
        assert!(!is_encrypted(&file(name)).unwrap(), "{name}");
        assert_eq!(decode_without(&file(name)).unwrap().public(), &public(of), "{name}");
    }
}

#[test]
fn encrypted_files_of_openssl_and_cosign_open_with_their_password_alone() {
    for (name, of) in [
        ("p256-pbkdf2", "p256-pub"),
        ("p256-pbkdf2-sha1", "p256-pub"),
        ("p256-pbkdf2-sha512", "p256-pub"),
        ("p256-scrypt", "p256-pub"),
        ("ed25519-scrypt", "ed25519-pub"),
        ("p256-cosign", "p256-cosign-pub"),
        ("p384-cosign", "p384-pub"),
        ("ed25519-cosign", "ed25519-pub"),
        ("rsa2048-cosign", "rsa2048-pub"),
    ] {
        assert!(is_encrypted(&file(name)).unwrap(), "{name}");
        assert_eq!(decode_with(&file(name), "pw").unwrap().public(), &public(of), "{name}");
        for wrong in ["", "PW", "pw ", "pwpwpwpw"] {
            assert!(matches!(decode_with(&file(name), wrong), Err(KeyFileError::WrongPassword)), "{name}, {wrong:?}");
        }
    }
}

#[test]
fn a_key_of_docker_content_trust_is_read() {
    // Its PEM has the header `role: root`; PBKDF2 with HMAC-SHA-1, since Notary leaves the PRF out.
    // Inside is PKCS#8 that says version 2 and has no public half.
    let key = decode_with(&file("p256-notary"), "pwpwpwpw").unwrap();
    assert_eq!(key.public(), &public("p256-notary-pub"));
    assert!(matches!(decode_with(&file("p256-notary"), "pw"), Err(KeyFileError::WrongPassword)));
}

#[test]
fn what_is_written_is_read_with_its_password_alone() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let text = encode_encrypted(&key, "pässword".as_bytes()).unwrap();
        assert!(is_encrypted(text.as_bytes()).unwrap());
        assert_eq!(decode_with(text.as_bytes(), "pässword").unwrap().public(), key.public());
        assert!(matches!(decode_with(text.as_bytes(), "pw"), Err(KeyFileError::WrongPassword)));
        assert_ne!(text, encode_encrypted(&key, "pässword".as_bytes()).unwrap(), "salt and nonce are fresh");
    }
}

#[test]
fn what_is_written_has_cosigns_shape() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let ours = encode_encrypted(&key, b"pw").unwrap();
    let theirs = String::from_utf8(file("p256-cosign")).unwrap();
    let widths = |text: &str| text.lines().map(str::len).collect::<Vec<_>>();
    assert_eq!(widths(&ours), widths(&theirs));
    // The documents are the same up to salt, nonce and ciphertext, whose lengths are the same too.
    let blank = |text: &str| {
        let json = String::from_utf8(pem::decode_one(text.as_bytes()).unwrap().bytes.to_vec()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let secret = [&value["kdf"]["salt"], &value["cipher"]["nonce"], &value["ciphertext"]];
        secret.iter().fold(json, |json, secret| {
            let secret = secret.as_str().unwrap();
            json.replace(secret, &"x".repeat(secret.len()))
        })
    };
    assert_eq!(blank(&ours), blank(&theirs));
}

#[test]
fn the_label_of_cosign_1_is_read() {
    let old = String::from_utf8(file("p256-cosign")).unwrap().replace("SIGSTORE", "COSIGN");
    assert_eq!(decode_with(old.as_bytes(), "pw").unwrap().public(), &public("p256-cosign-pub"));
}

// [V-41]
#[test]
fn costs_are_bounded_before_a_password_is_asked_for() {
    for (member, value) in
        [("N", 1_u64 << 18), ("N", 1 << 40), ("N", 65_535), ("N", 0), ("N", 1), ("r", 9), ("r", 0), ("p", 2), ("p", 0)]
    {
        let costly = changed(|json| json["kdf"]["params"][member] = value.into());
        assert!(matches!(decode_without(&costly), Err(KeyFileError::Scrypt { .. })), "{member}={value}");
    }
    let outcome = decode_without(&file("p256-scrypt-too-costly"));
    assert!(matches!(outcome, Err(KeyFileError::Scrypt { p: 2, .. })), "{outcome:?}");
    let outcome = decode_without(&file("p256-pbkdf2-too-costly"));
    assert!(matches!(outcome, Err(KeyFileError::Pbkdf2 { rounds: 10_000_001 })), "{outcome:?}");
}

#[test]
fn other_documents_in_cosigns_box_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut serde_json::Value)| decode_without(&changed(change)).unwrap_err().to_string();
    assert!(refused(&|json| json["kdf"]["name"] = "argon2id".into()).contains("kdf.name is \"argon2id\""));
    assert!(refused(&|json| json["cipher"]["name"] = "none".into()).contains("cipher.name is \"none\""));
    assert!(refused(&|json| json["kdf"]["salt"] = "AAAA".into()).contains("kdf.salt is not base64 of 32 bytes"));
    assert!(refused(&|json| json["cipher"]["nonce"] = "?".into()).contains("cipher.nonce is not base64 of 24 bytes"));
    assert!(refused(&|json| *json = "text".into()).contains("not the expected JSON"));
    let twice = pem::encode("ENCRYPTED SIGSTORE PRIVATE KEY", br#"{"kdf":{},"kdf":{}}"#);
    assert!(matches!(decode_without(twice.as_bytes()), Err(KeyFileError::Json(_))));
}

#[test]
fn a_changed_ciphertext_does_not_open() {
    for at in [0, 15, 16, 100] {
        let bad = changed(|json| {
            let mut bytes = STANDARD.decode(json["ciphertext"].as_str().unwrap()).unwrap();
            bytes[at] ^= 1;
            json["ciphertext"] = STANDARD.encode(bytes).into();
        });
        assert!(matches!(decode_with(&bad, "pw"), Err(KeyFileError::WrongPassword)));
    }
}

#[test]
fn weak_and_foreign_encryption_is_refused_without_asking() {
    assert!(matches!(decode_without(&file("p256-sec1-legacy-encrypted")), Err(KeyFileError::LegacyEncryption)));
    for name in ["p256-pbes1", "p256-des3"] {
        let outcome = decode_without(&file(name));
        assert!(matches!(outcome, Err(KeyFileError::Scheme { .. })), "{name}: {outcome:?}");
    }
}

#[test]
fn what_is_no_usable_private_key_is_named() {
    for (name, part) in [
        ("p256-pub", "this is a public key"),
        ("p256-certificate", "this is a certificate"),
        ("ed25519-openssh", "ssh-keygen"),
        ("p521-sec1", "with curve 1.3.132.0.35"),
        ("k256-sec1", "with curve 1.3.132.0.10"),
        ("x25519-pkcs8", "algorithm 1.3.101.110"),
    ] {
        let message = decode_without(&file(name)).unwrap_err().to_string();
        assert!(message.contains(part), "{name}: {message}");
    }
    assert!(matches!(decode_without(b""), Err(KeyFileError::Pem(PemError::Missing))));
    let too_large = vec![b' '; limits::KEY_FILE_BYTES as usize + 1];
    assert!(matches!(decode_without(&too_large), Err(KeyFileError::TooLarge(_))));
    assert!(matches!(is_encrypted(&too_large), Err(KeyFileError::TooLarge(_))));
}

#[test]
fn a_private_key_is_held_to_the_rules_of_its_public_half() {
    let outcome = decode_without(&file("rsa1024-pkcs8"));
    assert!(
        matches!(
            outcome,
            Err(KeyFileError::Key(
                PrivateKeyError::Public(PublicKeyError::RsaBits { bits: 1024 }) | PrivateKeyError::Numbers("RSA")
            ))
        ),
        "{outcome:?}"
    );
    let outcome = decode_without(&file("rsa2048-e3-pkcs8"));
    assert!(
        matches!(outcome, Err(KeyFileError::Key(PrivateKeyError::Public(PublicKeyError::RsaNumbers)))),
        "{outcome:?}"
    );
}

#[test]
fn a_password_that_is_not_to_be_had_is_its_own_error() {
    let outcome = decode(&file("p256-cosign"), &mut || Err("no terminal".into()));
    assert_eq!(outcome.unwrap_err().to_string(), "no password for the encrypted key: no terminal");
}

#[test]
fn the_password_is_asked_for_once() {
    let mut asked = 0;
    let outcome = decode(&file("p256-scrypt"), &mut || {
        asked += 1;
        Ok(Zeroizing::new(b"wrong".to_vec()))
    });
    assert!(outcome.is_err());
    assert_eq!(asked, 1);
}

proptest! {
    #[test]
    fn no_bytes_in_any_block_make_it_panic(bytes: Vec<u8>, label in 0_usize..6) {
        let label = ["PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY", "PUBLIC KEY"][label];
        let _ = decode_with(&bytes, "pw");
        prop_assert!(decode_with(pem::encode(label, &bytes).as_bytes(), "pw").is_err());
    }

    #[test]
    fn a_changed_byte_of_a_plain_key_never_panics(at: usize, byte: u8, name in 0_usize..5) {
        let name = ["p256-pkcs8", "p256-sec1", "ed25519-pkcs8", "rsa2048-pkcs8", "rsa2048-pkcs1"][name];
        let block = pem::decode_one(&file(name)).unwrap();
        let mut der = block.bytes.to_vec();
        let at = at % der.len();
        der[at] = byte;
        if let Ok(key) = decode_without(pem::encode(&block.label, &der).as_bytes()) {
            key.public().verify(b"m", &key.sign(b"m").unwrap()).unwrap();
        }
    }
}
