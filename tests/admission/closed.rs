//! Down, slow, misconfigured, flooded: nothing of it is a leave.

use crate::{
    common::images::Table,
    small,
    webhook::{Webhook, configure, pod},
};
use boltseal::limits::REVIEW_AT_ONCE;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::{
    fs, io,
    net::TcpListener,
    time::{Duration, Instant},
};

fn body(of: impl stream::Stream<Item = Bytes> + Send + 'static) -> reqwest::Body {
    reqwest::Body::wrap_stream(of.map(Ok::<_, io::Error>))
}

// [V-327]
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_does_not_answer_is_could_not_tell_within_the_time() {
    let (_registry, table) = small().await;
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
    let name = format!("{}/plain/app:1.0", silent.local_addr().expect("an address"));
    let good = table.find("signed");
    let review = pod(&[&name, &format!("{}@{}", good.name, good.served)]);
    let started = Instant::now();
    let answered = webhook.ask("/validate?timeout=2s", &review).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let message = answered.message();
    assert!(message.contains("/spec/containers/0/image") && message.contains("could not tell"), "{message}");
    assert!(!message.contains("/spec/containers/1/image"), "{message}");
    assert_eq!(answered.0["status"]["code"], 503);
    // The mutating webhook is as late, and puts digests to the others.
    let patch = webhook.ask("/mutate?timeout=2s", &pod(&[&name, &good.name])).await.patch();
    assert_eq!(patch, [("/spec/containers/1/image".to_owned(), format!("{}@{}", good.name, good.served))]);
}

// [V-327]
#[tokio::test(flavor = "multi_thread")]
async fn one_review_has_few_images_judged_at_once_and_none_when_its_time_is_over() {
    let (_registry, table) = small().await;
    let silent: Vec<_> = (0..3 * REVIEW_AT_ONCE).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let name = |listener: &TcpListener| format!("{}/plain/app:1.0", listener.local_addr().expect("an address"));
    let names: Vec<_> = silent.iter().map(name).collect();
    let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
    let review = pod(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let answered = webhook.ask("/validate?timeout=1s", &review).await;
    assert_eq!(answered.0["status"]["code"], 503, "{answered:?}");
    let asked = silent.iter().filter(|listener| {
        listener.set_nonblocking(true).expect("a listener");
        listener.accept().is_ok()
    });
    let asked = asked.count();
    assert!((1..=REVIEW_AT_ONCE).contains(&asked), "{asked}");
}

// [V-329]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_misconfigured_does_not_start() {
    let (_registry, table) = small().await;
    let ends = |config: &str, part: &str| {
        let ran = table.ask(&["serve", "admission", "--config", config]).expect(3);
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    };
    ends(&table.file("nowhere.toml"), "nowhere.toml");
    ends(&configure(&table, "efect = \"warn\"", ""), "efect");
    ends(&configure(&table, "effect = \"off\"", ""), "effect");
    ends(&configure(&table, "", "[judge.more]\n"), "more");
    ends(&configure(&table, "[policies]\nstrict = \"nowhere.yaml\"", ""), "strict");
    let config = configure(&table, "", "");
    fs::write(table.file("tls.key"), "no key").expect("a file");
    ends(&config, "tls.key");
    let config = configure(&table, "", "");
    fs::write(table.policy(), "version: 1\nimages: 3\n").expect("a file");
    ends(&config, "policy.yaml");
}

async fn ready(webhook: &Webhook) -> Value {
    let answer = webhook.client().get(format!("https://{}/readyz", webhook.address)).send().await.expect("an answer");
    serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON")
}

