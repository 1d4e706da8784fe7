//! What the demonstration plays with: a registry, four keys, a policy.

use super::image;
use crate::exit::{Exit, Failure};
use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey},
    limits::Limits,
    oci::{Digest, Reference},
    ops::{
        Signatory,
        attest::{AttestRequest, Attested, Content, attest},
        sign::{Formats, Scope, SignRequest, Signed, sign},
        verify::{Verification, Verifier},
    },
    policy::Policy,
    registry::{
        Access, Options, Repo, Session,
        embedded::{Embedded, EmbeddedOptions},
    },
    sign::{LocalSigner, Signer as _},
};
use jiff::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// The authorities of the policy; `mallory` has a key too, which it does not name.
const AUTHORITIES: [&str; 3] = ["release", "qa", "ci"];

pub struct Stage<'l> {
    registry: Embedded,
    pub session: Session,
    signers: BTreeMap<&'static str, LocalSigner>,
    policy_text: String,
    policy: Policy,
    limits: &'l Limits,
}

impl<'l> Stage<'l> {
    pub async fn build(limits: &'l Limits) -> Result<Self, Failure> {
        let bug = |error: &dyn std::fmt::Display| Failure::new(Exit::Bug, error.to_string());
        let registry = Embedded::start(EmbeddedOptions::default()).await.map_err(|error| bug(&error))?;
        let mut signers = BTreeMap::new();
        for name in AUTHORITIES.into_iter().chain(["mallory"]) {
            signers.insert(name, LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256)?));
        }
        let policy_text = policy_text(&registry.address().to_string());
        let load = |file: &str| -> Result<PublicKey, String> {
            let signer = signers.get(file.trim_end_matches(".pub")).ok_or("no such key")?;
            Ok(signer.public_key().clone())
        };
        let policy = Policy::parse(&policy_text, &load)?;
        // Nobody else writes to this registry: there is nobody to wait for.
        let session = Session::new(Options { settle: Duration::ZERO, ..Options::default() })?;
        Ok(Self { registry, session, signers, policy_text, policy, limits })
    }

    pub fn address(&self) -> String {
        self.registry.address().to_string()
    }

    pub fn reference(&self, repository: &str, tag: &str) -> Result<Reference, Failure> {
        Ok(format!("{}/{repository}:{tag}", self.address()).parse()?)
    }

    pub fn repo(&self, reference: &Reference) -> Result<Repo, Failure> {
        Ok(self.session.open(&reference.repository, Access::PullPush)?)
    }

    pub fn signer(&self, name: &str) -> Result<&LocalSigner, Failure> {
        self.signers.get(name).ok_or_else(|| Failure::new(Exit::Bug, format!("no signer {name}")))
    }

    pub async fn push(&self, reference: &Reference, greeting: &str) -> Result<Digest, Failure> {
        let tag = reference.tag_or_latest().unwrap_or_default();
        Ok(image::push(&self.repo(reference)?, tag, greeting).await?)
    }

    pub async fn sign(&self, reference: &Reference, signer: &str) -> Result<Vec<Signed>, Failure> {
        let request = SignRequest {
            signer: Signatory::Key(self.signer(signer)?),
            formats: Formats { bundle: true, simple: true },
            scope: Scope::All,
            annotations: BTreeMap::new(),
            identity: None,
            now: Timestamp::now(),
        };
        Ok(sign(&self.session, reference, &request).await?)
    }

    pub async fn attest(&self, reference: &Reference, signer: &str) -> Result<Attested, Failure> {
        let now = Timestamp::now();
        let content = Content::predicate("slsaprovenance1", Path::new("provenance.json"), &provenance(now), now)?;
        let request = AttestRequest {
            signer: Signatory::Key(self.signer(signer)?),
            formats: Formats { bundle: true, simple: false },
            platform: None,
            content,
            identity: None,
            now,
        };
        Ok(attest(&self.session, reference, &request).await?)
    }

    pub async fn verify(&self, reference: &Reference) -> Result<Verification, Failure> {
        let (session, policy, limits) = (&self.session, &self.policy, self.limits);
        let verifier = Verifier { session, policy, now: Timestamp::now(), limits, trust: None };
        Ok(verifier.verify(reference, None).await?)
    }

    /// Writes policy and public keys where another process can read them.
    pub fn save(&self) -> Result<tempfile::TempDir, Failure> {
        let failed = |error: std::io::Error| Failure::supplied(error.to_string());
        let folder = tempfile::Builder::new().prefix("boltseal-demo-").tempdir().map_err(failed)?;
        fs::write(folder.path().join("policy.yaml"), &self.policy_text).map_err(failed)?;
        for name in AUTHORITIES {
            let pem = self.signer(name)?.public_key().to_pem();
            fs::write(folder.path().join(format!("{name}.pub")), pem).map_err(failed)?;
        }
        Ok(folder)
    }
}

fn policy_text(address: &str) -> String {
    format!(
        "version: 1\n\
         mode: enforced\n\
         default: deny\n\
         authorities:\n\
         \x20 release: {{ key: release.pub }}\n\
         \x20 qa:      {{ key: qa.pub }}\n\
         \x20 ci:      {{ key: ci.pub }}\n\
         images:\n\
         \x20 \"{address}/shop/**\":\n\
         \x20   signatures:   {{ threshold: 2, from: [release, qa, ci], identity: tag }}\n\
         \x20   attestations: [ {{ type: slsaprovenance1, from: [ci], max-age: 7d }} ]\n\
         \x20 \"{address}/signed-only/**\":\n\
         \x20   signatures:   {{ threshold: 2, from: [release, qa, ci], identity: repository }}\n"
    )
}

fn provenance(now: Timestamp) -> Vec<u8> {
    json!({
        "buildDefinition": {
            "buildType": "https://example.com/build/v1",
            "externalParameters": { "source": "git+https://example.com/shop/cart@refs/tags/1.0" },
        },
        "runDetails": {
            "builder": { "id": "https://example.com/builder/v1" },
            "metadata": { "invocationId": "demo", "finishedOn": now.to_string() },
        },
    })
    .to_string()
    .into_bytes()
}
