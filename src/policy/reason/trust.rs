use super::list;
use crate::{
    format::tuf::RoleName,
    oci::{Digest, RepositoryName},
    trust::tuf::TrustRefusal,
};
use jiff::Timestamp;

/// Why a repository's trust state does not stand behind an image as the scope asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustReason {
    /// Whoever judges did not read it, or asked about other digests than the subject's.
    #[error("expected what the repository's trust state says of this image; it was not asked")]
    Unread,
    /// It is refused, or vouches for nothing.
    #[error("{0}")]
    Refused(TrustRefusal),
    /// It was signed for another repository.
    #[error("expected a trust state signed for {}; found one for {found}", .expected.as_ref().map_or("the name that the policy maps this layout to, which is none".to_owned(), RepositoryName::to_string))]
    WrongRepository {
        /// The name that it has to be signed for; none for a layout without one.
        expected: Option<RepositoryName>,
        /// The name that it was signed for.
        found: String,
    },
    /// A role that has to agree on the tag does not.
    #[error("expected tag {tag:?} to be signed by {missing}; found it signed by {}", list(.found, "nobody"))]
    RolesDisagree {
        /// The tag.
        tag: String,
        /// The role that does not say the same.
        missing: RoleName,
        /// The roles that do.
        found: Vec<RoleName>,
    },
    /// Too few principals signed the roles that have to agree.
    #[error("expected tag {tag:?} to be signed by {least} different signers in {}; found {found}", list(.roles, "no role"))]
    MinSignersUnmet {
        /// The tag.
        tag: String,
        /// The roles.
        roles: Vec<RoleName>,
        /// How many are asked for.
        least: usize,
        /// How many there are.
        found: usize,
    },
    /// Images have to be named by tag.
    #[error("expected an image that is named by tag; found one that is named by digest")]
    ByDigestDenied,
    /// No tag stands for the digest.
    #[error("expected a signed tag that stands for {digest}; found none")]
    NotListed {
        /// The digest.
        digest: Digest,
    },
    /// A role has expired, for longer than the scope lets pass.
    #[error("{role}: expected it to be fresh; found that it expired on {since}")]
    Expired {
        /// The role.
        role: RoleName,
        /// When it expired.
        since: Timestamp,
    },
}

impl TrustReason {
    /// The stable id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Unread => "trust-unread",
            Self::Refused(refusal) => refusal.id(),
            Self::WrongRepository { .. } => "wrong-repository",
            Self::RolesDisagree { .. } => "roles-disagree",
            Self::MinSignersUnmet { .. } => "min-signers-unmet",
            Self::ByDigestDenied => "by-digest-denied",
            Self::NotListed { .. } => "not-listed",
            Self::Expired { .. } => "expired",
        }
    }
}
