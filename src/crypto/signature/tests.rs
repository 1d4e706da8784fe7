use super::*;
use crate::crypto::PrivateKey;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256},
};
use p256::ecdsa::signature::Verifier as _;
use proptest::prelude::*;
use std::{fs, sync::LazyLock};

const MESSAGE: &[u8] = b"message";
/// The order of P-256's group.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn read(name: &str) -> Vec<u8> {
    fs::read(format!("{}/testdata/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn public(name: &str) -> PublicKey {
    PublicKey::from_pem_bytes(&read(&format!("{name}-pub.test.pem"))).unwrap()
}

fn private(name: &str) -> PrivateKey {
    let ask = &mut || unreachable!("not encrypted");
    crate::crypto::keyfile::decode(&read(&format!("{name}.test.pem")), ask).unwrap()
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    [&[2, bytes.len() as u8], bytes].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[0x30, body.len() as u8], &body[..]].concat()
}

/// A positive big-endian number as DER's INTEGER has it.
fn minimal(mut bytes: &[u8]) -> Vec<u8> {
    while let [0, rest @ ..] = bytes {
        bytes = rest;
    }
    if bytes.first().is_none_or(|first| first & 0x80 != 0) { [&[0], bytes].concat() } else { bytes.to_vec() }
}

/// r and s of a good P-256 signature over `MESSAGE`, as the numbers' 32 bytes.
fn good() -> (PublicKey, [u8; 32], [u8; 32]) {
    let signature = p256::ecdsa::Signature::from_der(&read("p256.sig")).unwrap().to_bytes();
    (public("p256"), signature[..32].try_into().unwrap(), signature[32..].try_into().unwrap())
}

#[test]
fn signatures_of_openssl_hold() {
    for name in ["p256", "p384", "ed25519", "rsa2048"] {
        public(name).verify(MESSAGE, &read(&format!("{name}.sig"))).unwrap();
        public(name).verify(b"massage", &read(&format!("{name}.sig"))).unwrap_err();
    }
}

#[test]
fn signatures_of_cosign_hold() {
    for (name, of) in [("p256-cosign", "p256-cosign"), ("p384-cosign", "p384"), ("rsa2048-cosign", "rsa2048")] {
        public(of).verify(MESSAGE, &read(&format!("{name}.sig"))).unwrap();
        public(of).verify(b"massage", &read(&format!("{name}.sig"))).unwrap_err();
    }
    // cosign signs with Ed25519ph.
    let (payload, signature) = (read("ed25519-cosign.payload"), read("ed25519-cosign.sig"));
    public("ed25519").verify(&payload, &signature).unwrap();
    public("ed25519").verify(&payload[1..], &signature).unwrap_err();
    let public = public("ed25519");
    let Verifier::Ed25519(key) = public.verifier() else { panic!("an Ed25519 key") };
    key.verify_strict(&payload, &Signature::from_slice(&signature).unwrap()).unwrap_err();
}

#[test]
fn a_signature_holds_for_its_own_key_alone() {
    let names = ["p256", "p384", "ed25519", "rsa2048", "p256-cosign"];
    for (signer, verifier) in names.iter().flat_map(|a| names.iter().map(move |b| (a, b))).filter(|(a, b)| a != b) {
        let key = public(verifier);
        let error = key.verify(MESSAGE, &read(&format!("{signer}.sig"))).unwrap_err();
        assert_eq!(error, SignatureError::Invalid { algorithm: key.algorithm(), key: key.fingerprint() });
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    for name in ["p256", "p384", "ed25519", "rsa2048"] {
        let (key, good) = (public(name), read(&format!("{name}.sig")));
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(key.verify(MESSAGE, &bad).is_err(), "{name}, bit {at}");
        }
    }
}

#[test]
fn no_signature_at_all_is_refused() {
    for name in ["p256", "p384", "ed25519", "rsa2048"] {
        let (key, good) = (public(name), read(&format!("{name}.sig")));
        for bad in
            [&[][..], &[0], &good[1..], &good[..good.len() - 1], &[&good[..], &[0]].concat(), &vec![0; good.len()]]
        {
            assert!(key.verify(MESSAGE, bad).is_err(), "{name}: {bad:x?}");
        }
    }
}

