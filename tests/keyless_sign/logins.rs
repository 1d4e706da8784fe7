//! Tokens that are asked for elsewhere: a login in a browser, a login with a code, Google's metadata server.

use super::{WHO, World};
use boltseal::sign::keyless::{Announced, Keyless, KeylessError, LogMode, Login, Prompt, Services, TokenSource};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

/// What a service answers to a path and a body: status and body.
type Serve = Arc<dyn Fn(&Request<()>, &str) -> (u16, String) + Send + Sync>;

/// A service on 127.0.0.1; its address.
async fn serve(answer: Serve) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = Arc::clone(&answer);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.expect("a body").to_bytes();
                    let request = Request::from_parts(parts, ());
                    let (status, text) = answer(&request, &String::from_utf8_lossy(&body));
                    let mut response = Response::new(Full::new(Bytes::from(text)));
                    *response.status_mut() = status.try_into().expect("a status");
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

/// Who the token names that a source gives, at an identity provider.
async fn announced(world: &World, provider: &str, source: TokenSource) -> Result<Announced, KeylessError> {
    let mut config = world.sigstore.services.signing_config(&[2]);
    config["oidcUrls"][0]["url"] = json!(provider);
    let services = Services::decode("config", config.to_string().as_bytes(), Timestamp::now())?;
    Keyless::new(services, source, LogMode::Required)?.announce().await
}

fn login(device: bool, tell: impl Fn(Prompt<'_>) + Send + Sync + 'static) -> TokenSource {
    TokenSource::Login(Login { device, client: "sigstore".to_owned(), tell: Arc::new(tell) })
}

/// The browser goes where it is sent, and follows the way back.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_in_a_browser_gives_a_token() {
    let world = World::new(&[]).await;
    let source = login(false, |prompt| {
        let Prompt::Browser(url) = prompt else { panic!("a browser was asked for") };
        let url = url.to_owned();
        tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
            let back = url.split("redirect_uri=").nth(1).expect("a way back").split('&').next().expect("it");
            let back = back.replace("%3A", ":").replace("%2F", "/");
            // Somebody else's page, which knows the port and not the state.
            let forged = client.get(format!("{back}?code=x&state=y")).send().await.expect("an answer");
            assert_eq!(forged.status(), 404);
            let page = client.get(url).send().await.expect("an answer").text().await.expect("a page");
            assert!(page.contains("Logged in"), "{page}");
        });
    });
    let who = announced(&world, &world.sigstore.url, source).await.expect("a token");
    assert_eq!((who.subject.as_str(), who.issuer), (WHO, world.sigstore.url.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_a_code_waits_until_somebody_has_given_it() {
    let world = World::new(&[]).await;
    let token = world.sigstore.services.oidc.email_token(WHO, Timestamp::now());
    for (error, end) in [(None, Ok(())), (Some("access_denied"), Err("logging in: access_denied"))] {
        let (polls, token, own) = (Mutex::new(0), token.clone(), Arc::new(Mutex::new(String::new())));
        let url = Arc::clone(&own);
        let provider = serve(Arc::new(move |request, body| {
            let url = url.lock().expect("it").clone();
            match request.uri().path() {
                "/.well-known/openid-configuration" => (
                    200,
                    json!({ "issuer": url, "authorization_endpoint": url, "token_endpoint": format!("{url}/token"),
                        "device_authorization_endpoint": format!("{url}/device") })
                    .to_string(),
                ),
                "/device" => {
                    assert!(body.contains("client_id=sigstore") && body.contains("scope=openid+email"), "{body}");
                    let code = json!({ "device_code": "secret", "user_code": "ABCD-EFGH", "verification_uri": "https://login.example.com/device", "interval": 0 });
                    (200, code.to_string())
                }
                _ => {
                    assert!(body.contains("device_code=secret"), "{body}");
                    let mut polls = polls.lock().expect("it");
                    *polls += 1;
                    match (*polls, error) {
                        (1, _) => (400, json!({ "error": "authorization_pending" }).to_string()),
                        (_, Some(error)) => (400, json!({ "error": error }).to_string()),
                        (_, None) => (200, json!({ "id_token": token }).to_string()),
                    }
                }
            }
        }))
        .await;
        own.lock().expect("it").clone_from(&provider);
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let source = login(true, move |prompt| {
            let Prompt::Device(url, code) = prompt else { panic!("a code was asked for") };
            telling.lock().expect("it").push(format!("{url} {code}"));
        });
        let got = announced(&world, &provider, source).await.map(|who| who.subject).map_err(|error| error.to_string());
        assert_eq!(got, end.map(|()| WHO.to_owned()).map_err(str::to_owned));
        assert_eq!(*told.lock().expect("it"), ["https://login.example.com/device ABCD-EFGH"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_calls_itself_something_else_gets_nobody() {
    let world = World::new(&[]).await;
    let provider = serve(Arc::new(|_, _| {
        let other = "https://login.example.com";
        (200, json!({ "issuer": other, "authorization_endpoint": other, "token_endpoint": other }).to_string())
    }))
    .await;
    let source = login(false, |_| panic!("nobody is sent anywhere"));
    let error = announced(&world, &provider, source).await.expect_err("nobody").to_string();
    assert!(error.contains("it calls itself \"https://login.example.com\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn google_s_metadata_server_gives_a_token() {
    let world = World::new(&["one"]).await;
    let claims: Value = json!({ "sub": "1234", "email": "build@acme.iam.gserviceaccount.com", "email_verified": true });
    let token = world.token(&claims);
    let url = serve(Arc::new(move |request, _| {
        assert_eq!(request.headers()["metadata-flavor"], "Google");
        assert_eq!(request.uri().path(), "/computeMetadata/v1/instance/service-accounts/default/identity");
        assert_eq!(request.uri().query(), Some("audience=sigstore&format=full"));
        (200, token.clone())
    }))
    .await;
    let host = url.trim_start_matches("http://");
    let ran = world.within("signing_config", "sign -y -o json --index-only @one", &[("GCE_METADATA_HOST", host)]);
    assert_eq!(ran.expect(0).json()["identity"]["subject"], "build@acme.iam.gserviceaccount.com");
}
