//! `serve proxy` beside nginx as a plain reverse proxy and beside the registry itself: throughput, processor time, memory, what a
//! held manifest costs. docker-registry is the upstream; all of it is loopback on one machine.

#[path = "../tests/common/mod.rs"]
#[allow(unused_imports, reason = "this bench uses its part")]
mod common;

use boltseal::{
    crypto::hash::Hasher,
    oci::{Descriptor, ImageManifest, Manifest, Reference, media_type},
    registry::{Access, Options, Selector, Session},
};
use common::{
    images::Table,
    key,
    peers::{self, Kind},
    proxy::{Proxy, Settings},
};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Bytes of the layer that is pulled.
const LAYER: usize = 512 << 20;
/// Bytes a second of 1 Gbit/s.
const GIGABIT: f64 = 125_000_000.0;
/// Requests for a held manifest.
const REQUESTS: usize = 5_000;
/// Transfers that stand still at once.
const STALLED: usize = 100;

/// The image: the paths of its manifest and its layer below `/v2/`.
struct Image {
    manifest: String,
    layer: String,
}

fn main() {
    if !peers::is_there("docker-registry") {
        println!("NOT RUN: docker-registry is missing; tests/peers.sh fetches it");
        return;
    }
    let registry = peers::start(Kind::DockerRegistry);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let table = runtime.block_on(Table::small(&registry.address.to_string()));
    let image = runtime.block_on(push(&table));
    table.machine.run(["sign", "--key", &key("release.test.key"), &table.at("plain/large:1.0")]).expect(0);
    let cache = "ttl = 3600\ntag-ttl = 3600".to_owned();
    let start = |upstream: SocketAddr| {
        let settings = Settings { cache: cache.clone(), ..Settings::of(&upstream.to_string()) };
        let proxy = Proxy::start(&table.machine, &settings.write(table.machine.home.path()));
        get(proxy.address, &image.manifest);
        proxy
    };
    println!("load {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let proxy = start(registry.address);
    throughput(&image, &registry.address, &start);
    processor(&image, &registry.address, &proxy);
    held(&image, &registry.address, &proxy);
    memory(&image, &proxy);
}

async fn push(table: &Table) -> Image {
    let name: Reference = table.at("plain/large:1.0").parse().expect("a reference");
    let session = Session::new(Options::default()).expect("a session");
    let repo = session.open(&name.repository, Access::PullPush).expect("a repository");
    // No two blocks alike, and quickly made.
    let layer: Vec<u8> =
        (0..LAYER as u64 / 8).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let described = [
        Descriptor::of(media_type::IMAGE_CONFIG, config),
        Descriptor::of("application/vnd.oci.image.layer.v1.tar", &layer),
    ];
    for content in [&config[..], &layer] {
        repo.push_blob(content).await.expect("a blob");
    }
    let [config, layer] = described;
    let path = format!("plain/large/blobs/{}", layer.digest);
    let manifest = Manifest::Image(Box::new(ImageManifest::new(config, vec![layer])));
    repo.push_manifest(&Selector::Tag("1.0".to_owned()), &manifest).await.expect("a manifest");
    Image { manifest: "plain/large/manifests/1.0".to_owned(), layer: path }
}

/// Asks on a connection; the body's bytes as they arrive are counted, and thrown away.
fn ask(stream: &mut BufReader<TcpStream>, path: &str) -> u64 {
    let accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let request = format!("GET /v2/{path} HTTP/1.1\r\nHost: bench\r\nAccept: {accept}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).expect("it is sent");
    let (mut line, mut size) = (String::new(), None);
    stream.read_line(&mut line).expect("a status");
    assert!(line.starts_with("HTTP/1.1 200"), "{path}: {line}");
    while line.trim() != "" {
        line.clear();
        stream.read_line(&mut line).expect("a header");
        let lower = line.to_ascii_lowercase();
        size = size.or_else(|| lower.strip_prefix("content-length:").and_then(|rest| rest.trim().parse().ok()));
    }
    let (size, mut read, mut buffer) = (size.expect("a size"), 0, vec![0; 256 << 10]);
    while read < size {
        let most = usize::try_from(size - read).map_or(buffer.len(), |left| left.min(buffer.len()));
        read += stream.read(&mut buffer[..most]).expect("bytes") as u64;
    }
    read
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    BufReader::new(stream)
}

fn get(address: SocketAddr, path: &str) -> u64 {
    ask(&mut connect(address), path)
}

/// Through an upstream of 1 Gbit/s, in turn with the same upstream alone.
fn throughput(image: &Image, registry: &SocketAddr, start: &dyn Fn(SocketAddr) -> Proxy) {
    let limited = limited(*registry);
    // The proxy's own name for it has to be the limited one; what is signed says no repository here.
    let proxy = start(limited);
    let rate = |address| {
        let begun = Instant::now();
        get(address, &image.layer) as f64 / begun.elapsed().as_secs_f64()
    };
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        alone.push(rate(limited));
        through.push(rate(proxy.address));
    }
    let (alone, through) = (median(alone), median(through));
    let verdict = met(through / alone >= 0.95);
    println!(
        "1 Gbit/s upstream: alone {:.1} MB/s, through the proxy {:.1} MB/s: {:.1} % (>= 95 %: {verdict})",
        alone / 1e6,
        through / 1e6,
        100.0 * through / alone
    );
}

/// A way to an address that passes 1 Gbit/s back, all connections together a little at a time.
fn limited(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(to).expect("the registry");
            let (mut up, mut down) = (client.try_clone().expect("a half"), server.try_clone().expect("a half"));
            let (mut client, mut server) = (client, server);
            thread::spawn(move || std::io::copy(&mut up, &mut server));
            thread::spawn(move || {
                let (mut buffer, begun, mut sent) = (vec![0; 64 << 10], Instant::now(), 0.0);
                let mut idle = begun;
                let mut base = begun;
                while let Ok(read @ 1..) = down.read(&mut buffer) {
                    // A pause earns no credit.
                    if idle.elapsed() > Duration::from_millis(50) {
                        (base, sent) = (Instant::now(), 0.0);
                    }
                    if client.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                    sent += read as f64;
                    let due = base + Duration::from_secs_f64(sent / GIGABIT);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    idle = Instant::now();
                }
                let _ = client.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    address
}

/// Processor seconds a GiB, unlimited, beside nginx and SHA-256 alone.
fn processor(image: &Image, registry: &SocketAddr, proxy: &Proxy) {
    let gib = LAYER as f64 / f64::from(1 << 30);
    let cost = |pid: u32, address: SocketAddr| {
        let runs = (0..3).map(|_| {
            let before = processor_time(pid);
            get(address, &image.layer);
            (processor_time(pid) - before) / gib
        });
        median(runs.collect())
    };
    let ours = cost(proxy.id(), proxy.address);
    let hashing = hashing() / gib;
    let Some(nginx) = nginx(*registry) else {
        println!("processor: {ours:.2} s/GiB, of which SHA-256 alone {hashing:.2}; NOT COMPARED: nginx is missing");
        return;
    };
    let theirs = cost(nginx.0.id(), nginx.1);
    let ratio = (ours - hashing) / theirs;
    let verdict = met(ratio <= 1.5);
    println!(
        "processor: {ours:.2} s/GiB, of which SHA-256 alone {hashing:.2}; nginx {theirs:.2}; without hashing / nginx = {ratio:.2} (<= 1.5: {verdict})"
    );
}

/// Seconds of SHA-256 over as many bytes, in pieces as they arrive.
fn hashing() -> f64 {
    let piece = vec![7; 64 << 10];
    let runs = (0..3).map(|_| {
        let before = processor_time(std::process::id());
        let mut hasher = Hasher::sha256();
        for _ in 0..LAYER / piece.len() {
            hasher.update(&piece);
        }
        std::hint::black_box(hasher.finish());
        processor_time(std::process::id()) - before
    });
    median(runs.collect())
}

/// User and system time of a process and its threads, in seconds; clock ticks of 10 ms.
fn processor_time(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its times");
    let after = stat.rsplit_once(')').expect("a name").1;
    let fields: Vec<f64> = after.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    (fields[11] + fields[12]) / 100.0
}

struct Nginx(Child, SocketAddr, #[allow(dead_code, reason = "its files")] tempfile::TempDir);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// nginx with one process, passing on; nothing is spooled to disk.
fn nginx(upstream: SocketAddr) -> Option<Nginx> {
    let address = peers::free_address();
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| home.path().join(name).display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {};\n", at(name)))
        .collect();
    let text = format!(
        "daemon off; master_process off; pid {}; error_log {} crit;\nevents {{ worker_connections 4096; }}\nhttp {{ access_log off;\n{temporary}\
         upstream registry {{ server {upstream}; keepalive 16; }}\nserver {{ listen {address};\nlocation / {{ proxy_pass http://registry; \
         proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_max_temp_file_size 0; }} }} }}\n",
        at("pid"),
        at("log"),
    );
    fs::write(home.path().join("nginx.conf"), text).expect("a file");
    if !peers::is_there("nginx") {
        return None;
    }
    let mut command = Command::new(peers::folder().join("nginx"));
    command.arg("-p").arg(home.path()).arg("-c").arg(home.path().join("nginx.conf"));
    let process = command.stdout(Stdio::null()).spawn().expect("nginx starts");
    let patience = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < patience, "nginx does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    Some(Nginx(process, address, home))
}

/// What a manifest costs that is held, in turn with the registry itself.
fn held(image: &Image, registry: &SocketAddr, proxy: &Proxy) {
    let (mut alone, mut through) = (connect(*registry), connect(proxy.address));
    let (mut direct, mut proxied) = (Vec::new(), Vec::new());
    let timed = |stream: &mut BufReader<TcpStream>, into: &mut Vec<f64>| {
        let begun = Instant::now();
        ask(stream, &image.manifest);
        into.push(begun.elapsed().as_secs_f64() * 1e3);
    };
    for _ in 0..REQUESTS {
        timed(&mut alone, &mut direct);
        timed(&mut through, &mut proxied);
    }
    let (p99, direct99) = (percentile(&mut proxied, 99), percentile(&mut direct, 99));
    let (p50, direct50) = (percentile(&mut proxied, 50), percentile(&mut direct, 50));
    let verdict = met(p99 - direct99 <= 2.0);
    println!(
        "held manifest: p50 {p50:.3} ms, p99 {p99:.3} ms; the registry p50 {direct50:.3} ms, p99 {direct99:.3} ms (at most 2 ms more: {verdict})"
    );
}

/// What a transfer holds whose client takes nothing, and whether memory stays where it is.
fn memory(image: &Image, proxy: &Proxy) {
    get(proxy.address, &image.layer);
    let before = proxy.resident();
    let stalled: Vec<_> = (0..STALLED)
        .map(|_| {
            let mut stream = connect(proxy.address);
            let request = format!("GET /v2/{} HTTP/1.1\r\nHost: bench\r\n\r\n", image.layer);
            stream.get_mut().write_all(request.as_bytes()).expect("it is sent");
            stream
        })
        .collect();
    thread::sleep(Duration::from_secs(5));
    let each = proxy.resident().saturating_sub(before) as f64 / STALLED as f64;
    println!("{STALLED} transfers that stand still: {each:.0} KiB each (<= 1024: {})", met(each <= 1024.0));
    drop(stalled);
    let mut seen = Vec::new();
    let mut stream = connect(proxy.address);
    for _ in 0..6 {
        for _ in 0..10_000 {
            ask(&mut stream, &image.manifest);
        }
        get(proxy.address, &image.layer);
        seen.push(proxy.resident());
    }
    let grown = seen[5].saturating_sub(seen[1]);
    println!(
        "60,000 manifests and 3 GiB of layers: resident KiB {seen:?} (grows by at most 2 MiB: {})",
        met(grown <= 2_048)
    );
}

fn percentile(values: &mut [f64], of: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * of / 100).min(values.len() - 1)]
}

fn median(mut values: Vec<f64>) -> f64 {
    percentile(&mut values, 50)
}

fn met(is: bool) -> &'static str {
    if is { "met" } else { "NOT met" }
}
