use super::{
    AuthorError, Signers,
    keys::{check_threshold, drop_unused, list_key, next_version, unlist_key},
};
use crate::{
    crypto::{Fingerprint, PublicKey},
    format::tuf::{Header, Metadata, Role, RoleKeys, RoleName, Root},
    trust::tuf::{Count, roots::authority},
};
use jiff::Timestamp;
use serde_json::Map;
use std::collections::BTreeMap;

/// Who signs for the top-level roles. Timestamp and snapshot are the sealing roles.
#[derive(Clone, Copy, Debug)]
pub struct TopLevel<'a> {
    /// Who may change any of these.
    pub root: Signers<'a>,
    /// Who says what is newest.
    pub timestamp: Signers<'a>,
    /// Who says what belongs together.
    pub snapshot: Signers<'a>,
    /// Who delegates.
    pub targets: Signers<'a>,
}

/// The first root, with consistent snapshots.
///
/// # Errors
/// A key twice in one role, or a threshold that its keys can't meet.
pub fn new_root(signers: &TopLevel<'_>, expires: Timestamp) -> Result<Root, AuthorError> {
    let mut keys = BTreeMap::new();
    let mut roles = BTreeMap::new();
    for (role, signers) in [
        (RoleName::Root, signers.root),
        (RoleName::Timestamp, signers.timestamp),
        (RoleName::Snapshot, signers.snapshot),
        (RoleName::Targets, signers.targets),
    ] {
        let listed = signers.list(&role, &mut keys)?;
        roles.insert(role.to_string(), listed);
    }
    Ok(Root { header: Header::new(1, expires), consistent_snapshot: true, keys, roles, unknown: Map::new() })
}

/// The root after this one, unchanged but for version and expiry.
///
/// It takes the signatures of enough keys of the current root and of its own: [`root_counts`] says how many are missing.
///
/// # Errors
/// There is no next version.
pub fn next_root(current: &Root, expires: Timestamp) -> Result<Root, AuthorError> {
    let version = next_version(&RoleName::Root, current.header.version)?;
    Ok(Root { header: Header::new(version, expires), ..current.clone() })
}

/// Gives a top-level role one more key.
///
/// # Errors
/// The role has the key already, or is no top-level role.
pub fn add_key(root: &mut Root, role: &RoleName, key: &PublicKey) -> Result<(), AuthorError> {
    let Root { keys, roles, .. } = root;
    list_key(role, keys, role_keys(roles, role)?, key)
}

/// Takes a key from a top-level role.
///
/// # Errors
/// The role does not have the key, or those that stay can't meet its threshold.
pub fn remove_key(root: &mut Root, role: &RoleName, key: Fingerprint) -> Result<(), AuthorError> {
    let Root { keys, roles, .. } = root;
    unlist_key(role, keys, role_keys(roles, role)?, key)?;
    drop_unused(keys, roles.values());
    Ok(())
}

/// Sets how many of a top-level role's keys have to sign.
///
/// # Errors
/// Zero, or more than the role has keys.
pub fn set_threshold(root: &mut Root, role: &RoleName, threshold: u64) -> Result<(), AuthorError> {
    let role_keys = role_keys(&mut root.roles, role)?;
    let changed = RoleKeys { threshold, ..role_keys.clone() };
    check_threshold(role, &changed)?;
    *role_keys = changed;
    Ok(())
}

fn role_keys<'r>(roles: &'r mut BTreeMap<String, RoleKeys>, role: &RoleName) -> Result<&'r mut RoleKeys, AuthorError> {
    roles.get_mut(role.as_str()).ok_or_else(|| AuthorError::NoRole(role.clone()))
}

/// How many signatures a root has, of the keys of the one before it and of its own. Both have to be met, and the first root
/// has only its own.
#[must_use]
pub fn root_counts(before: Option<&Root>, root: &Metadata<Root>) -> Vec<Count> {
    let authorities = before.into_iter().chain([root.signed()]);
    authorities.map(|by| authority(by, &RoleName::Root).count(root)).collect()
}

/// How many signatures a file of a top-level role has, of the keys that the root lists for it.
#[must_use]
pub fn count_top_level<R: Role>(root: &Root, role: &RoleName, file: &Metadata<R>) -> Count {
    authority(root, role).count(file)
}
