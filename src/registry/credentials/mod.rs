//! Credentials of registries, from the places where `docker login` and `podman login` put them.

mod file;
mod helper;

use super::{Environment, Fault};
use crate::{limits::CREDENTIALS_TRIED, oci::RepositoryName};
use file::CredentialFile;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// A text that is never shown and wiped when dropped.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) struct Secret(Zeroizing<String>);

/// What one registry takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// User and password.
    Basic { username: String, password: Secret },
    /// A refresh token (OAuth2), to be traded for a registry token.
    Identity(Secret),
    /// A registry token, as it is.
    Bearer(Secret),
}

/// Credentials by repository, read once a run.
///
/// Pull secrets come first, where a caller has any: all that have something for the repository, the most specific first, since
/// the kubelet tries them in turn. Else the first source that has something for it wins:
///
/// 1. the file that `REGISTRY_AUTH_FILE` names; where it is set no other source is asked (podman, skopeo);
/// 2. `DOCKER_AUTH_CONFIG`, the content of such a file (docker, GitLab);
/// 3. `$DOCKER_CONFIG/config.json` where `DOCKER_CONFIG` is set (docker): what was named explicitly comes before
///    what lies at a usual place;
/// 4. `$XDG_RUNTIME_DIR/containers/auth.json`, then `$XDG_CONFIG_HOME/containers/auth.json` (or `~/.config/…`),
///    then, unless 3. holds, `~/.docker/config.json`, then `~/.dockercfg` (podman's order; whoever only uses docker has
///    none of the first two).
///
/// Within a file `credHelpers` comes before `credsStore`, and that before `auths`; a helper that knows nothing is
/// passed over. Names are matched from the most specific (`host/a/b`) to the host alone.
pub(super) struct Credentials {
    environment: Environment,
    sources: Mutex<BTreeMap<Place, Option<Arc<Source>>>>,
    asked: Mutex<BTreeMap<(String, String), Option<Credential>>>,
}

struct Source {
    name: String,
    file: CredentialFile,
}

impl Credentials {
    pub(super) fn new(environment: Environment) -> Self {
        Self { environment, sources: Mutex::default(), asked: Mutex::new(BTreeMap::new()) }
    }

    /// The credentials for a repository, in the order in which they are to be tried: none if no source has one, and more than one
    /// only of pull secrets, at most [`CREDENTIALS_TRIED`].
    ///
    /// # Errors
    /// A file that can't be read or decoded, a helper that fails.
    pub(super) async fn find(&self, repository: &RepositoryName) -> Result<Vec<Credential>, Fault> {
        let names = names(repository);
        let mut secrets = Vec::new();
        for place in self.places() {
            let is_secret = matches!(place, Place::PullSecret(_));
            if !is_secret && !secrets.is_empty() {
                break;
            }
            let Some(source) = self.read(&place).await? else { continue };
            if is_secret {
                secrets.extend(source.file.entries(&names, &source.name));
                continue;
            }
            let helper = source.file.helper(&names);
            if let Some(helper) = helper.or_else(|| source.file.store())
                && let Some(found) = self.ask(helper, &repository.host).await?
            {
                return Ok(vec![found]);
            }
            if helper.is_none()
                && let Some((_, found)) = source.file.entry(&names, &source.name)?
            {
                return Ok(vec![found]);
            }
        }
        in_turn(secrets)
    }

