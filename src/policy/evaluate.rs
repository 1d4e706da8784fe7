mod trust;

use super::{
    Approved, Asked, Authority, Decision, Match, Met, Miss, Mode, Outcome, Pattern, Policy, PredicateType, Reason,
    Requirement, Scope, Unsigned,
    predicate::stated_time,
    rules::{Beside, fresh, habits},
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
/// Checked: that the most specific scope's every requirement is met by signatures that hold, counted by
/// [`count_distinct`]; what the signed references, annotations and times say, where the scope asks; that the trust state
/// vouches for the subject as the scope's content trust asks; what the configurations of its images say. Not checked, since
/// [`Findings`] already stand for it: signatures and digests. What was rejected never counts, neither for nor against.
///
/// More evidence never turns an `Allow` into anything else, nor does what could not be read, but where the policy asks for the
/// newest document (`superseded: refuse`, `ignore-with: vex`): there a newer one by the same authority can deny, and anything
/// unread leaves it open. Elsewhere what could not be read turns a `Deny` that it might have changed into `Undetermined`. Times are as the signer states them. Without a matching
/// scope the answer is a deny; where the mode is `disabled`, there is none.
pub fn evaluate(policy: &Policy, findings: &Findings, now: Timestamp) -> Outcome {
    let repository = &findings.subject().reference().repository;
    let scope = policy.scope(repository);
    let mode = scope.map_or(policy.mode, |scope| scope.mode);
    let decision = match scope {
        _ if mode == Mode::Disabled => Decision::NotJudged,
        Some(scope) if scope.asks() => judge(scope, findings, now),
        _ => Decision::Deny(vec![Reason::NoPolicy { repository: Pattern::of(repository).to_string() }]),
    };
    Outcome { scope: scope.map(|scope| scope.pattern.to_string()), mode, decision }
}

fn judge(scope: &Scope, findings: &Findings, now: Timestamp) -> Decision {
    let mut met = Vec::new();
    let mut reasons: Vec<Reason> = Vec::new();
    let trust = scope.content_trust.as_ref().and_then(|rule| {
        let weighed = trust::weigh(rule, findings.subject(), now);
        weighed.map_err(|reason| reasons.push(Reason::Trust(reason))).ok()
    });
    reasons.extend(scope.config.iter().flat_map(|rule| habits(rule, findings.subject())));
    for requirement in &scope.requirements {
        match weigh(requirement, findings, now) {
            Ok(one) => met.push(one),
            Err(unmet) => reasons.extend(unmet),
        }
    }
    if reasons.is_empty() {
        return Decision::Allow(Approved { subject: findings.subject().clone(), trust: trust.cloned(), met });
    }
    let is_final = reasons.iter().any(Reason::is_final);
    reasons.extend(rejected(findings));
    let unread = match findings.unread() {
        [first, ..] if !is_final => Some(Reason::Unread { count: findings.unread().len(), first: first.clone() }),
        _ => None,
    };
    let undetermined = unread.is_some();
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
fn weigh(requirement: &Requirement, findings: &Findings, now: Timestamp) -> Result<Met, Vec<Reason>> {
    let subject = findings.subject();
    let is_whole = requirement.unsigned != Unsigned::Refuse && subject.within().is_none();
    let listed = subject.embedded().filter(|_| is_whole);
    let [first, others @ ..] = listed.map_or(&[][..], |embedded| embedded.images()) else {
        return weigh_image(requirement, findings, subject.digest(), now);
    };
    let of_image = |image: &Digest| {
        weigh_image(requirement, findings, *image, now).map_err(|mut reasons| {
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
    now: Timestamp,
) -> Result<Met, Vec<Reason>> {
    let asked = findings.subject().reference();
    let expected = requirement
        .identity
        .expected(asked)
        .map_err(|why| vec![Reason::IdentityUnmeetable { rule: requirement.identity.clone(), why }])?;
    let counts = |one: &&Verified| is_asked(&requirement.asked, one.claim()) && requirement.takes(one, image);
    let relevant: Vec<&Verified> = findings.verified().iter().filter(counts).collect();
    let beside = Beside::gather(requirement, findings, image, now);
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
    let mut reasons: Vec<Reason> =
        shown.into_iter().filter(|shown| shown.counts.is_empty()).filter_map(|shown| shown.nearest).collect();
    reasons.push(shortfall(requirement, relevant.is_empty(), &by));
    Err(reasons)
}

fn is_asked(asked: &Asked, claim: &Claim) -> bool {
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
    beside: &Beside,
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
fn miss(
    asked: &Asked,
    expected: Option<&SignedReference>,
    authority: &str,
    claim: &Claim,
    beside: &Beside,
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
