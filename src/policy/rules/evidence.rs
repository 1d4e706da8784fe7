//! What the findings have for a question: the circumstances of a requirement, gathered once.

use super::{Bases, Circumstances, ConfigRule, Miss, Question, skew};
use crate::{
    format::{
        image_config::ImageConfig,
        predicate::{Document, Family, Predicate, Vex},
    },
    oci::{Digest, Reference, Repository},
    policy::{Asked, Reason, Requirement},
    verify::{Claim, Findings, SignedReference, Subject},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What stands beside the evidence of one requirement.
#[derive(Debug)]
pub(in crate::policy) struct Beside<'b> {
    pub now: Timestamp,
    digests: Vec<Digest>,
    resource: Option<SignedReference>,
    vex: Vec<Vex>,
    bases: &'b Bases,
    /// Where the newest document of each authority stands among them.
    newest: BTreeMap<String, (Option<Timestamp>, bool)>,
    all_read: bool,
}

impl<'b> Beside<'b> {
    pub fn gather(
        requirement: &Requirement,
        findings: &Findings,
        image: Digest,
        bases: &'b Bases,
        now: Timestamp,
    ) -> Self {
        let around = findings.subject().digests().filter(|digest| *digest != image);
        let digests = std::iter::once(image).chain(around).collect();
        let all_read = findings.unread().is_empty();
        let resource = resource(requirement, findings.subject().reference());
        let mut beside = Self { now, digests, resource, vex: Vec::new(), bases, newest: BTreeMap::new(), all_read };
        let Asked::Document(question) = &requirement.asked else { return beside };
        let wanted = |family| {
            family == Some(Family::Vex) && question.needs_vex() || family == Some(question.family()) && question.newest
        };
        for verified in findings.verified() {
            let Claim::Attestation { predicate_type, predicate, .. } = verified.claim() else { continue };
            let mut by: Vec<_> = requirement.from.iter().filter(|one| one.admits(verified).is_ok()).collect();
            if by.is_empty() || !wanted(Family::of(predicate_type)) || !requirement.takes(verified, image) {
                continue;
            }
            // A summary is its verifier's, whichever of its keys signed it.
            if question.is_of_summary() {
                by = requirement.from.iter().collect();
            }
            // What can't be read neither helps nor harms; if it is all that there is, it is told where it is judged. But of a
            // verifier's word it may be the newest, and a refusal, and so may one that states no time.
            match Document::decode(predicate_type, predicate.bytes()) {
                Ok(Some(Document::Vex(vex))) => beside.vex.push(vex),
                Ok(Some(document)) => {
                    let latest = now.checked_add(skew()).unwrap_or(now);
                    let rank = question.rank(&document, &beside.circumstances());
                    beside.all_read &= !(question.is_of_summary() && rank.is_some_and(|(time, _)| time.is_none()));
                    for rank in rank.into_iter().filter(|(time, _)| time.is_some_and(|time| time <= latest)) {
                        for authority in &by {
                            let newest = beside.newest.entry(authority.name.clone()).or_insert(rank);
                            *newest = rank.max(*newest);
                        }
                    }
                }
                _ => beside.all_read &= !question.is_of_summary(),
            }
        }
        beside
    }

    fn circumstances(&self) -> Circumstances<'_> {
        let Self { digests, resource, vex, bases, now, .. } = self;
        Circumstances { digests, resource: resource.as_ref(), vex, bases, now: *now }
    }

    /// Why an authority's document does not answer a question, if so.
    pub fn miss(&self, question: &Question, authority: &str, kind: &str, predicate: &Predicate) -> Option<Reason> {
        let miss = self.judge(question, authority, kind, predicate).err()?;
        Some(Reason::Document { by: format!("{authority}, {question}"), miss })
    }

    fn judge(&self, question: &Question, authority: &str, kind: &str, predicate: &Predicate) -> Result<(), Miss> {
        let document = Document::decode(kind, predicate.bytes())
            .map_err(|error| Miss::Malformed { why: error.to_string() })?
            .ok_or_else(|| Miss::Malformed { why: format!("{kind} is not read here") })?;
        if question.newest {
            let stated = document.stated_time().ok_or(Miss::TimeUnknown)?;
            if stated > self.now.checked_add(skew()).unwrap_or(self.now) {
                return Err(Miss::FromFuture { stated });
            }
            let rank = question.rank(&document, &self.circumstances());
            let newer = self.newest.get(authority).filter(|newest| rank.is_some_and(|rank| **newest > rank));
            if let Some((Some(by), _)) = newer {
                return Err(Miss::Superseded { by: *by });
            }
        }
        question.judge(&document, &self.circumstances())?;
        if question.needs_newest() && !self.all_read { Err(Miss::NewestUnknown) } else { Ok(()) }
    }
}

/// The name under which an image is known to whoever verified it elsewhere: as asked for, or as the requirement maps that.
fn resource(requirement: &Requirement, asked: &Reference) -> Option<SignedReference> {
    let repository = match (requirement.identity.expected(asked).ok()?, &asked.repository) {
        (Some(expected), _) => expected.repository,
        (None, Repository::Registry(name)) => name.clone(),
        (None, Repository::Layout(_)) => return None,
    };
    Some(SignedReference { repository, tag: asked.tag_or_latest().map(str::to_owned) })
}

/// What the configurations of a subject's images lack.
pub(in crate::policy) fn habits(rule: &ConfigRule, subject: &Subject) -> Vec<Reason> {
    let by = |digest: &dyn std::fmt::Display| format!("the image {digest}");
    let Some(images) = subject.images() else {
        return vec![Reason::Document { by: by(&subject.digest()), miss: Miss::ConfigUnread }];
    };
    let mut reasons = Vec::new();
    for image in images.iter() {
        let config = ImageConfig::decode(image.config()).map_err(|error| Miss::Malformed { why: error.to_string() });
        if let Err(miss) = config.and_then(|config| rule.judge(&config, image.size())) {
            reasons.push(Reason::Document { by: by(&image.digest()), miss });
        }
    }
    reasons
}
