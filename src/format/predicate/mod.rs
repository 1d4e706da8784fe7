//! Predicates: what an attestation says, by type.
//!
//! A predicate is read from its bytes without a tree, by the one family that its type belongs to, into the little that a
//! policy asks of it. Members that a format does not define are passed over, as in-toto asks; what is asked for and is
//! of another shape refuses the document. Nothing here is verified: whoever signed said so.

mod error;
mod link;
mod provenance;
mod raw;
mod reading;
mod sbom;
mod scan;
mod summary;
mod vex;

pub use error::PredicateError;
pub use link::{Link, Release, TestResult, TestVerdict};
pub use provenance::{
    Dependency, ImageNameError, Parameter, Provenance, Source, Vouching, percent_decoded, split_source, states_source,
    states_workflow,
};
pub use raw::Predicate;
pub use sbom::{Package, Sbom, SbomFormat};
pub use scan::{Finding, Scan, Severity};
pub use summary::{Vsa, VsaVerdict};
pub use vex::{Vex, VexProduct, VexStatement, VexStatus};

use crate::limits::{DOCUMENT_VALUES, JSON_VALUES};
use jiff::Timestamp;

/// The predicate type of an image signature in a bundle (cosign 3).
pub const IMAGE_SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// cosign's own wrapping of any text.
pub const CUSTOM: &str = "https://cosign.sigstore.dev/attestation/v1";
/// A vulnerability scan.
pub const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
/// SLSA provenance 0.2.
pub const SLSA_V02: &str = "https://slsa.dev/provenance/v0.2";
/// SLSA provenance 1.
pub const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
/// SPDX.
pub const SPDX: &str = "https://spdx.dev/Document";
/// CycloneDX.
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";
/// An in-toto link.
pub const LINK: &str = "https://in-toto.io/Link/v1";
/// OpenVEX.
pub const OPENVEX: &str = "https://openvex.dev/ns";
/// SLSA provenance 0.1.
pub const SLSA_V01: &str = "https://slsa.dev/provenance/v0.1";
/// A SLSA verification summary.
pub const VSA: &str = "https://slsa.dev/verification_summary/v1";
/// An in-toto link, as the attestation framework has it.
pub const LINK_V03: &str = "https://in-toto.io/attestation/link/v0.3";
/// in-toto's own vulnerability scan.
pub const VULNS: &str = "https://in-toto.io/attestation/vulns";
/// The results of a static analysis.
pub const SARIF: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0";
/// CSAF 2.0, of which the profile VEX is read.
pub const CSAF: &str = "https://docs.oasis-open.org/csaf/csaf/v2.0";
/// in-toto's test results.
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result";
/// in-toto's releases.
pub const RELEASE: &str = "https://in-toto.io/attestation/release";

/// What a predicate is about, whatever tool and version wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Family {
    /// How the image was built.
    Provenance,
    /// What is in it.
    Sbom,
    /// What a scanner found in it.
    Scan,
    /// Which findings matter.
    Vex,
    /// What another verifier decided.
    Vsa,
    /// A step of an in-toto layout.
    Link,
    /// How tests ended.
    TestResult,
    /// What it was released as.
    Release,
}

/// A predicate that was read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Document {
    /// How the image was built.
    Provenance(Box<Provenance>),
    /// What is in it.
    Sbom(Sbom),
    /// What a scanner found in it.
    Scan(Scan),
    /// Which findings matter.
    Vex(Vex),
    /// What another verifier decided.
    Vsa(Box<Vsa>),
    /// A step of an in-toto layout.
    Link(Link),
    /// How tests ended.
    TestResult(TestResult),
    /// What it was released as.
    Release(Release),
}

impl Family {
    /// The family of a predicate type; none for types that are only listed.
    #[must_use]
    pub fn of(predicate_type: &str) -> Option<Self> {
        Some(match base(predicate_type) {
            SLSA_V01 | SLSA_V02 | SLSA_V1 => Self::Provenance,
            SPDX | CYCLONEDX => Self::Sbom,
            VULN | VULNS | SARIF => Self::Scan,
            OPENVEX | CSAF => Self::Vex,
            VSA => Self::Vsa,
            LINK | LINK_V03 => Self::Link,
            TEST_RESULT => Self::TestResult,
            RELEASE => Self::Release,
            _ => return None,
        })
    }
}

