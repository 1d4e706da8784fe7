//! Settings, as TOML: those that all servers share stand in the tables `[server]`, `[judge]` and `[cache]` of each one's file.

use super::ServeError;
use crate::{
    limits::{OPERATION_TIMEOUT, SERVE_CONNECTIONS, SERVE_DRAIN, SERVE_TTL_MOST, SETTINGS_BYTES},
    ops::toml_fault,
    registry::{Environment, Options},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use std::{
    fs::File,
    io::Read as _,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a server listens, and what it takes on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are, if not at `listen`: always plain http.
    pub observe: Option<SocketAddr>,
    /// The certificate with its chain (PEM); without one, plain http is spoken. Read again when it changes.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key (PEM).
    pub key: Option<PathBuf>,
    /// Only who has a certificate by these authorities (PEM) is answered.
    pub client_ca: Option<PathBuf>,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: NonZeroUsize,
    /// Time for requests under way when the server is told to stop.
    #[serde(default = "drain")]
    pub drain: Seconds,
}

/// By what is judged, and how registries are reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JudgeSettings {
    /// The policy. Read again when it changes, or what it names.
    pub policy: PathBuf,
    /// The least that repositories' trust data have to be.
    pub lock: Option<PathBuf>,
    /// Where is remembered what was seen of repositories' trust.
    #[serde(default = "state")]
    pub state: PathBuf,
    /// Credentials for registries, as `docker login` and `podman login` write them. No others are used.
    pub auth_file: Option<PathBuf>,
    /// Authorities of registries' certificates (PEM), beside the system's.
    #[serde(default)]
    pub registry_ca: Vec<PathBuf>,
    /// Reach registries on other machines by plain http too.
    #[serde(default)]
    pub insecure_http: bool,
    /// Time of one decision, more than none. What is not known by then can't be told.
    #[serde(default = "timeout", deserialize_with = "some_time")]
    pub timeout: Seconds,
}

/// How long decisions hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CacheSettings {
    /// Of what was asked by digest: within this a revocation takes effect.
    pub ttl: Seconds,
    /// Of what was asked by tag: within this a tag that moves is seen to move.
    pub tag_ttl: Seconds,
    /// A Redis or Valkey that servers share: `redis://…`, or `rediss://…` for TLS.
    pub valkey: Option<String>,
    /// A file of 32 secret bytes or more, the same for all who share it: what has no tag by it is nothing.
    pub valkey_key: Option<PathBuf>,
    /// Authorities of its certificate (PEM), in the place of the system's.
    pub valkey_ca: Option<PathBuf>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            ttl: Seconds(Duration::from_secs(60)),
            tag_ttl: Seconds(Duration::from_secs(10)),
            valkey: None,
            valkey_key: None,
            valkey_ca: None,
        }
    }
}

/// A time in seconds, with a fraction where one is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= SERVE_TTL_MOST);
        time.map(Self).ok_or_else(|| D::Error::custom(format!("expected seconds, 0 to {}", SERVE_TTL_MOST.as_secs())))
    }
}

fn some_time<'de, D: Deserializer<'de>>(from: D) -> Result<Seconds, D::Error> {
    let time = Seconds::deserialize(from)?;
    if time.0.is_zero() { Err(D::Error::custom("expected seconds, more than 0")) } else { Ok(time) }
}

fn connections() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(SERVE_CONNECTIONS - 1)
}

fn drain() -> Seconds {
    Seconds(SERVE_DRAIN)
}

fn timeout() -> Seconds {
    Seconds(OPERATION_TIMEOUT)
}

fn state() -> PathBuf {
    "/var/lib/boltseal/trust".into()
}

/// Reads a server's settings.
///
/// # Errors
/// The file can't be read, is no TOML, or has something in it that has no meaning.
pub fn read_settings<T: DeserializeOwned>(path: &Path) -> Result<T, ServeError> {
    let read = |source| ServeError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(SETTINGS_BYTES).read_to_string(&mut text)).map_err(read)?;
    toml::from_str(&text)
        .map_err(|error| ServeError::Settings { path: path.to_owned(), message: toml_fault(&text, &error) })
}

impl ServerSettings {
    /// The same with paths that are relative to a folder.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        for path in [&mut self.certificate, &mut self.key, &mut self.client_ca].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        self
    }
}

impl CacheSettings {
    /// The same with paths that are relative to a folder.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        for path in [&mut self.valkey_key, &mut self.valkey_ca].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        self
    }
}

impl JudgeSettings {
    /// The same with paths that are relative to a folder.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        let single = [Some(&mut self.policy), self.lock.as_mut(), Some(&mut self.state), self.auth_file.as_mut()];
        for path in single.into_iter().flatten().chain(&mut self.registry_ca) {
            *path = folder.join(&*path);
        }
        self
    }

    /// How registries are reached. Of the process's environment only the proxies count.
    #[must_use]
    pub fn options(&self) -> Options {
        let Environment { http_proxy, https_proxy, no_proxy, .. } = Environment::from_process();
        let environment = Environment {
            registry_auth_file: self.auth_file.clone(),
            http_proxy,
            https_proxy,
            no_proxy,
            ..Environment::default()
        };
        Options {
            insecure_http: self.insecure_http,
            registry_ca: self.registry_ca.clone(),
            http1_only: true,
            environment,
            ..Options::default()
        }
    }
}
