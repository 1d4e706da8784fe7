//! Somebody logs in: with a browser on this machine (RFC 8252, with PKCE, RFC 7636), or with one on another (device
//! codes, RFC 8628).

use super::{
    IdentityToken, KeylessError, ServiceFault,
    http::{Ask, Http},
};
use crate::{crypto::hash::sha256, limits::LOGIN_TIMEOUT};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

const NAME: &str = "the identity provider";
const FORM: &str = "application/x-www-form-urlencoded";
const SCOPE: &str = "openid email";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What somebody who logs in is told, and what is done with the address that they are sent to.
pub type Tell = Arc<dyn Fn(Prompt<'_>) + Send + Sync>;

/// How somebody logs in.
#[derive(Clone)]
pub struct Login {
    /// With a browser on another machine.
    pub device: bool,
    /// What the identity provider knows this program as.
    pub client: String,
    /// Tells them.
    pub tell: Tell,
}

/// What somebody is told.
#[derive(Clone, Copy, Debug)]
pub enum Prompt<'a> {
    /// To go on in a browser on this machine.
    Browser(&'a str),
    /// To go to an address on any machine, and to give this code there.
    Device(&'a str, &'a str),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("device", &self.device).field("client", &self.client).finish_non_exhaustive()
    }
}

/// OpenID Connect Discovery 1.0, 3; RFC 8628, 4.
#[derive(Deserialize)]
struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct DeviceCode {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    interval: Option<u64>,
}

/// Has somebody log in; their identity token.
pub(super) async fn log_in(http: &Http, login: &Login, issuer: &str) -> Result<Zeroizing<String>, KeylessError> {
    let issuer = issuer.trim_end_matches('/');
    let url = format!("{issuer}/.well-known/openid-configuration");
    let ask = Ask::get(NAME, &url);
    let provider: Provider = decode(&ask, &http.ask(&ask).await?.body)?;
    if provider.issuer.trim_end_matches('/') != issuer {
        let why = format!("it calls itself {:?}, expected {issuer:?}", provider.issuer);
        return Err(ask.fails(ServiceFault::Answer(why)).into());
    }
    let work = async {
        if login.device { device(http, login, &provider).await } else { browser(http, login, &provider).await }
    };
    match timeout(LOGIN_TIMEOUT, work).await {
        Ok(done) => done,
        Err(_) => Err(KeylessError::Login(format!("nobody did within {LOGIN_TIMEOUT:?}"))),
    }
}

async fn browser(http: &Http, login: &Login, provider: &Provider) -> Result<Zeroizing<String>, KeylessError> {
    let broken = |error: std::io::Error| KeylessError::Login(format!("no port to come back to: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(broken)?;
    let back = format!("http://localhost:{}/auth/callback", listener.local_addr().map_err(broken)?.port());
    let (state, nonce, verifier) = (random()?, random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
    let mut url = Url::parse(&provider.authorization_endpoint)
        .map_err(|_| KeylessError::Login("the identity provider's address for it is none".to_owned()))?;
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &login.client),
        ("redirect_uri", &back),
        ("scope", SCOPE),
        ("state", &state),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    (login.tell)(Prompt::Browser(url.as_str()));
    let code = returned(listener, &state).await?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &back),
        ("client_id", &login.client),
        ("code_verifier", &verifier),
    ];
    let tokens = exchange(http, &provider.token_endpoint, &form).await?;
    let token = tokens.id_token.map(Zeroizing::new).ok_or_else(|| refused(tokens.error.as_deref()))?;
    // OpenID Connect Core 1.0, 3.1.3.7 (11): an answer to this request and no other.
    let named = IdentityToken::claims(&token).and_then(|claims| Some(claims.get("nonce")?.as_str()? == *nonce));
    if named == Some(true) {
        Ok(token)
    } else {
        Err(KeylessError::Login("the token answers another request".to_owned()))
    }
}

