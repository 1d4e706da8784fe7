//! Files that name images: where each name stands, and the file with digests put to them. Every other byte stays.

mod dockerfile;
mod shell;
#[cfg(test)]
mod tests;
mod yaml;

use crate::oci::{Digest, Reference, ReferenceError};
use std::{ops::Range, path::Path};

/// What kind of file names images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A Dockerfile or Containerfile.
    Dockerfile,
    /// Compose or Kubernetes: YAML, or JSON.
    Manifest,
}

/// An image's name in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name as it is written.
    pub text: String,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// What names it: `FROM`, `image`.
    pub by: &'static str,
}

/// A name that can't be pinned where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpinnable {
    /// The line, from 1.
    pub line: usize,
    /// Why, and what could be.
    pub why: String,
    /// The other file that names it, as it is written: where that one is read too, nothing is missing.
    pub file: Option<String>,
}

/// What a file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Images, in the order of the file; each place once.
    pub images: Vec<Named>,
    /// What hides images.
    pub unpinnable: Vec<Unpinnable>,
}

/// Why a file's images can't be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinFileError {
    /// The name does not say what the file is.
    #[error("is not called like a Dockerfile, nor ends in .yaml, .yml or .json: say what it is with --as")]
    Kind,
    /// It is no YAML.
    #[error("is no YAML that could be read: {0}")]
    Yaml(String),
    /// It is YAML of another kind.
    #[error("is neither Compose (`services`) nor Kubernetes (`apiVersion`)")]
    Manifest,
    /// With the digests in place the file would name other images.
    #[error("would name other images once it was written: {0}")]
    Edit(String),
}

impl FileKind {
    /// The kind that a file's name says.
    ///
    /// # Errors
    /// It says none.
    pub fn of(path: &Path) -> Result<Self, PinFileError> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let is =
            |word: &str| name == word || name.starts_with(&format!("{word}.")) || name.ends_with(&format!(".{word}"));
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml" | "json") => Ok(Self::Manifest),
            _ if is("dockerfile") || is("containerfile") => Ok(Self::Dockerfile),
            _ => Err(PinFileError::Kind),
        }
    }
}

/// Finds the images that a file names.
///
/// # Errors
/// The file can't be read as what it is.
pub fn names(kind: FileKind, text: &str) -> Result<Names, PinFileError> {
    let mut names = match kind {
        FileKind::Dockerfile => dockerfile::names(text),
        FileKind::Manifest => yaml::names(text)?,
    };
    names.images.sort_by_key(|named| named.at.start);
    names.images.dedup_by_key(|named| named.at.start);
    names.unpinnable.sort_by_key(|unpinnable| unpinnable.line);
    names.unpinnable.dedup();
    Ok(names)
}

impl Named {
    /// The image. Here `oci:1` is an image's name like any other.
    ///
    /// # Errors
    /// The text is no reference.
    pub fn reference(&self) -> Result<Reference, ReferenceError> {
        match self.text.strip_prefix("oci:") {
            Some(_) => format!("docker.io/library/{}", self.text).parse(),
            None => self.text.parse(),
        }
    }

    /// The same name with this digest, in the place of the one that it may have.
    #[must_use]
    pub fn with(&self, digest: &Digest) -> String {
        let name = self.text.split('@').next().unwrap_or_default();
        format!("{name}@{digest}")
    }
}

/// The file with some of its images by other names, and nothing else changed.
///
/// # Errors
/// Read again, the file would not name exactly these and the others.
pub fn rewritten(kind: FileKind, text: &str, edits: &[(&Named, String)]) -> Result<String, PinFileError> {
    let mut edits: Vec<_> = edits.iter().collect();
    edits.sort_by_key(|(named, _)| named.at.start);
    let (mut new, mut done) = (String::with_capacity(text.len() + 80 * edits.len()), 0);
    for (named, by) in &edits {
        new.push_str(text.get(done..named.at.start).unwrap_or_default());
        new.push_str(by);
        done = named.at.end;
    }
    new.push_str(text.get(done..).unwrap_or_default());
    let wanted = names(kind, text)?.images.into_iter().map(|named| {
        let edit = edits.iter().find(|(edited, _)| edited.at == named.at);
        edit.map_or(named.text, |(_, by)| by.clone())
    });
    let found: Vec<_> = names(kind, &new)?.images.into_iter().map(|named| named.text).collect();
    if wanted.eq(found.iter().cloned()) { Ok(new) } else { Err(PinFileError::Edit(found.join(", "))) }
}

/// The line of a place, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| before.bytes().filter(|byte| *byte == b'\n').count()) + 1
}
