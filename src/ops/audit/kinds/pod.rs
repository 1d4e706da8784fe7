//! Pods: containers of all kinds and image volumes, and the digests that the kubelet says it runs (Kubernetes API, core/v1).

use super::{digest_in, is_id};
use crate::ops::audit::{
    inventory::{Found, Item, Runs, unnamed, unusable},
    record::{Place, Role},
};
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Metadata {
    pub name: Option<String>,
    namespace: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
    volumes: Vec<Volume>,
}

impl Spec {
    pub fn has_containers(&self) -> bool {
        !self.containers.is_empty()
    }
}

#[derive(Deserialize)]
struct Container {
    name: String,
    image: Option<String>,
}

#[derive(Deserialize)]
struct Volume {
    name: String,
    image: Option<VolumeImage>,
}

#[derive(Deserialize)]
struct VolumeImage {
    reference: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
    ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
struct ContainerStatus {
    name: String,
    #[serde(rename = "imageID", default)]
    image_id: String,
}

pub(super) fn items(at: &str, metadata: &Metadata, spec: Spec, status: Status) -> Vec<Item> {
    let place = |container: &str, role| Place {
        namespace: metadata.namespace.clone(),
        pod: metadata.name.clone(),
        container: Some(container.to_owned()),
        role,
    };
    let mut items = Vec::new();
    for (member, role, containers, statuses) in [
        ("initContainers", Role::Init, spec.init_containers, status.init_container_statuses),
        ("containers", Role::Container, spec.containers, status.container_statuses),
        ("ephemeralContainers", Role::Ephemeral, spec.ephemeral_containers, status.ephemeral_container_statuses),
    ] {
        for (number, container) in containers.into_iter().enumerate() {
            let runs = statuses.iter().find(|status| status.name == container.name);
            let at = format!("{at}.spec.{member}[{number}].image");
            let image = container.image.unwrap_or_default();
            items.push(item(at, &image, runs.map(|status| status.image_id.as_str()), place(&container.name, role)));
        }
    }
    for (number, volume) in spec.volumes.into_iter().enumerate() {
        if let Some(VolumeImage { reference }) = volume.image {
            let at = format!("{at}.spec.volumes[{number}].image.reference");
            items.push(item(at, &reference.unwrap_or_default(), None, place(&volume.name, Role::Volume)));
        }
    }
    items
}

/// The name is the pod's own: the kubelet's may be another name that the runtime has for the same digest.
fn item(at: String, image: &str, image_id: Option<&str>, place: Place) -> Item {
    if is_id(image) {
        return unnamed(at, image);
    }
    let reference = match image.parse() {
        Ok(reference) => reference,
        Err(error) => return unusable(at, image, error, 3),
    };
    let runs = match image_id {
        None | Some("") => Runs::Unsaid("nothing says which digest runs: it has not started, or is a volume"),
        Some(id) => digest_in(id)
            .map_or_else(|| Runs::Other(format!("the runtime names no manifest's digest, but {id:?}")), Runs::Digest),
    };
    Item::Image(Box::new(Found::named(reference).running(runs).at(place)))
}
