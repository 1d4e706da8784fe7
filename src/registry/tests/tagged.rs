use super::{
    server::{say, status},
    *,
};
use crate::{
    limits::ETAG_BYTES,
    registry::embedded::{Embedded, EmbeddedOptions},
};

/// A server whose manifest has this ETag, and which says 304 to whoever asks for another.
async fn stating(etag: String) -> Server {
    Server::start(move |call, _| match call.header("if-none-match") {
        Some(known) if known == etag => status(304),
        _ => say(200, &[("etag", &etag)], bytes(&image(1))),
    })
    .await
}

#[tokio::test]
async fn an_unchanged_tag_is_not_read_again_and_a_moved_one_is() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.unwrap();
    let name = Repository::Registry(format!("{}/app", registry.address()).parse().unwrap());
    let repo = Session::new(quick()).unwrap().open(&name, Access::PullPush).unwrap();
    repo.push_blob(b"{}").await.unwrap();
    let push = async |number| {
        let manifest = Manifest::Image(Box::new(image(number)));
        repo.push_manifest(&tag("v1"), &manifest).await.unwrap().0
    };
    let first = push(1).await;
    registry.forget_requests();
    let read = repo.manifest_if_changed("v1", None).await.unwrap().unwrap();
    assert_eq!((read.fetched.descriptor.digest, &read.etag), (first, &Some(format!("\"{first}\""))));
    assert!(repo.manifest_if_changed("v1", read.etag.as_deref()).await.unwrap().is_none());
    let second = push(2).await;
    let again = repo.manifest_if_changed("v1", read.etag.as_deref()).await.unwrap().unwrap();
    assert_eq!(again.fetched.descriptor.digest, second);
    let gone = repo.manifest_if_changed("v2", read.etag.as_deref()).await.unwrap_err();
    assert!(gone.is_not_found(), "{gone}");
    let statuses: Vec<_> = registry.requests().iter().map(|request| request.status.as_u16()).collect();
    assert_eq!(statuses, [200, 304, 201, 200, 404]);
}

#[tokio::test]
async fn no_cache_answers_a_conditional_read() {
    let server = stating("\"a\"".to_owned()).await;
    let repo = open(&server);
    assert!(repo.manifest_if_changed("v1", Some("\"a\"")).await.unwrap().is_none());
    repo.manifest(&tag("v1")).await.unwrap();
    let [conditional, plain] = server.calls().try_into().unwrap();
    let mut expected = plain.headers.clone();
    expected.insert("if-none-match", "\"a\"".parse().unwrap());
    assert_eq!((conditional.method, conditional.path, conditional.headers), (plain.method, plain.path, expected));
    assert_eq!(plain.headers["cache-control"], "no-cache");
}

#[tokio::test]
async fn what_is_unchanged_without_being_asked_is_a_fault() {
    let server = Server::start(|_, _| status(304)).await;
    let repo = open(&server);
    for etag in [None, Some("*"), Some(""), Some("a b"), Some("a\r\nb: c")] {
        let error = repo.manifest_if_changed("v1", etag).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Protocol(_)), "{etag:?}: {error}");
    }
    assert!(server.calls().iter().all(|call| call.header("if-none-match").is_none()));
    assert!(matches!(repo.manifest(&tag("v1")).await.unwrap_err().fault, Fault::Status { status: 304, .. }));
}

#[tokio::test]
async fn only_an_etag_that_can_be_sent_back_is_kept() {
    let longest = format!("\"{}\"", "a".repeat(ETAG_BYTES - 2));
    for (etag, kept) in
        [("W/\"a\"", true), (&longest, true), (&format!("{longest}a"), false), ("*", false), ("a b", false)]
    {
        let server = stating(etag.to_owned()).await;
        let read = open(&server).manifest_if_changed("v1", None).await.unwrap().unwrap();
        assert_eq!(read.etag.as_deref(), kept.then_some(etag));
    }
}

#[tokio::test]
async fn a_conditional_read_checks_the_digest_that_is_stated() {
    let wrong = Digest::sha256(b"other").to_string();
    let server =
        Server::start(move |_, _| say(200, &[("docker-content-digest", &wrong), ("etag", "\"a\"")], bytes(&image(1))))
            .await;
    let error = open(&server).manifest_if_changed("v1", Some("\"a\"")).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Digest { .. }), "{error}");
}

#[tokio::test]
async fn a_layout_is_always_read() {
    let dir = tempfile::tempdir().unwrap();
    let session = Session::new(quick()).unwrap();
    let repo = session.open(&Repository::Layout(dir.path().to_owned()), Access::PullPush).unwrap();
    let (digest, _) = repo.push_manifest(&tag("v1"), &Manifest::Image(Box::new(image(1)))).await.unwrap();
    let read = repo.manifest_if_changed("v1", Some(&format!("\"{digest}\""))).await.unwrap().unwrap();
    assert_eq!((read.fetched.descriptor.digest, read.etag), (digest, None));
}
