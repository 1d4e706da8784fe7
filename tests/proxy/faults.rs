use super::{World, error, json, of_registry};
use boltseal::registry::embedded::{Answer, EmbeddedOptions, Exchange};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
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
    let placeless = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&placeless);
    let hook = move |exchange: &Exchange| {
        exchange.headers.get("range").map(|range| {
            assert_eq!(range, "bytes=2-3");
            let mut answer =
                Response::new(Full::new(Bytes::from_static(b"cd")).map_err(|never| match never {}).boxed());
            *answer.status_mut() = http::StatusCode::PARTIAL_CONTENT;
            if !seen.load(Ordering::SeqCst) {
                answer.headers_mut().insert("content-range", http::HeaderValue::from_static("bytes 2-3/10"));
            }
            answer
        })
    };
    let options = EmbeddedOptions { hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() };
    let world = World::small(options, |_| {}).await;
    let url = format!("http://{}/v2/{}", world.proxy.address, layer(&world).await);
    let part = world.client.get(&url).header("range", "bytes=2-3").send().await.expect("an answer");
    assert_eq!((part.status().as_u16(), part.headers()["content-range"].to_str().ok()), (206, Some("bytes 2-3/10")));
    assert_eq!(part.bytes().await.expect("a part"), "cd");
    // Nobody has checked the bytes of a part, and this one does not say that it is one.
    placeless.store(true, Ordering::SeqCst);
    let part = world.client.get(&url).header("range", "bytes=2-3").send().await.expect("an answer");
    assert_eq!(error(part).await.0, 503);
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

// [V-303] [V-309]
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_whose_images_cant_be_read_could_not_be_told() {
    let closed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closed);
    let hook = move |exchange: &Exchange| {
        (seen.load(Ordering::SeqCst) && exchange.path().contains("/manifests/")).then(|| {
            let mut answer = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed());
            *answer.status_mut() = http::StatusCode::FORBIDDEN;
            answer
        })
    };
    let options = EmbeddedOptions { hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() };
    let world = World::small(options, |_| {}).await;
    let (_, layer) = of_registry(&world, "plain/signed", &world.row("signed").served).await;
    let path = format!("plain/signed/blobs/{layer}");
    assert_eq!(world.ask(http::Method::HEAD, "plain/signed/manifests/1.0").await.status(), 200);
    closed.store(true, Ordering::SeqCst);
    assert_eq!(error(world.get(&path).await).await.0, 503);
    closed.store(false, Ordering::SeqCst);
    assert_eq!(world.get(&path).await.status(), 200);
}

// [V-310]
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hangs_holds_up_no_other() {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let hangs = silent.local_addr().expect("an address").to_string();
    let world = World::small(EmbeddedOptions::default(), |settings| settings.upstreams.push(hangs.clone())).await;
    let asking: Vec<_> = (0..40)
        .map(|at| format!("http://{}/v2/app{at}/manifests/1.0?ns={hangs}", world.proxy.address))
        .map(|url| tokio::spawn(world.client.get(url).send()))
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    assert_eq!(world.get("plain/signed/manifests/1.0").await.status(), 200);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(asking.iter().all(|asked| !asked.is_finished()));
    asking.iter().for_each(tokio::task::JoinHandle::abort);
}
