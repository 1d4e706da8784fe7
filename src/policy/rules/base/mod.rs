//! The images that an image was built from: whether they are known, and allowed by their own scopes.

mod documents;
mod lineage;
#[cfg(test)]
mod tests;

pub use documents::{SignedProvenance, signed_provenance};
pub use lineage::{Lineage, Relative, Seen};

use super::Miss;
use crate::{
    format::predicate::{ImageNameError, Provenance},
    limits::CHAIN_FAN_OUT,
    oci::Reference,
    policy::{Decision, Outcome},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    mem::discriminant,
};

/// What is asked of the images that an image was built from: to so many levels provenance has to name them all, and each has
/// to be allowed by its own scope.
///
/// Provenance does not say which of them is the base: those of other stages and of tools are asked about, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseRule {
    /// Levels; at least 1.
    pub depth: usize,
}

/// What is missing of the images that an image was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseMiss {
    /// What kind of thing.
    pub fault: BaseFault,
    /// Which image: the one that lacks evidence, or the base.
    pub image: Option<Reference>,
    /// What was found.
    pub why: String,
}

/// What kind of thing is missing of the images that an image was built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFault {
    /// No provenance that counts names them.
    Unknown,
    /// One is not allowed by its own scope.
    Denied,
    /// One lies where the policy names nothing. Nobody looked at it.
    NotInPolicy,
    /// It could not be told.
    Unread,
}

/// What became of the images that signed provenance names. Without one, nothing is known of any.
///
/// That one is allowed is taken from its [`Outcome`] alone, whose proof [`crate::policy::evaluate`] makes.
#[derive(Debug, Default)]
pub struct Bases {
    visited: BTreeMap<Reference, Visited>,
}

#[derive(Debug)]
struct Visited {
    fate: Fate,
    /// What the documents that count say it was built from, for each of its images that has documents of its own.
    listed: Vec<Vec<Listed>>,
    /// Not all that hangs on it could be read.
    unread: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// Not judged yet; at the end: what it was built from leads back to it.
    Open,
    Allowed,
    Denied(String),
    NotInPolicy(String),
    Unread(String),
}

/// The images that one document says something was built from.
#[derive(Clone, Debug)]
enum Listed {
    Images(Vec<Result<Reference, ImageNameError>>),
    /// Documents of this build type do not list them.
    Never(String),
    TooMany(usize),
}

impl BaseRule {
    pub(super) fn judge(self, provenance: &Provenance, bases: &Bases) -> Result<(), Miss> {
        let mut judge = Judge { bases, known: BTreeMap::new() };
        judge.built_from(&Listed::of(provenance), None, self.depth).map_err(|miss| Miss::Base(Box::new(miss)))
    }
}

impl Listed {
    fn of(provenance: &Provenance) -> Self {
        if !provenance.lists_images() {
            return Self::Never(provenance.build_type.clone());
        }
        Self::of_any(provenance)
    }

    /// The images that it names, whether others than these went into the build or not.
    fn of_any(provenance: &Provenance) -> Self {
        let mut seen = BTreeSet::new();
        let mut images: Vec<_> = provenance.dependencies.iter().filter_map(|dependency| dependency.image()).collect();
        images.retain(|image| image.as_ref().map_or(true, |reference| seen.insert(reference.clone())));
        if images.len() > CHAIN_FAN_OUT { Self::TooMany(images.len()) } else { Self::Images(images) }
    }
}

impl Bases {
    /// Notes what an image's own scope says of it; whether that is news.
    fn settle(&mut self, image: &Reference, outcome: &Outcome) -> bool {
        let first = |reasons: &[crate::policy::Reason]| {
            reasons.first().map_or_else(String::new, |reason| format!(" ({})", reason.id()))
        };
        let fate = match &outcome.decision {
            Decision::Allow(approved) if Some(approved.digest()) == image.digest => Fate::Allowed,
            Decision::Allow(_) => Fate::Denied("another digest allowed".to_owned()),
            Decision::Deny(reasons) => Fate::Denied(format!("it denied{}", first(reasons))),
            Decision::Undetermined(reasons) => Fate::Unread(format!("could not tell{}", first(reasons))),
            Decision::NotJudged => Fate::Denied("it not judged: its scope's mode is disabled".to_owned()),
        };
        let Some(visited) = self.visited.get_mut(image) else { return false };
        let is_news = discriminant(&visited.fate) != discriminant(&fate);
        visited.fate = fate;
        is_news
    }
}

