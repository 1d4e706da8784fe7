use super::{
    AuthorError, Signers,
    keys::{check_threshold, drop_unused, list_key, next_version, unlist_key},
};
use crate::{
    crypto::{Fingerprint, PublicKey},
    format::tuf::{
        Binding, Delegation, Delegations, Header, Metadata, Pattern, RoleKeys, RoleName, Target, TargetList, Targets,
    },
    limits::TUF_ROLE_NAME,
    oci::Digest,
    trust::tuf::{Count, quorum::Authority},
};
use jiff::Timestamp;
use serde_json::{Map, json};
use std::collections::BTreeSet;

/// A delegation to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewDelegation<'a> {
    /// The role's name: printable ASCII, and no top-level role's.
    pub role: &'a RoleName,
    /// Who signs for it.
    pub signers: Signers<'a>,
    /// The paths it is asked for, as patterns.
    pub paths: &'a [&'a str],
    /// Whether nobody after it is asked for these paths.
    pub terminating: bool,
    /// Whether it is asked before all that are there already.
    pub first: bool,
}

/// The first file of a targets role, bound to a repository, listing nothing.
#[must_use]
pub fn new_targets(repository: &str, expires: Timestamp) -> Targets {
    Targets {
        header: Header::new(1, expires),
        targets: TargetList::default(),
        delegations: None,
        binding: Some(Binding {
            repository: repository.to_owned(),
            previous: None,
            changed: Vec::new(),
            unknown: Map::new(),
        }),
        unknown: Map::new(),
    }
}

/// The file after this one, unchanged but for version and expiry, and naming the digest of the file it was made from.
///
/// # Errors
/// There is no next version.
pub fn next_targets(
    role: &RoleName,
    current: &Targets,
    file: &[u8],
    expires: Timestamp,
) -> Result<Targets, AuthorError> {
    let version = next_version(role, current.header.version)?;
    let previous = Some(Digest::sha256(file));
    let binding = current.binding.clone().map(|binding| Binding { previous, changed: Vec::new(), ..binding });
    Ok(Targets { header: Header::new(version, expires), binding, ..current.clone() })
}

/// Delegates to a role.
///
/// # Errors
/// The role is there already, its name can't be written, a pattern is none, or the signers can't meet their threshold.
pub fn delegate(targets: &mut Targets, new: &NewDelegation<'_>) -> Result<(), AuthorError> {
    let name = new.role.as_str();
    if name.is_empty() || name.len() > TUF_ROLE_NAME || !is_printable(name) || new.role.is_top_level() {
        return Err(AuthorError::Name(name.to_owned()));
    }
    if targets.delegation(new.role).is_some() {
        return Err(AuthorError::RoleExists(new.role.clone()));
    }
    new.paths.iter().try_for_each(|pattern| Pattern::parse(pattern).map(|_| ()))?;
    let mut keys = targets.delegations.as_ref().map(|delegations| delegations.keys.clone()).unwrap_or_default();
    let delegation = Delegation {
        name: new.role.clone(),
        keys: new.signers.list(new.role, &mut keys)?,
        terminating: new.terminating,
        paths: Some(new.paths.iter().map(|&pattern| pattern.to_owned()).collect()),
        path_hash_prefixes: None,
    };
    let delegations = targets.delegations.get_or_insert_default();
    delegations.keys = keys;
    let at = if new.first { 0 } else { delegations.roles.len() };
    delegations.roles.insert(at, delegation);
    Ok(())
}

/// Delegates to a role no more. Its file stays listed in snapshots, so that nobody brings back an older one.
///
/// # Errors
/// There is no such delegation.
pub fn undelegate(targets: &mut Targets, role: &RoleName) -> Result<(), AuthorError> {
    let delegations = delegations(targets, role)?;
    delegations.roles.retain(|delegation| delegation.name != *role);
    drop_unused(&mut delegations.keys, delegations.roles.iter().map(|delegation| &delegation.keys));
    Ok(())
}

/// Gives a delegated role one more key.
///
/// # Errors
/// There is no such delegation, or it has the key already.
pub fn add_signer(targets: &mut Targets, role: &RoleName, key: &PublicKey) -> Result<(), AuthorError> {
    let Delegations { keys, roles, .. } = delegations(targets, role)?;
    list_key(role, keys, role_keys(roles, role)?, key)
}

