//! Reads everything that hangs on a digest: referrers, fallback tag, `.sig`, `.att`. First all manifests, at once; then
//! the attachments that they name, each once, the small ones first. Where it is asked for, what lies in the index, too.

mod embedded;

use crate::{
    limits::{
        ATTACHMENT_BYTES, ATTACHMENTS, ATTACHMENTS_BYTES, ATTACHMENTS_BYTES_AT_ONCE, CONCURRENCY, LARGE_AT_ONCE,
        LARGE_MANIFEST_BYTES,
    },
    oci::{Descriptor, Digest, Embedded, ImageManifest, Manifest, media_type},
    registry::{Fault, Fetched, ListSource, Listing, RegistryError, Repo, Selector},
    verify::{Blob, BlobKind, Collected, LegacyMaterial, Place, Subject, Unread, Via},
};
use futures_util::{
    StreamExt as _,
    future::{join, join_all, join3},
    stream,
};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The bytes of attachments that may be in memory: the process's, as its memory is.
static ROOM: Semaphore = Semaphore::const_new(ATTACHMENTS_BYTES_AT_ONCE as usize);

/// Room in memory that is taken until this is dropped. Whoever holds some must not wait for more.
pub(super) type Room = SemaphorePermit<'static>;

/// What was read, and the room that it takes until it is judged.
#[derive(Default)]
pub(super) struct Held {
    pub collected: Collected,
    pub room: Option<Room>,
}

/// Reads all that hangs on these digests: a subject's, and that of the index which lists it.
pub(super) async fn collect(repo: &Repo, digests: impl Iterator<Item = Digest>) -> Held {
    let found = join_all(digests.map(|digest| find(repo, digest))).await;
    read(repo, Found::merge(found)).await
}

/// As [`collect`], with what lies in the index that the subject is or that lists it: BuildKit's attestation manifests, the
/// statements in them, and, where `signed` says so, what hangs on these manifests.
pub(super) async fn collect_embedded(repo: &Repo, subject: &Subject, signed: bool) -> (Held, Option<Embedded>) {
    let hanging = join_all(subject.digests().map(|digest| find(repo, digest)));
    let (hanging, (lying, embedded)) = join(hanging, embedded::find(repo, subject, signed)).await;
    (read(repo, Found::merge(hanging.into_iter().chain([lying]))).await, embedded)
}

/// Reads what a list of referrers that was read already leads to.
pub(super) async fn collect_listed(repo: &Repo, subject: Digest, listing: Listing) -> Held {
    read(repo, listed(repo, subject, listing).await).await
}

/// Reads the layers of a `.sig` or `.att` manifest that was read already.
pub(super) async fn collect_tagged(repo: &Repo, subject: Digest, via: Via, fetched: &Fetched) -> Held {
    read(repo, layers(subject, via, fetched).within(ATTACHMENTS)).await
}

/// The tag of a digest's `.sig`, `.att` or `.sbom` manifest.
pub(super) fn attachment_tag(digest: &Digest, via: Via) -> String {
    let suffix = match via {
        Via::AttestationTag => "att",
        Via::SbomTag => "sbom",
        _ => "sig",
    };
    format!("{}.{suffix}", digest.fallback_tag())
}

/// An attachment that a manifest names.
struct Named {
    place: Place,
    kind: BlobKind,
    digest: Digest,
    size: u64,
}

/// What manifests name, what of them needs no further reading, and what could not be read.
#[derive(Default)]
struct Found {
    named: Vec<Named>,
    rest: Collected,
}

impl Found {
    fn merge(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.named.extend(part.named);
            all.rest.blobs.extend(part.rest.blobs);
            all.rest.unread.extend(part.rest.unread);
        }
        all
    }

    fn unread(what: String, why: impl ToString) -> Self {
        let unread = vec![Unread { what, why: why.to_string() }];
        Self { named: Vec::new(), rest: Collected { blobs: Vec::new(), unread } }
    }

    fn one(place: Place, kind: BlobKind) -> Self {
        let blobs = vec![Blob { place, kind, bytes: Vec::new() }];
        Self { named: Vec::new(), rest: Collected { blobs, unread: Vec::new() } }
    }

    /// At most so many attachments: the first layer of every manifest before the second of any, so that no manifest
    /// crowds the others out.
    fn within(mut self, most: usize) -> Self {
        self.named.sort_by_key(|named| named.place.layer);
        let over = self.named.len().saturating_sub(most);
        if let Some(first) = self.named.get(most) {
            let what = format!("{over} attachments of {}", first.place.subject);
            self.rest.unread.push(Unread { what, why: format!("over the limit of {most}") });
            self.named.truncate(most);
        }
        self
    }
}

