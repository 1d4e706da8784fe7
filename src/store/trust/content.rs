//! The file of one repository: a line of JSON, then the metadata files that it lists, as they are: nothing of theirs has to
//! be escaped, or read twice.

use super::Remembered;
use crate::{
    crypto::Fingerprint,
    format::tuf::RoleName,
    json::{self, JsonError},
    limits::{REMEMBERED_BYTES, TUF_VERSION},
    oci::Digest,
    trust::tuf::{Floors, RoleFloor, RootFloor},
};
use bytes::{Buf as _, Bytes};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

const VERSION: u64 = 1;

/// Why bytes are not what was remembered of a repository, or why something can't be remembered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RememberedError {
    /// Not strict JSON, or not of this shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A file of another version.
    #[error("the file is of version {0}, expected {VERSION}")]
    Version(Value),
    /// What was remembered of another repository.
    #[error("it is about {found:?}, expected {expected:?}")]
    Repository {
        /// The file's repository.
        found: String,
        /// The one that was asked for.
        expected: String,
    },
    /// A version that no file has.
    #[error("the version of {role} is {found}, expected 1 to {TUF_VERSION}")]
    RoleVersion {
        /// The role.
        role: RoleName,
        /// Its version.
        found: u64,
    },
    /// Not as many bytes as the first line says.
    #[error("{found} bytes behind the first line, expected {expected}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many the first line lists.
        expected: u64,
    },
    /// More than is read again.
    #[error("it would have {0} bytes, at most {REMEMBERED_BYTES} are read")]
    TooLarge(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    version: u64,
    repository: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<Cow<'a, str>>,
    floors: WireFloors,
    /// The lengths of what follows in bytes: the root, then each file.
    root: u64,
    files: BTreeMap<Cow<'a, str>, u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFloors {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<WireRoot>,
    roles: BTreeMap<RoleName, WireRole>,
    revoked: BTreeSet<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRoot {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRole {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    keys: BTreeSet<Fingerprint>,
}

pub(super) fn encode(repository: &str, remembered: &Remembered) -> Result<Vec<u8>, RememberedError> {
    let Remembered { floors, root, files, etag } = remembered;
    let wire = Wire {
        version: VERSION,
        repository: repository.into(),
        etag: etag.as_deref().map(Cow::Borrowed),
        floors: floors.into(),
        root: root.len() as u64,
        files: files.iter().map(|(name, bytes)| (Cow::Borrowed(name.as_str()), bytes.len() as u64)).collect(),
    };
    let mut bytes = serde_json::to_vec(&wire).map_err(JsonError::from)?;
    bytes.push(b'\n');
    std::iter::once(root).chain(files.values()).for_each(|file| bytes.extend_from_slice(file));
    if bytes.len() as u64 > REMEMBERED_BYTES { Err(RememberedError::TooLarge(bytes.len())) } else { Ok(bytes) }
}

pub(super) fn decode(repository: &str, bytes: &Bytes) -> Result<Remembered, RememberedError> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (first, mut rest) = (bytes.slice(..end), bytes.slice(end..));
    let value = json::decode_value(&first)?;
    match value.get("version") {
        Some(version) if *version != VERSION => return Err(RememberedError::Version(version.clone())),
        _ => {}
    }
    let wire = Wire::deserialize(value).map_err(JsonError::from)?;
    if wire.repository != repository {
        let (found, expected) = (wire.repository.into_owned(), repository.to_owned());
        return Err(RememberedError::Repository { found, expected });
    }
    // The end of the first line, where there is one.
    rest.advance(rest.len().min(1));
    let (found, expected) = (rest.len(), wire.files.values().fold(wire.root, |sum, file| sum.saturating_add(*file)));
    if found as u64 != expected {
        return Err(RememberedError::Length { found, expected });
    }
    let mut next = |length: u64| rest.split_to(usize::try_from(length).unwrap_or(usize::MAX).min(rest.len()));
    Ok(Remembered {
        floors: wire.floors.try_into()?,
        root: next(wire.root),
        files: wire.files.into_iter().map(|(name, length)| (name.into_owned(), next(length))).collect(),
        etag: wire.etag.map(Cow::into_owned),
    })
}

impl From<&Floors> for WireFloors {
    fn from(floors: &Floors) -> Self {
        let role = |(name, floor): (&RoleName, &RoleFloor)| {
            let RoleFloor { version, digest, keys } = floor.clone();
            (name.clone(), WireRole { version, digest, keys })
        };
        Self {
            root: floors.root.as_ref().map(|root| WireRoot { version: root.version, digest: root.digest }),
            roles: floors.roles.iter().map(role).collect(),
            revoked: floors.revoked.clone(),
        }
    }
}

impl TryFrom<WireFloors> for Floors {
    type Error = RememberedError;

    fn try_from(wire: WireFloors) -> Result<Self, RememberedError> {
        let root = wire.root.iter().map(|root| (&RoleName::Root, root.version));
        let all = root.chain(wire.roles.iter().map(|(role, floor)| (role, floor.version)));
        if let Some((role, found)) = { all }.find(|(_, version)| !(1..=TUF_VERSION).contains(version)) {
            return Err(RememberedError::RoleVersion { role: role.clone(), found });
        }
        let role = |(name, WireRole { version, digest, keys })| (name, RoleFloor { version, digest, keys });
        Ok(Self {
            root: wire.root.map(|WireRoot { version, digest }| RootFloor { version, digest }),
            roles: wire.roles.into_iter().map(role).collect(),
            revoked: wire.revoked,
        })
    }
}
