use super::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn root() -> Value {
    let role = json!({"keyids": ["a"], "threshold": 1});
    json!({
        "_type": "root", "spec_version": "1.0.31", "version": 1, "expires": "2030-01-02T03:04:05Z",
        "consistent_snapshot": true, "keys": {"a": {"keytype": "new", "scheme": "newer", "keyval": {"public": "?"}}},
        "roles": {"root": role, "timestamp": role, "snapshot": role, "targets": role},
        "x-ours": {"kept": [1, 2]},
    })
}

fn targets() -> Value {
    json!({
        "_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": "2030-01-02T03:04:05Z",
        "targets": {"1.0": {"length": 5, "hashes": {"sha256": "ab"}, "custom": {"a": 1}, "x": 2}},
        "delegations": {"keys": {}, "roles": [
            {"name": "d", "keyids": [], "threshold": 1, "terminating": true, "paths": ["*"], "x-owner": "me"},
        ]},
    })
}

fn file(signed: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({"signatures": [{"keyid": "a", "sig": ""}], "signed": signed})).unwrap()
}

/// `signed` with one member changed or, by null, removed.
fn changed(signed: &Value, pointer: &str, to: Value) -> Value {
    let mut signed = signed.clone();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = signed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if to.is_null() {
        parent.remove(member)
    } else {
        parent.insert(member.to_owned(), to)
    };
    signed
}

// [V-64]
#[test]
fn what_is_signed_is_all_that_was_received() {
    let decoded = Metadata::<Root>::decode(&file(&root())).unwrap();
    assert_eq!(decoded.canonical(), canonical(&root()).unwrap());
    assert_eq!(decoded.signed().unknown["x-ours"], json!({"kept": [1, 2]}));
    assert_eq!(Metadata::<Root>::decode(&decoded.encode()).unwrap(), decoded);
    // An edit keeps what it does not know, at every level.
    let edited = Metadata::unsigned(decoded.signed().clone()).unwrap();
    assert_eq!(edited.canonical(), decoded.canonical());
    let decoded = Metadata::<Targets>::decode(&file(&targets())).unwrap();
    let edited = Metadata::unsigned(decoded.signed().clone()).unwrap();
    assert_eq!(edited.canonical(), canonical(&targets()).unwrap());
    assert_eq!(edited.signatures(), []);
}

// [V-72]
#[test]
fn a_key_of_an_unknown_type_does_not_spoil_the_metadata() {
    let decoded = Metadata::<Root>::decode(&file(&root())).unwrap();
    assert!(matches!(decoded.signed().keys["a"].decode(), Err(KeyError::Unsupported { .. })));
}

#[test]
fn a_signature_replaces_the_one_of_its_own_key_id_alone() {
    let mut metadata = Metadata::<Root>::decode(&file(&root())).unwrap();
    assert_eq!(metadata.signature("a"), None, "awaited is not signed");
    metadata.put_signature("b", b"1");
    metadata.put_signature("a", b"2");
    metadata.put_signature("b", b"3");
    assert_eq!(metadata.signature("a").as_deref(), Some(&b"2"[..]));
    assert_eq!(metadata.signature("b").as_deref(), Some(&b"3"[..]));
    assert_eq!(metadata.signatures().len(), 2);
    assert_eq!(metadata.canonical(), canonical(&root()).unwrap());
}

// [V-63]
#[test]
fn versions_out_of_range_have_their_own_error() {
    for version in [json!(0), json!(1_u64 << 53), json!(u64::MAX), json!(1e30)] {
        let error = Metadata::<Root>::decode(&file(&changed(&root(), "/version", version.clone()))).unwrap_err();
        assert!(matches!(error, MetadataError::Version { .. }), "{version}: {error}");
    }
    let snapshot = |version: Value| {
        let meta = json!({"targets.json": {"version": 1}, "d.json": {"version": version}});
        file(
            &json!({"_type": "snapshot", "spec_version": "1.0", "version": 1, "expires": "2030-01-02T03:04:05Z", "meta": meta}),
        )
    };
    Metadata::<Snapshot>::decode(&snapshot(json!((1_u64 << 53) - 1))).unwrap();
    let error = Metadata::<Snapshot>::decode(&snapshot(json!(1_u64 << 53))).unwrap_err();
    assert!(matches!(error, MetadataError::Version { .. }), "{error}");
    for version in [json!("1"), json!(1.5), json!(-1), json!(true)] {
        let error = Metadata::<Root>::decode(&file(&changed(&root(), "/version", version.clone()))).unwrap_err();
        assert!(matches!(error, MetadataError::Json(_)), "{version}: {error}");
    }
}

