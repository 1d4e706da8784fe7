//! The two generations of Rekor over one kind of tree. Entries are the JSON of a bundle's `TransparencyLogEntry`.

use super::{
    b64,
    bodies::{self, Body, Digest, Verifier},
    keys::{Hash, Key, Kind},
    merkle::{Tree, leaf_hash},
    note::{self, Witness},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard};

/// Leaves that stand in a log from the start, so that paths are not empty.
const EARLIER: usize = 5;

struct Leaves {
    tree: Tree,
    entries: Vec<Value>,
}

/// What both generations are below.
pub struct Log {
    pub key: Key,
    /// The host's name, which its checkpoints are signed as.
    pub name: String,
    origin: String,
    leaves: Mutex<Leaves>,
}

impl Log {
    fn new(key: Key, name: &str, origin: String) -> Self {
        let mut tree = Tree::default();
        for n in 0..EARLIER {
            tree.append(format!("earlier {n}").as_bytes());
        }
        Self { key, name: name.to_owned(), origin, leaves: Mutex::new(Leaves { tree, entries: Vec::new() }) }
    }

    fn leaves(&self) -> MutexGuard<'_, Leaves> {
        self.leaves.lock().expect("not poisoned")
    }

    /// `TransparencyLogEntry.logId.keyId`, raw.
    pub fn id(&self) -> Vec<u8> {
        note::key_id(&self.name, &self.key)
    }

    /// The tree's size and root, signed.
    pub fn checkpoint(&self) -> String {
        let leaves = self.leaves();
        self.checkpoint_of(&leaves.tree)
    }

    fn checkpoint_of(&self, tree: &Tree) -> String {
        note::sign(&note::text(&self.origin, tree.size(), &tree.root()), &self.name, &self.key)
    }

    /// Appends; the entry without what only one of the generations has, and its index in the tree.
    fn append(&self, leaves: &mut Leaves, body: &Body) -> (Value, usize) {
        let canonical = body.canonical();
        let index = leaves.tree.append(&canonical);
        let hashes: Vec<_> = leaves.tree.path(index).iter().map(|node| b64(node)).collect();
        let entry = json!({
            "logIndex": index.to_string(),
            "logId": { "keyId": b64(&self.id()) },
            "kindVersion": { "kind": body.kind, "version": body.version },
            "inclusionProof": {
                "logIndex": index.to_string(),
                "rootHash": b64(&leaves.tree.root()),
                "treeSize": leaves.tree.size().to_string(),
                "hashes": hashes,
                "checkpoint": { "envelope": self.checkpoint_of(&leaves.tree) },
            },
            "canonicalizedBody": b64(&canonical),
        });
        (entry, index)
    }
}

/// Rekor v1: signed entry timestamps, a time of its own, proofs.
pub struct Rekor1 {
    pub log: Log,
    /// Entries of earlier shards: what the log's own index is ahead of the tree's.
    pub shard_offset: usize,
    pub tree_id: u64,
}

impl Rekor1 {
    pub fn new(name: &str) -> Self {
        let tree_id = 1_193_050_959_916_656_506;
        let log = Log::new(Key::p256(), name, format!("{name} - {tree_id}"));
        Self { log, shard_offset: 4_000, tree_id }
    }

    pub fn hashedrekord(&self, digest: &Digest, signature: &[u8], verifier: &Verifier, time: Timestamp) -> Value {
        self.add(&bodies::hashedrekord_v1(digest, signature, verifier), time)
    }

    pub fn dsse(&self, envelope: &Value, verifier: &Verifier, time: Timestamp) -> Value {
        self.add(&bodies::dsse_v1(envelope, verifier), time)
    }

    pub fn intoto(&self, envelope: &Value, verifier: &Verifier, time: Timestamp) -> Value {
        self.add(&bodies::intoto_v1(envelope, verifier), time)
    }

    /// Appends any body, with promise and proof; a test that wants either gone removes it from the JSON.
    pub fn add(&self, body: &Body, time: Timestamp) -> Value {
        let mut leaves = self.log.leaves();
        let (mut entry, index) = self.log.append(&mut leaves, body);
        let index = index + self.shard_offset;
        let seconds = time.as_second();
        entry["logIndex"] = json!(index.to_string());
        entry["integratedTime"] = json!(seconds.to_string());
        let promise = self.promise(&body.canonical(), seconds, index);
        entry["inclusionPromise"] = json!({ "signedEntryTimestamp": b64(&promise) });
        leaves.entries.push(entry.clone());
        entry
    }

    /// The signed entry timestamp over what the log would answer.
    pub fn promise(&self, body: &[u8], seconds: i64, index: usize) -> Vec<u8> {
        let id = hex::encode(self.log.id());
        let promised = json!({ "body": b64(body), "integratedTime": seconds, "logID": id, "logIndex": index });
        self.log.key.sign(promised.to_string().as_bytes())
    }

    /// An entry with this body, as it was first answered.
    pub fn find(&self, body: &Body) -> Option<Value> {
        let leaves = self.log.leaves();
        let at = leaves.tree.find(&body.canonical())?;
        leaves.entries.get(at.checked_sub(EARLIER)?).cloned()
    }

    pub fn entries(&self) -> Vec<Value> {
        self.log.leaves().entries.clone()
    }

    /// What Rekor v1 names an entry by: the tree's id and the leaf's hash.
    pub fn uuid(&self, body: &[u8]) -> String {
        format!("{:016x}{}", self.tree_id, hex::encode(leaf_hash(body)))
    }
}

/// Rekor v2: no time, no promise; checkpoints, which witnesses may cosign.
pub struct Rekor2 {
    pub log: Log,
    /// Who cosigns each checkpoint.
    pub witnesses: Vec<Witness>,
}

impl Rekor2 {
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { log: Log::new(Key::new(kind), name, name.to_owned()), witnesses: Vec::new() }
    }

    pub fn hashedrekord(&self, digest: &Digest, signature: &[u8], verifier: &Verifier) -> Value {
        self.add(&bodies::hashedrekord_v2(digest, signature, verifier))
    }

    /// An envelope as cosign and the Rust crates log it: a hashedrekord over its PAE.
    pub fn envelope(&self, pae: &[u8], signature: &[u8], verifier: &Verifier, hash: Hash) -> Value {
        self.hashedrekord(&Digest::of(hash, pae), signature, verifier)
    }

    /// An envelope as npm's client logs it.
    pub fn dsse(&self, envelope: &Value, verifier: &Verifier) -> Value {
        self.add(&bodies::dsse_v2(envelope, verifier))
    }

    pub fn add(&self, body: &Body) -> Value {
        let mut leaves = self.log.leaves();
        let (mut entry, _) = self.log.append(&mut leaves, body);
        let checkpoint = &mut entry["inclusionProof"]["checkpoint"]["envelope"];
        let note = checkpoint.as_str().expect("a note").to_owned();
        let cosigned = self.witnesses.iter().fold(note, |note, witness| witness.cosign(&note));
        *checkpoint = json!(cosigned);
        leaves.entries.push(entry.clone());
        entry
    }
}
