//! Connaisseur's `values.yaml`: validators, and a policy of patterns that name them.

use super::{
    Draft, Node, Read,
    draft::{disabled, with},
    node::Fields,
};
use crate::crypto::PublicKey;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn read(root: Node, draft: &mut Draft) -> Read<()> {
    let mut root = root.fields()?;
    // Version 3 has it all below `application`.
    let mut fields = match root.take("application") {
        Some(application) => application.fields()?,
        None => root,
    };
    let mut validators = BTreeMap::new();
    for node in fields.need("validators")?.items()? {
        let mut validator = node.clone().fields()?;
        validators.insert(validator.need("name")?.text()?.to_owned(), node);
    }
    for rule in fields.need("policy")?.items()? {
        self::rule(rule, &validators, draft)?;
    }
    if let Some(features) = fields.take("features") {
        draft.lost.extend(features.fields()?.rest());
    }
    Ok(())
}

fn rule(rule: Node, validators: &BTreeMap<String, Node>, draft: &mut Draft) -> Read<()> {
    let mut fields = rule.clone().fields()?;
    let pattern = fields.need("pattern")?;
    let named = fields.take("validator");
    let name = named.as_ref().map_or(Ok("default"), Node::text)?.to_owned();
    let with = fields.take("with");
    let unknown = fields.rest();
    let good = unknown.is_empty();
    draft.lost.extend(unknown);
    let body = match validators.get(&name) {
        Some(validator) => validated(validator, with, draft)?,
        None => {
            draft.lose(&pattern, format!("no validator {name:?}"));
            None
        }
    };
    match (scope(pattern.text()?), body.filter(|_| good)) {
        (Some(scope), Some(body)) => draft.scope(&scope, body, &rule),
        (Some(scope), None) => draft.shadow(&scope),
        (None, _) => {
            draft.lose(&pattern, "tags, and wildcards within a name, have no equal here; left out");
            draft.shadow_around(pattern.text()?);
        }
    }
    Ok(())
}

/// The scope of a pattern. A wildcard takes slashes along there; without a tag any tag is meant.
fn scope(pattern: &str) -> Option<String> {
    let name = match pattern.rsplit_once(':') {
        Some((name, "*")) => name,
        Some((_, tag)) if !tag.contains('/') => return None,
        _ => pattern,
    };
    match name.strip_suffix('*') {
        None if name.contains('*') || !name.contains('/') => None,
        None => Some(name.to_owned()),
        Some("") => Some("**".to_owned()),
        Some(head) if head.contains('*') => None,
        Some(head) => head
            .strip_suffix('/')
            .map(|head| if head.contains('/') { format!("{head}/*/**") } else { format!("{head}/**") }),
    }
}

/// What a rule's validator asks; none if nothing can meet it, or it has no equal.
fn validated(validator: &Node, with: Option<Node>, draft: &mut Draft) -> Read<Option<Value>> {
    let mut fields = validator.clone().fields()?;
    fields.take("name");
    // How a registry is reached is no matter of trust.
    fields.take("auth");
    fields.take("host");
    fields.take("cert");
    let with_place = with.clone();
    let mut with = with.map(Node::fields).transpose()?;
    let mut option = |names: &[&str]| with.as_mut().and_then(|with| with.take_any(names));
    // Whether tags are replaced by digests is the webhook's matter.
    option(&["mode"]);
    let body = match fields.need("type")?.text()? {
        "static" => fields.need("approve")?.flag()?.then(disabled),
        "cosign" => {
            let log = option(&["verifyInTransparencyLog", "verify_in_transparency_log", "verifyTLog"]);
            let root = option(&["trustRoot", "trust_root", "key"]);
            let threshold = option(&["threshold"]);
            let required = option(&["required"]);
            cosign(validator, &mut fields, Rule { log, root, threshold, required }, draft)?
        }
        "notaryv1" => {
            let root = option(&["trustRoot", "trust_root", "key"]);
            let delegations = option(&["delegations"]);
            notary(validator, &mut fields, root, delegations, draft)?
        }
        other => {
            draft.lose(validator, format!("{other}: its signers have no equal here"));
            return Ok(None);
        }
    };
    let unknown: Vec<_> = fields.rest().into_iter().chain(with.map(Fields::rest).unwrap_or_default()).collect();
    let good = unknown.is_empty();
    if let (false, Some(with)) = (good, with_place) {
        draft.lose(&with, "its rule is left out");
    }
    draft.lost.extend(unknown);
    Ok(body.filter(|_| good))
}

