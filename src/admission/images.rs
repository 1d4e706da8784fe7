//! Where objects name images.

use super::Kind;
use serde_json::{Map, Value};

/// The lists of a pod's containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// An image that an object names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it stands (RFC 6901).
    pub pointer: String,
    /// The name as it is written; empty where there is none.
    pub text: String,
    /// The list, and the name in it of the container or volume.
    slot: (String, String),
}

/// Why an object's images can't be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImagesError {
    /// What is done with the object is not known.
    #[error("operation {0:?} is not known: expected CREATE, UPDATE, DELETE or CONNECT")]
    Operation(String),
    /// A member is missing or has another type.
    #[error("{pointer}: expected {expected}")]
    Shape {
        /// Where it stands, or should.
        pointer: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// Neither a known kind nor anything with containers.
    #[error("no pod is found in a {0}: the webhook's rules should leave the kind out")]
    NoPod(String),
    /// More images than are judged at once.
    #[error("{0} images, at most {max} are judged at once", max = crate::limits::REVIEW_IMAGES)]
    TooMany(usize),
}

impl Image {
    /// Whether it is the same name for the same container or volume.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.slot == other.slot && self.text == other.text && !self.slot.1.is_empty()
    }
}

/// Where a kind has the description of its pod.
fn path(kind: &Kind) -> Option<&'static [&'static str]> {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => Some(&["spec"]),
        ("", "PodTemplate") => Some(&["template", "spec"]),
        ("", "ReplicationController")
        | ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet")
        | ("batch", "Job") => Some(&["spec", "template", "spec"]),
        ("batch", "CronJob") => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        _ => None,
    }
}

/// The description of the pod in an object of a known kind.
pub(super) fn pod<'o>(kind: &Kind, object: &'o Value) -> Option<&'o Value> {
    path(kind)?.iter().try_fold(object, |at, member| at.get(member))
}

/// The images of an object: of a known kind's pod; else of all that is shaped as one.
pub(super) fn find(kind: &Kind, object: &Value) -> Result<Vec<Image>, ImagesError> {
    let mut images = Vec::new();
    match path(kind) {
        Some(path) => {
            let pointer = format!("/{}", path.join("/"));
            let pod = pod(kind, object).and_then(Value::as_object);
            let shape = || ImagesError::Shape { pointer: pointer.clone(), expected: "an object" };
            in_pod(pod.ok_or_else(shape)?, &pointer, &mut images)?;
        }
        None => {
            by_shape(object, "", &mut images)?;
            if images.is_empty() {
                let Kind { group, version, kind } = kind;
                let group = if group.is_empty() { String::new() } else { format!("{group}/") };
                return Err(ImagesError::NoPod(format!("{kind} of {group}{version}")));
            }
        }
    }
    Ok(images)
}

/// The images of what describes a pod.
fn in_pod(pod: &Map<String, Value>, pointer: &str, images: &mut Vec<Image>) -> Result<(), ImagesError> {
    for list in CONTAINERS {
        let here = format!("{pointer}/{list}");
        for (at, container) in items(pod, list, &here)?.iter().enumerate() {
            let place = format!("{here}/{at}/image");
            images.push(Image::of(container, container.get("image"), &here, place)?);
        }
    }
    let here = format!("{pointer}/volumes");
    for (at, volume) in items(pod, "volumes", &here)?.iter().enumerate() {
        if let Some(image) = volume.get("image").filter(|image| !image.is_null()) {
            let place = format!("{here}/{at}/image/reference");
            images.push(Image::of(volume, image.get("reference"), &here, place)?);
        }
    }
    Ok(())
}

fn items<'p>(pod: &'p Map<String, Value>, list: &str, pointer: &str) -> Result<&'p [Value], ImagesError> {
    match pod.get(list) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) if items.iter().all(Value::is_object) => Ok(items),
        Some(_) => Err(ImagesError::Shape { pointer: pointer.to_owned(), expected: "a list of objects" }),
    }
}

impl Image {
    fn of(item: &Value, image: Option<&Value>, list: &str, pointer: String) -> Result<Self, ImagesError> {
        let text = match image {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err(ImagesError::Shape { pointer, expected: "an image's name" }),
        };
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        Ok(Self { pointer, text, slot: (list.to_owned(), name.to_owned()) })
    }
}

