//! Rekor v1's API (rekor's openapi.yaml): entries, and what is asked of the log itself.

use super::super::{Body, PrivateSigstore, Rekor1, bodies::dsse_v1_of, unb64};
use super::{Answer, Asked};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

const ENTRIES: &str = "/api/v1/log/entries";

pub fn answer(services: &PrivateSigstore, asked: &Asked) -> Result<Answer, Answer> {
    let rekor = &services.rekor1;
    match (&asked.method, asked.path.as_str()) {
        (&Method::POST, ENTRIES) => create(rekor, asked),
        (&Method::POST, "/api/v1/log/entries/retrieve") => retrieve(rekor, asked),
        (&Method::GET, "/api/v1/log/publicKey") => Ok(Answer::new(200, "application/x-pem-file", rekor.log.key.pem())),
        (&Method::GET, "/api/v1/log") => {
            let checkpoint = rekor.log.checkpoint();
            let lines: Vec<_> = checkpoint.lines().collect();
            let root = hex::encode(unb64(lines[2]).expect("a root"));
            let size: u64 = lines[1].parse().expect("a size");
            let answer = json!({
                "rootHash": root, "treeSize": size, "signedTreeHead": checkpoint, "treeID": rekor.tree_id.to_string(),
                "inactiveShards": [],
            });
            Ok(Answer::json(200, &answer))
        }
        (&Method::GET, path) => {
            let index = asked.query.strip_prefix("logIndex=");
            let wanted = path.strip_prefix(ENTRIES).unwrap_or_default().trim_start_matches('/');
            let is = |entry: &Value| match index {
                Some(index) => entry["logIndex"] == index,
                // With or without the tree's id.
                None => !wanted.is_empty() && uuid(rekor, entry).ends_with(wanted),
            };
            match rekor.entries().iter().find(|entry| is(entry)) {
                Some(entry) => Ok(Answer::json(200, &keyed(rekor, entry))),
                None => Err(Answer::refusal(404, "entry not found")),
            }
        }
        _ => Err(Answer::refusal(405, "not this method")),
    }
}

fn create(rekor: &Rekor1, asked: &Asked) -> Result<Answer, Answer> {
    let proposal: Value = serde_json::from_slice(&asked.body).map_err(Answer::bad)?;
    let body = logged(&proposal).ok_or_else(|| Answer::bad("this is no entry"))?;
    let uuid = rekor.uuid(&body.canonical());
    let at = format!("{ENTRIES}/{uuid}");
    if rekor.find(&body).is_some() {
        let message = format!("an equivalent entry already exists in the transparency log with UUID {uuid}");
        return Err(Answer::refusal(409, message).header("location", &at));
    }
    let entry = rekor.add(&body, Timestamp::now());
    Ok(Answer::json(201, &keyed(rekor, &entry)).header("location", &at).header("etag", &uuid))
}

/// Search by uuid, index or proposal.
fn retrieve(rekor: &Rekor1, asked: &Asked) -> Result<Answer, Answer> {
    let query: Value = serde_json::from_slice(&asked.body).map_err(Answer::bad)?;
    let list = |name: &str| query[name].as_array().cloned().unwrap_or_default();
    let mut wanted: Vec<_> = list("entryUUIDs").iter().filter_map(|uuid| uuid.as_str().map(str::to_owned)).collect();
    wanted.extend(list("entries").iter().filter_map(logged).map(|body| rekor.uuid(&body.canonical())));
    let indices: Vec<_> = list("logIndexes").iter().map(ToString::to_string).collect();
    let is = |entry: &Value| {
        let uuid = uuid(rekor, entry);
        wanted.iter().any(|wanted| uuid.ends_with(wanted)) || indices.iter().any(|index| entry["logIndex"] == **index)
    };
    let found: Vec<_> = rekor.entries().iter().filter(|entry| is(entry)).map(|entry| keyed(rekor, entry)).collect();
    Ok(Answer::json(200, &json!(found)))
}

/// What is logged of a proposal.
fn logged(proposal: &Value) -> Option<Body> {
    let spec = &proposal["spec"];
    match (proposal["kind"].as_str()?, proposal["apiVersion"].as_str()?) {
        ("hashedrekord", "0.0.1") => {
            let (hash, signature) = (&spec["data"]["hash"], &spec["signature"]);
            unb64(signature["content"].as_str()?)?;
            unb64(signature["publicKey"]["content"].as_str()?)?;
            hex::decode(hash["value"].as_str()?).ok()?;
            let spec = json!({
                "data": { "hash": { "algorithm": hash["algorithm"].as_str()?, "value": hash["value"] } },
                "signature": {
                    "content": signature["content"], "publicKey": { "content": signature["publicKey"]["content"] },
                },
            });
            Some(Body { kind: "hashedrekord", version: "0.0.1", spec })
        }
        ("dsse", "0.0.1") => {
            let proposed = &spec["proposedContent"];
            let verifiers = proposed["verifiers"].as_array()?.iter();
            let verifiers: Option<Vec<_>> = verifiers.map(|one| Some(one.as_str()?.to_owned())).collect();
            dsse_v1_of(proposed["envelope"].as_str()?, &verifiers?)
        }
        ("intoto", "0.0.2") => {
            let mut content = spec["content"].clone();
            content["envelope"].as_object_mut()?.remove("payload");
            content["hash"]["value"].as_str()?;
            content["payloadHash"]["value"].as_str()?;
            Some(Body { kind: "intoto", version: "0.0.2", spec: json!({ "content": content }) })
        }
        _ => None,
    }
}

fn uuid(rekor: &Rekor1, entry: &Value) -> String {
    rekor.uuid(&entry["canonicalizedBody"].as_str().and_then(unb64).expect("a body"))
}

/// An entry as the API answers it, under its uuid.
fn keyed(rekor: &Rekor1, entry: &Value) -> Value {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok()).expect("a number");
    let as_hex = |value: &Value| hex::encode(value.as_str().and_then(unb64).expect("base64"));
    let proof = &entry["inclusionProof"];
    let hashes: Vec<_> = proof["hashes"].as_array().expect("hashes").iter().map(as_hex).collect();
    json!({ uuid(rekor, entry): {
        "body": entry["canonicalizedBody"],
        "integratedTime": number(&entry["integratedTime"]),
        "logID": as_hex(&entry["logId"]["keyId"]),
        "logIndex": number(&entry["logIndex"]),
        "verification": {
            "inclusionProof": {
                "checkpoint": proof["checkpoint"]["envelope"], "hashes": hashes, "logIndex": number(&proof["logIndex"]),
                "rootHash": as_hex(&proof["rootHash"]), "treeSize": number(&proof["treeSize"]),
            },
            "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        },
    } })
}