// [V-25]
#[test]
fn ecdsa_in_anything_but_der_is_refused() {
    let (key, r, s) = good();
    let (r, s) = (minimal(&r), minimal(&s));
    let (ri, si) = (integer(&r), integer(&s));
    let der = sequence(&[&ri, &si]);
    key.verify(MESSAGE, &der).unwrap();
    let long = |n: &[u8]| [&[2, 0x81, n.len() as u8], n].concat();
    let body = [&ri[..], &si[..]].concat();
    let cases: [(&str, Vec<u8>); 15] = [
        ("a byte after the end", [&der[..], &[0]].concat()),
        ("a byte after s", sequence(&[&ri, &si, &[0]])),
        ("NULL after s", sequence(&[&ri, &si, &[5, 0]])),
        ("a third integer", sequence(&[&ri, &si, &si])),
        ("s missing", sequence(&[&ri])),
        ("the sequence's length in long form", [&[0x30, 0x81, body.len() as u8], &body[..]].concat()),
        ("the sequence's length in two bytes", [&[0x30, 0x82, 0, body.len() as u8], &body[..]].concat()),
        ("an indefinite length", [&[0x30, 0x80], &body[..], &[0, 0]].concat()),
        ("r's length in long form", sequence(&[&long(&r), &si])),
        ("s' length in long form", sequence(&[&ri, &long(&s)])),
        ("r padded", sequence(&[&integer(&[&[0], &r[..]].concat()), &si])),
        ("s padded", sequence(&[&ri, &integer(&[&[0], &s[..]].concat())])),
        ("a SET", [&[0x31], &der[1..]].concat()),
        ("r and s swapped", sequence(&[&si, &ri])),
        ("r as a bit string", sequence(&[&[&[3], &ri[1..]].concat(), &si])),
    ];
    for (what, bad) in cases {
        assert!(key.verify(MESSAGE, &bad).is_err(), "{what}");
    }
    let raw = p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes();
    assert!(key.verify(MESSAGE, &raw).is_err(), "r and s without DER (IEEE P1363)");
}

#[test]
fn ecdsa_numbers_out_of_range_are_refused() {
    let (key, r, s) = good();
    let n = hex::decode(N).unwrap();
    let (r, s) = (minimal(&r), minimal(&s));
    let add = |number: &[u8]| {
        // number + n, which is the same modulo n.
        let mut sum = vec![0_u8; 33];
        let mut carry = 0_u16;
        for at in 0..33 {
            let digit = |of: &[u8]| of.len().checked_sub(at + 1).map_or(0, |i| u16::from(of[i]));
            let total = digit(number) + digit(&n) + carry;
            sum[32 - at] = total as u8;
            carry = total >> 8;
        }
        minimal(&sum)
    };
    let negative = |number: &[u8]| {
        let mut bytes: Vec<u8> = number.iter().map(|b| !b).collect();
        for byte in bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        bytes
    };
    let zero: &[u8] = &[0];
    let none: &[u8] = &[];
    for (what, r, s) in [
        ("r = 0", zero, &s[..]),
        ("s = 0", &r, zero),
        ("both 0", zero, zero),
        ("r empty", none, &s),
        ("s empty", &r, none),
        ("r = n", &minimal(&n), &s),
        ("s = n", &r, &minimal(&n)),
        ("r + n", &add(&r), &s),
        ("s + n", &r, &add(&s)),
        ("-r", &negative(&r), &s),
        ("-s", &r, &negative(&s)),
        ("r = s = 1", &[1], &[1]),
    ] {
        assert!(key.verify(MESSAGE, &sequence(&[&integer(r), &integer(s)])).is_err(), "{what}");
    }
}