/// Takes a key from a delegated role.
///
/// # Errors
/// There is no such delegation, it does not have the key, or those that stay can't meet its threshold.
pub fn remove_signer(targets: &mut Targets, role: &RoleName, key: Fingerprint) -> Result<(), AuthorError> {
    let Delegations { keys, roles, .. } = delegations(targets, role)?;
    unlist_key(role, keys, role_keys(roles, role)?, key)?;
    drop_unused(keys, roles.iter().map(|delegation| &delegation.keys));
    Ok(())
}

/// Sets how many of a delegated role's keys have to sign.
///
/// # Errors
/// There is no such delegation, or the threshold is zero or more than it has keys.
pub fn set_signer_threshold(targets: &mut Targets, role: &RoleName, threshold: u64) -> Result<(), AuthorError> {
    let role_keys = role_keys(&mut delegations(targets, role)?.roles, role)?;
    let changed = RoleKeys { threshold, ..role_keys.clone() };
    check_threshold(role, &changed)?;
    *role_keys = changed;
    Ok(())
}

fn delegations<'t>(targets: &'t mut Targets, role: &RoleName) -> Result<&'t mut Delegations, AuthorError> {
    let has = |delegations: &&mut Delegations| delegations.roles.iter().any(|delegation| delegation.name == *role);
    targets.delegations.as_mut().filter(has).ok_or_else(|| AuthorError::NoRole(role.clone()))
}

fn role_keys<'r>(roles: &'r mut [Delegation], role: &RoleName) -> Result<&'r mut RoleKeys, AuthorError> {
    let found = roles.iter_mut().find(|delegation| delegation.name == *role);
    found.map(|delegation| &mut delegation.keys).ok_or_else(|| AuthorError::NoRole(role.clone()))
}

/// Lists a tag, or changes what it stands for.
///
/// # Errors
/// Not a tag, or one of boltseal's own.
pub fn set_tag(targets: &mut Targets, tag: &str, target: Target) -> Result<(), AuthorError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(word);
    let rest = tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-');
    if !(first && rest && tag.len() <= 128) || tag.starts_with("boltseal.") {
        return Err(AuthorError::Tag(tag.to_owned()));
    }
    targets.targets.edit().insert(tag.to_owned(), target);
    Ok(())
}

/// Lists a tag no more.
///
/// # Errors
/// It is not listed.
pub fn remove_tag(targets: &mut Targets, tag: &str) -> Result<(), AuthorError> {
    targets.targets.edit().remove(tag).map(|_| ()).ok_or_else(|| AuthorError::NotListed(tag.to_owned()))
}

/// Revokes a manifest, and with an index the platforms' manifests that it lists. In the file of `targets/revoked`; a
/// digest that is revoked already stays with its first reason, and with all that was listed.
///
/// # Errors
/// The reason is not printable ASCII.
pub fn revoke(
    targets: &mut Targets,
    digest: &Digest,
    length: u64,
    lists: &[Digest],
    reason: &str,
) -> Result<(), AuthorError> {
    if !is_printable(reason) {
        return Err(AuthorError::Text(reason.to_owned()));
    }
    let path = format!("revoked/{}/{}", digest.algorithm(), digest.hex());
    let before = targets.targets.get(&path);
    let reason = before.and_then(Target::reason).unwrap_or(reason).to_owned();
    let known = before.into_iter().flat_map(Target::listed_digests);
    let digests: BTreeSet<_> = known.chain(lists.iter().copied()).map(|digest| digest.to_string()).collect();
    let length = before.map_or(length, |before| before.length.max(length));
    let custom = json!({"reason": reason, "digests": digests});
    targets.targets.edit().insert(path, Target::new(length, digest).with_custom(custom));
    Ok(())
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// How many signatures a delegated role's file has, of the keys that its delegation lists.
///
/// # Errors
/// There is no such delegation.
pub fn count(by: &Targets, role: &RoleName, metadata: &Metadata<Targets>) -> Result<Count, AuthorError> {
    let none = || AuthorError::NoRole(role.clone());
    let (delegations, delegation) = by.delegations.as_ref().zip(by.delegation(role)).ok_or_else(none)?;
    Ok(Authority::new(role, &delegations.keys, &delegation.keys).count(metadata))
}
