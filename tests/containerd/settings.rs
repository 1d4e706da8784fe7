//! What the verifier works with, and what it answers when that is missing, broken, slow or hostile.

use crate::{
    DESCRIPTOR, call, call_with,
    common::images::{Expected, Table},
    configure, one_line,
};
use boltseal::registry::embedded::{Answer, AnswerBody, Embedded, EmbeddedOptions, Hook};
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

async fn small(options: EmbeddedOptions) -> (Embedded, Table) {
    let registry = Embedded::start(options).await.expect("a registry");
    let table = Table::small(&registry.address().to_string()).await;
    configure(&table, "");
    (registry, table)
}

fn answer(status: StatusCode, headers: &[(header::HeaderName, &str)], body: String) -> Answer {
    let body: AnswerBody = Full::new(body.into()).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    for (name, value) in headers {
        answer.headers_mut().insert(name, value.parse().expect("a value"));
    }
    answer
}

// [V-285]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_recorded_and_without_a_record_nothing_is_pulled() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = Table::build(&registry.address().to_string()).await;
    configure(&table, "log = \"decisions.log\"\n");
    for (what, word, reason) in [
        ("signed", "allowed", None),
        ("unsigned", "denied", Some("unsigned")),
        ("a moved tag", "denied", Some("moved-tag")),
        ("the registry is down", "could-not-tell", None),
    ] {
        let row = table.find(what);
        call(&table, "containerd.toml", &row.name, &row.served);
        let text = fs::read_to_string(table.file("decisions.log")).expect("a log");
        let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        assert_eq!((&last["by"], &last["decision"]), (&"containerd".into(), &word.into()), "{what}");
        let reasons = last["reasons"].as_array().cloned().unwrap_or_default();
        assert!(reason.is_none_or(|id| reasons.contains(&id.into())), "{what}: {last}");
        assert!(last["digest"] == row.served.as_str() || word == "could-not-tell", "{what}: {last}");
    }
    let row = table.find("signed");
    configure(&table, "log = \"no/decisions.log\"\n");
    let ran = call(&table, "containerd.toml", &row.name, &row.served).expect(3);
    one_line(&ran);
    assert!(ran.stdout.contains("decision log"), "{}", ran.stdout);
}

// [V-203]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_misconfigured_is_no_leave_to_pull() {
    let (_registry, table) = small(EmbeddedOptions::default()).await;
    let row = table.find("signed").clone();
    let ask = |config: &str| call(&table, config, &row.name, &row.served);
    ask("containerd.toml").expect(0);
    for (config, part) in [
        ("absent.toml", "No such file"),
        ("polcy = \"policy.yaml\"", "polcy"),
        ("policy = \"absent.yaml\"", "absent.yaml"),
        ("policy = \"release.pub\"", "release.pub"),
        ("lock = \"absent.lock\"", "absent.lock"),
        ("auth-file = \"absent.json\"", "absent.json"),
        ("registry-ca = [\"absent.pem\"]", "absent.pem"),
        ("timeout = 0", "timeout"),
        ("timeout = -1.5", "timeout"),
        ("timeout = \"soon\"", "timeout"),
    ] {
        let name = if config.ends_with(".toml") { config } else { "broken.toml" };
        fs::write(table.file("broken.toml"), config).expect("a file");
        let ran = ask(name).expect(3);
        assert!(ran.stdout.contains(part) && ran.stdout.starts_with("not usable: "), "{config}: {}", ran.stdout);
        one_line(&ran);
    }
    let folder = table.file(&format!("certs.d/{}", table.address));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(format!("{folder}/hosts.toml"), "[host.\"https://\"]").expect("a file");
    let ran = ask("containerd.toml").expect(3);
    assert!(ran.stdout.contains("hosts.toml"), "{}", ran.stdout);
}