// [V-63]
#[test]
fn what_the_shape_does_not_say_is_refused_too() {
    for (pointer, to) in [
        ("/_type", json!("Root")),
        ("/_type", Value::Null),
        ("/spec_version", json!("2.0.0")),
        ("/spec_version", json!("10.0")),
        ("/spec_version", Value::Null),
        ("/expires", json!("2030-01-02T03:04:05+00:00")),
        ("/expires", json!("2030-01-02 03:04:05Z")),
        ("/expires", json!("2030-01-02T03:04:05.5Z")),
        ("/expires", json!("2030-01-32T03:04:05Z")),
        ("/expires", json!("2030-1-2T03:04:05Z")),
        ("/expires", json!(1)),
        ("/roles/snapshot", Value::Null),
        ("/roles/root/threshold", json!(0)),
        ("/roles/root/threshold", json!(-1)),
        ("/roles/root/keyids", json!(["a", "a"])),
        ("/consistent_snapshot", json!("yes")),
        ("/unknown", json!(1.5)),
    ] {
        let error = Metadata::<Root>::decode(&file(&changed(&root(), pointer, to.clone())));
        assert!(error.is_err(), "{pointer} {to}");
    }
    let delegation = |change: Value| {
        let mut delegation = json!({"name": "d", "keyids": [], "threshold": 1, "paths": ["*"]});
        delegation.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        changed(&targets(), "/delegations/roles", json!([delegation]))
    };
    Metadata::<Targets>::decode(&file(&delegation(json!({})))).unwrap();
    for bad in [
        json!({"name": "root"}),
        json!({"name": "targets"}),
        json!({"threshold": 0}),
        json!({"paths": null}),
        json!({"path_hash_prefixes": ["ab"]}),
        json!({"paths": ["[a"]}),
    ] {
        assert!(Metadata::<Targets>::decode(&file(&delegation(bad.clone()))).is_err(), "{bad}");
    }
    let d = targets()["delegations"]["roles"][0].clone();
    assert!(Metadata::<Targets>::decode(&file(&changed(&targets(), "/delegations/roles", json!([d, d])))).is_err());
}

// [V-63]
#[test]
fn a_member_or_key_id_that_comes_twice_is_refused() {
    let text = String::from_utf8(file(&root())).unwrap();
    let twice = text.replacen("\"version\":1", "\"version\":1,\"version\":2", 1);
    assert!(matches!(Metadata::<Root>::decode(twice.as_bytes()), Err(MetadataError::Json(_))));
    let signature = json!({"keyid": "a", "sig": "00"});
    let twice = serde_json::to_vec(&json!({"signatures": [signature, signature], "signed": root()})).unwrap();
    assert!(matches!(Metadata::<Root>::decode(&twice), Err(MetadataError::DuplicateSignature(_))));
}

// [V-62]
#[test]
fn the_number_of_keys_and_signatures_is_bounded() {
    let ids: Vec<_> = (0..129).map(|n| n.to_string()).collect();
    let many = changed(&root(), "/roles/root/keyids", json!(ids));
    assert!(matches!(Metadata::<Root>::decode(&file(&many)), Err(MetadataError::TooMany { .. })));
    let signatures: Vec<_> = (0..257).map(|n| json!({"keyid": n.to_string(), "sig": ""})).collect();
    let many = serde_json::to_vec(&json!({"signatures": signatures, "signed": root()})).unwrap();
    assert!(matches!(Metadata::<Root>::decode(&many), Err(MetadataError::TooMany { .. })));
}

