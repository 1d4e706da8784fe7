//! What an enforcement point asks: may this digest, which a runtime has resolved and is about to use, be used by this name?

use super::{OpsError, pull::may_be_used, verify::Verification, verify::Verifier};
use crate::{
    oci::{Digest, Reference},
    policy::Mode,
};

/// The answer for a name and the digest that a runtime has for it.
#[must_use]
#[derive(Debug)]
pub struct Admitted {
    /// What was judged.
    pub verification: Verification,
    /// What the tag means by the repository's signed map, where that is another digest than the runtime's.
    pub moved: Option<Digest>,
}

impl Admitted {
    /// Whether the runtime may go on: the digest is allowed, or the policy's mode only tells.
    #[must_use]
    pub fn may_be_used(&self) -> bool {
        may_be_used(&self.verification) && (self.moved.is_none() || self.verification.outcome.mode != Mode::Enforced)
    }
}

impl Verifier<'_> {
    /// Verifies what a runtime is about to use.
    ///
    /// By a tag, where the policy asks for content trust, the signed map has to say this digest of it: a digest that was
    /// signed under another tag is no answer. Else the digest is judged; a tag beside it only takes part in `identity:
    /// tag`. Without a tag, repository and digest decide.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub async fn admit(&self, name: &Reference, digest: Digest) -> Result<Admitted, OpsError> {
        let named = Reference { digest: Some(digest), ..name.clone() };
        let explained = self.policy.explain(name);
        let has_map = explained.mode != Mode::Disabled && explained.scope.is_some_and(|s| s.content_trust.is_some());
        let by_tag = has_map && name.digest.is_none() && name.tag.is_some();
        let verification = self.verify(if by_tag { name } else { &named }, None).await?;
        let judged = verification.findings.subject().digest();
        Ok(Admitted { verification, moved: (judged != digest).then_some(judged) })
    }
}
