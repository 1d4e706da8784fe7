use super::{
    Hashes, Key, RoleName,
    metadata::{Header, MetadataError, Role, check_role_keys, check_version, version},
};
use crate::oci::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The root role: who signs what (TUF 1.0.34, 4.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Version and expiry.
    #[serde(flatten)]
    pub header: Header,
    /// Whether file names carry versions.
    #[serde(default)]
    pub consistent_snapshot: bool,
    /// All keys, by id.
    pub keys: BTreeMap<String, Key>,
    /// The roles' keys and thresholds, by the role's name; all four top-level roles are here.
    pub roles: BTreeMap<String, RoleKeys>,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Whose signatures count for a role, and how many it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKeys {
    /// Ids of keys, none twice.
    pub keyids: Vec<String>,
    /// How many principals have to sign, at least 1.
    pub threshold: u64,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// What one file says about another (TUF 1.0.34, 4.4, "METAFILES").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    /// The file's version.
    #[serde(deserialize_with = "version")]
    pub version: u64,
    /// The file's length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Hashes of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<Hashes>,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The snapshot role: the versions that belong together (TUF 1.0.34, 4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version and expiry.
    #[serde(flatten)]
    pub header: Header,
    /// By [`RoleName::meta_name`]: all targets roles.
    pub meta: BTreeMap<String, FileMeta>,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The timestamp role: the newest snapshot (TUF 1.0.34, 4.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// Version and expiry.
    #[serde(flatten)]
    pub header: Header,
    /// By [`RoleName::meta_name`]: the snapshot, and nothing else that counts.
    pub meta: BTreeMap<String, FileMeta>,
    /// Members that this version does not know, kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Root {
    /// A role's keys and threshold.
    #[must_use]
    pub fn role(&self, role: &RoleName) -> Option<&RoleKeys> {
        self.roles.get(role.as_str())
    }
}

impl Role for Root {
    const TYPE: &'static str = "root";

    fn header(&self) -> &Header {
        &self.header
    }

    fn unknown(&self) -> &Map<String, Value> {
        &self.unknown
    }

    fn check(&self) -> Result<(), MetadataError> {
        for role in [RoleName::Root, RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets] {
            let keys = self.role(&role).ok_or_else(|| MetadataError::Missing(format!("role {role}")))?;
            check_role_keys(&role, &keys.keyids, keys.threshold)?;
        }
        Ok(())
    }
}

impl FileMeta {
    /// What we write about a file: version, length and SHA-256.
    #[must_use]
    pub fn new(version: u64, bytes: &[u8]) -> Self {
        Self {
            version,
            length: Some(bytes.len() as u64),
            hashes: Some(Hashes::of(&Digest::sha256(bytes))),
            unknown: Map::new(),
        }
    }

    /// The SHA-256 that is stated, if it is one.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        self.hashes.as_ref()?.sha256()
    }
}

fn check_meta(meta: &BTreeMap<String, FileMeta>, needed: &RoleName) -> Result<(), MetadataError> {
    if !meta.contains_key(&needed.meta_name()) {
        return Err(MetadataError::Missing(needed.meta_name()));
    }
    meta.iter().try_for_each(|(name, file)| check_version(name, file.version))
}

impl Snapshot {
    /// What the snapshot says about a role's file.
    #[must_use]
    pub fn file(&self, role: &RoleName) -> Option<&FileMeta> {
        self.meta.get(&role.meta_name())
    }
}

impl Role for Snapshot {
    const TYPE: &'static str = "snapshot";

    fn header(&self) -> &Header {
        &self.header
    }

    fn unknown(&self) -> &Map<String, Value> {
        &self.unknown
    }

    fn check(&self) -> Result<(), MetadataError> {
        check_meta(&self.meta, &RoleName::Targets)
    }
}

impl Timestamp {
    /// What the timestamp says about the snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Option<&FileMeta> {
        self.meta.get(&RoleName::Snapshot.meta_name())
    }
}

impl Role for Timestamp {
    const TYPE: &'static str = "timestamp";

    fn header(&self) -> &Header {
        &self.header
    }

    fn unknown(&self) -> &Map<String, Value> {
        &self.unknown
    }

    fn check(&self) -> Result<(), MetadataError> {
        check_meta(&self.meta, &RoleName::Snapshot)
    }
}
