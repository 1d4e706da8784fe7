use super::{Mode, Reason, Requirement};
use crate::{
    oci::{Digest, Reference},
    trust::{Principal, tuf::Vouched},
    verify::{Format, Place, Subject},
};

/// What a policy says of an image.
#[must_use]
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scope that counted, in its canonical spelling; `None` where none matched.
    pub scope: Option<String>,
    /// What is done with a deny. It has no part in the decision itself, except that `disabled` takes none.
    pub mode: Mode,
    /// The decision.
    pub decision: Decision,
}

/// Three answers, and the absence of one. There is one for each image: a box around the proof would save nothing.
#[must_use]
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Decision {
    /// Everything that was asked for was met.
    Allow(Approved),
    /// Something was not met, whatever else there may be to read. Most specific reason first.
    Deny(Vec<Reason>),
    /// Something was not met, and not everything could be read: more might have been found.
    Undetermined(Vec<Reason>),
    /// The mode is `disabled`: nothing was judged, and nothing is allowed.
    NotJudged,
}

/// The proof that a policy allows one digest. Made by [`super::evaluate`] alone.
///
/// It says that for each requirement of the scope enough authorities were matched to different principals whose
/// signatures hold, or that a verifier of its `vsa` says so ([`Approved::is_delegated`]), and that the trust state vouches for the digest where the scope asks for content trust
/// ([`Approved::trust`]). What is used next is [`Approved::reference`], which has no tag.
#[must_use]
#[derive(Clone, Debug)]
pub struct Approved {
    pub(super) subject: Subject,
    pub(super) trust: Option<Vouched>,
    pub(super) met: Vec<Met>,
}

/// A requirement that was met, and by whom.
#[derive(Clone, Debug)]
pub struct Met {
    /// What was asked.
    pub requirement: Requirement,
    /// Who met it: no authority and no principal twice.
    pub by: Vec<Match>,
}

/// An authority, the principal who spoke for it, and the evidence of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The authority's name.
    pub authority: String,
    /// Who signed.
    pub principal: Principal,
    /// Where the signature was found; where several serve, the first.
    pub place: Place,
    /// How it was written.
    pub format: Format,
}

impl Approved {
    /// What was judged.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The digest that is allowed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.subject.digest()
    }

    /// The image by its allowed digest, without a tag: what is pulled or deployed after this decision.
    #[must_use]
    pub fn reference(&self) -> Reference {
        self.subject.reference().at(self.subject.digest())
    }

    /// What the trust state vouches for, where the scope asks for content trust.
    #[must_use]
    pub fn trust(&self) -> Option<&Vouched> {
        self.trust.as_ref()
    }

    /// The requirements, and who met each.
    #[must_use]
    pub fn met(&self) -> &[Met] {
        &self.met
    }
}
