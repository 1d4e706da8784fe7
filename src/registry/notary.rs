use super::{Access, Fault, RegistryError, Remote, Session, body::Expected, exchange::Request};
use crate::oci::{Digest, RepositoryName};
use http::StatusCode;
use url::Url;

/// A Notary server's view of one repository: reads the metadata files of Docker Content Trust.
///
/// It has a registry's manners (challenge, token, retries, TLS settings), and its paths start with the repository's full
/// name. As docker does it, one logs in to it with the credentials of the repository's own registry.
#[derive(Clone)]
pub struct NotaryServer(Remote);

impl Session {
    /// The Notary server at `address` (`https://host[:port]`), for one repository. No request is made.
    ///
    /// # Errors
    /// An address that has more to it than a scheme, a host and a port; plain http where it is not allowed.
    pub fn notary(&self, address: &str, repository: &RepositoryName) -> Result<NotaryServer, RegistryError> {
        let doing = || format!("opening the Notary server {address}");
        let setting =
            |message: &str| Fault::Setting { path: address.to_owned(), message: message.to_owned() }.during(doing());
        let url = Url::parse(address).map_err(|_| setting("expected https://host[:port]"))?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "https" | "http") || !bare || !url.username().is_empty() || url.password().is_some()
        {
            return Err(setting("expected https://host[:port] and nothing after it"));
        }
        let host = super::tls::authority(&url);
        if url.scheme() == "http" && !super::tls::is_loopback(&url) && !self.inner.options.insecure_http {
            return Err(Fault::PlainHttp(host).during(doing()));
        }
        let name = RepositoryName { host, path: repository.to_string() };
        let known = self.host(&name.host).map_err(|_| setting("expected https://host[:port]"))?;
        let remote = Remote::with_login(self.clone(), known, name, Access::Pull, repository.clone());
        Ok(NotaryServer(remote))
    }
}

impl NotaryServer {
    /// Fetches the current file of a role (`root`, `timestamp`): whatever the server says it is.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the server has no trust data of the repository; any other fault.
    pub async fn current(&self, role: &str, cap: u64) -> Result<Vec<u8>, RegistryError> {
        self.fetch(role, Expected::at_most("the metadata file", cap)).await
    }

    /// Fetches a version of the root: whatever the server says it is.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the server does not have it; any other fault.
    pub async fn root(&self, version: u64, cap: u64) -> Result<Vec<u8>, RegistryError> {
        self.fetch(&format!("{version}.root"), Expected::at_most("the metadata file", cap)).await
    }

    /// Fetches a role's file by its digest. Checks digest and size (bytes), as the bytes arrive, and the size against
    /// the cap before anything is sent.
    ///
    /// # Errors
    /// Any fault.
    pub async fn by_digest(&self, role: &str, sha256: [u8; 32], size: u64, cap: u64) -> Result<Vec<u8>, RegistryError> {
        let digest = Digest::Sha256(sha256);
        let name = format!("{role}.{}", digest.hex());
        if size > cap {
            let fault = Fault::Limit { what: "the metadata file", limit: format!("{cap} bytes") };
            return Err(self.0.during("reading", &name)(fault));
        }
        let expected = Expected { what: "the metadata file", ..Expected::exactly(digest, size) };
        self.fetch(&name, expected).await
    }

    async fn fetch(&self, name: &str, expected: Expected) -> Result<Vec<u8>, RegistryError> {
        let request = Request::get(self.0.path(&format!("_trust/tuf/{name}.json")));
        let fetch = async { Ok(self.0.exchange(&request, expected).await?.with(&[StatusCode::OK], &request)?.body) };
        fetch.await.map_err(self.0.during("reading", &format!("{name}.json")))
    }
}
