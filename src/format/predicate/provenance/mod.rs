//! SLSA provenance 0.1, 0.2 and 1, in one shape, with each build type's own reading of source, ref and workflow.

mod build_types;
mod image;
mod uri;
mod wire;

pub use build_types::{states_source, states_workflow};
pub use image::ImageNameError;
pub use uri::{percent_decoded, split_source};

use super::{PredicateError, SLSA_V01, SLSA_V1};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How an image was built, as its builder's signer states it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Who says that they built it: a URI; empty where BuildKit was told of none.
    pub builder: String,
    /// What kind of build it was, a URI: it says what the other members mean.
    pub build_type: String,
    /// Whether this build type's reading is known here. If not, neither source nor workflow can be told.
    pub is_known: bool,
    /// What was built. Most builds have one source; each of several counts.
    pub sources: Vec<Source>,
    /// What defined the build: a workflow's path, a job, a pipeline.
    pub workflow: Option<String>,
    /// What whoever asked for the build could set.
    pub parameters: Vec<Parameter>,
    /// What the build fetched.
    pub dependencies: Vec<Dependency>,
    /// When the build began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

/// Source code that was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Where it is, without `git+`, `.git` and the ref.
    pub uri: String,
    /// The full ref: `refs/tags/v1`.
    pub reference: Option<String>,
    /// Algorithm to hex: the commit.
    pub digest: BTreeMap<String, String>,
    /// Who stands behind it.
    pub vouching: Vouching,
}

/// Who stands behind what a provenance says of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vouching {
    /// The builder fetched it itself.
    #[default]
    Builder,
    /// The builder passes on what its client said, unchecked: BuildKit's `vcs`, a pipeline's parameters.
    Client,
}

/// A parameter that whoever asks for a build can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its path below the external parameters.
    pub name: String,
    /// Whether the build type defines it.
    pub is_known: bool,
}

/// Something that a build fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependency {
    /// What it was to the build, where a builder says it (`inputs/result`, `pipeline`).
    pub name: Option<String>,
    /// Where it came from; empty where it is not said.
    pub uri: String,
    /// Algorithm to hex.
    pub digest: BTreeMap<String, String>,
}

pub(super) const DOCUMENT: &str = "SLSA provenance";

impl Provenance {
    /// Reads provenance of one of SLSA's three predicate types.
    ///
    /// # Errors
    /// As [`PredicateError`] says; also where a document says two different things of one source.
    pub fn decode(predicate_type: &str, predicate: &[u8]) -> Result<Self, PredicateError> {
        let written = match predicate_type {
            SLSA_V1 => wire::v1(predicate)?,
            SLSA_V01 => wire::v01(predicate)?,
            _ => wire::v02(predicate)?,
        };
        build_types::read(written)
    }

    /// The container images that the build fetched: base images, those of other stages, and those of its tools.
    pub fn images(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| dependency.image().is_some())
    }

    /// Whether all images that went into the build are among its dependencies, so that none means none. Of the build types
    /// that are known here BuildKit's alone say so; others list their tools, and not what their steps fetch.
    #[must_use]
    pub fn lists_images(&self) -> bool {
        build_types::lists_images(&self.build_type)
    }
}

#[cfg(test)]
mod tests;