#[test]
fn a_target_is_its_length_and_its_known_hashes() {
    use crate::oci::Digest;
    let mut target = Target::new(5, &Digest::sha256(b"bytes"));
    assert!(target.is(b"bytes") && !target.is(b"Bytes") && !target.is(b"bytes "));
    let mut hashes = target.hashes.to_map();
    hashes.insert("sha512".into(), Digest::Sha512([0; 64]).hex());
    target.hashes = hashes.into();
    assert!(!target.is(b"bytes"), "both have to hold");
    target.hashes = BTreeMap::from([("sha1".to_owned(), "00".to_owned())]).into();
    assert!(!target.is(b"bytes"), "no hash that is known");
    let custom = json!({"digests": ["sha256:x", 1, Digest::sha256(b"a").to_string()], "reason": "CVE"});
    let target = target.with_custom(custom);
    assert_eq!(target.listed_digests().collect::<Vec<_>>(), [Digest::sha256(b"a")]);
    assert_eq!(target.reason(), Some("CVE"));
}

/// What comes of a file: all that can be seen of it, or which error.
fn told<R: Role + std::fmt::Debug>(bytes: &[u8]) -> Result<[String; 4], std::mem::Discriminant<MetadataError>> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let read = Metadata::<R>::decode(bytes).map_err(|error| std::mem::discriminant(&error))?;
    assert_eq!(read.received(), bytes);
    Ok([format!("{:?}", read.signed()), text(read.canonical()), text(&read.encode()), read.value().to_string()])
}

/// The same file with white space, which is read over a tree of values.
fn spaced(file: &[u8]) -> Vec<u8> {
    serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(file).unwrap()).unwrap()
}

#[test]
fn both_ways_of_reading_make_the_same_of_a_file() {
    fn same<R: Role + std::fmt::Debug>(file: &[u8], plain: bool) {
        let shown = String::from_utf8_lossy(file);
        assert_eq!(PlainWire::<R>::decode(file).is_some(), plain, "{shown}");
        assert!(PlainWire::<R>::decode(&spaced(file)).is_none());
        assert_eq!(told::<R>(file), told::<R>(&spaced(file)), "{shown}");
    }
    same::<Root>(&file(&root()), true);
    same::<Targets>(&file(&targets()), true);
    for (pointer, to, plain) in [
        ("/x-ours", json!({"a": {"b": [null, -1, u64::MAX, true, "é"]}}), true),
        ("/x-ours", json!("a \"quote\", a \\ and a line\nfeed"), false),
        ("/x\"", json!(1), false),
        ("/x-ours", json!(1.5), false),
        ("/x-ours", json!(-0.0), false),
        ("/version", json!(0), true),
        ("/version", json!(u64::MAX), true),
        ("/version", json!(1e30), false),
        ("/version", json!("1"), false),
        ("/spec_version", json!("2.0"), true),
        ("/spec_version", Value::Null, false),
        ("/_type", json!("targets"), false),
        ("/_type", json!(1), false),
        ("/_type", Value::Null, false),
        ("/keys/a/keyval/private", Value::Null, true),
        ("/keys/a/keyval", json!({"public": "?", "private": null}), true),
        ("/keys/a/scheme", Value::Null, false),
        ("/roles/root/keyids", json!(["a", "a"]), true),
        ("/roles/snapshot", Value::Null, true),
        ("/consistent_snapshot", Value::Null, true),
    ] {
        same::<Root>(&file(&changed(&root(), pointer, to)), plain);
    }
    // What is signed is what stands under `signed`, whatever else a file has and wherever that stands.
    let with = |member: &str, value: Value| {
        let mut all = json!({"signatures": [], "signed": root()});
        all.as_object_mut().unwrap().insert(member.to_owned(), value);
        serde_json::to_vec(&all).unwrap()
    };
    for (file, plain) in [
        (with("signatures", json!([{"keyid": "a", "sig": "00"}, {"keyid": "b", "sig": ""}])), true),
        (with("signatures", json!([{"keyid": "a", "sig": "00", "signed": {}}])), true),
        (with("signatures", json!([{"keyid": "a", "sig": "00", "more": 1}])), false),
        (with("signatures", json!([{"a": 1, "keyid": "a", "sig": "00"}])), false),
        (with("signatures", json!([{"keyid": "a", "sig": "00"}, {"keyid": "a", "sig": ""}])), true),
        (with("signatures", json!({})), false),
        (with("a", json!(1)), false),
        (with("signee", json!(1)), false),
        (with("x", json!(1)), false),
    ] {
        same::<Root>(&file, plain);
        let read = Metadata::<Root>::decode(&file);
        assert!(read.is_err() || read.unwrap().canonical() == canonical(&root()).unwrap());
    }
}
