//! A pod's own credentials for registries: its pull secrets, else its service account's, as the kubelet has them.

use crate::{
    admission::{Account, AccountError, Review},
    limits::{API_SERVER_TIMEOUT, PULL_SECRETS_HELD, SERVE_SESSION_AGE},
    oci::Digest,
    serve::{Credentials, Judge},
};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client, Config};
use moka::future::Cache;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, sync::Arc};
use zeroize::Zeroizing;

/// The kinds of secrets that hold credentials: where, and whether they are below `auths`.
const KINDS: [(&str, &str, bool); 2] =
    [("kubernetes.io/dockerconfigjson", ".dockerconfigjson", true), ("kubernetes.io/dockercfg", ".dockercfg", false)];

/// Whose pull secrets are read: nobody's (`false`), everybody's (`true`), or those of the namespaces that are listed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected true, false, or a list of namespaces")]
pub enum PullSecretsOf {
    /// All, or none.
    All(bool),
    /// Of these namespaces. Pods of others are judged with the operator's credentials.
    Namespaces(BTreeSet<String>),
}

impl Default for PullSecretsOf {
    fn default() -> Self {
        Self::All(false)
    }
}

impl PullSecretsOf {
    fn has(&self, namespace: &str) -> bool {
        match self {
            Self::All(all) => *all,
            Self::Namespaces(named) => named.contains(namespace),
        }
    }
}

/// Why a pod's credentials are not known. It holds nothing of what they are.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullSecretsError {
    /// A name that goes into no request.
    #[error("pull secrets: {0}")]
    Name(#[from] AccountError),
    /// There is no API server.
    #[error("pull secrets: no API server: {0}")]
    Config(String),
    /// It does not say what a secret or an account is.
    #[error("{what} can't be read: {why}")]
    Read {
        /// The object.
        what: String,
        /// What the API server says.
        why: String,
    },
    /// A secret holds no credentials that can be used.
    #[error("the pull secret {0} is no {kind}", kind = KINDS.map(|(kind, ..)| kind).join(" or "))]
    Content(String),
    /// The connections can't be made.
    #[error("{0}")]
    Session(String),
}

/// Reads pods' credentials. What was read counts for some seconds.
pub(super) struct PullSecrets {
    client: Client,
    judge: Arc<Judge>,
    of: PullSecretsOf,
    /// By whose pod it is: held for it, and for no other.
    read: Cache<Account, Option<Credentials>>,
    sessions: Cache<Digest, Credentials>,
}

impl PullSecrets {
    /// Finds the API server: the cluster's own in a pod, else `KUBECONFIG`'s. None is looked for where nobody's are read.
    pub async fn connect(judge: Arc<Judge>, of: PullSecretsOf) -> Result<Option<Self>, PullSecretsError> {
        if of == PullSecretsOf::default() {
            return Ok(None);
        }
        let failed = |error: &dyn std::fmt::Display| PullSecretsError::Config(error.to_string());
        let mut config = Config::infer().await.map_err(|error| failed(&error))?;
        config.connect_timeout = Some(API_SERVER_TIMEOUT);
        config.read_timeout = Some(API_SERVER_TIMEOUT);
        let client = Client::try_from(config).map_err(|error| failed(&error))?;
        let (time, pods) = PULL_SECRETS_HELD;
        Ok(Some(Self {
            client,
            judge,
            of,
            read: Cache::builder().max_capacity(pods).time_to_live(time).build(),
            sessions: Cache::builder().max_capacity(pods / 16).time_to_live(SERVE_SESSION_AGE).build(),
        }))
    }

    /// The credentials of a review's pod; none where it has none, or they are not to be read: then the operator's count.
    pub async fn of(&self, review: &Review) -> Result<Option<Credentials>, PullSecretsError> {
        if review.namespace.is_empty() || !self.of.has(&review.namespace) {
            return Ok(None);
        }
        let account = review.account.as_ref().map_err(|error| *error)?;
        let read = self.read.try_get_with_by_ref(account, self.read(account)).await;
        read.map_err(|error| PullSecretsError::clone(&error))
    }

