//! Makes Notary v1 metadata with keys of its own: good ones, and such as an attacker would make.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::notary::KeyId,
    oci::Digest,
    trust::notary::{Files, PinnedKey},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

pub const FAR: &str = "2036-01-01T00:00:00Z";

/// A key as metadata lists it; a certificate around it where it has a name.
pub struct Holder {
    private: PrivateKey,
    listed: Value,
}

impl Holder {
    pub fn bare() -> Self {
        Self::of(PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap(), None)
    }

    pub fn certified(name: &str) -> Self {
        Self::of(PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap(), Some(name))
    }

    /// The same key with a certificate for another name.
    pub fn renamed(&self, name: &str) -> Self {
        Self::of(PrivateKey::from_pkcs8_der(&self.private.to_pkcs8_der().unwrap()).unwrap(), Some(name))
    }

    fn of(private: PrivateKey, name: Option<&str>) -> Self {
        let (kind, public) = match name {
            None => ("ecdsa", private.public().spki_der().to_vec()),
            Some(name) => {
                let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
                parameters.distinguished_name = rcgen::DistinguishedName::new();
                parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
                let pair = rcgen::KeyPair::try_from(private.to_pkcs8_der().unwrap().as_slice()).unwrap();
                ("ecdsa-x509", parameters.self_signed(&pair).unwrap().pem().into_bytes())
            }
        };
        let listed = json!({ "keytype": kind, "keyval": { "private": null, "public": STANDARD.encode(public) } });
        Self { private, listed }
    }

    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(serde_json::to_vec(&self.listed).unwrap()))
    }

    pub fn pin(&self) -> PinnedKey {
        self.private.public().fingerprint().into()
    }

    pub fn file_id(&self) -> KeyId {
        KeyId::of_bare(self.private.public())
    }
}

fn keys(holders: &[&Holder]) -> Value {
    holders.iter().map(|holder| (holder.id(), holder.listed.clone())).collect::<serde_json::Map<_, _>>().into()
}

pub fn role(holders: &[&Holder], threshold: u64) -> Value {
    json!({ "keyids": holders.iter().map(|holder| holder.id()).collect::<Vec<_>>(), "threshold": threshold })
}

pub fn sign(signed: &Value, holders: &[&Holder]) -> Vec<u8> {
    let message = serde_json::to_vec(signed).unwrap();
    let signatures: Vec<_> = holders
        .iter()
        .map(|holder| {
            json!({ "keyid": holder.id(), "method": "ecdsa", "sig": STANDARD.encode(holder.private.sign(&message).unwrap()) })
        })
        .collect();
    serde_json::to_vec(&json!({ "signed": signed, "signatures": signatures })).unwrap()
}

pub fn meta(bytes: &[u8]) -> Value {
    json!({ "hashes": { "sha256": STANDARD.encode(Sha256::digest(bytes)) }, "length": bytes.len() })
}

/// A delegation: name, holders, threshold, paths.
pub struct Delegate<'h>(pub &'h str, pub Vec<&'h Holder>, pub u64, pub Vec<&'h str>);

pub fn delegations(delegates: &[Delegate<'_>]) -> Value {
    let all: Vec<&Holder> = delegates.iter().flat_map(|delegate| delegate.1.iter().copied()).collect();
    let roles: Vec<_> = delegates
        .iter()
        .map(|Delegate(name, holders, threshold, paths)| {
            let mut one = role(holders, *threshold);
            one["name"] = json!(name);
            one["paths"] = json!(paths);
            one
        })
        .collect();
    json!({ "keys": keys(&all), "roles": roles })
}

pub fn targets(version: u64, expires: &str, tags: &[(&str, &[u8])], delegations: Value) -> Value {
    let tags: serde_json::Map<_, _> = tags.iter().map(|(tag, manifest)| ((*tag).to_owned(), meta(manifest))).collect();
    json!({ "_type": "Targets", "version": version, "expires": expires, "targets": tags, "delegations": delegations })
}

/// A repository whose root, and whose other three roles, are held by one key each.
pub struct Repository {
    pub root: Holder,
    pub other: Holder,
    pub files: Files,
}

impl Repository {
    pub fn new(name: &str) -> Self {
        let mut new = Self { root: Holder::certified(name), other: Holder::bare(), files: Files::new() };
        let root = new.root_file(1, &[&new.root], 1, &[&new.root]);
        new.files.insert("root".to_owned(), root);
        new
    }

    /// A root that names these holders, signed by those.
    pub fn root_file(&self, version: u64, holders: &[&Holder], threshold: u64, signers: &[&Holder]) -> Vec<u8> {
        let mut listed = holders.to_vec();
        listed.push(&self.other);
        let other = role(&[&self.other], 1);
        let root = json!({
            "_type": "Root", "version": version, "expires": FAR, "consistent_snapshot": false, "keys": keys(&listed),
            "roles": { "root": role(holders, threshold), "targets": other, "snapshot": other, "timestamp": other },
        });
        sign(&root, signers)
    }

    pub fn put(&mut self, name: &str, bytes: Vec<u8>) -> &mut Self {
        self.files.insert(name.to_owned(), bytes);
        self
    }

    pub fn put_targets(&mut self, tags: &[(&str, &[u8])], delegates: &[Delegate<'_>]) -> &mut Self {
        let file = sign(&targets(1, FAR, tags, delegations(delegates)), &[&self.other]);
        self.put("targets", file)
    }

    /// Snapshot and timestamp over whatever there is: what the holder of those two keys can always make.
    pub fn seal(&mut self) -> &Files {
        let listed: BTreeMap<_, _> = self
            .files
            .iter()
            .filter(|(name, _)| *name == "root" || name.starts_with("targets"))
            .map(|(name, bytes)| (name.clone(), meta(bytes)))
            .collect();
        let snapshot = json!({ "_type": "Snapshot", "version": 1, "expires": FAR, "meta": listed });
        let snapshot = sign(&snapshot, &[&self.other]);
        let meta = json!({ "snapshot": meta(&snapshot) });
        let timestamp = json!({ "_type": "Timestamp", "version": 1, "expires": FAR, "meta": meta });
        let timestamp = sign(&timestamp, &[&self.other]);
        self.put("snapshot", snapshot).put("timestamp", timestamp);
        &self.files
    }
}

/// Metadata as a Notary server keeps it, at `/v2/GUN/_trust/tuf/`: by name, and by name and hash.
pub fn served(files: &Files) -> BTreeMap<String, Vec<u8>> {
    let by_hash = |(name, bytes): (&String, &Vec<u8>)| {
        let digest = Digest::sha256(bytes).hex();
        [(format!("{name}.json"), bytes.clone()), (format!("{name}.{digest}.json"), bytes.clone())]
    };
    files.iter().flat_map(by_hash).collect()
}
