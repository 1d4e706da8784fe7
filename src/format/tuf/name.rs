use serde::{Deserialize, Serialize};
use std::fmt;

/// A role's name. Order: root, timestamp, snapshot, targets, then delegated roles by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RoleName {
    /// The keys of all top-level roles.
    Root,
    /// The newest snapshot, freshly said.
    Timestamp,
    /// The versions of all targets roles that belong together.
    Snapshot,
    /// The top-level targets role.
    Targets,
    /// A role that a targets role delegates to.
    Delegated(String),
}

impl RoleName {
    /// The role of boltseal that lists what is no longer to be used.
    pub const REVOKED: &'static str = "targets/revoked";
    /// The role of boltseal that maps tags to digests.
    pub const RELEASES: &'static str = "targets/releases";

    /// The name as metadata writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
            Self::Delegated(name) => name,
        }
    }

    /// Whether the root names this role's keys.
    #[must_use]
    pub fn is_top_level(&self) -> bool {
        !matches!(self, Self::Delegated(_))
    }

    /// Under which name timestamp and snapshot list this role: `NAME.json`, nothing encoded (TUF 1.0.34, 4.4).
    #[must_use]
    pub fn meta_name(&self) -> String {
        format!("{}.json", self.as_str())
    }

    /// The role listed under this name.
    #[must_use]
    pub fn from_meta_name(name: &str) -> Option<Self> {
        name.strip_suffix(".json").map(|role| Self::from(role.to_owned()))
    }

    /// The file's name: `[VERSION.]NAME.json` (TUF 1.0.34, 6.2), with everything in NAME percent-encoded but letters,
    /// digits, `-`, `.`, `_` and `~`, so that no role's name leads out of a folder: `targets/releases` is
    /// `3.targets%2Freleases.json`.
    #[must_use]
    pub fn file_name(&self, version: Option<u64>) -> String {
        let name = percent_encode(self.as_str(), b"");
        match version {
            Some(version) => format!("{version}.{name}.json"),
            None => format!("{name}.json"),
        }
    }
}

/// Percent-encodes all but the unreserved characters (RFC 3986, 2.3) and `kept`.
#[must_use]
pub fn percent_encode(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

impl From<String> for RoleName {
    fn from(name: String) -> Self {
        match name.as_str() {
            "root" => Self::Root,
            "timestamp" => Self::Timestamp,
            "snapshot" => Self::Snapshot,
            "targets" => Self::Targets,
            _ => Self::Delegated(name),
        }
    }
}

impl From<&str> for RoleName {
    fn from(name: &str) -> Self {
        Self::from(name.to_owned())
    }
}

impl From<RoleName> for String {
    fn from(role: RoleName) -> Self {
        role.as_str().to_owned()
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_s_name_never_leads_out_of_a_folder() {
        assert_eq!(RoleName::from("targets/releases").file_name(Some(3)), "3.targets%2Freleases.json");
        assert_eq!(RoleName::Timestamp.file_name(None), "timestamp.json");
        assert_eq!(RoleName::from("../é?").file_name(None), "..%2F%C3%A9%3F.json");
        assert_eq!(RoleName::from("..").file_name(None), "...json");
    }

    #[test]
    fn a_name_is_read_back_from_a_snapshot_s_list() {
        for name in ["root", "targets", "targets/a", ""] {
            let role = RoleName::from(name);
            assert_eq!(RoleName::from_meta_name(&role.meta_name()), Some(role));
        }
        assert_eq!(RoleName::from_meta_name("targets"), None);
    }
}
