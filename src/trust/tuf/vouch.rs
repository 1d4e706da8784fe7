use super::{LookupError, TrustState, UpdateError};
use crate::{
    format::{
        trust_manifest::TrustManifestError,
        tuf::{RoleName, Target},
    },
    oci::Digest,
    trust::{Principal, count_distinct},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What was asked of a trust state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// What does this tag stand for?
    Tag(String),
    /// Is this digest known?
    Digest(Digest),
}

/// What a verified trust state vouches for. [`TrustState::vouch`] alone makes it.
///
/// It holds: the roles say so, nothing of it is revoked. It does not hold whether these roles are the ones that a policy
/// asks for, nor that the state is the newest one beyond what its terms checked.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    repository: String,
    asked: Asked,
    /// The digest that the asked tag stands for, or that was asked for.
    digest: Digest,
    /// All digests that were looked up and are not revoked.
    digests: BTreeSet<Digest>,
    tag: Option<String>,
    by: BTreeMap<RoleName, BTreeSet<Principal>>,
    overdue: Vec<(RoleName, Timestamp)>,
}

impl TrustState {
    /// Answers for a tag, or for a digest. `roles` are those that have to agree on the tag
    /// ([`TrustState::lookup_agreed`]); a digest is listed if the search for some tag ends at it and they agree on that tag.
    /// `within` are further digests that must not be revoked: the image of the index that is used.
    ///
    /// A digest that no tag stands for is vouched for as not revoked, with nobody's word behind it: see [`Vouched::by`].
    ///
    /// # Errors
    /// The tag has no answer, the roles disagree, or one of the digests is revoked.
    pub fn vouch(&self, asked: &Asked, roles: &[RoleName], within: &[Digest]) -> Result<Vouched, LookupError> {
        let (digest, tag) = match asked {
            Asked::Tag(tag) => {
                let listed = self.lookup_agreed(tag, roles)?;
                let none = || LookupError::NoDigest { path: tag.clone(), role: listed.role.clone() };
                (listed.target.sha256().ok_or_else(none)?, Some(tag.clone()))
            }
            Asked::Digest(digest) => {
                let agreed = |(tag, _): &(&str, _)| self.lookup_agreed(tag, roles).is_ok();
                (*digest, self.listed(digest).find(agreed).map(|(tag, _)| tag.to_owned()))
            }
        };
        let digests: BTreeSet<Digest> = within.iter().copied().chain([digest]).collect();
        if let Some(revoked) = digests.iter().find_map(|digest| self.revoked(digest)) {
            let path = tag.unwrap_or_else(|| revoked.digest.to_string());
            return Err(LookupError::Revoked { path, digest: revoked.digest, reason: revoked.reason });
        }
        let by = tag.as_deref().map(|tag| self.vouchers(tag)).unwrap_or_default();
        let overdue = self.overdue(self.now).into_iter().map(|(role, since)| (role.clone(), since)).collect();
        let repository = self.repository().unwrap_or_default().to_owned();
        Ok(Vouched { repository, asked: asked.clone(), digest, digests, tag, by, overdue })
    }

    /// The roles that list a tag as the search answers it, and who signed each. A hashed bin speaks for the role whose list
    /// it is a part of.
    fn vouchers(&self, tag: &str) -> BTreeMap<RoleName, BTreeSet<Principal>> {
        let Ok(first) = self.lookup(tag) else { return BTreeMap::new() };
        let agrees = |target: &Target| target.sha256() == first.target.sha256() && target.length == first.target.length;
        let roles = self.graph.may_list(tag).into_iter().filter(|role| !self.graph.is_bin(role));
        let answers = roles.filter_map(|role| Some((role, self.graph.answer(role, tag)?)));
        let same = answers.filter(|(_, (_, target))| agrees(target));
        same.map(|(role, (file, _))| (role.clone(), self.signers(file))).collect()
    }
}

impl Vouched {
    /// The repository that the roles were signed for.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What was asked.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The digest that the asked tag stands for, or that was asked for.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether a digest was looked up among those that are revoked, and is none of them.
    #[must_use]
    pub fn covers(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// The tag that stands for it, where one does.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The roles that list the tag with this digest and length, and who signed each; nobody for a digest that no tag
    /// stands for.
    #[must_use]
    pub fn by(&self) -> &BTreeMap<RoleName, BTreeSet<Principal>> {
        &self.by
    }

    /// How many principals signed these roles.
    #[must_use]
    pub fn signers(&self, roles: &[RoleName]) -> usize {
        let named = self.by.iter().filter(|(role, _)| roles.contains(role));
        let signers: BTreeSet<_> = named.flat_map(|(_, signers)| signers.iter().cloned()).collect();
        count_distinct(&signers.into_iter().map(|signer| BTreeSet::from([signer])).collect::<Vec<_>>()).count()
    }

    /// Roles that have expired, which the terms of the update let in, and since when.
    #[must_use]
    pub fn overdue(&self) -> &[(RoleName, Timestamp)] {
        &self.overdue
    }
}

/// Why a trust state vouches for nothing. Anybody may say so: it only ever denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRefusal {
    id: &'static str,
    message: String,
}

impl TrustRefusal {
    /// There is no trust state where there has to be one.
    #[must_use]
    pub fn removed() -> Self {
        let message = "there are no trust data: expected a signed map of the tags under the tag `boltseal.trust`; it was \
                       removed, or never published";
        Self { id: "trust-removed", message: message.to_owned() }
    }

    /// A place without a repository's name, which no state can have been signed for.
    #[must_use]
    pub fn unnamed(place: &str) -> Self {
        let message = format!("{place} has no repository's name, and the policy maps it to none");
        Self { id: "wrong-repository", message }
    }

    /// No copy of a trust state hangs on an image where one has to.
    #[must_use]
    pub fn no_copy(image: &str) -> Self {
        Self { id: "trust-removed", message: format!("no copy of the trust data hangs on {image}") }
    }

    /// Nothing is known of the repository that its trust state could start from, and first use is not allowed.
    #[must_use]
    pub fn no_anchor(repository: &str) -> Self {
        let message = format!(
            "nothing is known of {repository}: expected pinned root keys, or what the lock or the store remembers of it"
        );
        Self { id: "no-anchor", message }
    }

    /// The copy of the trust state that travels with the image was sealed too long ago.
    #[must_use]
    pub fn travel_too_old(sealed: Timestamp, max_age: SignedDuration) -> Self {
        let hours = max_age.as_hours();
        let message = format!(
            "expected a copy of the trust state that was sealed in the last {hours} hours; found one sealed on {sealed}"
        );
        Self { id: "travel-too-old", message }
    }

    /// The stable name of this kind of refusal.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Whether nothing is wrong but the time.
    #[must_use]
    pub fn is_freshness(&self) -> bool {
        self.id == "expired"
    }
}

impl From<&TrustManifestError> for TrustRefusal {
    fn from(error: &TrustManifestError) -> Self {
        Self { id: "malformed", message: format!("the trust data: {error}") }
    }
}

impl From<&UpdateError> for TrustRefusal {
    fn from(error: &UpdateError) -> Self {
        Self { id: error.id(), message: error.to_string() }
    }
}

impl From<&LookupError> for TrustRefusal {
    fn from(error: &LookupError) -> Self {
        Self { id: error.id(), message: error.to_string() }
    }
}

impl fmt::Display for TrustRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
