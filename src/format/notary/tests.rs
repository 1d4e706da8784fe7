use super::*;
use serde_json::json;

const ROOT: &[u8] = include_bytes!("../../../testdata/dct/02-delegations/root.json");
const TARGETS: &[u8] = include_bytes!("../../../testdata/dct/02-delegations/targets.json");
const SNAPSHOT: &[u8] = include_bytes!("../../../testdata/dct/02-delegations/snapshot.json");
const TIMESTAMP: &[u8] = include_bytes!("../../../testdata/dct/02-delegations/timestamp.json");

/// A file with one thing changed.
fn changed(file: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::from_slice(file).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

#[test]
fn what_is_signed_is_what_notary_wrote() {
    for file in [ROOT, TARGETS, SNAPSHOT, TIMESTAMP] {
        let text = std::str::from_utf8(file).unwrap();
        let end = text.rfind(",\"signatures\"").unwrap();
        let message = canonical::encode(&serde_json::from_slice::<Value>(file).unwrap()["signed"]).unwrap();
        assert_eq!(std::str::from_utf8(&message).unwrap(), &text["{\"signed\":".len()..end]);
    }
}

#[test]
fn the_four_kinds_are_told_apart() {
    assert!(Signed::<Root>::decode(ROOT).is_ok() && Signed::<Targets>::decode(TARGETS).is_ok());
    assert!(Signed::<Snapshot>::decode(SNAPSHOT).is_ok() && Signed::<Timestamp>::decode(TIMESTAMP).is_ok());
    assert!(matches!(Signed::<Root>::decode(TARGETS), Err(NotaryFormatError::Type { .. })));
    assert!(matches!(Signed::<Timestamp>::decode(SNAPSHOT), Err(NotaryFormatError::Type { .. })));
}

#[test]
fn a_key_under_another_id_is_refused() {
    let swapped = changed(ROOT, |root| {
        let keys = root["signed"]["keys"].as_object_mut().unwrap();
        let ids: Vec<_> = keys.keys().cloned().collect();
        let (a, b) = (keys[&ids[0]].clone(), keys[&ids[1]].clone());
        keys.insert(ids[0].clone(), b);
        keys.insert(ids[1].clone(), a);
    });
    assert!(matches!(Signed::<Root>::decode(&swapped), Err(NotaryFormatError::KeyId { .. })));
}

#[test]
fn each_broken_rule_has_its_error() {
    let root = |change: fn(&mut Value)| Signed::<Root>::decode(&changed(ROOT, change)).unwrap_err();
    let targets = |change: fn(&mut Value)| Signed::<Targets>::decode(&changed(TARGETS, change)).unwrap_err();
    let snapshot = |change: fn(&mut Value)| Signed::<Snapshot>::decode(&changed(SNAPSHOT, change)).unwrap_err();
    use NotaryFormatError as E;
    assert!(matches!(root(|v| v["signed"]["version"] = json!(0)), E::Version));
    assert!(matches!(root(|v| v["signed"]["version"] = json!(1.5)), E::Number(_)));
    assert!(matches!(root(|v| v["signed"]["version"] = json!(-1)), E::Shape(_)));
    assert!(matches!(root(|v| v["signed"]["roles"]["root"]["threshold"] = json!(0)), E::Threshold(_)));
    assert!(matches!(
        root(|v| v["signed"]["roles"]["snapshot"]["keyids"] = json!(["00".repeat(32)])),
        E::UnknownKey { .. }
    ));
    assert!(matches!(root(|v| v["signed"]["roles"] = json!({})), E::RoleMissing("root")));
    assert!(matches!(root(|v| v["unsigned"] = json!(1)), E::Json(_)));
    assert!(matches!(root(|v| v["signatures"][0]["sig"] = json!("*")), E::Json(_)));
    assert!(matches!(
        targets(|v| v["signed"]["delegations"]["roles"][0]["name"] = json!("targets/../x")),
        E::RoleName(_)
    ));
    assert!(matches!(
        targets(|v| v["signed"]["delegations"]["roles"][0]["name"] = json!("targets/alice")),
        E::RepeatedRole(_)
    ));
    assert!(matches!(
        targets(|v| v["signed"]["targets"]["v1"]["hashes"] = json!({ "sha256": "AA==" })),
        E::Hash { .. }
    ));
    assert!(matches!(targets(|v| v["signed"]["targets"]["v1"]["hashes"] = json!({})), E::NoHash(_)));
    assert!(matches!(snapshot(|v| v["signed"]["meta"] = json!({})), E::NotListed("root")));
    assert!(matches!(
        snapshot(|v| {
            let any = v["signed"]["meta"]["root"].clone();
            v["signed"]["meta"]["../../etc/passwd"] = any;
        }),
        E::RoleName(_)
    ));
    assert!(matches!(
        root(|v| v["signatures"] = Value::Array(vec![v["signatures"][0].clone(); NOTARY_SIGNATURES + 1])),
        E::Limit { .. }
    ));
    let repeated = String::from_utf8(ROOT.to_vec()).unwrap().replace("\"version\":1", "\"version\":1,\"version\":2");
    assert!(matches!(Signed::<Root>::decode(repeated.as_bytes()), Err(E::Json(_))));
}

#[test]
fn names_of_delegated_roles_hold_no_way_out_of_a_folder() {
    for good in ["targets/releases", "targets/a/b-c_9"] {
        assert!(is_delegation(good));
    }
    let long = format!("targets/{}", "a".repeat(248));
    for bad in
        ["targets", "targets/", "targets//a", "targets/a/", "targets/A", "targets/.", "root", "targets/a.json", &long]
    {
        assert!(!is_delegation(bad), "{bad}");
    }
}

#[test]
fn a_cut_or_changed_file_is_decoded_or_refused_and_nothing_else() {
    for length in 0..TARGETS.len() {
        assert!(Signed::<Targets>::decode(&TARGETS[..length]).is_err());
    }
}
