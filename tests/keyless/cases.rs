//! One table: a signature, what we say, and why the project's verifier says otherwise where it does.

use crate::{
    judges::{CONTENT, ours, ours_with, statement, theirs, then},
    sigstore::{
        CaOptions, CtLog, Embedded, Hash, Identity, Kind, Leaf, Logged, Options, PrivateSigstore, San, Scts, Signing,
        Stamp, TsaOptions, Version, Witness, b64, ca, set_window, trusted_root, unb64,
    },
};
use boltseal::{trust::Identity as Signer, verify::Demands};
use jiff::{SignedDuration, Timestamp};
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use std::sync::Arc;

const ISSUER: &str = "https://issuer.test";
const JANE: &str = "jane@example.com";

pub fn jane() -> Identity {
    Identity::email(ISSUER, JANE)
}

pub fn signing(sigstore: &PrivateSigstore) -> Signing<'_> {
    Signing::keyless(sigstore, jane(), then())
}

pub fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

/// Both accept.
#[track_caller]
pub fn accepted(what: &str, root: &Value, bundle: &Value) {
    assert_eq!(ours(root, bundle).map(|_| ()), Ok(()), "{what}");
    assert_eq!(theirs(root, bundle), Ok(()), "{what}");
}

/// Both refuse, and this is our reason.
#[track_caller]
pub fn refused(what: &str, id: &str, root: &Value, bundle: &Value) {
    assert_eq!(ours(root, bundle).map(|_| ()), Err(id), "{what}");
    assert!(theirs(root, bundle).is_err(), "{what}: they accept it");
}

/// We accept and they refuse, for this part of their words.
#[track_caller]
pub fn accepted_by_us(why: &str, their_words: &str, root: &Value, bundle: &Value) {
    assert_eq!(ours(root, bundle).map(|_| ()), Ok(()), "{why}");
    let error = theirs(root, bundle).expect_err(why);
    assert!(error.contains(their_words), "{why}: {error}");
}

/// We refuse and they accept.
#[track_caller]
pub fn refused_by_us(why: &str, id: &str, root: &Value, bundle: &Value) {
    assert_eq!(ours(root, bundle).map(|_| ()), Err(id), "{why}");
    assert_eq!(theirs(root, bundle), Ok(()), "{why}");
}

pub fn entry(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"][0]
}

/// A changed copy.
pub fn edit(bundle: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut bundle = bundle.clone();
    change(&mut bundle);
    bundle
}

/// The base64 of something with one bit changed.
pub fn flipped(text: &Value) -> Value {
    let mut bytes = unb64(text.as_str().unwrap()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    json!(b64(&bytes))
}

// [V-19] [V-110] [V-112] [V-113] [V-115] [V-119]
#[test]
fn every_way_to_sign_is_accepted() {
    for rekor2 in [Kind::Ed25519, Kind::P256] {
        let sigstore = PrivateSigstore::with(&Options { rekor2, ..Options::default() });
        let root = sigstore.trusted_root();
        for version in [Version::V01, Version::V02, Version::V03] {
            for logged in [Logged::Rekor1, Logged::Rekor1Intoto, Logged::Rekor2] {
                let one = Signing { version, ..signing(&sigstore).logged(&[logged]).stamped() };
                let what = format!("{version:?} {logged:?} {rekor2:?}");
                if logged != Logged::Rekor2 || version != Version::V01 {
                    accepted(&what, &root, &one.blob(CONTENT));
                    accepted(&what, &root, &one.statement(&statement()));
                }
            }
        }
        let npm = signing(&sigstore).logged(&[Logged::Rekor2Dsse]).stamped().statement(&statement());
        accepted_by_us("the project's crates know no dsse 0.0.2", "dsse", &root, &npm);
        let both = signing(&sigstore).logged(&[Logged::Rekor1, Logged::Rekor2]).stamped().blob(CONTENT);
        accepted("two logs", &root, &both);
        let two = Demands { logs: 2, proofs: true, timestamps: 1, scts: 1 };
        assert!(ours_with(&root, &both, &two).is_ok());
        let one = signing(&sigstore).rekor2().blob(CONTENT);
        assert_eq!(ours_with(&root, &one, &two).map(|_| ()), Err("log-missing"));
    }
}

// [V-119]
#[test]
fn the_identity_is_the_certificate_s() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let url = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1";
    for san in [
        San::Email(JANE.into()),
        San::Uri(url.into()),
        San::Dns("ci.acme.example".into()),
        San::OtherName("jane!acme".into()),
    ] {
        let text = match &san {
            San::Email(text) | San::Uri(text) | San::Dns(text) | San::OtherName(text) => text.clone(),
        };
        let who =
            Identity::new(ISSUER, san.clone()).claim(11, "github-hosted").claim(12, "https://github.com/acme/app");
        let bundle = Signing::keyless(&sigstore, who, then()).blob(CONTENT);
        let verified = ours(&root, &bundle).expect("verified");
        assert_eq!(*verified.identity(), Signer::Certificate { issuer: ISSUER.into(), san: text });
        assert_eq!(verified.backing().claims()["runner-environment"], "github-hosted");
        assert_eq!(verified.backing().claims()["source-repository-uri"], "https://github.com/acme/app");
        assert_eq!(verified.backing().scts(), 1);
    }
    let two = Identity { sans: vec![San::Email(JANE.into()), San::Email("eve@example.com".into())], ..jane() };
    let bundle = Signing::keyless(&sigstore, two, then()).blob(CONTENT);
    refused_by_us("whom a certificate with two names speaks for is not clear", "identity-unclear", &root, &bundle);
    let none = Identity { sans: vec![], ..jane() };
    let bundle = Signing::keyless(&sigstore, none, then()).blob(CONTENT);
    assert_eq!(ours(&root, &bundle).map(|_| ()), Err("identity-unclear"));
}

