use super::AuthorError;
use crate::{
    crypto::{Fingerprint, PublicKey},
    format::tuf::{Key, RoleKeys, RoleName},
    limits::TUF_VERSION,
};
use std::collections::BTreeMap;

/// Who signs for a role.
#[derive(Clone, Copy, Debug)]
pub struct Signers<'a> {
    /// Their keys, each once.
    pub keys: &'a [PublicKey],
    /// How many of them have to sign, 1 to all.
    pub threshold: u64,
}

impl Signers<'_> {
    /// The role's keys, listed among `keys`.
    pub(super) fn list(&self, role: &RoleName, keys: &mut BTreeMap<String, Key>) -> Result<RoleKeys, AuthorError> {
        let mut role_keys = RoleKeys { threshold: self.threshold, ..RoleKeys::default() };
        for key in self.keys {
            list_key(role, keys, &mut role_keys, key)?;
        }
        check_threshold(role, &role_keys)?;
        Ok(role_keys)
    }
}

/// The key behind an id, if it can be used.
fn fingerprint(keys: &BTreeMap<String, Key>, id: &str) -> Option<Fingerprint> {
    Some(keys.get(id)?.decode().ok()?.fingerprint())
}

/// Gives a role one more key: under the id that the file has for it, else under ours.
pub(super) fn list_key(
    role: &RoleName,
    keys: &mut BTreeMap<String, Key>,
    role_keys: &mut RoleKeys,
    key: &PublicKey,
) -> Result<(), AuthorError> {
    let is = |id: &String| fingerprint(keys, id) == Some(key.fingerprint());
    if role_keys.keyids.iter().any(is) {
        return Err(AuthorError::KeyListed { role: role.clone(), key: key.fingerprint() });
    }
    let known = keys.keys().find(|id| is(id)).cloned();
    let id = known.unwrap_or_else(|| {
        let written = Key::new(key);
        let id = written.id();
        keys.insert(id.clone(), written);
        id
    });
    role_keys.keyids.push(id);
    Ok(())
}

/// Takes a key from a role, under all ids it may have there. The threshold has to be met by those that stay.
pub(super) fn unlist_key(
    role: &RoleName,
    keys: &BTreeMap<String, Key>,
    role_keys: &mut RoleKeys,
    key: Fingerprint,
) -> Result<(), AuthorError> {
    let mut left = role_keys.clone();
    left.keyids.retain(|id| fingerprint(keys, id) != Some(key));
    if left.keyids.len() == role_keys.keyids.len() {
        return Err(AuthorError::KeyNotListed { role: role.clone(), key });
    }
    check_threshold(role, &left)?;
    *role_keys = left;
    Ok(())
}

pub(super) fn check_threshold(role: &RoleName, role_keys: &RoleKeys) -> Result<(), AuthorError> {
    let keys = role_keys.keyids.len();
    if (1..=keys as u64).contains(&role_keys.threshold) {
        return Ok(());
    }
    Err(AuthorError::Threshold { role: role.clone(), threshold: role_keys.threshold, keys })
}

/// Drops keys that no role has any more.
pub(super) fn drop_unused<'r>(keys: &mut BTreeMap<String, Key>, roles: impl Iterator<Item = &'r RoleKeys> + Clone) {
    keys.retain(|id, _| roles.clone().any(|role| role.keyids.contains(id)));
}

/// The version after this one.
pub(super) fn next_version(role: &RoleName, version: u64) -> Result<u64, AuthorError> {
    let next = version.saturating_add(1);
    if next > TUF_VERSION { Err(AuthorError::LastVersion { role: role.clone(), version }) } else { Ok(next) }
}
