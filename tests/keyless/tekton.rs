//! Provenance that Tekton Chains wrote: of a task's run, under the signature that Chains made with its operator's key; and
//! of pipelines' runs, of which no signature was kept, signed here with a test key.

use crate::{
    real::judged,
    sigstore::{b64, unb64},
};
use boltseal::{
    crypto::{PublicKey, keyfile},
    format::statement::Statement,
    sign::{LocalSigner, Signer, seal},
    verify::{BlobKind, LegacyMaterial},
};
use serde_json::{Value, json};
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

const CHAINS: &str = "https://tekton.dev/chains/v2";
const TASK_RUN: &str = "sha256:36585a13b5b5ff5a15138e9d16cc74eb3aac4560b77be15161d3b3db25b89e1d";

type Asked<'t> = [(&'t str, &'t str)];

fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("testdata/tekton/{name}")).expect(name)
}

fn ids(key: &PublicKey, digest: &str, envelope: &[u8], asked: &Asked) -> Vec<&'static str> {
    let evidence = (BlobKind::Envelope { material: LegacyMaterial::default() }, envelope.to_vec());
    judged("{ key: ci }", &|_| Ok(key.clone()), digest, evidence, asked)
}

/// Every text that differs from this one by its first, middle or last character, or has one more or less.
fn one_off(text: &str) -> Vec<String> {
    let at = |at: usize| format!("{}~{}", &text[..at], &text[at + 1..]);
    let mut all = vec![at(0), at(text.len() / 2), at(text.len() - 1), format!("{text}~")];
    all.push(text[..text.len() - 1].to_owned());
    all
}

fn only_as_stated(key: &PublicKey, digest: &str, envelope: &[u8], stated: &Asked) {
    assert_eq!(ids(key, digest, envelope, stated), Vec::<&str>::new());
    for at in 0..stated.len() {
        let (field, value) = stated[at];
        for other in one_off(value).into_iter().filter(|other| field != "ref" || other.starts_with("refs/")) {
            let mut changed = stated.to_vec();
            changed[at].1 = &other;
            changed.retain(|(name, _)| field != "build-type" || *name == field);
            assert_eq!(ids(key, digest, envelope, &changed)[0], format!("{field}-mismatch"), "{other}");
        }
    }
}

// [V-161] [V-162]
#[test]
fn what_tekton_chains_signed_is_good_for_what_it_states_and_for_nothing_else() {
    let key = PublicKey::from_pem_bytes(&data("task-run.pub")).expect("a key");
    let envelope = data("task-run.dsse.json");
    let stated = [("builder", CHAINS), ("build-type", "tekton.dev/v1beta1/TaskRun")];
    only_as_stated(&key, TASK_RUN, &envelope, &stated);
    // Its task was told of no git input, so Chains states none.
    for (field, value) in [("source", "https://**"), ("ref", "refs/**"), ("workflow", "kaniko*")] {
        assert_eq!(ids(&key, TASK_RUN, &envelope, &[(field, value)])[0], format!("{field}-mismatch"));
    }
    let other = signer().public_key().clone();
    assert!(!ids(&other, TASK_RUN, &envelope, &stated).is_empty(), "another's key");
    let other = TASK_RUN.replace("36585a", "36585b");
    assert!(!ids(&key, &other, &envelope, &stated).is_empty(), "another image");
    let mut forged: Value = serde_json::from_slice(&envelope).expect("JSON");
    let payload = unb64(forged["payload"].as_str().expect("a payload")).expect("base64");
    let payload = String::from_utf8(payload).expect("text").replacen("13:30:55Z", "13:30:56Z", 1);
    forged["payload"] = b64(payload.as_bytes()).into();
    let forged = forged.to_string();
    assert!(!ids(&key, TASK_RUN, forged.as_bytes(), &stated).is_empty(), "another payload");
}

fn signer() -> LocalSigner {
    let pem = std::fs::read("testdata/keys/p256-pkcs8.test.pem").expect("a key");
    LocalSigner::new(keyfile::decode(&pem, &mut || unreachable!("not encrypted")).expect("a key"))
}

fn signed(statement: &Value) -> (String, Vec<u8>) {
    let digest = format!("sha256:{}", statement["subject"][0]["digest"]["sha256"].as_str().expect("a digest"));
    let statement = Statement::decode(&serde_json::to_vec(statement).expect("JSON")).expect("a statement");
    // A local signer's future is ready at once.
    let Poll::Ready(envelope) = pin!(seal(statement.encode(), &signer())).poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("a local signer waits for nothing")
    };
    (digest, envelope.expect("it signs").encode())
}

// [V-161] [V-162]
#[test]
fn what_tekton_chains_wrote_is_good_for_what_it_states_and_for_nothing_else() {
    let key = signer().public_key().clone();
    let inputs = [("builder", CHAINS), ("source", "gitspam.spam/spam/spam")];
    for (name, stated, parameters) in [
        (
            "pipeline-run-v0.2.json",
            vec![("build-type", "tekton.dev/v1beta1/PipelineRun")],
            "/predicate/invocation/parameters",
        ),
        (
            "pipeline-run-v1.json",
            vec![("build-type", "https://tekton.dev/chains/v2/slsa"), ("workflow", "simple-build")],
            "/predicate/buildDefinition/externalParameters/runSpec/params",
        ),
    ] {
        let mut statement: Value = serde_json::from_slice(&data(name)).expect("JSON");
        let stated = [&inputs[..], &stated].concat();
        let (digest, envelope) = signed(&statement);
        only_as_stated(&key, &digest, &envelope, &stated);
        assert_eq!(ids(&key, &digest, &envelope, &[("ref", "refs/**")])[0], "ref-mismatch", "{name} states none");
        // As a run states it whose pipeline has the parameter.
        match statement.pointer_mut(parameters).expect("parameters") {
            Value::Array(list) => list.push(json!({ "name": "revision", "value": "refs/tags/v1.2.0" })),
            members => members["revision"] = "refs/tags/v1.2.0".into(),
        }
        let (digest, envelope) = signed(&statement);
        only_as_stated(&key, &digest, &envelope, &[&stated[..], &[("ref", "refs/tags/v1.2.0")]].concat());
    }
}
