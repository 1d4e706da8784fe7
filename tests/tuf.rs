//! A repository written by python-tuf, read by the update machine and by the example client over HTTP.

use boltseal::{
    format::tuf::{Metadata, RoleName, Root, Targets},
    oci::Digest,
    trust::tuf::{LookupError, Rules, Scope, Supplied, Terms, TrustState, TrustedStart, Update, UpdateError},
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

#[allow(dead_code, reason = "its `main` is the example's")]
#[path = "../examples/tuf_client.rs"]
mod client;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tuf").join(name)
}

fn read(state: &str, file: &str) -> Vec<u8> {
    fs::read(folder(state).join(file)).unwrap()
}

/// One update over the files of a state, on the day this was written.
fn update(state: &str, terms: Terms) -> Result<TrustState, UpdateError> {
    let mut update = Update::begin(TrustedStart::Root(read("1", "1.root.json")), terms)?;
    while let Some(want) = update.want()? {
        match fs::read(folder(state).join(&want.file)) {
            Ok(bytes) => assert_eq!(update.supply(&bytes)?, Supplied::Kept),
            Err(_) => assert_eq!(update.absent()?, Supplied::NotNeeded),
        }
    }
    update.finish()
}

fn terms() -> Terms {
    Terms::new("2026-11-22T00:00:00Z".parse().unwrap(), Rules::Tuf)
}

#[test]
fn python_tuf_s_repository_is_read_in_both_states() {
    let state = update("1", terms()).unwrap();
    for (path, role, content) in [
        ("hello.txt", "targets", "hello\n"),
        ("releases/1.0", "targets/releases", "one\n"),
        ("odd/é #.txt", "rôle ?", "odd\n"),
    ] {
        let listed = state.lookup(path).unwrap();
        assert_eq!(listed.role.as_str(), role);
        assert!(listed.target.is(content.as_bytes()));
        assert_eq!(listed.target.sha256(), Some(Digest::sha256(content.as_bytes())));
    }
    let releases = RoleName::from(RoleName::RELEASES);
    assert_eq!(state.signers(&releases).len(), 2);
    let newer = update("2", terms()).unwrap();
    assert_eq!(newer.root().version(), 2);
    assert_eq!(newer.roles().len(), 6);
    let error = newer.lookup("releases/1.0").unwrap_err();
    assert!(matches!(error, LookupError::NotListed { .. }), "terminating: {error}");
    let floors = newer.floors();
    let late = update("1", Terms { floors, ..terms() }).unwrap_err();
    assert_eq!(late.id(), "rollback");
}

#[test]
fn key_ids_are_those_of_securesystemslib() {
    let root = Metadata::<Root>::decode(&read("2", "2.root.json")).unwrap();
    assert!(root.signed().keys.iter().all(|(id, key)| key.id() == *id && key.decode().is_ok()));
    assert_eq!(root.signed().keys.len(), 6);
    let targets = Metadata::<Targets>::decode(&read("1", "1.targets.json")).unwrap();
    let keys = &targets.signed().delegations.as_ref().unwrap().keys;
    assert!(keys.iter().all(|(id, key)| key.id() == *id && key.decode().is_ok()));
}

#[test]
fn every_changed_byte_of_a_signed_file_is_refused_or_changes_nothing() {
    let honest = update("1", terms()).unwrap();
    for file in ["timestamp.json", "1.snapshot.json", "1.targets%2Freleases.json"] {
        let good = read("1", file);
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let mut update = Update::begin(TrustedStart::Root(read("1", "1.root.json")), terms()).unwrap();
            let result = loop {
                let Some(want) = update.want().unwrap() else { break update.finish() };
                let supplied = match fs::read(folder("1").join(&want.file)) {
                    Ok(_) if want.file == file => update.supply(&bad),
                    Ok(bytes) => update.supply(&bytes),
                    Err(_) => update.absent(),
                };
                if let Err(error) = supplied {
                    break Err(error);
                }
            };
            // One of two signatures of a key id that nobody has may change; what is signed may not.
            if let Ok(state) = result {
                assert_eq!(state.timestamp().canonical(), honest.timestamp().canonical(), "{file}, byte {at}");
                assert_eq!(file, "timestamp.json", "byte {at}: length and hash are listed");
            }
        }
    }
}

/// Serves two folders on loopback until the test ends, and says what was asked for.
struct Server {
    url: String,
    metadata: Arc<Mutex<PathBuf>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(state: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (metadata, asked) = (Arc::new(Mutex::new(folder(state))), Arc::new(Mutex::new(Vec::new())));
        let server = Self { url, metadata: Arc::clone(&metadata), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let root = metadata.lock().unwrap().clone();
                answer(stream.unwrap(), &root, &asked);
            }
        });
        server
    }

    fn serve(&self, folder: PathBuf) {
        *self.metadata.lock().unwrap() = folder;
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, metadata: &Path, asked: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            return;
        }
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap();
    let file = match path.split_once('/').unwrap().1.split_once('/').unwrap() {
        ("metadata", name) => metadata.join(name),
        (_, name) => folder("targets").join(percent_decode(name)),
    };
    asked.lock().unwrap().push(path.to_owned());
    let (status, body) = match fs::read(&file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", b"no such file".to_vec()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
}

