//! From the policy as written to one that can be kept.

mod authority;
mod content_trust;
mod rego;
mod unmeetable;

use super::{
    Asked, Authority, CertificatePattern, IdentityPattern, IdentityRule, Mode, Pattern, Policy, PolicyError, Position,
    PredicateType, Requirement, Scope, Unsigned, document, rules,
};
use crate::{
    crypto::PublicKey,
    format::predicate::Family,
    limits::POLICY_SCOPES,
    oci::RepositoryName,
    rego::{InProcess, Runner},
    trust::{Anchors, TrustedRoot, count_distinct},
};
use authority::{GITHUB, PUBLIC_GOOD, Sources};
use content_trust::content_trust;
use jiff::SignedDuration;
use rego::Programs;
use serde_saphyr::Spanned;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Reads the public key that a policy names by path; the caller knows the folder that paths start from.
/// The error says what is wrong with the key.
pub type KeyLoader<'a> = dyn Fn(&str) -> Result<PublicKey, String> + 'a;

/// Reads a file that a policy names by path: a trusted root, or the certificates of an authority; `public-good` and `github`
/// too, of which `None` says that the ones which come with this version are meant. The error says what is wrong.
pub type FileLoader<'a> = dyn Fn(&str) -> Result<Option<Vec<u8>>, String> + 'a;

/// Holders of certificates, as flags name them.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Who.
    pub pattern: CertificatePattern,
    /// What they are verified by.
    pub root: Arc<TrustedRoot>,
}

/// A policy in one line, as the flags of `verify` give it: the same for every image.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The keys, each an authority of its own, named as it was given.
    pub keys: Vec<(String, PublicKey)>,
    /// Holders of certificates, as one more authority.
    pub certificates: Option<Certificates>,
    /// How many of them have to have signed; 1 where it is left out.
    pub threshold: Option<usize>,
    /// Whether an image signature is asked for.
    pub signatures: bool,
    /// The attestations that are asked for: cosign's names, or URIs.
    pub types: Vec<String>,
    /// What the signed reference has to say.
    pub identity: IdentityRule,
    /// The annotations that an image signature has to carry.
    pub annotations: BTreeMap<String, String>,
}

type Authorities = BTreeMap<String, Arc<Authority>>;

impl Policy {
    /// As [`Policy::parse_with`], for a policy that names no files but keys, and no trusted roots but those that come with
    /// this version.
    ///
    /// # Errors
    /// As [`Policy::parse_with`].
    pub fn parse(text: &str, load: &KeyLoader<'_>) -> Result<Self, PolicyError> {
        let embedded = |name: &str| match name {
            PUBLIC_GOOD | GITHUB => Ok(None),
            _ => Err("no files are read here".to_owned()),
        };
        Self::parse_with(text, load, &embedded)
    }

    /// As [`Policy::parse_run_by`], with Rego programs that are run in this process: see [`InProcess`] for what that does not hold.
    ///
    /// # Errors
    /// As [`Policy::parse_run_by`].
    pub fn parse_with(text: &str, load: &KeyLoader<'_>, files: &FileLoader<'_>) -> Result<Self, PolicyError> {
        Self::parse_run_by(text, load, files, &(Arc::new(InProcess) as Arc<dyn Runner>))
    }

