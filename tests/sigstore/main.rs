//! The private Sigstore of the tests is right where it means to be: the Sigstore project's own verifier accepts what it
//! makes, and refuses what it makes wrong. `tests/interop` has cosign do the same.

#[path = "../common/sigstore/mod.rs"]
mod sigstore;

mod services;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sigstore::{
    CtLog, Embedded, Hash, Identity, Key, Kind, Leaf, Logged, Options, PrivateSigstore, Scts, Signing, Version,
    Witness,
    merkle::{Tree, leaf_hash},
};
use sigstore_trust_root::TrustedRoot;
use sigstore_types::{Bundle, DerPublicKey, Sha256Hash};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy, Verifier};
use std::sync::Arc;

const CONTENT: &[u8] = b"shop/cart 1.0";
const ISSUER: &str = "https://issuer.test";
const JANE: &str = "jane@example.com";

fn now() -> Timestamp {
    // A verifier refuses what is in the future; so does a slow clock.
    Timestamp::now() - SignedDuration::from_mins(5)
}

fn jane() -> Identity {
    Identity::email(ISSUER, JANE)
}

fn statement() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "cart", "digest": { "sha256": hex::encode(Hash::Sha256.of(CONTENT)) } }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {},
    })
}

/// What the project's own verifier says with a trusted root.
fn verify_with(root: &Value, bundle: &Value) -> Result<(), String> {
    let root = TrustedRoot::from_json(&root.to_string()).map_err(|e| e.to_string())?;
    let verifier = Verifier::new(&root).map_err(|e| e.to_string())?;
    let bundle = Bundle::from_json(&bundle.to_string()).map_err(|e| e.to_string())?;
    let policy = VerificationPolicy::any_identity();
    verifier.verify(CONTENT, &bundle, &policy).map(|_| ()).map_err(|e| e.to_string())
}

fn verify(sigstore: &PrivateSigstore, bundle: &Value) -> Result<(), String> {
    verify_with(&sigstore.trusted_root(), bundle)
}

#[track_caller]
fn refused(result: Result<(), String>, part: &str) {
    let e = result.expect_err("it was accepted");
    assert!(e.contains(part), "{e}");
}

#[test]
fn keyless_signatures_are_accepted() {
    for rekor2 in [Kind::Ed25519, Kind::P256] {
        let sigstore = PrivateSigstore::with(&Options { rekor2, ..Options::default() });
        let signing = || Signing::keyless(&sigstore, jane(), now());
        for version in [Version::V01, Version::V02, Version::V03] {
            let one = Signing { version, ..signing() };
            assert_eq!(verify(&sigstore, &one.blob(CONTENT)), Ok(()), "{version:?}");
            assert_eq!(verify(&sigstore, &one.statement(&statement())), Ok(()), "{version:?}");
        }
        assert_eq!(verify(&sigstore, &signing().stamped().blob(CONTENT)), Ok(()));
        assert_eq!(verify(&sigstore, &signing().logged(&[Logged::Rekor1Intoto]).statement(&statement())), Ok(()));
        assert_eq!(verify(&sigstore, &signing().rekor2().blob(CONTENT)), Ok(()));
        assert_eq!(verify(&sigstore, &signing().rekor2().statement(&statement())), Ok(()));
        let both = signing().rekor2().logged(&[Logged::Rekor1, Logged::Rekor2]);
        assert_eq!(verify(&sigstore, &both.blob(CONTENT)), Ok(()));
        // The verifier of today does not read this kind of entry.
        let npm = signing().rekor2().logged(&[Logged::Rekor2Dsse]).statement(&statement());
        refused(verify(&sigstore, &npm), "dsse/0.0.2");
    }
}

#[test]
fn keys_of_every_kind_are_certified() {
    let sigstore = PrivateSigstore::new();
    for kind in [Kind::P256, Kind::P384, Kind::Ed25519, Kind::Rsa2048] {
        let signing = Signing { key: Key::new(kind), ..Signing::keyless(&sigstore, jane(), now()) };
        assert_eq!(verify(&sigstore, &signing.statement(&statement())), Ok(()), "{kind:?}");
    }
}

#[test]
fn signatures_with_a_key_are_accepted() {
    let sigstore = PrivateSigstore::new();
    let root = TrustedRoot::from_json(&sigstore.trusted_root().to_string()).expect("a root");
    let verifier = Verifier::new(&root).expect("a verifier");
    for kind in [Kind::P256, Kind::P384] {
        let key = Key::new(kind);
        let policy = PublicKeyVerificationPolicy::new(DerPublicKey::from_pem(&key.pem()).expect("a key"));
        for logged in [Logged::Rekor1, Logged::Rekor2] {
            let signing = Signing::keyed(&sigstore, key.again(), now()).stamped().logged(&[logged]);
            let verify = |bundle: Value| {
                let bundle = Bundle::from_json(&bundle.to_string()).expect("a bundle");
                verifier.verify(CONTENT, &bundle, &policy).map(|_| ()).map_err(|e| e.to_string())
            };
            let (blob, envelope) = (verify(signing.blob(CONTENT)), verify(signing.statement(&statement())));
            match (kind, logged) {
                // The verifier of today reads neither of these of P-384; cosign does.
                (Kind::P384, Logged::Rekor1) => refused(blob, "SHA-256"),
                (Kind::P384, Logged::Rekor2) => {
                    refused(blob, "PKIX_ECDSA_P384_SHA_384");
                    refused(envelope, "PKIX_ECDSA_P384_SHA_384");
                    continue;
                }
                _ => assert_eq!(blob, Ok(()), "{kind:?} {logged:?}"),
            }
            assert_eq!(envelope, Ok(()), "{kind:?} {logged:?}");
        }
    }
}

