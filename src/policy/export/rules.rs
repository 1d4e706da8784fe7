//! What each scope asks, in the one form that the targets share: for each of some sets of keys a signature by one of them.

use super::{
    Inexpressible,
    scopes::{Place, Share, share},
};
use crate::{
    crypto::{Fingerprint, KeyAlgorithm, PublicKey},
    limits::EXPORT_CLAUSES,
    policy::{Asked, Authority, IdentityPattern, IdentityRule, Mode, Policy, Requirement, Scope},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a target has words for.
pub(super) struct Strength {
    /// A signature by any of several keys.
    any_of: bool,
    /// The tag that was signed.
    tags: bool,
    /// A scope for every registry.
    everything: bool,
}

impl Strength {
    pub(super) const CONTAINERS: Self = Self { any_of: true, tags: true, everything: true };
    pub(super) const OPENSHIFT: Self = Self { any_of: false, tags: false, everything: false };
}

/// What is asked in a place.
#[derive(Clone)]
pub(super) enum Rule {
    /// Nothing.
    Accept,
    /// A signature by one of the keys of each clause.
    Signed {
        /// The clauses.
        clauses: Vec<Vec<PublicKey>>,
        /// The signed reference has to name the tag, too.
        tag: bool,
    },
}

impl Rule {
    /// What makes two rules the same.
    fn essence(&self) -> Option<(BTreeSet<BTreeSet<Fingerprint>>, bool)> {
        match self {
            Self::Accept => None,
            Self::Signed { clauses, tag } => {
                let names = |clause: &Vec<PublicKey>| clause.iter().map(PublicKey::fingerprint).collect();
                Some((clauses.iter().map(names).collect(), *tag))
            }
        }
    }
}

/// The rule of each place, or all that cannot be said.
pub(super) fn rules(policy: &Policy, strength: &Strength) -> Result<BTreeMap<Place, Rule>, Vec<Inexpressible>> {
    let mut refused = Vec::new();
    if policy.mode() != Mode::Enforced {
        let why = format!("images that no scope matches are rejected there; `{}` lets them pass", policy.mode());
        refused.push(Inexpressible { scope: None, field: "mode", why });
    }
    let mut shares = Vec::new();
    for scope in policy.scopes() {
        let found = share(&scope.pattern.to_string()).map_err(|why| refuse(&mut refused, scope, "images", why)).ok();
        let rule = rule(policy, scope, strength, &mut refused);
        if let (Some(share), Some(rule)) = (found, rule) {
            shares.push((scope, share, rule));
        }
    }
    let rules = places(&shares, strength, &mut refused);
    refuse_wide(&shares, &mut refused);
    if refused.is_empty() { Ok(rules) } else { Err(refused) }
}

fn refuse(refused: &mut Vec<Inexpressible>, scope: &Scope, field: &'static str, why: impl Into<String>) {
    refused.push(Inexpressible { scope: Some(scope.pattern.to_string()), field, why: why.into() });
}

type Shares<'p> = [(&'p Scope, Share, Rule)];

fn places(shares: &Shares<'_>, strength: &Strength, refused: &mut Vec<Inexpressible>) -> BTreeMap<Place, Rule> {
    let mut rules = BTreeMap::new();
    for (scope, share, rule) in shares {
        let (place, other) = match share {
            Share::All(place) => (place.clone(), None),
            Share::WithoutPort(domain) => (Place::Domain(domain.clone()), Some(Share::WithPort(domain.clone()))),
            Share::WithPort(domain) => (Place::Domain(domain.clone()), Some(Share::WithoutPort(domain.clone()))),
        };
        let same = |(_, share, other): &(&Scope, Share, Rule), half| share == half && other.essence() == rule.essence();
        if let Some(half) = other
            && !shares.iter().any(|one| same(one, &half))
        {
            let domain = place.text();
            let why = format!(
                "a domain there is its hosts with and without ports; expected `{domain}/**` and `{domain}:*/**` to ask for the same"
            );
            refuse(refused, scope, "images", why);
        }
        if place == Place::Everything && !strength.everything {
            refuse(refused, scope, "images", "there is no scope for every registry there; name the hosts");
        }
        rules.insert(place, rule.clone());
    }
    rules
}

/// Hosts are compared as they are typed there: `REGISTRY.example.com/x` misses the scope of `registry.example.com` and
/// falls into the one around it.
fn refuse_wide(shares: &Shares<'_>, refused: &mut Vec<Inexpressible>) {
    for (scope, share, rule) in shares {
        let wide = match share {
            Share::All(place) => place.is_wide(),
            Share::WithoutPort(_) | Share::WithPort(_) => true,
        };
        let inner = |other: &&(&Scope, Share, Rule)| {
            let (inner, _, asked) = other;
            inner.pattern.rank() > scope.pattern.rank()
                && inner.pattern.overlaps(&scope.pattern)
                && asked.essence() != rule.essence()
        };
        if let Some((inner, ..)) = shares.iter().find(inner).filter(|_| wide) {
            let why = format!(
                "a host in capitals falls into it there, and not into `{}`, which asks for something else; name the hosts",
                inner.pattern
            );
            refuse(refused, scope, "images", why);
        }
    }
}

