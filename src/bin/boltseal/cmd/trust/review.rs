//! What a waiting file says otherwise than the live one, or alone, for who is asked to sign it. Nothing of it is left out: what can't
//! be told apart in parts is shown whole.

use crate::output::printable;
use boltseal::{
    crypto::Fingerprint,
    format::tuf::{Key, Metadata, RoleName, Root, Target},
    oci::Digest,
    ops::trust::Review,
    trust::tuf::{TrustState, author::count_top_level},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub fn to_json(review: &Review) -> Value {
    let changes = review
        .changes
        .iter()
        .map(|(member, (before, after))| json!({ "member": member, "before": before, "after": after }));
    json!({
        "role": review.role, "version": review.version, "digest": review.digest.to_string(), "signed": review.signed,
        "needed": review.needed, "changes": changes.collect::<Vec<_>>(),
    })
}

/// The text, in which roles name the keys of the live state by fingerprint beside their ids.
pub fn to_text(review: &Review, live: &TrustState) -> String {
    let Review { role, version, signed, needed, digest, changes } = review;
    let role = printable(role.as_str());
    let mut text = format!("{role} version {version}: {signed} of {needed} signatures\n  signs    {digest}\n");
    let mut comparison = Comparison { keys: keys(review, live), lines: Vec::new() };
    for (member, (before, after)) in changes {
        comparison.add(member, before.as_ref(), after.as_ref());
    }
    text.push_str(&comparison.to_text());
    text
}

/// The text of a root that is compared with none: all that it says.
pub fn root_to_text(root: &Metadata<Root>) -> String {
    let count = count_top_level(root.signed(), &RoleName::Root, root);
    let (version, digest) = (root.version(), Digest::sha256(root.canonical()));
    let head =
        format!("root version {version}: {} of {} signatures\n  signs    {digest}\n", count.signed, count.needed);
    let mut comparison = Comparison { keys: fingerprints(&root.signed().keys), lines: Vec::new() };
    for (member, value) in root.value().as_object().into_iter().flatten() {
        comparison.add(member, None, Some(value));
    }
    head + &comparison.to_text()
}

fn fingerprints<'k>(keys: impl IntoIterator<Item = (&'k String, &'k Key)>) -> BTreeMap<String, Fingerprint> {
    keys.into_iter().filter_map(|(id, key)| Some((id.clone(), key.decode().ok()?.fingerprint()))).collect()
}

/// The keys of the live file whose ids mean the same in the reviewed one.
fn keys(review: &Review, live: &TrustState) -> BTreeMap<String, Fingerprint> {
    let keys = match &review.role {
        RoleName::Root => Some(&live.root().signed().keys),
        role => live.targets(role).and_then(|file| Some(&file.signed().delegations.as_ref()?.keys)),
    };
    let changed = |id: &str| {
        let table = review.changes.get("delegations/keys");
        let in_table = |value: &Option<Value>| value.as_ref().and_then(|keys| keys.get(id)).cloned();
        review.changes.contains_key(&format!("keys/{id}"))
            || table.is_some_and(|(before, after)| in_table(before) != in_table(after))
    };
    fingerprints(keys.into_iter().flatten().filter(|(id, _)| !changed(id)))
}

#[derive(Default)]
struct Comparison {
    keys: BTreeMap<String, Fingerprint>,
    lines: Vec<String>,
}

impl Comparison {
    /// A line for each part in which two values differ.
    fn add(&mut self, member: &str, before: Option<&Value>, after: Option<&Value>) {
        if before == after {
            return;
        }
        let from = self.lines.len();
        let of = |value: Option<&Value>| value.map_or(Some(BTreeMap::new()), parts);
        if let (Some(before), Some(after)) = (of(before), of(after)) {
            let all: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for part in all {
                self.add(&format!("{member}{}", part.label()), before.get(part), after.get(part));
            }
        }
        if self.lines.len() == from {
            let words = |value| self.words(member, value);
            self.lines.push(match (before.map(words), after.map(words)) {
                (Some(before), Some(after)) => format!("changes  {member}: {before} -> {after}"),
                (Some(before), None) => format!("drops    {member}: {before}"),
                (None, after) => format!("adds     {member}: {}", after.unwrap_or_default()),
            });
        }
    }

    fn to_text(&self) -> String {
        self.lines.iter().map(|line| format!("  {}\n", printable(line))).collect()
    }

    fn words(&self, member: &str, value: &Value) -> String {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self.keys.get(&text).filter(|_| member.ends_with("/keyids")) {
            Some(fingerprint) => format!("{text}, fingerprint {fingerprint}"),
            None => text,
        }
    }
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// What the value is in words.
    Itself,
    /// One of several texts, of which each is there or not.
    Text(String),
    Member(String),
}

impl Part {
    fn label(&self) -> String {
        match self {
            Self::Itself | Self::Text(_) => String::new(),
            Self::Member(name) => format!("/{name}"),
        }
    }
}

