use super::{
    server::{Call, Server, say, status},
    *,
};
use crate::limits::CREDENTIALS_TRIED;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};
use zeroize::Zeroizing;

const BLOB: &[u8] = b"0123456789";

fn blob() -> Descriptor {
    Descriptor::of("a/b", BLOB)
}

/// A credential file's content with one entry for a server.
fn with(server: &Server, entry: &str) -> Options {
    let content = format!(r#"{{"auths":{{"{}":{entry}}}}}"#, server.address);
    let environment = Environment { docker_auth_config: Some(Zeroizing::new(content)), ..Environment::default() };
    Options { environment, ..quick() }
}

fn password(server: &Server) -> Options {
    with(server, &format!(r#"{{"auth":"{}"}}"#, STANDARD.encode("alice:s3cret")))
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode("alice:s3cret"))
}

/// A registry that wants `Bearer good`, and its token server beside it, which does what `token` says.
async fn token_registry(token: impl Fn(&Call) -> server::Answer + Send + Sync + 'static) -> Server {
    let own: Arc<OnceLock<String>> = Arc::default();
    let address = Arc::clone(&own);
    let server = Server::start(move |call, _| {
        if call.path.starts_with("/token") {
            return token(call);
        }
        if call.header("authorization") == Some("Bearer good") {
            return if call.method == "GET" { say(200, &[], BLOB) } else { say(202, &[("location", "/u")], "") };
        }
        let challenge = format!(
            r#"Bearer realm="http://{}/token",service="reg",scope="repository:app:{}""#,
            address.get().unwrap(),
            if call.method == "GET" { "pull" } else { "pull,push" }
        );
        say(401, &[("www-authenticate", &challenge)], r#"{"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}"#)
    })
    .await;
    own.set(server.address.to_string()).unwrap();
    server
}

#[tokio::test]
async fn a_token_is_fetched_once_for_what_the_run_needs() {
    let server = token_registry(|call| {
        assert_eq!(call.header("authorization"), Some(basic().as_str()));
        say(200, &[], r#"{"token":"good","expires_in":60}"#)
    })
    .await;
    let repo = open_with(&server, password(&server), Access::PullPush);
    for _ in 0..2 {
        assert_eq!(repo.blob(&blob(), 100).await.unwrap(), BLOB);
    }
    let path = format!("GET /v2/app/blobs/{}", blob().digest);
    let token = "GET /token?service=reg&scope=repository%3Aapp%3Apull%2Cpush".to_owned();
    assert_eq!(server.log(), [path.clone(), token, path.clone(), path]);
}

#[tokio::test]
async fn many_requests_at_once_share_one_token() {
    let server = token_registry(|_| say(200, &[], r#"{"access_token":"good"}"#)).await;
    let repo = open_with(&server, quick(), Access::Pull);
    let blob = blob();
    let reads = futures_util::future::join_all((0..20).map(|_| repo.blob(&blob, 100))).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(server.log().iter().filter(|line| line.contains("/token")).count(), 1);
}

#[tokio::test]
async fn a_token_that_ran_out_is_renewed() {
    let (valid, tokens) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(0)));
    let (current, given) = (Arc::clone(&valid), Arc::clone(&tokens));
    let own: Arc<OnceLock<String>> = Arc::default();
    let address = Arc::clone(&own);
    let server = Server::start(move |call, _| {
        if call.path.starts_with("/token") {
            let n = given.fetch_add(1, Ordering::SeqCst) + 1;
            return say(200, &[], format!(r#"{{"token":"t{n}"}}"#));
        }
        let wanted = format!("Bearer t{}", current.load(Ordering::SeqCst));
        if call.header("authorization") == Some(&wanted) {
            return say(200, &[], BLOB);
        }
        say(401, &[("www-authenticate", &format!("Bearer realm=\"http://{}/token\"", address.get().unwrap()))], "")
    })
    .await;
    own.set(server.address.to_string()).unwrap();
    let repo = open_with(&server, quick(), Access::Pull);
    assert!(repo.blob(&blob(), 100).await.is_ok());
    valid.store(2, Ordering::SeqCst);
    assert!(repo.blob(&blob(), 100).await.is_ok());
    assert_eq!(tokens.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_401_loop_ends_after_the_second() {
    let server = token_registry(|_| say(200, &[], r#"{"token":"bad"}"#)).await;
    let error = open_with(&server, quick(), Access::Pull).blob(&blob(), 100).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Unauthorized(message) if message.ends_with("UNAUTHORIZED: who?")), "{error}");
    assert_eq!(server.log().len(), 3);
}

#[tokio::test]
async fn a_known_user_without_the_right_to_push_is_told_so() {
    let server = token_registry(|_| say(200, &[], r#"{"token":"pull-only"}"#)).await;
    let repo = open_with(&server, password(&server), Access::PullPush);
    let error = repo.push_blob(BLOB).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Forbidden { permission: "push", .. }), "{error}");
    let server = token_registry(|_| status(403)).await;
    let error = open_with(&server, password(&server), Access::PullPush).push_blob(BLOB).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Forbidden { permission: "push", .. }), "{error}");
}

#[tokio::test]
async fn refused_credentials_are_not_sent_again() {
    let server = token_registry(|_| status(401)).await;
    let repo = open_with(&server, password(&server), Access::Pull);
    for _ in 0..3 {
        let error = repo.blob(&blob(), 100).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Unauthorized(_)), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
    assert_eq!(server.log().iter().filter(|line| line.contains("/token")).count(), 1);
}

#[tokio::test]
async fn a_refresh_token_is_traded_by_post_and_by_get_where_that_is_unknown() {
    let server = token_registry(|call| {
        let form = std::str::from_utf8(&call.body).unwrap();
        assert_eq!((call.method.as_str(), call.path.as_str(), call.header("authorization")), ("POST", "/token", None));
        assert_eq!(
            form,
            "grant_type=refresh_token&client_id=boltseal&service=reg&scope=repository%3Aapp%3Apull&refresh_token=rt"
        );
        say(200, &[], r#"{"access_token":"good","refresh_token":"new"}"#)
    })
    .await;
    let repo = open_with(&server, with(&server, r#"{"identitytoken":"rt"}"#), Access::Pull);
    repo.blob(&blob(), 100).await.unwrap();
    for unknown in [404, 405] {
        let server = token_registry(move |call| {
            if call.method == "POST" {
                return status(unknown);
            }
            assert_eq!(call.header("authorization"), Some(format!("Basic {}", STANDARD.encode("<token>:rt")).as_str()));
            say(200, &[], r#"{"token":"good"}"#)
        })
        .await;
        let repo = open_with(&server, with(&server, r#"{"identitytoken":"rt"}"#), Access::Pull);
        repo.blob(&blob(), 100).await.unwrap();
    }
}

#[tokio::test]
async fn a_configured_registry_token_is_used_as_it_is() {
    let server = token_registry(|_| panic!("no token was to be asked for")).await;
    let repo = open_with(&server, with(&server, r#"{"registrytoken":"good"}"#), Access::Pull);
    repo.blob(&blob(), 100).await.unwrap();
}

#[tokio::test]
async fn a_password_is_sent_when_asked_for_and_once_if_wrong() {
    let server = Server::start(|call, _| {
        if call.header("authorization") == Some(basic().as_str()) {
            return say(200, &[], BLOB);
        }
        say(401, &[("www-authenticate", "Basic realm=\"x\"")], "")
    })
    .await;
    let repo = open_with(&server, password(&server), Access::Pull);
    repo.blob(&blob(), 100).await.unwrap();
    repo.blob(&blob(), 100).await.unwrap();
    assert_eq!(server.log().len(), 3);
    let wrong = with(&server, r#"{"username":"alice","password":"wrong"}"#);
    let repo = open_with(&server, wrong, Access::Pull);
    for _ in 0..2 {
        let error = repo.blob(&blob(), 100).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Unauthorized(_)), "{error}");
    }
    let sent = server.calls().iter().filter(|call| call.headers.contains_key("authorization")).count();
    assert_eq!(sent, 3, "two good ones, one wrong one");
    let error = open(&server).blob(&blob(), 100).await.unwrap_err();
    assert!(error.to_string().contains("no credentials for 127.0.0.1"), "{error}");
}

/// Pull secrets of these users, in this order, all for one server.
fn secrets(server: &Server, users: &[&str]) -> Options {
    let secret = |user: &&str| {
        let auth = STANDARD.encode(format!("{user}:pw"));
        Zeroizing::new(format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, server.address))
    };
    let environment = Environment { pull_secrets: users.iter().map(secret).collect(), ..Environment::default() };
    Options { environment, ..quick() }
}

fn user(call: &Call) -> String {
    let sent = call.header("authorization").and_then(|header| header.strip_prefix("Basic ")).map(str::to_owned);
    let decoded = sent.map(|sent| String::from_utf8(STANDARD.decode(sent).unwrap()).unwrap()).unwrap_or_default();
    decoded.trim_end_matches(":pw").to_owned()
}

// [V-330]
#[tokio::test]
async fn pull_secrets_are_tried_in_turn_each_once() {
    let server = Server::start(|call, _| match user(call).as_str() {
        "" | "a" => say(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        "b" => status(403),
        _ if call.path.contains("referrers") => status(403),
        _ if call.path.contains("manifests") => say(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        _ => say(200, &[], BLOB),
    })
    .await;
    let sent = |server: &Server| server.calls().iter().map(user).collect::<Vec<_>>();
    let repo = open_with(&server, secrets(&server, &["a", "b", "a", "c", "d"]), Access::Pull);
    repo.blob(&blob(), 100).await.unwrap();
    // What it refuses whoever it knows is refused: the next would only be worse.
    assert!(repo.referrers(&blob().digest).await.fault.is_some());
    repo.blob(&blob(), 100).await.unwrap();
    assert_eq!(sent(&server), ["", "a", "b", "c", "c", "c"]);
    repo.resolve("1").await.unwrap_err();
    assert_eq!(sent(&server)[6..], ["c"]);
    let repo = open_with(&server, secrets(&server, &["b", "a"]), Access::Pull);
    for _ in 0..2 {
        let error = repo.blob(&blob(), 100).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Unauthorized(_)), "{error}");
    }
    assert_eq!(sent(&server)[7..], ["", "b", "a", ""]);
    let many: Vec<_> = (0..20).map(|n| format!("a{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).chain(["a0"]).collect();
    let server = Server::start(|_, _| say(401, &[("www-authenticate", "Basic realm=\"x\"")], "")).await;
    open_with(&server, secrets(&server, &many), Access::Pull).blob(&blob(), 100).await.unwrap_err();
    assert_eq!(sent(&server)[1..], many[..CREDENTIALS_TRIED]);
}

// [V-330]
#[tokio::test]
async fn a_pull_secret_that_was_sent_and_not_answered_is_no_good_one() {
    let server = Server::start(|call, number| match user(call).as_str() {
        "" => say(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        "a" if number < 2 => status(503),
        "a" => status(403),
        _ => say(200, &[], BLOB),
    })
    .await;
    let repo = open_with(&server, secrets(&server, &["a", "b"]), Access::Pull);
    repo.blob(&blob(), 100).await.unwrap();
    assert_eq!(server.calls().iter().map(user).collect::<Vec<_>>(), ["", "a", "a", "", "b"]);
}

// [V-330]
#[tokio::test]
async fn a_good_pull_secret_stays_whichever_answer_comes_first() {
    let server = Server::start(|call, _| match user(call).as_str() {
        "" => say(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        // A registry without referrers that says so in its own way.
        "a" if !call.path.contains("referrers") => say(200, &[], BLOB),
        _ => status(403),
    })
    .await;
    for _ in 0..20 {
        let repo = open_with(&server, secrets(&server, &["a", "b"]), Access::Pull);
        let (list, blob, digest) = (blob(), blob(), blob().digest);
        let reads = (0..4).map(|_| repo.blob(&blob, 100));
        let (_, reads) =
            futures_util::future::join(repo.referrers(&digest), futures_util::future::join_all(reads)).await;
        assert!(reads.iter().any(Result::is_ok));
        repo.blob(&list, 100).await.unwrap();
    }
    let repo = open_with(&server, secrets(&server, &["a", "b"]), Access::Pull);
    assert!(repo.referrers(&blob().digest).await.fault.is_some());
    repo.blob(&blob(), 100).await.unwrap();
}

// [V-330]
#[tokio::test]
async fn pull_secrets_are_traded_for_tokens_in_turn() {
    let server = token_registry(|call| match user(call).as_str() {
        "a" => status(401),
        "b" => say(200, &[], r#"{"token":"useless"}"#),
        "c" => status(403),
        _ => say(200, &[], r#"{"token":"good"}"#),
    })
    .await;
    let repo = open_with(&server, secrets(&server, &["a", "b", "c", "d", "e"]), Access::Pull);
    let blob = blob();
    let reads = futures_util::future::join_all((0..10).map(|_| repo.blob(&blob, 100))).await;
    assert!(reads.iter().all(Result::is_ok), "{reads:?}");
    let asked = server.calls().into_iter().filter(|call| call.path.starts_with("/token"));
    assert_eq!(asked.map(|call| user(&call)).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn credentials_follow_no_redirect_to_another_host() {
    let storage = Server::start(|_, _| say(200, &[], BLOB)).await;
    let location = format!("http://{}/there", storage.address);
    let server = Server::start(move |call, _| match call.header("authorization") {
        None => say(401, &[("www-authenticate", "Basic")], ""),
        Some(_) if call.path.ends_with("/again") => say(307, &[("location", &location)], ""),
        Some(_) => say(307, &[("location", "/again")], ""),
    })
    .await;
    let repo = open_with(&server, password(&server), Access::Pull);
    repo.blob(&blob(), 100).await.unwrap();
    assert!(server.calls()[2].headers.contains_key("authorization"), "the same host keeps it");
    assert_eq!(storage.calls()[0].header("authorization"), None);
}

// [V-205]
#[tokio::test]
async fn a_place_s_headers_go_to_it_and_its_token_server_and_to_no_other_host() {
    let storage = Server::start(|_, _| say(200, &[], BLOB)).await;
    let location = format!("http://{}/there", storage.address);
    let own: Arc<OnceLock<String>> = Arc::default();
    let address = Arc::clone(&own);
    let server = Server::start(move |call, _| {
        assert_eq!(call.header("x-key"), Some("s3cret"), "{}", call.path);
        if call.path.starts_with("/token") {
            return say(200, &[], r#"{"token":"good"}"#);
        }
        if call.header("authorization").is_none() {
            let challenge = format!("Bearer realm=\"http://{}/token\"", address.get().unwrap());
            return say(401, &[("www-authenticate", &challenge)], "");
        }
        say(307, &[("location", &location)], "")
    })
    .await;
    own.set(server.address.to_string()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(server.address.to_string());
    std::fs::create_dir(&folder).unwrap();
    let hosts = format!("[host.\"http://{}\".header]\nx-key = \"s3cret\"\n", server.address);
    std::fs::write(folder.join("hosts.toml"), hosts).unwrap();
    let options = Options { hosts: vec![home.path().to_owned()], ..quick() };
    open_with(&server, options, Access::Pull).blob(&blob(), 100).await.unwrap();
    assert_eq!((server.calls().len(), storage.calls()[0].header("x-key")), (3, None));
}

#[tokio::test]
async fn a_token_server_that_sends_us_elsewhere_is_refused() {
    let elsewhere = Server::start(|_, _| say(200, &[], r#"{"token":"good"}"#)).await;
    let location = format!("http://{}/token", elsewhere.address);
    let server = token_registry(move |_| say(307, &[("location", &location)], "")).await;
    for entry in [r#"{"username":"alice","password":"s3cret"}"#, r#"{"identitytoken":"rt"}"#] {
        let error = open_with(&server, with(&server, entry), Access::Pull).blob(&blob(), 100).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Protocol(_)), "{error}");
    }
    assert!(elsewhere.calls().iter().all(|call| !call.headers.contains_key("authorization") && call.body.is_empty()));
}

#[tokio::test]
async fn a_token_server_without_tls_elsewhere_gets_nothing() {
    let challenge = "Bearer realm=\"http://auth.example/token\"";
    let server = Server::start(move |_, _| say(401, &[("www-authenticate", challenge)], "")).await;
    let error = open_with(&server, password(&server), Access::Pull).blob(&blob(), 100).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::PlainHttp(host) if host == "auth.example"), "{error}");
}

#[tokio::test]
async fn a_401_from_where_we_were_sent_is_no_challenge() {
    let storage = Server::start(|_, _| say(401, &[("www-authenticate", "Basic")], "")).await;
    let location = format!("http://{}/x", storage.address);
    let server = Server::start(move |_, _| say(307, &[("location", &location)], "")).await;
    let error = open_with(&server, password(&server), Access::Pull).blob(&blob(), 100).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Status { status: 401, .. }), "{error}");
    assert_eq!(storage.calls().len(), 1);
}

#[tokio::test]
async fn an_endless_or_senseless_token_answer_is_refused() {
    for body in ["{}".to_owned(), "<html>".to_owned(), format!(r#"{{"token":"{}"}}"#, "x".repeat(1 << 20))] {
        let server = token_registry(move |_| say(200, &[], body.clone())).await;
        let error = open(&server).blob(&blob(), 100).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Protocol(_) | Fault::Limit { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_challenge_for_more_than_ours_is_asked_for_too() {
    let own: Arc<OnceLock<String>> = Arc::default();
    let address = Arc::clone(&own);
    let server = Server::start(move |call, _| {
        if call.path.starts_with("/token") {
            return say(200, &[], r#"{"token":"good"}"#);
        }
        if call.headers.contains_key("authorization") {
            return say(201, &[], "");
        }
        let scope = "repository:app:pull,push repository:lib/base:pull";
        let challenge = format!("Bearer realm=\"http://{}/token\",scope=\"{scope}\"", address.get().unwrap());
        say(401, &[("www-authenticate", &challenge)], "")
    })
    .await;
    own.set(server.address.to_string()).unwrap();
    let Repo::Remote(remote) = open(&server) else { panic!("no remote") };
    remote.mount_blob(&Digest::sha256(b""), &"x.example/lib/base".parse().unwrap()).await.unwrap();
    let scopes = "/token?scope=repository%3Aapp%3Apull%2Cpush&scope=repository%3Alib%2Fbase%3Apull";
    assert_eq!(server.log()[1], format!("GET {scopes}"));
}