// [V-25]
#[test]
fn ecdsa_with_the_other_s_is_accepted_so_signatures_are_no_identities() {
    let (key, r, s) = good();
    let n = hex::decode(N).unwrap();
    let mut other = [0_u8; 32];
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let digit = i16::from(n[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(digit < 0);
        other[at] = digit as u8;
    }
    assert_ne!(other, s);
    for s in [s, other] {
        key.verify(MESSAGE, &sequence(&[&integer(&minimal(&r)), &integer(&minimal(&s))])).unwrap();
    }
}

#[test]
fn ecdsa_with_another_hash_is_refused() {
    use p256::ecdsa::signature::hazmat::PrehashSigner as _;
    let signing = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let key = PublicKey::from_p256(&signing.verifying_key().to_sec1_bytes()).unwrap();
    let sign = |prehash: &[u8]| -> Vec<u8> {
        let signature: p256::ecdsa::DerSignature = signing.sign_prehash(prehash).unwrap();
        signature.as_bytes().to_vec()
    };
    key.verify(MESSAGE, &sign(&sha2::Sha256::digest(MESSAGE))).unwrap();
    key.verify(MESSAGE, &sign(&sha2::Sha384::digest(MESSAGE))).unwrap_err();
    key.verify(MESSAGE, &sign(&Sha512::digest(MESSAGE))).unwrap_err();
}

#[test]
fn rsa_by_another_padding_or_hash_is_refused() {
    let key = public("rsa2048");
    let pair = KeyPair::from_pkcs8(&private("rsa2048-pkcs8").to_pkcs8_der().unwrap()).unwrap();
    let random = SystemRandom::new();
    let mut signature = vec![0; 256];
    pair.sign(&RSA_PSS_SHA256, &random, MESSAGE, &mut signature).unwrap();
    key.verify(MESSAGE, &signature).unwrap_err();
    pair.sign(&RSA_PKCS1_SHA512, &random, MESSAGE, &mut signature).unwrap();
    key.verify(MESSAGE, &signature).unwrap_err();
    let good = read("rsa2048.sig");
    key.verify(MESSAGE, &[&[0], &good[..]].concat()).unwrap_err();
    key.verify(MESSAGE, &[0xff; 256]).unwrap_err();
}

fn ed25519(hex_key: &str) -> PublicKey {
    PublicKey::from_ed25519(&hex::decode(hex_key).unwrap()).unwrap()
}

#[test]
fn ed25519_answers_of_rfc_8032_hold() {
    // 7.1, TEST 3
    let key = ed25519("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    let pure = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
    key.verify(&[0xaf, 0x82], &hex::decode(pure).unwrap()).unwrap();
    // 7.3, TEST abc: Ed25519ph
    let key = ed25519("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf");
    let prehashed = "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";
    key.verify(b"abc", &hex::decode(prehashed).unwrap()).unwrap();
}

// [V-26]
#[test]
fn ed25519ph_holds_with_an_empty_context_alone() {
    let signing = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let key = PublicKey::from_ed25519(signing.verifying_key().as_bytes()).unwrap();
    let sign =
        |context: Option<&[u8]>| signing.sign_prehashed(Sha512::new_with_prefix(MESSAGE), context).unwrap().to_bytes();
    key.verify(MESSAGE, &sign(None)).unwrap();
    key.verify(b"massage", &sign(None)).unwrap_err();
    key.verify(MESSAGE, &sign(Some(b"context"))).unwrap_err();
    // Pure over the hash is neither.
    let over_the_hash = ed25519_dalek::Signer::sign(&signing, &Sha512::digest(MESSAGE)).to_bytes();
    key.verify(MESSAGE, &over_the_hash).unwrap_err();
}

// [V-26]
#[test]
fn ed25519_with_an_unreduced_s_or_a_small_r_is_refused() {
    let (key, good) = (public("ed25519"), read("ed25519.sig"));
    // s + L, with L the group's order in little endian.
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut unreduced = good.clone();
    let mut carry = 0_u16;
    for at in 0..32 {
        let total = u16::from(good[32 + at]) + u16::from(order[at]) + carry;
        unreduced[32 + at] = total as u8;
        carry = total >> 8;
    }
    key.verify(MESSAGE, &unreduced).unwrap_err();
    for r in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        key.verify(MESSAGE, &[&r[..], &good[32..]].concat()).unwrap_err();
        key.verify(MESSAGE, &[&r[..], &[0; 32]].concat()).unwrap_err();
    }
}

static P256: LazyLock<(PrivateKey, p256::ecdsa::VerifyingKey)> = LazyLock::new(|| {
    let key = private("p256-sec1");
    let oracle = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.public().spki_der()[26..]).unwrap();
    (key, oracle)
});

static P384: LazyLock<(PrivateKey, p384::ecdsa::VerifyingKey)> = LazyLock::new(|| {
    let key = private("p384-sec1");
    let oracle = p384::ecdsa::VerifyingKey::from_sec1_bytes(&key.public().spki_der()[23..]).unwrap();
    (key, oracle)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_libraries_agree_on_p256(message: Vec<u8>, at: usize, byte: u8) {
        let (key, oracle) = &*P256;
        let mut signature = key.sign(&message).unwrap();
        key.public().verify(&message, &signature).unwrap();
        let at = at % signature.len();
        signature[at] = byte;
        let theirs = p256::ecdsa::DerSignature::from_bytes(&signature).and_then(|s| oracle.verify(&message, &s));
        prop_assert_eq!(key.public().verify(&message, &signature).is_ok(), theirs.is_ok());
    }

    #[test]
    fn both_libraries_agree_on_p384(message: Vec<u8>, at: usize, byte: u8) {
        let (key, oracle) = &*P384;
        let mut signature = key.sign(&message).unwrap();
        key.public().verify(&message, &signature).unwrap();
        let at = at % signature.len();
        signature[at] = byte;
        let theirs = p384::ecdsa::DerSignature::from_bytes(&signature).and_then(|s| oracle.verify(&message, &s));
        prop_assert_eq!(key.public().verify(&message, &signature).is_ok(), theirs.is_ok());
    }

    #[test]
    fn no_bytes_make_it_panic(signature: Vec<u8>) {
        for name in ["p256", "p384", "ed25519", "rsa2048"] {
            prop_assert!(public(name).verify(MESSAGE, &signature).is_err());
        }
    }
}