    /// Reads the file that is named, if one is.
    ///
    /// # Errors
    /// It is not there, or can't be used.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let named = self.environment.registry_auth_file.clone().map(Place::Named);
        named.map_or(Ok(()), |place| self.load(&place).map(drop))
    }

    /// Asks a helper, once a run for each server.
    async fn ask(&self, helper: &str, host: &str) -> Result<Option<Credential>, Fault> {
        let server = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
        let mut asked = self.asked.lock().await;
        let key = (helper.to_owned(), server.to_owned());
        if let Some(known) = asked.get(&key) {
            return Ok(known.clone());
        }
        let answer = helper::ask(helper, server, self.environment.path.as_deref()).await?;
        asked.insert(key, answer.clone());
        Ok(answer)
    }

    /// Where credentials may stand, in order.
    fn places(&self) -> Vec<Place> {
        let env = &self.environment;
        let mut places: Vec<_> = (0..env.pull_secrets.len()).map(Place::PullSecret).collect();
        if let Some(path) = &env.registry_auth_file {
            places.push(Place::Named(path.clone()));
            return places;
        }
        if env.docker_auth_config.is_some() {
            places.push(Place::Variable);
        }
        places.extend(files(env).into_iter().map(|(path, wrapped)| Place::File(path, wrapped)));
        places
    }

    /// A source, read once a run and only when it is its turn: a broken file behind the one that answers harms nobody.
    async fn read(&self, place: &Place) -> Result<Option<Arc<Source>>, Fault> {
        let mut read = self.sources.lock().await;
        if let Some(known) = read.get(place) {
            return Ok(known.clone());
        }
        let source = self.load(place)?.map(Arc::new);
        read.insert(place.clone(), source.clone());
        Ok(source)
    }

    fn load(&self, place: &Place) -> Result<Option<Source>, Fault> {
        let source = |path: &Path, file| Source { name: path.display().to_string(), file };
        match place {
            Place::PullSecret(at) => {
                let name = "the pull secrets";
                let content = self.environment.pull_secrets.get(*at);
                let file = content.map(|content| CredentialFile::decode(content.as_bytes(), name, true)).transpose()?;
                Ok(file.map(|file| Source { name: name.to_owned(), file }))
            }
            Place::Named(path) => match CredentialFile::read(path, true)? {
                Some(file) => Ok(Some(source(path, file))),
                None => {
                    let name = path.display();
                    Err(Fault::Credentials(format!(
                        "the file that was named (REGISTRY_AUTH_FILE, auth-file) does not exist: {name}"
                    )))
                }
            },
            Place::Variable => {
                let (name, content) = ("DOCKER_AUTH_CONFIG", &self.environment.docker_auth_config);
                let file = CredentialFile::decode(
                    content.as_ref().map(|text| text.as_bytes()).unwrap_or_default(),
                    name,
                    true,
                )?;
                Ok(Some(Source { name: name.to_owned(), file }))
            }
            Place::File(path, wrapped) => Ok(CredentialFile::read(path, *wrapped)?.map(|file| source(path, file))),
        }
    }
}

/// What is in pull secrets, the most specific first, each once. One that can't be used is passed over if there is another.
fn in_turn(found: Vec<Result<(usize, Credential), Fault>>) -> Result<Vec<Credential>, Fault> {
    let (mut usable, mut broken) = (Vec::new(), None);
    for one in found {
        match one {
            Ok(one) => usable.push(one),
            Err(fault) => broken = Some(fault),
        }
    }
    usable.sort_by_key(|(rank, _)| *rank);
    let mut all: Vec<Credential> = Vec::new();
    for (_, credential) in usable {
        if !all.contains(&credential) && all.len() < CREDENTIALS_TRIED {
            all.push(credential);
        }
    }
    match broken {
        Some(fault) if all.is_empty() => Err(fault),
        _ => Ok(all),
    }
}

/// Where credentials may stand.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// One of the pull secrets.
    PullSecret(usize),
    /// `REGISTRY_AUTH_FILE`.
    Named(PathBuf),
    /// `DOCKER_AUTH_CONFIG`.
    Variable,
    /// A usual file, and whether its entries are wrapped in `auths`.
    File(PathBuf, bool),
}

/// The credential files at their usual places, with whether entries are wrapped in `auths`.
fn files(env: &Environment) -> Vec<(PathBuf, bool)> {
    let home = |below: &str| env.home.as_ref().map(|home| home.join(below));
    let config = env.xdg_config_home.clone().or_else(|| home(".config"));
    let docker = env.docker_config.as_ref().map(|dir| dir.join("config.json"));
    let docker_at_home = if docker.is_none() { home(".docker/config.json") } else { None };
    [
        (docker, true),
        (env.xdg_runtime_dir.as_ref().map(|dir| dir.join("containers/auth.json")), true),
        (config.map(|dir| dir.join("containers/auth.json")), true),
        (docker_at_home, true),
        (home(".dockercfg"), false),
    ]
    .into_iter()
    .filter_map(|(path, wrapped)| Some((path?, wrapped)))
    .collect()
}

/// `host/a/b`, `host/a`, `host`.
fn names(repository: &RepositoryName) -> Vec<String> {
    let full = repository.to_string();
    let mut names = vec![full.clone()];
    let mut rest = full.as_str();
    while let Some((shorter, _)) = rest.rsplit_once('/') {
        names.push(shorter.to_owned());
        rest = shorter;
    }
    names
}

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests;
