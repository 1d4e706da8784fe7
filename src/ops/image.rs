//! The configurations of a subject's images, where a policy asks something of them.

use crate::{
    limits::{CONCURRENCY, IMAGE_CONFIG_BYTES},
    oci::{Image, ImageError, Images, Manifest},
    registry::{Fetched, RegistryError, Repo, Selector},
    verify::{Subject, Unread},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// Why images could not be read.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Reads manifest and configuration of the subject, or of each image of the index that it is.
///
/// # Errors
/// What could not be read: it is not known then whether the images are as asked.
pub(super) async fn images(repo: &Repo, subject: &Subject) -> Result<Images, Unread> {
    let what = || format!("the configuration of {}", subject.digest());
    read(repo, subject).await.map_err(|lost| Unread { what: what(), why: lost.to_string() })
}

async fn read(repo: &Repo, subject: &Subject) -> Result<Images, Lost> {
    let fetched = repo.manifest(&Selector::Digest(subject.digest())).await?;
    let Manifest::Index(index) = &fetched.manifest else { return Ok(Images::one(image(repo, &fetched).await?)) };
    let entries: Vec<_> = index.platforms().map_err(ImageError::from)?.into_iter().cloned().collect();
    let one = |entry| async move { image(repo, &repo.listed_manifest(&entry).await?).await };
    let read = stream::iter(entries.into_iter().map(one)).buffered(CONCURRENCY).try_collect().await?;
    Ok(Images::of_index(subject.digest(), &fetched.bytes, read)?)
}

async fn image(repo: &Repo, fetched: &Fetched) -> Result<Image, Lost> {
    let digest = fetched.descriptor.digest;
    let Manifest::Image(image) = &fetched.manifest else { return Err(ImageError::NotAnImage(digest).into()) };
    let config = repo.blob(&image.config, IMAGE_CONFIG_BYTES).await?;
    Ok(Image::read(digest, &fetched.bytes, config)?)
}
