//! A token server as registries know it (distribution's "Token Authentication Specification" and its OAuth2 part): JWTs
//! by ES256 with the certificate in `x5c`, passwords by GET, refresh tokens by POST.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    pkcs8::DecodePrivateKey as _,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, runtime::Runtime};

pub const SERVICE: &str = "boltseal-registry";
pub const ISSUER: &str = "boltseal-issuer";
/// Who may push and pull everything: user and password.
pub const WRITER: (&str, &str) = ("alice", "s3cret");
/// Who may only pull.
pub const READER: (&str, &str) = ("bob", "hunter2");
/// The writer's refresh token.
pub const REFRESH: &str = "refresh-token-of-alice";
/// The prefix of repositories that anybody may pull.
pub const PUBLIC: &str = "public/";

/// A token server that runs until it is dropped.
pub struct TokenServer {
    pub address: SocketAddr,
    /// The certificate that its tokens are verified by, PEM.
    pub certificate: String,
    state: Arc<State>,
    _runtime: Runtime,
}

struct State {
    key: SigningKey,
    certificate: String,
    grants: Mutex<Vec<String>>,
}

impl TokenServer {
    pub fn start() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([ISSUER.to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let state = Arc::new(State {
            key: SigningKey::from_pkcs8_der(key.serialized_der()).expect("a P-256 key"),
            certificate: STANDARD.encode(certificate.der()),
            grants: Mutex::default(),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(accept(listener, Arc::clone(&state)));
        Self { address, certificate: certificate.pem(), state, _runtime: runtime }
    }

    /// docker-registry's configuration, with the certificate in this file.
    pub fn registry(&self, certificate: &str) -> String {
        let realm = format!("http://{}/token", self.address);
        format!(
            "auth: {{token: {{realm: \"{realm}\", service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {certificate}}}}}\n"
        )
    }

    /// How each token was asked for: `anonymous`, `password` or `refresh_token`, and by whom.
    pub fn grants(&self) -> Vec<String> {
        self.state.grants.lock().expect("not poisoned").clone()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(state.answer(request).await) }
            });
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let answer = if parts.method == Method::POST {
            let form = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            self.by_form(&pairs(&form))
        } else {
            let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            self.by_password(&pairs(parts.uri.query().unwrap_or_default().as_bytes()), authorization)
        };
        let (status, content) = match answer {
            Some(token) => (StatusCode::OK, token),
            None => {
                (StatusCode::UNAUTHORIZED, json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "who are you?" }] }))
            }
        };
        let mut answer = Response::new(Full::new(Bytes::from(content.to_string())));
        *answer.status_mut() = status;
        answer
    }

    fn by_password(&self, query: &[(String, String)], authorization: Option<&str>) -> Option<Value> {
        let Some(authorization) = authorization else { return Some(self.token(query, "anonymous", "")) };
        let given = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
        let known = |(user, password): &(&str, &str)| given == format!("{user}:{password}").as_bytes();
        let (user, _) = [WRITER, READER].into_iter().find(known)?;
        Some(self.token(query, "password", user))
    }

    fn by_form(&self, form: &[(String, String)]) -> Option<Value> {
        let value = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let right = value("grant_type") == Some("refresh_token") && value("refresh_token") == Some(REFRESH);
        right.then(|| self.token(form, "refresh_token", WRITER.0))
    }

    fn token(&self, query: &[(String, String)], grant: &str, user: &str) -> Value {
        self.grants.lock().expect("not poisoned").push(format!("{grant} {user}").trim_end().to_owned());
        let scopes = query.iter().filter(|(name, _)| name == "scope").flat_map(|(_, scopes)| scopes.split(' '));
        let access: Vec<_> = scopes.filter_map(|scope| allowed(scope, user)).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": ISSUER, "sub": user, "aud": SERVICE, "exp": now + 60, "nbf": now - 5, "iat": now,
            "jti": now.to_string(), "access": access,
        });
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature: Signature = self.key.sign(signed.as_bytes());
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        json!({ "token": token, "access_token": token, "expires_in": 60 })
    }
}

/// What of a scope somebody gets.
fn allowed(scope: &str, user: &str) -> Option<Value> {
    let (resource, actions) = scope.rsplit_once(':')?;
    let (kind, name) = resource.split_once(':')?;
    let may = |action: &&str| match user {
        "" => *action == "pull" && name.starts_with(PUBLIC),
        reader if reader == READER.0 => *action == "pull",
        _ => true,
    };
    let actions: Vec<_> = actions.split(',').filter(may).collect();
    (!actions.is_empty()).then(|| json!({ "type": kind, "name": name, "actions": actions }))
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}
