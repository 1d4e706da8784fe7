use super::OpsError;
use crate::{
    oci::{Descriptor, Manifest, Reference},
    registry::{Fetched, Repo, Selector},
    verify::Subject,
};

/// Which of an index's images is meant: `os/architecture[/variant]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform(pub String);

/// Pins a reference to one digest.
///
/// A typed digest is taken as it is, without a request. A tag is resolved once, with one request. A platform costs
/// the index's manifest, which is read by digest or, for a tag, in the request that resolves it.
///
/// # Errors
/// The registry failed, or the index does not have the platform.
pub async fn pin(repo: &Repo, reference: &Reference, platform: Option<&Platform>) -> Result<Subject, OpsError> {
    if let Some(platform) = platform {
        let fetched = repo.manifest(&selector(reference)).await?;
        let image = entry_for(&fetched, reference, platform)?.digest;
        let index = Subject::new(reference.clone(), fetched.descriptor.digest);
        return Ok(index.image_within(&fetched.bytes, image)?);
    }
    let digest = match (reference.digest, reference.tag_or_latest()) {
        (Some(digest), _) => digest,
        (None, tag) => repo.resolve(tag.unwrap_or_default()).await?.digest,
    };
    Ok(Subject::new(reference.clone(), digest))
}

/// The image of an index that was pinned already, for a platform.
///
/// # Errors
/// The index can't be read by its digest, or does not have the platform.
pub(super) async fn image_of(repo: &Repo, pinned: Subject, platform: Option<&Platform>) -> Result<Subject, OpsError> {
    let Some(platform) = platform else { return Ok(pinned) };
    let fetched = repo.manifest(&Selector::Digest(pinned.digest())).await?;
    let image = entry_for(&fetched, pinned.reference(), platform)?.digest;
    Ok(pinned.image_within(&fetched.bytes, image)?)
}

/// What a reference asks the registry for: its digest where it has one.
pub(super) fn selector(reference: &Reference) -> Selector {
    match reference.digest {
        Some(digest) => Selector::Digest(digest),
        None => Selector::Tag(reference.tag_or_latest().unwrap_or_default().to_owned()),
    }
}

pub(super) fn entry_for<'f>(
    fetched: &'f Fetched,
    reference: &Reference,
    platform: &Platform,
) -> Result<&'f Descriptor, OpsError> {
    let Manifest::Index(index) = &fetched.manifest else {
        return Err(OpsError::NotAnIndex { reference: reference.to_string() });
    };
    let images = index.platforms().map_err(|source| OpsError::Manifest { reference: reference.to_string(), source })?;
    let matching = |entry: &&&Descriptor| entry.platform.as_ref().is_some_and(|p| p.matches(&platform.0));
    images.iter().find(matching).copied().ok_or_else(|| OpsError::NoPlatform {
        reference: reference.to_string(),
        asked: platform.0.clone(),
        listed: images.iter().filter_map(|entry| entry.platform.as_ref()).map(ToString::to_string).collect(),
    })
}
