//! A verification as a record: what it says, who signed, when, and what is not known.

use super::{
    inventory::Found,
    judge::named_by,
    record::{Decision, DigestFrom, Drift, ImageRecord, RUNNING_UNKNOWN, Signed, Signer, Told},
};
use crate::{
    format::predicate::{Document, Family},
    limits::{AUDIT_PLACES, AUDIT_TOLD},
    ops::{
        trust::StateSource,
        verify::{Verification, Verifier},
    },
    policy::{self, Approved, Asked, Mode, Reason},
    trust::Principal,
    verify::{Claim, Findings, Pinned, Verified},
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The record of an image of which nothing is known but where it stands.
pub(super) fn blank(found: Found) -> ImageRecord {
    let Found { reference, mut places, place_count, gaps, .. } = found;
    places.truncate(AUDIT_PLACES);
    ImageRecord {
        reference: reference.to_string(),
        digest: None,
        digest_from: None,
        index: None,
        places,
        place_count,
        decision: Decision::CouldNotTell,
        reasons: Vec::new(),
        scope: None,
        mode: None,
        drift: Drift::Unknown { why: String::new() },
        signed: None,
        signers: Vec::new(),
        gaps,
        chain: None,
        checked: Vec::new(),
        not_checked: Vec::new(),
        exit: exit(Decision::CouldNotTell),
    }
}

/// The exit code of a decision (SPEC.md, "Exit codes").
pub(super) fn exit(decision: Decision) -> u8 {
    match decision {
        Decision::Allowed | Decision::WouldDeny | Decision::NotJudged => 0,
        Decision::Denied => 1,
        Decision::CouldNotTell => 4,
    }
}

/// The record of a verification.
pub(super) fn record(verifier: &Verifier<'_>, found: Found, verification: &Verification, drift: Drift) -> ImageRecord {
    let (findings, outcome) = (&verification.findings, &verification.outcome);
    let subject = findings.subject();
    let decision = match (&outcome.decision, outcome.mode) {
        (policy::Decision::Allow(_), _) => Decision::Allowed,
        (policy::Decision::NotJudged, _) => Decision::NotJudged,
        (policy::Decision::Deny(_), Mode::Permissive) => Decision::WouldDeny,
        (policy::Decision::Deny(_), _) => Decision::Denied,
        (policy::Decision::Undetermined(_), _) => Decision::CouldNotTell,
    };
    let (approved, reasons): (_, &[Reason]) = match &outcome.decision {
        policy::Decision::Allow(approved) => (Some(approved), &[]),
        policy::Decision::Deny(reasons) | policy::Decision::Undetermined(reasons) => (None, reasons),
        policy::Decision::NotJudged => (None, &[]),
    };
    let named = found.running.or(found.reference.digest).is_some();
    let digest_from = match subject.pinned() {
        _ if named => named_by(&found),
        Pinned::SignedTag => DigestFrom::SignedTag,
        _ => DigestFrom::RegistryTag,
    };
    let signed = signed(findings, approved, verifier.now);
    let mut record = ImageRecord {
        digest: Some(subject.digest()),
        digest_from: Some(digest_from),
        index: subject.within(),
        decision,
        reasons: reasons.iter().map(|reason| told(reason.id(), reason)).collect(),
        scope: outcome.scope.clone(),
        mode: Some(outcome.mode.to_string()),
        drift,
        signers: signers(findings, approved),
        exit: exit(decision),
        ..blank(found)
    };
    record.gaps.extend(gaps(verification, approved, digest_from, signed.is_none()));
    (record.checked, record.not_checked) = checks(verifier, verification, &record.drift);
    record.signed = signed;
    record
}

/// What was judged need not be what runs: that it is allowed says nothing of that.
pub(super) fn unknown_runs(record: &mut ImageRecord) {
    record.not_checked.push("what runs: it is not named by the digest of a manifest".to_owned());
    if record.decision == Decision::Allowed {
        record.decision = Decision::CouldNotTell;
        record.exit = exit(record.decision);
        record.reasons = record.gaps.iter().filter(|gap| gap.id == RUNNING_UNKNOWN).cloned().collect();
    }
}

fn told(id: &str, message: impl ToString) -> Told {
    Told { id: id.to_owned(), message: message.to_string() }
}

/// The signatures that met the policy; where it was not met, all that hold.
fn counting<'f>(findings: &'f Findings, approved: Option<&Approved>) -> impl Iterator<Item = &'f Verified> {
    let places: Option<BTreeSet<_>> =
        approved.map(|approved| approved.met().iter().flat_map(|met| &met.by).map(|by| by.place.clone()).collect());
    findings.verified().iter().filter(move |one| places.as_ref().is_none_or(|places| places.contains(one.place())))
}

