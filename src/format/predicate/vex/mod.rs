//! VEX: which vulnerabilities of a product matter. OpenVEX 0.2, and the VEX profile of CSAF 2.0.

mod csaf;
mod openvex;

use super::PredicateError;
use jiff::Timestamp;

/// Which vulnerabilities matter, as its signer states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vex {
    /// Who says so, in their own words.
    pub author: String,
    /// When it was last changed.
    pub time: Option<Timestamp>,
    /// What is said.
    pub statements: Vec<VexStatement>,
}

/// What is said of one vulnerability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VexStatement {
    /// Its names, all of the same vulnerability.
    pub vulnerability: Vec<Box<str>>,
    /// The products that it is said of; none where it is said of whatever the document is attached to.
    pub products: Vec<VexProduct>,
    /// What is said.
    pub status: VexStatus,
    /// Why it is not affected, in the format's words.
    pub justification: Option<Box<str>>,
    /// When it was said, where that differs from the document.
    pub time: Option<Timestamp>,
}

/// A product, and the parts of it that a statement is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VexProduct {
    /// Its names: package URLs, other URIs, hashes in hex.
    pub names: Vec<Box<str>>,
    /// The names of the parts; none where it is said of the whole.
    pub parts: Vec<Box<str>>,
}

/// What is said of a vulnerability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VexStatus {
    /// It does no harm here.
    NotAffected,
    /// It does.
    Affected,
    /// It did, and no longer does.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
}

impl Vex {
    /// Reads an OpenVEX document.
    ///
    /// # Errors
    /// As [`PredicateError`] says; also where `not_affected` is said without a reason.
    pub fn decode_openvex(predicate: &[u8]) -> Result<Self, PredicateError> {
        openvex::decode(predicate)
    }

    /// Reads a CSAF document of the profile VEX.
    ///
    /// # Errors
    /// As [`PredicateError`] says; also where it speaks of a product that it does not name.
    pub fn decode_csaf(predicate: &[u8]) -> Result<Self, PredicateError> {
        csaf::decode(predicate)
    }
}

#[cfg(test)]
mod tests;
