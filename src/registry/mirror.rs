use super::{
    Fault, RegistryError, Session,
    body::{self, BodyError, Expected},
    message,
    retry::{Again, Failure, retry_after, retrying},
    transport::Outgoing,
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use std::{
    io::Read as _,
    path::{Path, PathBuf},
};
use url::Url;

/// A folder of files that are fetched by name, without credentials: a TUF repository over HTTP, or on disk.
#[derive(Clone, Debug)]
pub struct Mirror {
    session: Session,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Http(Url),
    Folder(PathBuf),
}

impl Session {
    /// The mirror at an address, `https://host[:port][/path]`, or in a folder of this machine. No request is made.
    ///
    /// # Errors
    /// An address of another kind; plain http where it is not allowed.
    pub fn mirror(&self, address: &str) -> Result<Mirror, RegistryError> {
        let doing = || format!("opening the mirror {address}");
        if !address.contains("://") {
            return Ok(Mirror { session: self.clone(), place: Place::Folder(PathBuf::from(address)) });
        }
        let setting = || {
            let message = "expected https://host[:port][/path], or a folder".to_owned();
            Fault::Setting { path: address.to_owned(), message }.during(doing())
        };
        let mut url = Url::parse(address).map_err(|_| setting())?;
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !matches!(url.scheme(), "https" | "http") || !bare || url.password().is_some() || !url.has_host() {
            return Err(setting());
        }
        if url.scheme() == "http" && !super::tls::is_loopback(&url) && !self.inner.options.insecure_http {
            return Err(Fault::PlainHttp(super::tls::authority(&url)).during(doing()));
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Mirror { session: self.clone(), place: Place::Http(url) })
    }
}

impl Mirror {
    /// Fetches a file of at most `cap` bytes by its name in the mirror, percent-encoded where needed: whatever it holds.
    ///
    /// Statuses and failures that may pass are tried again. Stores of objects answer 403 for what is not there.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the server says so, by 403 or 404, or the folder has none; any other fault.
    pub async fn fetch(&self, file: &str, cap: u64) -> Result<Vec<u8>, RegistryError> {
        let expected = Expected::at_most("the file", cap);
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(file);
                read(&path, expected).map_err(|fault| fault.during(format!("reading {}", path.display())))
            }
            Place::Http(base) => {
                let action = format!("reading {file} of {}", message::shown(base.as_str()));
                let options = &self.session.inner.options;
                let attempts = retrying(options.backoff, || self.once(base, file, expected));
                let limit = options.operation_timeout;
                let done = tokio::time::timeout(limit, attempts).await.unwrap_or(Err(Fault::Timeout(limit)));
                done.map_err(|fault| fault.during(action))
            }
        }
    }

    async fn once(&self, base: &Url, file: &str, expected: Expected) -> Result<Vec<u8>, Failure> {
        let url = base.join(file).map_err(|error| Fault::Protocol(error.to_string()))?;
        let outgoing = Outgoing {
            method: &Method::GET,
            url,
            headers: &HeaderMap::new(),
            body: &Bytes::new(),
            authorization: None,
            home: base,
            leaves_home: true,
            name: &super::tls::authority(base),
            own: None,
        };
        let response = self.session.follow(&outgoing).await?.response;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() {
            let options = &self.session.inner.options;
            return body::read(response, expected).await.map_err(|error| match error {
                BodyError::Wrong(fault) => fault.into(),
                BodyError::Broken(error) => Failure::transport(&error, options.read_timeout, options.connect_timeout),
            });
        }
        let asked = || retry_after(&headers, Timestamp::now()).map_or(Again::Backoff, Again::After);
        let again = match status.as_u16() {
            429 | 503 => asked(),
            500 | 502 | 504 => Again::Backoff,
            _ => Again::Never,
        };
        let fault = match status {
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Fault::NotFound,
            _ => {
                let message = status.canonical_reason().unwrap_or("no reason given").to_owned();
                Fault::Status { status: status.as_u16(), message }
            }
        };
        Err(Failure { fault, again })
    }
}

fn read(path: &Path, expected: Expected) -> Result<Vec<u8>, Fault> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Fault::NotFound,
        _ => Fault::Io { path: path.to_owned(), source },
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(expected.cap + 1).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() as u64 > expected.cap {
        return Err(Fault::Limit { what: expected.what, limit: format!("{} bytes", expected.cap) });
    }
    Ok(bytes)
}
