//! `blob verify`: bare signatures, and bundles signed with keys.

use crate::{
    judges::{CONTENT, then},
    sigstore::{Hash, Key, Kind, Logged, PrivateSigstore, Signing},
};
use boltseal::{
    crypto::{
        PublicKey,
        hash::{HashAlgorithm, Hashes},
    },
    oci::Digest,
    ops::blob::{BlobJudge, Evidence, Wanted},
    trust::TrustedRoot,
    verify::{Artifact, Detached, DetachedOver},
};
use jiff::Timestamp;
use std::sync::Arc;

const OVER: [DetachedOver; 5] = [
    DetachedOver::Usual,
    DetachedOver::Hash(HashAlgorithm::Sha256),
    DetachedOver::Hash(HashAlgorithm::Sha384),
    DetachedOver::Hash(HashAlgorithm::Sha512),
    DetachedOver::Bytes,
];

fn judge(key: &PublicKey, root: Option<TrustedRoot>, ignore_log: bool) -> BlobJudge {
    BlobJudge { wanted: Wanted::Key(key.clone()), root: root.map(Arc::new), ignore_log, now: Timestamp::now() }
}

fn public(spki: &[u8]) -> PublicKey {
    PublicKey::from_spki_der(spki).expect("a key")
}

/// Which ways of reading a bare signature hold, of a file whose bytes are at hand or were hashed, and of its digest.
fn holds(key: &PublicKey, signature: &[u8], artifact: &Artifact) -> Vec<DetachedOver> {
    let detached = |over| Evidence::Detached(Detached { signature: signature.to_vec(), over });
    OVER.into_iter().filter(|over| judge(key, None, false).judge(artifact, detached(*over)).is_ok()).collect()
}

// [V-125]
#[test]
fn a_bare_signature_is_over_what_was_said_and_nothing_else() {
    use p256::ecdsa::signature::hazmat::PrehashSigner as _;
    let mut hashes = Hashes::default();
    hashes.update(CONTENT);
    let (whole, hashed) = (Artifact::from_bytes(CONTENT.to_vec()), Artifact::from_hashes(hashes));
    let digest = Artifact::from_digest(Digest::sha256(CONTENT));
    let usual = |kind: Kind, over| {
        let key = Key::new(kind);
        let signature = key.sign(CONTENT);
        assert_eq!(holds(&public(&key.spki()), &signature, &whole), over, "{kind:?}");
        assert!(holds(&public(&key.spki()), &signature, &Artifact::from_bytes(b"another".to_vec())).is_empty());
        (key, signature)
    };
    let (sha256, sha384, sha512) = (OVER[1], OVER[2], OVER[3]);
    let (key, signature) = usual(Kind::P256, vec![DetachedOver::Usual, sha256]);
    assert_eq!(holds(&public(&key.spki()), &signature, &hashed), [DetachedOver::Usual, sha256]);
    assert_eq!(holds(&public(&key.spki()), &signature, &digest), [DetachedOver::Usual, sha256]);
    let (key, signature) = usual(Kind::P384, vec![DetachedOver::Usual, sha384]);
    assert!(holds(&public(&key.spki()), &signature, &digest).is_empty(), "its SHA-384 is not known");
    let (key, signature) = usual(Kind::Ed25519, vec![DetachedOver::Usual, DetachedOver::Bytes]);
    assert!(holds(&public(&key.spki()), &signature, &hashed).is_empty(), "its bytes are not known");

    // A curve with another hash than its own.
    let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a key");
    let key = PublicKey::from_raw(
        boltseal::crypto::SignatureScheme::EcdsaP256Sha256,
        secret.verifying_key().to_sec1_point(false).as_bytes(),
    );
    let key = key.expect("a key");
    for (hash, over) in [(Hash::Sha384, sha384), (Hash::Sha512, sha512)] {
        let signature: p256::ecdsa::Signature = secret.sign_prehash(&hash.of(CONTENT)).expect("a signature");
        assert_eq!(holds(&key, signature.to_der().as_bytes(), &whole), [over]);
    }
}

// [V-124]
#[test]
fn log_entries_beside_a_key_s_signature_are_not_passed_over() {
    let (sigstore, other) = (PrivateSigstore::new(), PrivateSigstore::new());
    let root = |sigstore: &PrivateSigstore| {
        TrustedRoot::decode("private", sigstore.trusted_root().to_string().as_bytes()).expect("a root")
    };
    let signing = Signing::keyed(&sigstore, Key::p256(), then());
    let key = public(&signing.key.spki());
    let bundle = signing.blob(CONTENT).to_string().into_bytes();
    let unlogged = Signing { logged: vec![Logged::Not], ..signing }.blob(CONTENT).to_string().into_bytes();
    let artifact = Artifact::from_bytes(CONTENT.to_vec());
    let id = |judge: &BlobJudge, bundle: &[u8]| {
        judge.judge(&artifact, Evidence::Bundle(bundle.to_vec())).map_err(|reason| reason.id()).map(|_| ())
    };
    assert_eq!(id(&judge(&key, Some(root(&sigstore)), false), &bundle), Ok(()));
    assert_eq!(id(&judge(&key, Some(root(&other)), false), &bundle), Err("log-unknown"));
    assert_eq!(id(&judge(&key, Some(root(&other)), true), &bundle), Ok(()));
    assert_eq!(id(&judge(&key, Some(root(&other)), false), &unlogged), Ok(()));
    let stranger = public(&Key::p256().spki());
    assert_eq!(id(&judge(&stranger, Some(root(&sigstore)), false), &bundle), Err("signer-unknown"));
}