// [V-110] [V-111]
#[test]
fn certificates_of_strangers_and_of_other_times_are_refused() {
    let (sigstore, other) = (PrivateSigstore::new(), PrivateSigstore::new());
    let root = sigstore.trusted_root();
    refused("another authority", "certificate-untrusted", &other.trusted_root(), &signing(&sigstore).blob(CONTENT));
    let both = trusted_root(&[&other, &sigstore]);
    accepted("two instances in one root", &both, &signing(&sigstore).rekor2().blob(CONTENT));

    let leaf = || Leaf::new(jane(), then() - SignedDuration::from_secs(10));
    let with = |leaf: Leaf| Signing { leaf: Some(leaf), ..signing(&sigstore) };
    let early = Leaf { not_before: then() + minutes(1), ..leaf() };
    refused("logged before it was valid", "certificate-expired", &root, &with(early).blob(CONTENT));
    let late = Leaf { not_before: then() - minutes(30), ..leaf() };
    refused("logged after it was valid", "certificate-expired", &root, &with(late).blob(CONTENT));
    let late = Leaf { not_before: then() - minutes(30), ..leaf() };
    refused("stamped after it was valid", "certificate-expired", &root, &with(late).rekor2().blob(CONTENT));
    // A time inside the window does not make up for one outside of it.
    let stamp = Stamp::at(then() + minutes(3) + minutes(8));
    let two = Signing { stamps: vec![stamp], ..signing(&sigstore) };
    assert_eq!(ours(&root, &two.blob(CONTENT)).map(|_| ()), Err("from-future"));

    for usages in [vec![], vec![ExtendedKeyUsagePurpose::ServerAuth]] {
        let leaf = Leaf { extended_key_usages: usages, ..leaf() };
        refused("not for code signing", "certificate-untrusted", &root, &with(leaf).blob(CONTENT));
    }
    let critical = Leaf { extensions: vec![ca::unknown_extension(true)], ..leaf() };
    refused("a critical extension that nobody knows", "certificate-untrusted", &root, &with(critical).blob(CONTENT));
    let harmless = Leaf { extensions: vec![ca::unknown_extension(false)], ..leaf() };
    accepted("an extension that nobody knows", &root, &with(harmless).blob(CONTENT));
    refused(
        "an authority's own certificate",
        "certificate-untrusted",
        &root,
        &with(Leaf { is_ca: true, ..leaf() }).blob(CONTENT),
    );

    let mut closed = root.clone();
    set_window(&mut closed, "certificateAuthorities", 0, then() - minutes(600), Some(then() - minutes(60)));
    refused("the authority's window", "certificate-untrusted", &closed, &signing(&sigstore).blob(CONTENT));

    let usages = CaOptions { intermediate_usages: vec![], ..CaOptions::default() };
    let private = PrivateSigstore::with(&Options { ca: usages, ..Options::default() });
    accepted("an intermediate that names no purposes", &private.trusted_root(), &signing(&private).blob(CONTENT));
    let wrong = CaOptions { intermediate_usages: vec![ExtendedKeyUsagePurpose::ServerAuth], ..CaOptions::default() };
    let private = PrivateSigstore::with(&Options { ca: wrong, ..Options::default() });
    refused_by_us(
        "an intermediate for something else: they trust each certificate of a root",
        "certificate-untrusted",
        &private.trusted_root(),
        &signing(&private).blob(CONTENT),
    );
    let expired = CaOptions { intermediate: (Timestamp::UNIX_EPOCH, then() - minutes(60)), ..CaOptions::default() };
    let private = PrivateSigstore::with(&Options { ca: expired, ..Options::default() });
    refused_by_us(
        "each certificate of a root is an anchor for them, whose dates do not count",
        "certificate-untrusted",
        &private.trusted_root(),
        &signing(&private).blob(CONTENT),
    );
}

