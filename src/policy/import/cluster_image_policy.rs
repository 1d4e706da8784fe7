//! Sigstore's `ClusterImagePolicy` (policy.sigstore.dev): an image has to meet every policy that matches it, and of each
//! one authority.

use super::{
    Draft, ImportError, Node, Read,
    draft::{disabled, with},
    keyless::{self, FULCIO, REKOR, is_public_good},
    node::Fields,
};
use crate::format::predicate::Family;
use serde_json::{Value, json};

pub(super) fn read(documents: impl Iterator<Item = Node>, draft: &mut Draft) -> Read<()> {
    let mut count = 0;
    for document in documents.filter(|document| !document.value.is_null()) {
        let place = document.place.clone();
        let mut fields = document.clone().fields()?;
        let kind = fields.take("kind");
        let version = fields.take("apiVersion");
        let is =
            |node: &Option<Node>, test: fn(&str) -> bool| node.as_ref().is_some_and(|node| node.text().is_ok_and(test));
        if !is(&kind, |kind| kind == "ClusterImagePolicy") || !is(&version, |v| v.starts_with("policy.sigstore.dev/")) {
            let place = if place.is_empty() { "kind".to_owned() } else { format!("{place}.kind") };
            return Err(ImportError::Shape { place, expected: "ClusterImagePolicy of policy.sigstore.dev" });
        }
        policy(fields.need("spec")?, draft)?;
        count += 1;
    }
    if count == 0 {
        return Err(ImportError::Shape { place: "the file".to_owned(), expected: "a ClusterImagePolicy" });
    }
    draft.apart(|body| *body == disabled());
    Ok(())
}

fn policy(spec: Node, draft: &mut Draft) -> Read<()> {
    let here = spec.clone();
    let mut fields = spec.fields()?;
    let images = fields.need("images")?.items()?;
    let mut bodies = Vec::new();
    let authorities = fields.take("authorities").map(Node::items).transpose()?.unwrap_or_default();
    if authorities.is_empty() {
        draft.lose(&here, "no authority; its images are denied");
    }
    for authority in authorities {
        bodies.extend(self::authority(authority, draft)?);
    }
    let mode = fields.take("mode");
    let warns = mode.as_ref().map(Node::text).transpose()? == Some("warn");
    // Further conditions: without them less would be asked, or other images be judged.
    let conditions = fields.rest();
    let good = conditions.is_empty();
    draft.lost.extend(conditions);
    let body = if good { any_of(bodies, draft, &images) } else { None };
    let warned = |body: Value| if warns && body != disabled() { with(body, "mode", json!("permissive")) } else { body };
    let body = body.map(warned);
    for image in images {
        let mut fields = image.clone().fields()?;
        let glob = fields.need("glob")?;
        draft.lost.extend(fields.rest());
        match (&body, scope(glob.text()?)) {
            (Some(body), Some(scope)) => draft.scope(&scope, body.clone(), &glob),
            (None, Some(scope)) => draft.shadow(&scope),
            (_, None) => {
                draft.lose(&glob, "a glob over names with their tags; expected `host/path/**`, `host/path/*` or `host/path*`; left out");
                draft.shadow_around(glob.text()?);
            }
        }
    }
    Ok(())
}

/// What one authority asks.
enum Asks {
    Anything,
    Signature(Vec<String>),
    Attestations(Vec<String>, Vec<Value>),
}

fn authority(node: Node, draft: &mut Draft) -> Read<Option<Asks>> {
    let here = node.clone();
    let mut fields = node.fields()?;
    let name = fields.take("name");
    let hint = name.as_ref().map_or(Ok("key"), Node::text)?.to_owned();
    fields.take("signatureFormat");
    if let Some(verdict) = fields.take("static") {
        let mut verdict = verdict.fields()?;
        let passes = verdict.need("action")?.text()? == "pass";
        draft.lost.extend(verdict.rest());
        draft.lost.extend(fields.rest());
        return Ok(passes.then_some(Asks::Anything));
    }
    if let Some(sources) = fields.take("source") {
        draft.lose(&sources, "signatures are looked for beside the image here");
    }
    let names = match fields.take("keyless") {
        Some(keyless) => self::keyless(keyless, &hint, &mut fields, draft)?,
        None => self::key(&mut fields, draft)?.map(|key| vec![draft.authority(&hint, vec![key])]),
    };
    let attestations = fields.take("attestations").map(Node::items).transpose()?.unwrap_or_default();
    let asked = attestations.len();
    let mut types = Vec::new();
    for attestation in attestations {
        types.extend(self::attestation(attestation, draft)?);
    }
    let unknown = fields.rest();
    let good = unknown.is_empty() && types.len() == asked;
    draft.lost.extend(unknown);
    let Some(names) = names.filter(|_| good) else {
        draft.lose(&here, "this authority is left out");
        return Ok(None);
    };
    Ok(Some(if asked == 0 { Asks::Signature(names) } else { Asks::Attestations(names, types) }))
}

