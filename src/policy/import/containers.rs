//! containers-policy.json(5).

use super::{Draft, Node, Read, draft::disabled, node::Fields};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn read(root: Node, draft: &mut Draft) -> Read<()> {
    let mut root = root.fields()?;
    scope(&["**"], root.need("default")?, draft)?;
    if let Some(transports) = root.take("transports") {
        for (transport, node) in transports.fields()?.each() {
            if transport != "docker" {
                draft.lose(&node, "images from there are not judged by a policy here");
                continue;
            }
            for (name, requirements) in node.fields()?.each() {
                registry_scope(&name, requirements, draft)?;
            }
        }
    }
    draft.lost.extend(root.rest());
    Ok(())
}

fn registry_scope(name: &str, requirements: Node, draft: &mut Draft) -> Read<()> {
    let (host, path) = name.split_once('/').unwrap_or((name, ""));
    let globs = match host.strip_prefix("*.") {
        _ if name.is_empty() => vec!["**".to_owned()],
        Some(domain) if path.is_empty() => vec![format!("*.{domain}/**"), format!("*.{domain}:*/**")],
        _ if path.contains([':', '@']) => {
            draft.lose(&requirements, "a scope here has neither tag nor digest; left out");
            draft.shadow(&repository(host, path));
            return Ok(());
        }
        // The names there are written in full, and this one never is.
        _ if !host.contains(['.', ':']) && host != "localhost" => {
            draft.lose(&requirements, "no name in full starts with that; left out");
            return Ok(());
        }
        _ => vec![format!("{name}/**")],
    };
    scope(&globs.iter().map(String::as_str).collect::<Vec<_>>(), requirements, draft)
}

fn repository(host: &str, path: &str) -> String {
    format!("{host}/{}", path.split([':', '@']).next().unwrap_or_default())
}

/// The requirements of one place: all of them have to be met.
fn scope(globs: &[&str], requirements: Node, draft: &mut Draft) -> Read<()> {
    let place = requirements.clone();
    let mut signed = Vec::new();
    let (mut rejects, mut lost, mut any) = (false, false, false);
    for item in requirements.items()? {
        any = true;
        let here = item.clone();
        let mut fields = item.fields()?;
        match fields.need("type")?.text()? {
            "insecureAcceptAnything" => draft.lost.extend(fields.rest()),
            "reject" => rejects = true,
            "sigstoreSigned" => match sigstore(&here, fields, draft)? {
                Some(one) => signed.push(one),
                None => lost = true,
            },
            other => {
                draft.lose(&here, format!("{other} has no equal here"));
                lost = true;
            }
        }
    }
    let body = match signed.as_slice() {
        // What nobody can meet is said by no scope.
        _ if rejects || lost || !any => None,
        [] => Some(disabled()),
        several => together(several, &place, draft),
    };
    for glob in globs {
        match &body {
            Some(body) => draft.scope(glob, body.clone(), &place),
            None => draft.shadow(glob),
        }
    }
    Ok(())
}

/// One `sigstoreSigned`: an authority, and what the signed name has to be.
type Signed = (String, &'static str);

fn sigstore(here: &Node, mut fields: Fields, draft: &mut Draft) -> Read<Option<Signed>> {
    let mut keys = Vec::new();
    let mut hint = String::new();
    let mut good = true;
    for field in ["keyPath", "keyPaths", "keyData", "keyDatas"] {
        let Some(node) = fields.take(field) else { continue };
        let items = if field.ends_with('s') { node.items()? } else { vec![node] };
        for item in items {
            let text = item.text()?;
            if field.starts_with("keyPath") {
                hint = text.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default().to_owned();
                keys.push(text.to_owned());
                continue;
            }
            match STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(pem) => keys.push(pem),
                None => {
                    draft.lose(&item, "no PEM text in base64");
                    good = false;
                }
            }
        }
    }
    for (field, why) in [
        ("fulcio", "keyless signatures have no equal here"),
        ("pki", "certificates have no equal here"),
        ("rekorPublicKeyPath", LOG),
        ("rekorPublicKeyPaths", LOG),
        ("rekorPublicKeyData", LOG),
        ("rekorPublicKeyDatas", LOG),
    ] {
        if let Some(node) = fields.take(field) {
            draft.lose(&node, format!("{why}; the scope is left out"));
            good = false;
        }
    }
    let identity = identity(fields.take("signedIdentity"), here, draft)?;
    let unknown = fields.rest();
    good &= unknown.is_empty() && !keys.is_empty();
    draft.lost.extend(unknown);
    Ok(identity.filter(|_| good).map(|identity| (draft.authority(&hint, keys), identity)))
}

const LOG: &str = "a transparency log's promise has no equal for keys here";

fn identity(node: Option<Node>, here: &Node, draft: &mut Draft) -> Read<Option<&'static str>> {
    let by_digest =
        "a digest alone is matched by the repository there, and by nothing with `identity: tag`, which is written";
    let Some(node) = node else {
        draft.lose(here, format!("signedIdentity matchRepoDigestOrExact: {by_digest}"));
        return Ok(Some("tag"));
    };
    let mut fields = node.clone().fields()?;
    Ok(match fields.need("type")?.text()? {
        "matchRepository" => Some("repository"),
        "matchExact" => Some("tag"),
        "matchRepoDigestOrExact" => {
            draft.lose(&node, by_digest);
            Some("tag")
        }
        other => {
            draft.lose(&node, format!("{other} has no equal here; the scope is left out"));
            None
        }
    })
}

/// Several requirements as a threshold over authorities.
fn together(signed: &[Signed], place: &Node, draft: &mut Draft) -> Option<Value> {
    let identities: BTreeSet<_> = signed.iter().map(|(_, identity)| *identity).collect();
    let names: BTreeSet<_> = signed.iter().map(|(name, _)| name.clone()).collect();
    let (Some(identity), 1) = (identities.first(), identities.len()) else {
        draft.lose(place, "requirements that differ in signedIdentity have no equal here; left out");
        return None;
    };
    let keys: Vec<&String> = names.iter().flat_map(|name| draft.keys(name)).collect();
    let distinct: BTreeSet<String> = keys.iter().map(|key| (*key).clone()).collect();
    if keys.len() == distinct.len() {
        return Some(signatures(names.len(), names, identity));
    }
    // m of n as it is exported: each set of n - m + 1 of the keys.
    let sizes: BTreeSet<_> = names.iter().map(|name| draft.keys(name).len()).collect();
    if let (Some(&size), 1) = (sizes.first(), sizes.len())
        && names.len() == choose(distinct.len(), size)
    {
        let threshold = (distinct.len() + 1).saturating_sub(size);
        let each = distinct.into_iter().map(|key| draft.authority("key", vec![key])).collect();
        return Some(signatures(threshold, each, identity));
    }
    draft.lose(place, "requirements that share some of their keys have no equal here; left out");
    None
}

fn signatures(threshold: usize, from: BTreeSet<String>, identity: &str) -> Value {
    json!({ "signatures": { "threshold": threshold, "from": from, "identity": identity } })
}

fn choose(n: usize, k: usize) -> usize {
    (0..k).fold(1, |count: usize, at| count.saturating_mul(n.saturating_sub(at)) / (at + 1))
}
