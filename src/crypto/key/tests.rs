use super::*;
use proptest::prelude::*;
use std::fs;

fn file(name: &str) -> String {
    fs::read_to_string(format!("{}/testdata/keys/{name}.test.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn key(name: &str) -> PublicKey {
    PublicKey::from_pem(&file(name)).unwrap()
}

fn refused(name: &str) -> PublicKeyError {
    PublicKey::from_pem(&file(name)).unwrap_err()
}

fn goods() -> Vec<PublicKey> {
    ["p256-pub", "p384-pub", "ed25519-pub", "rsa2048-pub"].map(key).to_vec()
}

fn ed25519_spki(point: &[u8]) -> Vec<u8> {
    encode_spki(AlgorithmIdentifierRef { oid: ED25519, parameters: None }, point).unwrap()
}

#[test]
fn keys_of_openssl_are_read_and_written_to_the_letter() {
    for (name, algorithm, words) in [
        ("p256-pub", KeyAlgorithm::EcdsaP256, "ECDSA P-256"),
        ("p384-pub", KeyAlgorithm::EcdsaP384, "ECDSA P-384"),
        ("ed25519-pub", KeyAlgorithm::Ed25519, "Ed25519"),
        ("rsa2048-pub", KeyAlgorithm::Rsa(2048), "RSA 2048"),
        ("p256-cosign-pub", KeyAlgorithm::EcdsaP256, "ECDSA P-256"),
    ] {
        let key = key(name);
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.algorithm().to_string(), words);
        assert_eq!(key.to_pem(), file(name));
        assert_eq!(PublicKey::from_spki_der(key.spki_der()), Ok(key));
    }
}

#[test]
fn the_hint_is_the_one_that_cosign_writes() {
    // From a bundle that cosign 3.1.1 made with this key.
    let key = key("p256-cosign-pub");
    assert_eq!(key.hint(), "rwbDkyqofklgXhBiORHyn7efV/r+vbZLsUOF78G61SI=");
    assert_eq!(STANDARD.encode(key.fingerprint().bytes()), key.hint());
}

// [V-27]
#[test]
fn a_compressed_point_is_the_same_key_with_the_same_fingerprint() {
    let compressed = key("p256-pub-compressed");
    assert_ne!(file("p256-pub-compressed"), file("p256-pub"));
    assert_eq!(compressed, key("p256-pub"));
    assert_eq!(compressed.fingerprint(), key("p256-pub").fingerprint());
    assert_eq!(compressed.to_pem(), file("p256-pub"));
}

// [V-27]
#[test]
fn other_encodings_of_a_point_and_explicit_curves_are_refused() {
    assert_eq!(refused("p256-pub-hybrid"), PublicKeyError::Point(KeyAlgorithm::EcdsaP256));
    assert_eq!(refused("p256-pub-explicit"), PublicKeyError::Parameters { oid: EC });
    let point = key("p256-pub").spki_der()[26..].to_vec();
    assert_eq!(point.len(), 65);
    let identifier = AlgorithmIdentifierRef { oid: EC, parameters: Some((&P256).into()) };
    let mut off_the_curve = point.clone();
    off_the_curve[64] ^= 1;
    let mut compact = point[..33].to_vec();
    compact[0] = 5;
    for bad in [&[0][..], &[], &point[..64], &point[..33], &[&point[..], &[0]].concat(), &off_the_curve, &compact] {
        let der = encode_spki(identifier, bad).unwrap();
        assert_eq!(PublicKey::from_spki_der(&der), Err(PublicKeyError::Point(KeyAlgorithm::EcdsaP256)), "{bad:x?}");
    }
}

#[test]
fn weak_rsa_and_other_curves_are_refused() {
    assert_eq!(refused("rsa1024-pub"), PublicKeyError::RsaBits { bits: 1024 });
    assert_eq!(refused("rsa2048-e3-pub"), PublicKeyError::RsaNumbers);
    assert!(matches!(refused("p521-pub"), PublicKeyError::Algorithm { oid: EC, curve: Some(_) }));
    assert!(matches!(refused("k256-pub"), PublicKeyError::Algorithm { oid: EC, curve: Some(_) }));
}

#[test]
fn what_is_no_public_key_is_named_for_what_it_is() {
    for (name, part) in [
        ("p256-pkcs8", "a private key has no place here"),
        ("p256-sec1", "a private key has no place here"),
        ("p256-cosign", "a private key has no place here"),
        ("p256-certificate", "openssl x509 -pubkey"),
        ("rsa2048-pub-pkcs1", "-RSAPublicKey_in"),
    ] {
        let message = refused(name).to_string();
        assert!(message.contains(part), "{message}");
    }
    let two = format!("{}{}", file("p256-pub"), file("p384-pub"));
    assert_eq!(PublicKey::from_pem(&two), Err(PublicKeyError::Pem(PemError::Several(2))));
    assert_eq!(PublicKey::from_pem(""), Err(PublicKeyError::Pem(PemError::Missing)));
}

#[test]
fn missing_and_odd_parameters_are_refused() {
    let bits = |name: &str| {
        let key = key(name);
        SubjectPublicKeyInfoRef::from_der(key.spki_der()).unwrap().subject_public_key.raw_bytes().to_vec()
    };
    let null = Some(AnyRef::NULL);
    let p256 = Some((&P256).into());
    for (oid, parameters, name) in [
        (RSA, None, "rsa2048-pub"),
        (RSA, p256, "rsa2048-pub"),
        (ED25519, null, "ed25519-pub"),
        (EC, None, "p256-pub"),
        (EC, null, "p256-pub"),
    ] {
        let der = encode_spki(AlgorithmIdentifierRef { oid, parameters }, &bits(name)).unwrap();
        assert_eq!(PublicKey::from_spki_der(&der), Err(PublicKeyError::Parameters { oid }), "{name}");
    }
}

#[test]
fn bytes_after_the_end_and_lengths_that_der_forbids_are_refused() {
    for key in goods() {
        let der = key.spki_der();
        PublicKey::from_spki_der(&[der, &[0]].concat()).unwrap_err();
        PublicKey::from_spki_der(&der[..der.len() - 1]).unwrap_err();
        // The outer length in one byte more than it needs, and indefinite.
        let (length, header) = match der[1] {
            short @ 0..=127 => (vec![0x81, short], 2),
            0x81 => (vec![0x82, 0, der[2]], 3),
            _ => (vec![0x83, 0, der[2], der[3]], 4),
        };
        PublicKey::from_spki_der(&[&[0x30], &length[..], &der[header..]].concat()).unwrap_err();
        PublicKey::from_spki_der(&[&[0x30, 0x80], &der[header..], &[0, 0]].concat()).unwrap_err();
    }
}

#[test]
fn a_flipped_bit_is_another_key_or_none_never_the_same_key_by_another_name() {
    for key in goods() {
        for at in 0..key.spki_der().len() * 8 {
            let mut der = key.spki_der().to_vec();
            der[at / 8] ^= 1 << (at % 8);
            if let Ok(other) = PublicKey::from_spki_der(&der) {
                assert_eq!(other.spki_der(), der, "bit {at} of {key:?}");
                assert_ne!(other, key);
            }
        }
    }
}

#[test]
fn ed25519_points_of_small_order_and_unreduced_ones_are_refused() {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    for weak in [[0; 32], one, minus_one] {
        assert_eq!(PublicKey::from_spki_der(&ed25519_spki(&weak)), Err(PublicKeyError::Weak), "{weak:x?}");
    }
    // p + y for the y below 19 that are on the curve: the same points by another name.
    let unreduced = (0..19_u8).map(|y| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + y, 0x7f);
        bytes
    });
    for bytes in unreduced {
        PublicKey::from_spki_der(&ed25519_spki(&bytes)).unwrap_err();
    }
    let length = PublicKey::from_spki_der(&ed25519_spki(&[9; 31]));
    assert_eq!(length, Err(PublicKeyError::Point(KeyAlgorithm::Ed25519)));
}

