//! The admission webhook as an API server drives it: reviews over TLS, answers within its time.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/webhook.rs"]
mod webhook;

mod closed;
mod secrets;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use common::images::{Expected, Table};
use serde_json::Value;
use std::fs;
use webhook::{Webhook, configure, pod, review};

async fn table() -> (Embedded, Table) {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = Table::build(&registry.address().to_string()).await;
    (registry, table)
}

async fn small() -> (Embedded, Table) {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = Table::small(&registry.address().to_string()).await;
    (registry, table)
}

// [V-320] [V-323] [V-324]
#[tokio::test(flavor = "multi_thread")]
async fn each_image_of_the_table_is_answered() {
    let (_registry, table) = table().await;
    let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
    for row in &table.rows {
        for name in [row.by_tag(), row.by_digest()] {
            let (object, answered) = webhook.admit(&pod(&[&name])).await;
            let image = object["spec"]["containers"][0]["image"].as_str().expect("an image");
            // Without its tag, what a moved tag serves is what it was signed as.
            let by_digest = name.contains('@');
            let expected = match &row.expected {
                Expected::Allowed(_) if by_digest => Expected::Allowed(row.served.clone()),
                Expected::Denied("not-listed" | "rollback") if by_digest => Expected::Denied(""),
                expected => expected.clone(),
            };
            let message = answered.message();
            match expected {
                Expected::Allowed(digest) => {
                    assert!(answered.allowed(), "{name}: {message}");
                    assert!(image.starts_with(&name) && image.ends_with(&format!("@{digest}")), "{name}: {image}");
                }
                Expected::Denied(id) => {
                    assert!(!answered.allowed(), "{}: {name}", row.what);
                    assert!(message.contains("denied: ") && message.contains(id), "{}: {message}", row.what);
                    assert_eq!(answered.0["status"]["code"], 403, "{message}");
                    assert_eq!(image, name);
                }
                Expected::Unknown => {
                    assert!(message.contains("could not tell: "), "{}: {message}", row.what);
                    assert_eq!(answered.0["status"]["code"], 503, "{message}");
                }
            }
        }
    }
    // What was decided stands in the log, with the object that it was decided for.
    let log = webhook.log();
    let unsigned = table.find("unsigned").name.as_str();
    let line = log.iter().find(|line| line["asked"].as_str().is_some_and(|asked| asked.contains(unsigned)));
    let line = line.unwrap_or_else(|| panic!("{unsigned} is not in the log"));
    assert_eq!((&line["event"], &line["decision"]), (&Value::from("decision"), &Value::from("denied")), "{line}");
    assert!(
        line["asked"].as_str().is_some_and(|asked| asked.starts_with("CREATE Pod shop/cart /spec/containers/0/image "))
    );
}

/// A review that Kubernetes sent, for images of this table.
fn sent(table: &Table, name: &str) -> Value {
    let path = format!("{}/testdata/kubernetes/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("a review");
    let (good, evil) = (table.find("signed"), table.find("unsigned"));
    let text = text.replace("sha256:b25b8709db2e909d3fab91801b44ffa119b84b92623748e72f346ac67d13b6e3", &good.served);
    let text = text.replace("registry.example.test/app:good", &good.name);
    let text = text.replace("registry.example.test/app:multi", &good.name);
    serde_json::from_str(&text.replace("registry.example.test/app:evil", &evil.name)).expect("JSON")
}

// [V-320] [V-321] [V-322] [V-323] [V-324]
#[tokio::test(flavor = "multi_thread")]
async fn the_reviews_that_kubernetes_sends_are_answered() {
    let (_registry, table) = small().await;
    let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
    for (name, patched, refused) in [
        ("pod", &["/spec/containers/0/image", "/spec/initContainers/0/image"][..], None),
        ("pod-volume-evil", &["/spec/containers/0/image"], Some("/spec/volumes/0/image/reference")),
        ("pod-volume", &["/spec/containers/0/image", "/spec/volumes/0/image/reference"], None),
        ("pod-pinned", &[], None),
        ("debug", &[], Some("/spec/ephemeralContainers/0/image")),
        ("debug-pinned", &[], None),
        ("deployment", &[], Some("/spec/template/spec/containers/0/image")),
        ("cronjob", &[], Some("/spec/jobTemplate/spec/template/spec/containers/0/image")),
        ("podtemplate", &[], Some("/template/spec/containers/0/image")),
        ("replicationcontroller", &[], Some("/spec/template/spec/containers/0/image")),
    ] {
        let review = sent(&table, name);
        let patch = webhook.ask("/mutate?timeout=10s", &review).await.patch();
        let digest = &table.find("signed").served;
        assert!(patch.iter().all(|(_, value)| value.ends_with(&format!("@{digest}"))), "{name}: {patch:?}");
        assert_eq!(patch.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), patched, "{name}");
        let (_, answered) = webhook.admit(&review).await;
        match refused {
            None => assert!(answered.allowed(), "{name}: {}", answered.message()),
            Some(place) => {
                let message = answered.message();
                assert!(!answered.allowed() && message.contains(&format!("boltseal: {place}: ")), "{name}: {message}");
                assert!(message.contains("denied: unsigned"), "{name}: {message}");
            }
        }
    }
}

