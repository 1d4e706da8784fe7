//! A cache that servers share: Redis or Valkey. Whoever can write there can make us ask anew, and nothing else: what we take
//! from it has a tag (HMAC) by the operator's key, over what it is the answer to and until when. It is never waited for long;
//! without it, each server asks for itself.

use super::{CacheSettings, Metrics, ServeError};
use crate::{
    crypto::MacKey,
    limits::{KEY_FILE_BYTES, SETTINGS_BYTES, SHARED_ENTRY_BYTES, SHARED_PAUSE, SHARED_TIMEOUT},
    oci::Digest,
};
use jiff::Timestamp;
use redis::{Client, TlsCertificates, aio::MultiplexedConnection};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::Read as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, time::timeout};
use zeroize::Zeroizing;

/// The shared cache.
pub struct Shared {
    client: Client,
    key: MacKey,
    metrics: Arc<Metrics>,
    connection: Mutex<Connection>,
}

/// What is known of the connection.
#[derive(Default)]
struct Connection {
    live: Option<MultiplexedConnection>,
    failed: Option<Instant>,
}

/// An entry as it is written, behind its tag.
#[derive(Serialize, Deserialize)]
struct Entry<T> {
    value: T,
    /// Milliseconds since 1970.
    until: i64,
}

impl<T> Entry<T> {
    /// For how long it still counts.
    fn left(&self, now: Timestamp, most: Duration) -> Option<Duration> {
        let left = Duration::from_millis(u64::try_from(self.until.saturating_sub(now.as_millisecond())).ok()?);
        Some(left.min(most)).filter(|left| !left.is_zero())
    }
}

impl Shared {
    /// The cache that settings name, if they name one. It need not be there yet.
    ///
    /// # Errors
    /// An address that is none, a key that can't be read or is too short.
    pub fn new(settings: &CacheSettings, metrics: Arc<Metrics>) -> Result<Option<Self>, ServeError> {
        let Some(address) = &settings.valkey else { return Ok(None) };
        let Some(path) = &settings.valkey_key else {
            return Err(unusable(Path::new("cache"), "valkey needs valkey-key, a file of 32 secret bytes or more"));
        };
        let key = MacKey::new(&read(path, KEY_FILE_BYTES)?);
        let key = key.ok_or_else(|| unusable(path, "has fewer than 32 bytes"))?;
        let root_cert = match &settings.valkey_ca {
            Some(path) => Some(read(path, SETTINGS_BYTES)?.to_vec()),
            None => None,
        };
        let tls = TlsCertificates { client_tls: None, root_cert };
        let client = if settings.valkey_ca.is_some() {
            Client::build_with_tls(address.as_str(), tls)
        } else {
            Client::open(address.as_str())
        };
        // The library's words may repeat the address, in which a password may stand.
        let client =
            client.map_err(|_| unusable(Path::new("cache"), "valkey: expected redis://… or rediss://… (TLS)"))?;
        Ok(Some(Self { client, key, metrics, connection: Mutex::default() }))
    }

    /// What is kept under a name, and for how long it still counts; at most as long as `most`, whatever the entry says.
    pub async fn find<T: DeserializeOwned>(&self, name: &str, most: Duration) -> Option<(T, Duration)> {
        // A byte more than an entry may have tells that it is none.
        let asked = redis::cmd("GETRANGE").arg(name).arg(0).arg(SHARED_ENTRY_BYTES).to_owned();
        let bytes = self.ask::<Vec<u8>>(&asked).await?;
        if bytes.is_empty() {
            self.count("shared-miss");
            return None;
        }
        let entry = self.open::<T>(name, &bytes);
        self.count(if entry.is_some() { "shared-hit" } else { "shared-forged" });
        let entry = entry?;
        let left = entry.left(Timestamp::now(), most)?;
        Some((entry.value, left))
    }

    /// Keeps values, each under its name, for a time.
    pub async fn keep<T: Serialize>(&self, entries: impl Iterator<Item = (String, T)>, time: Duration) {
        let milliseconds = i64::try_from(time.as_millis()).unwrap_or_default();
        if milliseconds == 0 {
            return;
        }
        let until = Timestamp::now().as_millisecond().saturating_add(milliseconds);
        let mut pipe = redis::pipe();
        for (name, value) in entries {
            if let Some(bytes) = self.seal(&name, &Entry { value, until }) {
                pipe.cmd("SET").arg(name).arg(bytes).arg("PX").arg(milliseconds).ignore();
            }
        }
        if pipe.is_empty() {
            return;
        }
        let Some(mut connection) = self.connection().await else { return };
        let done = timeout(SHARED_TIMEOUT, pipe.query_async::<()>(&mut connection)).await;
        if !matches!(done, Ok(Ok(()))) {
            self.failed().await;
        }
    }

