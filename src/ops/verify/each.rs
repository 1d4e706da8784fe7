//! An index and its images, each judged by itself.

use super::{Read, Verification, Verifier, prove};
use crate::{
    limits::{DIGESTS_AT_ONCE, PLATFORMS},
    oci::{Digest, Images, Manifest, ManifestError, Reference},
    ops::{
        OpsError,
        collect::collect,
        pin::{Choice, pin},
    },
    policy::evaluate,
    registry::{Access, Fetched, Repo, Selector},
    verify::{Collected, Subject, Unread, verify_all},
};
use futures_util::{StreamExt as _, future::join, stream};
use std::collections::BTreeSet;

impl Verifier<'_> {
    /// Verifies an index and each image that it lists: what is said of the index counts for its images, what is said of an
    /// image for that one alone. What is no index is verified as [`Self::verify`] does it.
    ///
    /// Each result goes through `each`, and no other is kept. They come in order: the index's, then the images' as the index
    /// lists them. An image that the registry does not have is "could not tell", beside the others.
    ///
    /// # Errors
    /// As [`Self::verify`]; or the index lists more than [`PLATFORMS`] images.
    pub async fn verify_each<T>(
        &self,
        reference: &Reference,
        each: impl Fn(Verification) -> T,
    ) -> Result<Vec<T>, OpsError> {
        let repo = self.session.open(&reference.repository, Access::Pull)?;
        let asked = self.ask(&repo, reference).await?;
        let said = asked.as_ref().map(|(_, said)| said);
        let pinned = match said {
            Some(said) => super::pin_said(&repo, reference, Choice::Whole, said).await?,
            None => pin(&repo, reference, Choice::Whole).await?,
        };
        let proven = |subject: Subject| match &asked {
            Some((rule, said)) => prove(subject, reference, rule, said),
            None => Ok(subject),
        };
        let whole = proven(pinned.clone())?;
        let manifest = async { repo.manifest(&Selector::Digest(pinned.digest())).await };
        let (fetched, mut read) = join(manifest, self.read(&repo, &whole)).await;
        // Whoever holds room must not wait for more.
        read.room = None;
        let fetched = fetched?;
        let trust = said.map(|said| said.read.provenance);
        let shown = |verification: Verification| each(Verification { trust, ..verification });

        let images = images(&fetched, reference)?;
        let mut results = Vec::new();
        for (image, own) in images.iter().zip(self.own(&repo, &whole, &images).await) {
            let subject = proven(pinned.clone().image_within(&fetched.bytes, *image)?)?;
            let verification = match self.weigh(&repo, &subject, read.of_image(*image, own)).await {
                Ok(verification) => verification,
                Err(error) => self.unknown(&subject, &error),
            };
            results.push(shown(verification));
        }
        results.insert(0, shown(self.weigh(&repo, &whole, read).await?));
        Ok(results)
    }

    /// What hangs on each image itself.
    async fn own(&self, repo: &Repo, whole: &Subject, images: &[Digest]) -> Vec<Collected> {
        let evidence = self.asks_for_evidence(whole);
        let own = images.iter().map(|image| async move {
            if evidence { collect(repo, std::iter::once(*image)).await.collected } else { Collected::default() }
        });
        stream::iter(own).buffered(DIGESTS_AT_ONCE).collect().await
    }

    /// The index lists what the registry does not have: nothing is known of it.
    fn unknown(&self, subject: &Subject, error: &OpsError) -> Verification {
        let unread = vec![Unread { what: format!("the image {}", subject.digest()), why: error.to_string() }];
        let anchors = self.policy.anchors_for(&subject.reference().repository);
        let collected = Collected { blobs: Vec::new(), unread };
        let findings = verify_all(subject, collected, &anchors, self.now, self.limits);
        let outcome = evaluate(self.policy, &findings, self.now);
        Verification { findings, outcome, trust: None }
    }
}

/// The images of an index, each once.
fn images(fetched: &Fetched, reference: &Reference) -> Result<Vec<Digest>, OpsError> {
    let Manifest::Index(index) = &fetched.manifest else { return Ok(Vec::new()) };
    let refused = |source| OpsError::Manifest { reference: reference.to_string(), source };
    let mut seen = BTreeSet::new();
    let listed = index.platforms().map_err(refused)?.into_iter().map(|entry| entry.digest);
    let images: Vec<_> = listed.filter(|image| seen.insert(*image)).collect();
    if images.len() > PLATFORMS { Err(refused(ManifestError::Entries(images.len()))) } else { Ok(images) }
}

impl Read {
    /// What was read of an index, and of one image of it.
    fn of_image(&self, image: Digest, own: Collected) -> Self {
        let mut collected = self.collected.clone();
        collected.blobs.extend(own.blobs);
        collected.unread.extend(own.unread);
        let images = self.images.as_ref().and_then(|images| images.iter().find(|one| one.digest() == image));
        Self { collected, room: None, embedded: self.embedded.clone(), images: images.cloned().map(Images::one) }
    }
}
