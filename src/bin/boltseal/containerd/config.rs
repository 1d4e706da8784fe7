//! What the verifier works with. containerd passes neither credentials nor authorities, and may have no home folder: all of
//! it stands in one file, `/etc/boltseal/containerd.toml` or what `BOLTSEAL_CONFIG` names; without a file, the defaults.

use crate::{
    exit::Failure,
    settings::{self, Judge},
};
use boltseal::{
    limits::SETTINGS_BYTES,
    ops::{
        decisions::DecisionLog,
        policy_file::{self, PolicyFile},
        toml_fault,
    },
    registry::{Environment, Options},
};
use serde::Deserialize;
use std::{
    env,
    fs::File,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

const FILE: &str = "/etc/boltseal/containerd.toml";

/// The file as it is written; paths are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Written {
    policy: Option<PathBuf>,
    lock: Option<PathBuf>,
    state: Option<PathBuf>,
    log: Option<PathBuf>,
    auth_file: Option<PathBuf>,
    registry_ca: Vec<PathBuf>,
    hosts: Option<Vec<PathBuf>>,
    timeout: Option<f64>,
    insecure_http: bool,
}

/// What the verifier works with.
#[derive(Debug)]
pub struct Config {
    /// The policy.
    pub policy: PathBuf,
    /// The least that repositories' trust data have to be.
    pub lock: Option<PathBuf>,
    /// Where is remembered what was seen of repositories' trust.
    pub state: PathBuf,
    /// Where decisions are recorded.
    pub log: Option<PathBuf>,
    /// When the verifier gives up.
    pub timeout: Duration,
    auth_file: Option<PathBuf>,
    registry_ca: Vec<PathBuf>,
    /// Folders of `hosts.toml`.
    pub hosts: Vec<PathBuf>,
    insecure_http: bool,
}

impl Config {
    /// Reads the configuration that containerd's verifier has on this machine.
    pub fn load() -> Result<Self, Failure> {
        let (path, named) = Self::place();
        Self::read(&path, named)
    }

    /// Its file on this machine, and whether somebody named it.
    pub fn place() -> (PathBuf, bool) {
        let named = env::var_os("BOLTSEAL_CONFIG").filter(|name| !name.is_empty());
        named.map_or_else(|| (PathBuf::from(FILE), false), |named| (PathBuf::from(named), true))
    }

    /// Reads a file; one that was named has to be there.
    pub fn read(path: &Path, named: bool) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::supplied(format!("{}: {error}", path.display()));
        let text = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !named => None,
            Err(error) => return Err(failed(&error)),
            Ok(file) => {
                let mut text = String::new();
                file.take(SETTINGS_BYTES).read_to_string(&mut text).map_err(|error| failed(&error))?;
                Some(text)
            }
        };
        let written: Written = match &text {
            Some(text) => toml::from_str(text).map_err(|error| failed(&toml_fault(text, &error)))?,
            None => Written::default(),
        };
        Self::of(written, path.parent().unwrap_or(Path::new("/"))).map_err(|message| failed(&message))
    }

    fn of(written: Written, folder: &Path) -> Result<Self, String> {
        let seconds = written.timeout.unwrap_or(8.0);
        let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| !timeout.is_zero());
        let usual = folder.join("auth.json");
        let auth_file = match written.auth_file.map(|path| folder.join(path)) {
            Some(path) if path.symlink_metadata().is_err() => {
                return Err(format!("auth-file names {}, which does not exist", path.display()));
            }
            None => usual.symlink_metadata().is_ok().then_some(usual),
            named => named,
        };
        let hosts = written
            .hosts
            .unwrap_or_else(|| ["/etc/containerd/certs.d", "/etc/docker/certs.d"].map(PathBuf::from).into());
        Ok(Self {
            policy: folder.join(written.policy.unwrap_or_else(|| "policy.yaml".into())),
            lock: written.lock.map(|path| folder.join(path)),
            state: written.state.map_or_else(|| "/var/lib/boltseal/trust".into(), |path| folder.join(path)),
            log: written.log.map(|path| folder.join(path)),
            timeout: timeout.ok_or_else(|| format!("timeout = {seconds}: expected seconds, more than 0"))?,
            auth_file,
            registry_ca: written.registry_ca.iter().map(|path| folder.join(path)).collect(),
            hosts: hosts.iter().map(|path| folder.join(path)).collect(),
            insecure_http: written.insecure_http,
        })
    }

    /// The policy: the one that is named here, and no other.
    pub fn judge(&self) -> Result<Judge, Failure> {
        let loaded = self.policy_file()?;
        let file = Some((loaded.path, loaded.digest));
        let recorded = |path: &PathBuf| DecisionLog { path: path.clone(), by: "containerd", policy: file.clone() };
        Ok(Judge { policy: loaded.policy, log: self.log.as_ref().map(recorded), file, locks: loaded.locks })
    }

    /// The policy, with what it names.
    pub fn policy_file(&self) -> Result<PolicyFile, Failure> {
        policy_file::load(&self.policy, &settings::roots(), &settings::rego())
            .map_err(|error| Failure::supplied(error.to_string()))
    }

    /// How registries are reached. Of containerd's own environment only the proxies count.
    pub fn options(&self) -> Options {
        let Environment { http_proxy, https_proxy, no_proxy, .. } = Environment::from_process();
        let environment = Environment {
            registry_auth_file: self.auth_file.clone(),
            certs_d: self.hosts.clone(),
            http_proxy,
            https_proxy,
            no_proxy,
            ..Environment::default()
        };
        Options {
            insecure_http: self.insecure_http,
            registry_ca: self.registry_ca.clone(),
            hosts: self.hosts.clone(),
            // A place where nobody answers leaves time for the next one.
            connect_timeout: self.timeout / 4,
            environment,
            ..Options::default()
        }
    }
}
