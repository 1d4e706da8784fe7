//! One request out, one answer back: redirects are followed here, with what may go where.

use super::{Fault, Session, hosts_toml::HostTls, retry::Failure, tls};
use crate::limits::REDIRECTS;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::Response;
use url::Url;

/// A request to one address, without what identifies us.
pub(super) struct Outgoing<'r> {
    pub(super) method: &'r Method,
    pub(super) url: Url,
    pub(super) headers: &'r HeaderMap,
    pub(super) body: &'r Bytes,
    /// Goes to `home` alone.
    pub(super) authorization: Option<&'r HeaderValue>,
    /// Whose credentials these are.
    pub(super) home: &'r Url,
    /// Whether a redirect may lead away from `home`. Not with secrets in it.
    pub(super) leaves_home: bool,
    /// What the registry is called; its TLS setting is used at `home`.
    pub(super) name: &'r str,
    /// TLS material that is set for `home` alone, and headers.
    pub(super) own: Option<(&'r HostTls, &'r HeaderMap)>,
}

/// What came back, once nothing redirected any more.
pub(super) struct Reply {
    pub(super) response: Response,
    /// Whether it came from `home`, and not from where that sent us.
    pub(super) at_home: bool,
}

impl Session {
    /// Sends a request and follows redirects, at most [`REDIRECTS`].
    ///
    /// Refused are plain http where it is not allowed, and every step from https down to http. Credentials and the
    /// client certificate go to no other scheme, host or port than `home`'s.
    pub(super) async fn follow(&self, outgoing: &Outgoing<'_>) -> Result<Reply, Failure> {
        let mut url = outgoing.url.clone();
        for _ in 0..=REDIRECTS {
            self.permit(&url)?;
            let at_home = url.origin() == outgoing.home.origin();
            let response = self.send(outgoing, url.clone(), at_home).await?;
            let Some(next) = redirect(outgoing.method, &url, &response)? else {
                return Ok(Reply { response, at_home });
            };
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(Fault::Protocol(format!("redirected from https down to {}", shown(&next))).into());
            }
            if !outgoing.leaves_home && next.origin() != outgoing.home.origin() {
                return Err(Fault::Protocol(format!("redirected to another host, {}", shown(&next))).into());
            }
            url = next;
        }
        Err(Fault::Protocol(format!("redirected more than {REDIRECTS} times")).into())
    }

    async fn send(&self, outgoing: &Outgoing<'_>, url: Url, at_home: bool) -> Result<Response, Failure> {
        let options = &self.inner.options;
        let (tls, own) = outgoing.own.filter(|_| at_home).unzip();
        let client = self.inner.clients.client(options, &url, at_home.then_some(outgoing.name), tls)?;
        let mut headers = own.cloned().unwrap_or_default();
        headers.extend(outgoing.headers.clone());
        if let Some(authorization) = outgoing.authorization.filter(|_| at_home) {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let request = client.request(outgoing.method.clone(), url.clone()).headers(headers).body(outgoing.body.clone());
        request.send().await.map_err(|error| {
            let failure = Failure::transport(&error, options.read_timeout, options.connect_timeout);
            match &failure.fault {
                // rustls's word for bytes that are no TLS at all.
                Fault::Connection(message) if message.contains("InvalidContentType") => {
                    Fault::PlainHttp(tls::authority(&url)).into()
                }
                _ => failure,
            }
        })
    }

    /// Whether an address may be spoken to: https, or plain http on this machine or with `insecure_http`.
    fn permit(&self, url: &Url) -> Result<(), Fault> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.inner.options.insecure_http || tls::is_loopback(url) => Ok(()),
            "http" => Err(Fault::PlainHttp(tls::authority(url))),
            _ => Err(Fault::Protocol(format!("led to {}, which is no http address", shown(url)))),
        }
    }
}

/// Where an answer sends us on to. A request with content is only repeated elsewhere when the status says so.
fn redirect(method: &Method, url: &Url, response: &Response) -> Result<Option<Url>, Fault> {
    let reads = method == Method::GET || method == Method::HEAD;
    let follows = match response.status() {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => reads,
        _ => false,
    };
    if !follows {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let Some(location) = location else {
        return Err(Fault::Protocol("redirected without saying where to".to_owned()));
    };
    join(url, location).map(Some)
}

/// A `Location` or `Link` on top of the address that it came from. Behind a TLS proxy docker-registry answers with its
/// own plain http address: the same host's stays https.
pub(super) fn join(base: &Url, location: &str) -> Result<Url, Fault> {
    let broken = || Fault::Protocol("answered with an address that is none".to_owned());
    let mut url = base.join(location).map_err(|_| broken())?;
    if base.scheme() == "https" && url.scheme() == "http" && url.host() == base.host() {
        url.set_scheme("https").and_then(|()| url.set_port(base.port())).map_err(|()| broken())?;
    }
    Ok(url)
}

/// An address without its query, which may hold a signature that grants access.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), tls::authority(url), super::message::shown(url.path()))
}
