//! Images and signatures as bytes, without a registry, and how they get into one.
#![allow(dead_code, reason = "each test binary uses its part")]

use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::{bundle, predicate, simple_signing::Payload, statement::Statement},
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, Repository, media_type},
    policy::{Flags, Policy},
    registry::{Access, Options, Repo, Selector, Session},
    sign::{LocalSigner, Signer as _, seal},
};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};

/// A key of this run.
pub fn signer() -> LocalSigner {
    LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key"))
}

/// The policy `--key K … --threshold N`.
pub fn policy(keys: &[&LocalSigner], threshold: usize) -> Policy {
    let keys = keys.iter().enumerate().map(|(at, key)| (format!("key{at}"), key.public_key().clone())).collect();
    Policy::from_flags(Flags { keys, threshold: Some(threshold), signatures: true, ..Flags::default() })
        .expect("a policy")
}

/// An image without layers; `seed` makes its digest differ from others'.
pub fn image(seed: &str) -> (Descriptor, Manifest) {
    let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::empty()]);
    manifest.annotations.insert("seed".to_owned(), seed.to_owned());
    let bytes = serde_json::to_vec(&manifest).expect("JSON");
    (Descriptor::of(media_type::IMAGE_MANIFEST, &bytes), Manifest::Image(Box::new(manifest)))
}

/// A referrer and its one blob.
#[derive(Clone)]
pub struct Attached {
    pub manifest: ImageManifest,
    pub blob: Vec<u8>,
}

impl Attached {
    /// Any content as a referrer's layer.
    pub fn new(subject: &Descriptor, layer_type: &str, blob: impl Into<Vec<u8>>) -> Self {
        let blob = blob.into();
        let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(layer_type, &blob)]);
        manifest.artifact_type = Some(layer_type.to_owned());
        manifest.subject = Some(subject.clone());
        Self { manifest, blob }
    }

    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.manifest).expect("JSON")
    }

    pub fn entry(&self) -> Descriptor {
        self.manifest.as_referrer(&self.bytes())
    }
}

/// The bytes of a bundle that says `predicate_type` of `about`.
pub async fn bundle_bytes(key: &LocalSigner, about: &Digest, predicate_type: &str, predicate: Value) -> Vec<u8> {
    let statement = Statement::about(about, Some("registry.example.com/app:v1".to_owned()), predicate_type, predicate);
    let envelope = seal(statement.encode(), key).await.expect("a local key signs");
    bundle::encode_keyed(&envelope, &key.public_key().hint())
}

/// An image signature as a bundle.
pub async fn bundle(key: &LocalSigner, subject: &Descriptor) -> Attached {
    let bytes = bundle_bytes(key, &subject.digest, predicate::IMAGE_SIGNATURE, json!({})).await;
    Attached::new(subject, media_type::BUNDLE_V03, bytes)
}

/// A simple signature: payload and signature.
pub async fn simple(key: &LocalSigner, about: &Digest) -> (Vec<u8>, String) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let payload = Payload {
        docker_reference: "registry.example.com/app:v1".to_owned(),
        digest: *about,
        optional: Default::default(),
    };
    let payload = payload.encode();
    let signature = STANDARD.encode(boltseal::sign::Signer::sign(key, &payload).await.expect("a local key signs"));
    (payload, signature)
}

/// A `.sig` manifest of these payloads and signatures.
pub fn sig_manifest(layers: &[(Vec<u8>, String)]) -> Manifest {
    let layer = |(payload, signature): &(Vec<u8>, String)| {
        Descriptor::of(media_type::SIMPLE_SIGNING, payload).annotated(media_type::SIGNATURE_ANNOTATION, signature)
    };
    Manifest::Image(Box::new(ImageManifest::new(Descriptor::empty(), layers.iter().map(layer).collect())))
}

/// The reference `repository:v1` of a registry that listens here.
pub fn reference(address: SocketAddr, repository: &str) -> Reference {
    format!("{address}/{repository}:v1").parse().expect("a reference")
}

/// Writes into a repository, without long waits.
pub struct Writer(pub Repo);

impl Writer {
    pub fn new(address: SocketAddr, repository: &str) -> Self {
        let options = Options { settle: Duration::from_millis(1), ..Options::default() };
        let Repository::Registry(name) = reference(address, repository).repository else { panic!("a registry") };
        let session = Session::new(options).expect("no files to read");
        Self(session.open(&Repository::Registry(name), Access::PullPush).expect("a repository"))
    }

    pub async fn blob(&self, content: &[u8]) {
        self.0.push_blob(content).await.expect("a blob");
    }

    /// Pushes an image under `v1`.
    pub async fn image(&self, image: &Manifest) {
        self.blob(media_type::EMPTY_CONTENT).await;
        self.0.push_manifest(&Selector::Tag("v1".to_owned()), image).await.expect("an image");
    }

    pub async fn attach(&self, attached: &Attached) {
        self.blob(&attached.blob).await;
        self.0.attach(&attached.manifest).await.expect("a referrer");
    }

    pub async fn sig(&self, subject: &Digest, layers: &[(Vec<u8>, String)]) {
        for (payload, _) in layers {
            self.blob(payload).await;
        }
        let tag = Selector::Tag(format!("{}.sig", subject.fallback_tag()));
        self.0.push_manifest(&tag, &sig_manifest(layers)).await.expect("a .sig manifest");
    }
}