#[test]
fn certificates_say_who_signed() {
    let sigstore = PrivateSigstore::new();
    let uri = "https://github.com/acme/cart/.github/workflows/release.yml@refs/heads/main";
    let who = Identity::uri(ISSUER, uri).claim(5, "acme/cart").claim(12, "https://github.com/acme/cart");
    let bundle = Signing::keyless(&sigstore, who, now()).blob(CONTENT);
    let root = TrustedRoot::from_json(&sigstore.trusted_root().to_string()).expect("a root");
    let bundle = Bundle::from_json(&bundle.to_string()).expect("a bundle");
    let verifier = Verifier::new(&root).expect("a verifier");
    let result = verifier.verify(CONTENT, &bundle, &VerificationPolicy::any_identity()).expect("verified");
    assert_eq!(result.identity().map(ToString::to_string).as_deref(), Some(uri));
    assert_eq!(result.issuer(), Some(ISSUER));
    assert!(result.sct_verified() && result.tlog_verified() && result.certificate_verified());
    let claims = &result.certificate().expect("a certificate").ci_claims;
    assert_eq!(claims.source_repository_uri.as_deref(), Some("https://github.com/acme/cart"));
}

#[test]
fn what_is_made_wrong_is_refused() {
    let sigstore = PrivateSigstore::new();
    let with = |change: &dyn Fn(&mut Leaf)| {
        let mut signing = Signing::keyless(&sigstore, jane(), now());
        change(signing.leaf.as_mut().expect("a certificate"));
        verify(&sigstore, &signing.blob(CONTENT))
    };
    assert_eq!(with(&|_| ()), Ok(()));
    refused(with(&|leaf| leaf.scts = Scts::None), "SCT");
    refused(with(&|leaf| leaf.scts = Scts::By(vec![Arc::new(CtLog::new())])), "SCT");
    refused(with(&|leaf| leaf.scts = Scts::OfAnother), "SCT");
    refused(with(&|leaf| leaf.extended_key_usages.clear()), "Eku");
    refused(with(&|leaf| leaf.is_ca = true), "");
    refused(with(&|leaf| leaf.extensions.push(sigstore::ca::unknown_extension(true))), "");
    assert_eq!(with(&|leaf| leaf.extensions.push(sigstore::ca::unknown_extension(false))), Ok(()));
    refused(with(&|leaf| leaf.lifetime = SignedDuration::from_secs(5)), "");

    let stranger = PrivateSigstore::new();
    refused(verify(&stranger, &Signing::keyless(&sigstore, jane(), now()).blob(CONTENT)), "");
    let both = sigstore::trusted_root(&[&stranger, &sigstore]);
    assert_eq!(verify_with(&both, &Signing::keyless(&sigstore, jane(), now()).blob(CONTENT)), Ok(()));
    let mut ended = sigstore.trusted_root();
    sigstore::set_window(&mut ended, "certificateAuthorities", 0, sigstore::EVER.0, Some(sigstore::EVER.0));
    refused(verify_with(&ended, &Signing::keyless(&sigstore, jane(), now()).blob(CONTENT)), "");
}

#[test]
fn timestamps_are_right_and_wrong() {
    let sigstore = PrivateSigstore::new();
    let with = |change: &dyn Fn(&mut sigstore::Stamp)| {
        let mut signing = Signing::keyless(&sigstore, jane(), now()).rekor2();
        change(&mut signing.stamps[0]);
        verify(&sigstore, &signing.blob(CONTENT))
    };
    assert_eq!(with(&|_| ()), Ok(()));
    assert_eq!(with(&|stamp| stamp.embedded = Embedded::None), Ok(()));
    assert_eq!(with(&|stamp| stamp.embedded = Embedded::Chain), Ok(()));
    assert_eq!(with(&|stamp| stamp.hash = Hash::Sha512), Ok(()));
    assert_eq!(with(&|stamp| stamp.nonce = Some(vec![0x91, 2, 3, 4, 5, 6, 7, 8])), Ok(()));
    assert_eq!(with(&|stamp| stamp.accuracy = Some(1)), Ok(()));
    refused(with(&|stamp| stamp.status = 2), "");
    refused(with(&|stamp| stamp.other_digest = true), "");
    refused(with(&|stamp| stamp.other_signer = true), "");
    refused(with(&|stamp| stamp.time -= SignedDuration::from_hours(2)), "");
    // RFC 3161 allows fractions; the verifier of today does not.
    refused(with(&|stamp| stamp.fraction = ".25".to_owned()), "GeneralizedTime");
}