    fn seal<T: Serialize>(&self, name: &str, entry: &Entry<T>) -> Option<Vec<u8>> {
        let content = serde_json::to_vec(entry).ok()?;
        Some([self.key.tag(name, &content), content].concat()).filter(|bytes| bytes.len() <= SHARED_ENTRY_BYTES)
    }

    /// The entry, if it was made with our key for this name.
    fn open<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Option<Entry<T>> {
        let (tag, content) = bytes.split_at_checked(MacKey::TAG).filter(|_| bytes.len() <= SHARED_ENTRY_BYTES)?;
        if self.key.holds(name, content, tag) { serde_json::from_slice(content).ok() } else { None }
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        let mut connection = self.connection().await?;
        match timeout(SHARED_TIMEOUT, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => Some(answer),
            // The server's own word, such as that it is no text: the connection is as good as before.
            Ok(Err(error)) if error.code().is_some() => {
                self.count("shared-error");
                None
            }
            _ => {
                self.failed().await;
                None
            }
        }
    }

    async fn connection(&self) -> Option<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(live) = &connection.live {
            return Some(live.clone());
        }
        if connection.failed.is_some_and(|at| at.elapsed() < SHARED_PAUSE) {
            return None;
        }
        let Ok(Ok(live)) = timeout(SHARED_TIMEOUT, self.client.get_multiplexed_async_connection()).await else {
            connection.failed = Some(Instant::now());
            self.count("shared-error");
            return None;
        };
        connection.live = Some(live.clone());
        Some(live)
    }

    /// A connection that did not answer is not used again.
    async fn failed(&self) {
        *self.connection.lock().await = Connection { live: None, failed: Some(Instant::now()) };
        self.count("shared-error");
    }

    fn count(&self, result: &'static str) {
        self.metrics.count(&self.metrics.cache, "result", result);
    }
}

/// The name of an entry: of what kind, and about what.
pub(super) fn name(kind: &str, about: &[&str]) -> String {
    let mut framed = Vec::new();
    for part in about {
        framed.extend_from_slice(&(part.len() as u64).to_be_bytes());
        framed.extend_from_slice(part.as_bytes());
    }
    format!("boltseal:1:{kind}:{}", Digest::sha256(&framed).hex())
}

fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, ServeError> {
    let failed = |source| ServeError::Read { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

fn unusable(path: &Path, message: &str) -> ServeError {
    ServeError::Settings { path: path.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(key: u8) -> Shared {
        let client = Client::open("redis://127.0.0.1:1").unwrap();
        let (key, metrics) = (MacKey::new(&[key; 32]).unwrap(), Arc::default());
        Shared { client, key, metrics, connection: Mutex::default() }
    }

    // [V-313]
    #[test]
    fn what_somebody_else_wrote_is_nothing() {
        let (ours, theirs) = (shared(1), shared(2));
        let entry = Entry { value: "allowed", until: 5 };
        let sealed = ours.seal("a", &entry).unwrap();
        let opened = |by: &Shared, name: &str, bytes: &[u8]| by.open::<String>(name, bytes).map(|one| one.value);
        assert_eq!(opened(&ours, "a", &sealed).as_deref(), Some("allowed"));
        assert_eq!(opened(&ours, "b", &sealed), None);
        assert_eq!(opened(&theirs, "a", &sealed), None);
        assert_eq!(opened(&ours, "a", &[b"", &sealed[..sealed.len() - 1]].concat()), None);
        assert_eq!(opened(&ours, "a", br#"{"value":"allowed","until":9}"#), None);
        assert_eq!(opened(&ours, "a", b""), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(opened(&ours, "a", &changed), None, "{at}");
        }
    }

    // [V-313]
    #[test]
    fn an_entry_counts_no_longer_than_here() {
        let left = |until: i64, most| {
            let entry = Entry { value: (), until };
            entry.left(Timestamp::from_millisecond(10_000).unwrap(), Duration::from_secs(most))
        };
        assert_eq!(left(15_000, 60), Some(Duration::from_secs(5)));
        assert_eq!(left(i64::MAX, 60), Some(Duration::from_secs(60)));
        for (until, most) in [(15_000, 0), (10_000, 60), (9_000, 60), (i64::MIN, 60)] {
            assert_eq!(left(until, most), None, "{until} {most}");
        }
    }

    #[test]
    fn names_are_of_their_parts() {
        assert_ne!(name("v", &["a", "bc"]), name("v", &["ab", "c"]));
        assert_ne!(name("v", &["a"]), name("m", &["a"]));
    }

    #[tokio::test]
    async fn a_cache_that_is_not_there_is_left_alone() {
        let shared = shared(1);
        let begun = Instant::now();
        for _ in 0..1_000 {
            assert!(shared.find::<String>("a", Duration::from_secs(1)).await.is_none());
            shared.keep([("a".to_owned(), 1)].into_iter(), Duration::from_secs(1)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}