fn rule(policy: &Policy, scope: &Scope, strength: &Strength, refused: &mut Vec<Inexpressible>) -> Option<Rule> {
    let before = refused.len();
    match scope.mode {
        Mode::Disabled => return Some(Rule::Accept),
        Mode::Enforced => {}
        Mode::Permissive => {
            refuse(refused, scope, "mode", "an image is let pass or rejected there, nothing is only reported")
        }
    }
    if scope.content_trust.is_some() {
        refuse(refused, scope, "content-trust", "signed tags are not known there; signatures with `identity: tag` are");
    }
    if scope.vsa.is_some() {
        refuse(refused, scope, "vsa", "another verifier's decision counts for nothing there");
    }
    if scope.config.is_some() {
        refuse(refused, scope, "config", "an image's configuration is not looked at there");
    }
    if scope.rego.is_some() {
        refuse(refused, scope, "rego", "nothing is asked there that is written in Rego");
    }
    let mut signed = None;
    for requirement in &scope.requirements {
        match &requirement.asked {
            Asked::Signature { annotations } if annotations.is_empty() => {
                signed = signature(policy, scope, requirement, strength, refused);
            }
            Asked::Signature { .. } => {
                refuse(refused, scope, "signatures.annotations", "what else was signed is not looked at there");
            }
            Asked::Document(question) => {
                refuse(refused, scope, "documents", format!("documents are not looked at there: {question}"));
            }
            Asked::Attestation { predicate, .. } => {
                refuse(refused, scope, "attestations", format!("attestations are not looked at there: {predicate}"));
            }
        }
    }
    signed.filter(|_| refused.len() == before)
}

fn signature(
    policy: &Policy,
    scope: &Scope,
    asked: &Requirement,
    strength: &Strength,
    refused: &mut Vec<Inexpressible>,
) -> Option<Rule> {
    let clauses = clauses(policy, asked).map_err(|(field, why)| refuse(refused, scope, field, why)).ok();
    let one_each = |clause: &Vec<PublicKey>| clause.len() == 1;
    if !strength.any_of && clauses.as_ref().is_some_and(|clauses| !clauses.iter().all(one_each)) {
        let why = "several keys there all have to have signed; expected one key, or a threshold of all authorities";
        refuse(refused, scope, "signatures.from", why);
    }
    let tag = match &asked.identity {
        IdentityRule::Repository => false,
        IdentityRule::Tag if strength.tags => true,
        IdentityRule::Tag => {
            let why = "tags are not compared there where an image is named by digest; `repository` can be said";
            refuse(refused, scope, "signatures.identity", why);
            return None;
        }
        IdentityRule::Any => {
            let why = "the signed name is always compared there; `repository` or `tag` can be said";
            refuse(refused, scope, "signatures.identity", why);
            return None;
        }
        IdentityRule::Map(_) => {
            let why = "under another name tags are compared there, too; a mirror needs no map there, it belongs into registries.conf";
            refuse(refused, scope, "signatures.identity", why);
            return None;
        }
    };
    Some(Rule::Signed { clauses: clauses?, tag })
}

type Unsaid = (&'static str, String);

/// At least m of n authorities: of any n - m + 1 of them one. So long as no key speaks for two, that is the same.
fn clauses(policy: &Policy, asked: &Requirement) -> Result<Vec<Vec<PublicKey>>, Unsaid> {
    let keys = asked.from.iter().map(|authority| keys(policy, authority)).collect::<Result<Vec<_>, _>>()?;
    let all: BTreeMap<_, _> = keys.iter().flatten().map(|key| (key.fingerprint(), key.clone())).collect();
    if asked.threshold == 1 {
        return Ok(vec![all.into_values().collect()]);
    }
    if all.len() < keys.iter().map(Vec::len).sum() {
        let why = "signers are not told apart there, and a key speaks for two of these authorities";
        return Err(("signatures.threshold", why.to_owned()));
    }
    let mut clauses = vec![(0, Vec::new())];
    let (size, count) = ((keys.len() + 1).saturating_sub(asked.threshold), keys.len());
    for (at, keys) in keys.iter().enumerate() {
        let mut longer = Vec::new();
        for (taken, clause) in clauses {
            // With it, and without it if enough are still to come.
            if taken < size {
                longer.push((taken + 1, [clause.as_slice(), keys.as_slice()].concat()));
            }
            if size - taken < count - at {
                longer.push((taken, clause));
            }
        }
        clauses = longer;
        if clauses.len() > EXPORT_CLAUSES {
            let why = format!("{} of {count} would be more than {EXPORT_CLAUSES} requirements there", asked.threshold);
            return Err(("signatures.threshold", why));
        }
    }
    let mut clauses: Vec<_> = clauses.into_iter().map(|(_, clause)| clause).collect();
    // One policy has one text, in whatever order its authorities are named.
    clauses.iter_mut().for_each(|clause| clause.sort_by_key(PublicKey::fingerprint));
    clauses.sort_by_cached_key(|clause| clause.iter().map(PublicKey::fingerprint).collect::<Vec<_>>());
    Ok(clauses)
}

/// The keys that speak for an authority, each once.
fn keys(policy: &Policy, authority: &Arc<Authority>) -> Result<Vec<PublicKey>, Unsaid> {
    let mut keys = BTreeMap::new();
    for identity in &authority.identities {
        let name = match identity {
            IdentityPattern::Key(name) => name,
            IdentityPattern::Certificate(_) => {
                let why = format!(
                    "`{}`: only keys can be said: nothing is asked of certificate transparency there",
                    authority.name
                );
                return Err(("authorities", why));
            }
        };
        let Some(key) = policy.anchors().keys.iter().find(|key| key.fingerprint() == *name) else {
            return Err(("authorities", format!("`{}`: its key is not at hand", authority.name)));
        };
        if key.algorithm() == KeyAlgorithm::EcdsaP384 {
            let why = format!(
                "`{}`: signatures are hashed with SHA-256 there, and those of P-384 keys with SHA-384",
                authority.name
            );
            return Err(("authorities", why));
        }
        keys.insert(*name, key.clone());
    }
    Ok(keys.into_values().collect())
}
