//! `boltseal serve admission` as a process, and reviews sent to it as an API server sends them.

#![allow(dead_code, reason = "each test binary uses its part")]

use crate::common::images::Table;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use boltseal::registry::embedded::{Answer, Embedded, EmbeddedOptions, Exchange};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A running webhook; it is stopped when it is dropped.
pub struct Webhook {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// The certificate of its authority, PEM.
    pub authority: String,
    client: reqwest::Client,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes the settings: on any port, with a certificate of its own, by the table's policy; `head` stands before the tables.
pub fn configure(table: &Table, head: &str, more: &str) -> String {
    let authority_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).expect("a certificate").pem();
    let issuer = Issuer::from_params(&params, authority_key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "boltseal.boltseal.svc".to_owned()]);
    let leaf = leaf.expect("names").signed_by(&key, &issuer).expect("a certificate");
    for (name, content) in [("tls.crt", leaf.pem()), ("tls.key", key.serialize_pem()), ("ca.crt", authority)] {
        fs::write(table.file(name), content).expect("a file");
    }
    let lock =
        if fs::exists(table.file("boltseal.lock")).unwrap_or_default() { "lock = \"boltseal.lock\"\n" } else { "" };
    let text = format!(
        "{head}\n[server]\nlisten = \"127.0.0.1:0\"\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n\
         [judge]\npolicy = \"policy.yaml\"\nstate = \"state\"\n{lock}{more}"
    );
    let path = table.file("admission.toml");
    fs::write(&path, text).expect("a file");
    path
}

impl Webhook {
    /// Starts it with the settings at this path.
    pub fn start(table: &Table, config: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = table.machine.command();
        command.args(["serve", "admission", "--config", config]).envs(variables.iter().copied());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (out, lines) = (process.stdout.take().expect("a pipe"), Arc::clone(&log));
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                lines.lock().expect("whole").push(line);
            }
        });
        let patience = Instant::now() + Duration::from_secs(60);
        let address = loop {
            let started = log.lock().expect("whole").iter().find_map(|line: &Value| {
                let said = line["message"].as_str()?.strip_prefix("listening at ")?;
                Some(said.split(',').next()?.to_owned())
            });
            if let Some(address) = started {
                break address;
            }
            if let Ok(Some(status)) = process.try_wait() {
                let mut said = String::new();
                let _ = process.stderr.take().expect("a pipe").read_to_string(&mut said);
                panic!("it ended: {status}: {said}");
            }
            assert!(Instant::now() < patience, "it does not listen");
            thread::sleep(Duration::from_millis(20));
        };
        let authority = fs::read_to_string(table.file("ca.crt")).expect("a certificate");
        let root = reqwest::Certificate::from_pem(authority.as_bytes()).expect("a certificate");
        let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().expect("a client");
        Self { process, address, authority, client, log }
    }

    pub fn process(&self) -> u32 {
        self.process.id()
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// What it has logged.
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().expect("whole").clone()
    }

    /// Posts bytes; the code and the answer.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        self.send(path, body).await.expect("an answer")
    }

    /// As [`Self::post`]; an error, where the connection broke off.
    pub async fn send(&self, path: &str, body: impl Into<reqwest::Body>) -> Result<(u16, String), reqwest::Error> {
        let request = self.client.post(format!("https://{}{path}", self.address));
        let answer = request.header("Content-Type", "application/json").body(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Sends a review, and has its answer.
    pub async fn ask(&self, path: &str, review: &Value) -> Answered {
        let (code, text) = self.post(path, review.to_string()).await;
        assert_eq!(code, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let named = (&answer["apiVersion"], &answer["kind"], &answer["response"]["uid"]);
        assert_eq!(named, (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"), &review["request"]["uid"]));
        Answered(answer["response"].clone())
    }

    /// What a cluster makes of an object: first one webhook, with its patch the other.
    pub async fn admit(&self, review: &Value) -> (Value, Answered) {
        let mut review = review.clone();
        self.ask("/mutate?timeout=10s", &review).await.apply(&mut review["request"]["object"]);
        let answered = self.ask("/validate?timeout=10s", &review).await;
        (review["request"]["object"].clone(), answered)
    }
}

/// What a webhook answered.
#[derive(Clone, Debug)]
pub struct Answered(pub Value);

impl Answered {
    pub fn allowed(&self) -> bool {
        self.0["allowed"].as_bool().expect("allowed or not")
    }

    pub fn message(&self) -> &str {
        self.0["status"]["message"].as_str().unwrap_or_default()
    }

    pub fn warnings(&self) -> Vec<&str> {
        self.0["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// What the patch says, as places and new names.
    pub fn patch(&self) -> Vec<(String, String)> {
        let Some(patch) = self.0["patch"].as_str() else { return Vec::new() };
        let patch: Value = serde_json::from_slice(&STANDARD.decode(patch).expect("base64")).expect("JSON");
        let text = |operation: &Value, member: &str| operation[member].as_str().expect("a text").to_owned();
        let operations = patch.as_array().expect("a list").iter();
        operations
            .inspect(|operation| assert_eq!(operation["op"], "replace"))
            .map(|operation| (text(operation, "path"), text(operation, "value")))
            .collect()
    }

    fn apply(&self, object: &mut Value) {
        assert!(self.allowed(), "the mutating webhook refuses nothing: {self:?}");
        for (path, value) in self.patch() {
            *object.pointer_mut(&path).expect("a place") = value.into();
        }
    }
}

/// A review of a new pod with these images.
pub fn pod(images: &[&str]) -> Value {
    let containers: Vec<_> =
        (0..images.len()).map(|at| json!({ "name": format!("c{at}"), "image": images[at] })).collect();
    review("CREATE", &json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "containers": containers } }))
}

pub fn review(operation: &str, object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "4a7c1f0e", "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" }, "name": "cart", "namespace": "shop",
            "operation": operation, "userInfo": { "username": "admin" }, "object": object, "oldObject": null,
            "dryRun": false, "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        },
    })
}

/// An answer of a server that is made up.
pub fn answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(body.to_string().into()).map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A registry that wants this password once it is locked, with a signed image.
pub async fn private(password: &'static str) -> (Embedded, Table, Arc<AtomicBool>) {
    let locked = Arc::new(AtomicBool::new(false));
    let (asked, wanted) = (Arc::clone(&locked), format!("Basic {}", STANDARD.encode(password)));
    let hook = move |exchange: &Exchange| {
        let given = exchange.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if !asked.load(Ordering::Relaxed) || given == Some(&wanted) {
            return None;
        }
        let mut refused = answer(StatusCode::UNAUTHORIZED, &json!({ "errors": [{ "code": "UNAUTHORIZED" }] }));
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"test\""));
        Some(refused)
    };
    let options = EmbeddedOptions { hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() };
    let registry = Embedded::start(options).await.expect("a registry");
    let table = Table::small(&registry.address().to_string()).await;
    locked.store(true, Ordering::Relaxed);
    (registry, table, locked)
}
