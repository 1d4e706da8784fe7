use crate::{
    limits::ERROR_BODY_BYTES,
    registry::{
        Fault, Session,
        body::{self, BodyError, Expected},
        credentials::{Credential, Secret},
        hosts_toml::HostTls,
        message,
        retry::{Again, Failure, retry_after, retrying},
        transport::{Outgoing, Reply},
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

/// What a token server is asked for.
pub(super) struct Wanted<'w> {
    pub(super) realm: Url,
    /// What is sent to it alone.
    pub(super) own: Option<(&'w HostTls, &'w HeaderMap)>,
    pub(super) service: Option<&'w str>,
    pub(super) scopes: Vec<String>,
    pub(super) credential: Option<&'w Credential>,
    /// The registry's name, whose TLS setting the token server shares.
    pub(super) name: &'w str,
    /// What is missing if it says no.
    pub(super) permission: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<Secret>,
    access_token: Option<Secret>,
}

/// Gets a token: with a refresh token by POST (OAuth2), and where a server does not know that, as with a password or
/// anonymously, by GET.
pub(super) async fn fetch(session: &Session, wanted: &Wanted<'_>) -> Result<HeaderValue, Fault> {
    let backoff = session.inner.options.backoff;
    if let Some(Credential::Identity(token)) = wanted.credential
        && let Some(token) = retrying(backoff, || post(session, wanted, token)).await?
    {
        return Ok(token);
    }
    retrying(backoff, || get(session, wanted)).await
}

async fn post(session: &Session, wanted: &Wanted<'_>, refresh: &Secret) -> Result<Option<HeaderValue>, Failure> {
    let body = form(wanted, refresh);
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
    let reply = send(session, wanted, &Method::POST, wanted.realm.clone(), (&headers, &body), None).await?;
    match reply.response.status() {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(None),
        _ => read(reply, wanted).await.map(Some),
    }
}

/// RFC 6749, 6. The client's own name is asked for by distribution's token servers.
fn form(wanted: &Wanted<'_>, refresh: &Secret) -> Bytes {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("client_id", "boltseal");
    form.append_pair("service", wanted.service.unwrap_or_default()).append_pair("scope", &wanted.scopes.join(" "));
    form.append_pair("refresh_token", refresh.reveal());
    Bytes::from(form.finish())
}

async fn get(session: &Session, wanted: &Wanted<'_>) -> Result<HeaderValue, Failure> {
    let mut url = wanted.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(wanted.service.map(|service| ("service", service)));
        query.extend_pairs(wanted.scopes.iter().map(|scope| ("scope", scope)));
    }
    let authorization = match wanted.credential {
        Some(Credential::Basic { username, password }) => Some(basic(username, password)?),
        // The name under which credential helpers keep refresh tokens.
        Some(Credential::Identity(token)) => Some(basic("<token>", token)?),
        Some(Credential::Bearer(_)) | None => None,
    };
    let nothing = (&HeaderMap::new(), &Bytes::new());
    read(send(session, wanted, &Method::GET, url, nothing, authorization.as_ref()).await?, wanted).await
}

async fn send(
    session: &Session,
    wanted: &Wanted<'_>,
    method: &Method,
    url: Url,
    (headers, body): (&HeaderMap, &Bytes),
    authorization: Option<&HeaderValue>,
) -> Result<Reply, Failure> {
    let (home, name, leaves_home) = (&wanted.realm, wanted.name, false);
    session
        .follow(&Outgoing { method, url, headers, body, authorization, home, leaves_home, name, own: wanted.own })
        .await
}

async fn read(reply: Reply, wanted: &Wanted<'_>) -> Result<HeaderValue, Failure> {
    let status = reply.response.status();
    if status != StatusCode::OK {
        let asked = retry_after(reply.response.headers(), Timestamp::now());
        let said = body::read_error(reply.response).await;
        return Err(refusal(status, asked, &said, wanted));
    }
    let content =
        match body::read(reply.response, Expected::at_most("the token server's answer", ERROR_BODY_BYTES)).await {
            Ok(content) => Zeroizing::new(content),
            Err(BodyError::Wrong(fault)) => return Err(fault.into()),
            Err(BodyError::Broken(error)) => {
                return Err(Failure {
                    fault: Fault::Connection(message::shown(&error.to_string())),
                    again: Again::Backoff,
                });
            }
        };
    // The parser's own words could quote the token.
    let broken = || Fault::Protocol("the token server's answer holds no token".to_owned());
    let answer: Answer = serde_json::from_slice(&content).map_err(|_| broken())?;
    let token = answer.token.or(answer.access_token).filter(|token| !token.reveal().is_empty()).ok_or_else(broken)?;
    Ok(bearer(&token)?)
}

fn refusal(status: StatusCode, asked: Option<std::time::Duration>, said: &[u8], wanted: &Wanted<'_>) -> Failure {
    let server = crate::registry::tls::authority(&wanted.realm);
    let words = message::of_body(said, status.canonical_reason().unwrap_or("no reason given"));
    let message = format!("the token server {server} says: {words}");
    let again = match (asked, status.as_u16()) {
        (_, 400..=428 | 430..=499) => Again::Never,
        (Some(asked), 429 | 503) => Again::After(asked),
        _ => Again::Backoff,
    };
    let fault = match status {
        StatusCode::UNAUTHORIZED => Fault::Unauthorized(message),
        // OAuth2's word for a refresh token that has run out (RFC 6749, 5.2).
        StatusCode::BAD_REQUEST if matches!(wanted.credential, Some(Credential::Identity(_))) => {
            Fault::Unauthorized(message)
        }
        StatusCode::FORBIDDEN => Fault::Forbidden { permission: wanted.permission, message },
        _ => Fault::Status { status: status.as_u16(), message },
    };
    Failure { fault, again }
}

/// The header of RFC 7617. Clients take a user name with a colon in it for what it is not: it is refused.
pub(super) fn basic(username: &str, password: &Secret) -> Result<HeaderValue, Fault> {
    if username.contains(':') {
        return Err(Fault::Credentials("a user name holds a colon, which Basic authentication can't carry".to_owned()));
    }
    let pair = Zeroizing::new(format!("{username}:{}", password.reveal()));
    sensitive(&Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))))
}

/// The header of RFC 6750.
pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, Fault> {
    sensitive(&Zeroizing::new(format!("Bearer {}", token.reveal())))
}

fn sensitive(header: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(header)
        .map_err(|_| Fault::Credentials("a credential holds characters that no header can carry".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
