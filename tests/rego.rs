//! Programs and documents that the Rego engine can't stand: each is an answer that nobody has, or a policy that is refused, soon,
//! and whoever asked lives on.

mod common;

use common::{Boltseal, Ran, image, key};
use serde_json::json;
use std::{
    fs, thread,
    time::{Duration, Instant},
};

/// Far more than the engine's process may take, for machines that do much else.
const SOON: Duration = Duration::from_secs(60);

struct Desk {
    boltseal: Boltseal,
}

impl Desk {
    /// A signed image with an attestation, in a layout.
    fn new() -> Self {
        let desk = Self { boltseal: Boltseal::new() };
        let by = key("ci.test.key");
        image::write(&desk.boltseal.home.path().join("img"), "1", "rego");
        desk.boltseal.run(["sign", "--key", &by, "oci:img:1"]).expect(0);
        desk.write("predicate.json", &json!({ "again": true, "text": "x".repeat(71), "one": 1 }).to_string());
        desk.attest("predicate.json").expect(0);
        desk
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.boltseal.home.path().join(name), text).expect("a file");
    }

    fn attest(&self, predicate: &str) -> Ran {
        let by = key("ci.test.key");
        let kind = "https://example.com/any/v1";
        self.boltseal.run(["attest", "--key", &by, "--type", kind, "--predicate", predicate, "oci:img:1"])
    }

    /// Writes a policy that names this program, and says its file's name.
    fn policy(&self, name: &str, rules: &str) -> String {
        let key = key("ci.test.pub");
        self.write(&format!("{name}.rego"), &format!("package x\n\n{rules}\n"));
        let file = format!("{name}.yaml");
        let scope = format!("signatures: {{ from: [ci] }}, rego: {name}.rego");
        let text =
            format!("version: 1\nauthorities: {{ ci: {{ key: '{key}' }} }}\nimages: {{ 'oci:**': {{ {scope} }} }}\n");
        self.write(&file, &text);
        file
    }
}

/// Forty functions, each of which calls the one before it twice.
fn doubling() -> String {
    let one = |at: usize| format!("f{at}(x) := f{}(x)\nf{at}(x) := f{}(x)\n", at - 1, at - 1);
    format!("f0(x) := x.one\n{}", (1..=40).map(one).collect::<String>())
}

/// Rules, and the body of `deny` with them; `P` is a document.
fn faults() -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("itself", "f(x) := f(x)".to_owned(), "f(P)"),
        ("led", "f(x) := f(x) if x.again".to_owned(), "f(P)"),
        ("panic", String::new(), "sprintf(\"%²d\", [P.one])"),
        ("memory", "g(a) := replace(a, \"\", a)".to_owned(), "g(g(g(P.text))) == \"x\""),
        ("time", doubling(), "f40(P) > 1"),
    ]
}

// [V-176]
#[test]
fn what_the_engine_does_not_survive_is_could_not_tell() {
    let desk = &Desk::new();
    let good = desk.policy("good", "deny contains \"seen\" if { some a in input.attestations; a.predicate.one == 2 }");
    desk.boltseal.run(["verify", "--policy", &good, "oci:img:1"]).expect(0);
    let one = |(name, rules, body): (&'static str, String, &'static str)| {
        let body = body.replace('P', "a.predicate");
        let rules = format!("{rules}\ndeny contains \"x\" if {{ some a in input.attestations; {body} }}");
        let policy = desk.policy(name, &rules);
        let begun = Instant::now();
        let ran = desk.boltseal.run(["verify", "--policy", &policy, "oci:img:1"]).expect(4);
        assert!(ran.stdout.contains("rego-failed"), "{name}: {}", ran.stdout);
        let why = if name == "time" { "no answer within 3000 ms" } else { "the engine ended without an answer" };
        assert!(ran.stdout.contains(why), "{name}: {}", ran.stdout);
        assert!(begun.elapsed() < SOON, "{name}: {:?}", begun.elapsed());
    };
    thread::scope(|scope| faults().into_iter().for_each(|fault| drop(scope.spawn(move || one(fault)))));
}

