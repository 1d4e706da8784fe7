use super::{
    account::{Account, AccountError},
    images::{Image, ImagesError, find, new},
};
use crate::{
    json::{JsonError, decode_value_within},
    limits::{REVIEW_NAME_BYTES, REVIEW_VALUES},
};
use serde::Deserialize;
use serde_json::Value;

const API_VERSION: &str = "admission.k8s.io/v1";

/// The subresource of pods by which images come in.
const EPHEMERAL: &str = "ephemeralcontainers";

/// What an API server asks: may this object be written? All of it was written by whoever sends the object, of which only this
/// is kept: it may wait long for its judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// Names the review; stands in the answer.
    pub uid: String,
    /// What is done with the object.
    pub operation: Operation,
    /// What the object is.
    pub kind: Kind,
    /// The part of it that is written, where it is not the whole.
    pub sub_resource: Option<String>,
    /// The object's namespace; empty for what has none.
    pub namespace: String,
    /// The object's name; empty where the API server makes one up.
    pub name: String,
    /// The images that have to be judged: those of the object, on an update without those that the same container or volume
    /// had before. A pod is judged when it is created, whatever made it; so who annotates or scales what runs already is not
    /// held up by what happened to its image since.
    ///
    /// What is deleted or connected to brings no image. A subresource brings one where it has the shape, as
    /// `ephemeralcontainers` has. An object that is not as Kubernetes has it, or of a kind in which no pod is found, is no leave.
    pub images: Result<Vec<Image>, ImagesError>,
    /// Whose credentials are its pod's.
    pub account: Result<Account, AccountError>,
}

/// What is done with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is new.
    Create,
    /// It is there already.
    Update,
    /// It goes.
    Delete,
    /// Something is done through it (exec, attach, proxy); nothing is written.
    Connect,
    /// What Kubernetes does not have yet.
    Other(String),
}

/// The kind of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Kind {
    /// The API group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
}

/// Why bytes are no review. Whoever asked gets no answer that could be taken for one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// Not the expected JSON, or too much of it.
    #[error("no AdmissionReview: {0}")]
    Json(#[from] JsonError),
    /// Another type or version.
    #[error("no AdmissionReview of {API_VERSION}, but {kind:?} of {api_version:?}")]
    Version {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// There is no uid to answer to.
    #[error("the AdmissionReview has no request with a uid of 1 to 128 characters")]
    Uid,
    /// A name is out of all proportion.
    #[error("the AdmissionReview has an operation, a kind or a name of more than {REVIEW_NAME_BYTES} bytes")]
    Name,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    kind: Kind,
    sub_resource: Option<String>,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
}

impl Review {
    /// Decodes a review.
    ///
    /// # Errors
    /// Bytes that are no AdmissionReview of `admission.k8s.io/v1`, are nested too deep, have more than [`REVIEW_VALUES`]
    /// values, or names of more than [`REVIEW_NAME_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ReviewError> {
        let wire = Wire::deserialize(decode_value_within(bytes, REVIEW_VALUES)?).map_err(JsonError::from)?;
        if (wire.api_version.as_str(), wire.kind.as_str()) != (API_VERSION, "AdmissionReview") {
            return Err(ReviewError::Version { api_version: wire.api_version, kind: wire.kind });
        }
        let request = wire.request.filter(|request| (1..=128).contains(&request.uid.len())).ok_or(ReviewError::Uid)?;
        let Request { uid, operation, kind, namespace, name, .. } = request;
        let sub_resource = request.sub_resource.filter(|name| !name.is_empty());
        let names = [&operation, &kind.group, &kind.version, &kind.kind, &namespace, &name];
        if names.into_iter().chain(&sub_resource).any(|name| name.len() > REVIEW_NAME_BYTES) {
            return Err(ReviewError::Name);
        }
        let operation = Operation::of(operation);
        let images = images(&operation, &kind, sub_resource.as_deref(), &request.object, &request.old_object);
        let account = Account::of(&namespace, super::images::pod(&kind, &request.object));
        Ok(Self { uid, operation, kind, sub_resource, namespace, name, images, account })
    }
}

impl Operation {
    fn of(word: String) -> Self {
        match word.as_str() {
            "CREATE" => Self::Create,
            "UPDATE" => Self::Update,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            _ => Self::Other(word),
        }
    }
}