/// When the newest of the signatures that count was made: as a log or timestamp authority saw it first, else as its signer
/// says that the build ended.
fn signed(findings: &Findings, approved: Option<&Approved>, now: Timestamp) -> Option<Signed> {
    let times = counting(findings, approved).filter_map(|one| {
        let witnessed = one.backing().times().first().copied();
        Some((witnessed.or_else(|| stated(one))?, witnessed.is_some()))
    });
    let (at, witnessed) = times.max_by_key(|(at, witnessed)| (*witnessed, *at))?;
    Some(Signed { at, age_seconds: now.duration_since(at).as_secs(), witnessed })
}

fn stated(one: &Verified) -> Option<Timestamp> {
    let Claim::Attestation { predicate_type, predicate, .. } = one.claim() else { return None };
    Family::of(predicate_type).filter(|family| *family == Family::Provenance)?;
    Document::decode(predicate_type, predicate.bytes()).ok().flatten()?.stated_time()
}

fn signers(findings: &Findings, approved: Option<&Approved>) -> Vec<Signer> {
    let mut all = BTreeSet::new();
    for met in approved.into_iter().flat_map(Approved::met) {
        let what = what_asked(&met.requirement.asked);
        all.extend(met.by.iter().map(|by| Signer {
            authority: Some(by.authority.clone()),
            principal: principal(&by.principal),
            what: what.clone(),
        }));
    }
    for (role, principals) in approved.and_then(Approved::trust).into_iter().flat_map(|vouched| vouched.by()) {
        all.extend(principals.iter().map(|signer| Signer {
            authority: Some(role.to_string()),
            principal: principal(signer),
            what: "tag".to_owned(),
        }));
    }
    let counted: BTreeSet<String> = all.iter().map(|signer| signer.principal.clone()).collect();
    for one in findings.verified() {
        let principal = principal(&one.identity().principal());
        if !counted.contains(&principal) {
            let what = match one.claim() {
                Claim::Signature { .. } => "signature".to_owned(),
                Claim::Attestation { predicate_type, .. } => predicate_type.clone(),
            };
            all.insert(Signer { authority: None, principal, what });
        }
    }
    all.into_iter().collect()
}

fn what_asked(asked: &Asked) -> String {
    match asked {
        Asked::Signature { .. } => "signature".to_owned(),
        Asked::Attestation { predicate, .. } => predicate.to_string(),
        other => other.to_string(),
    }
}

fn principal(principal: &Principal) -> String {
    match principal {
        Principal::Key(key) => format!("key {key}"),
        Principal::Certificate { issuer, san } if issuer.is_empty() => san.clone(),
        Principal::Certificate { issuer, san } => format!("{san} (by {issuer})"),
    }
}

