//! A policy in the words of other enforcers: exactly, or not at all. What cannot be said there is named; nothing is
//! left out, and nothing is said that asks for less.

mod containers;
mod openshift;
mod rules;
mod scopes;

use super::Policy;
use rules::{Strength, rules};
use std::fmt;

/// Whose words a policy is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// containers-policy.json(5) and containers-registries.d(5): podman, CRI-O, skopeo, buildah.
    Containers,
    /// OpenShift's `ClusterImagePolicy` and `Image` (config.openshift.io/v1).
    OpenShift,
}

/// A policy in another enforcer's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Files by their name below the target's folder, in the order in which they have to appear there.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// What whoever puts them into force should know.
    pub notes: Vec<&'static str>,
}

/// Why a policy cannot be put into another enforcer's words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// What cannot be said there: all of it, never empty.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Inexpressible(Vec<Inexpressible>),
    /// The words could not be written as YAML.
    #[error("not written as YAML: {0}")]
    Yaml(String),
}

/// One thing that a policy says and another enforcer has no words for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inexpressible {
    /// The scope that says it; none where it is the policy as a whole.
    pub scope: Option<String>,
    /// The field that says it.
    pub field: &'static str,
    /// Why it cannot be said, and what could be.
    pub why: String,
}

impl fmt::Display for Inexpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "scope `{scope}`, `{}`: {}", self.field, self.why),
            None => write!(f, "`{}`: {}", self.field, self.why),
        }
    }
}

/// Puts a policy into another enforcer's words.
///
/// Whatever the other enforcer lets pass under them, this policy allows. It may refuse more: it reads
/// [`crate::format::simple_signing`] alone, on the image of the platform that it pulls.
///
/// # Errors
/// [`ExportError::Inexpressible`] with everything that cannot be said, each with its scope, field and reason.
pub fn export(policy: &Policy, target: Target) -> Result<Exported, ExportError> {
    let strength = match target {
        Target::Containers => Strength::CONTAINERS,
        Target::OpenShift => Strength::OPENSHIFT,
    };
    let rules = rules(policy, &strength).map_err(ExportError::Inexpressible)?;
    match target {
        Target::Containers => containers::write(&rules),
        Target::OpenShift => openshift::write(&rules),
    }
}

fn yaml(value: &serde_json::Value) -> Result<String, ExportError> {
    serde_saphyr::to_string(value).map_err(|error| ExportError::Yaml(error.to_string()))
}

#[cfg(test)]
mod tests;
