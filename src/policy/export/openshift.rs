//! OpenShift's `ClusterImagePolicy` (config.openshift.io/v1), one object for each key of each scope: objects of one
//! scope all have to be met. What no scope matches is rejected by the list of allowed registries beside them.

use super::{ExportError, Exported, Inexpressible, rules::Rule, scopes::Place, yaml};
use crate::{crypto::PublicKey, oci::Digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOTES: [&str; 3] = [
    "the list of allowed registries replaces the cluster's own: it has to name what the cluster itself runs on, as scopes with `mode: disabled`",
    "OpenShift does not put a scope into force that holds its own release images; `oc get clusterimagepolicy -o yaml` tells",
    "objects of scopes that are gone stay in force until they are pruned: they have the label app.kubernetes.io/managed-by=boltseal",
];

/// Characters of a scope that are shown in an object's name. Source: a name has 253 (RFC 1123).
const NAME: usize = 200;

/// Where the release images of clusters without a mirror lie.
const RELEASE: &str = "quay.io/openshift-release-dev/ocp-release";

pub(super) fn write(rules: &BTreeMap<Place, Rule>) -> Result<Exported, ExportError> {
    let refused = refused(rules);
    if !refused.is_empty() {
        return Err(ExportError::Inexpressible(refused));
    }
    let mut objects = Vec::new();
    for (place, rule) in rules {
        let Rule::Signed { clauses, .. } = rule else { continue };
        let keys = clauses.iter().flatten();
        objects.extend(keys.enumerate().map(|(number, key)| policy(place.text(), number + 1, key)));
    }
    let allowed: Vec<_> = rules.keys().map(Place::text).collect();
    objects.push(json!({
        "apiVersion": "config.openshift.io/v1", "kind": "Image", "metadata": { "name": "cluster" },
        "spec": { "registrySources": { "allowedRegistries": allowed } },
    }));
    let mut text = String::new();
    for object in &objects {
        text.push_str("---\n");
        text.push_str(&yaml(object)?);
    }
    Ok(Exported { files: vec![("boltseal-openshift.yaml", text.into_bytes())], notes: NOTES.to_vec() })
}

/// What OpenShift would take as "anything goes".
fn refused(rules: &BTreeMap<Place, Rule>) -> Vec<Inexpressible> {
    if rules.is_empty() {
        let why =
            "an empty list of allowed registries allows every registry there; expected at least one scope".to_owned();
        return vec![Inexpressible { scope: None, field: "images", why }];
    }
    let signed = rules.iter().filter(|(_, rule)| matches!(rule, Rule::Signed { .. })).map(|(place, _)| place);
    let refuse = |place: &Place| Inexpressible {
        scope: Some(format!("{}/**", place.text())),
        field: "images",
        why: format!("OpenShift lets its own release images ({RELEASE}) pass, and a scope that holds them with them"),
    };
    signed.filter(|place| holds_release(place)).map(refuse).collect()
}

/// Whether a place holds the release images, or lies among them.
fn holds_release(place: &Place) -> bool {
    let below =
        |name: &str, above: &str| name.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match place {
        Place::Everything => true,
        Place::Domain(domain) => {
            RELEASE.split('/').next().is_some_and(|host| host.ends_with(domain.trim_start_matches('*')))
        }
        Place::Below(text) => below(RELEASE, text) || below(text, RELEASE),
    }
}

fn policy(scope: &str, number: usize, key: &PublicKey) -> Value {
    let shown: String =
        scope.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let shown: String = shown.trim_matches('-').chars().take(NAME).collect();
    // Two scopes may look alike once they are names.
    let digest: String = Digest::sha256(scope.as_bytes()).hex().chars().take(8).collect();
    json!({
        "apiVersion": "config.openshift.io/v1", "kind": "ClusterImagePolicy",
        "metadata": {
            "name": format!("boltseal-{shown}-{digest}-{number}"),
            "labels": { "app.kubernetes.io/managed-by": "boltseal" },
        },
        "spec": {
            "scopes": [scope],
            "policy": {
                "rootOfTrust": { "policyType": "PublicKey", "publicKey": { "keyData": STANDARD.encode(key.to_pem()) } },
                "signedIdentity": { "matchPolicy": "MatchRepository" },
            },
        },
    })
}