/// [`Review::images`].
fn images(
    operation: &Operation,
    kind: &Kind,
    part: Option<&str>,
    object: &Value,
    old: &Value,
) -> Result<Vec<Image>, ImagesError> {
    let old = match operation {
        Operation::Delete | Operation::Connect => return Ok(Vec::new()),
        Operation::Other(operation) => return Err(ImagesError::Operation(operation.clone())),
        Operation::Update => find(kind, old).unwrap_or_default(),
        Operation::Create => Vec::new(),
    };
    match find(kind, object) {
        // Scale, Binding, Eviction: other kinds, written through the object.
        Err(ImagesError::NoPod(_)) if part.is_some_and(|part| part != EPHEMERAL) => Ok(Vec::new()),
        found => new(found?, &old),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn review(operation: &str, part: &str, kind: [&str; 2], object: &Value, old: &Value) -> Review {
        let review = json!({
            "apiVersion": API_VERSION, "kind": "AdmissionReview",
            "request": {
                "uid": "u", "operation": operation, "subResource": part, "namespace": "shop", "name": "cart",
                "kind": { "group": kind[0], "version": "v1", "kind": kind[1] }, "object": object, "oldObject": old,
            },
        });
        Review::decode(review.to_string().as_bytes()).unwrap()
    }

    fn found(review: &Review) -> Vec<String> {
        review.images.as_ref().unwrap().iter().map(|image| format!("{} {}", image.pointer, image.text)).collect()
    }

    fn pod(images: &[(&str, &str)]) -> Value {
        let containers: Vec<_> = images.iter().map(|(name, image)| json!({ "name": name, "image": image })).collect();
        json!({ "metadata": {}, "spec": { "containers": containers } })
    }

    // [V-322]
    #[test]
    fn an_update_is_judged_by_what_it_changes() {
        let old = pod(&[("a", "r.example/a:1"), ("b", "r.example/b:1")]);
        let changed = pod(&[("b", "r.example/b:1"), ("a", "r.example/a:2"), ("c", "r.example/a:1")]);
        for part in ["", EPHEMERAL, "resize"] {
            let review = review("UPDATE", part, ["", "Pod"], &changed, &old);
            let expected = ["/spec/containers/1/image r.example/a:2", "/spec/containers/2/image r.example/a:1"];
            assert_eq!(found(&review), expected, "{part}");
        }
        let same = json!({ "metadata": { "annotations": { "a": "b" } }, "spec": old["spec"] });
        assert!(found(&review("UPDATE", "", ["", "Pod"], &same, &old)).is_empty());
        // What is not known to have been there before is judged.
        assert_eq!(found(&review("UPDATE", "", ["", "Pod"], &same, &Value::Null)).len(), 2);
        assert_eq!(found(&review("CREATE", "", ["", "Pod"], &same, &old)).len(), 2);
    }

    // [V-322]
    #[test]
    fn what_goes_passes_and_what_is_not_known_does_not() {
        for operation in ["DELETE", "CONNECT"] {
            assert!(found(&review(operation, "", ["", "Pod"], &Value::Null, &pod(&[("a", "x")]))).is_empty());
        }
        let other = review("PATCH", "", ["", "Pod"], &pod(&[("a", "x")]), &Value::Null);
        assert!(matches!(&other.images, Err(ImagesError::Operation(name)) if name == "PATCH"));
        let scale = json!({ "spec": { "replicas": 3 } });
        assert!(found(&review("UPDATE", "scale", ["autoscaling", "Scale"], &scale, &scale)).is_empty());
        let scale = review("UPDATE", "", ["autoscaling", "Scale"], &scale, &scale);
        assert!(matches!(scale.images, Err(ImagesError::NoPod(_))));
    }

    // [V-320]
    #[test]
    fn what_is_no_review_has_no_answer() {
        let review = |version: &str, kind: &str, uid: &str| {
            json!({ "apiVersion": version, "kind": kind, "request": { "uid": uid } }).to_string()
        };
        for bad in [
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            review("admission.k8s.io/v1beta1", "AdmissionReview", "u"),
            review(API_VERSION, "ConversionReview", "u"),
            review(API_VERSION, "AdmissionReview", ""),
            review(API_VERSION, "AdmissionReview", &"u".repeat(129)),
            json!({ "apiVersion": API_VERSION, "kind": "AdmissionReview" }).to_string(),
            review(API_VERSION, "AdmissionReview", "u").replace("\"uid\"", "\"uid\":\"v\",\"uid\""),
            review(API_VERSION, "AdmissionReview", "u") + "{}",
            format!(r#"{{"request":{}1{}}}"#, "[".repeat(1_000), "]".repeat(1_000)),
            format!(r#"{{"request":[1{}]}}"#, ",1".repeat(REVIEW_VALUES)),
        ] {
            assert!(Review::decode(bad.as_bytes()).is_err(), "{bad:.80}");
        }
        assert!(Review::decode(review(API_VERSION, "AdmissionReview", "u").as_bytes()).is_ok());
    }

    // [V-320]
    #[test]
    fn of_a_large_object_little_is_kept() {
        let mut large = pod(&[("a", "r.example/a:1")]);
        large["metadata"]["annotations"] = json!({ "large": "x".repeat(1 << 20) });
        large["spec"]["imagePullSecrets"] = json!([{ "name": "x".repeat(1 << 20) }]);
        for operation in ["CREATE", "UPDATE"] {
            let review = review(operation, "", ["", "Pod"], &large, &large);
            assert!(format!("{review:?}").len() < 4 << 10, "{operation}");
        }
        let named = json!({
            "apiVersion": API_VERSION, "kind": "AdmissionReview",
            "request": { "uid": "u", "name": "n".repeat(REVIEW_NAME_BYTES + 1) },
        });
        assert!(matches!(Review::decode(named.to_string().as_bytes()), Err(ReviewError::Name)));
    }
}
