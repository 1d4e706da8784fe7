//! `provenance`: from an image to what it was built from, and on; and the part of it that a policy with `base` asks for.

mod assemble;
mod chain;
mod content;

pub use chain::{Build, Chain, Claim, Hop, Judged, Link, Reached, Source, Told, Verdict};

use super::{Choice, OpsError, Platform, isolated::waiting, verify::Verifier};
use crate::{
    limits::CHAIN_AT_ONCE,
    oci::Reference,
    policy::{Decision, Lineage, Outcome, Seen, evaluate},
    registry::Access,
    verify::Findings,
};
use assemble::Contents;
use content::{Content, ContentError};
use futures_util::{StreamExt as _, future::join, stream};
use std::borrow::Cow;

type Read = Result<Content, ContentError>;

impl Verifier<'_> {
    /// Follows an image to what it was built from, to `depth` levels, and judges each by its own scope.
    ///
    /// Checked of each image is what [`Verifier::verify`] checks. Whose provenance leads on is said by the scope of the
    /// image that has it: by authorities of that scope, and such as answers what it asks of provenance. Not checked: what
    /// provenance says of builders and sources; that an image really was built from what its provenance names. Annotations and layers are
    /// told as claims and decide nothing. Only hosts are asked that the policy names, and the image's own.
    ///
    /// # Errors
    /// As [`Verifier::verify`], for the image itself. What can't be read of others stands in the chain.
    pub async fn chain(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        depth: usize,
    ) -> Result<Chain, OpsError> {
        let repo = self.session.open(&reference.repository, Access::Pull)?;
        let (subject, _) = self.pin(&repo, reference, Choice::of(platform)).await?;
        let findings = self.find(&repo, &subject).await?;
        let first = Content::read(&repo, subject.digest(), platform.map(|platform| platform.0.as_str())).await;
        let platform = first.as_ref().ok().map(|content| content.platform.clone()).filter(|text| !text.is_empty());
        let mut lineage = Lineage::new(self.policy, &findings, depth, self.now);
        let mut contents = Contents::new();
        let mut found: Vec<_> =
            lineage.relatives().first().map(|one| (one.reference.clone(), first)).into_iter().collect();
        loop {
            for (image, content) in found {
                let claimed = content.as_ref().ok().and_then(Content::claimed);
                contents.insert(image.clone(), content);
                if let (Some(claimed), Some(from)) = (claimed, lineage.place(&image)) {
                    lineage.claim(from, &claimed);
                }
            }
            let wanted = lineage.wanted();
            if wanted.is_empty() {
                return Ok(waiting(self.policy, || assemble::chain(&lineage, &contents)));
            }
            let one = |image: Reference| self.look_into(image, platform.as_deref());
            let looked: Vec<_> = stream::iter(wanted.into_iter().map(one)).buffered(CHAIN_AT_ONCE).collect().await;
            found = Vec::new();
            for (image, seen, content) in looked {
                lineage.give(&image, seen);
                found.extend(content.map(|content| (image, content)));
            }
        }
    }

    /// Judges what was found of an image; where the policy asks about the images that it was built from, after these.
    pub(super) async fn settle(&self, findings: &Findings) -> Outcome {
        let outcome = waiting(self.policy, || evaluate(self.policy, findings, self.now));
        if !matches!(outcome.decision, Decision::Undetermined(_)) || outcome.is_left_to_rego() {
            // Whatever it was built from changes nothing.
            return outcome;
        }
        let mut lineage = Lineage::new(self.policy, findings, 0, self.now);
        loop {
            let wanted = lineage.wanted();
            if wanted.is_empty() {
                return waiting(self.policy, || lineage.outcome());
            }
            for (image, seen) in self.look(wanted).await {
                lineage.give(&image, seen);
            }
        }
    }

    /// Looks at images, several at once.
    async fn look(&self, wanted: Vec<Reference>) -> Vec<(Reference, Seen<'static>)> {
        let one = |image: Reference| async move {
            let seen = self.found(&image).await;
            (image, seen)
        };
        stream::iter(wanted.into_iter().map(one)).buffered(CHAIN_AT_ONCE).collect().await
    }

    async fn found(&self, image: &Reference) -> Seen<'static> {
        let find = async {
            let repo = self.session.open(&image.repository, Access::Pull)?;
            let (subject, _) = self.pin(&repo, image, Choice::Whole).await?;
            self.find(&repo, &subject).await
        };
        match find.await {
            Ok(findings) => Seen::Findings(Cow::Owned(findings)),
            Err(error) => Seen::Unread(error.to_string()),
        }
    }

    /// Looks at an image, and at what it claims.
    async fn look_into(&self, image: Reference, platform: Option<&str>) -> (Reference, Seen<'static>, Option<Read>) {
        let read = async {
            let repo = self.session.open(&image.repository, Access::Pull).ok()?;
            Some(Content::read(&repo, image.digest?, platform).await)
        };
        let (seen, content) = join(self.found(&image), read).await;
        (image, seen, content)
    }
}
