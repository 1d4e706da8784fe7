//! What the findings have for a question: the circumstances of a requirement, gathered once.

use super::{Circumstances, ConfigRule, Miss, Question};
use crate::{
    format::{
        image_config::ImageConfig,
        predicate::{Document, Family, Predicate, Vex},
    },
    limits::CLOCK_SKEW,
    oci::Digest,
    policy::{Asked, Reason, Requirement},
    verify::{Claim, Findings, Subject},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What stands beside the evidence of one requirement.
#[derive(Debug)]
pub(in crate::policy) struct Beside {
    pub now: Timestamp,
    digests: Vec<Digest>,
    vex: Vec<Vex>,
    /// The newest time that a document of each authority states.
    newest: BTreeMap<String, Timestamp>,
    all_read: bool,
}

impl Beside {
    pub fn gather(requirement: &Requirement, findings: &Findings, image: Digest, now: Timestamp) -> Self {
        let around = findings.subject().digests().filter(|digest| *digest != image);
        let digests = std::iter::once(image).chain(around).collect();
        let all_read = findings.unread().is_empty();
        let mut beside = Self { now, digests, vex: Vec::new(), newest: BTreeMap::new(), all_read };
        let Asked::Document(question) = &requirement.asked else { return beside };
        let wanted = |family| {
            family == Some(Family::Vex) && question.needs_vex() || family == Some(question.family()) && question.newest
        };
        for verified in findings.verified() {
            let Claim::Attestation { predicate_type, predicate, .. } = verified.claim() else { continue };
            let by: Vec<_> = requirement.from.iter().filter(|one| one.admits(verified).is_ok()).collect();
            if by.is_empty() || !wanted(Family::of(predicate_type)) || !requirement.takes(verified, image) {
                continue;
            }
            // What can't be read neither helps nor harms; if it is all that there is, it is told where it is judged.
            match Document::decode(predicate_type, predicate.bytes()) {
                Ok(Some(Document::Vex(vex))) => beside.vex.push(vex),
                Ok(Some(document)) => {
                    let latest = now.checked_add(skew()).unwrap_or(now);
                    for time in document.stated_time().into_iter().filter(|time| *time <= latest) {
                        for authority in &by {
                            let newest = beside.newest.entry(authority.name.clone()).or_insert(time);
                            *newest = time.max(*newest);
                        }
                    }
                }
                _ => {}
            }
        }
        beside
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
            if let Some(by) = self.newest.get(authority).filter(|newest| **newest > stated) {
                return Err(Miss::Superseded { by: *by });
            }
        }
        question.judge(&document, &Circumstances { digests: &self.digests, vex: &self.vex, now: self.now })?;
        if question.needs_newest() && !self.all_read { Err(Miss::NewestUnknown) } else { Ok(()) }
    }
}

fn skew() -> SignedDuration {
    SignedDuration::from_secs(CLOCK_SKEW.as_secs().cast_signed())
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
