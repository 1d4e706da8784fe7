use super::{Credential, Secret};
use crate::{limits::CREDENTIALS_BYTES, registry::Fault};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::{collections::BTreeMap, fs::File, io::Read, path::Path};
use zeroize::Zeroizing;

/// Docker's `config.json` or podman's `auth.json`: the members that speak of credentials.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CredentialFile {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

/// One registry's entry. `{}` is what Docker writes beside a credential store.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

impl CredentialFile {
    /// Reads a file; `None` if there is none. `wrapped` is false for `~/.dockercfg`, which is its own `auths`.
    pub(super) fn read(path: &Path, wrapped: bool) -> Result<Option<Self>, Fault> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Fault::Io { path: path.to_owned(), source }),
        };
        let mut content = Zeroizing::new(Vec::new());
        let read = file.take(CREDENTIALS_BYTES + 1).read_to_end(&mut content);
        read.map_err(|source| Fault::Io { path: path.to_owned(), source })?;
        Self::decode(&content, &path.display().to_string(), wrapped).map(Some)
    }

    /// Decodes a file's content. Errors name the place, never the content, which is secret.
    pub(super) fn decode(content: &[u8], name: &str, wrapped: bool) -> Result<Self, Fault> {
        if content.len() as u64 > CREDENTIALS_BYTES {
            let limit = format!("{CREDENTIALS_BYTES} bytes");
            return Err(Fault::Limit { what: "the credential file", limit });
        }
        if content.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let decoded = if wrapped {
            serde_json::from_slice(content)
        } else {
            serde_json::from_slice(content).map(|auths| Self { auths, ..Self::default() })
        };
        decoded.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Fault::Credentials(format!("{name}: no credential file's JSON at line {line}, column {column}"))
        })
    }

    /// The helper set for one of these names, the most specific first.
    pub(super) fn helper(&self, names: &[String]) -> Option<&str> {
        most_specific(&self.cred_helpers, names).map(String::as_str)
    }

    /// The helper set for everything else.
    pub(super) fn store(&self) -> Option<&str> {
        self.creds_store.as_deref().filter(|name| !name.is_empty())
    }

    /// What `auths` has for the most specific of these names, and how specific that is: 0 is the most.
    pub(super) fn entry(&self, names: &[String], source: &str) -> Result<Option<(usize, Credential)>, Fault> {
        self.entries(names, source).next().transpose()
    }

    /// All that `auths` has for these names, likewise; of one name the first entry.
    pub(super) fn entries<'f>(
        &'f self,
        names: &'f [String],
        source: &'f str,
    ) -> impl Iterator<Item = Result<(usize, Credential), Fault>> + 'f {
        names.iter().enumerate().filter_map(move |(rank, name)| {
            let mut usable = self.auths.iter().filter(|(_, entry)| !entry.is_empty());
            let (key, entry) = usable.find(|(key, _)| normal_key(key) == *name)?;
            Some(entry.credential(&format!("{source}: the entry {key:?}")).map(|credential| (rank, credential)))
        })
    }
}

impl Entry {
    fn is_empty(&self) -> bool {
        let none = |secret: &Option<Secret>| secret.as_ref().is_none_or(Secret::is_empty);
        none(&self.auth) && none(&self.password) && none(&self.identitytoken) && none(&self.registrytoken)
    }

    fn credential(&self, what: &str) -> Result<Credential, Fault> {
        let some = |secret: &Option<Secret>| secret.clone().filter(|secret| !secret.is_empty());
        if let Some(token) = some(&self.registrytoken) {
            return Ok(Credential::Bearer(token));
        }
        if let Some(token) = some(&self.identitytoken) {
            return Ok(Credential::Identity(token));
        }
        if let Some(auth) = some(&self.auth) {
            return decode_auth(&auth)
                .ok_or_else(|| Fault::Credentials(format!("{what} has an `auth` that is no base64 of user:password")));
        }
        match (&self.username, some(&self.password)) {
            (Some(username), Some(password)) => Ok(Credential::Basic { username: username.clone(), password }),
            _ => Err(Fault::Credentials(format!("{what} has a password without `username`"))),
        }
    }
}

/// `base64(user:password)`; Docker pads the password with zero bytes at times.
fn decode_auth(auth: &Secret) -> Option<Credential> {
    let bytes = Zeroizing::new(STANDARD.decode(auth.reveal()).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    let password = Secret::new(password.trim_end_matches('\0').to_owned());
    Some(Credential::Basic { username: username.to_owned(), password })
}

fn most_specific<'m, V>(map: &'m BTreeMap<String, V>, names: &[String]) -> Option<&'m V> {
    names.iter().find_map(|name| map.iter().find(|(key, _)| normal_key(key) == *name).map(|(_, value)| value))
}

/// A key without what old tools put around the host: a scheme with a path, or an API version. `docker.io` has three
/// names. What is left is a host, or podman's `host/namespace`.
fn normal_key(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let name = match bare {
        Some(url) => url.split('/').next().unwrap_or(url),
        None => {
            let name = key.trim_end_matches('/');
            name.strip_suffix("/v1").or_else(|| name.strip_suffix("/v2")).unwrap_or(name)
        }
    };
    let (host, path) = name.split_once('/').map_or((name, ""), |(host, path)| (host, path));
    let host = if matches!(host, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host };
    if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") }
}
