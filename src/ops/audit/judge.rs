//! One image of a fleet: judged by its digest, compared with what its tag means now, and told as a record.

use super::{
    inventory::Found,
    record::{Basis, Decision, DigestFrom, Drift, ImageRecord, Told},
    tell,
};
use crate::{
    oci::{Digest, Reference},
    ops::{OpsError, pin::Choice, trust::TrustError, verify::Verification, verify::Verifier},
    policy,
    registry::Fault,
    trust::tuf::TrustRefusal,
    verify::{Pinned, TrustFinding},
};
use std::time::Duration;

/// What one image comes to: its verification, or why there is none, and its drift.
struct Judged {
    verification: Result<Verification, OpsError>,
    drift: Drift,
    /// What is open beside that.
    gap: Option<Told>,
}

/// Judges one image of a fleet. Whatever goes wrong with it is said in its record.
///
/// With a depth, an image is followed to what it was built from, in the same time once more.
///
/// Checked: what `verify` checks, of the digest that runs where the input names it, else of what the tag means; whether the
/// tag still means that digest, by the repository's signed map where the scope asks for content trust, else by the registry.
/// Not checked: what the image holds, and whether it really runs.
pub async fn judge(verifier: &Verifier<'_>, found: Found, patience: Duration, depth: Option<usize>) -> ImageRecord {
    let (reference, runs_other) = (found.reference.clone(), found.runs_other);
    let mut record = decide(verifier, found, patience).await;
    if runs_other {
        tell::unknown_runs(&mut record);
    }
    match (depth, record.index.or(record.digest)) {
        (Some(depth), Some(digest)) => {
            let start = Reference { digest: Some(digest), ..reference };
            let followed = tokio::time::timeout(patience, verifier.chain(&start, None, depth)).await;
            let lost = |message| Told { id: "chain-unread".to_owned(), message };
            match followed {
                Ok(Ok(chain)) => record.chain = Some(chain),
                Ok(Err(error)) => record.gaps.push(lost(error.to_string())),
                Err(_late) => record.gaps.push(lost(format!("no result within {} s", patience.as_secs()))),
            }
        }
        _ => record.not_checked.push("what it was built from".to_owned()),
    }
    record
}

async fn decide(verifier: &Verifier<'_>, found: Found, patience: Duration) -> ImageRecord {
    let judged = tokio::time::timeout(patience, one(verifier, &found)).await;
    match judged {
        Err(_late) => {
            let message = format!("no result within {} s", patience.as_secs());
            let why = Told { id: "timeout".to_owned(), message };
            let drift = Drift::Unknown { why: why.message.clone() };
            unjudged(verifier, found, Decision::CouldNotTell, why, drift)
        }
        Ok(Judged { verification, drift, gap }) => {
            let mut record = match verification {
                Ok(verification) => tell::record(verifier, found, &verification, drift),
                Err(error) => {
                    let (decision, why) = undecided(&error);
                    let record = unjudged(verifier, found, decision, why, drift);
                    ImageRecord { exit: if is_supplied(&error) { 3 } else { record.exit }, ..record }
                }
            };
            record.gaps.extend(gap);
            record
        }
    }
}

async fn one(verifier: &Verifier<'_>, found: &Found) -> Judged {
    let named = &found.reference;
    let Some(runs) = found.running.or(named.digest) else {
        let drift = Drift::Unknown { why: "the input does not say which digest runs".to_owned() };
        return Judged { verification: verifier.verify(named, None).await, drift, gap: None };
    };
    let tag = named.tag_or_latest().map(str::to_owned);
    let drift = if tag.is_none() {
        Drift::Unknown { why: "the image is named without a tag".to_owned() }
    } else {
        let by_tag = Reference { tag, digest: None, ..named.clone() };
        match verifier.verify_choice(&by_tag, Choice::Running(runs)).await {
            Ok(verification) => {
                let drift = drift_of(&verification);
                return Judged { verification: Ok(verification), drift, gap: None };
            }
            Err(OpsError::Moved { now, signed, .. }) => {
                Drift::Differs { now, basis: if signed { Basis::Signed } else { Basis::Registry } }
            }
            Err(OpsError::Registry(error)) if error.is_not_found() => {
                Drift::TagNotSigned { basis: Basis::Registry, why: error.to_string() }
            }
            Err(OpsError::Trust(error)) => match *error {
                TrustError::Refused { refusal, .. } => without_tag(&refusal),
                error => unknown(&error),
            },
            // What can't be reached by its tag can't be reached at all.
            Err(OpsError::Registry(error)) if error.is_local() || matches!(error.fault, Fault::Connection(_)) => {
                return Judged { drift: unknown(&error), verification: Err(error.into()), gap: None };
            }
            Err(error) => unknown(&error),
        }
    };
    // The tag says nothing of what runs: it is judged by its digest, or within the index that is named by digest.
    let asked = Reference { digest: named.digest.or(Some(runs)), ..named.clone() };
    match verifier.verify_choice(&asked, Choice::Running(runs)).await {
        Err(error) if asked.digest != Some(runs) => {
            let itself = Reference { digest: Some(runs), ..named.clone() };
            let gap = Told { id: "runs-other-digest".to_owned(), message: error.to_string() };
            Judged { verification: verifier.verify(&itself, None).await, drift, gap: Some(gap) }
        }
        verification => Judged { verification, drift, gap: None },
    }
}

