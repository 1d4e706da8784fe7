//! What the standards ask for that a verifier can pass over without anybody noticing: usages of keys, certificates that
//! timestamps name, times to come, what stands behind a signed note; and how much of each may come along.

use crate::{
    cases::{accepted, edit, entry, jane, minutes, refused, signing},
    judges::{CONTENT, ours, ours_with, then},
    sigstore::{
        Digest, Hash, Leaf, Logged, Options, PrivateSigstore, Signing, Stamp, TsaOptions, Verifier, Version, b64,
    },
};
use boltseal::verify::Demands;
use jiff::Timestamp;
use rcgen::{CustomExtension, KeyUsagePurpose};
use serde_json::{Value, json};

const TIME_STAMPING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 8];
const CODE_SIGNING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 3];

fn leaf() -> Leaf {
    Leaf::new(jane(), then() - minutes(1))
}

fn with(sigstore: &PrivateSigstore, leaf: Leaf) -> Value {
    Signing { leaf: Some(leaf), ..signing(sigstore) }.blob(CONTENT)
}

/// The id alone.
fn says(root: &Value, bundle: &Value) -> Result<(), &'static str> {
    ours(root, bundle).map(|_| ())
}

// [V-126]
#[test]
fn no_more_comes_along_than_may() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let good = signing(&sigstore).stamped().blob(CONTENT);
    let times = |list: &mut Value, count: usize| {
        let one = list[0].clone();
        *list = Value::Array(vec![one; count]);
    };
    let material = |change: &dyn Fn(&mut Value)| edit(&good, |bundle| change(&mut bundle["verificationMaterial"]));
    for (count, said) in [(32, Ok(())), (33, Err("over-limit"))] {
        assert_eq!(says(&root, &material(&|m| times(&mut m["tlogEntries"], count))), said);
        let stamps = |m: &mut Value| times(&mut m["timestampVerificationData"]["rfc3161Timestamps"], count);
        assert_eq!(says(&root, &material(&stamps)), said);
    }
    for (count, said) in [(16, Ok(())), (17, Err("over-limit"))] {
        let chain = edit(&good, |bundle| {
            bundle["mediaType"] = json!(Version::V02.media_type());
            let material = bundle["verificationMaterial"].as_object_mut().expect("material");
            let leaf = material.remove("certificate").expect("a leaf");
            material.insert("x509CertificateChain".into(), json!({ "certificates": vec![leaf; count] }));
        });
        assert_eq!(says(&root, &chain), said, "{count} certificates");
    }
    let (small, large) = (vec![0; 40 << 10], vec![0; 70 << 10]);
    for (filling, said) in [(small, Ok(())), (large, Err("malformed"))] {
        let filled = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 2], filling);
        assert_eq!(says(&root, &with(&sigstore, Leaf { extensions: vec![filled], ..leaf() })), said);
    }
    // Witnesses, each of whom says that it is the log.
    let lines = |count: usize| {
        edit(&good, |bundle| {
            let note = &mut entry(bundle)["inclusionProof"]["checkpoint"]["envelope"];
            let (text, own) = note.as_str().and_then(|note| note.split_once("\n\n")).expect("a note");
            let forged =
                format!("\u{2014} witness.test {}\n", b64(&[&sigstore.rekor1.log.id()[..4], &[7; 70]].concat()));
            *note = json!(format!("{text}\n\n{}{own}", forged.repeat(count)));
        })
    };
    assert_eq!(says(&root, &lines(63)), Ok(()));
    assert_eq!(says(&root, &lines(64)), Err("over-limit"));
}

// [V-127]
#[test]
fn keys_are_used_for_what_their_certificates_say() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let usages = |key_usages: Vec<KeyUsagePurpose>| with(&sigstore, Leaf { key_usages, ..leaf() });
    accepted("no key usage sets no limit", &root, &usages(vec![]));
    let committed = usages(vec![KeyUsagePurpose::ContentCommitment]);
    assert_eq!(says(&root, &committed), Ok(()));
    for usage in [KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyCertSign] {
        assert_eq!(says(&root, &usages(vec![usage])), Err("certificate-untrusted"), "{usage:?}");
    }
}