/// Each place has its own share of what is read: a flood at one hides nothing at another.
async fn find(repo: &Repo, digest: Digest) -> Found {
    let (referrers, signatures, attestations) = join3(
        async { listed(repo, digest, repo.referrers(&digest).await).await },
        tagged(repo, digest, Via::SignatureTag),
        tagged(repo, digest, Via::AttestationTag),
    )
    .await;
    Found::merge([referrers, signatures, attestations])
}

async fn tagged(repo: &Repo, digest: Digest, via: Via) -> Found {
    match repo.manifest(&Selector::Tag(attachment_tag(&digest, via))).await {
        Ok(fetched) => layers(digest, via, &fetched).within(ATTACHMENTS),
        Err(error) if error.is_not_found() => Found::default(),
        Err(error) => Found::unread(format!("the {via} of {digest}"), error),
    }
}

async fn listed(repo: &Repo, subject: Digest, mut listing: Listing) -> Found {
    let via = match listing.source {
        ListSource::Api => Via::Referrers,
        ListSource::FallbackTag => Via::FallbackTag,
    };
    let lost = listing.fault.take().map(|fault| Found::unread(format!("the list of referrers of {subject}"), fault));
    // A list that names a manifest twice has it read once; an entry of another type or size must not hide one.
    let mut seen = BTreeSet::new();
    listing.entries.retain(|entry| seen.insert((entry.digest, entry.size, is_manifest(entry))));
    // What says that it is another tool's comes last; saying so is all it can do, it is read all the same.
    listing.entries.sort_by_key(is_foreign);
    let total = listing.entries.len();
    let over = (total > ATTACHMENTS).then(|| {
        listing.entries.truncate(ATTACHMENTS);
        let what = format!("{} of {total} referrers of {subject}", total - ATTACHMENTS);
        Found::unread(what, format!("over the limit of {ATTACHMENTS}"))
    });
    // Few large ones at once: each is in memory whole while it is decoded.
    let (large, small): (Vec<_>, Vec<_>) =
        listing.entries.into_iter().partition(|entry| entry.size > LARGE_MANIFEST_BYTES);
    let batch = |entries: Vec<Descriptor>, at_once| {
        let work = entries.into_iter().map(move |entry| referrer(repo, subject, via, entry));
        stream::iter(work).buffered(at_once).collect::<Vec<_>>()
    };
    let mut found = batch(small, CONCURRENCY).await;
    found.extend(batch(large, LARGE_AT_ONCE).await);
    Found::merge(found.into_iter().chain(lost).chain(over)).within(ATTACHMENTS)
}

async fn referrer(repo: &Repo, subject: Digest, via: Via, entry: Descriptor) -> Found {
    let place = Place { subject, via, manifest: Some(entry.digest), layer: 0 };
    if !is_manifest(&entry) {
        return Found::one(place, BlobKind::Foreign { media_type: entry.media_type });
    }
    match repo.listed_manifest(&entry).await {
        Ok(fetched) => layers(subject, via, &fetched),
        // The bytes have the listed digest; that they are no manifest is their own fault, not the registry's.
        Err(RegistryError { fault: Fault::Manifest(error), .. }) => {
            Found::one(place, BlobKind::Malformed { why: error.to_string() })
        }
        Err(error) => Found::unread(format!("referrer {} of {subject}", entry.digest), error),
    }
}

