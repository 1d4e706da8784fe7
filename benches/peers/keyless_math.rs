//! The mathematics that one verification can't do without: each signature by its key, each hash, the audit path, as often as
//! the format needs them. Keys that are the same for all bundles are parsed once; a leaf's is new each time.

use crate::sigstore::{PrivateSigstore, ca::to_be_signed, unb64};
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey},
};
use boltseal::crypto::{PublicKey, Sct, SignatureScheme, SigningCertificate};
use cms::{content_info::ContentInfo, signed_data::SignedData};
use serde_json::Value;
use sigstore_merkle::{hash_leaf, verify_inclusion_proof};
use sigstore_types::Sha256Hash;
use std::hint::black_box;
use x509_cert::{
    Certificate,
    spki::der::{Decode as _, Encode as _},
};

/// A signature and what it is over.
struct Check {
    key: PublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Check {
    fn new(key: &[u8], message: impl Into<Vec<u8>>, signature: impl Into<Vec<u8>>) -> Self {
        let key = PublicKey::from_spki_der(key).expect("a key");
        Self { key, message: message.into(), signature: signature.into() }
    }

    /// A certificate's, by the key of the one above it.
    fn of_certificate(issuer: &[u8], certificate: &[u8]) -> Self {
        let whole = Certificate::from_der(certificate).expect("a certificate");
        Self::new(&spki(issuer), to_be_signed(certificate), whole.signature().raw_bytes())
    }

    fn run(&self) {
        let holds = if self.key.is_ed25519() {
            self.key.verify_with(SignatureScheme::Ed25519, &self.message, &self.signature)
        } else {
            self.key.verify(&self.message, &self.signature)
        };
        holds.expect("it holds");
    }
}

fn spki(certificate: &[u8]) -> Vec<u8> {
    let whole = Certificate::from_der(certificate).expect("a certificate");
    whole.tbs_certificate().subject_public_key_info().to_der().expect("a key")
}

/// The mathematics of one bundle.
pub struct Mathematics {
    leaf: Vec<u8>,
    content: Vec<u8>,
    signature: Vec<u8>,
    /// Leaf, intermediate.
    path: Vec<Check>,
    sct: Sct,
    ct_log: PublicKey,
    /// The checkpoint; the promise.
    log: Vec<Check>,
    /// The token; its signer's certificate.
    timestamp: Vec<Check>,
    /// What is hashed beside what signatures are over.
    hashed: Vec<Vec<u8>>,
    audit: Audit,
}

struct Audit {
    body: Vec<u8>,
    index: u64,
    size: u64,
    path: Vec<Sha256Hash>,
    root: Sha256Hash,
}

/// A part's name, and the part.
type Part = (&'static str, fn(&Mathematics));

impl Mathematics {
    pub const PARTS: [Part; 6] = [
        ("the signature", Self::signature),
        ("the certificate path", |math| math.path.iter().for_each(Check::run)),
        ("the certificate's own timestamp", |math| math.sct.verify(&math.ct_log).expect("it holds")),
        ("the log's signatures", |math| math.log.iter().for_each(Check::run)),
        ("the timestamp's", |math| math.timestamp.iter().for_each(Check::run)),
        ("hashes and the audit path", Self::hashes),
    ];

    /// All of it, once.
    pub fn all(&self) {
        Self::PARTS.iter().for_each(|(_, part)| part(self));
    }

    fn signature(&self) {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.leaf)
            .verify(&self.content, &self.signature)
            .expect("it holds");
    }

    fn hashes(&self) {
        for bytes in &self.hashed {
            black_box(digest(&SHA256, bytes));
        }
        let Audit { body, index, size, path, root } = &self.audit;
        verify_inclusion_proof(&hash_leaf(body), *index, *size, path, root).expect("it is in the log");
    }

    pub fn of(sigstore: &PrivateSigstore, bundle: &Value, content: &[u8]) -> Self {
        let material = &bundle["verificationMaterial"];
        let leaf = bytes(&material["certificate"]["rawBytes"]);
        let [intermediate, root] = sigstore.ca.chain.as_slice() else { panic!("a chain of two") };
        let issuer = spki(intermediate);
        let entry = &material["tlogEntries"][0];
        let signature = bytes(&bundle["messageSignature"]["signature"]);
        let token = &material["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"];
        let (timestamp, info) = if token.is_string() { token_of(sigstore, &bytes(token)) } else { (Vec::new(), None) };
        // The issuer's key, which an SCT names; a token's imprint and content.
        let imprint = info.is_some().then(|| signature.clone());
        let hashed = [Some(issuer.clone()), info, imprint].into_iter().flatten().collect();
        Self {
            path: vec![Check::of_certificate(intermediate, &leaf), Check::of_certificate(root, intermediate)],
            sct: sct_of(&leaf, &issuer),
            ct_log: PublicKey::from_spki_der(&sigstore.ct.key.spki()).expect("a key"),
            log: log_of(sigstore, entry),
            audit: Audit::of(entry),
            leaf: spki(&leaf),
            content: content.to_vec(),
            signature,
            timestamp,
            hashed,
        }
    }
}

fn bytes(text: &Value) -> Vec<u8> {
    unb64(text.as_str().expect("a text")).expect("base64")
}

fn sct_of(leaf: &[u8], issuer: &[u8]) -> Sct {
    let mut scts = SigningCertificate::from_der(leaf).and_then(|leaf| leaf.scts(issuer)).expect("a leaf");
    scts.pop().expect("an SCT")
}

fn log_of(sigstore: &PrivateSigstore, entry: &Value) -> Vec<Check> {
    let promise = &entry["inclusionPromise"]["signedEntryTimestamp"];
    let log = if promise.is_string() { &sigstore.rekor1.log } else { &sigstore.rekor2.log };
    let note = entry["inclusionProof"]["checkpoint"]["envelope"].as_str().expect("a checkpoint");
    let (text, lines) = note.split_once("\n\n").expect("a note");
    let own = lines.split(' ').nth(2).and_then(|signature| unb64(signature.trim_end())).expect("a signature");
    let mut checks = vec![Check::new(&log.key.spki(), format!("{text}\n"), &own[4..])];
    if promise.is_string() {
        let number = |name: &str| entry[name].as_str().and_then(|text| text.parse::<u64>().ok()).expect("a number");
        let promised = serde_json::json!({
            "body": entry["canonicalizedBody"], "integratedTime": number("integratedTime"),
            "logID": hex::encode(log.id()), "logIndex": number("logIndex"),
        });
        checks.push(Check::new(&log.key.spki(), promised.to_string(), bytes(promise)));
    }
    checks
}

/// The token's signature and its signer's certificate's; what it says.
fn token_of(sigstore: &PrivateSigstore, response: &[u8]) -> (Vec<Check>, Option<Vec<u8>>) {
    let token = yasna::parse_der(response, |reader| {
        reader.read_sequence(|reader| {
            reader.next().read_der()?;
            reader.next().read_der()
        })
    });
    let token = ContentInfo::from_der(&token.expect("a response")).expect("a token");
    let signed: SignedData = token.content.decode_as().expect("signed data");
    let signer = &signed.signer_infos.0.as_slice()[0];
    let attributes = signer.signed_attrs.as_ref().expect("attributes").to_der().expect("DER");
    let [leaf, root] = sigstore.tsa.chain.as_slice() else { panic!("a chain of two") };
    let checks =
        vec![Check::new(&spki(leaf), attributes, signer.signature.as_bytes()), Check::of_certificate(root, leaf)];
    let content = signed.encap_content_info.econtent.expect("what it says");
    (checks, Some(content.value().to_vec()))
}

impl Audit {
    fn of(entry: &Value) -> Self {
        let proof = &entry["inclusionProof"];
        let number = |name: &str| proof[name].as_str().and_then(|text| text.parse().ok()).expect("a number");
        let hash = |text: &Value| Sha256Hash::new(bytes(text).try_into().expect("32 bytes"));
        Self {
            body: bytes(&entry["canonicalizedBody"]),
            index: number("logIndex"),
            size: number("treeSize"),
            path: proof["hashes"].as_array().expect("hashes").iter().map(hash).collect(),
            root: hash(&proof["rootHash"]),
        }
    }
}
