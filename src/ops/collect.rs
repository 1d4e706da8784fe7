//! Reads everything that hangs on a digest: referrers, fallback tag, `.sig`, `.att`; all of it at once.

use crate::{
    limits::{ATTACHMENT_BYTES, ATTACHMENTS, ATTACHMENTS_BYTES},
    oci::{Descriptor, Digest, ImageManifest, Manifest, media_type},
    registry::{Fault, Fetched, ListSource, Listing, RegistryError, Repo, Selector},
    verify::{Blob, BlobKind, Collected, Place, Subject, Unread, Via},
};
use futures_util::future::{join_all, join3};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Reads all that hangs on the subject and on the index that lists it.
pub(super) async fn collect(repo: &Repo, subject: &Subject) -> Collected {
    let reader = Reader::new(repo);
    let digests = std::iter::once(subject.digest).chain(subject.within);
    let mut parts: Vec<_> = join_all(digests.map(|digest| reader.all(digest))).await.into_iter().flatten().collect();
    // The shortest first: a flood at one place pushes nothing at another beyond the limit of what is judged.
    parts.sort_by_key(|part| part.blobs.len());
    merge(parts)
}

/// Reads what a list of referrers that was read already leads to.
pub(super) async fn collect_listed(repo: &Repo, subject: Digest, listing: Listing) -> Collected {
    Reader::new(repo).listed(subject, listing).await
}

/// Reads the layers of a `.sig` or `.att` manifest that was read already.
pub(super) async fn collect_tagged(repo: &Repo, subject: Digest, via: Via, fetched: &Fetched) -> Collected {
    Reader::new(repo).layers(subject, via, fetched, &room()).await
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

    async fn all(&self, digest: Digest) -> [Collected; 3] {
        let all = join3(
            async { self.listed(digest, self.repo.referrers(&digest).await).await },
            self.tagged(digest, Via::SignatureTag),
            self.tagged(digest, Via::AttestationTag),
        );
        all.await.into()
    }

    async fn tagged(&self, digest: Digest, via: Via) -> Collected {
        let tag = attachment_tag(&digest, via);
        match self.repo.manifest(&Selector::Tag(tag)).await {
            Ok(fetched) => self.layers(digest, via, &fetched, &room()).await,
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
        // A list that names a manifest twice has it read once; an entry of another type must not hide one.
        let mut seen = BTreeSet::new();
        listing.entries.retain(|entry| seen.insert((entry.digest, is_manifest(entry))));
        let total = listing.entries.len();
        if total > ATTACHMENTS {
            listing.entries.truncate(ATTACHMENTS);
            let what = format!("{} of {total} referrers of {digest}", total - ATTACHMENTS);
            lost.unread.push(Unread { what, why: format!("over the limit of {ATTACHMENTS}") });
        }
        let room = room();
        let read = join_all(listing.entries.iter().map(|entry| self.referrer(digest, via, entry, &room))).await;
        merge(std::iter::once(lost).chain(read))
    }

    async fn referrer(&self, subject: Digest, via: Via, entry: &Descriptor, room: &AtomicUsize) -> Collected {
        let place = Place { subject, via, manifest: Some(entry.digest), layer: 0 };
        if !is_manifest(entry) {
            return one(place, BlobKind::Foreign { media_type: entry.media_type.clone() });
        }
        match self.repo.manifest(&Selector::Digest(entry.digest)).await {
            Ok(fetched) => self.layers(subject, via, &fetched, room).await,
            // The bytes have the listed digest; that they are no manifest is their own fault, not the registry's.
            Err(RegistryError { fault: Fault::Manifest(error), .. }) => {
                one(place, BlobKind::Malformed { why: error.to_string() })
            }
            Err(error) => unread(format!("referrer {} of {subject}", entry.digest), &error),
        }
    }

    async fn layers(&self, subject: Digest, via: Via, fetched: &Fetched, room: &AtomicUsize) -> Collected {
        let manifest = Some(fetched.descriptor.digest);
        let place = |layer| Place { subject, via, manifest, layer };
        let Manifest::Image(image) = &fetched.manifest else {
            let media_type = fetched.descriptor.media_type.clone();
            return one(place(0), BlobKind::Foreign { media_type });
        };
        let mut known: Vec<_> =
            image.layers.iter().enumerate().filter_map(|(at, l)| Some((l, (place(at), kind_of(l)?)))).collect();
        if known.is_empty() {
            return one(place(0), BlobKind::Foreign { media_type: describe(image) });
        }
        let mut lost = Collected::default();
        let over = known.len().saturating_sub(take_room(room, known.len()));
        if over > 0 {
            known.truncate(known.len() - over);
            let what = format!("{over} attachments in {} of {subject}", fetched.descriptor.digest);
            lost.unread.push(Unread { what, why: format!("over the limit of {ATTACHMENTS}") });
        }
        // Several signatures over the same payload are as many layers of one blob, which is read once.
        let mut blobs: BTreeMap<_, (&Descriptor, Vec<_>)> = BTreeMap::new();
        for (layer, use_of_it) in known {
            blobs.entry((layer.digest, layer.size)).or_insert((layer, Vec::new())).1.push(use_of_it);
        }
        let read = join_all(blobs.into_values().map(|(layer, uses)| self.layer(layer, uses))).await;
        let mut all = merge(std::iter::once(lost).chain(read));
        all.blobs.sort_by(|one, other| one.place.cmp(&other.place));
        all
    }

    async fn layer(&self, layer: &Descriptor, uses: Vec<(Place, BlobKind)>) -> Collected {
        let subject = uses.first().map(|(place, _)| place.subject.to_string()).unwrap_or_default();
        let what = || format!("attachment {} of {subject}", layer.digest);
        let take = |left: u64| left.checked_sub(layer.size.saturating_mul(uses.len() as u64));
        if self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            let why = format!("over the limit of {ATTACHMENTS_BYTES} bytes of attachments");
            return Collected { blobs: Vec::new(), unread: vec![Unread { what: what(), why }] };
        }
        match self.repo.blob(layer, ATTACHMENT_BYTES).await {
            Ok(bytes) => {
                let blobs = uses.into_iter().map(|(place, kind)| Blob { place, kind, bytes: bytes.clone() }).collect();
                Collected { blobs, unread: Vec::new() }
            }
            Err(error) => unread(what(), &error),
        }
    }
}

/// How many attachments may still be read at one place.
fn room() -> AtomicUsize {
    AtomicUsize::new(ATTACHMENTS)
}

/// Takes as much of `wanted` as there is.
fn take_room(room: &AtomicUsize, wanted: usize) -> usize {
    let left = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(wanted)));
    left.unwrap_or_else(|left| left).min(wanted)
}

fn is_manifest(entry: &Descriptor) -> bool {
    media_type::MANIFESTS.contains(&entry.media_type.as_str())
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
