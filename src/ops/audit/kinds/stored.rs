//! What docker, nerdctl and crictl say of containers and of images that they hold.

use super::{digest_in, is_id, pod::Metadata};
use crate::{
    oci::{Digest, Reference, ReferenceError},
    ops::audit::{
        inventory::{Found, Item, Runs, unnamed, unusable},
        record::{Place, Role},
    },
};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// The members of all of them. Each tool writes a few.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Stored {
    /// `docker images`, `nerdctl images`.
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
    /// `docker image inspect`, and by its second name `crictl images`.
    #[serde(alias = "repoTags")]
    repo_tags: Option<Vec<String>>,
    #[serde(alias = "repoDigests")]
    repo_digests: Option<Vec<String>>,
    /// `docker ps`, `nerdctl ps`, `docker inspect`; of crictl an object.
    #[serde(alias = "image")]
    image: Option<Image>,
    #[serde(alias = "Name")]
    names: Option<String>,
    config: Option<Config>,
    image_manifest_descriptor: Option<Descriptor>,
    /// `crictl ps`: the id or the digest that it runs.
    #[serde(rename = "imageRef")]
    image_ref: Option<String>,
    #[serde(rename = "labels", deserialize_with = "labels")]
    labels: BTreeMap<String, String>,
}

/// docker writes labels as one text, crictl as an object, or `null`.
fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::<BTreeMap<String, String>>::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Image {
    Name(String),
    #[serde(rename_all = "camelCase")]
    Spec {
        image: Option<String>,
        user_specified_image: Option<String>,
    },
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "Image")]
    image: Option<String>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: Option<Digest>,
}

impl Stored {
    pub fn items(self, at: &str, metadata: Metadata) -> Vec<Item> {
        if self.repo_tags.is_some() || self.repo_digests.is_some() {
            return self.named(at);
        }
        if let Some(repository) = &self.repository {
            return vec![listed(at, repository, self.tag.as_deref(), self.digest.as_deref())];
        }
        vec![self.container(at, metadata)]
    }

    /// An image that is held: every tag with the digest of its repository, and the digests of repositories without a tag.
    fn named(self, at: &str) -> Vec<Item> {
        let is_name = |name: &String| !name.contains("<none>");
        let tags: Vec<_> = self.repo_tags.into_iter().flatten().filter(is_name).collect();
        let digests: Vec<_> = self.repo_digests.into_iter().flatten().filter(is_name).collect();
        let repository = |name: &String| name.parse::<Reference>().ok().map(|reference| reference.repository);
        let of = |tag: &String| digests.iter().find(|digest| repository(digest) == repository(tag));
        let alone = digests.iter().filter(|digest| !tags.iter().any(|tag| repository(tag) == repository(digest)));
        let other =
            || Runs::Other("no digest of its repository is known: it was built, loaded or tagged here".to_owned());
        let runs = |tag: &String| of(tag).and_then(|digest| digest_in(digest)).map_or_else(other, Runs::Digest);
        let tagged = tags.iter().map(|tag| (tag, runs(tag)));
        let all: Vec<_> = tagged.chain(alone.map(|digest| (digest, other()))).collect();
        if all.is_empty() {
            return vec![unnamed(at.to_owned(), "")];
        }
        all.into_iter().map(|(name, runs)| item(at, name, runs, stored())).collect()
    }

    /// A container.
    fn container(self, at: &str, metadata: Metadata) -> Item {
        if self.image.is_none() && self.config.is_none() && self.image_ref.is_none() {
            return unusable(
                at.to_owned(),
                "",
                "names no image in a way that kubectl, docker, nerdctl or crictl has",
                3,
            );
        }
        let label = |name: &str| self.labels.get(name).cloned();
        let place = Place {
            namespace: label("io.kubernetes.pod.namespace"),
            pod: label("io.kubernetes.pod.name"),
            container: metadata.name.or(self.names.map(|name| name.trim_start_matches('/').to_owned())),
            role: Role::Container,
        };
        let named = match self.image {
            Some(Image::Name(name)) => Some(name),
            Some(Image::Spec { image, user_specified_image }) => {
                user_specified_image.filter(|n| !n.is_empty()).or(image)
            }
            None => None,
        };
        let reference = self.image_ref.unwrap_or_default();
        // docker names the image by its id beside the name that it was started by, crictl here and there.
        let id = named.clone().filter(|name| is_id(name)).or(Some(reference.clone()).filter(|name| !name.is_empty()));
        let named = self.config.and_then(|config| config.image).or(named);
        let running = self.image_manifest_descriptor.and_then(|found| found.digest).or_else(|| digest_in(&reference));
        let name = match named {
            Some(name) if !is_id(&name) => name,
            // The runtime has no name for it but the one that its digest came by.
            named => match running {
                Some(_) if !reference.is_empty() => reference,
                _ => return unnamed(at.to_owned(), named.as_deref().unwrap_or_default()),
            },
        };
        let runs = match (running, id) {
            (Some(digest), _) => Runs::Digest(digest),
            (None, Some(id)) => Runs::Other(format!("the runtime names no manifest's digest, but {id:?}")),
            (None, None) => Runs::Unsaid("the runtime does not say which digest it runs"),
        };
        item(at, &name, runs, place)
    }
}

/// A line of `docker images`.
fn listed(at: &str, repository: &str, tag: Option<&str>, digest: Option<&str>) -> Item {
    let is = |text: &&str| !text.is_empty() && *text != "<none>";
    let running = digest.and_then(|digest| digest.parse().ok());
    let runs = match (running, digest) {
        (Some(digest), _) => Runs::Digest(digest),
        (None, Some(digest)) => Runs::Other(format!("its digest is given as {digest:?}: it was built or loaded here")),
        (None, None) => Runs::Unsaid("the list has no digests"),
    };
    match (tag.filter(is), running) {
        _ if !is(&repository) => unnamed(at.to_owned(), repository),
        (Some(tag), _) => item(at, &format!("{repository}:{tag}"), runs, stored()),
        (None, Some(digest)) => item(at, &format!("{repository}@{digest}"), Runs::Unsaid("its name has it"), stored()),
        (None, None) => unnamed(at.to_owned(), repository),
    }
}

fn stored() -> Place {
    Place { role: Role::Stored, ..Place::default() }
}

fn item(at: &str, name: &str, runs: Runs, place: Place) -> Item {
    match name.parse() {
        Ok(reference) => Item::Image(Box::new(Found::named(reference).running(runs).at(place))),
        Err(error) => unusable(at.to_owned(), name, error as ReferenceError, 3),
    }
}
