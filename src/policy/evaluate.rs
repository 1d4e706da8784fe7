mod trust;

use super::{
    Approved, Asked, Authority, Decision, Match, Met, Miss, Mode, Outcome, Pattern, Policy, PredicateType, Reason,
    Requirement, Scope,
    predicate::stated_time,
    rules::{Bases, Beside, fresh, habits, objections},
    signer::Stranger,
};
use crate::{
    format::predicate::Family,
    oci::Digest,
    trust::{Principal, count_distinct},
    verify::{Claim, Findings, Rejection, SignedReference, Verified},
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Judges findings by a policy.
///
/// Checked: that a verification summary holds as the scope asks for one, or that the most specific scope's every requirement
/// is met by signatures that hold, counted by [`count_distinct`]; what the signed references, annotations and times say, where
/// the scope asks; that the trust state vouches for the subject as the scope's content trust asks; what the configurations of
/// its images say; what the scope's Rego program has against it. Not checked, since [`Findings`] already stand for it:
/// signatures and digests. What was rejected never counts, neither for nor against.
///
/// More evidence never turns an `Allow` into anything else, nor does what could not be read, but where the policy asks for the
/// newest document (`superseded: refuse`, `ignore-with: vex`, `vsa`): there a newer one by the same authority, or verifier, can
/// deny, and anything unread leaves it open; so it is where the scope has a Rego program, which is asked last, sees the
/// attestations, and can only deny or fail to answer. Elsewhere what could not be read turns a `Deny` that it might have
/// changed into `Undetermined`. Times are as the signer states them. Without a matching scope the answer is a deny; where the
/// mode is `disabled`, there is none.
///
/// Of the images that it was built from nothing is known here; where the policy asks about them, it could not be told:
/// [`evaluate_with`].
pub fn evaluate(policy: &Policy, findings: &Findings, now: Timestamp) -> Outcome {
    evaluate_with(policy, findings, &Bases::default(), now)
}

/// As [`evaluate`], with what became of the images that signed provenance says it was built from.
pub fn evaluate_with(policy: &Policy, findings: &Findings, bases: &Bases, now: Timestamp) -> Outcome {
    let repository = &findings.subject().reference().repository;
    let scope = policy.scope(repository);
    let mode = scope.map_or(policy.mode, |scope| scope.mode);
    let decision = match scope {
        _ if mode == Mode::Disabled => Decision::NotJudged,
        Some(scope) if scope.asks() => judge(scope, findings, bases, now),
        _ => Decision::Deny(vec![Reason::NoPolicy { repository: Pattern::of(repository).to_string() }]),
    };
    Outcome { scope: scope.map(|scope| scope.pattern.to_string()), mode, decision }
}

fn judge(scope: &Scope, findings: &Findings, bases: &Bases, now: Timestamp) -> Decision {
    let mut met = Vec::new();
    let mut reasons: Vec<Reason> = Vec::new();
    let trust = scope.content_trust.as_ref().and_then(|rule| {
        let weighed = trust::weigh(rule, findings.subject(), now);
        weighed.map_err(|reason| reasons.push(Reason::Trust(reason))).ok()
    });
    let mut unmet = Vec::new();
    // Another's decision comes first: where it counts, nothing else is asked but content trust and Rego.
    met.extend(scope.vsa.iter().flat_map(|asked| weigh(asked, findings, bases, now).map_err(|why| unmet = why)));
    let is_decided = !met.is_empty();
    reasons.extend(scope.config.iter().filter(|_| !is_decided).flat_map(|rule| habits(rule, findings.subject())));
    let mut is_certain = !reasons.is_empty();
    for requirement in scope.requirements.iter().filter(|_| !is_decided) {
        match weigh(requirement, findings, bases, now) {
            Ok(one) => met.push(one),
            Err(unmet) => {
                is_certain |= !unmet.iter().any(Reason::is_open);
                reasons.extend(unmet);
            }
        }
    }
    if reasons.is_empty() {
        let approved = Approved { subject: findings.subject().clone(), trust: trust.cloned(), met };
        reasons = objections(scope, &approved, findings, now);
        if reasons.is_empty() {
            return Decision::Allow(approved);
        }
        is_certain = !reasons.iter().any(Reason::is_open);
    }
    let is_final = reasons.iter().any(Reason::is_final);
    reasons.extend(unmet);
    reasons.extend(rejected(findings));
    let unread = findings.unread().first().filter(|_| !is_final);
    let unread = unread.map(|first| Reason::Unread { count: findings.unread().len(), first: first.clone() });
    let undetermined = unread.is_some() || !is_certain;
    reasons.extend(unread);
    reasons.sort_by_key(Reason::order);
    reasons.dedup();
    if undetermined { Decision::Undetermined(reasons) } else { Decision::Deny(reasons) }
}

/// What one authority has to show for a requirement.
#[derive(Default)]
struct Shown<'f> {
    /// The evidence that counts, by who signed it.
    counts: BTreeMap<Principal, &'f Verified>,
    /// Why the evidence that came nearest does not.
    nearest: Option<Reason>,
}

