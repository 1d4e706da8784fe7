//! Delegated roles, from the parents down.

use super::{Files, NotaryError, Rules, Skipped, Warning, file, floor, signers::Holders, state::Notes};
use crate::{
    format::notary::{Delegation, Signed, Snapshot, Targets},
    limits::NOTARY_DELEGATIONS,
};
use std::collections::{BTreeMap, VecDeque};

/// A delegated role as its parent describes it, and its own file where it verified.
pub(super) struct Delegated {
    pub(super) delegation: Delegation,
    pub(super) targets: Option<Targets>,
}

/// Verifies all delegated roles that the snapshot lists; by their names.
///
/// # Errors
/// A listed file that is missing or another one, or an older version than was seen: with it a state of its own making
/// could be shown by whoever keeps the files. Everything else only leaves the role out.
pub(super) fn verify(
    files: &Files,
    rules: &Rules<'_>,
    top: &Targets,
    snapshot: &Snapshot,
    done: &mut Notes,
) -> Result<BTreeMap<String, Delegated>, NotaryError> {
    let mut found: BTreeMap<String, Delegated> = BTreeMap::new();
    let all = vec![String::new()];
    let mut queue: VecDeque<(String, Delegation)> = children("targets", &all, top);
    while let Some((parent, delegation)) = queue.pop_front() {
        let name = delegation.name.clone();
        if !is_child(&parent, &name) {
            done.warnings.push(Warning::SkippedRole { role: name, why: Skipped::NotAChild(parent) });
            continue;
        }
        if found.len() >= NOTARY_DELEGATIONS {
            let limit = NOTARY_DELEGATIONS as u64;
            return Err(NotaryError::Limit { what: "delegated roles", limit });
        }
        let targets = one(files, rules, &delegation, snapshot, done)?.unwrap_or_else(|why| {
            done.warnings.push(Warning::SkippedRole { role: name.clone(), why });
            None
        });
        if let Some(targets) = &targets {
            queue.extend(children(&name, &delegation.paths, targets));
        }
        found.insert(name, Delegated { delegation, targets });
    }
    Ok(found)
}

/// What a role delegates, cut down to the names that are its own to delegate.
fn children(parent: &str, paths: &[String], targets: &Targets) -> VecDeque<(String, Delegation)> {
    let cut = |delegation: &Delegation| {
        let own = |path: &&String| paths.iter().any(|prefix| path.starts_with(prefix.as_str()));
        let paths = delegation.paths.iter().filter(own).cloned().collect();
        (parent.to_owned(), Delegation { paths, ..delegation.clone() })
    };
    targets.delegations.iter().map(cut).collect()
}

fn is_child(parent: &str, name: &str) -> bool {
    name.rsplit_once('/').is_some_and(|(above, _)| above == parent)
}

/// `Ok(Ok(None))`: never published.
fn one(
    files: &Files,
    rules: &Rules<'_>,
    delegation: &Delegation,
    snapshot: &Snapshot,
    done: &mut Notes,
) -> Result<Result<Option<Targets>, Skipped>, NotaryError> {
    let name = &delegation.name;
    let Some(meta) = snapshot.meta.get(name) else { return Ok(Ok(None)) };
    let bytes = file(files, name)?;
    if !meta.is_of(bytes) {
        return Err(NotaryError::MixAndMatch { role: name.clone(), listed_by: "snapshot" });
    }
    let signed: Signed<Targets> = match Signed::decode(bytes) {
        Ok(signed) => signed,
        Err(error) => return Ok(Err(Skipped::Malformed(error.to_string()))),
    };
    let holders = Holders::of(&delegation.role);
    if let Err(unmet) = holders.verify(&signed.message, &signed.signatures) {
        return Ok(Err(Skipped::ThresholdUnmet { found: unmet.found, threshold: unmet.threshold }));
    }
    floor(rules, name, signed.version)?;
    if signed.expires < rules.now && !rules.allow_expired {
        return Ok(Err(Skipped::Expired(signed.expires)));
    }
    done.note(rules.now, name, &signed, &holders, &delegation.role);
    done.warnings.extend(done.expired.drain(..).map(|(role, at)| Warning::Expired { role, at }));
    let (kept, left_out): (BTreeMap<_, _>, BTreeMap<_, _>) = signed
        .body
        .targets
        .into_iter()
        .partition(|(target, _)| delegation.paths.iter().any(|prefix| target.starts_with(prefix.as_str())));
    done.warnings.extend(left_out.into_keys().map(|target| Warning::OutOfPath { role: name.clone(), name: target }));
    Ok(Ok(Some(Targets { targets: kept, delegations: signed.body.delegations })))
}
