//! The images of a chain: a state machine that wants images, is given what was found of each, and judges them all in the
//! end. It makes no request.

use super::{Bases, Fate, Listed, SignedProvenance, Visited, signed_provenance};
use crate::{
    limits::{CHAIN_DEPTH, CHAIN_IMAGES},
    oci::{Reference, Repository},
    policy::{Asked, Outcome, Policy, Topic, evaluate, evaluate_with},
    verify::Findings,
};
use jiff::Timestamp;
use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// An image, and what it was built from, and what that was built from.
///
/// Looked at are only images that lie where the policy names the host, or on the host that was asked for: what signed
/// provenance says must not make us ask hosts that nobody meant.
#[derive(Debug)]
pub struct Lineage<'p> {
    policy: &'p Policy,
    now: Timestamp,
    /// Also images are wanted of documents that do not list all.
    all: bool,
    root: &'p Findings,
    relatives: Vec<Relative<'p>>,
    places: BTreeMap<Reference, usize>,
}

/// One image of a lineage.
#[derive(Debug)]
pub struct Relative<'f> {
    /// By digest.
    pub reference: Reference,
    /// Steps from the image that was asked for.
    pub depth: usize,
    /// Whether signed provenance leads here at every step.
    pub proven: bool,
    /// What was found of it; `None` until somebody looked.
    pub seen: Option<Seen<'f>>,
    /// Its signed provenance, where it was read: that of the last level is not, unless the chain itself was asked for.
    pub documents: Vec<SignedProvenance>,
    /// So many levels of what it was built from are wanted.
    need: usize,
    is_read: bool,
}

/// What was found of an image.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Seen<'f> {
    /// This.
    Findings(Cow<'f, Findings>),
    /// Nothing: it could not be read.
    Unread(String),
    /// Nothing: nobody may look there.
    NotInPolicy(String),
}

impl<'p> Lineage<'p> {
    /// The image that was asked for. To `least` levels what it was built from is wanted, and to as many more as the policy
    /// asks for.
    #[must_use]
    pub fn new(policy: &'p Policy, root: &'p Findings, least: usize, now: Timestamp) -> Self {
        let subject = root.subject();
        let reference = Reference { digest: Some(subject.digest()), ..subject.reference().clone() };
        let mut lineage = Self { policy, now, all: least > 0, root, relatives: Vec::new(), places: BTreeMap::new() };
        lineage.add(reference.clone(), 0);
        if let Some(first) = lineage.relatives.first_mut() {
            (first.need, first.proven) = (first.need.max(least), true);
        }
        lineage.give(&reference, Seen::Findings(Cow::Borrowed(root)));
        lineage
    }

    /// The images that somebody has to look at next.
    #[must_use]
    pub fn wanted(&self) -> Vec<Reference> {
        self.relatives.iter().filter(|one| one.seen.is_none()).map(|one| one.reference.clone()).collect()
    }

    /// What was found of an image.
    pub fn give(&mut self, image: &Reference, seen: Seen<'p>) {
        let Some(at) = self.place(image) else { return };
        if let Some(one) = self.relatives.get_mut(at) {
            one.seen = Some(seen);
        }
        if self.all {
            self.read(at);
        }
        self.spread(at);
    }

    /// Reads an image's signed provenance, once.
    fn read(&mut self, at: usize) {
        if let Some(one) = self.relatives.get_mut(at).filter(|one| !one.is_read)
            && let Some(Seen::Findings(findings)) = &one.seen
        {
            (one.documents, one.is_read) = (signed_provenance(self.policy, findings, self.now), true);
        }
    }

    /// Follows a claim that one image makes of another. Nothing that is found there counts for anything.
    pub fn claim(&mut self, from: usize, image: &Reference) {
        let Some((need, depth)) = self.relatives.get(from).map(|one| (one.need, one.depth)) else { return };
        if need > 0
            && let Some(to) = self.place(image).or_else(|| self.add(image.clone(), depth + 1))
        {
            self.raise(to, need - 1, false);
            self.spread(to);
        }
    }

    /// The images, the one that was asked for first.
    #[must_use]
    pub fn relatives(&self) -> &[Relative<'p>] {
        &self.relatives
    }

    /// Where an image is among them.
    #[must_use]
    pub fn place(&self, image: &Reference) -> Option<usize> {
        self.places.get(image).copied()
    }

    /// Judges each image that was found by its own scope; the others have no outcome.
    ///
    /// An image whose scope asks about its bases is judged again once more is known of these. Allowed stays allowed, so it
    /// comes to an end; it is ended after as many rounds as a chain has levels, and what is not allowed by then is not. A Rego
    /// program is run once for each image that all the rest allows.
    #[must_use]
    pub fn settle(&self) -> Vec<Option<Outcome>> {
        let mut bases = self.unjudged();
        let mut outcomes: Vec<Option<Outcome>> = self.relatives.iter().map(|_| None).collect();
        let mut order: Vec<_> = self.relatives.iter().zip(&mut outcomes).collect();
        order.sort_by_key(|(one, _)| Reverse(one.depth));
        for _ in 0..=CHAIN_DEPTH {
            let mut news = false;
            for (one, outcome) in &mut order {
                let Some(Seen::Findings(findings)) = &one.seen else { continue };
                let is_final = |outcome: &Outcome| {
                    levels(self.policy, &one.reference.repository) == 0 || outcome.is_left_to_rego()
                };
                if outcome.as_ref().is_some_and(is_final) {
                    continue;
                }
                let judged = evaluate_with(self.policy, findings, &bases, self.now);
                news |= bases.settle(&one.reference, &judged);
                **outcome = Some(judged);
            }
            if !news {
                break;
            }
        }
        outcomes
    }

