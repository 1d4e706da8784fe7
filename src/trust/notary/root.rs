//! The chain of roots, from the pin to the current one.

use super::{Files, NotaryError, RootPin, Rules, Warning, decode, file, floor, signers::Holders, state::Notes};
use crate::{
    format::notary::{Root, Signed},
    limits::NOTARY_ROOTS,
};
use std::collections::BTreeSet;

/// Verifies the current root (`root`), by way of the versions before it (`1.root`, `2.root`, …) as far as the pin is
/// older than it.
pub(super) fn verify(files: &Files, rules: &Rules<'_>, done: &mut Notes) -> Result<Signed<Root>, NotaryError> {
    let current: Signed<Root> = decode("root", file(files, "root")?)?;
    if let Some(newer) = versions(files).into_iter().find(|version| *version > current.version) {
        return Err(NotaryError::Rollback { role: "root".to_owned(), found: current.version, seen: newer });
    }
    floor(rules, "root", current.version)?;
    let mut trusted = match rules.pin {
        RootPin::Keys(pinned) => pinned_root(files, rules, &current, pinned)?,
        RootPin::Cache(bytes) => cached_root(rules, &current, bytes)?,
    };
    let steps = current.version.saturating_sub(trusted.version);
    if steps > NOTARY_ROOTS {
        return Err(NotaryError::Limit { what: "root versions since the pinned one", limit: NOTARY_ROOTS });
    }
    for version in trusted.version.saturating_add(1)..=current.version {
        let next = at(files, version, &current)?;
        let before = Holders::of_root(&trusted.body.root, rules.repository);
        before.verify(&next.message, &next.signatures).map_err(|_| NotaryError::RootChanged { version })?;
        holds_itself(&next, rules)?;
        trusted = next;
    }
    if trusted.message != current.message {
        return Err(NotaryError::RootChanged { version: current.version });
    }
    let holders = Holders::of_root(&current.body.root, rules.repository);
    let ends = current.body.root.keys.values().filter_map(|key| key.certificate()?.not_after());
    done.warnings.extend(ends.filter(|at| *at < rules.now).map(|at| Warning::CertificateExpired { at }));
    done.note(rules.now, "root", &current, &holders, &current.body.root);
    Ok(current)
}

/// The newest root that enough pinned keys signed, of those that are there. Broken old ones are passed over: they are
/// only missed if the chain needs them.
fn pinned_root(
    files: &Files,
    rules: &Rules<'_>,
    current: &Signed<Root>,
    pinned: &BTreeSet<super::PinnedKey>,
) -> Result<Signed<Root>, NotaryError> {
    let mut candidates = versions(files);
    candidates.insert(current.version);
    for version in candidates.into_iter().rev() {
        let Ok(root) = at(files, version, current) else { continue };
        let holders = Holders::of_root(&root.body.root, rules.repository);
        let holders = holders.only(|id, key| pinned.iter().any(|pin| pin.is(id, key)));
        if holders.verify(&root.message, &root.signatures).is_ok() {
            return Ok(root);
        }
    }
    names_repository(current, rules)?;
    let holders = Holders::of_root(&current.body.root, rules.repository);
    Err(NotaryError::NotPinned {
        pinned: pinned.iter().map(ToString::to_string).collect(),
        holders: holders.keys().values().map(|key| key.fingerprint().to_string()).collect(),
        version: current.version,
    })
}

/// The root that docker remembers. An equal version with other content is another root.
fn cached_root(rules: &Rules<'_>, current: &Signed<Root>, bytes: &[u8]) -> Result<Signed<Root>, NotaryError> {
    let cached: Signed<Root> = decode("root", bytes)?;
    holds_itself(&cached, rules)?;
    let (found, seen) = (current.version, cached.version);
    if found < seen {
        return Err(NotaryError::Rollback { role: "root".to_owned(), found, seen });
    }
    Ok(cached)
}

/// A root by its version.
fn at(files: &Files, version: u64, current: &Signed<Root>) -> Result<Signed<Root>, NotaryError> {
    if version == current.version {
        return Ok(current.clone());
    }
    let name = format!("{version}.root");
    let bytes = files.get(&name).ok_or(NotaryError::RootGap { version, current: current.version })?;
    let root: Signed<Root> = decode(&name, bytes)?;
    if root.version == version { Ok(root) } else { Err(NotaryError::MixAndMatch { role: name, listed_by: "root" }) }
}

fn holds_itself(root: &Signed<Root>, rules: &Rules<'_>) -> Result<(), NotaryError> {
    names_repository(root, rules)?;
    let holders = Holders::of_root(&root.body.root, rules.repository);
    holders.verify(&root.message, &root.signatures).map_err(|unmet| unmet.of("root"))
}

fn names_repository(root: &Signed<Root>, rules: &Rules<'_>) -> Result<(), NotaryError> {
    if !Holders::of_root(&root.body.root, rules.repository).keys().is_empty() {
        return Ok(());
    }
    let certificates = root.body.root.keys.values().filter_map(|key| key.certificate());
    let named = certificates.filter_map(|certificate| certificate.common_name().map(str::to_owned)).collect();
    Err(NotaryError::WrongRepository { named, repository: rules.repository.to_owned() })
}

fn versions(files: &Files) -> BTreeSet<u64> {
    files.keys().filter_map(|name| name.strip_suffix(".root")?.parse().ok()).collect()
}
