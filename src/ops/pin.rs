use super::OpsError;
use crate::{
    oci::{Descriptor, Digest, Manifest, Reference},
    registry::{Fetched, Repo, Selector},
    verify::{Subject, SubjectError},
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
    /// The image of this digest, which runs: what is pinned, or an image of the index that is pinned.
    Running(Digest),
}

impl<'p> Choice<'p> {
    /// What whoever may have named a platform means.
    pub(super) fn of(platform: Option<&'p Platform>) -> Self {
        platform.map_or(Self::Whole, Self::Image)
    }

    fn image_in(self, fetched: &Fetched, pinned: Subject) -> Result<Subject, OpsError> {
        let platform = match (self, &fetched.manifest) {
            (Self::Whole, _) | (Self::OneImage(_), Manifest::Image(_)) => return Ok(pinned),
            (Self::Running(image), _) => return Ok(pinned.image_within(&fetched.bytes, image)?),
            (Self::Image(platform) | Self::OneImage(platform), _) => platform,
        };
        let image = entry_for(fetched, pinned.reference(), platform)?.digest;
        Ok(pinned.image_within(&fetched.bytes, image)?)
    }
}

/// Pins a reference to one digest.
///
/// A typed digest is taken as it is, without a request. A tag is resolved once, with one request. A platform costs
/// the index's manifest, which is read by digest or, for a tag, in the request that resolves it. An image that runs costs
/// the manifest only where the tag means another digest.
///
/// # Errors
/// The registry failed, or the index does not have the platform; [`OpsError::Moved`] if what runs is something else.
pub async fn pin(repo: &Repo, reference: &Reference, choice: Choice<'_>) -> Result<Subject, OpsError> {
    if let Choice::Running(image) = choice {
        let found = match (reference.digest, reference.tag_or_latest()) {
            (Some(digest), _) if digest == image => return Ok(Subject::new(reference.clone(), digest)),
            (Some(_), _) => repo.manifest(&selector(reference)).await?.descriptor,
            (None, tag) => repo.resolve(tag.unwrap_or_default()).await?,
        };
        let pinned = Subject::new(reference.clone(), found.digest);
        return running(repo, pinned, image, Some(&found), false).await;
    }
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
    match choice {
        Choice::Whole => return Ok(pinned),
        Choice::Running(image) => return running(repo, pinned, image, None, true).await,
        Choice::Image(_) | Choice::OneImage(_) => {}
    }
    let fetched = repo.manifest(&Selector::Digest(pinned.digest())).await?;
    choice.image_in(&fetched, pinned)
}

/// The image that runs, if it is what was pinned or that lists it; `signed` says whether a signed map pinned it.
async fn running(
    repo: &Repo,
    pinned: Subject,
    image: Digest,
    listed: Option<&Descriptor>,
    signed: bool,
) -> Result<Subject, OpsError> {
    let now = pinned.digest();
    if now == image {
        return Ok(pinned);
    }
    let fetched = match listed {
        Some(entry) => repo.listed_manifest(entry).await?,
        None => repo.manifest(&Selector::Digest(now)).await?,
    };
    let reference = pinned.reference().to_string();
    match Choice::Running(image).image_in(&fetched, pinned) {
        Err(OpsError::Subject(SubjectError::NotListed { .. })) => {
            Err(OpsError::Moved { reference, runs: image, now, signed })
        }
        found => found,
    }
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
