//! By what a pod's credentials for registries are found.

use crate::limits::PULL_SECRETS;
use serde_json::Value;

/// Where the kubelet looks for a pod's credentials. All of it are names that an API server can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The pod's namespace; empty for what is in none, which has no credentials.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// Its pull secrets, in their order.
    pub pull_secrets: Vec<String>,
}

/// A name that no object can have. What it is, is not repeated: it is the sender's, and may be a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: expected a DNS subdomain (RFC 1123) of at most 253 bytes, as Kubernetes' objects are named")]
pub struct AccountError(&'static str);

impl Account {
    /// The account of a pod, by its description where the object has one.
    ///
    /// # Errors
    /// A name that is none. It would go into the path of a request with the webhook's own rights.
    pub(super) fn of(namespace: &str, pod: Option<&Value>) -> Result<Self, AccountError> {
        let member = |name| pod.and_then(|pod| pod.get(name));
        let service_account = member("serviceAccountName").and_then(Value::as_str).filter(|name| !name.is_empty());
        let listed = member("imagePullSecrets").and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            namespace: if namespace.is_empty() { String::new() } else { named(namespace, "namespace")? },
            service_account: named(service_account.unwrap_or("default"), "serviceAccountName")?,
            pull_secrets: Self::secrets_named(listed.filter_map(|entry| entry.get("name")?.as_str()))?,
        })
    }

    /// The names of secrets as they are listed; empty ones are none.
    ///
    /// # Errors
    /// A name that is none.
    pub fn secrets_named<'n>(listed: impl Iterator<Item = &'n str>) -> Result<Vec<String>, AccountError> {
        let names = listed.filter(|name| !name.is_empty()).take(PULL_SECRETS);
        names.map(|name| named(name, "imagePullSecrets")).collect()
    }
}

fn named(name: &str, member: &'static str) -> Result<String, AccountError> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| inner(*first) && inner(*last));
        ends && bytes.iter().all(|c| inner(*c) || *c == b'-')
    };
    if name.len() <= 253 && name.split('.').all(label) { Ok(name.to_owned()) } else { Err(AccountError(member)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // [V-330]
    #[test]
    fn the_pods_own_credentials_are_named() {
        let of = |pod: &Value| Account::of("shop", Some(pod)).unwrap();
        let plain = Account::of("shop", None).unwrap();
        assert_eq!((plain.namespace.as_str(), plain.service_account.as_str()), ("shop", "default"));
        assert_eq!(of(&json!({ "serviceAccountName": "", "imagePullSecrets": null })), plain);
        let secrets = json!([{ "name": "one" }, {}, { "name": "" }, { "name": "two.x-1" }]);
        let both = of(&json!({ "serviceAccountName": "builder", "imagePullSecrets": secrets }));
        assert_eq!(
            (both.service_account.as_str(), both.pull_secrets),
            ("builder", vec!["one".into(), "two.x-1".into()])
        );
        assert!(Account::of("", None).unwrap().namespace.is_empty());
    }

    // [V-330]
    #[test]
    fn what_is_no_name_is_asked_for_nowhere() {
        let long = "a".repeat(254);
        for odd in [
            "../../kube-system/secrets/x",
            "a/b",
            "a?b",
            "a%2f",
            "..",
            ".",
            "a..b",
            "-a",
            "a-",
            "A",
            "a b",
            "ä",
            "a\n",
            &long,
        ] {
            for pod in [json!({ "imagePullSecrets": [{ "name": odd }] }), json!({ "serviceAccountName": odd })] {
                let error = Account::of("shop", Some(&pod)).unwrap_err().to_string();
                assert!(!error.contains("secrets/x") && error.len() < 200, "{error}");
            }
            assert_eq!(Account::of(odd, None), Err(AccountError("namespace")), "{odd}");
        }
    }
}
