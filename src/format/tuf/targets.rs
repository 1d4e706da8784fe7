use super::{
    Key, Pattern, RoleKeys, RoleName, TargetList,
    metadata::{Header, MetadataError, Role, check_role_keys},
    pattern::hash_prefix_matches,
};
use crate::oci::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A targets role, top-level or delegated (TUF 1.0.34, 4.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// Version and expiry.
    #[serde(flatten)]
    pub header: Header,
    /// What is listed, by target path; in boltseal's own trust state the path is a tag.
    pub targets: TargetList,
    /// Who else lists what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Delegations>,
    /// Boltseal's own member: the repository it was signed for.
    #[serde(rename = "x-boltseal", default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Where a targets role belongs: a root that two repositories share must not make their states interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The image repository, `host/path`.
    pub repository: String,
    /// The digest of this role's file that it was edited from; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// The paths that this file lists otherwise than the one it was edited from, where these are few: what of it is missing
    /// can be told once it was overtaken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// A targets role's delegations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegations {
    /// The delegated roles' keys, by id.
    pub keys: BTreeMap<String, Key>,
    /// The delegated roles, the first asked first.
    #[serde(default)]
    pub roles: Vec<Delegation>,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// One delegation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The delegated role.
    pub name: RoleName,
    /// Its keys and threshold, and members that this version does not know.
    #[serde(flatten)]
    pub keys: RoleKeys,
    /// Whether nobody after it is asked for a path of its own.
    #[serde(default)]
    pub terminating: bool,
    /// The paths it is asked for, as patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// The paths it is asked for, by the start of their SHA-256 in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hash_prefixes: Option<Vec<String>>,
}

impl Role for Targets {
    const TYPE: &'static str = "targets";

    fn header(&self) -> &Header {
        &self.header
    }

    fn unknown(&self) -> &Map<String, Value> {
        &self.unknown
    }

    fn check(&self) -> Result<(), MetadataError> {
        let mut seen = BTreeSet::new();
        for delegation in self.delegations() {
            let name = &delegation.name;
            if name.is_top_level() {
                return Err(MetadataError::ReservedName(name.clone()));
            }
            if !seen.insert(name) {
                return Err(MetadataError::DuplicateDelegation(name.clone()));
            }
            delegation.check()?;
        }
        Ok(())
    }
}

impl Targets {
    /// The delegations, the first asked first.
    #[must_use]
    pub fn delegations(&self) -> &[Delegation] {
        self.delegations.as_ref().map_or(&[], |delegations| &delegations.roles)
    }

    /// The delegation to a role.
    #[must_use]
    pub fn delegation(&self, role: &RoleName) -> Option<&Delegation> {
        self.delegations().iter().find(|delegation| delegation.name == *role)
    }

    /// The hashed bins, the first asked first.
    pub fn bins(&self) -> impl Iterator<Item = &Delegation> {
        self.delegations().iter().filter(|delegation| delegation.is_bin())
    }

    /// The hashed bin that holds a path.
    #[must_use]
    pub fn bin(&self, path: &str) -> Option<&Delegation> {
        self.bins().find(|bin| bin.covers(path))
    }
}

impl Delegation {
    /// Whether the delegated role is a hashed bin: a part of the list of who delegates to it.
    #[must_use]
    pub fn is_bin(&self) -> bool {
        self.path_hash_prefixes.is_some()
    }

    fn check(&self) -> Result<(), MetadataError> {
        check_role_keys(&self.name, &self.keys.keyids, self.keys.threshold)?;
        let patterns = match (&self.paths, &self.path_hash_prefixes) {
            (Some(patterns), None) => patterns.as_slice(),
            (None, Some(_)) => &[],
            _ => return Err(MetadataError::Paths(self.name.clone())),
        };
        for pattern in patterns {
            let parsed = Pattern::parse(pattern);
            parsed.map_err(|source| MetadataError::Pattern { role: self.name.clone(), source })?;
        }
        Ok(())
    }

    /// Whether the delegated role is asked for this path.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let by_pattern = |pattern: &String| Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(path));
        self.paths.as_ref().is_some_and(|paths| paths.iter().any(by_pattern))
            || self.path_hash_prefixes.as_ref().is_some_and(|prefixes| hash_prefix_matches(prefixes, path))
    }
}
