//! What a scope asks of trust states, from the policy as written.

use super::{duration, prefixes};
use crate::{
    crypto::Fingerprint,
    format::tuf::RoleName,
    policy::{ByDigest, ContentTrust, OnExpired, PolicyError, Position, RootPins, Tofu, document},
};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};

/// `asks_for_evidence`: whether the scope asks for signatures or attestations, too.
pub(super) fn content_trust(
    raw: Spanned<document::ContentTrust>,
    asks_for_evidence: bool,
) -> Result<ContentTrust, PolicyError> {
    let place = Position::of(&raw);
    let raw = raw.value;
    match (raw.root.is_some() || raw.lock.is_some(), raw.tofu) {
        (false, Tofu::Deny) => return Err(PolicyError::NoAnchor { place }),
        (true, Tofu::Once) => return Err(PolicyError::TofuUnused { place }),
        (false, Tofu::Once) if raw.travel.is_some() => return Err(PolicyError::TofuOfCopies { place }),
        _ => {}
    }
    if raw.by_digest == ByDigest::Signatures && !asks_for_evidence {
        return Err(PolicyError::ByDigestUnasked { place });
    }
    Ok(ContentTrust {
        root: raw.root.map(|root| root_pins(place, root)).transpose()?,
        lock: raw.lock.map(lock).transpose()?,
        require_roles: require_roles(place, raw.require_roles)?,
        min_signers: positive("min-signers", raw.min_signers)?.unwrap_or(1),
        on_expired: match raw.on_expired {
            document::OnExpired::Fail => OnExpired::Fail,
            document::OnExpired::MaxStale(most) => OnExpired::MaxStale(duration(&most)?),
        },
        by_digest: raw.by_digest,
        map: match raw.identity {
            document::SignedName::Exact => BTreeMap::new(),
            document::SignedName::Map(entries) => prefixes(place, entries)?,
        },
        travel: raw.travel.map(|travel| duration(&travel.max_age)).transpose()?,
        tofu: raw.tofu,
    })
}

fn root_pins(place: Position, raw: document::RootPins) -> Result<RootPins, PolicyError> {
    let mut keys = BTreeSet::new();
    for key in &raw.keys {
        let place = Position::of(key);
        let pinned: Fingerprint = key.value.parse().map_err(|source| PolicyError::RootKey { place, source })?;
        if !keys.insert(pinned) {
            return Err(PolicyError::Repeated { place, what: "root key", name: key.value.clone() });
        }
    }
    let most = keys.len() as u64;
    if most == 0 {
        return Err(PolicyError::Empty { place, field: "keys", expected: "at least one root key" });
    }
    let at = raw.threshold.as_ref().map_or(place, Position::of);
    let threshold = raw.threshold.map_or(1, |threshold| threshold.value);
    if !(1..=most).contains(&threshold) {
        return Err(PolicyError::RootThreshold { place: at, threshold, keys: most });
    }
    Ok(RootPins { keys, threshold, min_version: positive("min-version", raw.min_version)? })
}

fn lock(raw: Spanned<String>) -> Result<String, PolicyError> {
    if raw.value.is_empty() {
        return Err(PolicyError::Empty { place: Position::of(&raw), field: "lock", expected: "a file" });
    }
    Ok(raw.value)
}

/// The roles that have to agree: each may list tags, none stands there twice.
fn require_roles(place: Position, raw: Option<Vec<Spanned<String>>>) -> Result<Vec<RoleName>, PolicyError> {
    let Some(names) = raw else { return Ok(vec![RoleName::from(RoleName::RELEASES)]) };
    let mut roles = Vec::with_capacity(names.len());
    for name in names {
        let place = Position::of(&name);
        let role = RoleName::from(name.value.as_str());
        match &role {
            RoleName::Delegated(delegated) if !delegated.is_empty() && delegated != RoleName::REVOKED => {}
            RoleName::Targets => {}
            _ => return Err(PolicyError::RequiredRole { place, found: name.value }),
        }
        if roles.contains(&role) {
            return Err(PolicyError::Repeated { place, what: "role", name: name.value });
        }
        roles.push(role);
    }
    if roles.is_empty() {
        return Err(PolicyError::Empty { place, field: "require-roles", expected: "at least one role" });
    }
    Ok(roles)
}

fn positive<T: Default + PartialEq>(field: &'static str, raw: Option<Spanned<T>>) -> Result<Option<T>, PolicyError> {
    match raw {
        Some(number) if number.value == T::default() => Err(PolicyError::Zero { place: Position::of(&number), field }),
        number => Ok(number.map(|number| number.value)),
    }
}
