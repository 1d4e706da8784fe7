use super::*;
use serde_json::{Value, json};

const DIGEST: &str = "abababababababababababababababababababababababababababababababab";

macro_rules! predicate {
    ($name:literal) => {
        &include_bytes!(concat!("../../../../testdata/predicates/", $name))[..]
    };
}

#[test]
fn both_formats_say_the_same() {
    for vex in [
        Vex::decode_openvex(predicate!("openvex.json")).unwrap(),
        Vex::decode_csaf(predicate!("csaf-vex.json")).unwrap(),
    ] {
        assert_eq!((vex.author.as_str(), vex.statements.len()), ("Acme Security", 2));
        let [first, second] = vex.statements.as_slice() else { panic!("two") };
        assert_eq!((&*first.vulnerability[0], first.status), ("CVE-2026-1001", VexStatus::NotAffected));
        assert_eq!(first.justification.as_deref(), Some("vulnerable_code_not_in_execute_path"));
        assert!(first.products[0].names.iter().any(|name| name.contains(DIGEST)));
        assert_eq!(first.products[0].parts, [Box::<str>::from("pkg:apk/alpine/openssl@3.3.2-r1")]);
        assert_ne!(second.status, VexStatus::NotAffected);
        assert_eq!(vex.time, Some("2026-11-20T10:04:30Z".parse().unwrap()));
    }
}

#[test]
fn a_part_without_a_name_never_becomes_the_whole() {
    let mut open: Value = serde_json::from_slice(predicate!("openvex.json")).unwrap();
    open["statements"][0]["products"][0]["subcomponents"] = json!([{}]);
    let vex = Vex::decode_openvex(open.to_string().as_bytes()).unwrap();
    assert_eq!(vex.statements[0].products, [VexProduct::default()]);
    let mut csaf: Value = serde_json::from_slice(predicate!("csaf-vex.json")).unwrap();
    csaf["product_tree"]["full_product_names"][0]["product_identification_helper"] = json!({});
    let vex = Vex::decode_csaf(csaf.to_string().as_bytes()).unwrap();
    assert!(vex.statements.iter().all(|statement| statement.status != VexStatus::NotAffected), "{vex:?}");
}

#[test]
fn what_is_not_said_properly_is_refused() {
    let open: Value = serde_json::from_slice(predicate!("openvex.json")).unwrap();
    let csaf: Value = serde_json::from_slice(predicate!("csaf-vex.json")).unwrap();
    for (pointer, new, member) in [
        ("/statements/0/status", json!("harmless"), "statements[].status"),
        ("/statements/0/justification", json!(null), "justification"),
        ("/timestamp", json!("now"), "timestamp"),
        ("/@context", json!("https://example.com"), "@context"),
    ] {
        let mut changed = open.clone();
        *changed.pointer_mut(pointer).unwrap() = new;
        let error = Vex::decode_openvex(changed.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(member), "{error}");
    }
    for (pointer, new, member) in [
        ("/document/category", json!("csaf_base"), "document.category"),
        ("/vulnerabilities/0/product_status/known_not_affected/0", json!("NOBODY"), "product_status"),
        ("/vulnerabilities/0/cve", json!(null), "cve"),
    ] {
        let mut changed = csaf.clone();
        *changed.pointer_mut(pointer).unwrap() = new;
        let error = Vex::decode_csaf(changed.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(member), "{error}");
    }
}