#[test]
fn rsa_numbers_are_read_strictly() {
    let spki = key("rsa2048-pub");
    let pkcs1 = &spki.spki_der()[24..];
    PublicKey::from_rsa_pkcs1(pkcs1).unwrap();
    PublicKey::from_rsa_pkcs1(&[pkcs1, &[0]].concat()).unwrap_err();
    let even = |at: usize| {
        let mut der = pkcs1.to_vec();
        der[at] &= 0xfe;
        PublicKey::from_rsa_pkcs1(&der)
    };
    assert_eq!(even(pkcs1.len() - 1), Err(PublicKeyError::RsaNumbers));
    assert_eq!(even(pkcs1.len() - 6), Err(PublicKeyError::RsaNumbers));
    // A modulus that DER reads as negative: its leading zero byte taken away.
    let negative = [&[0x30, 0x82, 0x01, 0x09, 0x02, 0x82, 0x01, 0x00], &pkcs1[9..]].concat();
    assert!(matches!(PublicKey::from_rsa_pkcs1(&negative), Err(PublicKeyError::Der(_))));
}

#[test]
fn algorithms_are_parsed_by_the_names_in_the_message() {
    for text in ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa", "rsa-2048", "rsa-3072", "rsa-4096", "rsa-8192"] {
        text.parse::<KeyAlgorithm>().unwrap();
    }
    let message = "rsa-1024".parse::<KeyAlgorithm>().unwrap_err().to_string();
    assert!(message.contains("rsa-1024") && message.contains("rsa-3072"), "{message}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = PublicKey::from_spki_der(&bytes);
        let _ = PublicKey::from_pem_bytes(&bytes);
    }

    #[test]
    fn what_is_accepted_is_canonical_or_a_compressed_point(at in 0_usize..91, byte: u8) {
        let mut der = key("p256-pub").spki_der().to_vec();
        der[at] = byte;
        if let Ok(key) = PublicKey::from_spki_der(&der) {
            prop_assert_eq!(key.spki_der(), &der);
        }
    }
}