#[test]
fn authorities_can_be_wrong() {
    let old = (sigstore::EVER.0, now() - SignedDuration::from_hours(1));
    let intermediate = sigstore::CaOptions { intermediate: old, ..Default::default() };
    let expired = PrivateSigstore::with(&Options { ca: intermediate, ..Options::default() });
    // The verifier of today takes each of the authority's certificates for an anchor, whose end it does not look at; cosign
    // refuses the same (tests/interop/keyless.rs).
    assert_eq!(verify(&expired, &Signing::keyless(&expired, jane(), now()).blob(CONTENT)), Ok(()));
    for usages in [vec![], vec![vec![1, 3, 6, 1, 5, 5, 7, 3, 3]]] {
        let tsa = sigstore::TsaOptions { usages, ..Default::default() };
        let wrong = PrivateSigstore::with(&Options { tsa, ..Options::default() });
        refused(verify(&wrong, &Signing::keyless(&wrong, jane(), now()).rekor2().blob(CONTENT)), "");
        assert_eq!(verify(&wrong, &Signing::keyless(&wrong, jane(), now()).blob(CONTENT)), Ok(()));
    }
}

#[test]
fn entries_are_edited_as_json() {
    let sigstore = PrivateSigstore::new();
    let with = |version: Version, stamped: bool, change: &dyn Fn(&mut Value)| {
        let signing = Signing { version, ..Signing::keyless(&sigstore, jane(), now()) };
        let mut bundle = if stamped { signing.stamped() } else { signing }.blob(CONTENT);
        change(&mut bundle["verificationMaterial"]["tlogEntries"][0]);
        verify(&sigstore, &bundle)
    };
    let without =
        |member: &'static str| move |entry: &mut Value| drop(entry.as_object_mut().expect("it").remove(member));
    assert_eq!(with(Version::V01, false, &without("inclusionProof")), Ok(()));
    refused(with(Version::V03, false, &without("inclusionProof")), "");
    refused(with(Version::V03, false, &without("inclusionPromise")), "");
    assert_eq!(with(Version::V03, true, &without("inclusionPromise")), Ok(()));
    // Each node of the path counts, and the note's signature.
    for node in 0..2 {
        let other = json!(sigstore::b64(&[7; 32]));
        refused(with(Version::V03, true, &|entry| entry["inclusionProof"]["hashes"][node] = other.clone()), "");
    }
    let stranger = PrivateSigstore::new().rekor1.log.checkpoint();
    refused(with(Version::V03, true, &|entry| entry["inclusionProof"]["checkpoint"]["envelope"] = json!(stranger)), "");
    refused(with(Version::V03, false, &|entry| entry["integratedTime"] = json!("1600000000")), "");
}

/// C2SP tlog-cosignature: the time and the note are signed, the key's hint has algorithm 4.
#[test]
fn witnesses_sign_the_checkpoint() {
    let mut sigstore = PrivateSigstore::new();
    sigstore.rekor2.witnesses = ["w1.test", "w2.test"].map(|name| Witness::new(name, now())).into();
    let bundle = Signing::keyless(&sigstore, jane(), now()).rekor2().blob(CONTENT);
    assert_eq!(verify(&sigstore, &bundle), Ok(()));
    let note = &bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"];
    let (text, signatures) = note.as_str().and_then(|note| note.split_once("\n\n")).expect("a note");
    assert_eq!(signatures.lines().count(), 3);
    for (line, witness) in signatures.lines().skip(1).zip(&sigstore.rekor2.witnesses) {
        let encoded = line.strip_prefix(&format!("\u{2014} {} ", witness.name)).expect("its line");
        let content = sigstore::unb64(encoded).expect("base64");
        let seconds = i64::from_be_bytes(content[4..12].try_into().expect("8 bytes"));
        assert_eq!(seconds, witness.time.as_second());
        let signed = format!("cosignature/v1\ntime {seconds}\n{text}\n");
        let key = boltseal::crypto::PublicKey::from_spki_der(&witness.key.spki()).expect("a key");
        key.verify(signed.as_bytes(), &content[12..]).expect("its signature");
    }
}

#[test]
fn paths_lead_to_the_root() {
    let mut tree = Tree::default();
    let hash = |node: &Vec<u8>| Sha256Hash::try_from(&node[..]).expect("32 bytes");
    for size in 1..40_usize {
        let leaf = |n: usize| format!("leaf {n}");
        assert_eq!(tree.append(leaf(size - 1).as_bytes()), size - 1);
        for index in 0..size {
            let path: Vec<_> = tree.path(index).iter().map(hash).collect();
            let leaf = hash(&leaf_hash(leaf(index).as_bytes()));
            let (index, size) = (index as u64, size as u64);
            sigstore_merkle::verify_inclusion_proof(&leaf, index, size, &path, &hash(&tree.root()))
                .unwrap_or_else(|e| panic!("{index} of {size}: {e}"));
        }
    }
}