/// A statement in an index is about one image of it: of the index itself it is asked of each.
fn weigh(requirement: &Requirement, findings: &Findings, bases: &Bases, now: Timestamp) -> Result<Met, Vec<Reason>> {
    let subject = findings.subject();
    let [first, others @ ..] = requirement.images_of(subject) else {
        return weigh_image(requirement, findings, subject.digest(), bases, now);
    };
    let of_image = |image: &Digest| {
        weigh_image(requirement, findings, *image, bases, now).map_err(|mut reasons| {
            reasons.push(Reason::Document { by: format!("the image {image}"), miss: Miss::Unattested });
            reasons
        })
    };
    let met = of_image(first)?;
    others.iter().try_for_each(|image| of_image(image).map(drop))?;
    Ok(met)
}

fn weigh_image(
    requirement: &Requirement,
    findings: &Findings,
    image: Digest,
    bases: &Bases,
    now: Timestamp,
) -> Result<Met, Vec<Reason>> {
    let asked = findings.subject().reference();
    let expected = requirement
        .identity
        .expected(asked)
        .map_err(|why| vec![Reason::IdentityUnmeetable { rule: requirement.identity.clone(), why }])?;
    let counts = |one: &&Verified| is_asked(&requirement.asked, one.claim()) && requirement.takes(one, image);
    let relevant: Vec<&Verified> = findings.verified().iter().filter(counts).collect();
    let beside = Beside::gather(requirement, findings, image, bases, now);
    let shown: Vec<Shown<'_>> = requirement
        .from
        .iter()
        .map(|authority| show(&requirement.asked, expected.as_ref(), authority, &relevant, &beside))
        .collect();
    let principals: Vec<BTreeSet<Principal>> = shown.iter().map(|s| s.counts.keys().cloned().collect()).collect();
    let assignment = count_distinct(&principals);
    let matches = requirement.from.iter().zip(&shown).zip(&assignment.matched);
    let by: Vec<Match> =
        matches.filter_map(|((authority, shown), to)| matched(authority, shown, to.as_ref()?)).collect();
    if by.len() >= requirement.threshold {
        return Ok(Met { requirement: requirement.clone(), by });
    }
    let tells = |shown: &Shown<'_>| shown.counts.is_empty() || shown.nearest.as_ref().is_some_and(Reason::is_open);
    let mut reasons: Vec<Reason> = shown.into_iter().filter(tells).filter_map(|shown| shown.nearest).collect();
    reasons.push(shortfall(requirement, relevant.is_empty(), &by));
    Err(reasons)
}

pub(super) fn is_asked(asked: &Asked, claim: &Claim) -> bool {
    match (asked, claim) {
        (Asked::Signature { .. }, Claim::Signature { .. }) => true,
        (Asked::Attestation { predicate, .. }, Claim::Attestation { predicate_type, .. }) => {
            predicate.matches(predicate_type)
        }
        (Asked::Document(question), Claim::Attestation { predicate_type, .. }) => {
            Family::of(predicate_type) == Some(question.family())
        }
        _ => false,
    }
}

