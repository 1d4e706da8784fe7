use super::images::{Image, ImagesError, find};
use crate::{
    json::{JsonError, decode_value_within},
    limits::{REVIEW_IMAGES, REVIEW_VALUES},
};
use serde::Deserialize;
use serde_json::Value;

const API_VERSION: &str = "admission.k8s.io/v1";

/// The subresource of pods by which images come in.
const EPHEMERAL: &str = "ephemeralcontainers";

/// What an API server asks: may this object be written? All of it was written by whoever sends the object.
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
    object: Value,
    old_object: Value,
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
    /// Bytes that are no AdmissionReview of `admission.k8s.io/v1`, are nested too deep, or have more than
    /// [`REVIEW_VALUES`] values.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReviewError> {
        let wire = Wire::deserialize(decode_value_within(bytes, REVIEW_VALUES)?).map_err(JsonError::from)?;
        if (wire.api_version.as_str(), wire.kind.as_str()) != (API_VERSION, "AdmissionReview") {
            return Err(ReviewError::Version { api_version: wire.api_version, kind: wire.kind });
        }
        let request = wire.request.filter(|request| (1..=128).contains(&request.uid.len())).ok_or(ReviewError::Uid)?;
        Ok(Self {
            uid: request.uid,
            operation: match request.operation.as_str() {
                "CREATE" => Operation::Create,
                "UPDATE" => Operation::Update,
                "DELETE" => Operation::Delete,
                "CONNECT" => Operation::Connect,
                _ => Operation::Other(request.operation),
            },
            kind: request.kind,
            sub_resource: request.sub_resource.filter(|name| !name.is_empty()),
            namespace: request.namespace,
            name: request.name,
            object: request.object,
            old_object: request.old_object,
        })
    }

    /// The images that have to be judged: those of the object, on an update without those that the same container or volume
    /// had before. A pod is judged when it is created, whatever made it; so who annotates or scales what runs already is not
    /// held up by what happened to its image since.
    ///
    /// What is deleted or connected to brings no image. A subresource brings one where it has the shape, as
    /// `ephemeralcontainers` has.
    ///
    /// # Errors
    /// The object is not as Kubernetes has it, or of a kind in which no pod is found: that is no leave.
    pub fn images(&self) -> Result<Vec<Image>, ImagesError> {
        let old = match &self.operation {
            Operation::Delete | Operation::Connect => return Ok(Vec::new()),
            Operation::Other(operation) => return Err(ImagesError::Operation(operation.clone())),
            Operation::Update => find(&self.kind, &self.old_object).unwrap_or_default(),
            Operation::Create => Vec::new(),
        };
        let part = self.sub_resource.as_ref().is_some_and(|part| part != EPHEMERAL);
        let mut images = match find(&self.kind, &self.object) {
            // Scale, Binding, Eviction: other kinds, written through the object.
            Err(ImagesError::NoPod(_)) if part => Vec::new(),
            found => found?,
        };
        images.retain(|image| !old.iter().any(|old| old.is_same(image)));
        if images.len() > REVIEW_IMAGES {
            return Err(ImagesError::TooMany(images.len()));
        }
        Ok(images)
    }

    /// The part of the object that describes the pod, where its kind is known.
    pub(super) fn pod(&self) -> Option<&Value> {
        super::images::pod(&self.kind, &self.object)
    }

    /// The names of the pod's pull secrets, in their order.
    #[must_use]
    pub fn pull_secrets(&self) -> Vec<String> {
        let listed = self.pod().and_then(|pod| pod.get("imagePullSecrets")).and_then(Value::as_array);
        let name = |entry: &Value| entry.get("name")?.as_str().map(str::to_owned);
        listed.into_iter().flatten().filter_map(name).take(crate::limits::PULL_SECRETS).collect()
    }

    /// The name of the pod's service account.
    #[must_use]
    pub fn service_account(&self) -> &str {
        let named = self.pod().and_then(|pod| pod.get("serviceAccountName")).and_then(Value::as_str);
        named.filter(|name| !name.is_empty()).unwrap_or("default")
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
        review.images().unwrap().into_iter().map(|image| format!("{} {}", image.pointer, image.text)).collect()
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
        assert!(matches!(other.images(), Err(ImagesError::Operation(name)) if name == "PATCH"));
        let scale = json!({ "spec": { "replicas": 3 } });
        assert!(found(&review("UPDATE", "scale", ["autoscaling", "Scale"], &scale, &scale)).is_empty());
        let scale = review("UPDATE", "", ["autoscaling", "Scale"], &scale, &scale);
        assert!(matches!(scale.images(), Err(ImagesError::NoPod(_))));
        let many: Vec<_> = (0..=REVIEW_IMAGES).map(|n| (n.to_string(), "x")).collect();
        let many: Vec<_> = many.iter().map(|(name, image)| (name.as_str(), *image)).collect();
        let many = review("CREATE", "", ["", "Pod"], &pod(&many), &Value::Null);
        assert!(matches!(many.images(), Err(ImagesError::TooMany(_))));
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

    #[test]
    fn the_pods_own_credentials_are_named() {
        let mut template = json!({ "spec": { "template": pod(&[("a", "x")]) } });
        let deployment = |object: &Value| review("CREATE", "", ["apps", "Deployment"], object, &Value::Null);
        assert_eq!(deployment(&template).service_account(), "default");
        assert!(deployment(&template).pull_secrets().is_empty());
        template["spec"]["template"]["spec"]["serviceAccountName"] = "builder".into();
        template["spec"]["template"]["spec"]["imagePullSecrets"] = json!([{ "name": "one" }, {}, { "name": "two" }]);
        assert_eq!(deployment(&template).service_account(), "builder");
        assert_eq!(deployment(&template).pull_secrets(), ["one", "two"]);
    }
}
