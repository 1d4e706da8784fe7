//! What lies in an index: attestation manifests, each read once, and the statements in them.

use super::{Found, Named, find as hanging};
use crate::{
    limits::{ATTACHMENTS, ATTESTATION_MANIFEST_BYTES, ATTESTATION_MANIFESTS, CONCURRENCY},
    oci::{Descriptor, Embedded, Manifest},
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
    let asked = |image| subject.within().is_none() || image == subject.digest();
    let mut listed = embedded.listed().to_vec();
    let mut seen = BTreeSet::new();
    listed.retain(|(entry, image)| asked(*image) && seen.insert((entry.digest, entry.size, *image)));
    let mut found = Vec::new();
    if let Some(over) = listed.len().checked_sub(ATTESTATION_MANIFESTS).filter(|over| *over > 0) {
        listed.truncate(ATTESTATION_MANIFESTS);
        let what = format!("{over} attestation manifests of {index}");
        found.push(Found::unread(what, format!("over the limit of {ATTESTATION_MANIFESTS}")));
    }
    let (listed, large): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|(entry, _)| entry.size <= ATTESTATION_MANIFEST_BYTES);
    found.extend(large.into_iter().map(|(entry, image)| {
        let what = format!("attestation manifest {} of {image}", entry.digest);
        Found::unread(what, format!("{} bytes, at most {ATTESTATION_MANIFEST_BYTES} are read", entry.size))
    }));
    let once: BTreeMap<_, _> =
        listed.iter().map(|(entry, image)| ((entry.digest, entry.size), (entry, *image))).collect();
    let work = once.into_values().map(|(entry, image)| async move {
        let hanging = async { if signed { hanging(repo, entry.digest).await } else { Found::default() } };
        (entry, image, join(repo.listed_manifest(entry), hanging).await)
    });
    let read: Vec<_> = stream::iter(work).buffered(CONCURRENCY).collect().await;
    for (entry, image, (manifest, hanging)) in read {
        found.push(hanging);
        let place = Place { subject: image, via: Via::Index, manifest: Some(entry.digest), layer: 0 };
        match manifest {
            Ok(fetched) => {
                if let Err(error) = embedded.add(entry.digest, &fetched.bytes) {
                    found.push(Found::one(place, BlobKind::Malformed { why: error.to_string() }));
                }
            }
            Err(RegistryError { fault: Fault::Manifest(error), .. }) => {
                found.push(Found::one(place, BlobKind::Malformed { why: error.to_string() }));
            }
            Err(error) => found.push(Found::unread(format!("attestation manifest {} of {image}", entry.digest), error)),
        }
    }
    let statements = listed.iter().flat_map(|(entry, image)| {
        let place = |layer| Place { subject: *image, via: Via::Index, manifest: Some(entry.digest), layer };
        let named = |(at, layer): &(usize, Descriptor)| Named {
            place: place(*at),
            kind: BlobKind::Statement,
            digest: layer.digest,
            size: layer.size,
        };
        embedded.statements(&entry.digest).iter().map(named).collect::<Vec<_>>()
    });
    found.push(Found { named: statements.collect(), ..Found::default() }.within(ATTACHMENTS));
    (Found::merge(found), Some(embedded))
}