    async fn read(&self, account: &Account) -> Result<Option<Credentials>, PullSecretsError> {
        let namespace = &account.namespace;
        let mut names = account.pull_secrets.clone();
        if names.is_empty() {
            names = self.of_account(namespace, &account.service_account).await?;
        }
        let (mut files, mut identity) = (Vec::new(), String::new());
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        for name in &names {
            let place = format!("{namespace}/{name}");
            let read =
                secrets.get_opt(name).await.map_err(|error| failed(format!("the pull secret {place}"), &error))?;
            // As the kubelet: what is not there is passed over. The pull then fails as it would.
            let Some(secret) = read else { continue };
            let version = (secret.metadata.uid.as_deref(), secret.metadata.resource_version.as_deref());
            identity.push_str(&format!("{place} {version:?}\n"));
            let entries = entries(&secret).ok_or(PullSecretsError::Content(place))?;
            files.push(Zeroizing::new(json!({ "auths": entries }).to_string()));
        }
        if files.is_empty() {
            return Ok(None);
        }
        let identity = Digest::sha256(identity.as_bytes());
        let session = async {
            let session = self.judge.session_with(files);
            Ok(Credentials {
                session: session.map_err(|error| PullSecretsError::Session(error.to_string()))?,
                identity,
            })
        };
        let made = self.sessions.try_get_with(identity, session).await;
        made.map(Some).map_err(|error: Arc<PullSecretsError>| PullSecretsError::clone(&error))
    }

    async fn of_account(&self, namespace: &str, account: &str) -> Result<Vec<String>, PullSecretsError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let read = accounts.get_opt(account).await;
        let read = read.map_err(|error| failed(format!("the service account {namespace}/{account}"), &error))?;
        let listed = read.and_then(|account| account.image_pull_secrets).unwrap_or_default();
        let named = Account::secrets_named(listed.iter().map(|secret| secret.name.as_str()));
        Ok(named?)
    }
}

/// The entries of a secret, and nothing else of it: a helper that it names would be a program of this machine.
fn entries(secret: &Secret) -> Option<Map<String, Value>> {
    let (_, member, below) = KINDS.iter().find(|(kind, ..)| secret.type_.as_deref() == Some(kind))?;
    let content = secret.data.as_ref()?.get(*member)?;
    let mut file: Map<String, Value> = serde_json::from_slice(&content.0).ok()?;
    if !below {
        return Some(file);
    }
    match file.remove("auths") {
        Some(Value::Object(auths)) => Some(auths),
        None => Some(Map::new()),
        Some(_) => None,
    }
}

/// What went wrong, without what was sent: that may be a secret.
fn failed(what: String, error: &kube::Error) -> PullSecretsError {
    let why = match error {
        kube::Error::Api(status) => status.message.clone(),
        kube::Error::SerdeError(_) => "the API server's answer is not the object".to_owned(),
        other => other.to_string(),
    };
    PullSecretsError::Read { what, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use serde_json::json;

    fn secret(kind: &str, member: &str, content: &str) -> Secret {
        let data = [(member.to_owned(), ByteString(content.as_bytes().to_vec()))];
        Secret { type_: Some(kind.to_owned()), data: Some(data.into()), ..Secret::default() }
    }

    // [V-330]
    #[test]
    fn a_secret_names_no_program_of_this_machine() {
        let [(json_kind, json_member, _), (old_kind, old_member, _)] = KINDS;
        let entry = json!({ "r.example": { "auth": "YTpi" } });
        let file = json!({ "auths": entry, "credsStore": "evil", "credHelpers": { "r.example": "evil" } }).to_string();
        assert_eq!(Value::from(entries(&secret(json_kind, json_member, &file)).unwrap()), entry);
        assert_eq!(Value::from(entries(&secret(old_kind, old_member, &entry.to_string())).unwrap()), entry);
        assert!(entries(&secret(json_kind, json_member, "{}")).unwrap().is_empty());
        for (kind, member, content) in [
            ("Opaque", json_member, file.as_str()),
            (json_kind, old_member, &file),
            (json_kind, json_member, "no json"),
            (json_kind, json_member, r#"{"auths":[]}"#),
        ] {
            assert!(entries(&secret(kind, member, content)).is_none(), "{kind} {content}");
        }
    }
}