    /// Reads a policy file's text (YAML, or JSON, which is YAML); `runner` runs the Rego programs that it names.
    ///
    /// Refused, too: a key or field that comes twice, fields that are not known, anchors and aliases, more than one
    /// document, more than [`crate::limits::POLICY_BYTES`].
    ///
    /// # Errors
    /// See [`PolicyError`]; each says where, what, and what would be right.
    pub fn parse_run_by(
        text: &str,
        load: &KeyLoader<'_>,
        files: &FileLoader<'_>,
        runner: &Arc<dyn Runner>,
    ) -> Result<Self, PolicyError> {
        let document = document::parse(text)?;
        let count = document.images.0.len();
        if count > POLICY_SCOPES {
            return Err(PolicyError::TooManyScopes(count));
        }
        let mut sources = Sources::new(load, files);
        let mut authorities = Authorities::new();
        for (name, raw) in document.authorities.0 {
            let authority = sources.authority(&name, raw)?;
            authorities.insert(name.value, Arc::new(authority));
        }
        let mut programs = Programs::new(files, runner);
        let mut scopes = Vec::with_capacity(count);
        for (text, raw) in document.images.0 {
            scopes.push((Position::of(&text), scope(&text, raw, document.mode, &authorities, &mut programs)?));
        }
        refuse_ambiguous(&scopes)?;
        scopes.sort_by_key(|(_, scope)| std::cmp::Reverse(scope.pattern.rank()));
        let scopes = scopes.into_iter().map(|(_, scope)| scope).collect();
        Ok(Self { mode: document.mode, scopes, anchors: sources.anchors() })
    }

    /// The policy that `verify --key K --threshold N --type T` means: one scope for everything, enforced.
    ///
    /// # Errors
    /// No key, nothing asked for, a threshold that these keys cannot reach, or an unknown type.
    pub fn from_flags(flags: Flags) -> Result<Self, PolicyError> {
        let place = Position::Flags;
        let authority = |(name, key): &(String, PublicKey)| {
            let identities = vec![IdentityPattern::Key(key.fingerprint())];
            Arc::new(Authority { name: name.clone(), identities })
        };
        let holders = flags.certificates.as_ref().map(|Certificates { pattern, .. }| {
            let identities = vec![IdentityPattern::Certificate(Box::new(pattern.clone()))];
            Arc::new(Authority { name: pattern.subject.to_string(), identities })
        });
        let from: Vec<_> = flags.keys.iter().map(authority).chain(holders).collect();
        let threshold = threshold(place, flags.threshold, &from)?;
        let signature = flags.signatures.then_some(Asked::Signature { annotations: flags.annotations });
        let mut asked: Vec<_> = signature.into_iter().collect();
        for text in &flags.types {
            asked.push(Asked::Attestation { predicate: predicate(place, text)?, max_age: None });
        }
        let requirement = |asked| Requirement {
            asked,
            threshold,
            from: from.clone(),
            identity: flags.identity.clone(),
            unsigned: Unsigned::Refuse,
        };
        let requirements: Vec<_> = asked.into_iter().map(requirement).collect();
        if requirements.is_empty() {
            return Err(PolicyError::AsksNothing { place, scope: "**".to_owned() });
        }
        let mut scopes = Vec::new();
        for text in ["**", "oci:**"] {
            let pattern =
                Pattern::parse(text).map_err(|source| PolicyError::Scope { place, scope: text.to_owned(), source })?;
            scopes.push(Scope {
                pattern,
                mode: Mode::Enforced,
                content_trust: None,
                vsa: None,
                config: None,
                rego: None,
                requirements: requirements.clone(),
            });
        }
        let roots = flags.certificates.map(|certificates| certificates.root);
        let anchors = Anchors::new(flags.keys.into_iter().map(|(_, key)| key)).with_roots(roots);
        Ok(Self { mode: Mode::Enforced, scopes, anchors })
    }
}

