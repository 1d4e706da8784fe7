use super::{
    Body, Key, KeyId, NotaryFormatError, is_delegation,
    wire::{self, WireFileMeta, WireKey, WireMeta, WireRole, WireRoot, WireTargets},
};
use crate::{
    crypto::hash,
    limits::{NOTARY_DELEGATIONS, NOTARY_KEYS},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Who holds a role: keys, and how many of them have to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleKeys {
    /// The keys by their ids; each is a key of its file.
    pub keys: BTreeMap<KeyId, Key>,
    /// How many different holders have to sign; at least 1.
    pub threshold: u64,
}

/// `root.json`: who holds the four roles.
#[derive(Clone, Debug)]
pub struct Root {
    /// Who may sign the next root.
    pub root: RoleKeys,
    /// Who may sign `targets.json`.
    pub targets: RoleKeys,
    /// Who may sign `snapshot.json`.
    pub snapshot: RoleKeys,
    /// Who may sign `timestamp.json`.
    pub timestamp: RoleKeys,
}

/// `targets.json` or a delegation's file: names (tags, for docker) and what they mean; further delegations.
#[derive(Clone, Debug)]
pub struct Targets {
    /// What each name means.
    pub targets: BTreeMap<String, FileMeta>,
    /// To whom names are delegated, in the file's order; each role once.
    pub delegations: Vec<Delegation>,
}

/// A role that another one delegates to.
#[derive(Clone, Debug)]
pub struct Delegation {
    /// The role's full name: `targets/releases`.
    pub name: String,
    /// Who holds it.
    pub role: RoleKeys,
    /// Prefixes of the names that it may speak of; the empty one is all.
    pub paths: Vec<String>,
}

/// `snapshot.json`: every other file but the timestamp, by its role's name.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The files; `root` and `targets` are among them.
    pub meta: BTreeMap<String, FileMeta>,
}

/// `timestamp.json`: which snapshot is the current one.
#[derive(Clone, Debug)]
pub struct Timestamp {
    /// The snapshot.
    pub snapshot: FileMeta,
}

/// A file by its length and hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMeta {
    /// Bytes.
    pub length: u64,
    /// SHA-256.
    pub sha256: [u8; 32],
    /// SHA-512, where it is listed.
    pub sha512: Option<[u8; 64]>,
}

impl FileMeta {
    /// Whether these bytes are the file: length and every listed hash.
    #[must_use]
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        self.length == bytes.len() as u64
            && self.sha256 == hash::sha256(bytes)
            && self.sha512.is_none_or(|expected| expected == hash::sha512(bytes))
    }

    fn new(name: &str, wire: &WireFileMeta) -> Result<Self, NotaryFormatError> {
        let hash = |algorithm| wire.hashes.get(algorithm).map(|hash| hash.0.as_slice());
        let sha256 =
            sized(name, "sha256", hash("sha256"))?.ok_or_else(|| NotaryFormatError::NoHash(name.to_owned()))?;
        Ok(Self { length: wire.length, sha256, sha512: sized(name, "sha512", hash("sha512"))? })
    }
}

fn sized<const N: usize>(
    name: &str,
    algorithm: &'static str,
    hash: Option<&[u8]>,
) -> Result<Option<[u8; N]>, NotaryFormatError> {
    let Some(hash) = hash else { return Ok(None) };
    let wrong = |_| NotaryFormatError::Hash { name: name.to_owned(), algorithm, found: hash.len(), expected: N };
    hash.try_into().map(Some).map_err(wrong)
}

impl Body for Root {
    const TYPE: &'static str = "Root";

    fn decode(signed: Value) -> Result<Self, NotaryFormatError> {
        let wire: WireRoot = wire::read(signed)?;
        let keys = keys(wire.keys)?;
        let role = |name: &'static str| {
            let role = wire.roles.get(name).ok_or(NotaryFormatError::RoleMissing(name))?;
            role_keys(name, role, &keys)
        };
        let (root, targets) = (role("root")?, role("targets")?);
        Ok(Self { root, targets, snapshot: role("snapshot")?, timestamp: role("timestamp")? })
    }
}