/// A value in parts that can be compared each with its like; none where it has none.
fn parts(value: &Value) -> Option<BTreeMap<Part, Value>> {
    if let Some((words, custom)) = target(value) {
        let custom = custom.map(|custom| (Part::Member("custom".to_owned()), custom));
        return Some(custom.into_iter().chain([(Part::Itself, words.into())]).collect());
    }
    if let Some(words) = key(value) {
        return Some(BTreeMap::from([(Part::Itself, words.into())]));
    }
    match value {
        Value::Object(members) => {
            Some(members.iter().map(|(name, value)| (Part::Member(name.clone()), value.clone())).collect())
        }
        Value::Array(entries) => texts(entries).or_else(|| named(entries)),
        _ => None,
    }
}

/// A key of a known kind that says nothing else.
fn key(value: &Value) -> Option<String> {
    let key: Key = serde_json::from_value(value.clone()).ok()?;
    let plain = key.unknown.is_empty() && key.keyval.unknown.is_empty();
    let public = key.decode().ok().filter(|_| plain)?;
    Some(format!("{} key, {}, fingerprint {}", key.keytype, key.scheme, public.fingerprint()))
}

/// What a path stands for, and what else its signer says of it.
fn target(value: &Value) -> Option<(String, Option<Value>)> {
    let target: Target = serde_json::from_value(value.clone()).ok()?;
    let plain = target.unknown().next().is_none() && target.hashes.len() == 1;
    let digest = target.sha256().filter(|_| plain)?;
    Some((format!("{digest}, {} bytes", target.length), target.custom().cloned()))
}

/// Texts whose order means nothing: ids of keys, paths, digests.
fn texts(entries: &[Value]) -> Option<BTreeMap<Part, Value>> {
    entries.iter().map(|entry| Some((Part::Text(entry.as_str()?.to_owned()), entry.clone()))).collect()
}

/// Objects with names of their own, and the order of these names, which says who is asked first.
fn named(entries: &[Value]) -> Option<BTreeMap<Part, Value>> {
    let name = |entry: &Value| Some(entry.get("name")?.as_str()?.to_owned());
    let names = entries.iter().map(name).collect::<Option<Vec<_>>>()?;
    let order = (Part::Itself, names.join(", ").into());
    let parts: BTreeMap<_, _> = names.into_iter().map(Part::Member).zip(entries.iter().cloned()).collect();
    (parts.len() == entries.len()).then(|| parts.into_iter().chain([order]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(before: &Value, after: &Value) -> Vec<String> {
        let mut comparison = Comparison::default();
        comparison.add("x", Some(before), Some(after));
        comparison.lines
    }

    #[test]
    fn tags_are_shown_by_digest_and_keys_by_fingerprint() {
        let hex = |c: char| c.to_string().repeat(64);
        let image = |c| json!({ "hashes": { "sha256": hex(c) }, "length": 7 });
        let mut index = image('b');
        index["custom"] = json!({ "digests": ["sha256:c"] });
        let (a, b) = (format!("sha256:{}, 7 bytes", hex('a')), format!("sha256:{}, 7 bytes", hex('b')));
        let expected = [format!("changes  x: {a} -> {b}"), "adds     x/custom/digests: sha256:c".to_owned()];
        assert_eq!(lines(&image('a'), &index), expected);

        let public = include_str!("../../../../../keys/release.test.pub");
        let key = json!({ "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": public } });
        let fingerprint = boltseal::crypto::PublicKey::from_pem_bytes(public.as_bytes()).unwrap().fingerprint();
        let added = lines(&json!({}), &json!({ "id": key }));
        assert_eq!(added, [format!("adds     x/id: ecdsa key, ecdsa-sha2-nistp256, fingerprint {fingerprint}")]);
    }

    #[test]
    fn who_is_asked_and_in_which_order_is_shown() {
        let role = |name: &str, ids: &[&str]| json!({ "name": name, "keyids": ids, "threshold": 1 });
        let before = json!([role("targets/releases", &["a"]), role("targets/qa", &["b"])]);
        let after = json!([role("targets/qa", &["b"]), role("targets/releases", &["a", "m"])]);
        let order = "changes  x: targets/releases, targets/qa -> targets/qa, targets/releases";
        assert_eq!(lines(&before, &after), [order, "adds     x/targets/releases/keyids: m"]);
    }

    #[test]
    fn what_can_not_be_told_apart_is_shown_whole() {
        let two = json!([{ "name": "a", "x": 1 }, { "name": "a", "x": 2 }]);
        for (before, after) in [
            (json!(["a", "b"]), json!(["b", "a"])),
            (json!(["a"]), json!(["a", "a"])),
            (json!({}), json!([])),
            (json!([]), two.clone()),
            (two, json!([{ "name": "a", "x": 2 }])),
            (json!({ "a": {} }), json!({ "a": [] })),
            (json!(1), json!("1")),
        ] {
            assert!(!lines(&before, &after).is_empty(), "{before} {after}");
        }
    }
}
