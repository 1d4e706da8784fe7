use super::World;
use boltseal::registry::embedded::EmbeddedOptions;
use futures_util::future::join_all;
use reqwest::Client;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

// [V-310]
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pulls_of_a_new_image_are_one_verification() {
    let options = EmbeddedOptions { delay: Duration::from_millis(20), ..EmbeddedOptions::default() };
    let world = World::small(options, |settings| settings.cache = "tag-ttl = 60".to_owned()).await;
    world.registry.forget_requests();
    let request = "GET /v2/plain/signed/manifests/1.0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = join_all((0..1_000).map(|_| raw(&world, request.as_bytes(), Duration::from_secs(60)))).await;
    let good = answers.iter().filter(|(answer, closed)| *closed && answer.starts_with("HTTP/1.1 200")).count();
    assert_eq!(good, 1_000, "{:?}", answers.iter().find(|(answer, _)| !answer.starts_with("HTTP/1.1 200")));
    let metrics = world.metrics().await;
    assert!(metrics.contains("boltseal_verifications_total{result=\"allowed\"} 1\n"), "{metrics}");
    let index = world.row("signed").served.clone();
    assert_eq!((world.asked("manifests/1.0"), world.asked(&format!("manifests/{index}"))), (1, 1));
    let patience = Instant::now() + Duration::from_secs(30);
    while world.proxy.decisions("plain/signed:1.0").len() < 1_000 && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.proxy.decisions("plain/signed:1.0").len(), 1_000);
}

/// Sends bytes as they are; what comes back, and whether the connection was closed within a time.
async fn raw(world: &World, bytes: &[u8], patience: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(world.proxy.address).await.expect("a connection");
    let _ = stream.write_all(bytes).await;
    let mut got = Vec::new();
    let closed = tokio::time::timeout(patience, stream.read_to_end(&mut got)).await.is_ok();
    (String::from_utf8_lossy(&got).into_owned(), closed)
}

// [V-311]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_oversized_malformed_or_endless_costs_its_sender_only() {
    let world =
        World::small(EmbeddedOptions::default(), |settings| settings.server = "connections = 8".to_owned()).await;
    let soon = Duration::from_secs(5);
    let long = format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET /v2/ HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(200));
    let path = format!("GET /v2/{}/manifests/1.0 HTTP/1.1\r\nHost: x\r\n\r\n", "a/".repeat(100_000));
    for (what, bytes) in [
        ("a long header", long),
        ("many headers", many),
        ("a long path", path),
        ("no HTTP", "\0\0\0\r\n\r\n".to_owned()),
    ] {
        let (answer, closed) = raw(&world, bytes.as_bytes(), soon).await;
        assert!(closed && (answer.is_empty() || answer.starts_with("HTTP/1.1 4")), "{what}: {answer:.200}");
    }
    // A body that nobody asked for is not read.
    let endless =
        [b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n".to_vec(), vec![b'a'; 1 << 20]]
            .concat();
    let (answer, closed) = raw(&world, &endless, soon).await;
    assert!(closed && answer.starts_with("HTTP/1.1 200"), "{answer:.200}");
    // One address has half of the connections; the rest of them is closed at once.
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(TcpStream::connect(world.proxy.address).await.expect("a connection"));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (answer, closed) = raw(&world, b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", soon).await;
    assert!(closed && answer.is_empty(), "{answer}");
    drop(held);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.get("plain/signed/manifests/1.0").await.status(), 200);
    assert!(world.metrics().await.contains("boltseal_connections_refused_total{reason=\"too-many\"} 1"));
}

// [V-314]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_answers_who_has_asked() {
    let options = EmbeddedOptions { delay: Duration::from_millis(300), ..EmbeddedOptions::default() };
    let mut world = World::small(options, |_| {}).await;
    let url = format!("http://{}/v2/plain/signed/manifests/1.0", world.proxy.address);
    let asked = tokio::spawn(world.client.get(url.clone()).send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.proxy.signal();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(Client::new().get(url).send().await.is_err(), "it still listens");
    assert_eq!(asked.await.expect("it runs").expect("an answer").status(), 200);
    let begun = Instant::now();
    assert_eq!(tokio::task::block_in_place(|| world.proxy.stop()), 0);
    assert!(begun.elapsed() < Duration::from_secs(10), "an idle connection held it up for {:?}", begun.elapsed());
}