fn unknown(error: &dyn std::error::Error) -> Drift {
    Drift::Unknown { why: error.to_string() }
}

/// The drift of what the tag means, or of an image of the index that it means.
fn drift_of(verification: &Verification) -> Drift {
    let subject = verification.findings.subject();
    match (subject.trust(), subject.pinned()) {
        (TrustFinding::Refused(refusal), _) => without_tag(refusal),
        (_, Pinned::SignedTag) => Drift::Current { basis: Basis::Signed },
        _ => Drift::Current { basis: Basis::Registry },
    }
}

/// The drift where the signed map says nothing of the tag.
fn without_tag(refusal: &TrustRefusal) -> Drift {
    match refusal.id() {
        "not-listed" | "roles-disagree" | "revoked" | "trust-removed" => {
            Drift::TagNotSigned { basis: Basis::Signed, why: refusal.to_string() }
        }
        _ => Drift::Unknown { why: format!("the signed map is refused: {refusal}") },
    }
}

/// What an image is that could not be verified, and why.
fn undecided(error: &OpsError) -> (Decision, Told) {
    let told = |id: &str| Told { id: id.to_owned(), message: error.to_string() };
    match error {
        OpsError::Trust(inner) => match &**inner {
            // A tag that is not in the registry can be known to be refused all the same.
            TrustError::Refused { refusal, .. } => (Decision::Denied, told(refusal.id())),
            _ => (Decision::CouldNotTell, told("trust-data")),
        },
        OpsError::Registry(inner) if inner.is_not_found() => (Decision::CouldNotTell, told("not-found")),
        OpsError::Registry(_) => (Decision::CouldNotTell, told("registry")),
        _ => (Decision::CouldNotTell, told("unusable")),
    }
}

/// Whether it is something of this machine that can't be used: exit code 3, as `verify` has it.
fn is_supplied(error: &OpsError) -> bool {
    match error {
        OpsError::Registry(error) => error.is_local(),
        OpsError::Trust(error) => match &**error {
            TrustError::Registry(error) => error.is_local(),
            error => matches!(error, TrustError::Store(_) | TrustError::Lock(_) | TrustError::File { .. }),
        },
        _ => false,
    }
}

/// The record of an image that was not judged.
fn unjudged(verifier: &Verifier<'_>, found: Found, decision: Decision, why: Told, drift: Drift) -> ImageRecord {
    let explained = verifier.policy.explain(&found.reference);
    let decision = match (decision, explained.mode) {
        (Decision::Denied, policy::Mode::Permissive) => Decision::WouldDeny,
        (decision, _) => decision,
    };
    let digest = found.running.or(found.reference.digest);
    ImageRecord {
        digest,
        digest_from: digest.map(|_| named_by(&found)),
        decision,
        reasons: vec![why],
        scope: explained.scope.map(|scope| scope.pattern.to_string()),
        mode: Some(explained.mode.to_string()),
        drift,
        not_checked: vec!["the image: it could not be read".to_owned()],
        exit: tell::exit(decision),
        ..tell::blank(found)
    }
}

/// Who named the digest that the input has.
pub(super) fn named_by(found: &Found) -> DigestFrom {
    let asked = |digest: Digest| found.reference.digest == Some(digest);
    if found.running.is_none_or(asked) { DigestFrom::Asked } else { DigestFrom::Running }
}
