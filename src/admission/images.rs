//! Where objects name images.

use super::Kind;
use crate::limits::{REVIEW_IMAGES, REVIEW_IMAGES_BYTES, REVIEW_NAME_BYTES};
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
}

/// An image where it was found.
#[derive(Debug)]
pub(super) struct Found {
    image: Image,
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
    /// More than is judged at once.
    #[error(
        "more than {REVIEW_IMAGES} images, or {REVIEW_IMAGES_BYTES} bytes of their names and places, are not judged at once"
    )]
    TooMany,
    /// A place whose name is out of all proportion.
    #[error("a pod at a place whose name has more than {REVIEW_NAME_BYTES} bytes")]
    TooDeep,
}

impl Found {
    /// Whether it is the same name for the same container or volume.
    fn is_same(&self, other: &Self) -> bool {
        self.slot == other.slot && self.image.text == other.image.text && !self.slot.1.is_empty()
    }
}

/// The images of what was found that were not there before.
pub(super) fn new(found: Vec<Found>, old: &[Found]) -> Result<Vec<Image>, ImagesError> {
    let new = found.into_iter().filter(|found| !old.iter().any(|old| old.is_same(found)));
    let images: Vec<_> = new.map(|found| found.image).collect();
    let bytes: usize = images.iter().map(|image| image.pointer.len() + image.text.len()).sum();
    if bytes > REVIEW_IMAGES_BYTES { Err(ImagesError::TooMany) } else { Ok(images) }
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
pub(super) fn find(kind: &Kind, object: &Value) -> Result<Vec<Found>, ImagesError> {
    let mut images = Vec::new();
    match path(kind) {
        Some(path) => {
            let pointer = format!("/{}", path.join("/"));
            let pod = pod(kind, object).and_then(Value::as_object);
            let shape = |below: &str, expected| ImagesError::Shape { pointer: format!("{pointer}{below}"), expected };
            let pod = pod.ok_or_else(|| shape("", "an object"))?;
            in_pod(pod, &pointer, &mut images)?;
            if pod.get("containers").and_then(Value::as_array).is_none_or(Vec::is_empty) {
                return Err(shape("/containers", "a pod's containers"));
            }
        }
        None => {
            by_shape(object, &mut String::new(), &mut images)?;
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
fn in_pod(pod: &Map<String, Value>, pointer: &str, images: &mut Vec<Found>) -> Result<(), ImagesError> {
    if pointer.len() > REVIEW_NAME_BYTES {
        return Err(ImagesError::TooDeep);
    }
    for list in CONTAINERS {
        let here = format!("{pointer}/{list}");
        for (at, container) in items(pod, list, &here)?.iter().enumerate() {
            let place = format!("{here}/{at}/image");
            images.push(Found::of(container, container.get("image"), &here, place)?);
        }
    }
    let here = format!("{pointer}/volumes");
    for (at, volume) in items(pod, "volumes", &here)?.iter().enumerate() {
        if let Some(image) = volume.get("image").filter(|image| !image.is_null()) {
            let place = format!("{here}/{at}/image/reference");
            images.push(Found::of(volume, image.get("reference"), &here, place)?);
        }
    }
    if images.len() > REVIEW_IMAGES { Err(ImagesError::TooMany) } else { Ok(()) }
}

fn items<'p>(pod: &'p Map<String, Value>, list: &str, pointer: &str) -> Result<&'p [Value], ImagesError> {
    match pod.get(list) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) if items.iter().all(Value::is_object) => Ok(items),
        Some(_) => Err(ImagesError::Shape { pointer: pointer.to_owned(), expected: "a list of objects" }),
    }
}

impl Found {
    fn of(item: &Value, image: Option<&Value>, list: &str, pointer: String) -> Result<Self, ImagesError> {
        let text = match image {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err(ImagesError::Shape { pointer, expected: "an image's name" }),
        };
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        Ok(Self { image: Image { pointer, text }, slot: (list.to_owned(), name.to_owned()) })
    }
}

/// Whatever has lists of containers, at any depth: a resource of others with pods in it. One may hide no other, so nothing of
/// the object is passed over. Depth is bounded by decoding.
fn by_shape(value: &Value, place: &mut String, images: &mut Vec<Found>) -> Result<(), ImagesError> {
    let here = place.len();
    match value {
        Value::Object(members) => {
            if CONTAINERS.iter().any(|list| members.get(*list).is_some_and(has_objects)) {
                in_pod(members, place, images)?;
            }
            for (key, value) in members {
                place.push('/');
                place.push_str(&key.replace('~', "~0").replace('/', "~1"));
                by_shape(value, place, images)?;
                place.truncate(here);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                place.push_str(&format!("/{at}"));
                by_shape(item, place, images)?;
                place.truncate(here);
            }
        }
        _ => {}
    }
    Ok(())
}

fn has_objects(list: &Value) -> bool {
    list.as_array().is_some_and(|items| items.iter().any(Value::is_object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(group: &str, kind: &str) -> Kind {
        Kind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() }
    }

    fn pointers(group: &str, name: &str, object: &Value) -> Vec<String> {
        find(&kind(group, name), object).unwrap().into_iter().map(|found| found.image.pointer).collect()
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
        assert_eq!(none.iter().map(|found| found.image.text.as_str()).collect::<Vec<_>>(), [""]);
        let mixed = json!({ "spec": { "containers": ["a", { "image": "x" }] } });
        let error = find(&kind("x.example", "Thing"), &mixed).unwrap_err();
        assert!(matches!(&error, ImagesError::Shape { pointer, .. } if pointer == "/spec/containers"), "{error}");
    }

    // [V-321]
    #[test]
    fn no_list_hides_another() {
        let pod = |image: &str| json!({ "spec": { "containers": [{ "image": image }] } });
        let beside = json!({ "spec": { "initContainers": [{ "image": "a" }], "worker": pod("b"), "containers": [] } });
        let found = ["/spec/initContainers/0/image", "/spec/worker/spec/containers/0/image"];
        assert_eq!(pointers("x.example", "Fleet", &beside), found);
        let within =
            json!({ "containers": [{ "image": "a", "more": pod("b") }], "volumes": [{ "template": pod("c") }] });
        let found = [
            "/containers/0/image",
            "/containers/0/more/spec/containers/0/image",
            "/volumes/0/template/spec/containers/0/image",
        ];
        assert_eq!(pointers("x.example", "Fleet", &within), found);
    }

    // [V-321]
    #[test]
    fn what_is_kept_of_an_object_is_bounded() {
        let container = |image: String| json!({ "name": "a", "image": image });
        let of = |images: Vec<Value>| {
            let found = find(&kind("", "Pod"), &json!({ "spec": { "containers": images } }))?;
            new(found, &[]).map(|images| images.len())
        };
        let honest = format!("registry.example.com/team/app:{}@sha256:{}", "1".repeat(40), "1".repeat(64));
        assert_eq!(of(vec![container(honest.clone()); REVIEW_IMAGES]), Ok(REVIEW_IMAGES));
        assert_eq!(of(vec![container(honest); REVIEW_IMAGES + 1]), Err(ImagesError::TooMany));
        assert_eq!(of(vec![container("a".repeat(REVIEW_IMAGES_BYTES))]), Err(ImagesError::TooMany));
        let pods = vec![json!({ "containers": [{ "image": "a" }] }); 2];
        let far = json!({ "a".repeat(REVIEW_NAME_BYTES): pods });
        assert_eq!(find(&kind("x.example", "Fleet"), &far).unwrap_err(), ImagesError::TooDeep);
    }
}
