//! Decisions that are kept with their evidence: judged again by another policy, at another time, and as cases with an expectation.

mod common;

use common::{Boltseal, image, key};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

const TRIVY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/predicates/vuln-trivy.json");

struct Desk {
    boltseal: Boltseal,
}

impl Desk {
    /// A signed and scanned image in a layout, verified and kept; then the layout is gone.
    fn new() -> Self {
        let desk = Self { boltseal: Boltseal::new() };
        image::write(&desk.path("img"), "1", "kept");
        let by = key("ci.test.key");
        desk.boltseal.run(["sign", "--key", &by, "oci:img:1"]).expect(0);
        desk.boltseal.run(["attest", "--key", &by, "--type", "vuln", "--predicate", TRIVY, "oci:img:1"]).expect(0);
        desk.policy("old.yaml", "signatures: { from: [ci] }");
        desk.policy("new.yaml", "vuln: { from: [ci], max-severity: high }");
        desk.boltseal.run(["verify", "--policy", "old.yaml", "--save-evidence", "kept", "oci:img:1"]).expect(0);
        fs::remove_dir_all(desk.path("img")).expect("the image");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.boltseal.home.path().join(name)
    }

    fn policy(&self, name: &str, asked: &str) {
        let text = format!(
            "version: 1\nauthorities: {{ ci: {{ key: '{}' }} }}\nimages: {{ 'oci:**': {{ {asked} }} }}\n",
            key("ci.test.pub")
        );
        fs::write(self.path(name), text).expect("a policy");
    }

    fn kept(&self) -> PathBuf {
        let mut folders: Vec<_> =
            fs::read_dir(self.path("kept")).expect("kept").map(|one| one.expect("one").path()).collect();
        assert_eq!(folders.len(), 1);
        folders.remove(0)
    }

    fn replay(&self, more: &[&str], code: i32) -> Value {
        let said = self.boltseal.run([&["policy", "replay", "-o", "json", "kept"], more].concat()).expect(code);
        assert!(said.stderr.contains("nothing here says that an image may be used"), "{}", said.stderr);
        said.json()
    }

    fn cases(&self, cases: &str) {
        fs::create_dir_all(self.path("cases")).expect("a folder");
        fs::write(self.path("cases/a.test.yaml"), format!("version: 1\npolicy: ../new.yaml\ncases:\n{cases}"))
            .expect("cases");
    }
}

// [V-180] [V-181]
#[test]
fn a_changed_policy_tells_what_would_change_and_allows_nothing() {
    let desk = Desk::new();
    let same = desk.replay(&["--policy", "old.yaml"], 0);
    assert_eq!(
        (&same["replayed"][0]["then"], &same["replayed"][0]["would"]),
        (&json!("allowed"), &json!("would be allowed"))
    );
    let changed = desk.replay(&["--policy", "new.yaml"], 1);
    let one = &changed["replayed"][0];
    assert_eq!((&one["changed"], &one["would"]), (&json!(true), &json!("would be denied")));
    assert_eq!((&one["reasons"][0]["id"], &changed["changed"]), (&json!("vuln-found"), &json!(1)));
    let text = desk.boltseal.run(["policy", "replay", "--policy", "new.yaml", "kept"]).expect(1).stdout;
    assert!(text.contains("1  CHANGED    allowed -> would be denied") && text.contains("vuln-found"), "{text}");
    desk.policy(
        "waived.yaml",
        "vuln: { from: [ci], max-severity: high, waivers: [{ id: CVE-2026-1001, until: 2099-12-31, reason: r }] }",
    );
    desk.replay(&["--policy", "waived.yaml"], 0);
    let ended = desk.replay(&["--policy", "waived.yaml", "--at", "2100-01-01T00:00:00Z"], 1);
    assert_eq!(ended["replayed"][0]["reasons"][0]["id"], json!("vuln-found"));
    desk.policy("sealed.yaml", "content-trust: { tofu: once }");
    let sealed = desk.replay(&["--policy", "sealed.yaml"], 4);
    assert!(sealed.to_string().contains("trust states are not kept"), "{sealed}");
    desk.policy("base.yaml", "provenance: { from: [ci] }, base: { policy: apply }");
    let base = desk.replay(&["--policy", "base.yaml"], 4);
    assert!(base.to_string().contains("base images, which are not kept"), "{base}");
    desk.policy("config.yaml", "signatures: { from: [ci] }, config: { non-root: true }");
    let config = desk.replay(&["--policy", "config.yaml"], 1);
    assert_eq!(config["replayed"][0]["reasons"][0]["id"], json!("config-root-user"));
}

