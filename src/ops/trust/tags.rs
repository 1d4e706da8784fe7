//! Signing tags, un-listing them, revoking digests.

use super::{
    TrustError,
    change::{Change, Edits, has_key},
    draft::Draft,
    writer::{Published, Writer},
};
use crate::{
    format::tuf::{RoleName, Target},
    oci::{Digest, Manifest, Reference},
    registry::{Fetched, Selector},
    trust::tuf::LookupError,
};
use serde_json::json;
use std::collections::BTreeSet;

/// A tag that was signed.
#[derive(Debug)]
#[must_use]
pub struct SignedTag {
    /// The tag.
    pub tag: String,
    /// The digest that it stands for from now on.
    pub digest: Digest,
    /// What became of it.
    pub published: Published,
}

impl Writer<'_> {
    /// Signs what a tag stands for: the typed digest, or what the registry says now, which is asked once. All roles that
    /// cover the tag and name one of the keys at hand list it, or those that are named.
    ///
    /// # Errors
    /// The image is not there, none of the keys may list the tag, or it could not be published.
    pub async fn sign_tag(&self, reference: &Reference, roles: &[RoleName]) -> Result<SignedTag, TrustError> {
        let tag = reference.tag.as_deref().or(reference.tag_or_latest()).ok_or_else(|| {
            TrustError::Nothing(format!("{reference}: expected a tag to sign, REF:TAG or REF:TAG@DIGEST"))
        })?;
        let image = self.repo.manifest(&crate::ops::pin::selector(reference)).await?;
        self.sign_fetched(tag, &image, roles).await
    }

    pub(in crate::ops) async fn sign_fetched(
        &self,
        tag: &str,
        image: &Fetched,
        roles: &[RoleName],
    ) -> Result<SignedTag, TrustError> {
        let target = target_of(image);
        let plan = |draft: &Draft<'_>| {
            let roles = self.roles_for(draft, tag, roles)?;
            let change = || Change::SetTag { tag: tag.to_owned(), target: target.clone() };
            Ok(Edits { roles: roles.into_iter().map(|role| (role, vec![change()])).collect(), ..Edits::default() })
        };
        let published = self.publish(&plan).await?;
        Ok(SignedTag { tag: tag.to_owned(), digest: Digest::sha256(&image.bytes), published })
    }

    /// The roles that may list a tag with the keys at hand: those that are named, or all that the top-level role delegates
    /// to; what a delegate delegates to is not signed unasked.
    pub(super) fn roles_for(
        &self,
        draft: &Draft<'_>,
        tag: &str,
        named: &[RoleName],
    ) -> Result<Vec<RoleName>, TrustError> {
        let mut roles = Vec::new();
        let direct = |role: &&RoleName| !named.is_empty() || draft.parent(role) == Some(&RoleName::Targets);
        let all = draft.delegated();
        for role in all.iter().filter(|role| role.as_str() != RoleName::REVOKED).filter(direct) {
            let Some((parent, delegation)) = draft.delegation(role) else { continue };
            let own = |key: &crate::crypto::Fingerprint| has_key(parent, role, *key);
            let mine = self.signers.iter().any(|signer| own(&signer.public_key().fingerprint()));
            let wanted = named.is_empty() || named.contains(role);
            if wanted && mine && !delegation.is_bin() && delegation.covers(tag) {
                roles.push(role.clone());
            }
        }
        if let Some(missing) = named.iter().find(|named| !roles.contains(named)) {
            return Err(TrustError::NoKey { role: missing.clone(), keys: draft.fingerprints(missing) });
        }
        if roles.is_empty() { Err(TrustError::NoRole { tag: tag.to_owned() }) } else { Ok(roles) }
    }

    /// Hangs a copy of the live state on an image, which travels with it over air gaps: read by who reaches no registry.
    ///
    /// # Errors
    /// The state can't be read, or the registry failed.
    pub async fn attach(&self, image: &Reference) -> Result<Digest, TrustError> {
        let live = self.read_fresh(&self.known()?, false).await?;
        super::travel::attach(self.repo, image, &live.files).await
    }

    /// Un-lists a tag in all roles that list it and that the keys at hand may sign for: among them has to be the one that
    /// answers for it. What others vouch for is theirs to take back.
    ///
    /// # Errors
    /// No role lists it, none of the keys may un-list it where it is answered, or it could not be published.
    pub async fn remove_tag(&self, tag: &str) -> Result<Published, TrustError> {
        let known = self.known()?;
        let live = self.read(&known).await?;
        if !live.state.paths().contains(tag) {
            return Err(LookupError::NotListed { path: tag.to_owned() }.into());
        }
        let plan = |draft: &Draft<'_>| {
            let lists = |role: &&RoleName| draft.file(role).is_some_and(|file| file.signed().targets.contains(tag));
            let roles: Vec<_> = draft.delegated().iter().filter(lists).cloned().collect();
            if let Some(role) = roles.first().filter(|role| !self.may_sign(&draft.keys(role))) {
                return Err(TrustError::NoKey { role: role.clone(), keys: draft.fingerprints(role) });
            }
            let own = roles.into_iter().filter(|role| self.may_sign(&draft.keys(role)));
            let edits = own.map(|role| (role, vec![Change::RemoveTag(tag.to_owned())]));
            Ok(Edits { roles: edits.collect(), ..Edits::default() })
        };
        self.publish(&plan).await
    }

    /// Says that a digest is no longer to be used; of an index that the registry has, its images too.
    ///
    /// # Errors
    /// The reason can't be written, none of the keys may revoke, or it could not be published.
    pub async fn revoke(&self, digest: Digest, reason: &str) -> Result<Published, TrustError> {
        let (length, lists) = match self.repo.manifest(&Selector::Digest(digest)).await {
            Ok(image) => (image.bytes.len() as u64, listed(&image.manifest)),
            // What is gone from the registry may still be in somebody's cache.
            Err(error) if error.is_not_found() => (0, Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let revoked = RoleName::from(RoleName::REVOKED);
        let plan = |draft: &Draft<'_>| {
            // What the registry does not show may still be known from when it was signed.
            let files = draft.roles.values().flat_map(|file| file.metadata.signed().targets.iter());
            let signed = files
                .map(|(_, target)| target)
                .filter(|target| target.sha256() == Some(digest))
                .flat_map(Target::listed_digests);
            let lists: BTreeSet<_> = lists.iter().copied().chain(signed).collect();
            let (lists, reason) = (lists.into_iter().collect(), reason.to_owned());
            let change = Change::Revoke { digest, length, lists, reason };
            Ok(Edits { roles: vec![(revoked.clone(), vec![change])], ..Edits::default() })
        };
        self.publish(&plan).await
    }
}

/// What a tag stands for: the manifest by length and SHA-256; of an index also what it lists.
pub(super) fn target_of(image: &Fetched) -> Target {
    let target = Target::new(image.bytes.len() as u64, &Digest::sha256(&image.bytes));
    let digests: Vec<_> = listed(&image.manifest).iter().map(Digest::to_string).collect();
    if digests.is_empty() { target } else { target.with_custom(json!({ "digests": digests })) }
}

fn listed(manifest: &Manifest) -> Vec<Digest> {
    match manifest {
        Manifest::Image(_) => Vec::new(),
        Manifest::Index(index) => index.manifests.iter().map(|entry| entry.digest).collect(),
    }
}
