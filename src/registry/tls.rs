//! One pooled HTTP client for each TLS setting.

use super::{Environment, Fault, Options, hosts_toml::HostTls, lock};
use crate::limits::KEY_FILE_BYTES;
use reqwest::{Certificate, Client, ClientBuilder, Identity, NoProxy, Proxy};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Mutex,
};
use url::{Host, Url};
use zeroize::Zeroizing;

/// Bytes of a file of certificates. Source: the system bundles have about 250 KB.
const CA_FILE_BYTES: u64 = 4 << 20;

/// What tells one client from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setting {
    tls: bool,
    proxied: bool,
    authorities: Vec<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

/// Host, whether it was asked for by name, whether TLS is spoken, whether it may lie behind a proxy, what is set for it.
type HostKey = (String, bool, bool, bool, HostTls);

/// The clients of a run. Connections are pooled and shared by all hosts of the same setting.
pub(super) struct Clients {
    by_setting: Mutex<BTreeMap<Setting, Client>>,
    by_host: Mutex<BTreeMap<HostKey, Client>>,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self { by_setting: Mutex::default(), by_host: Mutex::default() }
    }

    /// The client for a URL. `name` is what the registry is called where it is one that was asked for: it is shown the
    /// client certificate, and its folder in `certs.d` counts. A host that a registry sends us to is not.
    pub(super) fn client(
        &self,
        options: &Options,
        url: &Url,
        name: Option<&str>,
        tls: Option<&HostTls>,
    ) -> Result<Client, Fault> {
        let tls = tls.cloned().unwrap_or_default();
        let host = name.map_or_else(|| authority(url), str::to_owned);
        let key = (host.clone(), name.is_some(), url.scheme() == "https", !is_loopback(url), tls);
        if let Some(client) = lock(&self.by_host).get(&key) {
            return Ok(client.clone());
        }
        let setting = Setting::of(options, url, &host, name.is_some(), &key.4)?;
        let known = lock(&self.by_setting).get(&setting).cloned();
        let client = match known {
            Some(client) => client,
            None => build(options, &setting)?,
        };
        lock(&self.by_setting).insert(setting, client.clone());
        lock(&self.by_host).insert(key, client.clone());
        Ok(client)
    }
}

impl Setting {
    fn of(options: &Options, url: &Url, host: &str, named: bool, tls: &HostTls) -> Result<Self, Fault> {
        let proxied = !is_loopback(url);
        if url.scheme() != "https" {
            return Ok(Self { proxied, ..Self::default() });
        }
        let folder = Folder::read(&options.environment, host)?;
        let mut authorities = options.registry_ca.clone();
        authorities.extend(folder.authorities);
        authorities.extend(tls.authorities.iter().cloned());
        let identity = tls.identity.clone().or(options.client_certificate.clone()).or(folder.identity);
        let identity = identity.filter(|_| named);
        Ok(Self { tls: true, proxied, authorities, identity })
    }
}

/// Whether TLS material was set for this host: it speaks TLS then.
pub(super) fn has_material(options: &Options, host: &str) -> bool {
    !options.registry_ca.is_empty()
        || options.client_certificate.is_some()
        || Folder::read(&options.environment, host).is_ok_and(|folder| folder != Folder::default())
}

/// A host's folder in `certs.d`: `*.crt` are authorities, `*.cert` with the `*.key` of the same name a client
/// certificate (Docker's and podman's convention).
#[derive(Debug, Default, PartialEq, Eq)]
struct Folder {
    authorities: Vec<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Folder {
    /// Reads the folders of all bases; authorities add up, of client certificates the first counts.
    fn read(environment: &Environment, host: &str) -> Result<Self, Fault> {
        let mut found = Self::default();
        for base in &environment.certs_d {
            let dir = base.join(host);
            let entries = match std::fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound) => continue,
                Err(source) => return Err(Fault::Io { path: dir, source }),
            };
            let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            files.sort();
            for file in files {
                match file.extension().and_then(|extension| extension.to_str()) {
                    Some("crt") => found.authorities.push(file),
                    Some("cert") if found.identity.is_none() => {
                        let key = file.with_extension("key");
                        found.identity = Some((file, key));
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}

fn build(options: &Options, setting: &Setting) -> Result<Client, Fault> {
    let mut builder = Client::builder()
        .user_agent(concat!("boltseal/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .pool_max_idle_per_host(options.concurrency)
        .no_proxy();
    if options.http1_only {
        builder = builder.http1_only();
    }
    if setting.proxied {
        builder = with_proxies(builder, &options.environment)?;
    }
    if !setting.tls {
        // No roots: reading the system's takes longer than a whole verification.
        builder = builder.tls_certs_only([]);
    } else {
        let mut roots = Vec::new();
        for path in &setting.authorities {
            let pem = read(path, CA_FILE_BYTES)?;
            let found = Certificate::from_pem_bundle(&pem).map_err(|_| unusable(path, "no PEM certificates"))?;
            if found.is_empty() {
                return Err(unusable(path, "holds no PEM certificate"));
            }
            roots.extend(found);
        }
        builder = builder.tls_certs_merge(roots);
    }
    if let Some((certificate, key)) = &setting.identity {
        let mut pem = read(key, KEY_FILE_BYTES)?;
        pem.push(b'\n');
        pem.extend_from_slice(&read(certificate, CA_FILE_BYTES)?);
        let identity = Identity::from_pem(&pem).map_err(|_| {
            unusable(certificate, &format!("no PEM certificate, or {} no unencrypted PEM private key", key.display()))
        })?;
        builder = builder.identity(identity);
    }
    let names = || setting.authorities.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    builder.build().map_err(|error| Fault::Setting {
        path: format!("TLS ({})", if setting.authorities.is_empty() { "system roots".to_owned() } else { names() }),
        message: std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
    })
}

fn with_proxies(mut builder: ClientBuilder, environment: &Environment) -> Result<ClientBuilder, Fault> {
    let except = || environment.no_proxy.as_deref().and_then(NoProxy::from_string);
    let unusable = |name: &str| Fault::Setting { path: name.to_owned(), message: "is no proxy's address".to_owned() };
    if let Some(proxy) = &environment.https_proxy {
        let proxy = Proxy::https(proxy.as_str()).map_err(|_| unusable("https_proxy"))?;
        builder = builder.proxy(proxy.no_proxy(except()));
    }
    if let Some(proxy) = &environment.http_proxy {
        let proxy = Proxy::http(proxy.as_str()).map_err(|_| unusable("http_proxy"))?;
        builder = builder.proxy(proxy.no_proxy(except()));
    }
    Ok(builder)
}

fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut content = Zeroizing::new(Vec::new());
    let io = |source| Fault::Io { path: path.to_owned(), source };
    File::open(path).map_err(io)?.take(most + 1).read_to_end(&mut content).map_err(io)?;
    if content.len() as u64 > most {
        return Err(unusable(path, &format!("has more than {most} bytes")));
    }
    Ok(content)
}

fn unusable(path: &Path, message: &str) -> Fault {
    Fault::Setting { path: path.display().to_string(), message: message.to_owned() }
}

/// `host` or `host:port`, a default port left out.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a URL leads to this machine by its name alone: 127.0.0.0/8, `::1`, `localhost` (RFC 6761, 6.3).
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
