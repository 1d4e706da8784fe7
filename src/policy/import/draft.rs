//! The policy under way: authorities, scopes, and the images whose rule could not be said.

use super::{ImportError, Imported, Lost, Node};
use crate::policy::Pattern;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Draft {
    authorities: BTreeMap<String, Who>,
    scopes: Vec<Scope>,
    shadows: Vec<Shadow>,
    pub lost: Vec<Lost>,
}

/// Who an authority is.
#[derive(Debug, PartialEq)]
enum Who {
    /// The holders of keys, as the policy writes them: PEM texts and paths.
    Keys(Vec<String>),
    /// A `keyless` of the policy.
    Keyless(Value),
}

#[derive(Debug)]
struct Scope {
    pattern: Pattern,
    body: Value,
    place: String,
}

/// Images that no written scope may take: their own rule could not be said.
#[derive(Debug)]
struct Shadow {
    pattern: Pattern,
    /// It is about these images alone, so that a scope within them is no wider one.
    exact: bool,
}

/// What a scope with `mode: disabled` is.
pub(super) fn disabled() -> Value {
    json!({ "mode": "disabled" })
}

/// A mapping with one more member.
pub(super) fn with(mut mapping: Value, name: &str, member: Value) -> Value {
    if let Some(members) = mapping.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
    mapping
}

impl Draft {
    pub fn lose(&mut self, node: &Node, why: impl Into<String>) {
        self.lost.push(node.lost(why));
    }

    /// The name of the authority that has these keys; one with the same keys is that one.
    pub fn authority(&mut self, hint: &str, mut keys: Vec<String>) -> String {
        keys.iter_mut().for_each(|key| *key = key.trim().to_owned());
        keys.sort();
        keys.dedup();
        self.named(hint, Who::Keys(keys))
    }

    /// The name of the authority that is this `keyless`.
    pub fn keyless(&mut self, hint: &str, keyless: Value) -> String {
        self.named(hint, Who::Keyless(keyless))
    }

    fn named(&mut self, hint: &str, who: Who) -> String {
        if let Some((name, _)) = self.authorities.iter().find(|(_, known)| **known == who) {
            return name.clone();
        }
        let hint = if hint.is_empty() { "key" } else { hint };
        let numbered = |n: usize| if n == 1 { hint.to_owned() } else { format!("{hint}-{n}") };
        let name = (1..).map(numbered).find(|name| !self.authorities.contains_key(name)).unwrap_or_default();
        self.authorities.insert(name.clone(), who);
        name
    }

    pub fn keys(&self, authority: &str) -> &[String] {
        match self.authorities.get(authority) {
            Some(Who::Keys(keys)) => keys,
            _ => &[],
        }
    }

    /// A scope; one that is none of ours is lost.
    pub fn scope(&mut self, glob: &str, body: Value, node: &Node) {
        match Pattern::parse(glob) {
            Ok(pattern) => self.scopes.push(Scope { pattern, body, place: node.place.clone() }),
            Err(error) => {
                self.lose(node, format!("{glob:?} is no scope: {error}; left out"));
                self.shadow_around(glob);
            }
        }
    }

    /// Images whose rule is not written; exactly those of the glob.
    pub fn shadow(&mut self, glob: &str) {
        match Pattern::parse(glob) {
            Ok(pattern) => self.shadows.push(Shadow { pattern, exact: true }),
            Err(_) => self.shadow_around(glob),
        }
    }

    /// Images whose rule is not written, some of those with this start.
    pub fn shadow_around(&mut self, glob: &str) {
        let literal = glob.split(['*', '@', '?']).next().unwrap_or_default();
        let above = literal.rsplit_once('/').map_or("", |(above, _)| above);
        let around = [format!("{above}/**"), "**".to_owned()].into_iter().find_map(|glob| Pattern::parse(&glob).ok());
        self.shadows.extend(around.map(|pattern| Shadow { pattern, exact: false }));
    }