// [V-202]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_asked_as_containerd_asks_is_refused() {
    let (_registry, table) = small(EmbeddedOptions::default()).await;
    let row = table.find("signed");
    let descriptor = format!(r#"{{"mediaType":"a/b","digest":"{}","size":405}}"#, row.served);
    let of_other = descriptor.replace(&row.served, &format!("sha256:{}", "1".repeat(64)));
    let good = ["-name", &row.name, "-digest", &row.served, "-stdin-media-type", DESCRIPTOR];
    call_with(&table, "containerd.toml", &good, &descriptor).expect(0);
    let ran = call_with(&table, "containerd.toml", &good, &of_other).expect(2);
    one_line(&ran);
    call_with(&table, "containerd.toml", &good, "").expect(2);
    call_with(&table, "containerd.toml", &good[..2], &descriptor).expect(2);
    call_with(&table, "containerd.toml", &[], &descriptor).expect(2);
    let other = format!("{}@sha256:{}", row.name, "1".repeat(64));
    call_with(&table, "containerd.toml", &[&["-name", &other], &good[2..]].concat(), &descriptor).expect(1);
}

// [V-204] [V-285]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_slow_ends_before_containerd_ends_it() {
    let hook: Hook = Arc::new(|exchange| {
        let slow = exchange.headers.get(header::USER_AGENT).is_some() && exchange.path().contains("unsigned");
        slow.then(|| {
            std::thread::sleep(Duration::from_secs(4));
            answer(StatusCode::NOT_FOUND, &[], String::new())
        })
    });
    let (_registry, table) = small(EmbeddedOptions::default()).await;
    let slow = Embedded::start(EmbeddedOptions { hook: Some(hook), ..EmbeddedOptions::default() }).await;
    let slow = slow.expect("a registry");
    configure(&table, "timeout = 1\nlog = \"late.log\"\n");
    let digest = format!("sha256:{}", "1".repeat(64));
    let begun = Instant::now();
    let ran = call(&table, "containerd.toml", &format!("{}/unsigned:1.0", slow.address()), &digest).expect(4);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(ran.stdout, "could not tell: no result within 1 s\n");
    // Standard input that does not end is no different.
    let mut command = Command::new(env!("CARGO_BIN_EXE_boltseal"));
    command.env_clear().env("BOLTSEAL_CONFIG", table.file("containerd.toml")).stdin(Stdio::piped());
    command.args(["-name", &table.find("signed").name, "-digest", &digest, "-stdin-media-type", DESCRIPTOR]);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let (begun, _open) = (Instant::now(), child.stdin.take());
    let code = tokio::task::block_in_place(|| child.wait()).expect("it ends").code();
    assert_eq!(code, Some(4));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // And each is recorded.
    let text = fs::read_to_string(table.file("late.log")).expect("a log");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = |line: &serde_json::Value| (line["decision"].clone(), line["error"].clone());
    let late = ("could-not-tell".into(), "no result within 1 s".into());
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), [late.clone(), late]);
}