/// What a rule says about its validator.
struct Rule {
    log: Option<Node>,
    root: Option<Node>,
    threshold: Option<Node>,
    required: Option<Node>,
}

/// The trust roots that a rule names, by name; one without a key has no equal.
fn roots(fields: &mut Fields, named: Option<Node>, draft: &mut Draft) -> Read<Option<Vec<(String, String)>>> {
    let named = named.as_ref().map_or(Ok("default"), Node::text)?.to_owned();
    let mut found = Vec::new();
    let Some(roots) = fields.take_any(&["trustRoots", "trust_roots"]) else { return Ok(None) };
    for root in roots.items()? {
        let here = root.clone();
        let mut root = root.fields()?;
        let name = root.need("name")?.text()?.to_owned();
        if named != "*" && named != name {
            continue;
        }
        let key = root.take("key").map(|key| key.text().map(str::to_owned)).transpose()?;
        let unknown = root.rest();
        match key.filter(|key| unknown.is_empty() && key.trim_start().starts_with("-----BEGIN PUBLIC KEY")) {
            Some(key) => found.push((name, key)),
            None => {
                draft.lost.extend(unknown);
                draft.lose(&here, "this trust root is no public key in PEM; rules that need it are left out");
                return Ok(None);
            }
        }
    }
    Ok(Some(found).filter(|found| !found.is_empty()))
}

fn cosign(validator: &Node, fields: &mut Fields, rule: Rule, draft: &mut Draft) -> Read<Option<Value>> {
    let all = rule.root.as_ref().is_some_and(|root| root.value == "*");
    let Some(roots) = roots(fields, rule.root, draft)? else { return Ok(None) };
    let logged = rule.log.as_ref().map_or(Ok(true), Node::flag)?;
    if logged {
        let place = rule.log.as_ref().unwrap_or(validator);
        draft.lose(
            place,
            "signatures have to be in a transparency log there, which has no equal for keys here; left out",
        );
        return Ok(None);
    }
    let names: Vec<_> = roots.into_iter().map(|(name, key)| (draft.authority(&name, vec![key]), name)).collect();
    // All of them, where the rule names no threshold.
    let threshold = match &rule.threshold {
        Some(threshold) => threshold.number()?,
        None if all => names.len(),
        None => 1,
    };
    if let Some(required) = rule.required
        && threshold < names.len()
    {
        draft.lose(&required, "this one and some of the others has no equal here; left out");
        return Ok(None);
    }
    let from: std::collections::BTreeSet<_> = names.iter().map(|(authority, _)| authority).collect();
    if from.len() < names.len() || threshold == 0 || threshold > from.len() {
        draft.lose(validator, "a threshold that its keys do not reach, or two names of one key; left out");
        return Ok(None);
    }
    Ok(Some(json!({ "signatures": { "threshold": threshold, "from": from } })))
}

/// Notary's root key is what content trust starts from here, too; the trust data themselves have to be brought along.
fn notary(
    validator: &Node,
    fields: &mut Fields,
    root: Option<Node>,
    delegations: Option<Node>,
    draft: &mut Draft,
) -> Read<Option<Value>> {
    fields.take("is_acr");
    fields.take("isAcr");
    let Some(roots) = roots(fields, root, draft)? else { return Ok(None) };
    let keys: Result<Vec<_>, _> =
        roots.iter().map(|(_, key)| PublicKey::from_pem(key).map(|key| key.fingerprint().to_string())).collect();
    let Some(keys) = keys.ok().filter(|keys| keys.len() == 1) else {
        draft.lose(validator, "expected one root key, of a kind that is known here; left out");
        return Ok(None);
    };
    let mut asked = json!({ "root": { "keys": keys } });
    if let Some(delegations) = delegations {
        let mut roles = Vec::new();
        for delegation in delegations.items()? {
            let name = delegation.text()?;
            roles.push(if name.starts_with("targets/") { name.to_owned() } else { format!("targets/{name}") });
        }
        asked = with(asked, "require-roles", json!(roles));
    }
    Ok(Some(json!({ "content-trust": asked })))
}
