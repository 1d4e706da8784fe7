use super::*;
use crate::limits::REGO_TIME;
use serde_json::json;
use std::{sync::Mutex, time::Instant};

const NOW: &str = "2026-11-20T12:00:00Z";

fn load(name: &str, text: &str) -> Result<Program, RegoError> {
    Program::load(name, text, Arc::new(InProcess))
}

fn program(rules: &str) -> Result<Program, RegoError> {
    load("x.rego", &format!("package x\n\n{rules}\n"))
}

fn answer(rules: &str, input: &str) -> Result<Vec<String>, RegoError> {
    program(rules).unwrap().denials(input, NOW.parse().unwrap())
}

// [V-175]
#[test]
fn what_denies_is_told_in_order_and_nothing_else_is_an_answer() {
    let rules = "deny contains msg if { some a in input.list; msg := sprintf(\"no %v\", [a]) }";
    assert_eq!(answer(rules, r#"{"list": ["b", "a"]}"#).unwrap(), ["no a", "no b"]);
    assert!(answer(rules, r#"{"list": []}"#).unwrap().is_empty());
    assert!(answer(rules, "{}").unwrap().is_empty());
    let object = "deny contains {\"msg\": \"bad\", \"severity\": 3} if input.bad";
    assert_eq!(answer(object, r#"{"bad": true}"#).unwrap(), ["bad"]);
    for odd in ["1", "true", "{\"message\": \"x\"}", "null", "[\"x\"]"] {
        let odd = format!("deny contains {odd} if input.bad");
        assert!(matches!(answer(&odd, r#"{"bad": true}"#), Err(RegoError::NotAMessage(_))), "{odd}");
    }
    let many = "deny contains msg if { some n in input.list; msg := format_int(n, 10) }";
    let input = json!({"list": (0..500).collect::<Vec<_>>()}).to_string();
    let told = answer(many, &input).unwrap();
    assert_eq!((told.len(), told.last().map(String::as_str)), (REGO_MESSAGES + 1, Some("and 400 more")));
    // Numbers before texts, objects by their members: the engine's order is not that of the texts.
    let mixed = "deny contains {\"a\": 1, \"msg\": \"z\"} if input.bad\ndeny contains {\"a\": 2, \"msg\": \"a\"} if input.bad\ndeny contains \"m\" if input.bad";
    assert_eq!(answer(mixed, r#"{"bad": true}"#).unwrap(), ["a", "m", "z"]);
    let last = format!(
        "{many}\ndeny contains \"0 the worst\" if count(input.list) > 9\ndeny contains {{\"msg\": \"00\"}} if count(input.list) > 9"
    );
    assert_eq!(answer(&last, &input).unwrap()[1..4], ["0 the worst", "00", "1"]);
    let hidden = format!("{many}\ndeny contains [n] if {{ some n in input.list; n > 400 }}");
    assert!(matches!(answer(&hidden, &input), Err(RegoError::NotAMessage(_))));
    let long = answer("deny contains input.text", &json!({"text": "ä".repeat(5_000)}).to_string()).unwrap();
    assert_eq!(long[0].chars().count(), REGO_MESSAGE);
    assert_eq!(answer("deny contains input.text", r#"{"text": " "}"#).unwrap(), ["no message"]);
}

// [V-177]
#[test]
fn what_cannot_be_asked_is_refused_when_it_is_read() {
    for (rules, told) in [
        ("deny contains msg if {", "x.rego:"),
        ("allow if true", "no rule `deny`"),
        ("denied contains \"x\" if true", "no rule `deny`"),
        ("deny := true", "a boolean"),
        ("deny if input.bad", "undefined"),
        ("deny := [\"x\"]", "an array"),
        ("deny(x) := \"y\" if x", ""),
        ("deny[msg] { msg := \"version 0\" }", "x.rego:3"),
        ("deny contains http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1\"}).body", "http.send"),
        ("deny contains opa.runtime().env.PATH", "opa.runtime"),
        ("deny contains x if { x := rand.intn(\"a\", 5) }", "not available"),
        ("deny contains \"x\" if { count(numbers.range(1, 1000000000000)) > 1 }", "not available"),
        ("deny contains \"x\" if { bits.lsh(1, 4000000000) > 1 }", "not available"),
        ("deny contains \"x\" if { units.parse(\"1e2000000000\") > 1 }", "not available"),
        ("deny contains \"x\" if { units.parse_bytes(\"1e2000000000\") > 1 }", "not available"),
        ("deny contains \"x\" if { json.unmarshal(\"{}\") == {} }", "not available"),
        ("deny contains nothing.known(1)", "nothing.known"),
        ("deny contains x", "x.rego:3"),
    ] {
        let error = program(rules).expect_err(rules).to_string();
        assert!(error.contains(told) && !error.contains('\n'), "{rules}: {error}");
    }
    let large = format!("deny contains \"x\" if false\n#{}", "x".repeat(REGO_BYTES));
    assert!(matches!(program(&large), Err(RegoError::TooLarge(_))));
    for open in ["[", "{", "(", "not ("] {
        let deep = format!("deny contains x if {{ x := {} }}", open.repeat(20_000));
        assert!(matches!(program(&deep), Err(RegoError::Compile(_))), "{open}");
    }
    let alone = load("x.rego", "deny contains \"x\" if true");
    assert!(matches!(alone, Err(RegoError::Compile(_))), "{alone:?}");
}

// [V-176]
#[test]
fn a_run_that_fails_or_takes_too_long_has_no_answer() {
    let times = "deny contains \"old\" if { time.parse_rfc3339_ns(input.time) < time.now_ns() }";
    assert_eq!(answer(times, r#"{"time": "2026-11-19T00:00:00Z"}"#).unwrap(), ["old"]);
    assert!(answer(times, r#"{"time": "2026-11-21T00:00:00+01:00"}"#).unwrap().is_empty());
    for odd in [r#"{"time": "yesterday"}"#, r#"{"time": 5}"#, r#"{"time": null}"#] {
        assert!(matches!(answer(times, odd), Err(RegoError::Failed(_))), "{odd}");
    }
    let twice = "n := x if { some x in input.list }\ndeny contains \"x\" if n == 1";
    assert!(matches!(answer(twice, r#"{"list": [1, 2]}"#), Err(RegoError::Failed(_))));
    let slow = "deny contains \"x\" if { some a in input.l; some b in input.l; some c in input.l; some d in input.l; a+b+c+d < 0 }";
    let input = json!({"l": (0..2_000).collect::<Vec<_>>()}).to_string();
    let begun = Instant::now();
    assert_eq!(answer(slow, &input), Err(RegoError::TooSlow(REGO_TIME)));
    assert!(begun.elapsed() < 10 * REGO_TIME, "{:?}", begun.elapsed());
    let large = json!({"x": "x".repeat(REGO_INPUT_BYTES)}).to_string();
    assert!(matches!(answer(times, &large), Err(RegoError::InputTooLarge(_))));
    let number = r#"{"x": {"$serde_json::private::Number": "1e2000000000"}}"#;
    let many = format!("[{}]", vec!["0"; JSON_VALUES].join(","));
    for odd in ["", "{", "{\"a\": 1e999}", &"[".repeat(50_000), number, &many] {
        assert!(matches!(answer(times, odd), Err(RegoError::Input(_))), "{odd:.20}");
    }
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(&program("deny contains \"x\" if false").unwrap());
}

// [V-177]
#[test]
fn what_a_program_is_shown_first_is_well_formed() {
    let times = "deny contains \"old\" if time.parse_rfc3339_ns(input.now) < time.now_ns()";
    assert!(answer(times, r#"{"now": "2026-11-20T12:00:00Z"}"#).unwrap().is_empty());
    let names = "deny contains \"v\" if { startswith(input.tag, \"v\"); split(input.digest, \":\")[0] == \"sha256\"; input.digests[0] == input.digest; startswith(input.reference, input.repository) }";
    assert_eq!(program(names).map(|_| ()), Ok(()));
}

#[derive(Debug)]
struct Says(Vec<Vec<u8>>, Mutex<usize>);

impl Runner for Says {
    fn run(&self, request: &[u8], _: Duration) -> Result<Vec<u8>, RegoError> {
        assert!(json::decode_value(request).is_ok());
        let mut at = self.1.lock().unwrap();
        *at += 1;
        self.0.get(*at - 1).cloned().ok_or(RegoError::TooSlow(REGO_RUN_TIME))
    }
}

// [V-176]
#[test]
fn what_is_no_whole_answer_of_the_runner_is_none() {
    let now = NOW.parse().unwrap();
    let many = json!({"Ok": vec!["x"; REGO_MESSAGES + 2]}).to_string();
    let long = json!({"Ok": ["x".repeat(REGO_MESSAGE + 1)]}).to_string();
    for said in [
        "",
        "{\"Ok\":[]",
        "{\"Ok\":[]}{}",
        "[]",
        "{\"Ok\":[\"\"]}",
        "{\"Ok\":[],\"Ok\":[]}",
        "{\"Err\":{\"Other\":1}}",
        &many,
        &long,
    ] {
        let says = Says(vec![b"{\"Ok\":[]}".to_vec(), said.as_bytes().to_vec()], Mutex::default());
        let program = Program::load("x.rego", "", Arc::new(says)).unwrap();
        assert!(matches!(program.denials("{}", now), Err(RegoError::Failed(_))), "{said:.40}");
        assert_eq!(program.denials("{}", now), Err(RegoError::TooSlow(REGO_RUN_TIME)));
        let says = Says(vec![said.as_bytes().to_vec()], Mutex::default());
        assert!(matches!(Program::load("x.rego", "", Arc::new(says)), Err(RegoError::Compile(_))), "{said:.40}");
    }
    for error in [RegoError::NotASet("x".into()), RegoError::TooSlow(REGO_TIME), RegoError::TooLarge(1)] {
        let says = Says(vec![json!({"Err": error}).to_string().into_bytes()], Mutex::default());
        assert_eq!(Program::load("x.rego", "", Arc::new(says)).map(|_| ()), Err(error));
    }
}
