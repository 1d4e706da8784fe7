//! What was found in an image, and what of it is accepted.

use super::{Circumstances, Miss, purl, skew};
use crate::{
    format::predicate::{Finding, Scan, Severity, Vex, VexProduct, VexStatement, VexStatus},
    oci::Digest,
    policy::{Asked, Policy, Scope},
};
use jiff::Timestamp;

/// What is asked of a vulnerability scan.
#[derive(Clone, Debug, Default)]
pub struct VulnRule {
    /// The worst severity that is accepted; none where every finding is.
    pub most: Option<Severity>,
    /// Whether findings are passed over that a VEX document of the same authorities says do no harm.
    pub with_vex: bool,
    /// Findings that are accepted for a time.
    pub waivers: Vec<Waiver>,
}

/// A finding that is accepted for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The vulnerability's name.
    pub id: String,
    /// The moment from which it is not accepted any more.
    pub until: Timestamp,
    /// Why it is accepted.
    pub reason: String,
}

impl Policy {
    /// The waivers that have ended, each with its scope: they say nothing any more.
    pub fn ended_waivers(&self, now: Timestamp) -> impl Iterator<Item = (&Scope, &Waiver)> {
        let all = self.scopes.iter().flat_map(|scope| scope.waivers().map(move |waiver| (scope, waiver)));
        all.filter(move |(_, waiver)| waiver.until <= now)
    }
}

impl Scope {
    fn waivers(&self) -> impl Iterator<Item = &Waiver> {
        self.requirements.iter().flat_map(|requirement| match &requirement.asked {
            Asked::Document(question) => question.waivers(),
            _ => &[],
        })
    }
}

impl VulnRule {
    /// Whether a scan found nothing that is not accepted. A severity that a scanner could not tell counts as critical.
    ///
    /// # Errors
    /// The worst of what it found.
    pub fn judge(&self, scan: &Scan, beside: &Circumstances<'_>) -> Result<(), Miss> {
        let Some(most) = self.most else { return Ok(()) };
        let too_bad = |finding: &&Finding| finding.severity.min(Severity::Critical) > most;
        let counts = |finding: &&Finding| !self.waives(finding, beside.now) && !self.is_harmless(finding, beside);
        let left: Vec<&Finding> = scan.findings.iter().filter(too_bad).filter(counts).collect();
        // The first of the worst, so that the same scan tells the same.
        let Some(worst) = left.iter().rev().max_by_key(|finding| finding.severity) else { return Ok(()) };
        let package = if worst.purl.is_empty() { &worst.package } else { &worst.purl };
        Err(Miss::Vulnerable {
            id: worst.id.to_string(),
            severity: worst.severity,
            package: package.to_string(),
            most,
            count: left.len(),
            unsure: None,
        })
    }

    fn waives(&self, finding: &Finding, now: Timestamp) -> bool {
        self.waivers.iter().any(|waiver| now < waiver.until && names(finding).any(|name| name == waiver.id))
    }

    /// Of all that is said of a finding the newest counts, and of what was said at the same time the worst.
    fn is_harmless(&self, finding: &Finding, beside: &Circumstances<'_>) -> bool {
        let said = |vex: &Vex| {
            let about = vex.statements.iter().filter(|statement| is_about(statement, finding, beside.digests));
            let said = about.map(|statement| (statement.time.or(vex.time), !is_harmless(statement.status)));
            said.max()
        };
        let latest = beside.now.checked_add(skew()).unwrap_or(beside.now);
        let of_the_past = |(time, _): &(Option<Timestamp>, bool)| time.is_some() && *time <= Some(latest);
        let newest = beside.vex.iter().filter_map(said).filter(of_the_past).max();
        self.with_vex && newest.is_some_and(|(_, does_harm)| !does_harm)
    }
}

fn is_harmless(status: VexStatus) -> bool {
    match status {
        VexStatus::NotAffected | VexStatus::Fixed => true,
        VexStatus::Affected | VexStatus::UnderInvestigation => false,
    }
}

fn names(finding: &Finding) -> impl Iterator<Item = &str> {
    std::iter::once(&finding.id).chain(&finding.aliases).map(|name| &**name)
}

/// Whether a statement speaks of this vulnerability, in this image or in this package.
fn is_about(statement: &VexStatement, finding: &Finding, digests: &[Digest]) -> bool {
    let is_same = names(finding).any(|name| statement.vulnerability.iter().any(|other| **other == *name));
    is_same && (statement.products.is_empty() || statement.products.iter().any(|one| is_in(one, finding, digests)))
}

fn is_in(product: &VexProduct, finding: &Finding, digests: &[Digest]) -> bool {
    let is_image = product.names.iter().any(|name| digests.iter().any(|digest| name.contains(&digest.hex())));
    let is_package = |names: &[Box<str>]| names.iter().any(|name| purl::names(name, &finding.purl));
    if is_image { product.parts.is_empty() || is_package(&product.parts) } else { is_package(&product.names) }
}
