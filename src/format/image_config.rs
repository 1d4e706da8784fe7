//! An image's configuration (OCI image-spec 1.1, "config.md"; Docker's is of the same shape).

use crate::json::{self, JsonError};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// What an image says of how it is run and how it was made, as far as a policy asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Whom it runs as: a name or number, with or without a group; empty for root.
    pub user: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its environment, `NAME=value`.
    pub environment: Vec<String>,
    /// The commands that made its layers, the first one first.
    pub history: Vec<String>,
    /// How many layers its root filesystem has.
    pub layers: usize,
    /// The digests of its layers, uncompressed, the lowest first.
    pub diff_ids: Vec<String>,
    /// `os/architecture`; empty where it is not stated.
    pub platform: String,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default, deserialize_with = "nullable")]
    config: Inner,
    #[serde(default, deserialize_with = "nullable")]
    history: Vec<Step>,
    rootfs: RootFs,
    #[serde(default, deserialize_with = "nullable")]
    os: String,
    #[serde(default, deserialize_with = "nullable")]
    architecture: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Inner {
    #[serde(deserialize_with = "nullable")]
    user: String,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    env: Vec<String>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(default, deserialize_with = "nullable")]
    created_by: String,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(deserialize_with = "nullable")]
    diff_ids: Vec<String>,
}

/// A member that may be `null` as well as absent.
fn nullable<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ImageConfig {
    /// Reads a configuration: strict JSON, with a root filesystem.
    ///
    /// # Errors
    /// Anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, JsonError> {
        let Written { config, history, rootfs, os, architecture } = json::decode(bytes)?;
        Ok(Self {
            user: config.user,
            labels: config.labels,
            environment: config.env,
            history: history.into_iter().map(|step| step.created_by).collect(),
            layers: rootfs.diff_ids.len(),
            diff_ids: rootfs.diff_ids,
            platform: if os.is_empty() { os } else { format!("{os}/{architecture}") },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_and_anything_else_is_none() {
        let config = br#"{"architecture":"amd64","os":"linux","config":{"User":"65532","Env":["A=b"],"Labels":{"x":"y"},"Cmd":["/a"]},
            "history":[{"created_by":"RUN a"},{"created":"2026-11-20T10:00:00Z","empty_layer":true}],
            "rootfs":{"type":"layers","diff_ids":["sha256:00","sha256:01"]}}"#;
        let config = ImageConfig::decode(config).unwrap();
        assert_eq!((config.user.as_str(), config.layers, config.history.len()), ("65532", 2, 2));
        assert_eq!((config.platform.as_str(), config.diff_ids[1].as_str()), ("linux/amd64", "sha256:01"));
        assert_eq!((config.labels["x"].as_str(), config.environment.as_slice()), ("y", &["A=b".to_owned()][..]));
        let bare = ImageConfig::decode(br#"{"config":null,"rootfs":{"diff_ids":null}}"#).unwrap();
        assert_eq!(bare, ImageConfig::default());
        for bad in [&b"{}"[..], b"[]", br#"{"config":{"User":0},"rootfs":{"diff_ids":[]}}"#] {
            assert!(ImageConfig::decode(bad).is_err());
        }
    }
}