fn show<'f>(
    asked: &Asked,
    expected: Option<&SignedReference>,
    authority: &Authority,
    relevant: &[&'f Verified],
    beside: &Beside<'_>,
) -> Shown<'f> {
    let mut shown = Shown::default();
    for verified in relevant {
        let missing = match authority.admits(verified) {
            Ok(()) => miss(asked, expected, &authority.name, verified.claim(), beside),
            Err(Stranger::Near(reason)) => Some(*reason),
            Err(Stranger::Other) => continue,
        };
        match missing {
            None => {
                shown.counts.entry(verified.identity().principal()).or_insert(verified);
            }
            Some(reason) if shown.nearest.as_ref().is_none_or(|nearest| reason.order() < nearest.order()) => {
                shown.nearest = Some(reason);
            }
            Some(_) => {}
        }
    }
    shown
}

/// Why a claim that holds does not count, if so.
pub(super) fn miss(
    asked: &Asked,
    expected: Option<&SignedReference>,
    authority: &str,
    claim: &Claim,
    beside: &Beside<'_>,
) -> Option<Reason> {
    let (Claim::Signature { references, .. } | Claim::Attestation { references, .. }) = claim;
    if let Some(expected) = expected {
        let same = |signed: &SignedReference| {
            signed.repository == expected.repository && (expected.tag.is_none() || signed.tag == expected.tag)
        };
        if !references.iter().any(same) {
            let (expected, found) = (expected.clone(), references.clone());
            return Some(Reason::IdentityMismatch { authority: authority.to_owned(), expected, found });
        }
    }
    match (asked, claim) {
        (Asked::Document(question), Claim::Attestation { predicate_type, predicate, .. }) => {
            beside.miss(question, authority, predicate_type, predicate)
        }
        (Asked::Signature { annotations: asked }, Claim::Signature { annotations, .. }) => {
            let (name, expected) = asked.iter().find(|(name, value)| annotations.get(*name) != Some(*value))?;
            let found = annotations.get(name).cloned();
            let (name, expected) = (name.clone(), expected.clone());
            Some(Reason::AnnotationMismatch { authority: authority.to_owned(), name, expected, found })
        }
        (
            Asked::Attestation { max_age: Some(max_age), predicate: kind },
            Claim::Attestation { predicate_type, predicate, .. },
        ) => {
            let miss = fresh(stated_time(predicate_type, predicate), *max_age, beside.now).err()?;
            Some(Reason::Document { by: format!("{authority}, {kind}"), miss })
        }
        _ => None,
    }
}

fn matched(authority: &Authority, shown: &Shown<'_>, principal: &Principal) -> Option<Match> {
    let verified = shown.counts.get(principal)?;
    Some(Match {
        authority: authority.name.clone(),
        principal: principal.clone(),
        place: verified.place().clone(),
        format: verified.format(),
    })
}

fn shortfall(requirement: &Requirement, nothing_holds: bool, by: &[Match]) -> Reason {
    let from = requirement.from.iter().map(|authority| authority.name.clone()).collect();
    let predicate = match &requirement.asked {
        Asked::Attestation { predicate, .. } => Some(predicate.clone()),
        Asked::Document(question) => Some(PredicateType::of(question)),
        Asked::Signature { .. } => None,
    };
    match (nothing_holds, predicate) {
        (true, Some(predicate)) => Reason::AttestationMissing { predicate, from },
        (true, None) => Reason::Unsigned { from },
        (false, predicate) => {
            let matched = by.iter().map(|one| one.authority.clone()).collect();
            Reason::ThresholdUnmet { predicate, threshold: requirement.threshold, matched, from }
        }
    }
}

/// The rejections of what set out to be a signature; other tools' formats stay in the findings.
fn rejected(findings: &Findings) -> impl Iterator<Item = Reason> {
    let mut by_id: BTreeMap<&str, (&Rejection, usize)> = BTreeMap::new();
    for one in findings.rejected() {
        if !matches!(one.rejection, Rejection::FormatUnsupported(_)) {
            by_id.entry(one.rejection.id()).or_insert((&one.rejection, 0)).1 += 1;
        }
    }
    by_id.into_values().map(|(rejection, count)| Reason::EvidenceRejected { rejection: rejection.clone(), count })
}

#[cfg(test)]
mod tests;