// [V-202]
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_registry_writes_no_lines() {
    let hook: Hook = Arc::new(|exchange| {
        let forged = "x\nallowed: all is well\r\u{1b}[2Kallowed\u{202e}".repeat(2_000);
        let body = serde_json::json!({ "errors": [{ "code": "DENIED", "message": forged }] });
        exchange.path().contains("evil").then(|| answer(StatusCode::FORBIDDEN, &[], body.to_string()))
    });
    let (registry, table) = small(EmbeddedOptions { hook: Some(hook), ..EmbeddedOptions::default() }).await;
    let name = format!("{}/evil:1.0", registry.address());
    let ran = call(&table, "containerd.toml", &name, &format!("sha256:{}", "1".repeat(64))).expect(4);
    assert!(ran.stdout.starts_with("could not tell: "), "{}", ran.stdout);
    one_line(&ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_that_only_tell_let_pass_and_say_so() {
    let (_registry, table) = small(EmbeddedOptions::default()).await;
    let row = table.find("unsigned");
    call(&table, "containerd.toml", &row.name, &row.served).expect(1);
    for mode in ["permissive", "disabled"] {
        table.set_policy(&format!("mode: {mode}"));
        let ran = call(&table, "containerd.toml", &row.name, &row.served).expect(0);
        assert!(ran.stdout.contains("UNVERIFIED") && ran.stdout.contains(mode), "{}", ran.stdout);
    }
}

// [V-203]
#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_the_verifiers_own() {
    let hook: Hook = Arc::new(|exchange| {
        // user:secret
        let knows = exchange.headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Basic dXNlcjpzZWNyZXQ=");
        let open = knows || exchange.headers.get("x-test").is_some();
        (!open).then(|| {
            answer(StatusCode::UNAUTHORIZED, &[(header::WWW_AUTHENTICATE, "Basic realm=\"r\"")], String::new())
        })
    });
    let registry = Embedded::start(EmbeddedOptions { hook: Some(hook), ..EmbeddedOptions::default() }).await;
    let registry = registry.expect("a registry");
    let (_open, table) = small(EmbeddedOptions::default()).await;
    let name = format!("{}/app:1.0", registry.address());
    let digest = format!("sha256:{}", "1".repeat(64));
    let ran = call(&table, "containerd.toml", &name, &digest).expect(4);
    assert!(ran.stdout.contains("credentials"), "{}", ran.stdout);
    let auths = serde_json::json!({ "auths": { registry.address().to_string(): { "auth": "dXNlcjpzZWNyZXQ=" } } });
    fs::write(table.file("auth.json"), auths.to_string()).expect("a file");
    let ran = call(&table, "containerd.toml", &name, &digest).expect(4);
    assert!(ran.stdout.contains("not found"), "{}", ran.stdout);
}

// [V-205]
#[tokio::test(flavor = "multi_thread")]
async fn mirrors_of_hosts_toml_are_asked_in_their_order() {
    let (registry, table) = small(EmbeddedOptions::default()).await;
    let row = table.find("signed");
    let empty = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let down = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a free port");
    let folder = table.file("certs.d/registry.example.test");
    fs::create_dir_all(&folder).expect("a folder");
    let ask = |hosts: &str| {
        fs::write(format!("{folder}/hosts.toml"), hosts).expect("a file");
        registry.forget_requests();
        let name = row.name.replace(&table.address, "registry.example.test");
        call(&table, "containerd.toml", &name, &row.served)
    };
    let (good, empty, down) =
        (format!("http://{}", registry.address()), format!("http://{}", empty.address()), format!("http://{down}"));
    ask(&format!("server = \"{good}\"")).expect(0);
    let asked = registry.requests();
    assert!(
        !asked.is_empty() && asked.iter().all(|one| one.path_and_query.ends_with("?ns=registry.example.test")),
        "{asked:?}"
    );
    // What one place does not have, or can't say, the next one is asked for.
    ask(&format!("server = \"{down}\"\n[host.\"{empty}\"]\n[host.\"{good}\"]")).expect(0);
    ask(&format!("server = \"{good}\"\n[host.\"{down}\"]\n[host.\"{empty}/v2\"]\noverride_path = true")).expect(0);
    // A place that may only be asked for digests is not asked for lists and tags.
    ask(&format!("server = \"{empty}\"\n[host.\"{good}\"]\ncapabilities = [\"pull\"]")).expect(1);
    // That there is no signature is believed if all say so.
    ask(&format!("server = \"{down}\"\n[host.\"{empty}\"]")).expect(4);
    assert_eq!(row.expected, Expected::Allowed(row.served.clone()));
}

// [V-205]
#[tokio::test(flavor = "multi_thread")]
async fn a_place_of_hosts_toml_has_its_headers() {
    let locked = Arc::new(AtomicBool::new(false));
    let is_locked = Arc::clone(&locked);
    let hook: Hook = Arc::new(move |exchange| {
        let is_keyed = exchange.headers.get("x-key").is_some_and(|key| key == "s3cret");
        let refused = || answer(StatusCode::FORBIDDEN, &[], String::new());
        (is_locked.load(Ordering::Relaxed) && !is_keyed).then(refused)
    });
    let (registry, table) = small(EmbeddedOptions { hook: Some(hook), ..EmbeddedOptions::default() }).await;
    locked.store(true, Ordering::Relaxed);
    let row = table.find("signed");
    let folder = table.file("certs.d/registry.example.test");
    fs::create_dir_all(&folder).expect("a folder");
    for (key, code) in [("s3cret", 0), ("gu355ed", 4)] {
        let hosts = format!("[host.\"http://{}\".header]\nx-key = \"{key}\"\n", registry.address());
        fs::write(format!("{folder}/hosts.toml"), hosts).expect("a file");
        let name = row.name.replace(&table.address, "registry.example.test");
        let ran = call(&table, "containerd.toml", &name, &row.served).expect(code);
        assert!(!ran.stdout.contains(key) && !ran.stderr.contains(key), "{}{}", ran.stdout, ran.stderr);
    }
}