// [V-180]
#[test]
fn decisions_of_one_image_and_second_lie_apart() {
    let desk = Desk { boltseal: Boltseal::new() };
    image::write(&desk.path("img"), "1", "twice");
    desk.policy("old.yaml", "signatures: { from: [ci] }");
    let twice = ["verify", "--policy", "old.yaml", "--save-evidence", "kept", "oci:img:1", "oci:img:1"];
    desk.boltseal.run(twice).expect(1);
    let mut kept: Vec<_> = fs::read_dir(desk.path("kept")).expect("kept").map(|one| one.expect("one").path()).collect();
    kept.sort();
    assert_eq!(kept.len(), 2);
    assert!(kept[1].to_string_lossy().ends_with("-2") && kept.iter().all(|one| one.join("report.json").exists()));
    assert_eq!(desk.replay(&["--policy", "old.yaml"], 0)["replayed"].as_array().map(Vec::len), Some(2));
}

/// A report is somebody's text: what it says can change what is compared with, and never what is found.
// [V-181]
#[test]
fn a_report_s_word_counts_for_nothing() {
    let desk = Desk::new();
    let report = desk.kept().join("report.json");
    let written = fs::read_to_string(&report).expect("a report");
    let change = |from: &str, to: &str| {
        assert!(written.contains(from), "{from}");
        fs::write(&report, written.replace(from, to)).expect("a report");
    };
    change("\"decision\": \"allowed\"", "\"decision\": \"denied\"");
    assert_eq!(desk.replay(&["--policy", "old.yaml"], 1)["replayed"][0]["would"], json!("would be allowed"));
    let digest = serde_json::from_str::<Value>(&written).expect("JSON")["result"]["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    change(&digest, &format!("sha256:{}", "ab".repeat(32)));
    assert_eq!(desk.replay(&["--policy", "old.yaml"], 4)["replayed"][0]["would"], json!("could not be told"));
    change("\"unread\": []", "\"unread\": [{ \"what\": \"a referrer\", \"why\": \"503\" }]");
    desk.replay(&["--policy", "old.yaml"], 4);
    for (from, to) in
        [("\"version\": 1", "\"version\": 2"), ("\"time\": \"", "\"time\": \"x"), ("\"unkept\"", "\"kept\"")]
    {
        change(from, to);
        desk.boltseal.run(["policy", "replay", "--policy", "old.yaml", "kept"]).expect(3);
    }
    // It names another image than it has the digest of.
    change("\"reference\": \"oci:img:1\"", &format!("\"reference\": \"oci:img@sha256:{}\"", "cd".repeat(32)));
    let other = desk.boltseal.run(["policy", "replay", "--policy", "old.yaml", "kept"]).expect(3).stderr;
    assert!(other.contains("is not what was judged"), "{other}");
    fs::write(&report, &written).expect("a report");
    // Evidence that was changed is not what its digest says; that which is gone is not there.
    let mut changed = 0;
    for blob in
        fs::read_dir(desk.kept().join("evidence/blobs/sha256")).expect("blobs").map(|blob| blob.expect("a blob").path())
    {
        let bytes = fs::read(&blob).expect("a blob");
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("dsseEnvelope") || text.contains("container image signature") {
            fs::write(&blob, [&bytes[..bytes.len() - 1], b" "].concat()).expect("a blob");
            changed += 1;
        }
    }
    assert_eq!(changed, 3, "a bundle and a simple signature of the image, a bundle of the scan");
    assert_eq!(desk.replay(&["--policy", "old.yaml"], 4)["replayed"][0]["would"], json!("could not be told"));
    fs::remove_dir_all(desk.kept().join("evidence")).expect("the evidence");
    desk.replay(&["--policy", "old.yaml"], 4);
    fs::remove_dir_all(desk.kept()).expect("the decision");
    desk.boltseal.run(["policy", "replay", "--policy", "old.yaml", "kept"]).expect(3);
}

// [V-182]
#[test]
fn cases_pass_only_for_the_decision_and_the_reasons_that_are_expected() {
    let desk = Desk::new();
    let kept = desk.kept();
    let (folder, layout) = (format!("../kept/{}", kept.file_name().expect("a name").to_string_lossy()), "x");
    let case =
        |name: &str, expect: &str| format!("  - {{ name: {name}, evidence: {folder}, expect: {{ {expect} }} }}\n");
    let denied = case("critical", "decision: denied, reasons: [vuln-found]");
    desk.cases(&denied);
    let said = desk.boltseal.run(["policy", "test", "cases"]).expect(0).stdout;
    assert!(said.contains("test a.test.yaml::critical ... ok") && said.contains("1 passed; 0 failed"), "{said}");
    desk.cases(
        &[
            denied.clone(),
            case("passes", "decision: allowed"),
            case("other reason", "decision: denied, reasons: [unsigned]"),
        ]
        .concat(),
    );
    let failed = desk.boltseal.run(["policy", "test", "cases"]).expect(1).stdout;
    assert!(
        failed.contains("a.test.yaml::passes ... FAILED") && failed.contains("expected allowed; found denied"),
        "{failed}"
    );
    assert!(failed.contains("expected the reason unsigned") && failed.contains("1 passed; 2 failed"), "{failed}");
    let report = desk.boltseal.run(["policy", "test", "-o", "json", "cases"]).expect(1).json();
    assert_eq!((&report["passed"], &report["failed"]), (&json!(1), &json!(2)));
    assert_eq!(report["files"][0]["cases"][1]["found"], json!("denied"));
    let passing = desk.boltseal.run(["policy", "test", "--policy", "old.yaml", "-o", "json", "cases"]).expect(1).json();
    assert_eq!(
        passing["files"][0]["cases"][0]["failure"],
        json!("expected denied; found allowed"),
        "an unexpected pass"
    );
    image::write(&desk.path("cases").join(layout), "1.2", "case");
    let of_layout = "  - { name: unsigned, image: \"oci:shop:1.2\", time: 2026-11-20T00:00:00Z, evidence: x, expect: { decision: denied, reasons: [attestation-missing] } }\n";
    desk.cases(of_layout);
    desk.boltseal.run(["policy", "test", "cases/a.test.yaml"]).expect(0);
    for (cases, told) in [
        (case("a", "decision: denied"), "expected `reasons`"),
        (case("a", "decision: allowed, reasons: [x]"), "expected `reasons`"),
        (case("a", "decision: perhaps"), "perhaps"),
        (case("a", "decision: allowed, reson: x"), "reson"),
        ("  - { name: a, evidence: nowhere, expect: { decision: allowed } }\n".to_owned(), "no `image`"),
        (of_layout.replace("time: 2026-11-20T00:00:00Z, ", ""), "no `time`"),
        ("  []\n".to_owned(), "no cases"),
    ] {
        desk.cases(&cases);
        let said = desk.boltseal.run(["policy", "test", "cases"]).expect(3).stderr;
        assert!(said.contains(told), "{cases}: {said}");
    }
    fs::remove_file(desk.path("cases/a.test.yaml")).expect("the cases");
    desk.boltseal.run(["policy", "test", "cases"]).expect(3);
}
