//! Registries are read with the pods' own pull secrets, and nobody's serve another.

use crate::{
    common::images::Table,
    webhook::{Webhook, answer, configure, pod, private},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use boltseal::registry::embedded::{Embedded, EmbeddedOptions, Exchange};
use http::StatusCode;
use serde_json::{Value, json};
use std::{fs, sync::Arc};

/// An API server with these secrets, by `namespace/name`, and an account that names one of them.
async fn api_server(secrets: Vec<(&'static str, Value)>) -> Embedded {
    let hook = move |exchange: &Exchange| {
        let missing = || {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound",
                "message": "not found", "code": 404,
            });
            answer(StatusCode::NOT_FOUND, &status)
        };
        let mut words = exchange.path().trim_start_matches("/api/v1/namespaces/").split('/');
        let (namespace, kind, name) = (words.next()?, words.next()?, words.next()?);
        let found = match kind {
            "serviceaccounts" if name == "builder" => Some(json!({
                "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": namespace },
                "imagePullSecrets": [{ "name": "regcred" }],
            })),
            "secrets" if namespace == "closed" => {
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden",
                    "message": "secrets is forbidden", "code": 403,
                });
                return Some(answer(StatusCode::FORBIDDEN, &status));
            }
            "secrets" => secrets.iter().find(|(place, _)| *place == format!("{namespace}/{name}")).map(|(_, auths)| {
                let content = STANDARD.encode(json!({ "auths": auths }).to_string());
                json!({
                    "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
                    "metadata": { "name": name, "namespace": namespace, "uid": namespace, "resourceVersion": "1" },
                    "data": { ".dockerconfigjson": content },
                })
            }),
            _ => None,
        };
        Some(found.map_or_else(missing, |found| answer(StatusCode::OK, &found)))
    };
    let options = EmbeddedOptions { hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() };
    Embedded::start(options).await.expect("an API server")
}

fn kubeconfig(table: &Table, server: &str) -> String {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters: [{{name: test, cluster: {{server: \"http://{server}\"}}}}]\n\
         users: [{{name: test, user: {{}}}}]\ncontexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n"
    );
    fs::write(table.file("kubeconfig"), text).expect("a file");
    table.file("kubeconfig")
}

// [V-330] [V-331]
#[tokio::test(flavor = "multi_thread")]
async fn a_private_image_is_read_with_the_pods_own_secrets_and_no_others() {
    let (_registry, table, _) = private("alice:s3cret").await;
    let entry = |password: &str| json!({ &table.address: { "auth": STANDARD.encode(password) } });
    let secrets = vec![("shop/regcred", entry("alice:s3cret")), ("wrong/regcred", entry("bob:guess"))];
    let server = api_server(secrets).await;
    let config = configure(&table, "pull-secrets = true", "");
    let kubeconfig = kubeconfig(&table, &server.address().to_string());
    let webhook = Webhook::start(&table, &config, &[("KUBECONFIG", &kubeconfig)]);
    let image = format!("{}@{}", table.find("signed").name, table.find("signed").served);
    let asked = |namespace: &str, secret: Option<&str>, account: Option<&str>| {
        let mut review = pod(&[&image]);
        review["request"]["namespace"] = namespace.into();
        let spec = &mut review["request"]["object"]["spec"];
        if let Some(name) = secret {
            spec["imagePullSecrets"] = json!([{ "name": name }]);
        }
        if let Some(account) = account {
            spec["serviceAccountName"] = account.into();
        }
        review
    };
    // Twice: what was allowed with one namespace's secrets is held, and not for another.
    for _ in 0..2 {
        for (namespace, secret, account, allowed) in [
            ("shop", Some("regcred"), None, true),
            ("shop", None, Some("builder"), true),
            // Names that are none are no part of a request.
            ("other", Some("../../shop/secrets/regcred"), None, false),
            ("other", None, Some("../../shop/serviceaccounts/builder"), false),
            ("other", None, None, false),
            ("other", Some("regcred"), None, false),
            ("wrong", Some("regcred"), None, false),
            ("closed", Some("regcred"), None, false),
        ] {
            let answered = webhook.ask("/validate", &asked(namespace, secret, account)).await;
            assert_eq!(answered.allowed(), allowed, "{namespace} {secret:?} {account:?}: {answered:?}");
            if !allowed {
                assert!(answered.message().contains("could not tell: "), "{answered:?}");
            }
        }
    }
    let said = format!("{:?}", webhook.log());
    assert!(!said.contains("s3cret") && !said.contains(&STANDARD.encode("alice:s3cret")), "{said}");
    assert!(
        server
            .requests()
            .iter()
            .all(|request| !request.path_and_query.contains("..") && !request.path_and_query.contains('%'))
    );
    // What it says counts for some seconds; that it refuses to say is asked again.
    assert!(server.requests().len() <= 8, "{}", server.requests().len());
    drop(server);
    tokio::time::sleep(boltseal::limits::PULL_SECRETS_HELD.0).await;
    let answered = webhook.ask("/validate", &asked("shop", Some("regcred"), None)).await;
    assert!(answered.message().contains("could not tell: the pull secret shop/regcred can't be read"), "{answered:?}");
}

// [V-330]
#[tokio::test(flavor = "multi_thread")]
async fn only_listed_namespaces_secrets_are_asked_for() {
    let (_registry, table, _) = private("alice:s3cret").await;
    let auth = json!({ &table.address: { "auth": STANDARD.encode("alice:s3cret") } });
    fs::write(table.file("auth.json"), json!({ "auths": auth }).to_string()).expect("a file");
    let server = api_server(vec![("closed/regcred", auth)]).await;
    let config = configure(&table, "pull-secrets = [\"closed\"]", "auth-file = \"auth.json\"\n");
    let kubeconfig = kubeconfig(&table, &server.address().to_string());
    let webhook = Webhook::start(&table, &config, &[("KUBECONFIG", &kubeconfig)]);
    let image = format!("{}@{}", table.find("signed").name, table.find("signed").served);
    // The one that is listed may not be asked for; the other one is judged with the operator's credentials.
    for (namespace, allowed, requests) in [("shop", true, 0), ("closed", false, 1)] {
        let mut review = pod(&[&image]);
        review["request"]["namespace"] = namespace.into();
        review["request"]["object"]["spec"]["imagePullSecrets"] = json!([{ "name": "regcred" }]);
        let answered = webhook.ask("/validate", &review).await;
        assert_eq!(answered.allowed(), allowed, "{namespace}: {answered:?}");
        assert_eq!(server.requests().len(), requests, "{namespace}");
    }
    // What was not judged is logged and counted as what was.
    let decisions: Vec<_> =
        webhook.log().iter().filter_map(|line| Some(line["decision"].as_str()?.to_owned())).collect();
    assert_eq!(decisions, ["allowed", "unknown"]);
    let odd = webhook.ask("/validate", &pod(&["r.example/A"])).await;
    assert!(!odd.allowed() && webhook.log().last().is_some_and(|line| line["decision"] == "denied"));
    let metrics = webhook.client().get(format!("https://{}/metrics", webhook.address)).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("a text");
    for decision in ["allowed", "unknown", "denied"] {
        assert!(metrics.contains(&format!("boltseal_decisions_total{{decision=\"{decision}\"}} 1")), "{metrics}");
    }
}