fn scope(
    text: &Spanned<String>,
    raw: document::Scope,
    mode: Mode,
    authorities: &Authorities,
    programs: &mut Programs<'_>,
) -> Result<Scope, PolicyError> {
    let place = Position::of(text);
    let pattern = Pattern::parse(&text.value).map_err(|source| PolicyError::Scope {
        place,
        scope: text.value.clone(),
        source,
    })?;
    let mode = raw.mode.unwrap_or(mode);
    let mut requirements = Vec::new();
    if let Some(raw) = raw.signatures {
        let annotations = raw.annotations.0.into_iter().map(|(name, value)| (name.value, value)).collect();
        let asked = Asked::Signature { annotations };
        requirements.push(requirement(place, asked, raw.threshold, &raw.from, raw.identity, authorities)?);
    }
    for raw in raw.attestations {
        let predicate = predicate(Position::of(&raw.predicate_type), &raw.predicate_type.value)?;
        let max_age = raw.max_age.map(|text| max_age(&text, &predicate)).transpose()?;
        let place = Position::of(&raw.predicate_type);
        let asked = Asked::Attestation { predicate, max_age };
        let one = requirement(place, asked, raw.threshold, &raw.from, raw.identity, authorities)?;
        requirements.push(Requirement { unsigned: raw.unsigned, ..one });
    }
    if let Some(alone) = raw.base.as_ref().filter(|_| raw.provenance.is_none()) {
        return Err(rules::base_alone(Position::of(alone)));
    }
    let base = raw.base.map(|base| rules::base_rule(&base.value)).transpose()?;
    let provenance = raw.provenance.map(|raw| rules::provenance(raw, base));
    let questions = [provenance, raw.sbom.map(rules::sbom), raw.vuln.map(rules::vuln)];
    for put in questions.into_iter().flatten() {
        requirements.push(question(put?, authorities)?);
    }
    let mut vsa = raw.vsa.map(|raw| question(rules::summary(raw)?, authorities)).transpose()?;
    unmeetable::identities(place, &pattern, requirements.iter().chain(&vsa))?;
    unmeetable::dropped_tag(place, vsa.as_ref(), &requirements)?;
    if requirements.is_empty() {
        // In the place of nothing it is what is asked.
        requirements.extend(vsa.take());
    }
    let config = raw.config.map(|raw| rules::config(Position::of(&raw), raw.value)).transpose()?;
    let content_trust = raw.content_trust.map(|raw| content_trust(raw, !requirements.is_empty())).transpose()?;
    let rego = raw.rego.map(|file| programs.load(&file)).transpose()?;
    let scope = Scope { pattern, mode, content_trust, vsa, config, requirements, rego };
    if !scope.asks() && mode != Mode::Disabled {
        return Err(PolicyError::AsksNothing { place, scope: text.value.clone() });
    }
    Ok(scope)
}

fn question((place, question, who): rules::Put, authorities: &Authorities) -> Result<Requirement, PolicyError> {
    let asked = Asked::Document(Box::new(question));
    let one = requirement(place, asked, who.threshold, &who.from, who.identity, authorities)?;
    Ok(Requirement { unsigned: who.unsigned, ..one })
}

fn requirement(
    place: Position,
    asked: Asked,
    wanted: Option<Spanned<usize>>,
    names: &[Spanned<String>],
    identity: document::Identity,
    authorities: &Authorities,
) -> Result<Requirement, PolicyError> {
    let mut from = Vec::with_capacity(names.len());
    let mut seen = BTreeSet::new();
    for name in names {
        let place = Position::of(name);
        let Some(authority) = authorities.get(&name.value) else {
            let defined = authorities.keys().cloned().collect();
            return Err(PolicyError::UnknownAuthority { place, name: name.value.clone(), defined });
        };
        if !seen.insert(&name.value) {
            return Err(PolicyError::Repeated { place, what: "authority", name: name.value.clone() });
        }
        from.push(Arc::clone(authority));
    }
    let at = wanted.as_ref().map_or(place, Position::of);
    let threshold = threshold(at, wanted.map(|wanted| wanted.value), &from)?;
    Ok(Requirement { asked, threshold, from, identity: identity_rule(place, identity)?, unsigned: Unsigned::Refuse })
}

/// The threshold, if all of these authorities together could reach it.
fn threshold(place: Position, asked: Option<usize>, from: &[Arc<Authority>]) -> Result<usize, PolicyError> {
    if from.is_empty() {
        return Err(PolicyError::FromNobody { place });
    }
    let threshold = asked.unwrap_or(1);
    let everybody: Vec<BTreeSet<_>> = from.iter().map(|authority| authority.principals().collect()).collect();
    let reachable = count_distinct(&everybody).count();
    if (1..=reachable).contains(&threshold) {
        Ok(threshold)
    } else {
        Err(PolicyError::Threshold { place, threshold, reachable })
    }
}

