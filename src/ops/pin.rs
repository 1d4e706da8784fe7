use super::OpsError;
use crate::{
    oci::{Descriptor, Manifest, Reference},
    registry::{Fetched, Repo, Selector},
    verify::Subject,
};

/// Which of an index's images is meant: `os/architecture[/variant]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform(pub String);

/// What of an index is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'p> {
    /// All of it.
    Whole,
    /// The image of a platform. What is pinned has to be an index.
    Image(&'p Platform),
    /// The image of a platform, unless one image is all there is.
    OneImage(&'p Platform),
}

impl<'p> Choice<'p> {
    /// What whoever may have named a platform means.
    pub(super) fn of(platform: Option<&'p Platform>) -> Self {
        platform.map_or(Self::Whole, Self::Image)
    }

    fn image_in(self, fetched: &Fetched, pinned: Subject) -> Result<Subject, OpsError> {
        let platform = match (self, &fetched.manifest) {
            (Self::Whole, _) | (Self::OneImage(_), Manifest::Image(_)) => return Ok(pinned),
            (Self::Image(platform) | Self::OneImage(platform), _) => platform,
        };
        let image = entry_for(fetched, pinned.reference(), platform)?.digest;
        Ok(pinned.image_within(&fetched.bytes, image)?)
    }
}

/// Pins a reference to one digest.
///
/// A typed digest is taken as it is, without a request. A tag is resolved once, with one request. A platform costs
/// the index's manifest, which is read by digest or, for a tag, in the request that resolves it.
///
/// # Errors
/// The registry failed, or the index does not have the platform.
pub async fn pin(repo: &Repo, reference: &Reference, choice: Choice<'_>) -> Result<Subject, OpsError> {
    if choice != Choice::Whole {
        let fetched = repo.manifest(&selector(reference)).await?;
        return choice.image_in(&fetched, Subject::new(reference.clone(), fetched.descriptor.digest));
    }
    let digest = match (reference.digest, reference.tag_or_latest()) {
        (Some(digest), _) => digest,
        (None, tag) => repo.resolve(tag.unwrap_or_default()).await?.digest,
    };
    Ok(Subject::new(reference.clone(), digest))
}

/// What is meant of an index that was pinned already.
///
/// # Errors
/// The index can't be read by its digest, or does not have the platform.
pub(super) async fn image_of(repo: &Repo, pinned: Subject, choice: Choice<'_>) -> Result<Subject, OpsError> {
    if choice == Choice::Whole {
        return Ok(pinned);
    }
    let fetched = repo.manifest(&Selector::Digest(pinned.digest())).await?;
    choice.image_in(&fetched, pinned)
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
