//! `verify`: pin, fetch, judge, evaluate.

use super::{
    OpsError, Platform,
    collect::collect,
    image::images,
    pin::{Choice, image_of, pin},
    trust::{Provenance, Said, TrustError, TrustReader, asked},
};
use crate::{
    limits::Limits,
    oci::Reference,
    policy::{ContentTrust, Mode, Outcome, Policy, evaluate},
    registry::{Access, Layout, Repo, Selector, Session},
    trust::tuf::TrustRefusal,
    verify::{Collected, Findings, Subject, Unread, verify_all},
};
use futures_util::future::join;
use jiff::Timestamp;

/// A verification: what was found and what the policy says of it.
#[must_use]
#[derive(Debug)]
pub struct Verification {
    /// What held, what was rejected, what could not be read.
    pub findings: Findings,
    /// What the policy says.
    pub outcome: Outcome,
    /// How the trust state was come by, where one was asked.
    pub trust: Option<Provenance>,
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
    /// Who reads trust states. Without one, scopes that ask for content trust are denied.
    pub trust: Option<&'a TrustReader>,
}

impl Verifier<'_> {
    /// Verifies one image.
    ///
    /// # Errors
    /// The reference could not be pinned to a digest, or names nothing. That is "could not tell", never a denial; what
    /// goes wrong later stands in the findings as unread.
    pub async fn verify(&self, reference: &Reference, platform: Option<&Platform>) -> Result<Verification, OpsError> {
        self.verify_choice(reference, Choice::of(platform)).await
    }

    /// As [`Self::verify`].
    pub(super) async fn verify_choice(
        &self,
        reference: &Reference,
        choice: Choice<'_>,
    ) -> Result<Verification, OpsError> {
        let repo = self.session.open(&reference.repository, Access::Pull)?;
        let (subject, trust) = self.pin(&repo, reference, choice).await?;
        Ok(Verification { trust, ..self.judge(&repo, &subject).await? })
    }

    /// As [`Self::verify`]; what is read is copied into a layout, with what another policy might ask for: all evidence, and the
    /// configurations. [`Self::judge_kept`] judges it again. Beside the verification: what of that could not be read.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn verify_and_keep(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        into: &Layout,
    ) -> Result<(Verification, Vec<Unread>), OpsError> {
        let repo = self.session.open(&reference.repository, Access::Pull)?.kept_in(into.clone());
        let (subject, trust) = self.pin(&repo, reference, Choice::of(platform)).await?;
        let verification = Verification { trust, ..self.judge(&repo, &subject).await? };
        let judged = verification.outcome.mode != Mode::Disabled;
        let mut unkept = Vec::new();
        if !judged || !self.policy.asks_for_evidence(&reference.repository) {
            unkept = collect(&repo, subject.digests()).await.unread;
        }
        if !judged || !self.policy.asks_for_config(&reference.repository) {
            // Something else than an image has none; a policy that asks for one will say so.
            let _ = images(&repo, &subject).await;
        }
        Ok((verification, unkept))
    }

    /// Verifies again what was kept: an image by its digest, which is not looked for anywhere else.
    ///
    /// # Errors
    /// The layout can't be read, or does not have what the digest names.
    pub async fn judge_kept(&self, kept: &Layout, subject: &Subject) -> Result<Verification, OpsError> {
        self.judge(&Repo::Layout(kept.clone()), subject).await
    }

    /// Pins a reference: by the signed map of its tags where the policy asks for one, else as the registry says.
    async fn pin(
        &self,
        repo: &Repo,
        reference: &Reference,
        choice: Choice<'_>,
    ) -> Result<(Subject, Option<Provenance>), OpsError> {
        let explained = self.policy.explain(reference);
        let rule = explained.scope.and_then(|scope| scope.content_trust.as_ref());
        let (Some(rule), Some(reader), true) = (rule, self.trust, explained.mode != Mode::Disabled) else {
            return Ok((pin(repo, reference, choice).await?, None));
        };
        let said = reader.ask(repo, reference, rule, explained.mode == Mode::Permissive).await?;
        let provenance = said.read.provenance;
        Ok((pin_said(repo, reference, choice, rule, &said).await?, Some(provenance)))
    }

    /// Verifies a subject that is pinned already.
    ///
    /// # Errors
    /// Nothing that counts hangs on the digest, and the registry does not have it.
    pub async fn judge(&self, repo: &Repo, subject: &Subject) -> Result<Verification, OpsError> {
        let repository = &subject.reference().repository;
        let judged = self.policy.explain(subject.reference()).mode != Mode::Disabled;
        let evidence = judged && self.policy.asks_for_evidence(repository);
        let collecting = async { if evidence { collect(repo, subject.digests()).await } else { Collected::default() } };
        let looking = async {
            if judged && self.policy.asks_for_config(repository) { Some(images(repo, subject).await) } else { None }
        };
        let (mut collected, looked) = join(collecting, looking).await;
        let subject = match looked {
            Some(Ok(images)) => &subject.clone().with_images(images),
            Some(Err(unread)) => {
                collected.unread.push(unread);
                subject
            }
            None => subject,
        };
        let anchors = self.policy.anchors_for(repository);
        let findings = verify_all(subject, collected, &anchors, self.now, self.limits);
        if evidence && findings.verified().is_empty() && findings.unread().is_empty() {
            // A digest that the registry does not have is not an unsigned image, whatever hangs on it.
            repo.manifest(&Selector::Digest(subject.digest())).await?;
        }
        let outcome = evaluate(self.policy, &findings, self.now);
        Ok(Verification { findings, outcome, trust: None })
    }
}

/// The subject that a trust state names, with its proof. Where it names none, what the registry says, refused.
async fn pin_said(
    repo: &Repo,
    reference: &Reference,
    choice: Choice<'_>,
    rule: &ContentTrust,
    said: &Said,
) -> Result<Subject, OpsError> {
    let subject = match said.digest {
        Some(digest) => image_of(repo, Subject::new(reference.clone(), digest), choice).await?,
        None => match (pin(repo, reference, choice).await, &said.refusal) {
            // That nobody signed it is known, whatever the registry says.
            (Err(OpsError::Registry(error)), Some(refusal)) if error.is_not_found() => {
                return Err(TrustError::refused(&reference.to_string(), refusal.clone()).into());
            }
            (pinned, _) => pinned?,
        },
    };
    let refusal = match (&said.refusal, &said.read.judged) {
        (Some(refusal), _) | (None, Err(refusal)) => refusal.clone(),
        (None, Ok(state)) => {
            let digests: Vec<_> = subject.digests().collect();
            match state.vouch(&asked(reference), &rule.require_roles, &digests) {
                Ok(vouched) => return Ok(subject.vouched(vouched)?),
                Err(error) => TrustRefusal::from(&error),
            }
        }
    };
    Ok(subject.refused(refusal))
}
