//! What lies in an index: attestation manifests, each read once, and the statements in them.

use super::{Found, Named, find as hanging};
use crate::{
    limits::{ATTACHMENTS, ATTESTATION_MANIFEST_BYTES, ATTESTATION_MANIFESTS, CONCURRENCY},
    oci::{Descriptor, Digest, Embedded, Manifest},
    registry::{Fault, Fetched, RegistryError, Repo, Selector},
    verify::{BlobKind, Place, Subject, Via},
};
use futures_util::{StreamExt as _, future::join, stream};
use std::collections::{BTreeMap, BTreeSet};

/// Names what lies in the subject's index: of all its images, or of the one that the subject is.
pub(super) async fn find(repo: &Repo, subject: &Subject, signed: bool) -> (Found, Option<Embedded>) {
    let index = subject.within().unwrap_or(subject.digest());
    let lost = |why: &dyn std::fmt::Display| (Found::unread(format!("what lies in the index {index}"), why), None);
    let fetched = match repo.manifest(&Selector::Digest(index)).await {
        Ok(Fetched { manifest: Manifest::Image(_), .. }) => return (Found::default(), None),
        Ok(fetched) => fetched,
        Err(error) if error.is_not_found() => return (Found::default(), None),
        Err(error) => return lost(&error),
    };
    let mut embedded = match Embedded::of_index(index, &fetched.bytes) {
        Ok(embedded) => embedded,
        Err(error) => return lost(&error),
    };
    let (listed, mut found) = asked(&embedded, subject);
    // A manifest that is listed for several images is read once.
    let once: BTreeMap<_, _> = listed.iter().map(|one| ((one.0.digest, one.0.size), one)).collect();
    let work: Vec<_> = once.into_values().cloned().map(|(entry, image)| read(repo, entry, image, signed)).collect();
    for (entry, image, manifest, hanging) in stream::iter(work).buffered(CONCURRENCY).collect::<Vec<_>>().await {
        found.push(hanging);
        found.extend(add(&mut embedded, &entry, image, manifest));
    }
    let named: Vec<_> = listed.iter().flat_map(|(entry, image)| statements(&embedded, entry, *image)).collect();
    found.push(Found { named, ..Found::default() }.within(ATTACHMENTS));
    (Found::merge(found), Some(embedded))
}

/// An attestation manifest, and what hangs on it. It owns what it is asked for: servers move it between threads.
async fn read(
    repo: &Repo,
    entry: Descriptor,
    image: Digest,
    signed: bool,
) -> (Descriptor, Digest, Result<Fetched, RegistryError>, Found) {
    let hanging = async { if signed { hanging(repo, entry.digest).await } else { Found::default() } };
    let (manifest, hanging) = join(repo.listed_manifest(&entry), hanging).await;
    (entry, image, manifest, hanging)
}

/// The attestation manifests of the images that are asked about, and what of them is too much to be read.
fn asked(embedded: &Embedded, subject: &Subject) -> (Vec<(Descriptor, Digest)>, Vec<Found>) {
    let mut seen = BTreeSet::new();
    let asked = |image| subject.within().is_none() || image == subject.digest();
    let listed = embedded.listed().iter().cloned();
    let (mut listed, large): (Vec<_>, Vec<_>) = listed
        .filter(|(entry, image)| asked(*image) && seen.insert((entry.digest, entry.size, *image)))
        .partition(|(entry, _)| entry.size <= ATTESTATION_MANIFEST_BYTES);
    let too_large = |(entry, image): (Descriptor, Digest)| {
        let why = format!("{} bytes, at most {ATTESTATION_MANIFEST_BYTES} are read", entry.size);
        Found::unread(format!("attestation manifest {} of {image}", entry.digest), why)
    };
    let mut found: Vec<_> = large.into_iter().map(too_large).collect();
    if let Some(over) = listed.len().checked_sub(ATTESTATION_MANIFESTS).filter(|over| *over > 0) {
        listed.truncate(ATTESTATION_MANIFESTS);
        let what = format!("{over} attestation manifests of {}", embedded.index());
        found.push(Found::unread(what, format!("over the limit of {ATTESTATION_MANIFESTS}")));
    }
    (listed, found)
}

/// Takes an attestation manifest in, or tells why not.
fn add(
    embedded: &mut Embedded,
    entry: &Descriptor,
    image: Digest,
    manifest: Result<Fetched, RegistryError>,
) -> Option<Found> {
    let place = Place { subject: image, via: Via::Index, manifest: Some(entry.digest), layer: 0 };
    let malformed = |why: String| Some(Found::one(place, BlobKind::Malformed { why }));
    match manifest {
        Ok(fetched) => embedded.add(entry.digest, &fetched.bytes).err().and_then(|error| malformed(error.to_string())),
        // The bytes have the listed digest; that they are no manifest is their own fault, not the registry's.
        Err(RegistryError { fault: Fault::Manifest(error), .. }) => malformed(error.to_string()),
        Err(error) => Some(Found::unread(format!("attestation manifest {} of {image}", entry.digest), error)),
    }
}

fn statements(embedded: &Embedded, entry: &Descriptor, image: Digest) -> Vec<Named> {
    let named = |(layer, statement): &(usize, Descriptor)| Named {
        place: Place { subject: image, via: Via::Index, manifest: Some(entry.digest), layer: *layer },
        kind: BlobKind::Statement,
        digest: statement.digest,
        size: statement.size,
    };
    embedded.statements(&entry.digest).iter().map(named).collect()
}