fn percent_decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.extend(hex::decode(&part[..2]).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

struct Client<'s> {
    server: &'s Server,
    home: tempfile::TempDir,
}

impl Client<'_> {
    async fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let home = |name: &str| self.home.path().join(name).display().to_string();
        let mut all = vec!["--metadata-dir".to_owned(), home("metadata"), "--target-dir".to_owned(), home("targets")];
        all.extend(["--metadata-url".to_owned(), format!("{}/metadata/", self.server.url)]);
        all.extend(["--target-base-url".to_owned(), format!("{}/targets", self.server.url)]);
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        client::run(all.into_iter()).await.map_err(|error| error.to_string())
    }

    fn files(&self, of: &str) -> Vec<String> {
        let entries = fs::read_dir(self.home.path().join(of)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn the_example_is_a_tuf_client() {
    let server = Server::start("1");
    let client = Client { server: &server, home: tempfile::tempdir().unwrap() };
    client.run(&["refresh"]).await.unwrap_err();
    client.run(&["init", folder("1").join("1.root.json").to_str().unwrap()]).await.unwrap();
    client.run(&["refresh"]).await.unwrap();
    assert_eq!(client.files("metadata"), ["root.json", "snapshot.json", "targets.json", "timestamp.json"]);
    server.asked();
    // Known files are not fetched again.
    client.run(&["refresh"]).await.unwrap();
    assert_eq!(server.asked(), ["/metadata/2.root.json", "/metadata/timestamp.json"]);
    let wanted = ["--target-name", "releases/1.0", "--target-name", "odd/é #.txt", "download"];
    client.run(&wanted).await.unwrap();
    assert_eq!(client.files("targets"), ["odd%2F%C3%A9%20%23.txt", "releases%2F1.0"]);
    assert_eq!(server.asked().len(), 6);
    client.run(&wanted).await.unwrap();
    assert_eq!(server.asked().len(), 2, "nor are delegated roles and targets");
    assert!(client.run(&["--target-name", "releases/2.0", "download"]).await.unwrap_err().contains("not listed"));
    // A newer state, and then the older one again.
    server.serve(folder("2"));
    client.run(&["refresh"]).await.unwrap();
    assert_eq!(fs::read(client.home.path().join("metadata/root.json")).unwrap(), read("2", "2.root.json"));
    assert!(client.run(&wanted[..2]).await.is_err(), "no verb");
    assert!(client.run(&["--target-name", "releases/1.0", "download"]).await.unwrap_err().contains("not listed"));
    server.serve(folder("1"));
    let error = client.run(&["refresh"]).await.unwrap_err();
    assert!(error.contains("timestamp"), "the old timestamp's key is gone: {error}");
    assert_eq!(fs::read(client.home.path().join("metadata/timestamp.json")).unwrap(), read("2", "timestamp.json"));
}

#[tokio::test]
async fn the_example_keeps_what_verified_and_nothing_else() {
    let server = Server::start("1");
    let client = Client { server: &server, home: tempfile::tempdir().unwrap() };
    client.run(&["init", folder("1").join("1.root.json").to_str().unwrap()]).await.unwrap();
    let spoiled = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder("1")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), spoiled.path().join(entry.file_name())).unwrap();
    }
    fs::write(spoiled.path().join("1.snapshot.json"), read("2", "2.snapshot.json")).unwrap();
    server.serve(spoiled.path().to_owned());
    let error = client.run(&["refresh"]).await.unwrap_err();
    assert!(error.contains("different states are mixed"), "{error}");
    assert_eq!(client.files("metadata"), ["root.json", "timestamp.json"]);
    fs::write(spoiled.path().join("1.snapshot.json"), vec![b' '; 100_000]).unwrap();
    let error = client.run(&["refresh"]).await.unwrap_err();
    assert!(error.contains("more than 921 bytes"), "{error}");
    let bad = folder("1").join("timestamp.json");
    client.run(&["init", bad.to_str().unwrap()]).await.unwrap_err();
}

#[test]
fn a_scope_of_paths_reads_what_they_need() {
    let state = update("1", Terms { scope: Scope::Paths(vec!["odd/é #.txt".to_owned()]), ..terms() }).unwrap();
    assert!(state.lookup("odd/é #.txt").is_ok());
    assert!(state.targets(&RoleName::from(RoleName::RELEASES)).is_none());
}
