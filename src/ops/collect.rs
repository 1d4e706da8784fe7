//! Reads everything that hangs on a digest: referrers, fallback tag, `.sig`, `.att`; all of it at once.

use crate::{
    limits::{ATTACHMENT_BYTES, ATTACHMENTS, ATTACHMENTS_BYTES},
    oci::{Descriptor, Digest, ImageManifest, Manifest, media_type},
    registry::{Fault, Fetched, ListSource, Listing, RegistryError, Repo, Selector},
    verify::{Blob, BlobKind, Collected, Place, Unread, Via},
};
use futures_util::future::{join_all, join3};
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads all that hangs on these digests: a subject's, and that of the index which lists it.
pub(super) async fn collect(repo: &Repo, digests: impl Iterator<Item = Digest>) -> Collected {
    let reader = Reader::new(repo);
    merge(join_all(digests.map(|digest| reader.all(digest))).await)
}

/// Reads what a list of referrers that was read already leads to.
pub(super) async fn collect_listed(repo: &Repo, subject: Digest, listing: Listing) -> Collected {
    Reader::new(repo).listed(subject, listing).await
}

/// Reads the layers of a `.sig` or `.att` manifest that was read already.
pub(super) async fn collect_tagged(repo: &Repo, subject: Digest, via: Via, fetched: &Fetched) -> Collected {
    Reader::new(repo).layers(subject, via, fetched).await
}

/// The tag of a digest's `.sig` or `.att` manifest.
pub(super) fn attachment_tag(digest: &Digest, via: Via) -> String {
    let suffix = if via == Via::AttestationTag { "att" } else { "sig" };
    format!("{}.{suffix}", digest.fallback_tag())
}

struct Reader<'r> {
    repo: &'r Repo,
    /// Bytes of attachments that may still be read: keeps memory flat whatever is listed.
    budget: AtomicU64,
}

impl<'r> Reader<'r> {
    fn new(repo: &'r Repo) -> Self {
        Self { repo, budget: AtomicU64::new(ATTACHMENTS_BYTES) }
    }

    async fn all(&self, digest: Digest) -> Collected {
        let (referrers, signatures, attestations) = join3(
            async { self.listed(digest, self.repo.referrers(&digest).await).await },
            self.tagged(digest, Via::SignatureTag),
            self.tagged(digest, Via::AttestationTag),
        )
        .await;
        merge([referrers, signatures, attestations])
    }

    async fn tagged(&self, digest: Digest, via: Via) -> Collected {
        let tag = attachment_tag(&digest, via);
        match self.repo.manifest(&Selector::Tag(tag)).await {
            Ok(fetched) => self.layers(digest, via, &fetched).await,
            Err(error) if error.is_not_found() => Collected::default(),
            Err(error) => unread(format!("the {via} of {digest}"), &error),
        }
    }

    async fn listed(&self, digest: Digest, mut listing: Listing) -> Collected {
        let via = match listing.source {
            ListSource::Api => Via::Referrers,
            ListSource::FallbackTag => Via::FallbackTag,
        };
        let mut lost = Collected::default();
        if let Some(fault) = &listing.fault {
            lost = unread(format!("the list of referrers of {digest}"), fault);
        }
        let total = listing.entries.len();
        if total > ATTACHMENTS {
            listing.entries.truncate(ATTACHMENTS);
            let what = format!("{} of {total} referrers of {digest}", total - ATTACHMENTS);
            lost.unread.push(Unread { what, why: format!("over the limit of {ATTACHMENTS}") });
        }
        let read = join_all(listing.entries.iter().map(|entry| self.referrer(digest, via, entry))).await;
        merge(std::iter::once(lost).chain(read))
    }

    async fn referrer(&self, subject: Digest, via: Via, entry: &Descriptor) -> Collected {
        let place = Place { subject, via, manifest: Some(entry.digest), layer: 0 };
        if !media_type::MANIFESTS.contains(&entry.media_type.as_str()) {
            return one(place, BlobKind::Foreign { media_type: entry.media_type.clone() });
        }
        match self.repo.manifest(&Selector::Digest(entry.digest)).await {
            Ok(fetched) => self.layers(subject, via, &fetched).await,
            // The bytes have the listed digest; that they are no manifest is their own fault, not the registry's.
            Err(RegistryError { fault: Fault::Manifest(error), .. }) => {
                one(place, BlobKind::Malformed { why: error.to_string() })
            }
            Err(error) => unread(format!("referrer {} of {subject}", entry.digest), &error),
        }
    }

    async fn layers(&self, subject: Digest, via: Via, fetched: &Fetched) -> Collected {
        let manifest = Some(fetched.descriptor.digest);
        let place = |layer| Place { subject, via, manifest, layer };
        let Manifest::Image(image) = &fetched.manifest else {
            let media_type = fetched.descriptor.media_type.clone();
            return one(place(0), BlobKind::Foreign { media_type });
        };
        let known: Vec<_> = image.layers.iter().enumerate().filter_map(|(at, l)| Some((at, l, kind_of(l)?))).collect();
        if known.is_empty() {
            return one(place(0), BlobKind::Foreign { media_type: describe(image) });
        }
        let read = known.into_iter().map(|(at, layer, kind)| self.layer(place(at), layer, kind));
        merge(join_all(read).await)
    }

    async fn layer(&self, place: Place, layer: &Descriptor, kind: BlobKind) -> Collected {
        let what = || format!("attachment {} of {}", layer.digest, place.subject);
        let take = |left: u64| left.checked_sub(layer.size);
        if self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            let why = format!("over the limit of {ATTACHMENTS_BYTES} bytes of attachments");
            return Collected { blobs: Vec::new(), unread: vec![Unread { what: what(), why }] };
        }
        match self.repo.blob(layer, ATTACHMENT_BYTES).await {
            Ok(bytes) => Collected { blobs: vec![Blob { place, kind, bytes }], unread: Vec::new() },
            Err(error) => unread(what(), &error),
        }
    }
}

/// What a layer claims to be; `None` for what no verifier of ours reads.
fn kind_of(layer: &Descriptor) -> Option<BlobKind> {
    match layer.media_type.as_str() {
        media_type::SIMPLE_SIGNING => {
            let signature = layer.annotations.get(media_type::SIGNATURE_ANNOTATION).cloned().unwrap_or_default();
            Some(BlobKind::SimpleSigning { signature })
        }
        media_type::DSSE => Some(BlobKind::Envelope),
        bundle if bundle.starts_with(media_type::BUNDLE_PREFIX) => Some(BlobKind::Bundle),
        _ => None,
    }
}

fn describe(image: &ImageManifest) -> String {
    let layer = image.layers.first().map_or("no layers", |layer| layer.media_type.as_str());
    format!("{} ({layer})", image.effective_artifact_type())
}

fn one(place: Place, kind: BlobKind) -> Collected {
    Collected { blobs: vec![Blob { place, kind, bytes: Vec::new() }], unread: Vec::new() }
}

fn unread(what: String, error: &RegistryError) -> Collected {
    Collected { blobs: Vec::new(), unread: vec![Unread { what, why: error.to_string() }] }
}

fn merge(parts: impl IntoIterator<Item = Collected>) -> Collected {
    let mut all = Collected::default();
    for part in parts {
        all.blobs.extend(part.blobs);
        all.unread.extend(part.unread);
    }
    all
}
