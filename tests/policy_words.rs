//! `policy export` and `policy import` on files: what is written, what is kept, what is refused.

mod common;

use common::{Boltseal, key};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A policy of two scopes that can be said to containers.
fn policy(boltseal: &Boltseal) {
    let text = format!(
        "version: 1\nauthorities: {{ release: {{ key: '{}' }} }}\nimages:\n  'registry.example.com/prod/**': {{ signatures: {{ from: [release], identity: repository }} }}\n  'registry.example.com/dev/**': {{ mode: disabled }}\n",
        key("release.test.pub")
    );
    fs::write(boltseal.home.path().join("policy.yaml"), text).expect("a policy");
}

const EXPORT: [&str; 8] = ["policy", "export", "--to", "containers", "--policy", "policy.yaml", "--dir", "etc"];

fn read(boltseal: &Boltseal, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(boltseal.home.path().join(name)).expect(name)).expect("JSON")
}

// [V-230] [V-232]
#[test]
fn files_are_replaced_as_a_whole_or_not_at_all() {
    let boltseal = Boltseal::new();
    policy(&boltseal);
    let report = boltseal.run([&EXPORT[..], &["-o", "json"]].concat()).expect(0).json();
    assert_eq!(report["files"], json!(["etc/registries.d/boltseal.yaml", "etc/policy.json"]));
    let written = read(&boltseal, "etc/policy.json");
    assert_eq!(
        written["transports"]["docker"]["registry.example.com/dev"],
        json!([{ "type": "insecureAcceptAnything" }])
    );
    let file = boltseal.home.path().join("etc/policy.json");
    set_mode(&file, 0o640);
    fs::write(&file, "old").expect("a file");
    boltseal.run(EXPORT).expect(0);
    assert_eq!((read(&boltseal, "etc/policy.json"), mode(&file)), (written.clone(), 0o640));
    // What can't be said changes nothing.
    let path = boltseal.home.path().join("policy.yaml");
    let text = fs::read_to_string(&path).expect("a policy").replace("identity: repository", "identity: any");
    fs::write(&path, text).expect("a policy");
    let refused = boltseal.run([&EXPORT[..], &["-o", "json"]].concat()).expect(3).json();
    let said = &refused["inexpressible"][0];
    assert_eq!(
        (&said["scope"], &said["field"]),
        (&json!("registry.example.com/prod/**"), &json!("signatures.identity"))
    );
    assert_eq!((refused["files"].clone(), read(&boltseal, "etc/policy.json")), (json!([]), written));
    boltseal.run(["policy", "export", "--to", "docker", "--dir", "etc"]).expect(2);
}

#[test]
fn openshift_s_file_is_written() {
    let boltseal = Boltseal::new();
    policy(&boltseal);
    boltseal.run(["policy", "export", "--to", "openshift", "--policy", "policy.yaml", "--dir", "."]).expect(0);
    let text = fs::read_to_string(boltseal.home.path().join("boltseal-openshift.yaml")).expect("a file");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].clone()).collect();
    assert_eq!(kinds, ["ClusterImagePolicy", "Image"]);
}

// [V-233] [V-234]
#[test]
fn an_import_is_whole_unless_part_of_it_is_asked_for() {
    let boltseal = Boltseal::new();
    policy(&boltseal);
    boltseal.run(EXPORT).expect(0);
    let import =
        |more: &[&str]| boltseal.run([&["policy", "import", "--from", "containers", "etc/policy.json"], more].concat());
    import(&["--file", "back.yaml"]).expect(0);
    let again = ["policy", "export", "--to", "containers", "--policy", "back.yaml", "--dir", "again"];
    boltseal.run(again).expect(0);
    assert_eq!(read(&boltseal, "again/policy.json"), read(&boltseal, "etc/policy.json"));
    // The policy is not written over.
    import(&["--file", "back.yaml"]).expect(3);
    let mut said = read(&boltseal, "etc/policy.json");
    said["transports"]["docker"]["registry.example.com/old"] =
        json!([{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k" }]);
    fs::write(boltseal.home.path().join("etc/policy.json"), said.to_string()).expect("a file");
    let part = boltseal.home.path().join("part.yaml");
    let report = import(&["--file", "part.yaml", "-o", "json"]).expect(3).json();
    assert_eq!((report["file"].clone(), part.exists()), (json!(null), false));
    assert_eq!(report["lost"][0]["place"], "transports.docker[\"registry.example.com/old\"][0]");
    let report = import(&["--file", "part.yaml", "--partial", "-o", "json"]).expect(0).json();
    assert_eq!((report["file"].clone(), report["scopes"].clone()), (json!("part.yaml"), json!(2)));
    boltseal.run(["policy", "check", "part.yaml"]).expect(0);
    // A key that isn't there makes no policy, and none is left behind.
    said["transports"]["docker"]["registry.example.com/old"] = json!([{ "type": "sigstoreSigned", "keyPath": "nowhere.pub", "signedIdentity": { "type": "matchRepository" } }]);
    fs::write(boltseal.home.path().join("etc/policy.json"), said.to_string()).expect("a file");
    import(&["--file", "none.yaml"]).expect(3);
    assert!(!boltseal.home.path().join("none.yaml").exists());
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}
