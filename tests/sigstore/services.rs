//! The services over HTTP: a client signs against them, and they fail when they are told to.

use super::{CONTENT, ISSUER, JANE, verify};
use crate::sigstore::{
    Bundle, Content, Digest, Hash, Identity, Issued, Key, Material, PrivateSigstore, Signing, Verifier, Version, b64,
    bodies::hashedrekord_v1,
    server::{Endpoint, Sigstore},
    unb64,
};
use jiff::Timestamp;
use reqwest::{Client, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Signs as a client does: a certificate, a log's entry, a timestamp.
async fn sign(started: &Sigstore, rekor: u32) -> Result<Value, StatusCode> {
    let key = Key::p256();
    let token = started.services.oidc.email_token(JANE, Timestamp::now());
    let request = json!({
        "credentials": { "oidcIdentityToken": token },
        "publicKeyRequest": {
            "publicKey": { "algorithm": "ECDSA", "content": key.pem() },
            "proofOfPossession": b64(&key.sign(JANE.as_bytes())),
        },
    });
    let answer = json(post(started, "/api/v2/signingCert", &request).await).await?;
    let pem = answer["signedCertificateEmbeddedSct"]["chain"]["certificates"][0].as_str().expect("a certificate");
    let body: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    let leaf = unb64(&body).expect("base64");
    let (signature, digest) = (key.sign(CONTENT), Digest::of(Hash::Sha256, CONTENT));
    let verifier = Verifier::certificate(&leaf, &key);
    let entry = if rekor == 1 {
        let proposal = hashedrekord_v1(&digest, &signature, &verifier).canonical();
        let proposal = serde_json::from_slice(&proposal).expect("JSON");
        in_a_bundle(&json(post(started, "/api/v1/log/entries", &proposal).await).await?)
    } else {
        let signature = json!({ "content": b64(&signature), "verifier": verifier.json() });
        let request = json!({ "hashedRekordRequestV002": { "digest": b64(&digest.value), "signature": signature } });
        json(post(started, "/api/v2/log/entries", &request).await).await?
    };
    let request = json!({
        "artifactHash": b64(&Hash::Sha256.of(&signature)), "hashAlgorithm": "sha256", "nonce": 40_000, "certificates": true,
    });
    let stamp = post(started, "/api/v1/timestamp", &request).await;
    let stamp = stamp.error_for_status().map_err(|e| e.status().expect("a status"))?;
    let bundle = Bundle {
        version: Version::V03,
        material: Material::Certificate(Issued { leaf, chain: vec![] }),
        entries: vec![entry],
        timestamps: vec![stamp.bytes().await.expect("bytes").to_vec()],
        content: Content::Message { digest, signature },
    };
    Ok(bundle.json())
}

/// An entry as Rekor v1 answers it, as bundles have it.
fn in_a_bundle(answer: &Value) -> Value {
    let entry = answer.as_object().and_then(|answer| answer.values().next()).expect("an entry");
    let (verification, text) = (&entry["verification"], |value: &Value| value.to_string());
    let of_hex = |value: &Value| b64(&hex::decode(value.as_str().expect("hex")).expect("hex"));
    let proof = &verification["inclusionProof"];
    json!({
        "logIndex": text(&entry["logIndex"]),
        "logId": { "keyId": of_hex(&entry["logID"]) },
        "kindVersion": { "kind": "hashedrekord", "version": "0.0.1" },
        "integratedTime": text(&entry["integratedTime"]),
        "inclusionPromise": { "signedEntryTimestamp": verification["signedEntryTimestamp"] },
        "inclusionProof": {
            "logIndex": text(&proof["logIndex"]),
            "rootHash": of_hex(&proof["rootHash"]),
            "treeSize": text(&proof["treeSize"]),
            "hashes": proof["hashes"].as_array().expect("hashes").iter().map(of_hex).collect::<Vec<_>>(),
            "checkpoint": { "envelope": proof["checkpoint"] },
        },
        "canonicalizedBody": entry["body"],
    })
}

#[tokio::test]
async fn a_client_signs() {
    let started = Sigstore::start().await;
    for rekor in [1, 2] {
        let bundle = sign(&started, rekor).await.expect("a bundle");
        assert_eq!(verify(&started.services, &bundle), Ok(()), "{rekor}");
        assert!(verify(&PrivateSigstore::new(), &bundle).is_err());
    }
    assert_eq!((started.count(Endpoint::Fulcio), started.count(Endpoint::Timestamp)), (2, 2));
    assert_eq!((started.count(Endpoint::Rekor1), started.count(Endpoint::Rekor2)), (1, 1));
    assert!(started.requests().iter().all(|request| request.refusal.is_none()), "{:?}", started.requests());
}

#[tokio::test]
async fn services_fail_when_they_are_told_to() {
    let started = Sigstore::start().await;
    for (endpoint, status) in [(Endpoint::Fulcio, 503), (Endpoint::Rekor1, 429), (Endpoint::Timestamp, 500)] {
        started.fail(endpoint, 1, status, None);
        assert_eq!(sign(&started, 1).await.map_err(|status| status.as_u16()), Err(status));
    }
    sign(&started, 1).await.expect("a bundle");

    started.fail(Endpoint::Rekor2, 2, 429, Some(7));
    started.delay(Endpoint::Rekor2, Duration::from_millis(60));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let from = Instant::now();
        let answer = get(&started, "/api/v2/checkpoint").await;
        assert!(from.elapsed() >= Duration::from_millis(60));
        let after = answer.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
        statuses.push((answer.status().as_u16(), after));
    }
    let busy = (429, Some("7".to_owned()));
    assert_eq!(statuses, [busy.clone(), busy, (200, None)]);
    assert_eq!(started.count(Endpoint::Rekor2), 3);
}

