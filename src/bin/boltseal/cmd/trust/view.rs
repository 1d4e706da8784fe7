//! A trust state as administrators see it: signed tags, signers, keys.

use boltseal::{
    crypto::Fingerprint,
    format::tuf::{Key, RoleKeys, RoleName},
    oci::Digest,
    trust::tuf::{Asked, TrustState},
};
use std::collections::BTreeMap;

/// A signer: a role `targets/NAME` that the top-level targets role delegates to.
pub struct Signer {
    pub name: String,
    pub keys: Vec<Fingerprint>,
}

/// A tag, what it means, and the signers that say the same.
pub struct SignedTag {
    pub tag: String,
    pub digest: Digest,
    pub signers: Vec<String>,
}

/// The keys of a top-level role.
pub fn keys(state: &TrustState, role: &RoleName) -> Vec<Fingerprint> {
    let root = state.root().signed();
    root.role(role).map(|keys| fingerprints(&root.keys, keys)).unwrap_or_default()
}

pub fn signers(state: &TrustState) -> Vec<Signer> {
    let targets = state.targets(&RoleName::Targets).and_then(|targets| targets.signed().delegations.as_ref());
    let signer = |delegations: &boltseal::format::tuf::Delegations| {
        let named = delegations.roles.iter().filter_map(|role| {
            Some(Signer { name: name(&role.name)?.to_owned(), keys: fingerprints(&delegations.keys, &role.keys) })
        });
        named.collect()
    };
    targets.map(signer).unwrap_or_default()
}

/// All tags that have an answer, or one of them.
pub fn tags(state: &TrustState, only: Option<&str>) -> Vec<SignedTag> {
    let wanted = |tag: &&str| !tag.contains('/') && only.is_none_or(|only| only == *tag);
    let signed = |tag: &str| {
        let vouched = state.vouch(&Asked::Tag(tag.to_owned()), &[], &[]).ok()?;
        let signers = vouched.by().keys().filter_map(name).map(str::to_owned).collect();
        Some(SignedTag { tag: tag.to_owned(), digest: vouched.digest(), signers })
    };
    state.paths().into_iter().filter(wanted).filter_map(signed).collect()
}

/// The signer's name in a role's: those of boltseal's own are nobody's.
fn name(role: &RoleName) -> Option<&str> {
    let own = [RoleName::RELEASES, RoleName::REVOKED].contains(&role.as_str());
    role.as_str().strip_prefix("targets/").filter(|_| !own)
}

fn fingerprints(keys: &BTreeMap<String, Key>, role: &RoleKeys) -> Vec<Fingerprint> {
    role.keyids.iter().filter_map(|id| Some(keys.get(id)?.decode().ok()?.fingerprint())).collect()
}