    /// Scopes of different rules that both count where both match: only the more specific one would count here.
    pub fn apart(&mut self, ours: impl Fn(&Value) -> bool) {
        let clash = |a: &Scope, b: &Scope| a.place != b.place && a.pattern.overlaps(&b.pattern) && !(a.body == b.body);
        // Nothing is asked by one: then the other decides, if it is the more specific one here, too.
        let fine = |a: &Scope, b: &Scope| ours(&a.body) && a.pattern.rank() < b.pattern.rank();
        let clashes =
            |one: &Scope| self.scopes.iter().find(|other| clash(one, other) && !fine(one, other) && !fine(other, one));
        let found: Vec<_> =
            self.scopes.iter().filter_map(|one| Some((one.place.clone(), clashes(one)?.place.clone()))).collect();
        for (place, other) in found {
            let why = format!("some of its images have to meet {other} as well, and one scope counts here; left out");
            self.leave_out(&place, why);
        }
    }

    fn leave_out(&mut self, place: &str, why: String) {
        let (out, kept) = std::mem::take(&mut self.scopes).into_iter().partition(|scope: &Scope| scope.place == place);
        self.scopes = kept;
        let out: Vec<Scope> = out;
        self.shadows.extend(out.into_iter().map(|scope| Shadow { pattern: scope.pattern, exact: true }));
        self.lost.push(Lost { place: place.to_owned(), why });
    }

    /// A scope that would take images that are not its own; with the reason.
    fn too_wide(&self) -> Option<(String, String)> {
        self.scopes.iter().enumerate().find_map(|(at, scope)| {
            let takes = |shadow: &&Shadow| {
                let within = shadow.exact && scope.pattern.rank() > shadow.pattern.rank();
                !within && shadow.pattern.overlaps(&scope.pattern)
            };
            let alike =
                |other: &&Scope| other.pattern.overlaps(&scope.pattern) && other.pattern.rank() == scope.pattern.rank();
            let shadow = self.shadows.iter().find(takes).map(|shadow| {
                format!("would take images of `{}` whose own rule is not written; left out", shadow.pattern)
            });
            let twin = self.scopes.iter().take(at).find(alike);
            let why = shadow
                .or_else(|| Some(format!("neither it nor `{}` is the more specific scope; left out", twin?.pattern)));
            Some((scope.place.clone(), why?))
        })
    }

    /// The policy, without what is wider than what was read.
    pub fn finish(mut self) -> Result<Imported, ImportError> {
        while let Some((place, why)) = self.too_wide() {
            self.leave_out(&place, why);
        }
        let used: BTreeSet<String> = self.scopes.iter().flat_map(|scope| names(&scope.body)).collect();
        let key = |who: &Who| match who {
            Who::Keys(keys) => match keys.as_slice() {
                [one] => json!({ "key": one }),
                several => json!({ "keys": several }),
            },
            Who::Keyless(keyless) => json!({ "keyless": keyless }),
        };
        let used = self.authorities.iter().filter(|(name, _)| used.contains(*name));
        let authorities: Map<_, _> = used.map(|(name, keys)| (name.clone(), key(keys))).collect();
        let images: Map<_, _> =
            self.scopes.iter().map(|scope| (scope.pattern.to_string(), scope.body.clone())).collect();
        let scopes = images.len();
        let yaml = |value: &Value| serde_saphyr::to_string(value).map_err(|error| ImportError::Yaml(error.to_string()));
        let mut text = "version: 1\nmode: enforced\ndefault: deny\n".to_owned();
        text.push_str(&yaml(&json!({ "authorities": authorities }))?);
        text.push_str(&yaml(&json!({ "images": images }))?);
        self.lost.sort();
        self.lost.dedup();
        Ok(Imported { text, scopes, lost: self.lost })
    }
}

/// The authorities that a scope names.
fn names(body: &Value) -> Vec<String> {
    let attestations = body.get("attestations").and_then(Value::as_array).into_iter().flatten();
    let from = attestations.chain(body.get("signatures")).filter_map(|one| one.get("from"));
    from.filter_map(Value::as_array).flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