// [V-19]
#[test]
fn the_signature_is_over_these_bytes_by_this_key() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    refused("another file", "subject-mismatch", &root, &signing(&sigstore).blob(b"another"));
    let good = signing(&sigstore).blob(CONTENT);
    let unnamed = edit(&signing(&sigstore).blob(b"another"), |b| {
        b["messageSignature"].as_object_mut().unwrap().remove("messageDigest");
    });
    refused("another file, and no digest named", "signature-invalid", &root, &unnamed);
    let bare = edit(&good, |b| {
        b["messageSignature"].as_object_mut().unwrap().remove("messageDigest");
    });
    accepted("no digest named", &root, &bare);
    let foreign = signing(&sigstore).blob(CONTENT)["messageSignature"]["signature"].clone();
    let swapped = edit(&good, |b| b["messageSignature"]["signature"] = foreign);
    refused("another key's signature", "signature-invalid", &root, &swapped);
    let foreign = signing(&sigstore).blob(CONTENT)["verificationMaterial"]["certificate"].clone();
    let swapped = edit(&good, |b| b["verificationMaterial"]["certificate"] = foreign);
    refused("another certificate", "signature-invalid", &root, &swapped);
    let statement_of = |digest: &str| {
        let mut statement = statement();
        statement["subject"][0]["digest"] = json!({ "sha256": digest });
        signing(&sigstore).statement(&statement)
    };
    refused("a statement about another file", "subject-mismatch", &root, &statement_of(&"0".repeat(64)));
    let text = signing(&sigstore).envelope("text/plain", statement().to_string().as_bytes());
    refused("an envelope that is no statement", "format-unsupported", &root, &text);
    let mut no_predicate = statement();
    no_predicate.as_object_mut().unwrap().remove("predicate");
    accepted("a statement without a predicate", &root, &signing(&sigstore).statement(&no_predicate));
}

// [V-112]
#[test]
fn a_log_entry_is_about_this_very_signature() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    type Make = fn(&Signing<'_>) -> Value;
    let makes: [(Logged, Make); 5] = [
        (Logged::Rekor1, |s| s.blob(CONTENT)),
        (Logged::Rekor2, |s| s.blob(CONTENT)),
        (Logged::Rekor1, |s| s.statement(&statement())),
        (Logged::Rekor1Intoto, |s| s.statement(&statement())),
        (Logged::Rekor2, |s| s.statement(&statement())),
    ];
    for (logged, make) in makes {
        let sign = || signing(&sigstore).logged(&[logged]).stamped();
        let (good, mut other) = (make(&sign()), make(&sign()));
        let stolen = entry(&mut other).take();
        let swapped = edit(&good, |b| *entry(b) = stolen);
        refused(&format!("another signature's entry, {logged:?}"), "log-entry-mismatch", &root, &swapped);
        // The same key signs something else; its entry comes along.
        let one = sign();
        let mut elsewhere = one.blob(b"elsewhere");
        let stolen = entry(&mut elsewhere).take();
        let swapped = edit(&make(&one), |b| *entry(b) = stolen);
        assert_eq!(ours(&root, &swapped).map(|_| ()), Err("log-entry-mismatch"), "{logged:?}");
        assert!(theirs(&root, &swapped).is_err());
        let renamed = edit(&good, |b| entry(b)["kindVersion"]["version"] = json!("0.0.9"));
        refused("a kind that is not the body's", "malformed", &root, &renamed);
        let garbage = edit(&good, |b| entry(b)["canonicalizedBody"] = json!(b64(b"{}")));
        refused("a body that is none", "malformed", &root, &garbage);
    }
}

