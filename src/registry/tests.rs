mod auth;
mod hostile;
mod server;
mod shared_tag;
mod tagged;
mod tls;

use super::*;
use crate::oci::{Descriptor, Digest, ImageManifest, Manifest, Repository, media_type};
use server::{Memory, Server};
use std::time::Duration;

/// Options that make a test quick.
fn quick() -> Options {
    Options {
        backoff: Duration::from_millis(5),
        settle: Duration::from_millis(20),
        read_timeout: Duration::from_millis(400),
        operation_timeout: Duration::from_secs(5),
        ..Options::default()
    }
}

fn repository(server: &Server, path: &str) -> Repository {
    Repository::Registry(format!("{}/{path}", server.address).parse().unwrap())
}

fn open_with(server: &Server, options: Options, access: Access) -> Repo {
    Session::new(options).unwrap().open(&repository(server, "app"), access).unwrap()
}

fn open(server: &Server) -> Repo {
    open_with(server, quick(), Access::PullPush)
}

fn tag(tag: &str) -> Selector {
    Selector::Tag(tag.to_owned())
}

fn image(number: u64) -> ImageManifest {
    let mut image = ImageManifest::new(Descriptor::empty(), Vec::new());
    image.annotations.insert("number".to_owned(), number.to_string());
    image
}

fn artifact(subject: &Digest, number: u64) -> ImageManifest {
    let mut artifact = image(number);
    artifact.artifact_type = Some("application/vnd.example".to_owned());
    artifact.subject = Some(Descriptor { digest: *subject, ..Descriptor::of(media_type::IMAGE_MANIFEST, b"") });
    artifact
}

fn bytes(manifest: &ImageManifest) -> Vec<u8> {
    serde_json::to_vec(manifest).unwrap()
}

#[tokio::test]
async fn what_is_pushed_is_read_back_without_a_request_too_many() {
    let server = Server::start(Memory::default().handler()).await;
    let repo = open(&server);
    repo.push_blob(b"content").await.unwrap();
    let manifest = Manifest::Image(Box::new(image(1)));
    let (digest, listed) = repo.push_manifest(&tag("v1"), &manifest).await.unwrap();
    assert!(!listed);
    let resolved = repo.resolve("v1").await.unwrap();
    assert_eq!((resolved.digest, resolved.size), (digest, bytes(&image(1)).len() as u64));
    for at in [tag("v1"), Selector::Digest(digest)] {
        let fetched = repo.manifest(&at).await.unwrap();
        assert_eq!((fetched.descriptor, fetched.manifest), (resolved.clone(), manifest.clone()));
    }
    let blob = Descriptor::of("a/b", b"content");
    assert_eq!(repo.blob(&blob, 7).await.unwrap(), b"content");
    let mut sink = Vec::new();
    repo.blob_to(&blob, &mut sink, &|_| ()).await.unwrap();
    assert_eq!(sink, b"content");
    let blob = format!("/v2/app/blobs/{}", blob.digest);
    let expected = [
        "POST /v2/app/blobs/uploads/".to_owned(),
        format!("PUT /v2/app/blobs/uploads/1?state=s%2Fx&digest={}", Digest::sha256(b"content")),
        "PUT /v2/app/manifests/v1".to_owned(),
        "HEAD /v2/app/manifests/v1".to_owned(),
        "GET /v2/app/manifests/v1".to_owned(),
        format!("GET /v2/app/manifests/{digest}"),
        format!("GET {blob}"),
        format!("GET {blob}"),
    ];
    assert_eq!(server.log(), expected);
}

#[tokio::test]
async fn what_is_over_the_cap_is_never_asked_for() {
    let server = Server::start(Memory::default().handler()).await;
    let error = open(&server).blob(&Descriptor::of("a/b", b"content"), 6).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Limit { .. }), "{error}");
    assert!(server.log().is_empty());
}

#[tokio::test]
async fn an_absent_manifest_is_typed_and_named() {
    let server = Server::start(Memory::default().handler()).await;
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), format!("reading v1 of {}/app: not found", server.address));
}

#[tokio::test]
async fn a_head_that_leaves_something_out_is_followed_by_a_get() {
    let body = bytes(&image(1));
    let expected = Digest::sha256(&body);
    for refuses in [false, true] {
        let body = body.clone();
        let server = Server::start(move |call, _| match call.method.as_str() {
            "HEAD" if refuses => server::status(405),
            "HEAD" => server::say(200, &[("content-type", media_type::IMAGE_MANIFEST)], ""),
            _ => server::say(200, &[], body.clone()),
        })
        .await;
        assert_eq!(open(&server).resolve("v1").await.unwrap().digest, expected);
        assert_eq!(server.log(), ["HEAD /v2/app/manifests/v1", "GET /v2/app/manifests/v1"]);
    }
}

#[tokio::test]
async fn a_mount_that_was_not_done_is_no_error() {
    let server = Server::start(|_, nth| server::say(if nth == 0 { 201 } else { 202 }, &[("location", "/x")], "")).await;
    let Repo::Remote(remote) = open(&server) else { panic!("no remote") };
    let from = "x.example/lib/base".parse().unwrap();
    let digest = Digest::sha256(b"");
    assert!(remote.mount_blob(&digest, &from).await.unwrap());
    assert!(!remote.mount_blob(&digest, &from).await.unwrap());
    assert_eq!(server.log()[0], format!("POST /v2/app/blobs/uploads/?mount={digest}&from=lib%2Fbase"));
}

#[test]
fn what_the_operations_return_can_be_sent_to_other_threads() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let repo = Session::new(Options::default()).unwrap();
    let repo = repo.open(&Repository::Registry("x.example/app".parse().unwrap()), Access::Pull).unwrap();
    let (digest, blob) = (Digest::sha256(b""), Descriptor::empty());
    let (selector, artifact) = (tag("v1"), image(1));
    let manifest = Manifest::Image(Box::new(image(1)));
    drop(send(repo.manifest(&selector)));
    drop(send(repo.resolve("v1")));
    drop(send(repo.blob(&blob, 1)));
    drop(send(repo.referrers(&digest)));
    drop(send(repo.push_blob(b"")));
    drop(send(repo.push_manifest(&selector, &manifest)));
    drop(send(repo.attach(&artifact)));
    let (mut sink, progress) = (Vec::new(), |_| ());
    drop(send(repo.blob_to(&blob, &mut sink, &progress)));
}

#[tokio::test]
async fn proxies_are_used_but_never_to_this_machine() {
    // https is tried first: this proxy makes no tunnel, so that plain http, which was allowed, follows.
    let proxy =
        Server::start(|call, _| server::say(if call.method == "GET" { 200 } else { 502 }, &[], "content")).await;
    let address = Some(format!("http://{}", proxy.address).into());
    let environment = Environment { http_proxy: address.clone(), https_proxy: address, ..Environment::default() };
    let options = Options { insecure_http: true, environment, ..quick() };
    let session = Session::new(options.clone()).unwrap();
    let elsewhere = Repository::Registry("registry.example/app".parse().unwrap());
    let repo = session.open(&elsewhere, Access::Pull).unwrap();
    let blob = Descriptor::of("a/b", b"content");
    assert_eq!(repo.blob(&blob, 7).await.unwrap(), b"content");
    assert_eq!(proxy.calls().last().unwrap().header("host"), Some("registry.example"));
    let (here, before) = (Server::start(|_, _| server::say(200, &[], "content")).await, proxy.log().len());
    assert_eq!(open_with(&here, options, Access::Pull).blob(&blob, 7).await.unwrap(), b"content");
    assert_eq!((here.log().len(), proxy.log().len()), (1, before));
}
