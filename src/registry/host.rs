use super::{
    Options,
    auth::Tokens,
    hosts_toml::{HostTls, Place},
    lock, tls,
};
use crate::{limits::TOKENS, oci::RepositoryName, registry::Access};
use http::HeaderMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock},
};
use tokio::sync::Semaphore;
use url::Url;

/// A registry, and what a run has learned of it.
pub(super) struct Host {
    /// Slots for requests under way.
    pub(super) slots: Semaphore,
    /// Its address by each scheme that may be tried, the one to try first in front.
    addresses: Vec<Url>,
    /// TLS material that is set for it alone.
    pub(super) tls: HostTls,
    /// What is sent to it alone, also to ask it for a token.
    pub(super) headers: HeaderMap,
    decided: OnceLock<usize>,
    lacks_referrers: Mutex<BTreeSet<String>>,
    tokens: Mutex<BTreeMap<(String, Access), Arc<Tokens>>>,
}

impl Host {
    /// A registry by its name in references: `docker.io` answers at another address.
    ///
    /// Schemes: https. On this machine plain http first, and https only if that does not work (so that plain http
    /// costs no extra request), the other way round where TLS material is set for it. With `insecure_http` https
    /// first, then http. What worked is kept for the run.
    pub(super) fn new(options: &Options, name: &str) -> Result<Self, url::ParseError> {
        let authority = if name == "docker.io" { "registry-1.docker.io" } else { name };
        let (https, http) =
            (Url::parse(&format!("https://{authority}/"))?, Url::parse(&format!("http://{authority}/"))?);
        let addresses = match tls::is_loopback(&https) {
            true if tls::has_material(options, name) => vec![https, http],
            true => vec![http, https],
            false if options.insecure_http => vec![https, http],
            false => vec![https],
        };
        Ok(Self::of(options, addresses, HostTls::default(), HeaderMap::new()))
    }

    /// A registry at a place of `hosts.toml`, whose scheme is the one that stands there.
    pub(super) fn at(options: &Options, place: &Place) -> Self {
        Self::of(options, vec![place.home.clone()], place.tls.clone(), place.headers.clone())
    }

    fn of(options: &Options, addresses: Vec<Url>, tls: HostTls, headers: HeaderMap) -> Self {
        Self {
            slots: Semaphore::new(options.concurrency.max(1)),
            addresses,
            tls,
            headers,
            decided: OnceLock::new(),
            lacks_referrers: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    /// The addresses to try, in order; one, once it is known.
    pub(super) fn addresses(&self) -> &[Url] {
        match self.decided.get().and_then(|at| self.addresses.get(*at)) {
            Some(one) => std::slice::from_ref(one),
            None => &self.addresses,
        }
    }

    /// Whether an address is on this server.
    pub(super) fn is_at(&self, url: &Url) -> bool {
        self.addresses().iter().any(|address| address.origin() == url.origin())
    }

    /// Remembers which address answered.
    pub(super) fn answered(&self, address: &Url) {
        if let Some(at) = self.addresses.iter().position(|known| known == address) {
            let _ = self.decided.set(at);
        }
    }

    /// Whether this repository was seen to have no referrers API. Gateways route repositories to different registries:
    /// what one lacks another may have.
    pub(super) fn lacks_referrers(&self, path: &str) -> bool {
        lock(&self.lacks_referrers).contains(path)
    }

    /// Remembers that a repository has no referrers API.
    pub(super) fn set_lacks_referrers(&self, path: &str) {
        let mut lacking = lock(&self.lacks_referrers);
        if lacking.len() < TOKENS {
            lacking.insert(path.to_owned());
        }
    }

    /// The token of a repository and access, shared by all who ask for the same.
    pub(super) fn tokens(&self, name: &RepositoryName, access: Access) -> Arc<Tokens> {
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= TOKENS {
            tokens.retain(|_, held| Arc::strong_count(held) > 1);
        }
        Arc::clone(tokens.entry((name.path.clone(), access)).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str, insecure_http: bool) -> Vec<String> {
        let options = Options { insecure_http, ..Options::default() };
        Host::new(&options, name).unwrap().addresses().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn plain_http_is_for_this_machine_or_by_leave() {
        assert_eq!(tried("registry.example:5000", false), ["https://registry.example:5000/"]);
        assert_eq!(tried("registry.example", true), ["https://registry.example/", "http://registry.example/"]);
        assert_eq!(tried("docker.io", false), ["https://registry-1.docker.io/"]);
        for name in ["127.0.0.1:5000", "127.9.9.9", "localhost:5000", "[::1]:5000"] {
            assert_eq!(tried(name, false), [format!("http://{name}/"), format!("https://{name}/")]);
        }
        for name in ["localhost.example", "127.0.0.1.example", "128.0.0.1", "[::2]"] {
            assert_eq!(tried(name, false), [format!("https://{name}/")]);
        }
    }
}
