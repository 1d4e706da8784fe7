//! Checkpoints: signed notes with a log's size and root, and what witnesses add to them (C2SP signed-note,
//! tlog-checkpoint and tlog-cosignature).

use super::{
    b64,
    keys::{Hash, Key, Kind},
};
use jiff::Timestamp;

/// What the log says: the part that is signed.
pub fn text(origin: &str, size: usize, root: &[u8]) -> String {
    format!("{origin}\n{size}\n{}\n", b64(root))
}

/// A note under the log's signature.
pub fn sign(text: &str, name: &str, key: &Key) -> String {
    format!("{text}\n{}", line(name, &key_id(name, key)[..4], &key.sign(text.as_bytes())))
}

/// The log's id as its checkpoints name it: for Ed25519 over name and key, otherwise over the SubjectPublicKeyInfo.
pub fn key_id(name: &str, key: &Key) -> Vec<u8> {
    match key.kind {
        Kind::Ed25519 => Hash::Sha256.of(&[name.as_bytes(), b"\n\x01", &raw(key)].concat()),
        _ => key.id(),
    }
}

/// Somebody who saw the checkpoint and adds an Ed25519 signature with a time.
pub struct Witness {
    pub name: String,
    pub key: Key,
    /// When it says that it saw each checkpoint.
    pub time: Timestamp,
}

impl Witness {
    pub fn new(name: &str, time: Timestamp) -> Self {
        Self { name: name.to_owned(), key: Key::new(Kind::Ed25519), time }
    }

    /// The note with one line more.
    pub fn cosign(&self, note: &str) -> String {
        let (text, _) = note.rsplit_once("\n\n").expect("a signed note");
        let seconds = self.time.as_second();
        let signature = self.key.sign(format!("cosignature/v1\ntime {seconds}\n{text}\n").as_bytes());
        let id = Hash::Sha256.of(&[self.name.as_bytes(), b"\n\x04", &raw(&self.key)].concat());
        let stamped = [&seconds.to_be_bytes()[..], &signature].concat();
        format!("{note}{}", line(&self.name, &id[..4], &stamped))
    }
}

fn line(name: &str, hint: &[u8], signature: &[u8]) -> String {
    format!("\u{2014} {name} {}\n", b64(&[hint, signature].concat()))
}

/// An Ed25519 key's 32 bytes, the end of its SubjectPublicKeyInfo.
fn raw(key: &Key) -> Vec<u8> {
    let spki = key.spki();
    spki[spki.len() - 32..].to_vec()
}