// [V-325]
#[tokio::test(flavor = "multi_thread")]
async fn who_is_only_told_is_let_in_as_it_is() {
    let (_registry, table) = small().await;
    let (good, evil) = (table.find("signed").name.clone(), table.find("unsigned").name.clone());
    for (effect, warned) in [("warn", true), ("audit", false)] {
        let webhook = Webhook::start(&table, &configure(&table, &format!("effect = {effect:?}"), ""), &[]);
        assert!(webhook.ask("/mutate", &pod(&[&evil])).await.patch().is_empty());
        assert!(webhook.log().iter().all(|line| line["event"] != "decision"), "what changes nothing judges nothing");
        let (object, answered) = webhook.admit(&pod(&[&good, &evil])).await;
        assert!(answered.allowed());
        assert_eq!(object["spec"]["containers"][0]["image"], Value::from(good.as_str()), "{effect} changes nothing");
        let warnings = answered.warnings();
        assert_eq!(warnings.iter().any(|warning| warning.contains(&evil)), warned, "{effect}: {warnings:?}");
        let told = answered.0["auditAnnotations"]["would-refuse"].as_str().expect("the audit log is told");
        assert!(told.contains("/spec/containers/1/image") && told.contains("unsigned"), "{told}");
    }
}

// [V-328]
#[tokio::test(flavor = "multi_thread")]
async fn a_named_policy_asks_for_more_and_never_for_less() {
    let (_registry, table) = small().await;
    let (good, evil) = (table.find("signed").name.clone(), table.find("unsigned").name.clone());
    let anything = "version: 1\nmode: disabled\nimages:\n  \"**\": {}\n";
    let nothing = "version: 1\nimages: {}\n";
    for (name, text) in [("dev", anything), ("strict", nothing)] {
        fs::write(table.file(&format!("{name}.yaml")), text).expect("a policy");
    }
    let head = "[policies]\ndev = \"dev.yaml\"\nstrict = \"strict.yaml\"\n";
    let webhook = Webhook::start(&table, &configure(&table, head, ""), &[]);
    let pinned = format!("{good}@{}", table.find("signed").served);
    for (path, image, part) in [
        ("/validate", &pinned, None),
        ("/validate/dev", &pinned, None),
        ("/validate/dev", &evil, Some("denied: unsigned")),
        ("/validate/strict", &pinned, Some("denied: no-policy")),
    ] {
        let answered = webhook.ask(path, &pod(&[image])).await;
        assert_eq!(answered.allowed(), part.is_none(), "{path}: {answered:?}");
        assert!(answered.message().contains(part.unwrap_or_default()), "{path}: {answered:?}");
    }
    for path in ["/validate/other", "/validate/", "/validate/dev/x", "/", "/mutates"] {
        let (code, text) = webhook.post(path, pod(&[&pinned]).to_string()).await;
        assert_eq!(code, 404, "{path}: {text}");
        let told: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&told["kind"], &told["code"]), (&Value::from("Status"), &Value::from(404)));
    }
    // Where the server's own policy judges nothing, the named one is what puts digests to names.
    drop(webhook);
    fs::copy(table.policy(), table.file("strict.yaml")).expect("a policy");
    fs::write(table.policy(), anything).expect("a policy");
    let webhook = Webhook::start(&table, &configure(&table, head, ""), &[]);
    assert!(webhook.ask("/mutate", &pod(&[&good])).await.patch().is_empty());
    assert_eq!(
        webhook.ask("/mutate/strict", &pod(&[&good, &evil])).await.patch(),
        [("/spec/containers/0/image".to_owned(), pinned.clone())]
    );
    for (image, allowed) in [(&good, false), (&pinned, true), (&evil, false)] {
        assert!(webhook.ask("/validate", &pod(&[image])).await.allowed());
        assert_eq!(webhook.ask("/validate/strict", &pod(&[image])).await.allowed(), allowed, "{image}");
    }
}

// [V-322]
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_already_is_not_held_up() {
    let (_registry, table) = small().await;
    let webhook = Webhook::start(&table, &configure(&table, "", ""), &[]);
    let evil = table.find("unsigned").name.clone();
    let old = pod(&[&evil])["request"]["object"].clone();
    let mut annotated = review("UPDATE", &old);
    annotated["request"]["oldObject"] = old.clone();
    annotated["request"]["object"]["metadata"] = serde_json::json!({ "annotations": { "a": "b" } });
    assert!(webhook.admit(&annotated).await.1.allowed());
    annotated["request"]["object"]["spec"]["containers"][0]["image"] = format!("{evil}-2").into();
    assert!(!webhook.admit(&annotated).await.1.allowed());
    let mut deleted = review("DELETE", &Value::Null);
    deleted["request"]["oldObject"] = old;
    assert!(webhook.admit(&deleted).await.1.allowed());
}