impl Body for Targets {
    const TYPE: &'static str = "Targets";

    fn decode(signed: Value) -> Result<Self, NotaryFormatError> {
        let wire: WireTargets = wire::read(signed)?;
        let targets = files(&wire.targets.unwrap_or_default())?;
        let Some(wire) = wire.delegations else { return Ok(Self { targets, delegations: Vec::new() }) };
        let keys = keys(wire.keys.unwrap_or_default())?;
        let roles = wire.roles.unwrap_or_default();
        if roles.len() > NOTARY_DELEGATIONS {
            return Err(NotaryFormatError::Limit { what: "delegations", limit: NOTARY_DELEGATIONS });
        }
        let mut delegations: Vec<Delegation> = Vec::new();
        for wire in roles {
            if !is_delegation(&wire.name) {
                return Err(NotaryFormatError::RoleName(wire.name));
            }
            if delegations.iter().any(|known| known.name == wire.name) {
                return Err(NotaryFormatError::RepeatedRole(wire.name));
            }
            let role = role_keys(&wire.name, &wire.role, &keys)?;
            delegations.push(Delegation { name: wire.name, role, paths: wire.paths.unwrap_or_default() });
        }
        Ok(Self { targets, delegations })
    }
}

impl Body for Snapshot {
    const TYPE: &'static str = "Snapshot";

    fn decode(signed: Value) -> Result<Self, NotaryFormatError> {
        let meta = files(&wire::read::<WireMeta>(signed)?.meta)?;
        for needed in ["root", "targets"] {
            if !meta.contains_key(needed) {
                return Err(NotaryFormatError::NotListed(needed));
            }
        }
        if meta.len() > NOTARY_DELEGATIONS {
            return Err(NotaryFormatError::Limit { what: "files", limit: NOTARY_DELEGATIONS });
        }
        let is_known = |name: &str| name == "root" || name == "targets" || is_delegation(name);
        match meta.keys().find(|name| !is_known(name)) {
            Some(name) => Err(NotaryFormatError::RoleName(name.clone())),
            None => Ok(Self { meta }),
        }
    }
}

impl Body for Timestamp {
    const TYPE: &'static str = "Timestamp";

    fn decode(signed: Value) -> Result<Self, NotaryFormatError> {
        let wire: WireMeta = wire::read(signed)?;
        let snapshot = wire.meta.get("snapshot").ok_or(NotaryFormatError::NotListed("snapshot"))?;
        Ok(Self { snapshot: FileMeta::new("snapshot", snapshot)? })
    }
}

fn files(wire: &BTreeMap<String, WireFileMeta>) -> Result<BTreeMap<String, FileMeta>, NotaryFormatError> {
    wire.iter().map(|(name, file)| Ok((name.clone(), FileMeta::new(name, file)?))).collect()
}

fn keys(wire: BTreeMap<String, WireKey>) -> Result<BTreeMap<KeyId, Key>, NotaryFormatError> {
    if wire.len() > NOTARY_KEYS {
        return Err(NotaryFormatError::Limit { what: "keys", limit: NOTARY_KEYS });
    }
    let mut keys = BTreeMap::new();
    for (stated, wire) in wire {
        let key = Key::new(wire);
        let computed = key.id();
        if stated != computed.to_string() {
            return Err(NotaryFormatError::KeyId { stated, computed });
        }
        keys.insert(computed, key);
    }
    Ok(keys)
}

fn role_keys(name: &str, wire: &WireRole, keys: &BTreeMap<KeyId, Key>) -> Result<RoleKeys, NotaryFormatError> {
    if wire.threshold == 0 {
        return Err(NotaryFormatError::Threshold(name.to_owned()));
    }
    let mut held = BTreeMap::new();
    for id in &wire.keyids {
        let unknown = || NotaryFormatError::UnknownKey { role: name.to_owned(), key: *id };
        held.insert(*id, keys.get(id).ok_or_else(unknown)?.clone());
    }
    Ok(RoleKeys { keys: held, threshold: wire.threshold })
}
