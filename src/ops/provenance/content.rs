//! What an image claims of its base, and what its layers let guess: read by digest, and signed by nobody for that.

use crate::{
    format::image_config::ImageConfig,
    limits::IMAGE_CONFIG_BYTES,
    oci::{
        Digest, Manifest, Reference, Repository,
        media_type::{BASE_DIGEST_ANNOTATION, BASE_NAME_ANNOTATION},
    },
    registry::{RegistryError, Repo, Selector},
};

/// What an image's manifest and configuration say.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// What its annotations call its base.
    pub base_name: Option<String>,
    /// The digest that they give to it.
    pub base_digest: Option<String>,
    /// Its digest, and that of the one image of it that was looked at.
    pub digests: Vec<Digest>,
    /// The layers of that image, uncompressed.
    pub layers: Vec<String>,
    /// The platform of that image.
    pub platform: String,
}

/// Why an image's content is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContentError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the configuration of {0}: {1}")]
    Config(Digest, String),
}

impl Content {
    /// Reads an image; of an index the image of a platform, or the first.
    pub async fn read(repo: &Repo, digest: Digest, platform: Option<&str>) -> Result<Self, ContentError> {
        let fetched = repo.manifest(&Selector::Digest(digest)).await?;
        let mut content = Self { digests: vec![digest], ..Self::default() };
        let image = match fetched.manifest {
            Manifest::Image(image) => image,
            Manifest::Index(index) => {
                content.base_name = index.annotations.get(BASE_NAME_ANNOTATION).cloned();
                content.base_digest = index.annotations.get(BASE_DIGEST_ANNOTATION).cloned();
                let images = index.platforms().unwrap_or_default();
                let wanted = |entry: &&&crate::oci::Descriptor| {
                    platform.is_none_or(|asked| entry.platform.as_ref().is_some_and(|p| p.matches(asked)))
                };
                let Some(entry) = images.iter().find(wanted) else { return Ok(content) };
                let Manifest::Image(image) = repo.listed_manifest(entry).await?.manifest else { return Ok(content) };
                content.digests.push(entry.digest);
                image
            }
        };
        let own = |name: &str| image.annotations.get(name).cloned();
        content.base_name = own(BASE_NAME_ANNOTATION).or(content.base_name);
        content.base_digest = own(BASE_DIGEST_ANNOTATION).or(content.base_digest);
        let config = repo.blob(&image.config, IMAGE_CONFIG_BYTES).await?;
        let config =
            ImageConfig::decode(&config).map_err(|e| ContentError::Config(image.config.digest, e.to_string()))?;
        (content.layers, content.platform) = (config.diff_ids, config.platform);
        Ok(content)
    }

    /// The base that the annotations name by digest, in a registry.
    pub fn claimed(&self) -> Option<Reference> {
        let digest: Digest = self.base_digest.as_ref()?.parse().ok()?;
        let named: Reference = self.base_name.as_ref()?.parse().ok()?;
        matches!(named.repository, Repository::Registry(_)).then(|| Reference { digest: Some(digest), ..named })
    }

    /// How many layers the other has, where these layers begin with all of them.
    pub fn begins_with(&self, other: &Self) -> Option<usize> {
        let count = other.layers.len();
        (count > 0 && self.layers.starts_with(&other.layers)).then_some(count)
    }
}
