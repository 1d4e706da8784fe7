//! Hashed bins: a role's list in parts, where the hash of a path says in which (TUF 1.0.34, 4.5, "path_hash_prefixes").

use super::{AuthorError, keys::drop_unused};
use crate::{
    crypto::hash,
    format::tuf::{Binding, Delegation, Delegations, Header, RoleName, Target, Targets},
    limits::TRUST_BINS,
};
use serde_json::Map;
use std::collections::BTreeMap;

/// Moves the list of a role into [`TRUST_BINS`] bins `ROLE/00`, `ROLE/01`… to which it delegates from now on: before all to
/// whom it did, with the keys and the threshold that `by`, who delegates to the role, lists for it. The bins' first files: of
/// version 1, as long to last as the role's, made from the same file as the role's.
///
/// Nobody is asked behind a bin, unless the role had delegated to others: they are still asked for what it does not list.
///
/// # Errors
/// `by` does not delegate to the role, or the role has bins already, or another role by the name of one.
pub fn split(by: &Targets, role: &RoleName, targets: &mut Targets) -> Result<BTreeMap<RoleName, Targets>, AuthorError> {
    let none = || AuthorError::NoRole(role.clone());
    let delegation = by.delegation(role).ok_or_else(none)?;
    let names: Vec<_> = (0..TRUST_BINS).map(|number| RoleName::from(format!("{role}/{number:02x}"))).collect();
    let taken = |delegation: &&Delegation| delegation.is_bin() || names.contains(&delegation.name);
    if let Some(taken) = targets.delegations().iter().find(taken) {
        return Err(AuthorError::RoleExists(taken.name.clone()));
    }
    let terminating = targets.delegations().is_empty();
    let bins = names.iter().enumerate().map(|(number, name)| Delegation {
        name: name.clone(),
        keys: delegation.keys.clone(),
        terminating,
        paths: None,
        path_hash_prefixes: Some(vec![format!("{number:x}")]),
    });
    targets.delegations.get_or_insert_default().roles.splice(0..0, bins);
    align_bins(by, role, targets)?;
    let mut lists = vec![BTreeMap::<String, Target>::new(); names.len()];
    for (path, target) in std::mem::take(targets.targets.edit()) {
        let [first, ..] = hash::sha256(path.as_bytes());
        if let Some(list) = lists.get_mut(usize::from(first >> 4)) {
            list.insert(path, target);
        }
    }
    let binding = targets.binding.as_ref().map(|binding| Binding { changed: Vec::new(), ..binding.clone() });
    let file = |list: BTreeMap<_, _>| Targets {
        header: Header::new(1, targets.header.expires),
        targets: list.into(),
        delegations: None,
        binding: binding.clone(),
        unknown: Map::new(),
    };
    Ok(names.into_iter().zip(lists.into_iter().map(file)).collect())
}

/// Gives a role's bins the keys and the threshold that `by` lists for the role.
///
/// # Errors
/// `by` does not delegate to the role.
pub fn align_bins(by: &Targets, role: &RoleName, targets: &mut Targets) -> Result<(), AuthorError> {
    let known = by.delegations.as_ref().zip(by.delegation(role));
    let (known, delegation) = known.ok_or_else(|| AuthorError::NoRole(role.clone()))?;
    let Some(Delegations { keys, roles, .. }) = targets.delegations.as_mut() else { return Ok(()) };
    for bin in roles.iter_mut().filter(|child| child.is_bin()) {
        bin.keys = delegation.keys.clone();
    }
    let own = known.keys.iter().filter(|(id, _)| delegation.keys.keyids.contains(id));
    keys.extend(own.map(|(id, key)| (id.clone(), key.clone())));
    drop_unused(keys, roles.iter().map(|delegation| &delegation.keys));
    Ok(())
}

/// Whether a role's bins have the keys and the threshold that `by` lists for the role.
#[must_use]
pub fn bins_are_aligned(by: &Targets, role: &RoleName, targets: &Targets) -> bool {
    let keys = by.delegation(role).map(|delegation| &delegation.keys);
    let known = |id: &String| {
        let key = |targets: &Targets| targets.delegations.as_ref().and_then(|all| all.keys.get(id).cloned());
        key(by) == key(targets)
    };
    targets.bins().all(|bin| Some(&bin.keys) == keys && bin.keys.keyids.iter().all(known))
}