struct Judge<'b> {
    bases: &'b Bases,
    known: BTreeMap<(Reference, usize), Result<(), BaseMiss>>,
}

impl Judge<'_> {
    /// Whether all images that a document lists are as asked. What is certain comes before what could not be told.
    fn built_from(&mut self, listed: &Listed, what: Option<&Reference>, depth: usize) -> Result<(), BaseMiss> {
        let missed = |fault, why| BaseMiss { fault, image: what.cloned(), why };
        let images = match listed {
            Listed::Images(images) => images,
            Listed::Never(build_type) => {
                let why =
                    format!("provenance of a build type that does not list them: {}", super::miss::shown(build_type));
                return Err(missed(BaseFault::Unknown, why));
            }
            Listed::TooMany(count) => {
                let why = format!("{count} images are named, at most {CHAIN_FAN_OUT} are looked at");
                return Err(missed(BaseFault::Unread, why));
            }
        };
        let mut open = Ok(());
        for image in images {
            let found = match image {
                Ok(image) => self.image(image, depth),
                Err(error) => Err(missed(BaseFault::Unknown, error.to_string())),
            };
            match found {
                Err(miss) if miss.fault == BaseFault::Unread => open = open.and(Err(miss)),
                found => found?,
            }
        }
        open
    }

    fn image(&mut self, image: &Reference, depth: usize) -> Result<(), BaseMiss> {
        let key = (image.clone(), depth);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.look(image, depth);
        self.known.insert(key, found.clone());
        found
    }

    fn look(&mut self, image: &Reference, depth: usize) -> Result<(), BaseMiss> {
        let missed = |fault, why: &str| Err(BaseMiss { fault, image: Some(image.clone()), why: why.to_owned() });
        let bases = self.bases;
        let Some(visited) = bases.visited.get(image) else {
            return missed(BaseFault::Unread, "it was not looked at: too many images, or too far away");
        };
        match &visited.fate {
            Fate::Allowed => {}
            Fate::Open => return missed(BaseFault::Unknown, "a build that leads back to itself"),
            Fate::Denied(why) => return missed(BaseFault::Denied, why),
            Fate::NotInPolicy(why) => return missed(BaseFault::NotInPolicy, why),
            Fate::Unread(why) => return missed(BaseFault::Unread, why),
        }
        if depth <= 1 {
            return Ok(());
        }
        for listed in &visited.listed {
            match self.one_of(listed, image, depth - 1) {
                Err(miss) if visited.unread && miss.fault != BaseFault::Unread => {
                    return missed(BaseFault::Unread, "not all that hangs on it could be read");
                }
                found => found?,
            }
        }
        Ok(())
    }

    /// Whether one of several documents about an image is as asked; else what could not be told, or what the last one lacks.
    fn one_of(&mut self, listed: &[Listed], image: &Reference, depth: usize) -> Result<(), BaseMiss> {
        let why = "no signed provenance of it that counts".to_owned();
        let mut nearest = BaseMiss { fault: BaseFault::Unknown, image: Some(image.clone()), why };
        for listed in listed {
            match self.built_from(listed, Some(image), depth) {
                Ok(()) => return Ok(()),
                Err(miss) if nearest.fault != BaseFault::Unread => nearest = miss,
                Err(_) => {}
            }
        }
        Err(nearest)
    }
}

impl BaseFault {
    /// The stable id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Unknown => "base-unknown",
            Self::Denied => "base-denied",
            Self::NotInPolicy => "base-not-in-policy",
            Self::Unread => "base-unread",
        }
    }
}

impl fmt::Display for BaseMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = self.image.as_ref().map_or("this image".to_owned(), ToString::to_string);
        let why = &self.why;
        match self.fault {
            BaseFault::Unknown => {
                write!(f, "expected to be told the images that {image} was built from; found {why}")
            }
            BaseFault::Denied => write!(f, "expected base image {image} to be allowed by its own scope; found {why}"),
            BaseFault::NotInPolicy => {
                write!(f, "expected base image {image} to lie where the policy says; found {why}")
            }
            BaseFault::Unread => write!(f, "expected base images to be judged; found of {image}: {why}"),
        }
    }
}