    /// What the scope of the image that was asked for says of it.
    pub fn outcome(&self) -> Outcome {
        let first = self.settle().into_iter().next().flatten();
        first.unwrap_or_else(|| evaluate(self.policy, self.root, self.now))
    }

    fn unjudged(&self) -> Bases {
        let visited = |one: &Relative<'_>| {
            let (fate, unread) = match &one.seen {
                Some(Seen::Findings(findings)) => (Fate::Open, !findings.unread().is_empty()),
                Some(Seen::NotInPolicy(why)) => (Fate::NotInPolicy(why.clone()), false),
                Some(Seen::Unread(why)) => (Fate::Unread(why.clone()), true),
                None => (Fate::Unread("it was not looked at".to_owned()), true),
            };
            Visited { fate, listed: one.listed(), unread }
        };
        Bases { visited: self.relatives.iter().map(|one| (one.reference.clone(), visited(one))).collect() }
    }

    /// Wants what an image was built from, and what is known of that already likewise.
    fn spread(&mut self, start: usize) {
        let mut work = vec![start];
        while let Some(at) = work.pop() {
            if self.relatives.get(at).is_some_and(|one| one.need > 0) {
                self.read(at);
            }
            let Some(one) = self.relatives.get(at).filter(|one| one.need > 0) else { continue };
            let (need, depth, proven) = (one.need, one.depth, one.proven);
            for image in one.built_from(self.all) {
                if let Some(to) = self.place(&image).or_else(|| self.add(image, depth + 1))
                    && self.raise(to, need - 1, proven)
                {
                    work.push(to);
                }
            }
        }
    }

    /// Wants more of an image; whether that is news.
    fn raise(&mut self, at: usize, need: usize, proven: bool) -> bool {
        let Some(one) = self.relatives.get_mut(at) else { return false };
        let before = (one.need, one.proven);
        (one.need, one.proven) = (one.need.max(need), one.proven || proven);
        before != (one.need, one.proven)
    }

    /// One more image, if that is within the bounds.
    fn add(&mut self, reference: Reference, depth: usize) -> Option<usize> {
        let at = self.relatives.len();
        if at >= CHAIN_IMAGES || depth > CHAIN_DEPTH {
            return None;
        }
        let seen = self.refuse(&reference.repository).map(Seen::NotInPolicy);
        let need = levels(self.policy, &reference.repository);
        self.places.insert(reference.clone(), at);
        self.relatives.push(Relative {
            reference,
            depth,
            proven: false,
            seen,
            documents: Vec::new(),
            need,
            is_read: false,
        });
        Some(at)
    }

    /// Why nobody may look there.
    fn refuse(&self, repository: &Repository) -> Option<String> {
        let asked = self.relatives.first().map(|root| &root.reference.repository);
        let Some(scope) = self.policy.scope(repository) else {
            return Some("no scope of the policy that matches it".to_owned());
        };
        let host = |repository: Option<&Repository>| match repository {
            Some(Repository::Registry(name)) => Some(name.host.clone()),
            _ => None,
        };
        let pattern = scope.pattern.to_string();
        let is_named = pattern.split('/').next().is_some_and(|host| !host.contains('*'));
        let is_asked = host(asked).is_some() && host(asked) == host(Some(repository));
        (!is_named && !is_asked).then(|| format!("scope {pattern}, which does not name its host"))
    }
}

impl Relative<'_> {
    /// The images that the documents which count say it was built from, each once.
    fn built_from(&self, all: bool) -> BTreeSet<Reference> {
        let lists =
            |document: &&SignedProvenance| document.provenance.as_ref().is_ok_and(|one| all || one.lists_images());
        let counting = self.documents.iter().filter(|document| document.counts);
        counting.filter(lists).flat_map(SignedProvenance::images).collect()
    }

    /// What the documents that count say it was built from: of an index whose images have documents each, an image at a time.
    fn listed(&self) -> Vec<Vec<Listed>> {
        let Some(Seen::Findings(findings)) = &self.seen else { return Vec::new() };
        let subject = findings.subject();
        let is_own = |document: &&SignedProvenance| subject.digests().any(|digest| digest == document.about);
        let of = |document: &SignedProvenance| document.provenance.as_ref().ok().map(Listed::of);
        let counting = || self.documents.iter().filter(|document| document.counts);
        let images = subject.embedded().filter(|_| !counting().all(|document| is_own(&document)));
        let Some(images) = images else { return vec![counting().filter_map(of).collect()] };
        let about = |image| move |document: &&SignedProvenance| is_own(document) || document.about == image;
        images.images().iter().map(|image| counting().filter(about(*image)).filter_map(of).collect()).collect()
    }

    /// Whether what it was built from was asked for.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.need > 0
    }
}

/// To how many levels a repository's scope asks about what an image was built from.
fn levels(policy: &Policy, repository: &Repository) -> usize {
    let requirements = policy.scope(repository).into_iter().flat_map(|scope| &scope.requirements);
    let rules = requirements.filter_map(|requirement| match &requirement.asked {
        Asked::Document(question) => match &question.about {
            Topic::Provenance(rule) => rule.base,
            _ => None,
        },
        _ => None,
    });
    rules.map(|rule| rule.depth).max().unwrap_or(0)
}
