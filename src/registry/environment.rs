use std::{env, ffi::OsString, fmt, path::PathBuf};
use zeroize::Zeroizing;

/// What the registry code takes from the process's environment, read once. The default is an empty environment: no
/// credentials, no proxies, no certificate folders.
///
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` are not here: the TLS library reads them itself, in place of the system's roots.
#[derive(Clone, Default)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the folder of Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// The contents of credential files of others, a pod's pull secrets: `auths` alone counts of them, before all other sources.
    pub pull_secrets: Vec<Zeroizing<String>>,
    /// `DOCKER_AUTH_CONFIG`: a credential file's content.
    pub docker_auth_config: Option<Zeroizing<String>>,
    /// `REGISTRY_AUTH_FILE`: podman's and skopeo's credential file.
    pub registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
    /// Folders that hold a folder `HOST[:PORT]` of TLS material for each registry.
    pub certs_d: Vec<PathBuf>,
    /// `PATH`: where credential helpers are looked for; `None` leaves it to the operating system.
    pub path: Option<OsString>,
    /// `http_proxy` or `HTTP_PROXY`, else `all_proxy` or `ALL_PROXY`.
    pub http_proxy: Option<Zeroizing<String>>,
    /// `https_proxy` or `HTTPS_PROXY`, else `all_proxy` or `ALL_PROXY`.
    pub https_proxy: Option<Zeroizing<String>>,
    /// `no_proxy` or `NO_PROXY`.
    pub no_proxy: Option<String>,
}

impl Environment {
    /// The process's own environment, with `/etc/containers/certs.d` and `/etc/docker/certs.d` (and podman's folder of
    /// the user).
    #[must_use]
    pub fn from_process() -> Self {
        let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let either = |name: &str| text(name).or_else(|| text(&name.to_uppercase()));
        let proxy = |name: &str| either(name).or_else(|| either("all_proxy")).map(Zeroizing::new);
        let home = path("HOME");
        let xdg_config_home = path("XDG_CONFIG_HOME");
        let user = xdg_config_home.clone().or_else(|| Some(home.as_ref()?.join(".config")));
        let certs_d = user
            .map(|dir| dir.join("containers/certs.d"))
            .into_iter()
            .chain(["/etc/containers/certs.d".into(), "/etc/docker/certs.d".into()])
            .collect();
        Self {
            home,
            docker_config: path("DOCKER_CONFIG"),
            pull_secrets: Vec::new(),
            docker_auth_config: text("DOCKER_AUTH_CONFIG").map(Zeroizing::new),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            xdg_config_home,
            certs_d,
            path: None,
            http_proxy: proxy("http_proxy"),
            https_proxy: proxy("https_proxy"),
            no_proxy: either("no_proxy"),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Pull secrets, DOCKER_AUTH_CONFIG and the proxies' addresses hold secrets.
        f.debug_struct("Environment")
            .field("home", &self.home)
            .field("docker_config", &self.docker_config)
            .field("registry_auth_file", &self.registry_auth_file)
            .field("xdg_runtime_dir", &self.xdg_runtime_dir)
            .field("xdg_config_home", &self.xdg_config_home)
            .field("certs_d", &self.certs_d)
            .field("no_proxy", &self.no_proxy)
            .finish_non_exhaustive()
    }
}