// [V-177]
#[test]
fn what_the_engine_does_not_survive_is_no_policy() {
    let desk = &Desk { boltseal: Boltseal::new() };
    let document = format!("{{\"again\": true, \"text\": \"{}\", \"one\": 1}}", "x".repeat(71));
    let brackets = ("brackets", String::new(), format!("{}1{} == P", "[".repeat(40), "]".repeat(40)));
    let faults = faults().into_iter().map(|(name, rules, body)| (name, rules, body.to_owned())).chain([brackets]);
    let one = |(name, rules, body): (&'static str, String, String)| {
        let policy =
            desk.policy(name, &format!("{rules}\ndeny contains \"x\" if {{ {} }}", body.replace('P', &document)));
        let begun = Instant::now();
        let ran = desk.boltseal.run(["policy", "check", &policy]).expect(3);
        let why = if ["time", "brackets"].contains(&name) { "no answer within 5000 ms" } else { "without an answer" };
        assert!(
            ran.stderr.contains(why) && ran.stderr.contains(&format!("rego {name}.rego")),
            "{name}: {}",
            ran.stderr
        );
        assert!(begun.elapsed() < SOON, "{name}: {:?}", begun.elapsed());
    };
    thread::scope(|scope| faults.for_each(|fault| drop(scope.spawn(move || one(fault)))));
}

// [V-174]
#[test]
fn a_program_that_sees_nothing_is_told_of() {
    let desk = Desk { boltseal: Boltseal::new() };
    desk.policy("x", "deny contains \"v\" if not startswith(input.tag, \"1\")");
    for (scope, warned) in [("content-trust: { tofu: once }", true), ("signatures: { from: [ci] }", false)] {
        let authorities = format!("authorities: {{ ci: {{ key: '{}' }} }}", key("ci.test.pub"));
        desk.write(
            "blind.yaml",
            &format!("version: 1\n{authorities}\nimages: {{ 'r.example/**': {{ {scope}, rego: x.rego }} }}\n"),
        );
        let ran = desk.boltseal.run(["policy", "check", "blind.yaml"]).expect(0);
        let told = ran.stderr.contains("r.example/**: x.rego is shown no signer and no attestation");
        assert_eq!(told, warned, "{}", ran.stderr);
    }
}

/// A text of a few bytes that the engine would take for a number of two thousand million digits.
// [V-09]
#[test]
fn a_document_with_a_reserved_name_is_nobody_s() {
    let desk = Desk::new();
    desk.write("odd.json", r#"{"x": {"$serde_json::private::Number": "1e2000000000"}}"#);
    let ran = desk.attest("odd.json");
    assert!(ran.code != 0 && ran.stderr.contains("reserved name"), "{ran:?}");
}

/// The engine's process, told what only we say: it answers on its standard output, and holds nothing.
#[cfg(target_os = "linux")]
#[test]
fn the_process_has_given_up_what_it_does_not_need() {
    use std::{io::Write as _, process::Stdio};
    let boltseal = Boltseal::new();
    let mut command = boltseal.command();
    let mut child = command.arg("rego-run").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
    let limits = format!("/proc/{}/limits", child.id());
    let begun = Instant::now();
    let held = loop {
        let held = fs::read_to_string(&limits).expect("limits");
        if held.lines().any(|line| line.starts_with("Max processes") && line.contains(" 0 ")) {
            break held;
        }
        assert!(begun.elapsed() < SOON, "{held}");
        thread::sleep(Duration::from_millis(5));
    };
    for (name, most) in [
        ("Max address space", "536870912"),
        ("Max cpu time", "5"),
        ("Max core file size", "0"),
        ("Max open files", "0"),
    ] {
        let line = held.lines().find(|line| line.starts_with(name)).expect(name);
        assert_eq!(line.split_whitespace().filter(|word| *word == most).count(), 2, "{line}");
    }
    let request = json!({
        "name": "x.rego", "text": "package x\n\ndeny contains input.a", "now": "2026-11-20T00:00:00Z", "input": { "a": "b" }
    });
    child.stdin.take().expect("a pipe").write_all(request.to_string().as_bytes()).expect("a request");
    let done = child.wait_with_output().expect("an end");
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), br#"{"Ok":["b"]}"#.as_slice()));
}