// [V-128]
#[test]
fn timestamps_are_made_by_certificates_for_nothing_else() {
    for (what, usages, usages_critical) in [
        ("not critical", vec![TIME_STAMPING.to_vec()], false),
        ("for code signing too", vec![TIME_STAMPING.to_vec(), CODE_SIGNING.to_vec()], true),
    ] {
        let tsa = TsaOptions { usages, usages_critical, ..TsaOptions::default() };
        let sigstore = PrivateSigstore::with(&Options { tsa, ..Options::default() });
        let bundle = signing(&sigstore).rekor2().blob(CONTENT);
        assert_eq!(says(&sigstore.trusted_root(), &bundle), Err("timestamp-invalid"), "{what}");
    }
    let sigstore = PrivateSigstore::new();
    let stamped = |stamp: Stamp| Signing { stamps: vec![stamp], ..signing(&sigstore).rekor2() }.blob(CONTENT);
    let at = Stamp::at(then());
    accepted("its own certificate", &sigstore.trusted_root(), &stamped(at.clone()));
    let other = stamped(Stamp { other_certificate: true, ..at });
    assert_eq!(says(&sigstore.trusted_root(), &other), Err("timestamp-invalid"));
}

// [V-129]
#[test]
fn an_entry_beside_a_certificate_records_the_certificate() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let demands = Demands { timestamps: 1, ..Demands::default() };
    for logged in [Logged::Rekor1, Logged::Rekor2] {
        let signing = signing(&sigstore).logged(&[logged]).stamped();
        let good = signing.blob(CONTENT);
        assert!(ours_with(&root, &good, &demands).is_ok());
        let digest = Digest::of(Hash::Sha256, CONTENT);
        let signature = crate::sigstore::unb64(good["messageSignature"]["signature"].as_str().expect("a text"));
        let (signature, key) = (signature.expect("base64"), Verifier::key(&signing.key));
        let bare = match logged {
            Logged::Rekor1 => sigstore.rekor1.hashedrekord(&digest, &signature, &key, then()),
            _ => sigstore.rekor2.hashedrekord(&digest, &signature, &key),
        };
        let hidden = edit(&good, |bundle| *entry(bundle) = bare);
        refused("nobody who watches the log for Jane finds it", "log-entry-mismatch", &root, &hidden);
    }
}

// [V-117]
#[test]
fn a_certificate_that_a_log_will_have_seen_does_not_count() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let at = |sct_time: Timestamp| with(&sigstore, Leaf { sct_time: Some(sct_time), ..leaf() });
    assert_eq!(says(&root, &at(Timestamp::now() + minutes(4))), Ok(()));
    assert_eq!(says(&root, &at(Timestamp::now() + minutes(10))), Err("from-future"));
}

// [V-113]
#[test]
fn a_checkpoint_is_a_signed_note_and_nothing_more() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let good = signing(&sigstore).blob(CONTENT);
    let note = |change: &dyn Fn(&str) -> String| {
        edit(&good, |bundle| {
            let note = &mut entry(bundle)["inclusionProof"]["checkpoint"]["envelope"];
            *note = json!(change(note.as_str().expect("a note")));
        })
    };
    assert_eq!(says(&root, &note(&str::to_owned)), Ok(()));
    for (what, changed) in [
        ("something behind it", note(&|note| format!("{note}\nanything\n\nat all\n"))),
        ("no last newline", note(&|note| note.trim_end().to_owned())),
        ("a size with a blank", note(&|note| note.replacen('\n', "\n ", 1))),
        ("Windows' newlines", note(&|note| note.replace('\n', "\r\n"))),
        ("no signatures", note(&|note| note.split_inclusive("\n\n").next().unwrap_or_default().to_owned())),
    ] {
        assert_eq!(says(&root, &changed), Err("log-entry-invalid"), "{what}");
    }
}

// [V-113]
#[test]
fn a_proof_to_a_head_that_nobody_signed_proves_nothing() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let headless = |version: Version| {
        let bundle = Signing { version, ..signing(&sigstore) }.blob(CONTENT);
        edit(&bundle, |bundle| {
            entry(bundle)["inclusionProof"].as_object_mut().expect("a proof").remove("checkpoint");
        })
    };
    for version in [Version::V02, Version::V03] {
        assert_eq!(says(&root, &headless(version)), Err("log-entry-invalid"));
    }
    let old = headless(Version::V01);
    assert_eq!(says(&root, &old), Ok(()), "v0.1 leaves it out, and the promise holds");
    let proven = Demands { proofs: true, ..Demands::default() };
    assert_eq!(ours_with(&root, &old, &proven).map(|_| ()), Err("log-missing"));
    let unpromised = edit(&old, |bundle| {
        entry(bundle).as_object_mut().expect("an entry").remove("inclusionPromise");
    });
    assert_eq!(says(&root, &unpromised), Err("log-entry-invalid"));
}
