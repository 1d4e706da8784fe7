//! Whole signatures: a key, a certificate, log entries and timestamps for one moment.

use super::{
    Bundle, Content, Digest, Identity, Key, Leaf, Material, PrivateSigstore, Stamp, Verifier, Version, b64, pae,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// What logs write of a signature, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logged {
    Not,
    /// Rekor v1; envelopes as `dsse`.
    Rekor1,
    /// Rekor v1; envelopes as `intoto`.
    Rekor1Intoto,
    /// Rekor v2; envelopes as a `hashedrekord` over their PAE, as cosign and the Rust crates do.
    Rekor2,
    /// Rekor v2; envelopes as `dsse`, as npm's client does.
    Rekor2Dsse,
}

/// A signature to be made. Everything that a test may want otherwise is a field.
pub struct Signing<'a> {
    pub sigstore: &'a PrivateSigstore,
    /// When it is made: the log's time. The certificate is ten seconds older.
    pub time: Timestamp,
    pub key: Key,
    /// The certificate; without one, the key is known to the verifier.
    pub leaf: Option<Leaf>,
    pub logged: Vec<Logged>,
    pub stamps: Vec<Stamp>,
    pub version: Version,
}

impl<'a> Signing<'a> {
    /// With a certificate and a fresh key, in Rekor v1, without a timestamp.
    pub fn keyless(sigstore: &'a PrivateSigstore, who: Identity, time: Timestamp) -> Self {
        let leaf = Leaf::new(who, time - SignedDuration::from_secs(10));
        Self { leaf: Some(leaf), ..Self::keyed(sigstore, Key::p256(), time) }
    }

    /// With a key of the signer's, in Rekor v1, without a timestamp.
    pub fn keyed(sigstore: &'a PrivateSigstore, key: Key, time: Timestamp) -> Self {
        Self { sigstore, time, key, leaf: None, logged: vec![Logged::Rekor1], stamps: vec![], version: Version::V03 }
    }

    /// In Rekor v2, with a timestamp.
    pub fn rekor2(mut self) -> Self {
        self.logged = vec![Logged::Rekor2];
        self.stamped()
    }

    /// With one timestamp more.
    pub fn stamped(mut self) -> Self {
        self.stamps.push(Stamp { hash: self.key.hash(), ..Stamp::at(self.time) });
        self
    }

    /// In these logs instead.
    pub fn logged(mut self, logged: &[Logged]) -> Self {
        self.logged = logged.to_vec();
        self
    }

    /// The bundle of a blob's signature.
    pub fn blob(&self, content: &[u8]) -> Value {
        self.blob_parts(content).json()
    }

    /// The bundle of an in-toto statement.
    pub fn statement(&self, statement: &Value) -> Value {
        self.envelope("application/vnd.in-toto+json", statement.to_string().as_bytes())
    }

    /// The bundle of an envelope.
    pub fn envelope(&self, payload_type: &str, payload: &[u8]) -> Value {
        self.envelope_parts(payload_type, payload).json()
    }

    pub fn blob_parts(&self, content: &[u8]) -> Bundle {
        let digest = Digest::of(self.key.hash(), content);
        let signature = self.key.sign(content);
        let (material, verifier) = self.material();
        let rekor = |logged: &Logged| match logged {
            Logged::Not => None,
            Logged::Rekor1 | Logged::Rekor1Intoto => {
                Some(self.sigstore.rekor1.hashedrekord(&digest, &signature, &verifier, self.time))
            }
            Logged::Rekor2 | Logged::Rekor2Dsse => {
                Some(self.sigstore.rekor2.hashedrekord(&digest, &signature, &verifier))
            }
        };
        let entries = self.logged.iter().filter_map(rekor).collect();
        self.bundle(material, entries, &signature.clone(), Content::Message { digest, signature })
    }

    pub fn envelope_parts(&self, payload_type: &str, payload: &[u8]) -> Bundle {
        let pae = pae(payload_type, payload);
        let signature = self.key.sign(&pae);
        let envelope = json!({
            "payload": b64(payload), "payloadType": payload_type, "signatures": [{ "sig": b64(&signature) }],
        });
        let (material, verifier) = self.material();
        let (one, two) = (&self.sigstore.rekor1, &self.sigstore.rekor2);
        let rekor = |logged: &Logged| match logged {
            Logged::Not => None,
            Logged::Rekor1 => Some(one.dsse(&envelope, &verifier, self.time)),
            Logged::Rekor1Intoto => Some(one.intoto(&envelope, &verifier, self.time)),
            Logged::Rekor2 => Some(two.envelope(&pae, &signature, &verifier, self.key.hash())),
            Logged::Rekor2Dsse => Some(two.dsse(&envelope, &verifier)),
        };
        let entries = self.logged.iter().filter_map(rekor).collect();
        self.bundle(material, entries, &signature, Content::Envelope(envelope))
    }

    fn bundle(&self, material: Material, entries: Vec<Value>, signature: &[u8], content: Content) -> Bundle {
        let timestamps = self.stamps.iter().map(|stamp| self.sigstore.tsa.stamp(signature, stamp)).collect();
        Bundle { version: self.version, material, entries, timestamps, content }
    }

    fn material(&self) -> (Material, Verifier) {
        let Some(leaf) = &self.leaf else {
            return (Material::PublicKey(b64(&self.key.id())), Verifier::key(&self.key));
        };
        let issued = self.sigstore.ca.issue(&self.key.spki(), leaf);
        let verifier = Verifier::certificate(&issued.leaf, &self.key);
        (Material::Certificate(issued), verifier)
    }
}
