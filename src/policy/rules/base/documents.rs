//! The signed provenance of an image, and who speaks for it.

use super::{Bases, Listed};
use crate::{
    format::predicate::{Family, Provenance},
    oci::{Digest, Reference},
    policy::{Asked, Policy, ProvenanceRule, Question, Requirement, Scope, Topic, evaluate::miss, rules::Beside},
    verify::{Claim, Findings, Verified},
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Provenance whose signature holds, by an authority of the image's scope; or that lies in an index and is covered by such a
/// signature, where the scope lets it count.
#[derive(Clone, Debug)]
pub struct SignedProvenance {
    /// Its place among [`Findings::verified`].
    pub at: usize,
    /// What it is about: the subject, or an image of the index that the subject is.
    pub about: Digest,
    /// The authorities of the scope that its signer speaks for; never none.
    pub authorities: Vec<String>,
    /// Whether it answers what the scope asks of provenance, base images apart. Where it asks for nothing, any does that an
    /// authority of the scope signed.
    pub counts: bool,
    /// What it says, or why it can't be read.
    pub provenance: Result<Provenance, String>,
}

impl SignedProvenance {
    /// The images that it names, whether others than these went into the build or not; none where they are too many to be
    /// looked at.
    #[must_use]
    pub fn images(&self) -> Vec<Reference> {
        match self.provenance.as_ref().ok().map(Listed::of_any) {
            Some(Listed::Images(images)) => images.into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }
}

/// The signed provenance of what was judged, by the authorities of its scope.
///
/// Signers that are none of these authorities are passed over: a trusted root lets everybody sign.
#[must_use]
pub fn signed_provenance(policy: &Policy, findings: &Findings, now: Timestamp) -> Vec<SignedProvenance> {
    let Some(scope) = policy.scope(&findings.subject().reference().repository) else { return Vec::new() };
    let counting = counting(scope, findings, now);
    let documents = findings.verified().iter().enumerate().filter_map(|(at, verified)| {
        let Claim::Attestation { predicate_type, predicate, .. } = verified.claim() else { return None };
        let authorities = authorities(scope, verified);
        if Family::of(predicate_type) != Some(Family::Provenance) || authorities.is_empty() {
            return None;
        }
        let provenance = Provenance::decode(predicate_type, predicate.bytes()).map_err(|error| error.to_string());
        let counts = counting.as_ref().is_none_or(|counting| counting.contains(&at));
        Some(SignedProvenance { at, about: *verified.digest(), authorities, counts, provenance })
    });
    documents.collect()
}

fn authorities(scope: &Scope, verified: &Verified) -> Vec<String> {
    let taking = scope.requirements.iter().filter(|requirement| requirement.takes(verified, *verified.digest()));
    let from = taking.flat_map(|requirement| &requirement.from).filter(|one| one.admits(verified).is_ok());
    from.map(|authority| authority.name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The findings that answer what a scope asks of provenance; `None` where it asks for none.
fn counting(scope: &Scope, findings: &Findings, now: Timestamp) -> Option<BTreeSet<usize>> {
    let mut counting = None;
    for requirement in &scope.requirements {
        let Asked::Document(question) = &requirement.asked else { continue };
        let Topic::Provenance(rule) = &question.about else { continue };
        let rule = ProvenanceRule { base: None, ..rule.clone() };
        let question = Question { about: Topic::Provenance(rule), ..(**question).clone() };
        let requirement = Requirement { asked: Asked::Document(Box::new(question)), ..requirement.clone() };
        counting.get_or_insert_with(BTreeSet::new).extend(answers(&requirement, findings, now));
    }
    counting
}

fn answers(requirement: &Requirement, findings: &Findings, now: Timestamp) -> BTreeSet<usize> {
    let subject = findings.subject();
    let Ok(expected) = requirement.identity.expected(subject.reference()) else { return BTreeSet::new() };
    let (none, own) = (Bases::default(), [subject.digest()]);
    let images = Some(requirement.images_of(subject)).filter(|images| !images.is_empty()).unwrap_or(&own);
    let mut answers = BTreeSet::new();
    for image in images {
        let beside = Beside::gather(requirement, findings, *image, &none, now);
        for (at, verified) in findings.verified().iter().enumerate() {
            let Claim::Attestation { predicate_type, .. } = verified.claim() else { continue };
            if Family::of(predicate_type) != Some(Family::Provenance) || !requirement.takes(verified, *image) {
                continue;
            }
            let mut from = requirement.from.iter().filter(|authority| authority.admits(verified).is_ok());
            let asked = &requirement.asked;
            if from.any(|by| miss(asked, expected.as_ref(), &by.name, verified.claim(), &beside).is_none()) {
                answers.insert(at);
            }
        }
    }
    answers
}
