//! `verify`: pin, fetch, judge, evaluate.

use super::{OpsError, Platform, collect::collect, pin};
use crate::{
    limits::Limits,
    oci::Reference,
    policy::{Mode, Outcome, Policy, evaluate},
    registry::{Access, Repo, Selector, Session},
    verify::{Collected, Findings, Subject, verify_all},
};
use jiff::Timestamp;

/// A verification: what was found and what the policy says of it.
#[must_use]
#[derive(Debug)]
pub struct Verification {
    /// What held, what was rejected, what could not be read.
    pub findings: Findings,
    /// What the policy says.
    pub outcome: Outcome,
}

/// What a run of verifications shares.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    /// The connections.
    pub session: &'a Session,
    /// The policy.
    pub policy: &'a Policy,
    /// The time to judge by.
    pub now: Timestamp,
    /// The bounds.
    pub limits: &'a Limits,
}

impl Verifier<'_> {
    /// Verifies one image.
    ///
    /// # Errors
    /// The reference could not be pinned to a digest, or names nothing. That is "could not tell", never a denial; what
    /// goes wrong later stands in the findings as unread.
    pub async fn verify(&self, reference: &Reference, platform: Option<&Platform>) -> Result<Verification, OpsError> {
        let repo = self.session.open(&reference.repository, Access::Pull)?;
        let subject = pin(&repo, reference, platform).await?;
        self.judge(&repo, &subject).await
    }

    /// Verifies a subject that is pinned already.
    ///
    /// # Errors
    /// Nothing that counts hangs on the digest, and the registry does not have it.
    pub async fn judge(&self, repo: &Repo, subject: &Subject) -> Result<Verification, OpsError> {
        let judged = self.policy.explain(subject.reference()).mode != Mode::Disabled;
        let collected = if judged { collect(repo, subject.digests()).await } else { Collected::default() };
        let anchors = self.policy.anchors_for(&subject.reference().repository);
        let findings = verify_all(subject, collected, &anchors, self.limits);
        if judged && findings.verified().is_empty() && findings.unread().is_empty() {
            // A digest that the registry does not have is not an unsigned image, whatever hangs on it.
            repo.manifest(&Selector::Digest(subject.digest())).await?;
        }
        let outcome = evaluate(self.policy, &findings, self.now);
        Ok(Verification { findings, outcome })
    }
}
