//! Bills of materials: SPDX 2 and 3, and CycloneDX 1, as JSON. Each package is brought down to what is asked of it as
//! soon as it was read, so that a large document is never in memory a second time.

mod cyclonedx;
mod spdx2;
mod spdx3;

use super::PredicateError;
use jiff::Timestamp;
use serde::Deserialize;
use std::fmt;

/// What is in an image, as its signer states it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sbom {
    /// The format.
    pub format: SbomFormat,
    /// The format's version, as written: `2.3`, `1.6`.
    pub version: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The packages, the one that the document describes among them.
    pub packages: Vec<Package>,
}

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SbomFormat {
    /// SPDX.
    Spdx,
    /// CycloneDX.
    CycloneDx,
}

/// Something that an image contains, or the image itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Its name, with a group before it where one is written.
    pub name: Box<str>,
    /// Its version; empty where none is stated.
    pub version: Box<str>,
    /// Its package URL; empty where none is stated.
    pub purl: Box<str>,
    /// Its licences: SPDX expressions, or names; none where none is stated.
    pub licenses: Box<[Box<str>]>,
    /// Algorithm, in lower case and without a dash, and hex.
    pub digests: Box<[(Box<str>, Box<str>)]>,
    /// Whether it is what the document describes.
    pub is_subject: bool,
}

impl Sbom {
    /// Reads an SPDX document of version 2.2, 2.3 or 3.
    ///
    /// # Errors
    /// As [`PredicateError`] says.
    pub fn decode_spdx(predicate: &[u8]) -> Result<Self, PredicateError> {
        // Version 3 is JSON-LD, and says so with its first word.
        #[derive(Deserialize)]
        struct Head {
            #[serde(rename = "@context")]
            context: Option<serde::de::IgnoredAny>,
        }
        let is_graph = serde_json::from_slice::<Head>(predicate).is_ok_and(|head| head.context.is_some());
        if is_graph { spdx3::decode(predicate) } else { spdx2::decode(predicate) }
    }

    /// Reads a CycloneDX document of version 1.
    ///
    /// # Errors
    /// As [`PredicateError`] says.
    pub fn decode_cyclonedx(predicate: &[u8]) -> Result<Self, PredicateError> {
        cyclonedx::decode(predicate)
    }
}

impl fmt::Display for SbomFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spdx => "spdx",
            Self::CycloneDx => "cyclonedx",
        })
    }
}

/// An algorithm's name in one spelling: SPDX writes `SHA256`, CycloneDX `SHA-256`.
fn algorithm(text: &str) -> Box<str> {
    text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

/// What is stated: SPDX has words for that nothing is.
fn stated(license: Option<Box<str>>) -> Option<Box<str>> {
    license.filter(|text| !matches!(&**text, "" | "NOASSERTION" | "NONE"))
}

/// Both, where they differ.
fn both(one: Option<Box<str>>, other: Option<Box<str>>) -> Box<[Box<str>]> {
    let mut all: Vec<Box<str>> = stated(one).into_iter().collect();
    all.extend(stated(other).filter(|other| all.first() != Some(other)));
    all.into()
}

#[cfg(test)]
mod tests;