// [V-113] [V-114]
#[test]
fn an_entry_is_in_its_log() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let made = [("v1", signing(&sigstore).stamped().blob(CONTENT)), ("v2", signing(&sigstore).rekor2().blob(CONTENT))];
    for (rekor, good) in made {
        let invalid = |what: &str, change: &dyn Fn(&mut Value)| {
            let bundle = edit(&good, |b| change(entry(b)));
            refused(&format!("{rekor}: {what}"), "log-entry-invalid", &root, &bundle);
        };
        invalid("a changed path", &|e| {
            let hash = flipped(&e["inclusionProof"]["hashes"][0]);
            e["inclusionProof"]["hashes"][0] = hash;
        });
        invalid("a short path", &|e| {
            e["inclusionProof"]["hashes"].as_array_mut().unwrap().pop();
        });
        invalid("another place", &|e| {
            e["inclusionProof"]["logIndex"] = json!("1");
            e["logIndex"] = json!("1");
        });
        invalid("a checkpoint without its signature", &|e| {
            let note = e["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap();
            let head = note.split_once("\n\n").unwrap().0;
            let other = Witness::new("elsewhere", then());
            let unsigned = format!("{head}\n\n");
            e["inclusionProof"]["checkpoint"]["envelope"] = json!(other.cosign(&unsigned));
        });
        invalid("a checkpoint of another size", &|e| {
            let note = e["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap().to_owned();
            let mut lines: Vec<_> = note.split('\n').map(str::to_owned).collect();
            lines[1] = "3".into();
            e["inclusionProof"]["checkpoint"]["envelope"] = json!(lines.join("\n"));
        });
        invalid("no checkpoint", &|e| {
            e["inclusionProof"].as_object_mut().unwrap().remove("checkpoint");
        });
        let unproven = edit(&good, |b| {
            entry(b).as_object_mut().unwrap().remove("inclusionProof");
        });
        refused(&format!("{rekor}: no proof"), "log-entry-invalid", &root, &unproven);
        let cosigned = edit(&good, |b| {
            let note = &mut entry(b)["inclusionProof"]["checkpoint"]["envelope"];
            let text = Witness::new("w.example", then()).cosign(note.as_str().unwrap());
            let (body, lines) = text.split_once("\n\n").unwrap();
            let reversed: Vec<_> = lines.lines().rev().collect();
            *note = json!(format!("{body}\n\n{}\n", reversed.join("\n")));
        });
        accepted(&format!("{rekor}: a witness before the log"), &root, &cosigned);
    }
    let good = signing(&sigstore).blob(CONTENT);
    let forged = edit(&good, |b| {
        let promise = flipped(&entry(b)["inclusionPromise"]["signedEntryTimestamp"]);
        entry(b)["inclusionPromise"]["signedEntryTimestamp"] = promise;
    });
    refused("a promise that the log did not sign", "log-entry-invalid", &root, &forged);
    let later = edit(&good, |b| entry(b)["integratedTime"] = json!(then().as_second().saturating_sub(60).to_string()));
    refused("a time that the log did not sign", "log-entry-invalid", &root, &later);
    let unpromised = edit(&good, |b| {
        entry(b).as_object_mut().unwrap().remove("inclusionPromise");
    });
    // The certificate is past its ten minutes long ago: without a promise there is no time.
    let old = Leaf { lifetime: minutes(4), ..Leaf::new(jane(), then() - SignedDuration::from_secs(10)) };
    let old = Signing { leaf: Some(old), ..signing(&sigstore) }.blob(CONTENT);
    let old = edit(&old, |b| {
        entry(b).as_object_mut().unwrap().remove("inclusionPromise");
    });
    refused("no time that anybody signed", "certificate-expired", &root, &old);
    accepted_by_us(
        "without a trusted time, the certificate has to be valid now, and it is",
        "timestamp",
        &root,
        &unpromised,
    );
    let v01 = Signing { version: Version::V01, ..signing(&sigstore) }.blob(CONTENT);
    let promise_alone = edit(&v01, |b| {
        entry(b).as_object_mut().unwrap().remove("inclusionProof");
    });
    accepted("v0.1 makes do with a promise", &root, &promise_alone);
    let proven = Demands { proofs: true, ..Demands::default() };
    assert_eq!(ours_with(&root, &promise_alone, &proven).map(|_| ()), Err("log-missing"));
    assert!(ours_with(&root, &v01, &proven).is_ok());
}

// [V-116] [V-117]
#[test]
fn strangers_neither_help_nor_harm_and_the_future_does_not_count() {
    let (sigstore, other) = (PrivateSigstore::new(), PrivateSigstore::new());
    let root = sigstore.trusted_root();
    let (good, strange) = (signing(&sigstore).rekor2().blob(CONTENT), signing(&other).rekor2().blob(CONTENT));
    let mixed = edit(&good, |b| {
        let theirs = strange["verificationMaterial"]["tlogEntries"][0].clone();
        b["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap().push(theirs);
        let token =
            other.tsa.stamp(&unb64(b["messageSignature"]["signature"].as_str().unwrap()).unwrap(), &Stamp::at(then()));
        b["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "signedTimestamp": b64(&token) }));
    });
    let verified = ours(&root, &mixed).expect("a stranger's word beside a good one");
    assert_eq!((verified.backing().logs().len(), verified.backing().timestamps().len()), (1, 1));
    assert_eq!(verified.backing().passed_over().len(), 2);
    assert!(theirs(&root, &mixed).is_err(), "they take everything that is there, or nothing");

    let alone = edit(&root, |r| r["tlogs"] = json!([]));
    refused("a stranger's log alone", "log-unknown", &alone, &good);
    let alone = edit(&root, |r| r["timestampAuthorities"] = json!([]));
    assert_eq!(
        ours(
            &alone,
            &Signing {
                leaf: Some(Leaf { lifetime: minutes(4), ..Leaf::new(jane(), then()) }),
                ..signing(&sigstore).rekor2()
            }
            .blob(CONTENT)
        )
        .map(|_| ()),
        Err("timestamp-unknown")
    );
    assert_eq!(
        ours_with(&alone, &good, &Demands { timestamps: 1, ..Demands::default() }).map(|_| ()),
        Err("timestamp-unknown")
    );
    let unlogged = signing(&sigstore).logged(&[]).stamped().blob(CONTENT);
    assert_eq!(ours(&root, &unlogged).map(|_| ()), Err("log-missing"));
    assert!(ours_with(&root, &unlogged, &Demands { logs: 0, timestamps: 1, ..Demands::default() }).is_ok());

    let soon = Timestamp::now() + minutes(30);
    let future = Signing::keyless(&sigstore, jane(), Timestamp::from_second(soon.as_second()).unwrap());
    refused("logged tomorrow", "from-future", &root, &future.blob(CONTENT));
    assert_eq!(ours(&root, &future.rekor2().blob(CONTENT)).map(|_| ()), Err("from-future"));
    let mut later = root.clone();
    set_window(&mut later, "tlogs", 0, Timestamp::now() + minutes(60), None);
    refused("a log that has not started", "log-entry-invalid", &later, &signing(&sigstore).blob(CONTENT));
    let mut closed = root.clone();
    set_window(&mut closed, "tlogs", 0, then() - minutes(600), Some(then() - minutes(60)));
    refused("a log that was closed then", "log-entry-invalid", &closed, &signing(&sigstore).blob(CONTENT));
}

// [V-115]
#[test]
fn timestamps_are_over_this_signature_by_whom_the_root_names() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let with = |stamp: Stamp| Signing { stamps: vec![stamp], ..signing(&sigstore).logged(&[Logged::Rekor2]) };
    let at = || Stamp::at(then());
    for embedded in [Embedded::None, Embedded::Leaf, Embedded::Chain] {
        accepted("whatever is embedded", &root, &with(Stamp { embedded, ..at() }).blob(CONTENT));
    }
    for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let bundle = with(Stamp { hash, ..at() }).blob(CONTENT);
        accepted(&format!("an imprint by {hash:?}"), &root, &bundle);
    }
    let fraction = with(Stamp { fraction: ".25".into(), ..at() }).blob(CONTENT);
    accepted_by_us("RFC 3161 has fractions of a second", "GeneralizedTime", &root, &fraction);
    for (what, stamp) in [
        ("signed attributes of something else", Stamp { other_digest: true, ..at() }),
        ("a refusal", Stamp { status: 2, ..at() }),
    ] {
        refused(what, "timestamp-invalid", &root, &with(stamp).blob(CONTENT));
    }
    let stranger = with(Stamp { other_signer: true, ..at() }).blob(CONTENT);
    assert!(theirs(&root, &stranger).is_err());
    assert_eq!(
        ours_with(&root, &stranger, &Demands { timestamps: 1, ..Demands::default() }).map(|_| ()),
        Err("timestamp-unknown")
    );
    let elsewhere = edit(&with(at()).blob(CONTENT), |b| {
        let token = sigstore.tsa.stamp(b"another signature", &at());
        b["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
            json!(b64(&token));
    });
    refused("over something else", "timestamp-invalid", &root, &elsewhere);
    let junk = edit(&with(at()).blob(CONTENT), |b| {
        b["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
            json!("AAAA");
    });
    refused("no token", "timestamp-invalid", &root, &junk);
    let mut closed = root.clone();
    set_window(&mut closed, "timestampAuthorities", 0, then() - minutes(600), Some(then() - minutes(60)));
    refused("the authority's window", "timestamp-invalid", &closed, &with(at()).blob(CONTENT));
    for usages in [vec![], vec![vec![1, 3, 6, 1, 5, 5, 7, 3, 3]]] {
        let tsa = TsaOptions { usages, ..TsaOptions::default() };
        let other = PrivateSigstore::with(&Options { tsa, ..Options::default() });
        refused(
            "not for time stamping",
            "timestamp-invalid",
            &other.trusted_root(),
            &signing(&other).rekor2().blob(CONTENT),
        );
    }
    let tsa = TsaOptions { leaf: (Timestamp::UNIX_EPOCH, then() - minutes(60)), ..TsaOptions::default() };
    let other = PrivateSigstore::with(&Options { tsa, ..Options::default() });
    refused(
        "an authority's expired certificate",
        "timestamp-invalid",
        &other.trusted_root(),
        &signing(&other).rekor2().blob(CONTENT),
    );
    let tsa = TsaOptions { kind: Kind::P384, ..TsaOptions::default() };
    let other = PrivateSigstore::with(&Options { tsa, ..Options::default() });
    accepted("an authority with P-384", &other.trusted_root(), &signing(&other).rekor2().blob(CONTENT));
}

// [V-118]
#[test]
fn a_certificate_was_seen_by_a_log_of_the_root() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let with = |scts| {
        let leaf = Leaf { scts, ..Leaf::new(jane(), then() - SignedDuration::from_secs(10)) };
        Signing { leaf: Some(leaf), ..signing(&sigstore) }.blob(CONTENT)
    };
    refused("no log saw it", "sct-missing", &root, &with(Scts::None));
    refused("a stranger's log saw it", "sct-missing", &root, &with(Scts::By(vec![Arc::new(CtLog::new())])));
    refused("the log saw another", "sct-invalid", &root, &with(Scts::OfAnother));
    let both = with(Scts::By(vec![Arc::new(CtLog::new()), Arc::clone(&sigstore.ct)]));
    accepted_by_us("one of two logs is the root's", "multiple", &root, &both);
    let without = Demands { scts: 0, ..Demands::default() };
    assert!(ours_with(&root, &with(Scts::None), &without).is_ok());
    let mut closed = root.clone();
    set_window(&mut closed, "ctlogs", 0, then() - minutes(600), Some(then() - minutes(60)));
    refused("a log that was closed then", "sct-missing", &closed, &signing(&sigstore).blob(CONTENT));
}

#[test]
fn no_flipped_bit_of_a_bundle_is_accepted_as_something_else() {
    let sigstore = PrivateSigstore::new();
    let root = sigstore.trusted_root();
    let good = signing(&sigstore).stamped().blob(CONTENT);
    let identity = ours(&root, &good).expect("good").identity().clone();
    let text = good.to_string();
    let mut refused = 0;
    // One bit of each ninth byte: a thousand bundles a second in a release build, a few in a debug one.
    for at in (0..text.len()).step_by(9) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(bundle) = serde_json::from_slice::<Value>(&bytes) else { continue };
        match ours(&root, &bundle) {
            Ok(verified) => assert_eq!(*verified.identity(), identity, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > text.len() / 9 / 3, "{refused}");
}
