//! What the findings have for a question: the circumstances of a requirement, gathered once.

use super::{Bases, Circumstances, ConfigRule, Miss, Question, skew};
use crate::{
    format::{
        image_config::ImageConfig,
        predicate::{Document, Family, Predicate, PredicateError, Vex},
    },
    oci::{Digest, Reference, Repository},
    policy::{Asked, Authority, Reason, Requirement},
    verify::{Claim, Findings, SignedReference, Subject},
};
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

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
    /// Why there may be something newer that is not known.
    unsure: Option<String>,
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
        let unsure = (!findings.unread().is_empty()).then(|| "something is unread".to_owned());
        let resource = resource(requirement, findings.subject().reference());
        let mut beside = Self { now, digests, resource, vex: Vec::new(), bases, newest: BTreeMap::new(), unsure };
        let Asked::Document(question) = &requirement.asked else { return beside };
        let of = |family| {
            findings.verified().iter().filter_map(move |verified| {
                let Claim::Attestation { predicate_type, predicate, .. } = verified.claim() else { return None };
                let by: Vec<_> = requirement.from.iter().filter(|one| one.admits(verified).is_ok()).collect();
                let is_wanted = Family::of(predicate_type) == Some(family) && requirement.takes(verified, image);
                (is_wanted && !by.is_empty()).then(|| (Document::decode(predicate_type, predicate.bytes()), by))
            })
        };
        if question.needs_vex() {
            of(Family::Vex).for_each(|(document, _)| beside.vex(document));
        }
        if question.newest {
            for (document, mut by) in of(question.family()) {
                // A summary is its verifier's, whichever of its keys signed it.
                if question.is_of_summary() {
                    by = requirement.from.iter().collect();
                }
                beside.one_of(question, document, &by);
            }
        }
        beside
    }

    /// What can't be read, or states no time, may be the newest, and take back what an older one says.
    fn vex(&mut self, document: Result<Option<Document>, PredicateError>) {
        match document {
            Ok(Some(Document::Vex(vex))) => {
                if vex.time.is_none() && vex.statements.iter().any(|statement| statement.time.is_none()) {
                    self.unsure.get_or_insert("a VEX document of the same authorities states no time".to_owned());
                }
                self.vex.push(vex);
            }
            Ok(_) => {}
            Err(error) => {
                self.unsure.get_or_insert(format!("a VEX document of the same authorities is malformed: {error}"));
            }
        }
    }

    /// One of the documents of which the newest counts. What can't be read, or would refuse and states no time, may be it.
    fn one_of(
        &mut self,
        question: &Question,
        document: Result<Option<Document>, PredicateError>,
        by: &[&Arc<Authority>],
    ) {
        let document = match document {
            Ok(Some(document)) => document,
            Ok(None) => return,
            Err(error) => {
                self.unsure.get_or_insert(format!("another of the same authority is malformed: {error}"));
                return;
            }
        };
        let latest = self.now.checked_add(skew()).unwrap_or(self.now);
        match question.rank(&document, &self.circumstances()) {
            Some((None, refuses)) if refuses || question.is_of_summary() => {
                self.unsure.get_or_insert("another of the same authority states no time".to_owned());
            }
            Some(rank) if rank.0.is_some_and(|time| time <= latest) => {
                for authority in by {
                    let newest = self.newest.entry(authority.name.clone()).or_insert(rank);
                    *newest = rank.max(*newest);
                }
            }
            _ => {}
        }
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
            if let Some(by) = self.newer(question, authority, &document, stated) {
                return Err(Miss::Superseded { by });
            }
        }
        let unsure = self.unsure.clone().filter(|_| question.needs_newest());
        match (question.judge(&document, &self.circumstances()), unsure) {
            (Ok(()), Some(why)) => Err(Miss::NewestUnknown { why }),
            (Err(Miss::Vulnerable { id, severity, package, most, count, .. }), unsure) => {
                Err(Miss::Vulnerable { id, severity, package, most, count, unsure })
            }
            (judged, _) => judged,
        }
    }

    /// The time of the authority's newest document, if this one is not it.
    fn newer(&self, question: &Question, authority: &str, document: &Document, stated: Timestamp) -> Option<Timestamp> {
        let newest = self.newest.get(authority)?;
        // Mostly it is; then nothing else has to be known of it.
        if *newest == (Some(stated), false) {
            return None;
        }
        let rank = question.rank(document, &self.circumstances())?;
        newest.0.filter(|_| *newest > rank)
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
