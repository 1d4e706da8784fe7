//! Other tools' policies as one of ours, and a report of all that has no equal here. What is written never asks for
//! less than what was read: a rule that cannot be said is left out, and with it each wider rule that would take its images.

mod cluster_image_policy;
mod connaisseur;
mod containers;
mod daemon;
mod draft;
mod keyless;
mod node;
mod notation;

use crate::limits::IMPORT_BYTES;
use draft::Draft;
use node::{Node, Read};
use serde_json::Value;
use std::fmt;

/// Whose policy is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// containers-policy.json(5), of podman, CRI-O, skopeo and buildah.
    Containers,
    /// notation's trustpolicy.json, version 1.0.
    Notation,
    /// Sigstore's `ClusterImagePolicy` (policy.sigstore.dev, v1alpha1 and v1beta1).
    ClusterImagePolicy,
    /// `content-trust` in the Docker daemon's daemon.json.
    Daemon,
    /// Connaisseur's `values.yaml`, of versions 2 and 3.
    Connaisseur,
}

/// A policy of ours out of another tool's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The policy file's text.
    pub text: String,
    /// How many scopes it has.
    pub scopes: usize,
    /// What had no equal; empty if all of it is said.
    pub lost: Vec<Lost>,
}

/// Something that has no equal here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// Where it stands in what was read: `transports.docker["quay.io"][0].keyPath`.
    pub place: String,
    /// What it is, and what became of it.
    pub why: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

/// Why another tool's policy cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// More bytes than are read.
    #[error("{0} bytes, at most {IMPORT_BYTES} are read")]
    TooLarge(usize),
    /// Neither JSON nor YAML, or a field that comes twice.
    #[error("neither JSON nor YAML: {0}")]
    Syntax(String),
    /// Not of the shape that its tool expects.
    #[error("{place}: expected {expected}")]
    Shape {
        /// Where.
        place: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// What came out could not be written as YAML.
    #[error("not written as YAML: {0}")]
    Yaml(String),
}

/// Reads another tool's policy.
///
/// # Errors
/// The text is not that tool's. What merely has no equal is no error and stands in [`Imported::lost`].
pub fn import(source: Source, text: &str) -> Result<Imported, ImportError> {
    if text.len() as u64 > IMPORT_BYTES {
        return Err(ImportError::TooLarge(text.len()));
    }
    let syntax = |error: serde_saphyr::Error| {
        ImportError::Syntax(error.to_string().lines().next().unwrap_or_default().to_owned())
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(syntax)?;
    let mut draft = Draft::default();
    let mut nodes = documents.into_iter().enumerate().map(|(number, value)| {
        Node::new(if number == 0 { String::new() } else { format!("document {}", number + 1) }, value)
    });
    if source == Source::ClusterImagePolicy {
        cluster_image_policy::read(nodes, &mut draft)?;
        return draft.finish();
    }
    let (Some(node), None) = (nodes.next(), nodes.next()) else {
        return Err(ImportError::Shape { place: "the file".to_owned(), expected: "one document" });
    };
    match source {
        Source::Containers => containers::read(node, &mut draft)?,
        Source::Notation => notation::read(node, &mut draft)?,
        Source::Daemon => daemon::read(node, &mut draft)?,
        Source::Connaisseur => connaisseur::read(node, &mut draft)?,
        Source::ClusterImagePolicy => {}
    }
    draft.finish()
}

#[cfg(test)]
mod tests;
