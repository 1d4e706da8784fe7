use super::*;
use pkcs8::der::{Encode as _, asn1::OctetStringRef};

const ALL: [KeyAlgorithm; 4] =
    [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa(2048)];

#[test]
fn a_generated_key_signs_what_its_public_half_verifies() {
    for algorithm in ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        assert_eq!(key.public().algorithm(), algorithm);
        let signature = key.sign(b"message").unwrap();
        key.public().verify(b"message", &signature).unwrap();
        key.public().verify(b"massage", &signature).unwrap_err();
        assert_eq!(key.sign(b"message").unwrap(), signature, "the same every time");
        let other = PrivateKey::generate(algorithm).unwrap();
        assert_ne!(other.public(), key.public());
        other.public().verify(b"message", &signature).unwrap_err();
    }
}

#[test]
fn pkcs8_holds_all_of_a_key() {
    for algorithm in ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let again = PrivateKey::from_pkcs8_der(&der).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(again.to_pkcs8_der().unwrap(), der);
        assert_eq!(again.sign(b"m").unwrap(), key.sign(b"m").unwrap());
        PrivateKey::from_pkcs8_der(&[&der[..], &[0]].concat()).unwrap_err();
        PrivateKey::from_pkcs8_der(&der[..der.len() - 1]).unwrap_err();
    }
}

#[test]
fn ecdsa_is_deterministic_as_rfc_6979_has_it() {
    // A.2.5 and A.2.6, "sample" with SHA-256 and SHA-384.
    let secret = hex::decode("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").unwrap();
    let key = PrivateKey::p256(&p256::SecretKey::from_slice(&secret).unwrap()).unwrap();
    let signature = p256::ecdsa::Signature::from_der(&key.sign(b"sample").unwrap()).unwrap();
    assert_eq!(
        hex::encode(signature.to_bytes()),
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    );
    let secret =
        hex::decode("6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5");
    let key = PrivateKey::p384(&p384::SecretKey::from_slice(&secret.unwrap()).unwrap()).unwrap();
    let signature = p384::ecdsa::Signature::from_der(&key.sign(b"sample").unwrap()).unwrap();
    assert_eq!(
        hex::encode(signature.to_bytes()),
        "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46\
         99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8"
    );
}

#[test]
fn halves_that_do_not_belong_together_are_refused() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let mut der = key.to_pkcs8_der().unwrap();
        *der.last_mut().unwrap() ^= 1;
        assert!(matches!(PrivateKey::from_pkcs8_der(&der), Err(PrivateKeyError::Numbers(_))), "{algorithm}");
    }
    let (one, other) =
        (ed25519_dalek::SigningKey::from_bytes(&[1; 32]), ed25519_dalek::SigningKey::from_bytes(&[2; 32]));
    let public_key = Some(ed25519_dalek::pkcs8::PublicKeyBytes(other.verifying_key().to_bytes()));
    let mixed = KeypairBytes { secret_key: one.to_bytes(), public_key }.to_pkcs8_der().unwrap();
    assert!(matches!(PrivateKey::from_pkcs8_der(mixed.as_bytes()), Err(PrivateKeyError::Numbers("Ed25519"))));
    let matched = KeypairBytes {
        secret_key: one.to_bytes(),
        public_key: Some(ed25519_dalek::pkcs8::PublicKeyBytes(one.verifying_key().to_bytes())),
    };
    PrivateKey::from_pkcs8_der(matched.to_pkcs8_der().unwrap().as_bytes()).unwrap();
}

#[test]
fn bytes_after_the_end_of_older_structures_are_refused() {
    let rsa = PrivateKey::generate(KeyAlgorithm::Rsa(2048)).unwrap().to_pkcs8_der().unwrap();
    let pkcs1 = PrivateKeyInfoRef::from_der(&rsa).unwrap().private_key.as_bytes();
    PrivateKey::from_pkcs1_der(pkcs1).unwrap();
    PrivateKey::from_pkcs1_der(&[pkcs1, &[0]].concat()).unwrap_err();
    let parameters = Some(sec1::EcParameters::NamedCurve(P256));
    let sec1 = sec1::EcPrivateKey { private_key: &[7; 32], parameters, public_key: None }.to_der().unwrap();
    PrivateKey::from_sec1_der(&sec1).unwrap();
    PrivateKey::from_sec1_der(&[&sec1[..], &[0]].concat()).unwrap_err();
}

#[test]
fn secrets_out_of_range_are_refused() {
    for secret in [[0; 32], [0xff; 32]] {
        let inner = sec1::EcPrivateKey { private_key: &secret, parameters: None, public_key: None }.to_der().unwrap();
        let algorithm = pkcs8::AlgorithmIdentifierRef { oid: EC, parameters: Some((&P256).into()) };
        let der = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&inner).unwrap()).to_der().unwrap();
        assert!(matches!(PrivateKey::from_pkcs8_der(&der), Err(PrivateKeyError::Numbers(_))));
        PrivateKey::from_sec1_der(&inner).unwrap_err();
    }
}

#[test]
fn rsa_sizes_that_are_not_generated_are_named() {
    for bits in [0, 1024, 2047, 16_384] {
        assert!(matches!(PrivateKey::generate(KeyAlgorithm::Rsa(bits)), Err(PrivateKeyError::RsaSize(b)) if b == bits));
    }
}

#[test]
fn printing_a_key_shows_no_secret() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let Secret::Ed25519(secret) = &key.secret else { panic!("Ed25519 was asked for") };
    let shown = format!("{key:?}");
    assert!(shown.contains(&key.public().fingerprint().to_string()));
    assert!(!shown.contains(&hex::encode(secret.to_bytes())));
    assert_eq!(shown, format!("PrivateKey(Ed25519, {})", key.public().fingerprint()));
}