async fn until(webhook: &Webhook, degraded: bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while ready(webhook).await["degraded"] != degraded {
        assert!(Instant::now() < patience, "it does not see what is on disk");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

// [V-328] [V-329]
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_breaks_leaves_the_old_one_in_force() {
    let (_registry, table) = small().await;
    let strict = table.file("strict.yaml");
    fs::write(&strict, "version: 1\nimages: {}\n").expect("a policy");
    let config = configure(&table, "[policies]\nstrict = \"strict.yaml\"", "");
    let webhook = Webhook::start(&table, &config, &[]);
    let good = table.find("signed");
    let review = pod(&[&format!("{}@{}", good.name, good.served)]);
    assert!(!webhook.ask("/validate/strict", &review).await.allowed());
    fs::write(&strict, "version: 1\nimages: 3\n").expect("a policy");
    until(&webhook, true).await;
    assert!(!webhook.ask("/validate/strict", &review).await.allowed());
    assert!(webhook.ask("/validate", &review).await.allowed());
    fs::copy(table.policy(), &strict).expect("a policy");
    until(&webhook, false).await;
    let answered = webhook.ask("/validate/strict", &review).await;
    assert!(answered.allowed(), "{answered:?}");
}

// [V-326]
#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_cost_their_senders_alone() {
    let (_registry, table) = small().await;
    let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
    let endless = || body(stream::repeat(Bytes::from_static(&[b' '; 64 << 10])));
    let stalled = || body(stream::iter([Bytes::from_static(b"{")]).chain(stream::pending()));
    let large = vec![b' '; 9 << 20];
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("[1{}]", ",1".repeat(1_000_000));
    let cases: [(u16, reqwest::Body); 9] = [
        (413, large.into()),
        (413, endless()),
        (408, stalled()),
        (400, nested.into()),
        (400, wide.into()),
        (400, "".into()),
        (400, "{".into()),
        (400, json!({ "apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview" }).to_string().into()),
        (
            400,
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {} }).to_string().into(),
        ),
    ];
    let sending = cases.into_iter().map(async |(code, body)| (code, webhook.send("/validate", body).await));
    let answers = futures_util::future::join_all(sending);
    let good = table.find("signed");
    let honest = async {
        // They wait for nobody.
        for _ in 0..20 {
            let (object, answered) = webhook.admit(&pod(&[&good.name])).await;
            assert!(answered.allowed(), "{object}");
        }
    };
    let (answers, ()) = futures_util::future::join(answers, honest).await;
    for (code, answered) in answers {
        let (found, text) = match answered {
            Ok(answered) => answered,
            // Who goes on sending may miss the answer.
            Err(_) if code == 413 => continue,
            Err(error) => panic!("{code}: {error}"),
        };
        assert_eq!(found, code, "{text}");
        let told: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&told["kind"], &told["status"]), (&Value::from("Status"), &Value::from("Failure")), "{text}");
    }
    let got = webhook.client().get(format!("https://{}/validate", webhook.address)).send().await.expect("an answer");
    assert_eq!(got.status().as_u16(), 405);
    // An object that is not as Kubernetes has it is refused, and so is a kind without a pod.
    for (object, part) in [
        (json!({ "spec": { "containers": [{ "image": 1 }] } }), "/spec/containers/0/image: expected an image's name"),
        (json!({}), "/spec: expected an object"),
        (json!({ "spec": { "containers": [{ "name": "a" }] } }), "no repository"),
        (json!({ "spec": { "containers": [{ "image": "r.example/A\u{1b}[2K\n" }] } }), "denied: "),
    ] {
        let answered = webhook.ask("/validate", &crate::review("CREATE", &object)).await;
        assert!(!answered.allowed(), "{object}");
        let message = answered.message();
        assert!(message.contains(part) && !message.contains(char::is_control), "{object}: {message:?}");
    }
    let mut unknown = crate::review("CREATE", &json!({ "spec": {} }));
    unknown["request"]["kind"] = json!({ "group": "x.example", "version": "v1", "kind": "Thing" });
    assert!(webhook.ask("/validate", &unknown).await.message().contains("no pod is found in a Thing of x.example/v1"));
}

// [V-332]
#[tokio::test(flavor = "multi_thread")]
async fn no_registry_is_asked_that_the_policy_does_not_name() {
    let (_registry, table) = small().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
    elsewhere.set_nonblocking(true).expect("a listener");
    let name = format!("{}/secret/app:1.0", elsewhere.local_addr().expect("an address"));
    fs::write(table.policy(), "version: 1\nimages:\n  \"registry.example.com/**\": { mode: disabled }\n")
        .expect("a policy");
    let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
    for path in ["/mutate", "/validate"] {
        let answered = webhook.ask(path, &pod(&[&name])).await;
        assert_eq!(answered.allowed(), path == "/mutate");
        assert!(answered.patch().is_empty());
    }
    let answered = webhook.ask("/validate", &pod(&[&name])).await;
    assert!(answered.message().contains("denied: no-policy: no scope of the policy matches"), "{answered:?}");
    assert_eq!(elsewhere.accept().expect_err("nobody came").kind(), io::ErrorKind::WouldBlock);
}

/// The names of this machine's files are no images.
#[tokio::test(flavor = "multi_thread")]
async fn no_layout_of_this_machine_is_read() {
    let (_registry, table): (_, Table) = small().await;
    let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
    let answered = webhook.ask("/validate", &pod(&["oci:/etc"])).await;
    assert!(answered.message().contains("denied: "), "{answered:?}");
}
