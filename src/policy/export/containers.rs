//! containers-policy.json(5) and containers-registries.d(5).

use super::{ExportError, Exported, rules::Rule, scopes::Place, yaml};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const NOTES: [&str; 2] = [
    "images from anywhere but a registry (oci:, docker-archive:, ...) are rejected; local storage stays readable",
    "signatures are read from the platform's image in cosign's older form, as `boltseal sign` writes by default",
];

pub(super) fn write(rules: &BTreeMap<Place, Rule>) -> Result<Exported, ExportError> {
    let scopes: Map<_, _> = rules.iter().map(|(place, rule)| (place.text().to_owned(), requirements(rule))).collect();
    let policy = json!({ "default": [{ "type": "reject" }], "transports": { "docker": scopes } });
    // What asks for signatures comes last: before it can be in force, they are looked for.
    let files = vec![
        ("registries.d/boltseal.yaml", yaml(&attachments(rules))?.into_bytes()),
        ("policy.json", format!("{policy:#}\n").into_bytes()),
    ];
    Ok(Exported { files, notes: NOTES.to_vec() })
}

fn requirements(rule: &Rule) -> Value {
    match rule {
        Rule::Accept => json!([{ "type": "insecureAcceptAnything" }]),
        Rule::Signed { clauses, tag } => {
            let identity = if *tag { "matchExact" } else { "matchRepository" };
            let one = |clause: &Vec<crate::crypto::PublicKey>| {
                let data: Vec<_> = clause.iter().map(|key| STANDARD.encode(key.to_pem())).collect();
                // `keyDatas` is younger than `keyData`, and a field that is not known voids the whole file.
                let (field, data) = match data.as_slice() {
                    [one] => ("keyData", json!(one)),
                    several => ("keyDatas", json!(several)),
                };
                json!({ "type": "sigstoreSigned", field: data, "signedIdentity": { "type": identity } })
            };
            clauses.iter().map(one).collect()
        }
    }
}

/// Where signatures are looked for.
fn attachments(rules: &BTreeMap<Place, Rule>) -> Value {
    let look = json!({ "use-sigstore-attachments": true });
    let signed = || rules.iter().filter(|(_, rule)| matches!(rule, Rule::Signed { .. })).map(|(place, _)| place);
    let named = signed().filter(|place| **place != Place::Everything);
    let named: Map<_, _> = named.map(|place| (place.text().to_owned(), look.clone())).collect();
    if signed().any(|place| *place == Place::Everything) {
        return json!({ "default-docker": look, "docker": named });
    }
    json!({ "docker": named })
}