/// What a manifest names that a verifier of ours reads; anything else is another tool's.
fn layers(subject: Digest, via: Via, fetched: &Fetched) -> Found {
    let place = |layer| Place { subject, via, manifest: Some(fetched.descriptor.digest), layer };
    let Manifest::Image(image) = &fetched.manifest else {
        return Found::one(place(0), BlobKind::Foreign { media_type: fetched.descriptor.media_type.clone() });
    };
    let named = image.layers.iter().enumerate().filter_map(|(at, layer)| {
        let kind = kind_of(layer)?;
        Some(Named { place: place(at), kind, digest: layer.digest, size: layer.size })
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return Found::one(place(0), BlobKind::Foreign { media_type: describe(image) });
    }
    Found { named, rest: Collected::default() }
}

/// Reads what was named, each content once. What a producer claims of a size costs nobody else: what is too large by
/// itself is left out, and of what is left the small comes first. It waits until there is room for all of it.
async fn read(repo: &Repo, found: Found) -> Held {
    let mut contents: BTreeMap<(u64, Digest), Vec<(Place, BlobKind)>> = BTreeMap::new();
    for named in found.named {
        contents.entry((named.size, named.digest)).or_default().push((named.place, named.kind));
    }
    let mut left = ATTACHMENTS_BYTES;
    let mut work = Vec::new();
    let mut lost = Vec::new();
    for ((size, digest), uses) in contents {
        let what = || format!("attachment {digest} of {}", uses.first().map_or(digest, |(place, _)| place.subject));
        let cost = size.saturating_mul(uses.len() as u64);
        if size > ATTACHMENT_BYTES {
            lost.push(Unread { what: what(), why: format!("{size} bytes, at most {ATTACHMENT_BYTES} are read") });
        } else if let Some(rest) = left.checked_sub(cost) {
            left = rest;
            work.push(content(repo, Descriptor { digest, size, ..Descriptor::empty() }, uses));
        } else {
            let why = format!("over the limit of {ATTACHMENTS_BYTES} bytes of attachments");
            lost.push(Unread { what: what(), why });
        }
    }
    let room = room(ATTACHMENTS_BYTES - left).await;
    let read: Vec<_> = stream::iter(work).buffered(CONCURRENCY).collect().await;
    let mut all = found.rest;
    all.unread.extend(lost);
    for part in read {
        all.blobs.extend(part.blobs);
        all.unread.extend(part.unread);
    }
    all.blobs.sort_by(|one, other| one.place.cmp(&other.place));
    Held { collected: all, room }
}

/// Room for so many bytes, once there is; never for more than there can be.
async fn room(bytes: u64) -> Option<Room> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(ATTACHMENTS_BYTES_AT_ONCE);
    // What takes none waits for nobody. The semaphore is never closed.
    if bytes == 0 { None } else { ROOM.acquire_many(bytes).await.ok() }
}

async fn content(repo: &Repo, layer: Descriptor, uses: Vec<(Place, BlobKind)>) -> Collected {
    match repo.blob(&layer, ATTACHMENT_BYTES).await {
        Ok(mut bytes) => {
            // The last use takes the content itself: a large attachment is in memory once.
            let last = uses.len().saturating_sub(1);
            let blob = |(at, (place, kind))| {
                let bytes = if at == last { std::mem::take(&mut bytes) } else { bytes.clone() };
                Blob { place, kind, bytes }
            };
            Collected { blobs: uses.into_iter().enumerate().map(blob).collect(), unread: Vec::new() }
        }
        Err(error) => {
            let subject = uses.first().map_or(layer.digest, |(place, _)| place.subject);
            let what = format!("attachment {} of {subject}", layer.digest);
            Collected { blobs: Vec::new(), unread: vec![Unread { what, why: error.to_string() }] }
        }
    }
}

fn is_manifest(entry: &Descriptor) -> bool {
    media_type::MANIFESTS.contains(&entry.media_type.as_str())
}

/// Whether an entry says that it is nothing we read. cosign's fallback entries carry the empty type.
fn is_foreign(entry: &Descriptor) -> bool {
    entry.artifact_type.as_ref().is_some_and(|kind| {
        !kind.starts_with(media_type::BUNDLE_PREFIX)
            && kind != media_type::EMPTY
            && kind != media_type::COSIGN_SIGNATURE_CONFIG
    })
}

/// What a layer claims to be; `None` for what no verifier of ours reads.
fn kind_of(layer: &Descriptor) -> Option<BlobKind> {
    match layer.media_type.as_str() {
        media_type::SIMPLE_SIGNING => {
            let signature = layer.annotations.get(media_type::SIGNATURE_ANNOTATION).cloned().unwrap_or_default();
            Some(BlobKind::SimpleSigning { signature, material: material(layer) })
        }
        media_type::DSSE => Some(BlobKind::Envelope { material: material(layer) }),
        bundle if bundle.starts_with(media_type::BUNDLE_PREFIX) => Some(BlobKind::Bundle),
        _ => None,
    }
}

/// What cosign's older formats keep beside a signature.
fn material(layer: &Descriptor) -> LegacyMaterial {
    let text = |name: &str| layer.annotations.get(name).cloned();
    LegacyMaterial {
        certificate: text(media_type::CERTIFICATE_ANNOTATION),
        chain: text(media_type::CHAIN_ANNOTATION),
        log_entry: text(media_type::LOG_ENTRY_ANNOTATION),
        timestamp: text(media_type::TIMESTAMP_ANNOTATION),
    }
}

fn describe(image: &ImageManifest) -> String {
    let layer = image.layers.first().map_or("no layers", |layer| layer.media_type.as_str());
    format!("{} ({layer})", image.effective_artifact_type())
}

#[cfg(test)]
mod tests;