fn identity_rule(place: Position, raw: document::Identity) -> Result<IdentityRule, PolicyError> {
    Ok(match raw {
        document::Identity::Any => IdentityRule::Any,
        document::Identity::Repository => IdentityRule::Repository,
        document::Identity::Tag => IdentityRule::Tag,
        document::Identity::Map(entries) => IdentityRule::Map(prefixes(place, entries)?),
    })
}

/// The prefixes of a map of names.
fn prefixes(
    place: Position,
    entries: document::Entries<Spanned<String>>,
) -> Result<BTreeMap<String, String>, PolicyError> {
    if entries.0.is_empty() {
        return Err(PolicyError::MapEmpty { place });
    }
    let mut map = BTreeMap::new();
    for (asked, signed) in entries.0 {
        let layout = asked.value.strip_prefix("oci:").is_some_and(|dir| !dir.is_empty() && !dir.ends_with('/'));
        for (text, good) in [(&asked, layout || is_prefix(&asked.value)), (&signed, is_prefix(&signed.value))] {
            if !good {
                return Err(PolicyError::MapPrefix { place: Position::of(text), found: text.value.clone() });
            }
        }
        map.insert(asked.value, signed.value);
    }
    Ok(map)
}

/// Whether something below it is a repository's name, in the spelling that names have.
fn is_prefix(text: &str) -> bool {
    let below = format!("{text}/x/y");
    below.parse::<RepositoryName>().is_ok_and(|name| name.to_string() == below)
}

fn predicate(place: Position, text: &str) -> Result<PredicateType, PolicyError> {
    if Family::of(text) == Some(Family::Vsa) {
        let why = format!("{text} may say that an image was refused; expected `vsa: {{ … }}`, which reads it");
        return Err(PolicyError::Rule { place, field: "type", why });
    }
    PredicateType::parse(text).map_err(|source| PolicyError::PredicateType { place, source })
}

fn max_age(text: &Spanned<String>, predicate: &PredicateType) -> Result<SignedDuration, PolicyError> {
    let max_age = duration(text)?;
    if !predicate.is_timed() {
        return Err(PolicyError::MaxAgeUntimed { place: Position::of(text), predicate_type: predicate.to_string() });
    }
    Ok(max_age)
}

/// Hours or days: `36h`, `7d`.
pub(super) fn duration(text: &Spanned<String>) -> Result<SignedDuration, PolicyError> {
    let refused = || PolicyError::Duration { place: Position::of(text), found: text.value.clone() };
    let (number, hours) = match (text.value.strip_suffix('h'), text.value.strip_suffix('d')) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 24),
        _ => return Err(refused()),
    };
    let digits = number.len() <= 6 && number.bytes().all(|b| b.is_ascii_digit());
    match number.parse::<i64>() {
        Ok(number) if digits && number > 0 => Ok(SignedDuration::from_hours(number * hours)),
        _ => Err(refused()),
    }
}

/// Scopes of one rank that can match the same repository leave open which one counts. Those of one rank that start
/// differently cannot, so they are compared within what starts alike.
fn refuse_ambiguous(scopes: &[(Position, Scope)]) -> Result<(), PolicyError> {
    let mut alike: BTreeMap<_, Vec<&Pattern>> = BTreeMap::new();
    for (place, scope) in scopes {
        let others = alike.entry((scope.pattern.rank(), scope.pattern.start())).or_default();
        if let Some(other) = others.iter().find(|other| other.overlaps(&scope.pattern)) {
            return Err(PolicyError::AmbiguousScopes {
                place: *place,
                first: Box::new((*other).clone()),
                second: Box::new(scope.pattern.clone()),
            });
        }
        others.push(&scope.pattern);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
