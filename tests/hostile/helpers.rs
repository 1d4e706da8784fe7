//! The embedded registry's ways to misbehave do what they are named after; what boltseal makes of them is judged where
//! it is used.

use crate::common::hostile;
use boltseal::registry::embedded::{Alter, Embedded, EmbeddedOptions, Hook};
use http::StatusCode;
use reqwest::{Client, Response};
use std::time::{Duration, Instant};

const CONTENT: &str = "twenty bytes of text";

struct Peer {
    registry: Embedded,
    client: Client,
}

impl Peer {
    async fn start(hook: Option<Hook>, alter: Option<Alter>) -> Self {
        let registry = Embedded::start(EmbeddedOptions { hook, alter, ..Default::default() }).await.unwrap();
        let no_redirects = reqwest::redirect::Policy::none();
        let client = Client::builder().no_proxy().redirect(no_redirects).build().unwrap();
        let peer = Self { registry, client };
        let digest = boltseal::oci::Digest::sha256(CONTENT.as_bytes());
        let push = format!("http://{}/v2/app/blobs/uploads/?digest={digest}", peer.registry.address());
        assert_eq!(peer.client.post(push).body(CONTENT).send().await.unwrap().status(), StatusCode::CREATED);
        peer
    }

    async fn read(&self) -> Response {
        let digest = boltseal::oci::Digest::sha256(CONTENT.as_bytes());
        let url = format!("http://{}/v2/app/blobs/{digest}", self.registry.address());
        self.client.get(url).send().await.unwrap()
    }
}

const BLOB: &str = "/blobs/sha256:";

async fn hooked(hook: Hook) -> Peer {
    Peer::start(Some(hook), None).await
}

async fn altered(alter: Alter) -> Peer {
    Peer::start(None, Some(alter)).await
}

#[tokio::test]
async fn a_refusal_stops_after_as_many_times_as_it_was_asked_for() {
    let refused = hostile::refused(BLOB, 503, 1, Some("2"));
    let peer = hooked(hostile::any(vec![hostile::html("/elsewhere/"), refused])).await;
    let answer = peer.read().await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"2".parse().unwrap()));
    assert_eq!(peer.read().await.text().await.unwrap(), CONTENT);
}

#[tokio::test]
async fn challenges_redirects_and_other_content_come_instead() {
    let answer = hooked(hostile::challenged(BLOB, "Basic realm=\"x\"")).await.read().await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["www-authenticate"]),
        (401, &"Basic realm=\"x\"".parse().unwrap())
    );
    let answer = hooked(hostile::redirected(BLOB, "http://127.0.0.1:1/")).await.read().await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (307, &"http://127.0.0.1:1/".parse().unwrap())
    );
    let answer = hooked(hostile::html(BLOB)).await.read().await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"text/html".parse().unwrap()));
}

#[tokio::test]
async fn an_endless_body_goes_on_and_a_truncated_one_breaks_off() {
    let peer = hooked(hostile::endless(BLOB)).await;
    let mut answer = peer.read().await;
    let mut read = 0;
    while read < 10 << 20 {
        read += answer.chunk().await.unwrap().unwrap().len();
    }
    let peer = altered(hostile::truncated(BLOB)).await;
    let mut answer = peer.read().await;
    assert_eq!(answer.content_length(), Some(CONTENT.len() as u64));
    assert_eq!(answer.chunk().await.unwrap().unwrap(), CONTENT[..10]);
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn a_slow_body_arrives_whole_and_a_silent_one_does_not() {
    let started = Instant::now();
    let peer = altered(hostile::slow(BLOB, Duration::from_millis(2))).await;
    assert_eq!(peer.read().await.text().await.unwrap(), CONTENT);
    assert!(started.elapsed() >= Duration::from_millis(2) * CONTENT.len() as u32);
    let peer = altered(hostile::silent(BLOB)).await;
    let mut answer = peer.read().await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "t");
    assert!(tokio::time::timeout(Duration::from_millis(100), answer.chunk()).await.is_err());
}

#[tokio::test]
async fn a_wrong_digest_stands_over_the_right_content() {
    let peer = altered(hostile::wrong_digest_header(BLOB)).await;
    let answer = peer.read().await;
    let digest = boltseal::oci::Digest::sha256(CONTENT.as_bytes()).to_string();
    assert_ne!(answer.headers()["docker-content-digest"], digest.as_str());
    assert_eq!(answer.text().await.unwrap(), CONTENT);
}
