//! What another verifier decided, in the place of deciding it again.

use super::{Circumstances, Miss, miss::shown};
use crate::{
    format::predicate::{Dependency, Vsa, VsaVerdict},
    oci::{Digest, Reference, Repository},
    policy::{Approved, Asked, Policy, Requirement},
    verify::SignedReference,
};
use std::fmt;

/// Which verification summary counts.
#[derive(Clone, Debug)]
pub struct VsaRule {
    /// The verifier's id.
    pub verifier: String,
    /// The policy that it has to have verified by.
    pub policy: Option<Digest>,
    /// The levels that it has to have found: each, or a higher one of its track.
    pub levels: Vec<String>,
}

/// Why a verification summary does not count. The ids are stable and listed in SPEC.md.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VsaMiss {
    /// Another verifier's.
    Verifier {
        /// The verifier.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// It is about something else.
    Resource {
        /// The image.
        expected: String,
        /// What it is about.
        found: String,
    },
    /// By another policy.
    Policy {
        /// The policy's digest.
        expected: Digest,
        /// The policy that it names, and its digest.
        found: String,
    },
    /// The verifier refused the image.
    Failed,
    /// A level was not found.
    Level {
        /// The level.
        expected: String,
        /// The levels that were found.
        found: Vec<String>,
    },
}

impl Approved {
    /// Whether it rests on another verifier's decision. Who says it on says no more than that verifier said, and not later.
    #[must_use]
    pub fn is_delegated(&self) -> bool {
        self.met().iter().any(|met| is_summary(&met.requirement))
    }
}

impl Policy {
    /// The policy for who says on what it decides: another's decision counts only where nothing else is asked. What never was
    /// another's to decide, content trust and Rego, stays.
    #[must_use]
    pub fn undelegated(mut self) -> Self {
        self.scopes.iter_mut().for_each(|scope| scope.vsa = None);
        self
    }

    /// Whether of a repository's images nothing but another verifier's decision is asked, so that a deny is no own one.
    #[must_use]
    pub fn delegates(&self, repository: &Repository) -> bool {
        let asked = self.scope(repository).map_or(&[][..], |scope| &scope.requirements);
        !asked.is_empty() && asked.iter().all(is_summary)
    }
}

fn is_summary(requirement: &Requirement) -> bool {
    matches!(&requirement.asked, Asked::Document(question) if question.is_of_summary())
}

impl VsaRule {
    /// Whether a summary is of this verifier, about this image, by this policy, and says that it passed, with these levels.
    /// Neither its age nor whether there is a newer one, by whichever authority: [`super::Question`] and the evidence beside
    /// it say that.
    ///
    /// # Errors
    /// What is not.
    pub fn judge(&self, vsa: &Vsa, beside: &Circumstances<'_>) -> Result<(), Miss> {
        self.concerns(vsa, beside).map_err(Miss::Summary)?;
        if vsa.verdict != VsaVerdict::Passed {
            return Err(Miss::Summary(VsaMiss::Failed));
        }
        match self.levels.iter().find(|asked| !vsa.levels.iter().any(|found| reaches(found, asked))) {
            Some(level) => Err(Miss::Summary(VsaMiss::Level { expected: level.clone(), found: vsa.levels.clone() })),
            None => Ok(()),
        }
    }

    /// Whether it is one of those of which the newest counts: by this verifier and policy, about this image.
    pub(super) fn concerns(&self, vsa: &Vsa, beside: &Circumstances<'_>) -> Result<(), VsaMiss> {
        if vsa.verifier != self.verifier {
            return Err(VsaMiss::Verifier { expected: self.verifier.clone(), found: vsa.verifier.clone() });
        }
        if !beside.resource.is_some_and(|image| is_of(&vsa.resource, image, beside.digests)) {
            let expected = beside.resource.map_or("a repository's name".to_owned(), ToString::to_string);
            return Err(VsaMiss::Resource { expected, found: vsa.resource.clone() });
        }
        if let Some(expected) = self.policy {
            let found = vsa.policy.digest.get(expected.algorithm());
            if found != Some(&expected.hex()) {
                let found = format!("{} {}", vsa.policy.uri, found.map_or("without its digest", String::as_str));
                return Err(VsaMiss::Policy { expected, found });
            }
        }
        Ok(())
    }
}

/// Whether a resource's URI is this image's: its repository, and where it has them the tag that was asked for and one of
/// these digests.
fn is_of(uri: &str, image: &SignedReference, digests: &[Digest]) -> bool {
    digests.iter().any(|digest| {
        // A URI with another digest is then an image with two.
        let listed = [(digest.algorithm().to_owned(), digest.hex())].into();
        let named = Dependency { name: None, uri: uri.to_owned(), digest: listed }.image();
        let Some(Ok(Reference { repository: Repository::Registry(repository), tag, .. })) = named else { return false };
        repository == image.repository && (tag.is_none() || image.tag.is_none() || tag == image.tag)
    })
}

/// Whether one level is another or a higher one of the same track (SLSA 1.1: each implies those below it).
fn reaches(found: &str, asked: &str) -> bool {
    let (higher, lower) = (track(found), track(asked));
    found == asked || higher.zip(lower).is_some_and(|((one, found), (other, asked))| one == other && found >= asked)
}

/// The track and the number of a level: `SLSA_BUILD_LEVEL_3`.
pub(super) fn track(level: &str) -> Option<(&str, u8)> {
    let (track, number) = level.strip_prefix("SLSA_")?.rsplit_once("_LEVEL_")?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    number.parse().ok().filter(|_| digits && !track.is_empty()).map(|number| (track, number))
}

impl VsaMiss {
    /// The stable id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Verifier { .. } => "vsa-verifier-mismatch",
            Self::Resource { .. } => "vsa-resource-mismatch",
            Self::Policy { .. } => "vsa-policy-mismatch",
            Self::Failed => "vsa-failed",
            Self::Level { .. } => "vsa-level-unmet",
        }
    }
}

impl fmt::Display for VsaMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verifier { expected, found } => {
                write!(f, "expected a summary by verifier {expected}; found {}", shown(found))
            }
            Self::Resource { expected, found } => {
                write!(f, "expected a summary about {expected}; found {}", shown(found))
            }
            Self::Policy { expected, found } => {
                write!(f, "expected a verification by the policy {expected}; found {}", shown(found))
            }
            Self::Failed => f.write_str("expected a verification that passed; found that it failed"),
            Self::Level { expected, found } => {
                write!(f, "expected level {expected}; found {}", shown(&found.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests;