impl Document {
    /// Reads a predicate by its type; none for types that are only listed.
    ///
    /// # Errors
    /// Which document, which member, what is wrong with it: [`PredicateError`].
    pub fn decode(predicate_type: &str, predicate: &[u8]) -> Result<Option<Self>, PredicateError> {
        Ok(Some(match base(predicate_type) {
            SLSA_V01 | SLSA_V02 | SLSA_V1 => Self::Provenance(Box::new(Provenance::decode(predicate_type, predicate)?)),
            SPDX => Self::Sbom(Sbom::decode_spdx(predicate)?),
            CYCLONEDX => Self::Sbom(Sbom::decode_cyclonedx(predicate)?),
            VULN => Self::Scan(Scan::decode_cosign(predicate)?),
            VULNS => Self::Scan(Scan::decode_in_toto(predicate)?),
            SARIF => Self::Scan(Scan::decode_sarif(predicate)?),
            OPENVEX => Self::Vex(Vex::decode_openvex(predicate)?),
            CSAF => Self::Vex(Vex::decode_csaf(predicate)?),
            VSA => Self::Vsa(Box::new(Vsa::decode(predicate)?)),
            LINK | LINK_V03 => Self::Link(Link::decode(predicate)?),
            TEST_RESULT => Self::TestResult(TestResult::decode(predicate)?),
            RELEASE => Self::Release(Release::decode(predicate)?),
            _ => return Ok(None),
        }))
    }

    /// When it says that it was made, as its signer states it.
    #[must_use]
    pub fn stated_time(&self) -> Option<Timestamp> {
        match self {
            Self::Provenance(provenance) => provenance.finished,
            Self::Sbom(sbom) => sbom.created,
            Self::Scan(scan) => scan.finished,
            Self::Vex(vex) => vex.time,
            Self::Vsa(vsa) => vsa.time,
            Self::Link(_) | Self::TestResult(_) | Self::Release(_) => None,
        }
    }
}

/// How many values a predicate of a type may have in order to be read: SBOMs, scans and the like are read without a tree.
#[must_use]
pub fn most_values(predicate_type: &str) -> usize {
    match base(predicate_type) {
        SPDX | CYCLONEDX | VULN | VULNS | SARIF | OPENVEX | CSAF => DOCUMENT_VALUES,
        _ => JSON_VALUES,
    }
}

/// The type without the document's version that some tools write behind it: `https://spdx.dev/Document/v2.3`.
#[must_use]
pub fn base(uri: &str) -> &str {
    [SPDX, CYCLONEDX, OPENVEX, VULNS, TEST_RESULT, RELEASE]
        .into_iter()
        .find(|base| uri.strip_prefix(base).and_then(|rest| rest.strip_prefix("/v")).is_some_and(is_version))
        .unwrap_or(uri)
}

/// Digits, and dots between them.
fn is_version(text: &str) -> bool {
    text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Short name and URI, in the order that help texts show.
pub const ALIASES: [(&str, &str); 10] = [
    ("slsaprovenance", SLSA_V02),
    ("slsaprovenance02", SLSA_V02),
    ("slsaprovenance1", SLSA_V1),
    ("spdx", SPDX),
    ("spdxjson", SPDX),
    ("cyclonedx", CYCLONEDX),
    ("vuln", VULN),
    ("link", LINK),
    ("openvex", OPENVEX),
    ("custom", CUSTOM),
];

/// Why a text is no predicate type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateTypeError {
    /// Neither a short name nor a URI.
    #[error("{0:?} is no predicate type: expected a URI or one of {names}", names = ALIASES.map(|a| a.0).join(", "))]
    Unknown(String),
    /// The type of image signatures, which are no attestations.
    #[error("{IMAGE_SIGNATURE} is what `sign` writes: an image signature, not an attestation's type")]
    ImageSignature,
}

/// The URI for a short name or a URI.
///
/// # Errors
/// Neither a known short name nor a URI with a scheme, or the type of image signatures.
pub fn predicate_type(text: &str) -> Result<String, PredicateTypeError> {
    if text == IMAGE_SIGNATURE {
        return Err(PredicateTypeError::ImageSignature);
    }
    if let Some((_, uri)) = ALIASES.iter().find(|(alias, _)| *alias == text) {
        return Ok((*uri).to_owned());
    }
    if is_uri(text) { Ok(text.to_owned()) } else { Err(PredicateTypeError::Unknown(text.to_owned())) }
}

/// Whether a text is a URI, as far as a scheme says so.
#[must_use]
pub fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_and_uris_are_types_and_other_words_are_not() {
        assert_eq!(predicate_type("spdxjson").as_deref(), Ok(SPDX));
        assert_eq!(predicate_type("https://example.com/x/v1").as_deref(), Ok("https://example.com/x/v1"));
        for bad in ["", "sbom", "://x", "a b:c", "https:// x", IMAGE_SIGNATURE] {
            assert!(predicate_type(bad).is_err(), "{bad}");
        }
    }
}
