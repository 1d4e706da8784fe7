mod trust;

pub use trust::TrustReason;

use super::{IdentityRule, IdentityUnmeetable, Miss, PredicateType};
use crate::{
    trust::Identity,
    verify::{Rejection, SignedReference, Unread},
};
use jiff::Timestamp;
use std::fmt;

/// Why an image is not allowed: what was expected, and what was found. The ids are stable and listed in SPEC.md.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No scope of the policy matches the repository.
    NoPolicy {
        /// The repository's name, as scopes are matched against it.
        repository: String,
    },
    /// The repository's trust state does not stand behind the image.
    Trust(TrustReason),
    /// Evidence, or a list of it, could not be read.
    Unread {
        /// How many items.
        count: usize,
        /// The first of them.
        first: Unread,
    },
    /// No signature can meet the identity rule for what was asked for.
    IdentityUnmeetable {
        /// The rule.
        rule: IdentityRule,
        /// Why.
        why: IdentityUnmeetable,
    },
    /// An authority's signature holds, and its signed reference is another one.
    IdentityMismatch {
        /// The authority.
        authority: String,
        /// What the signed reference has to be.
        expected: SignedReference,
        /// The references that were signed.
        found: Vec<SignedReference>,
    },
    /// A signature by a certificate holds, and its holder is another one than the authority names.
    SignerMismatch {
        /// The authority.
        authority: String,
        /// Who has to have signed.
        expected: String,
        /// Who signed.
        found: Identity,
    },
    /// The certificate of the right holder says something else than is asked for.
    ClaimMismatch {
        /// The authority.
        authority: String,
        /// The claim.
        name: &'static str,
        /// What it has to be.
        expected: String,
        /// What the certificate says.
        found: Option<String>,
    },
    /// The right holder signed, and less stands behind that than is asked for. The id is the rejection's.
    BackingShort {
        /// The authority.
        authority: String,
        /// What is missing.
        rejection: Rejection,
    },
    /// An authority's signature holds, and does not carry an annotation that is asked for.
    AnnotationMismatch {
        /// The authority.
        authority: String,
        /// The annotation.
        name: String,
        /// The value that is asked for.
        expected: String,
        /// The value that was signed.
        found: Option<String>,
    },
    /// A document holds, and is not as asked; or an image's configuration is not. The id is the miss's.
    Document {
        /// Whose document, and which; or which image.
        by: String,
        /// What it lacks.
        miss: Miss,
    },
    /// Evidence was found that does not count. The id is the rejection's.
    EvidenceRejected {
        /// Why the first such piece does not count.
        rejection: Rejection,
        /// How many pieces were rejected for a reason of that id.
        count: usize,
    },
    /// Fewer authorities, as different principals, than are asked for.
    ThresholdUnmet {
        /// The attestation's type; `None` for image signatures.
        predicate: Option<PredicateType>,
        /// How many are asked for.
        threshold: usize,
        /// The authorities that were matched.
        matched: Vec<String>,
        /// The authorities that count.
        from: Vec<String>,
    },
    /// No attestation of the type holds, by any key that the policy names.
    AttestationMissing {
        /// The predicate's type.
        predicate: PredicateType,
        /// The authorities that count.
        from: Vec<String>,
    },
    /// No image signature holds, by any key that the policy names.
    Unsigned {
        /// The authorities that count.
        from: Vec<String>,
    },
}

