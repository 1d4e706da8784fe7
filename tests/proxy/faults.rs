use super::{World, error, json};
use boltseal::registry::embedded::{Answer, EmbeddedOptions, Exchange};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const WELL: u8 = 0;
const OTHER_BYTES: u8 = 1;
const BREAKS: u8 = 2;
const FAILS: u8 = 3;
const SILENT: u8 = 4;

/// A registry that goes wrong on demand.
fn faulty() -> (Arc<AtomicU8>, EmbeddedOptions) {
    let state = Arc::new(AtomicU8::new(WELL));
    let (seen, slow) = (Arc::clone(&state), Arc::clone(&state));
    let alter = move |exchange: &Exchange, answer: Answer| -> Answer {
        let is_blob = exchange.path().contains("/blobs/") && exchange.method == http::Method::GET;
        match seen.load(Ordering::SeqCst) {
            OTHER_BYTES if is_blob => {
                let size =
                    answer.headers()["content-length"].to_str().ok().and_then(|size| size.parse().ok()).unwrap_or(0);
                answer.map(|_| Full::new(vec![b'x'; size].into()).map_err(|never| match never {}).boxed())
            }
            BREAKS if is_blob => answer.map(|body| {
                let half = futures_util::stream::once(async move {
                    let all = body.collect().await?.to_bytes();
                    Ok::<_, std::io::Error>(hyper::body::Frame::data(all.slice(..all.len() / 2)))
                });
                let ends = futures_util::stream::once(async {
                    // Once the first half is out.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Err(std::io::Error::other("killed"))
                });
                StreamBody::new(futures_util::StreamExt::chain(half, ends)).boxed()
            }),
            FAILS => {
                let mut answer =
                    Response::new(Full::new(Bytes::from_static(b"{}")).map_err(|never| match never {}).boxed());
                *answer.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                answer
            }
            _ => answer,
        }
    };
    let hook = move |_: &Exchange| {
        if slow.load(Ordering::SeqCst) == SILENT {
            std::thread::sleep(Duration::from_millis(1_500));
        }
        None
    };
    let options =
        EmbeddedOptions { alter: Some(Arc::new(alter)), hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() };
    (state, options)
}

/// The layer of the signed image, once the proxy has given out what it belongs to.
async fn layer(world: &World) -> String {
    let index: Value = json(world.get("plain/signed/manifests/1.0").await).await;
    let child = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let image: Value = json(world.get(&format!("plain/signed/manifests/{child}")).await).await;
    format!("plain/signed/blobs/{}", image["layers"][0]["digest"].as_str().expect("a digest"))
}

// [V-306]
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_goes_wrong_never_ends_well() {
    let (state, options) = faulty();
    let world = World::small(options, |settings| settings.cache = "ttl = 600".to_owned()).await;
    let layer = layer(&world).await;
    assert!(world.get(&layer).await.bytes().await.is_ok());
    for how in [OTHER_BYTES, BREAKS] {
        state.store(how, Ordering::SeqCst);
        let url = format!("http://{}/v2/{layer}", world.proxy.address);
        let got = async { world.client.get(&url).send().await?.error_for_status()?.bytes().await };
        assert!(got.await.is_err(), "{how}");
        // On the wire: fewer bytes than were announced, and then the end.
        let mut raw = tokio::net::TcpStream::connect(world.proxy.address).await.expect("a connection");
        let request = format!("GET /v2/{layer} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        raw.write_all(request.as_bytes()).await.expect("it is sent");
        let mut got = Vec::new();
        let _ = raw.read_to_end(&mut got).await;
        let text = String::from_utf8_lossy(&got).to_ascii_lowercase();
        // A small blob goes wrong before its head is out.
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).expect("a size");
            assert!(body.len() < announced.parse().expect("a number"), "{how}: {} of {announced}", body.len());
        }
    }
    assert!(
        world.metrics().await.contains("boltseal_transfers_broken_total{reason=\"upstream\"} 4"),
        "{}",
        world.metrics().await
    );
    state.store(WELL, Ordering::SeqCst);
    assert!(world.get(&layer).await.bytes().await.is_ok());
}

// [V-306]
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_blob_is_passed_on_as_a_part() {
    let hook = |exchange: &Exchange| {
        exchange.headers.get("range").map(|range| {
            assert_eq!(range, "bytes=2-3");
            let mut answer =
                Response::new(Full::new(Bytes::from_static(b"cd")).map_err(|never| match never {}).boxed());
            *answer.status_mut() = http::StatusCode::PARTIAL_CONTENT;
            answer.headers_mut().insert("content-range", http::HeaderValue::from_static("bytes 2-3/10"));
            answer
        })
    };
    let options = EmbeddedOptions { hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() };
    let world = World::small(options, |_| {}).await;
    let url = format!("http://{}/v2/{}", world.proxy.address, layer(&world).await);
    let part = world.client.get(&url).header("range", "bytes=2-3").send().await.expect("an answer");
    assert_eq!((part.status().as_u16(), part.headers()["content-range"].to_str().ok()), (206, Some("bytes 2-3/10")));
    assert_eq!(part.bytes().await.expect("a part"), "cd");
    let whole = world.client.get(&url).header("range", "bytes=2-3,5-6").send().await.expect("an answer");
    assert_eq!(whole.status(), 200);
}

// [V-309]
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_is_refused_and_told_again_as_soon_as_it_can_be() {
    let (state, options) = faulty();
    let world = World::small(options, |settings| settings.judge = "timeout = 1".to_owned()).await;
    for how in [FAILS, SILENT] {
        state.store(how, Ordering::SeqCst);
        for _ in 0..2 {
            let (status, code, message) = error(world.get("plain/signed/manifests/1.0").await).await;
            assert_eq!((status, &*code), (503, "UNAVAILABLE"), "{message}");
        }
    }
    state.store(WELL, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.get("plain/signed/manifests/1.0").await.status(), 200);
    // What is known stays known for its time, the registry or no registry.
    state.store(FAILS, Ordering::SeqCst);
    assert_eq!(world.get("plain/signed/manifests/1.0").await.status(), 200);
    assert_eq!(world.get("plain/unsigned/manifests/1.0").await.status(), 503);
}
