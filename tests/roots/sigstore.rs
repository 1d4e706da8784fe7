//! The least of a private Sigstore: an authority that issues a certificate, a log that takes an entry in.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, hash},
    format::{predicate, statement::Statement},
    oci::Digest,
    sign::{LocalSigner, seal},
};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::{Value, json};
use std::{fs, path::Path};

pub const IDENTITY: &str = "https://git.corp.example/app/release@refs/tags/v1";
pub const ISSUER: &str = "https://oidc.corp.example";
const ORIGIN: &str = "rekor.corp.example";

pub struct Sigstore {
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
    log: PrivateKey,
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key")
}

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

impl Sigstore {
    pub fn new() -> Self {
        let mut authority = parameters("corp");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pair = KeyPair::generate().expect("a key");
        let authority_pem = authority.self_signed(&pair).expect("a certificate").pem();
        Self { authority: Issuer::new(authority, pair), authority_pem, log: key() }
    }

    /// Writes `fulcio.pem` and `rekor.pub`, as an operator has them.
    pub fn write(&self, folder: &Path) {
        fs::write(folder.join("fulcio.pem"), &self.authority_pem).expect("a file");
        fs::write(folder.join("rekor.pub"), self.log.public().to_pem()).expect("a file");
    }

    /// A bundle that says of a digest that it is signed, by [`IDENTITY`], logged now.
    pub async fn bundle(&self, about: &Digest) -> Vec<u8> {
        let signer = key();
        let pair = KeyPair::try_from(signer.to_pkcs8_der().expect("PKCS#8").as_slice()).expect("a key");
        let mut leaf = parameters("leaf");
        leaf.subject_alt_names = vec![SanType::URI(IDENTITY.try_into().expect("ASCII"))];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let issuer = [&[0x0c, ISSUER.len() as u8], ISSUER.as_bytes()].concat();
        let oid = [1, 3, 6, 1, 4, 1, 57_264, 1, 8];
        leaf.custom_extensions = vec![CustomExtension::from_oid_content(&oid, issuer)];
        let leaf = leaf.signed_by(&pair, &self.authority).expect("a certificate");
        let statement = Statement::about(about, None, predicate::IMAGE_SIGNATURE, json!({}));
        let envelope = seal(statement.encode(), &LocalSigner::new(signer)).await.expect("a signature");
        let signature = STANDARD.encode(&envelope.signatures[0].signature);
        let body = json!({
            "apiVersion": "0.0.1", "kind": "dsse",
            "spec": {
                "envelopeHash": { "algorithm": "sha256", "value": hex::encode(hash::sha256(&envelope.encode())) },
                "payloadHash": { "algorithm": "sha256", "value": hex::encode(hash::sha256(&envelope.payload)) },
                "signatures": [{ "signature": signature, "verifier": STANDARD.encode(leaf.pem()) }],
            },
        });
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": STANDARD.encode(leaf.der()) },
                "tlogEntries": [self.entry(body.to_string().as_bytes())],
            },
            "dsseEnvelope": {
                "payload": STANDARD.encode(&envelope.payload), "payloadType": envelope.payload_type,
                "signatures": [{ "sig": signature }],
            },
        });
        bundle.to_string().into_bytes()
    }

    /// The log's first and only entry: the leaf is the tree.
    fn entry(&self, body: &[u8]) -> Value {
        let id = hash::sha256(self.log.public().spki_der());
        let tree = STANDARD.encode(hash::sha256(&[&[0], body].concat()));
        let head = format!("{ORIGIN} - 1\n1\n{tree}\n");
        let sign = |bytes: &[u8]| self.log.sign(bytes).expect("a signature");
        let noted = STANDARD.encode([&id[..4], &sign(head.as_bytes())].concat());
        let (time, body) = (Timestamp::now().as_second(), STANDARD.encode(body));
        let promised =
            format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{}","logIndex":0}}"#, hex::encode(id));
        json!({
            "logIndex": "0", "logId": { "keyId": STANDARD.encode(id) },
            "kindVersion": { "kind": "dsse", "version": "0.0.1" },
            "integratedTime": time.to_string(),
            "inclusionPromise": { "signedEntryTimestamp": STANDARD.encode(sign(promised.as_bytes())) },
            "inclusionProof": {
                "logIndex": "0", "rootHash": tree, "treeSize": "1", "hashes": [],
                "checkpoint": { "envelope": format!("{head}\n— {ORIGIN} {noted}\n") },
            },
            "canonicalizedBody": body,
        })
    }
}