/// The identities of the public good instance that an authority names; with it, its log is asked for.
fn keyless(node: Node, hint: &str, authority: &mut Fields, draft: &mut Draft) -> Read<Option<Vec<String>>> {
    let here = node.clone();
    let mut fields = node.fields()?;
    let mut good = is_public_good(&mut fields, "url", FULCIO, draft)?;
    if let Some(log) = authority.take("ctlog") {
        let mut log = log.fields()?;
        good &= is_public_good(&mut log, "url", REKOR, draft)?;
        let unknown = log.rest();
        good &= unknown.is_empty();
        draft.lost.extend(unknown);
    }
    let without_sct = fields.take("insecureIgnoreSCT").map_or(Ok(false), |node| node.flag())?;
    let mut names = Vec::new();
    for node in fields.take("identities").map(Node::items).transpose()?.unwrap_or_default() {
        let mut identity = node.clone().fields()?;
        let found = keyless::identity(&node, &mut identity, draft)?;
        let unknown = identity.rest();
        if let (Some(found), true) = (found, unknown.is_empty()) {
            let found = if without_sct { with(found, "sct", json!("optional")) } else { found };
            names.push(draft.keyless(hint, found));
        }
        draft.lost.extend(unknown);
    }
    let unknown = fields.rest();
    good &= unknown.is_empty();
    draft.lost.extend(unknown);
    if names.is_empty() {
        draft.lose(&here, "no identity that can be said here");
    }
    Ok(Some(names).filter(|names| good && !names.is_empty()))
}

fn key(authority: &mut Fields, draft: &mut Draft) -> Read<Option<String>> {
    let mut good = true;
    if let Some(node) = authority.take("ctlog") {
        draft.lose(&node, "a transparency log's promise has no equal for keys here");
        good = false;
    }
    let Some(node) = authority.take("key") else { return Ok(None) };
    let mut fields = node.fields()?;
    let data = fields.take("data").map(|data| data.text().map(str::to_owned)).transpose()?;
    if let Some(algorithm) = fields.take("hashAlgorithm")
        && algorithm.text()? != "sha256"
    {
        draft.lose(&algorithm, "the hash follows from the key here");
        return Ok(None);
    }
    let lost = fields.rest();
    good &= lost.is_empty();
    draft.lost.extend(lost);
    // Several keys in one text are not told apart by us.
    Ok(data.filter(|data| good && data.matches("-----BEGIN").count() == 1))
}

/// The type of an attestation; one with a policy in CUE or Rego has no equal.
fn attestation(node: Node, draft: &mut Draft) -> Read<Option<Value>> {
    let here = node.clone();
    let mut fields = node.fields()?;
    fields.take("name");
    let predicate = fields.need("predicateType")?.text()?.to_owned();
    let lost = fields.rest();
    if Family::of(&predicate) == Some(Family::Vsa) {
        draft.lose(&here, "a verification summary of whatever verifier and verdict is not taken; see `vsa`");
        return Ok(None);
    }
    if !lost.is_empty() {
        draft.lost.extend(lost);
        draft.lose(&here, "what it asks of the predicate has no equal here");
        return Ok(None);
    }
    Ok(Some(json!(predicate)))
}

/// Any of the authorities is enough.
fn any_of(bodies: Vec<Asks>, draft: &mut Draft, images: &[Node]) -> Option<Value> {
    if bodies.iter().any(|body| matches!(body, Asks::Anything)) {
        return Some(disabled());
    }
    let mut signers = Vec::new();
    let mut attesters = Vec::new();
    for body in bodies {
        match body {
            Asks::Signature(names) => signers.extend(names),
            Asks::Attestations(names, types) => attesters.push((names, types)),
            Asks::Anything => {}
        }
    }
    signers.sort();
    signers.dedup();
    match (signers.as_slice(), attesters.as_slice()) {
        ([], [(names, types)]) => {
            let one = |predicate: &Value| json!({ "type": predicate, "from": names });
            Some(json!({ "attestations": types.iter().map(one).collect::<Vec<_>>() }))
        }
        ([], []) => None,
        (_, []) => Some(json!({ "signatures": { "from": signers } })),
        _ => {
            draft.lost.extend(
                images.first().map(|image| {
                    image.lost("one authority or another's attestation: either has no equal here; left out")
                }),
            );
            None
        }
    }
}

/// The scope of a glob, which is over the whole reference there: `*` takes a tag along, and what ends in no wildcard takes
/// no image that is named with one.
fn scope(glob: &str) -> Option<String> {
    match glob {
        "*" => return Some("docker.io/library/*".to_owned()),
        "*/*" => return Some("docker.io/*/*".to_owned()),
        "**" => return Some("**".to_owned()),
        _ => {}
    }
    let (host, path) = glob.split_once('/')?;
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    // Names on Docker Hub start with index.docker.io there.
    if host.contains("**") || host == "docker.io" || above.contains("**") || path.contains([':', '@']) {
        return None;
    }
    match last {
        "**" if above.is_empty() => Some(format!("{host}/**")),
        "**" => Some(format!("{host}/{above}/*/**")),
        _ if last.contains("**") || !last.ends_with('*') => None,
        _ => Some(glob.to_owned()),
    }
}
