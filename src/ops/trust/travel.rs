//! Copies of a trust state at the image, for air gaps: written by `sign --attach`, read only where the policy says so.

use super::{
    TrustError,
    live::{self, Live},
    reader::{One, Read, StateSource},
};
use crate::{
    format::trust_manifest::TrustArtifact,
    limits::{ATTACHMENTS, CONCURRENCY},
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, media_type},
    registry::{Fetched, Repo},
    trust::tuf::{Expiry, TrustRefusal, TrustState},
};
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

/// The newest of the copies at the image that verifies and is young enough.
///
/// The image is found by digest, or by the tag as the registry has it: a hint, which the copy's own map has to confirm.
pub(super) async fn read(one: &One<'_>, reference: &Reference, max_age: SignedDuration) -> Result<Read, TrustError> {
    let digest = match (reference.digest, reference.tag_or_latest()) {
        (Some(digest), _) => digest,
        (None, tag) => one.repo.resolve(tag.unwrap_or_default()).await?.digest,
    };
    let provenance = one.provenance(StateSource::Travel);
    let mut best: Option<TrustState> = None;
    let mut refusal = TrustRefusal::no_copy(&reference.at(digest).to_string());
    let mut unread = None;
    for copy in copies(one.repo, &digest).await? {
        let manifest = match copy {
            Ok(manifest) => manifest,
            Err(error) => {
                unread = Some(error);
                continue;
            }
        };
        match judge(one, &manifest, max_age).await {
            Ok(Ok(live)) => {
                let newest = best.as_ref().map_or(0, |best| best.timestamp().version());
                best = Some(live.state).filter(|state| state.timestamp().version() > newest).or(best);
            }
            Ok(Err(why)) => refusal = why,
            Err(error) => unread = Some(error),
        }
    }
    match (best, unread) {
        (Some(state), _) => Ok(Read { judged: Ok(state), only: None, stale: None, provenance }),
        // What could not be read might have been a copy that counts.
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Read::refused(refusal, provenance)),
    }
}

/// The copies that hang on an image, of which as many are read as attachments at one place. A list that can't be read is an
/// error: a copy may be among what is missing.
async fn copies(repo: &Repo, digest: &Digest) -> Result<Vec<Result<ImageManifest, TrustError>>, TrustError> {
    let listing = repo.referrers(digest).await;
    if let Some(fault) = listing.fault {
        return Err(fault.into());
    }
    let listed = listing.entries.iter();
    let copies = listed.filter(|entry| entry.artifact_type.as_deref() == Some(media_type::TRUST_STATE));
    let reads: Vec<_> = copies.take(ATTACHMENTS).cloned().map(|entry| copy(repo, entry)).collect();
    Ok(stream::iter(reads).buffered(CONCURRENCY).filter_map(std::future::ready).collect().await)
}

async fn copy(repo: &Repo, entry: Descriptor) -> Option<Result<ImageManifest, TrustError>> {
    match repo.listed_manifest(&entry).await {
        Ok(Fetched { manifest: Manifest::Image(image), .. }) => Some(Ok(*image)),
        Ok(_) => None,
        Err(error) => Some(Err(error.into())),
    }
}

async fn judge(
    one: &One<'_>,
    manifest: &ImageManifest,
    max_age: SignedDuration,
) -> Result<Result<Live, TrustRefusal>, TrustError> {
    let files = match TrustArtifact::State.decode(manifest) {
        Ok(files) => files,
        Err(error) => return Ok(Err((&error).into())),
    };
    // What travels is not fresh: how old it may be is the policy's say, counted from when it was sealed.
    let terms = one.terms(Expiry::MaxStale(max_age));
    let now = terms.now;
    match live::judge(one.repo, &files, None, &one.known, terms).await? {
        Err(error) => Ok(Err((&error).into())),
        Ok(live) => match sealed_at(&live.state) {
            sealed if now.duration_since(sealed) <= max_age => Ok(Ok(live)),
            sealed => Ok(Err(TrustRefusal::travel_too_old(sealed, max_age))),
        },
    }
}

/// When a state was sealed: a timestamp's version counts seconds.
fn sealed_at(state: &TrustState) -> Timestamp {
    let seconds = i64::try_from(state.timestamp().version()).unwrap_or_default();
    Timestamp::from_second(seconds).unwrap_or_default()
}

/// Hangs a copy of a trust state on an image.
pub(super) async fn attach(repo: &Repo, image: &Reference, files: &live::Files) -> Result<Digest, TrustError> {
    let at = crate::ops::pin::selector(image);
    let subject = repo.manifest(&at).await?.descriptor;
    let mut manifest = TrustArtifact::State.encode(files);
    manifest.subject = Some(subject);
    super::push::blobs(repo, files.values()).await?;
    Ok(repo.attach(&manifest).await?)
}
