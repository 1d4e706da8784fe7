//! An instance of one's own, as an operator has it: its authority's chain and its log's key in files.

use crate::sigstore::{Identity, PrivateSigstore, San, Signing, pem};
use boltseal::{
    format::{predicate, statement::Statement},
    oci::Digest,
};
use jiff::Timestamp;
use serde_json::json;
use std::{fs, path::Path};

pub const IDENTITY: &str = "https://git.corp.example/app/release@refs/tags/v1";
pub const ISSUER: &str = "https://oidc.corp.example";

pub struct Sigstore(PrivateSigstore);

impl Sigstore {
    pub fn new() -> Self {
        Self(PrivateSigstore::new())
    }

    /// Writes `fulcio.pem` and `rekor.pub`.
    pub fn write(&self, folder: &Path) {
        let chain: String = self.0.ca.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        fs::write(folder.join("fulcio.pem"), chain).expect("a file");
        fs::write(folder.join("rekor.pub"), self.0.rekor1.log.key.pem()).expect("a file");
    }

    /// A bundle that says of a digest that it is signed, by [`IDENTITY`], logged now.
    pub fn bundle(&self, about: &Digest) -> Vec<u8> {
        let who = Identity::new(ISSUER, San::Uri(IDENTITY.to_owned()));
        let statement = Statement::about(about, None, predicate::IMAGE_SIGNATURE, json!({}));
        let signing = Signing::keyless(&self.0, who, Timestamp::now());
        signing.envelope("application/vnd.in-toto+json", &statement.encode()).to_string().into_bytes()
    }
}
