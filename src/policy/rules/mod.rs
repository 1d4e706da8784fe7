//! What is asked of the documents that were attested, and of an image's own configuration: pure functions from a question
//! and a document to nothing, or to the one thing that is missing.

mod base;
mod config;
mod document;
mod evidence;
mod licenses;
mod load;
mod miss;
mod provenance;
mod purl;
mod rego;
mod sbom;
mod summary;
mod vuln;

pub use base::{BaseFault, BaseMiss, BaseRule, Bases, Lineage, Relative, Seen, SignedProvenance, signed_provenance};
pub use config::ConfigRule;
pub(super) use document::{Base, Config, Provenance, Sbom, Summary, Vuln};
pub(super) use evidence::{Beside, habits};
pub(super) use load::{Put, base as base_rule, base_alone, config, provenance, sbom, summary, vuln};
pub use miss::Miss;
pub use provenance::ProvenanceRule;
pub use purl::{Listed, PackagePattern};
pub use rego::RegoRule;
pub(super) use rego::objections;
pub use sbom::{MustList, SbomRule};
pub use summary::{VsaMiss, VsaRule};
pub use vuln::{VulnRule, Waiver};

use crate::{
    format::predicate::{self, Family, Vex, VsaVerdict},
    limits::CLOCK_SKEW,
    oci::Digest,
    verify::SignedReference,
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
    /// Whether only the newest document of an authority counts, so that an older one is superseded; of a summary the newest
    /// of its verifier, whichever authority signed it.
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
    /// What another verifier decided.
    Summary(VsaRule),
}

/// What a document is judged beside.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// The digests of the image, and of the index that lists it.
    pub digests: &'a [Digest],
    /// The name under which the image is known to whoever verified it; none for a layout.
    pub resource: Option<&'a SignedReference>,
    /// What the authorities that are asked say of findings.
    pub vex: &'a [Vex],
    /// What became of the images that it was built from.
    pub bases: &'a Bases,
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
            Topic::Summary(_) => Family::Vsa,
        }
    }

    /// The findings that are accepted for a time.
    #[must_use]
    pub fn waivers(&self) -> &[Waiver] {
        if let Topic::Vuln(rule) = &self.about { &rule.waivers } else { &[] }
    }

    /// What is asked of base images.
    #[must_use]
    pub fn base(&self) -> Option<BaseRule> {
        if let Topic::Provenance(rule) = &self.about { rule.base } else { None }
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

    /// Whether it is about another verifier's decision.
    pub(super) fn is_of_summary(&self) -> bool {
        matches!(self.about, Topic::Summary(_))
    }

    /// Where a document stands among those of which the newest counts: by its time, if it states one, and of one time what
    /// refuses last. None for one that is not one of them.
    #[must_use]
    pub fn rank(
        &self,
        document: &predicate::Document,
        beside: &Circumstances<'_>,
    ) -> Option<(Option<Timestamp>, bool)> {
        let refuses = match (&self.about, document) {
            (Topic::Summary(rule), predicate::Document::Vsa(vsa)) => {
                rule.concerns(vsa, beside).ok()?;
                vsa.verdict != VsaVerdict::Passed
            }
            // One in another format is no worse than one that answers.
            _ => self.content(document, beside).is_err_and(|miss| !matches!(miss, Miss::Format { .. })),
        };
        Some((document.stated_time(), refuses))
    }

    /// Whether a document answers it.
    ///
    /// # Errors
    /// What is missing, with what was expected and found.
    pub fn judge(&self, document: &predicate::Document, beside: &Circumstances<'_>) -> Result<(), Miss> {
        if let Some(max_age) = self.max_age {
            fresh(document.stated_time(), max_age, beside.now)?;
        }
        self.content(document, beside)
    }

    fn content(&self, document: &predicate::Document, beside: &Circumstances<'_>) -> Result<(), Miss> {
        match (&self.about, document) {
            (Topic::Provenance(rule), predicate::Document::Provenance(provenance)) => {
                rule.judge(provenance)?;
                rule.base.map_or(Ok(()), |base| base.judge(provenance, beside.bases))
            }
            (Topic::Sbom(rule), predicate::Document::Sbom(sbom)) => rule.judge(sbom, beside.digests),
            (Topic::Vuln(rule), predicate::Document::Scan(scan)) => rule.judge(scan, beside),
            (Topic::Summary(rule), predicate::Document::Vsa(vsa)) => rule.judge(vsa, beside),
            _ => Err(Miss::Malformed { why: "a document of another family".to_owned() }),
        }
    }
}

/// Whether a document is of the past, and not older than this.
pub(super) fn fresh(stated: Option<Timestamp>, max_age: SignedDuration, now: Timestamp) -> Result<(), Miss> {
    let stated = stated.ok_or(Miss::TimeUnknown)?;
    let age = now.duration_since(stated);
    if age < -skew() {
        return Err(Miss::FromFuture { stated });
    }
    if age > max_age { Err(Miss::TooOld { stated, max_age }) } else { Ok(()) }
}

/// How far another's clock may be ahead.
fn skew() -> SignedDuration {
    SignedDuration::from_secs(CLOCK_SKEW.as_secs().cast_signed())
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.about {
            Topic::Provenance(_) => "provenance",
            Topic::Sbom(_) => "SBOM",
            Topic::Vuln(_) => "vulnerability scan",
            Topic::Summary(_) => "verification summary",
        })
    }
}

#[cfg(test)]
mod tests;