/// Whatever has lists of containers, at any depth: a resource of others with a pod in it. Depth is bounded by decoding.
fn by_shape(value: &Value, pointer: &str, images: &mut Vec<Image>) -> Result<(), ImagesError> {
    match value {
        Value::Object(members) => {
            if CONTAINERS.iter().any(|list| members.get(*list).is_some_and(is_list_of_objects)) {
                return in_pod(members, pointer, images);
            }
            for (key, value) in members {
                by_shape(value, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), images)?;
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                by_shape(item, &format!("{pointer}/{at}"), images)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn is_list_of_objects(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(group: &str, kind: &str) -> Kind {
        Kind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() }
    }

    fn pointers(group: &str, name: &str, object: &Value) -> Vec<String> {
        find(&kind(group, name), object).unwrap().into_iter().map(|image| image.pointer).collect()
    }

    // [V-321]
    #[test]
    fn every_kind_has_its_pod_where_kubernetes_has_it() {
        let pod = json!({
            "containers": [{ "name": "a", "image": "a" }, { "name": "b", "image": "b" }],
            "initContainers": [{ "name": "c", "image": "c" }],
            "ephemeralContainers": [{ "name": "d", "image": "d" }],
            "volumes": [{ "name": "e", "emptyDir": {} }, { "name": "f", "image": { "reference": "f" } }],
        });
        let within = |at: &str| {
            [
                "containers/0/image",
                "containers/1/image",
                "initContainers/0/image",
                "ephemeralContainers/0/image",
                "volumes/1/image/reference",
            ]
            .map(|place| format!("{at}/{place}"))
        };
        assert_eq!(pointers("", "Pod", &json!({ "spec": pod })), within("/spec"));
        let template = json!({ "spec": { "template": { "spec": pod } } });
        for (group, name) in [
            ("", "ReplicationController"),
            ("apps", "Deployment"),
            ("apps", "ReplicaSet"),
            ("apps", "DaemonSet"),
            ("apps", "StatefulSet"),
            ("batch", "Job"),
            ("argoproj.io", "Rollout"),
            ("extensions", "Deployment"),
        ] {
            assert_eq!(pointers(group, name, &template), within("/spec/template/spec"), "{group} {name}");
        }
        let nested = json!({ "spec": { "jobTemplate": template } });
        assert_eq!(pointers("batch", "CronJob", &nested), within("/spec/jobTemplate/spec/template/spec"));
        let bare = json!({ "template": { "spec": pod } });
        assert_eq!(pointers("", "PodTemplate", &bare), within("/template/spec"));
        // Kubernetes 1.20 has a kind of its own for what `kubectl debug` adds.
        let ephemeral = json!({ "ephemeralContainers": [{ "name": "d", "image": "d" }] });
        assert_eq!(pointers("", "EphemeralContainers", &ephemeral), ["/ephemeralContainers/0/image"]);
        let custom = json!({ "spec": { "a/b~c": [{ "containers": [{ "image": "x" }] }] } });
        assert_eq!(pointers("x.example", "Fleet", &custom), ["/spec/a~1b~0c/0/containers/0/image"]);
    }

    // [V-321]
    #[test]
    fn what_is_not_as_it_should_be_is_no_leave() {
        for (name, object, place) in [
            ("Pod", json!(null), "/spec"),
            ("Pod", json!({}), "/spec"),
            ("Pod", json!({ "spec": [] }), "/spec"),
            ("Pod", json!({ "spec": { "containers": {} } }), "/spec/containers"),
            ("Pod", json!({ "spec": { "containers": ["a"] } }), "/spec/containers"),
            ("Pod", json!({ "spec": { "containers": [{ "image": 1 }] } }), "/spec/containers/0/image"),
            (
                "Pod",
                json!({ "spec": { "volumes": [{ "image": { "reference": {} } }] } }),
                "/spec/volumes/0/image/reference",
            ),
            ("ReplicationController", json!({ "spec": { "containers": [] } }), "/spec/template/spec"),
        ] {
            let error = find(&kind("", name), &object).unwrap_err();
            assert!(matches!(&error, ImagesError::Shape { pointer, .. } if pointer == place), "{object}: {error}");
        }
        for object in [json!(null), json!({ "spec": {} }), json!({ "containers": 3 }), json!({ "containers": [] })] {
            assert!(matches!(find(&kind("x.example", "Thing"), &object), Err(ImagesError::NoPod(_))), "{object}");
        }
        // A container without an image is found, and its name is none.
        let none = find(&kind("", "Pod"), &json!({ "spec": { "containers": [{ "name": "a" }] } })).unwrap();
        assert_eq!(none.iter().map(|image| image.text.as_str()).collect::<Vec<_>>(), [""]);
    }
}
