use super::{
    Access, Fault, Layout, Options, RegistryError, Remote, Repo, credentials::Credentials, host::Host,
    hosts_toml::places, lock, mirrored::Endpoint, tls::Clients,
};
use crate::oci::Repository;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

/// What one run shares over all its repositories: pooled connections, credentials, tokens, and what each registry was
/// seen to lack. Cloning is cheap and shares it.
#[derive(Clone)]
pub struct Session {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) options: Options,
    pub(super) clients: Clients,
    pub(super) credentials: Credentials,
    pub(super) hosts: Mutex<BTreeMap<String, Arc<Host>>>,
}

impl Session {
    /// A session without a connection yet.
    ///
    /// # Errors
    /// A certificate file of `options` that can't be read.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        let identity = options.client_certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        for path in options.registry_ca.iter().chain(identity) {
            std::fs::File::open(path)
                .map_err(|source| Fault::Io { path: path.clone(), source }.during("reading TLS certificates"))?;
        }
        let credentials = Credentials::new(options.environment.clone());
        Ok(Self { inner: Arc::new(Inner { options, clients: Clients::new(), credentials, hosts: Mutex::default() }) })
    }

    /// Looks whether the credential file that is named can be used, before anything needs it.
    ///
    /// # Errors
    /// It is not there, can't be read, or is none.
    pub fn check_credentials(&self) -> Result<(), RegistryError> {
        self.inner.credentials.check().map_err(|fault| fault.during("reading credentials"))
    }

    /// A repository, or a layout on disk. No request is made.
    ///
    /// # Errors
    /// A host that makes no URL, a layout that can't be opened, a `hosts.toml` that can't be used.
    pub fn open(&self, repository: &Repository, access: Access) -> Result<Repo, RegistryError> {
        match repository {
            Repository::Layout(dir) => Layout::open(dir, access).map(Repo::Layout),
            Repository::Registry(name) => {
                let host = self.host(&name.host).map_err(|error| {
                    Fault::Protocol(format!("{:?} is no host: {error}", name.host)).during(format!("opening {name}"))
                })?;
                let remote = Remote::new(self.clone(), host, name.clone(), access);
                if access == Access::PullPush || self.inner.options.hosts.is_empty() {
                    return Ok(Repo::Remote(remote));
                }
                let places = places(&self.inner.options.hosts, &name.host);
                let places = places.map_err(|fault| fault.during(format!("opening {name}")))?;
                Ok(Repo::Remote(remote.at(Endpoint::all(self, name, places))))
            }
        }
    }

    pub(super) fn host(&self, name: &str) -> Result<Arc<Host>, url::ParseError> {
        if let Some(host) = lock(&self.inner.hosts).get(name) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(Host::new(&self.inner.options, name)?);
        Ok(Arc::clone(lock(&self.inner.hosts).entry(name.to_owned()).or_insert(host)))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("options", &self.inner.options).finish_non_exhaustive()
    }
}