/// What is not known of an image, or weaker than its decision looks.
fn gaps(verification: &Verification, approved: Option<&Approved>, from: DigestFrom, no_time: bool) -> Vec<Told> {
    let findings = &verification.findings;
    let mut gaps = Vec::new();
    let mut gap = |id, message: String| gaps.push(told(id, message));
    match verification.outcome.mode {
        Mode::Permissive => gap("not-enforced", "the mode is permissive: a deny stops nothing".to_owned()),
        Mode::Disabled => gap("not-enforced", "the mode is disabled: nothing was judged".to_owned()),
        Mode::Enforced => {}
    }
    if from == DigestFrom::RegistryTag {
        gap("tag-not-signed", "what the tag means is the registry's word alone".to_owned());
    }
    if no_time && !findings.verified().is_empty() {
        gap("no-time", "no signature that counts tells when it was made".to_owned());
    }
    for unread in findings.unread().iter().take(AUDIT_TOLD) {
        gap("unread", format!("{}: {}", unread.what, unread.why));
    }
    for rejected in findings.rejected().iter().take(AUDIT_TOLD) {
        gap("evidence-rejected", format!("{}: {}", rejected.rejection.id(), rejected.rejection));
    }
    for (id, count) in [("unread", findings.unread().len()), ("evidence-rejected", findings.rejected().len())] {
        if count > AUDIT_TOLD {
            gap(id, format!("and {} more", count - AUDIT_TOLD));
        }
    }
    if let Some(trust) = verification.trust {
        if trust.source == StateSource::Remembered {
            gap("tags-remembered", "the signed map is the one that this machine remembers".to_owned());
        }
        if trust.first_use {
            gap("first-use", "the signed map's root was trusted because nothing was known before".to_owned());
        } else if trust.first_contact {
            let why =
                "nothing was remembered of the signed map: an older one than others have seen would not be noticed";
            gap("first-contact", why.to_owned());
        }
    }
    for (role, since) in approved.and_then(Approved::trust).into_iter().flat_map(|vouched| vouched.overdue()) {
        gap("tags-stale", format!("the signed map's {role} expired on {since}"));
    }
    gaps
}

/// What was checked, and what was not.
fn checks(verifier: &Verifier<'_>, verification: &Verification, drift: &Drift) -> (Vec<String>, Vec<String>) {
    let explained = verifier.policy.explain(verification.findings.subject().reference());
    let scope = explained.scope.filter(|_| explained.mode != Mode::Disabled);
    // Another verifier's summary in the place of the work: what that let it skip was not checked here.
    let instead = match &verification.outcome.decision {
        policy::Decision::Allow(approved) if scope.is_some_and(|scope| scope.vsa.is_some()) => {
            Some(approved).filter(|approved| approved.is_delegated())
        }
        _ => None,
    };
    let asked: Vec<_> = match instead {
        Some(approved) => approved.met().iter().map(|met| &met.requirement).collect(),
        None => scope.into_iter().flat_map(|scope| &scope.requirements).collect(),
    };
    let (mut checked, mut not_checked) = (Vec::new(), vec!["what the layers hold".to_owned()]);
    for requirement in &asked {
        let from: Vec<_> = requirement.from.iter().map(|authority| authority.name.as_str()).collect();
        checked.push(format!("{} by {} of {}", requirement.asked, requirement.threshold, from.join(", ")));
    }
    let is_signature = |asked: &Asked| matches!(asked, Asked::Signature { .. });
    if instead.is_some() {
        not_checked
            .push("what else the policy asks of signatures and attestations: the summary is in its place".to_owned());
    } else {
        if !asked.iter().any(|one| is_signature(&one.asked)) {
            not_checked.push("image signatures: the policy asks for none".to_owned());
        }
        if !asked.iter().any(|one| !is_signature(&one.asked)) {
            not_checked.push("attestations: the policy asks for none".to_owned());
        }
    }
    for (is_checked, what) in [
        (scope.is_some_and(|scope| scope.content_trust.is_some()), "the repository's signed tags"),
        (instead.is_none() && scope.is_some_and(|scope| scope.config.is_some()), "the image's configuration"),
        (!matches!(drift, Drift::Unknown { .. }), "what the tag means now"),
    ] {
        if is_checked { checked.push(what.to_owned()) } else { not_checked.push(what.to_owned()) }
    }
    (checked, not_checked)
}
