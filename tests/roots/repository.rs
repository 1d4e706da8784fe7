//! A TUF repository that serves a trusted root, in a folder and over HTTP on loopback.

use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey},
    format::tuf::{Header, Key, Metadata, Role, RoleName, Root, Target, Targets},
    oci::Digest,
    sign::{LocalSigner, Signer as _, sign_metadata},
    trust::tuf::author::{Sealed, Signers, TopLevel, new_root, next_root, next_snapshot, next_timestamp},
};
use jiff::{Span, Timestamp};
use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

pub struct Repository {
    home: tempfile::TempDir,
    key: LocalSigner,
    root: Root,
    keys: BTreeMap<String, Key>,
    /// A second target, that not every repository has.
    pub signing_config: Option<&'static [u8]>,
}

/// What a state of a repository is made of.
pub struct State<'s> {
    pub version: u64,
    pub trusted_root: &'s [u8],
    /// When its timestamp expires, in hours from now.
    pub hours: i64,
}

fn in_hours(hours: i64) -> Timestamp {
    Timestamp::now() + Span::new().hours(hours)
}

impl Repository {
    pub async fn new() -> Self {
        let key = LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key"));
        let keys: Vec<PublicKey> = vec![key.public_key().clone()];
        let one = Signers { keys: &keys, threshold: 1 };
        let top = TopLevel { root: one, timestamp: one, snapshot: one, targets: one };
        let root = new_root(&top, in_hours(1_000)).expect("a root");
        let (home, keys) = (tempfile::tempdir().expect("a folder"), root.keys.clone());
        let repository = Self { home, key, root, keys, signing_config: None };
        repository.write("1.root.json", &repository.sign(repository.root.clone()).await);
        repository
    }

    /// The root to begin with.
    pub fn first_root(&self) -> PathBuf {
        self.folder().join("1.root.json")
    }

    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// The next version of the TUF root.
    pub async fn rotate(&mut self) {
        self.root = next_root(&self.root, in_hours(1_000)).expect("a root");
        let file = format!("{}.root.json", self.root.header.version);
        self.write(&file, &self.sign(self.root.clone()).await);
    }

    /// Publishes a state, in the place of the one before.
    pub async fn publish(&self, state: &State<'_>) {
        self.publish_until(state, in_hours(state.hours)).await;
    }

    /// The same with a timestamp that ends in seconds.
    pub async fn publish_ending_in(&self, version: u64, trusted_root: &[u8], seconds: i64) {
        let until = Timestamp::now() + Span::new().seconds(seconds);
        self.publish_until(&State { version, trusted_root, hours: 0 }, until).await;
    }

    async fn publish_until(&self, state: &State<'_>, until: Timestamp) {
        let mut listed = BTreeMap::new();
        let files =
            [("trusted_root.json", Some(state.trusted_root)), ("signing_config.v0.2.json", self.signing_config)];
        for (name, bytes) in files.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))) {
            let digest = Digest::sha256(bytes);
            self.write(&format!("targets/{}.{name}", digest.hex()), bytes);
            listed.insert(name.to_owned(), Target::new(bytes.len() as u64, &digest));
        }
        let targets = Targets {
            header: Header::new(state.version, in_hours(1_000)),
            targets: listed.into(),
            delegations: None,
            binding: None,
            unknown: serde_json::Map::new(),
        };
        let targets = self.sign(targets).await;
        self.write(&format!("{}.targets.json", state.version), &targets);
        let sealed = Sealed { version: state.version, bytes: &targets };
        let files = [(RoleName::Targets, sealed)].into();
        let mut snapshot = next_snapshot(None, &files, Timestamp::now(), in_hours(1_000)).expect("a snapshot");
        snapshot.header.version = state.version;
        let snapshot = self.sign(snapshot).await;
        self.write(&format!("{}.snapshot.json", state.version), &snapshot);
        let sealed = Sealed { version: state.version, bytes: &snapshot };
        let mut timestamp = next_timestamp(None, sealed, Timestamp::now(), until).expect("a timestamp");
        timestamp.header.version = state.version;
        self.write("timestamp.json", &self.sign(timestamp).await);
    }

    async fn sign<R: Role>(&self, role: R) -> Vec<u8> {
        let mut metadata = Metadata::unsigned(role).expect("metadata");
        sign_metadata(&mut metadata, &self.keys, &self.key).await.expect("a signature");
        metadata.encode()
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        let path = self.folder().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
}

/// Serves a folder on loopback until the test ends, and says what was asked for.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
    stuck: Arc<Mutex<Option<String>>>,
}

impl Server {
    pub fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Self { url, asked: Arc::default(), stuck: Arc::default() };
        let (asked, stuck, folder) = (Arc::clone(&server.asked), Arc::clone(&server.stuck), folder.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, stuck, folder) = (Arc::clone(&asked), Arc::clone(&stuck), folder.clone());
                std::thread::spawn(move || answer(stream, &folder, &asked, &stuck));
            }
        });
        server
    }

    /// From now on a file whose path ends like this is never answered.
    pub fn stick(&self, end: Option<&str>) {
        *self.stuck.lock().expect("whole") = end.map(str::to_owned);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("whole").clone()
    }
}

fn answer(mut stream: TcpStream, folder: &Path, asked: &Mutex<Vec<String>>, stuck: &Mutex<Option<String>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).expect("text");
    let path = request.split(' ').nth(1).expect("a path").trim_start_matches('/').to_owned();
    asked.lock().expect("whole").push(path.clone());
    if stuck.lock().expect("whole").as_ref().is_some_and(|end| path.ends_with(end)) {
        // Until the client has gone.
        let _ = stream.read(&mut [0]);
        return;
    }
    let (status, body) = match fs::read(folder.join(&path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", b"no such file".to_vec()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}
