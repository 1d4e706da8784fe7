//! `verify`: pin, fetch, judge, evaluate.

mod each;

use super::{
    OpsError, Platform,
    collect::{Held, Room, collect, collect_embedded},
    image::images,
    pin::{Choice, image_of, pin},
    trust::{Provenance, Said, TrustError, TrustReader, asked},
};
use crate::{
    limits::Limits,
    oci::{Embedded, Images, Reference},
    policy::{ContentTrust, Mode, Outcome, Policy, Unsigned},
    registry::{Access, Layout, Repo, Selector, Session},
    trust::tuf::TrustRefusal,
    verify::{Collected, Findings, Place, Subject, Unread, Via, verify_all},
};
use futures_util::future::join;
use jiff::Timestamp;
use std::collections::BTreeSet;

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
        let repo = self.session.open(&reference.repository, Access::Pull)?.copied_to(into.clone());
        let (subject, trust) = self.pin(&repo, reference, Choice::of(platform)).await?;
        let read = self.read(&repo, &subject).await;
        let judged = hanging(&read.collected, &subject);
        let verification = Verification { trust, ..self.weigh(&repo, &subject, read).await? };
        // Another policy may count what this one does not, and ask for the configurations. Something else than an image has
        // none: a policy that asks for one will say so.
        let (held, _) = collect_embedded(&repo, &subject, true).await;
        let collected = held.collected;
        let _ = images(&repo, &subject).await;
        let now = hanging(&collected, &subject);
        let mut unkept = collected.unread;
        if self.asks_for_evidence(&subject) && judged != now {
            let why = "it changed between the decision and its keeping".to_owned();
            unkept.push(Unread { what: format!("what hangs on {}", subject.digest()), why });
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
    pub(super) async fn pin(
        &self,
        repo: &Repo,
        reference: &Reference,
        choice: Choice<'_>,
    ) -> Result<(Subject, Option<Provenance>), OpsError> {
        let Some((rule, said)) = self.ask(repo, reference).await? else {
            return Ok((pin(repo, reference, choice).await?, None));
        };
        let pinned = pin_said(repo, reference, choice, &said).await?;
        Ok((prove(pinned, reference, rule, &said)?, Some(said.read.provenance)))
    }

    /// What the signed map of its tags says of a reference, where the policy asks for one.
    async fn ask(&self, repo: &Repo, reference: &Reference) -> Result<Option<(&ContentTrust, Said)>, OpsError> {
        let explained = self.policy.explain(reference);
        let rule = explained.scope.and_then(|scope| scope.content_trust.as_ref());
        let (Some(rule), Some(reader), true) = (rule, self.trust, explained.mode != Mode::Disabled) else {
            return Ok(None);
        };
        Ok(Some((rule, reader.ask(repo, reference, rule, explained.mode == Mode::Permissive).await?)))
    }

    /// Verifies a subject that is pinned already.
    ///
    /// # Errors
    /// Nothing that counts hangs on the digest, and the registry does not have it.
    pub async fn judge(&self, repo: &Repo, subject: &Subject) -> Result<Verification, OpsError> {
        let read = self.read(repo, subject).await;
        self.weigh(repo, subject, read).await
    }

    fn is_judged(&self, subject: &Subject) -> bool {
        self.policy.explain(subject.reference()).mode != Mode::Disabled
    }

    fn asks_for_evidence(&self, subject: &Subject) -> bool {
        self.is_judged(subject) && self.policy.asks_for_evidence(&subject.reference().repository)
    }

    /// Reads what hangs on a subject, and verifies it.
    pub(super) async fn find(&self, repo: &Repo, subject: &Subject) -> Result<Findings, OpsError> {
        let read = self.read(repo, subject).await;
        self.check(repo, subject, read).await
    }

    /// Reads what the policy asks for, and no more.
    async fn read(&self, repo: &Repo, subject: &Subject) -> Read {
        let repository = &subject.reference().repository;
        let signed = self.policy.accepts(repository, Unsigned::CoveredByManifest);
        let collecting = async {
            if !self.asks_for_evidence(subject) {
                (Held::default(), None)
            } else if signed || self.policy.accepts(repository, Unsigned::CoveredByIndex) {
                collect_embedded(repo, subject, signed).await
            } else {
                (collect(repo, subject.digests()).await, None)
            }
        };
        let looking = async {
            let asks =
                self.is_judged(subject) && self.policy.scope(repository).is_some_and(|scope| scope.config.is_some());
            if asks { Some(images(repo, subject).await) } else { None }
        };
        let ((Held { mut collected, room }, embedded), looked) = join(collecting, looking).await;
        let images = looked.and_then(|looked| looked.map_err(|unread| collected.unread.push(unread)).ok());
        Read { collected, room, embedded, images }
    }

    async fn weigh(&self, repo: &Repo, subject: &Subject, read: Read) -> Result<Verification, OpsError> {
        let findings = self.check(repo, subject, read).await?;
        let outcome = self.settle(&findings).await;
        Ok(Verification { findings, outcome, trust: None })
    }

    async fn check(&self, repo: &Repo, subject: &Subject, read: Read) -> Result<Findings, OpsError> {
        let mut judged = subject.clone();
        if let Some(images) = read.images {
            judged = judged.with_images(images);
        }
        if let Some(embedded) = read.embedded {
            judged = judged.with_embedded(embedded);
        }
        let anchors = self.policy.anchors_for(&subject.reference().repository);
        let findings = verify_all(&judged, read.collected, &anchors, self.now, self.limits);
        drop(read.room);
        let nothing = findings.verified().is_empty() && findings.unread().is_empty();
        if nothing && self.asks_for_evidence(subject) {
            // A digest that the registry does not have is not an unsigned image, whatever hangs on it.
            repo.manifest(&Selector::Digest(subject.digest())).await?;
        }
        Ok(findings)
    }
}

/// Where evidence was read that hangs on a subject itself.
fn hanging(collected: &Collected, subject: &Subject) -> BTreeSet<Place> {
    let places = collected.blobs.iter().map(|blob| &blob.place);
    let hangs = |place: &&Place| place.via != Via::Index && subject.digests().any(|digest| digest == place.subject);
    places.filter(hangs).cloned().collect()
}

/// What was read of a subject.
struct Read {
    collected: Collected,
    room: Option<Room>,
    embedded: Option<Embedded>,
    images: Option<Images>,
}

/// The subject that a trust state names. Where it names none, what the registry says, to be refused.
async fn pin_said(repo: &Repo, reference: &Reference, choice: Choice<'_>, said: &Said) -> Result<Subject, OpsError> {
    match said.digest {
        Some(digest) => image_of(repo, Subject::new(reference.clone(), digest), choice).await,
        None => match (pin(repo, reference, choice).await, &said.refusal) {
            // That nobody signed it is known, whatever the registry says: that it is not there, or what it means.
            (Err(OpsError::Moved { .. }), Some(refusal)) => Err(refused(reference, refusal)),
            (Err(OpsError::Registry(error)), Some(refusal)) if error.is_not_found() => Err(refused(reference, refusal)),
            (pinned, _) => pinned,
        },
    }
}

fn refused(reference: &Reference, refusal: &TrustRefusal) -> OpsError {
    TrustError::refused(&reference.to_string(), refusal.clone()).into()
}

/// The subject with the trust state's proof, or with why there is none.
fn prove(subject: Subject, reference: &Reference, rule: &ContentTrust, said: &Said) -> Result<Subject, OpsError> {
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
