//! What is asked of the documents that were attested, and of an image's own configuration: pure functions from a question
//! and a document to nothing, or to the one thing that is missing.

mod config;
mod document;
mod evidence;
mod licenses;
mod load;
mod miss;
mod provenance;
mod purl;
mod sbom;
mod vuln;

pub use config::ConfigRule;
pub(super) use document::{Config, Provenance, Sbom, Vuln};
pub(super) use evidence::{Beside, habits};
pub(super) use load::{config, provenance, sbom, vuln};
pub use miss::Miss;
pub use provenance::ProvenanceRule;
pub use sbom::{MustList, SbomRule};
pub use vuln::{VulnRule, Waiver};

use crate::{
    format::predicate::{Document, Family, Vex},
    limits::CLOCK_SKEW,
    oci::Digest,
};
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// What is asked of a document of one family, whatever its type and version.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked of its content.
    pub about: Topic,
    /// The greatest age, by the time that it states.
    pub max_age: Option<SignedDuration>,
    /// Whether only the newest document of an authority counts, so that an older one is superseded.
    pub newest: bool,
}

/// What is asked of a document's content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Topic {
    /// How the image was built.
    Provenance(ProvenanceRule),
    /// What is in it.
    Sbom(SbomRule),
    /// What was found in it.
    Vuln(VulnRule),
}

/// What a document is judged beside.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// The digests of the image, and of the index that lists it.
    pub digests: &'a [Digest],
    /// What the authorities that are asked say of findings.
    pub vex: &'a [Vex],
    /// The time.
    pub now: Timestamp,
}

impl Question {
    /// The family that it is asked of.
    #[must_use]
    pub fn family(&self) -> Family {
        match self.about {
            Topic::Provenance(_) => Family::Provenance,
            Topic::Sbom(_) => Family::Sbom,
            Topic::Vuln(_) => Family::Scan,
        }
    }

    /// Whether the answer changes with a document that was not read.
    #[must_use]
    pub fn needs_newest(&self) -> bool {
        self.newest || self.needs_vex()
    }

    /// Whether VEX documents have a part in the answer.
    #[must_use]
    pub fn needs_vex(&self) -> bool {
        matches!(&self.about, Topic::Vuln(rule) if rule.with_vex)
    }

    /// Whether a document answers it.
    ///
    /// # Errors
    /// What is missing, with what was expected and found.
    pub fn judge(&self, document: &Document, beside: &Circumstances<'_>) -> Result<(), Miss> {
        if let Some(max_age) = self.max_age {
            fresh(document.stated_time(), max_age, beside.now)?;
        }
        match (&self.about, document) {
            (Topic::Provenance(rule), Document::Provenance(provenance)) => rule.judge(provenance),
            (Topic::Sbom(rule), Document::Sbom(sbom)) => rule.judge(sbom, beside.digests),
            (Topic::Vuln(rule), Document::Scan(scan)) => rule.judge(scan, beside),
            _ => Err(Miss::Malformed { why: "a document of another family".to_owned() }),
        }
    }
}

/// Whether a stated time is not older than is asked for.
pub(super) fn fresh(stated: Option<Timestamp>, max_age: SignedDuration, now: Timestamp) -> Result<(), Miss> {
    let stated = stated.ok_or(Miss::TimeUnknown)?;
    let age = now.duration_since(stated);
    if age < -SignedDuration::from_secs(CLOCK_SKEW.as_secs().cast_signed()) {
        return Err(Miss::FromFuture { stated });
    }
    if age > max_age { Err(Miss::TooOld { stated, max_age }) } else { Ok(()) }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.about {
            Topic::Provenance(_) => "provenance",
            Topic::Sbom(_) => "SBOM",
            Topic::Vuln(_) => "vulnerability scan",
        })
    }
}

#[cfg(test)]
mod tests;