#[tokio::test]
async fn fulcio_wants_its_own_token_and_the_key() {
    let started = Sigstore::start().await;
    let (now, key) = (Timestamp::now(), Key::p256());
    let ask = async |token: String, proof: Vec<u8>| {
        let request = json!({
            "credentials": { "oidcIdentityToken": token },
            "publicKeyRequest": {
                "publicKey": { "algorithm": "ECDSA", "content": key.pem() }, "proofOfPossession": b64(&proof),
            },
        });
        let answer = post(&started, "/api/v2/signingCert", &request).await;
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let good = || started.services.oidc.email_token(JANE, now);
    let (status, text) = ask(good(), key.sign(JANE.as_bytes())).await;
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let chain = &answer["signedCertificateEmbeddedSct"]["chain"]["certificates"];
    assert_eq!(chain.as_array().map(Vec::len), Some(3));
    assert_eq!(ask(good(), key.sign(b"joe@example.com")).await.0, 400);
    assert_eq!(ask(good(), Key::p256().sign(JANE.as_bytes())).await.0, 400);
    let stranger = PrivateSigstore::new().oidc.email_token(JANE, now);
    assert_eq!(ask(stranger, key.sign(JANE.as_bytes())).await.0, 401);
    let old = started.services.oidc.token(&json!({ "sub": JANE, "exp": now.as_second() - 1 }), now);
    assert_eq!(ask(old, key.sign(JANE.as_bytes())).await.0, 401);
}

#[tokio::test]
async fn rekor_has_an_entry_once() {
    let started = Sigstore::start().await;
    let services = PrivateSigstore::new();
    let signing = Signing::keyless(&services, Identity::email(ISSUER, JANE), Timestamp::now());
    let bundle = signing.blob(CONTENT);
    let body = bundle["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"].as_str().expect("a body");
    let proposal: Value = serde_json::from_slice(&unb64(body).expect("base64")).expect("JSON");
    let first = post(&started, "/api/v1/log/entries", &proposal).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let (uuid, location) = (header(&first, "etag"), header(&first, "location"));
    let entry: Value = serde_json::from_str(&first.text().await.expect("text")).expect("JSON");
    assert_eq!(entry[&uuid]["body"], body);
    let second = post(&started, "/api/v1/log/entries", &proposal).await;
    assert_eq!((second.status(), header(&second, "location")), (StatusCode::CONFLICT, location.clone()));
    let found = json(get(&started, &location).await).await.expect("an entry");
    assert_eq!(found, entry);
    assert_eq!(get(&started, "/api/v1/log/entries/00").await.status(), StatusCode::NOT_FOUND);
    let nonsense = post(&started, "/api/v1/log/entries", &json!({ "kind": "hashedrekord" })).await;
    assert_eq!(nonsense.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_browser_is_sent_back_with_a_code() {
    let started = Sigstore::start().await;
    let discovery = json(get(&started, "/.well-known/openid-configuration").await).await.expect("JSON");
    assert_eq!(discovery["issuer"], started.url.as_str());
    // BASE64URL(SHA256("verifier"))
    let challenge = "iMnq5o6zALKXGivsnlom_0F5_WYda32GHkxlV7mq7hQ";
    let asked = format!("redirect_uri=http://localhost:1/cb&state=s1&nonce=n1&code_challenge={challenge}");
    let back = header(&get(&started, &format!("/auth?{asked}")).await, "location");
    let code =
        back.strip_prefix("http://localhost:1/cb?code=").expect("a code").strip_suffix("&state=s1").expect("a state");
    let exchange = async |verifier: &str| {
        let form = format!("grant_type=authorization_code&code={code}&code_verifier={verifier}");
        client().post(format!("{}/token", started.url)).body(form).send().await.expect("an answer")
    };
    assert_eq!(exchange("another").await.status(), StatusCode::BAD_REQUEST);
    let answer = json(exchange("verifier").await).await.expect("a token");
    let token = answer["id_token"].as_str().expect("a token");
    let claims = started.services.oidc.check(token, Timestamp::now()).expect("claims");
    assert_eq!((&claims["nonce"], &claims["email"]), (&json!("n1"), &json!(JANE)));
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).no_proxy().build().expect("a client")
}

async fn get(started: &Sigstore, path: &str) -> Response {
    client().get(format!("{}{path}", started.url)).send().await.expect("an answer")
}

async fn post(started: &Sigstore, path: &str, body: &Value) -> Response {
    let request = client().post(format!("{}{path}", started.url)).header("content-type", "application/json");
    request.body(body.to_string()).send().await.expect("an answer")
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}

/// The JSON of an answer that is no refusal.
async fn json(answer: Response) -> Result<Value, StatusCode> {
    let answer = answer.error_for_status().map_err(|e| e.status().expect("a status"))?;
    Ok(serde_json::from_str(&answer.text().await.expect("text")).expect("JSON"))
}