impl Reason {
    /// The stable id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::NoPolicy { .. } => "no-policy",
            Self::Trust(reason) => reason.id(),
            Self::Unread { .. } => "unread",
            Self::IdentityUnmeetable { .. } => "identity-unmeetable",
            Self::IdentityMismatch { .. } => "identity-mismatch",
            Self::SignerMismatch { .. } => "signer-mismatch",
            Self::ClaimMismatch { .. } => "claim-mismatch",
            Self::BackingShort { rejection, .. } => rejection.id(),
            Self::AnnotationMismatch { .. } => "annotation-mismatch",
            Self::Document { miss, .. } => miss.id(),
            Self::EvidenceRejected { rejection, .. } => rejection.id(),
            Self::ThresholdUnmet { .. } => "threshold-unmet",
            Self::AttestationMissing { .. } => "attestation-missing",
            Self::Unsigned { .. } => "unsigned",
        }
    }

    /// Whether no further evidence could change it.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::NoPolicy { .. } | Self::Trust(_) | Self::IdentityUnmeetable { .. })
    }

    /// The order in which reasons are told, most specific first; of two ages the newer.
    pub(super) fn order(&self) -> (u8, Option<std::cmp::Reverse<Timestamp>>) {
        match self {
            Self::NoPolicy { .. } | Self::Trust(_) | Self::Unread { .. } => (0, None),
            Self::IdentityUnmeetable { .. } => (1, None),
            Self::Document { miss, .. } => miss.order(),
            Self::AnnotationMismatch { .. } => (5, None),
            Self::IdentityMismatch { .. } => (6, None),
            Self::BackingShort { .. } | Self::ClaimMismatch { .. } => (6, None),
            Self::SignerMismatch { .. } => (7, None),
            Self::EvidenceRejected { rejection: Rejection::SignatureInvalid(_), .. } => (7, None),
            Self::EvidenceRejected { rejection: Rejection::SubjectMismatch(_), .. } => (8, None),
            // Junk that anybody can push, behind all that says more.
            Self::EvidenceRejected { rejection: Rejection::Malformed(_) | Rejection::OverLimit(_), .. } => (12, None),
            Self::EvidenceRejected { .. } => (9, None),
            Self::AttestationMissing { .. } | Self::Unsigned { .. } => (10, None),
            Self::ThresholdUnmet { .. } => (11, None),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicy { repository } => write!(f, "no scope of the policy matches {repository}"),
            Self::Trust(reason) => reason.fmt(f),
            Self::Unread { count, first } => {
                write!(f, "{count} not read, the first: {}: {}", first.what, first.why)
            }
            Self::IdentityUnmeetable { rule, why } => {
                write!(f, "expected signatures whose signed reference meets `identity: {rule}`; {why}")
            }
            Self::IdentityMismatch { authority, expected, found } => {
                write!(
                    f,
                    "{authority}: expected a signature for {expected}; found one for {}",
                    list(found, "no reference")
                )
            }
            Self::SignerMismatch { authority, expected, found } => {
                write!(f, "{authority}: expected a signature by {expected}; found one by {found}")
            }
            Self::ClaimMismatch { authority, name, expected, found } => {
                let found = found.as_deref().unwrap_or("none");
                write!(f, "{authority}: expected a certificate with {name} {expected}; found {found}")
            }
            Self::BackingShort { authority, rejection } => write!(f, "{authority}: {rejection}"),
            Self::AnnotationMismatch { authority, name, expected, found } => {
                let found = found.as_ref().map_or("none".to_owned(), |found| format!("{found:?}"));
                write!(f, "{authority}: expected annotation {name:?} to be {expected:?}; found {found}")
            }
            Self::Document { by, miss } => write!(f, "{by}: {miss}"),
            Self::EvidenceRejected { rejection, count: 1 } => {
                write!(f, "found evidence that does not count: {rejection}")
            }
            Self::EvidenceRejected { rejection, count } => {
                write!(f, "found {count} pieces of evidence that do not count, the first: {rejection}")
            }
            Self::ThresholdUnmet { predicate, threshold, matched, from } => {
                let kind = kind(predicate.as_ref());
                write!(f, "expected {kind} by {threshold} different signers of {}; found ", list(from, "nobody"))?;
                write!(f, "{} ({})", matched.len(), list(matched, "nobody"))
            }
            Self::AttestationMissing { predicate, from } => {
                write!(f, "expected attestation {predicate} by {}; found none that holds", list(from, "nobody"))
            }
            Self::Unsigned { from } => {
                write!(f, "expected an image signature by {}; found none that holds", list(from, "nobody"))
            }
        }
    }
}

impl fmt::Display for IdentityUnmeetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTag => "found a reference without a tag",
            Self::NoName => "found a reference without a repository name to compare",
        })
    }
}

fn kind(predicate: Option<&PredicateType>) -> String {
    predicate.map_or("image signatures".to_owned(), |predicate| format!("attestations {predicate}"))
}

fn list<T: fmt::Display>(items: &[T], none: &str) -> String {
    if items.is_empty() {
        return none.to_owned();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