/// Waits for the browser to come back with a code for this state.
async fn returned(listener: TcpListener, state: &str) -> Result<Zeroizing<String>, KeylessError> {
    let (sender, receiver) = oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let answer = |request: Request<Incoming>| {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let ours = request.uri().path() == "/auth/callback" && value("state").as_deref() == Some(state);
        let (status, text) = match (ours, value("code"), value("error")) {
            (false, _, _) => (StatusCode::NOT_FOUND, "This is no answer to the login that waits here.\n"),
            (true, Some(code), None) => {
                send(&sender, Ok(Zeroizing::new(code)));
                (StatusCode::OK, "Logged in. This page can be closed.\n")
            }
            (true, _, error) => {
                send(&sender, Err(refused(error.as_deref())));
                (StatusCode::OK, "Not logged in.\n")
            }
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        async move { Ok::<_, Infallible>(response) }
    };
    let serve = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let mut server = hyper::server::conn::http1::Builder::new();
            server.keep_alive(false);
            // A connection that says nothing, as browsers open in advance, keeps nobody waiting.
            let _ = timeout(Duration::from_secs(2), server.serve_connection(TokioIo::new(stream), service_fn(answer)))
                .await;
        }
    };
    tokio::select! {
        biased;
        code = receiver => code.unwrap_or_else(|_| Err(refused(None))),
        () = serve => Err(refused(None)),
    }
}

type Sender = Mutex<Option<oneshot::Sender<Result<Zeroizing<String>, KeylessError>>>>;

fn send(sender: &Sender, code: Result<Zeroizing<String>, KeylessError>) {
    if let Some(sender) = sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = sender.send(code);
    }
}

async fn device(http: &Http, login: &Login, provider: &Provider) -> Result<Zeroizing<String>, KeylessError> {
    let Some(url) = &provider.device_authorization_endpoint else {
        return Err(KeylessError::Login(
            "this identity provider knows no device codes; log in with a browser".to_owned(),
        ));
    };
    let (verifier, nonce) = (random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
    let form = [
        ("client_id", login.client.as_str()),
        ("scope", SCOPE),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let ask = Ask::post(NAME, url, FORM, encode(&form));
    let code: DeviceCode = decode(&ask, &http.ask(&ask).await?.body)?;
    let address = code.verification_uri_complete.as_deref().unwrap_or(&code.verification_uri);
    (login.tell)(Prompt::Device(address, &code.user_code));
    let form = [
        ("grant_type", DEVICE),
        ("device_code", &code.device_code),
        ("client_id", &login.client),
        ("code_verifier", &verifier),
    ];
    let mut wait = Duration::from_secs(code.interval.unwrap_or(5).min(60));
    loop {
        tokio::time::sleep(wait).await;
        let tokens = exchange(http, &provider.token_endpoint, &form).await?;
        match (tokens.id_token, tokens.error.as_deref()) {
            (Some(token), _) => return Ok(Zeroizing::new(token)),
            (None, Some("authorization_pending")) => {}
            (None, Some("slow_down")) => wait += Duration::from_secs(5),
            (None, error) => return Err(refused(error)),
        }
    }
}

/// RFC 6749, 5: an error comes with status 400 or 401.
async fn exchange(http: &Http, url: &str, form: &[(&str, &str)]) -> Result<Tokens, KeylessError> {
    let mut ask = Ask::post(NAME, url, FORM, encode(form));
    ask.also = &[StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED];
    decode(&ask, &http.ask(&ask).await?.body)
}

fn encode(form: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into_bytes()
}

fn decode<'d, T: Deserialize<'d>>(ask: &Ask<'_>, body: &'d [u8]) -> Result<T, KeylessError> {
    // serde's words on a bad value quote it, and it may be a token.
    serde_json::from_slice(body)
        .map_err(|_| ask.fails(ServiceFault::Answer("not as the standard has it".to_owned())).into())
}

fn refused(error: Option<&str>) -> KeylessError {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric() || "_-. ".contains(*c)).take(80).collect();
    KeylessError::Login(error.map_or_else(|| "there was no answer".to_owned(), plain))
}

fn random() -> Result<Zeroizing<String>, KeylessError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut()).map_err(|_| KeylessError::Login("no random numbers".to_owned()))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
}
