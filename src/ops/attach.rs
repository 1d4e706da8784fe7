//! Writes what hangs on an image: a bundle as a referrer, a layer more under a shared tag.

use super::OpsError;
use crate::{
    format::{bundle, dsse},
    limits::{LAYERS, Limits},
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, Repository, media_type},
    registry::{Merge, Merged, RegistryError, Repo},
    sign::{Signer, seal},
    trust::Anchors,
    verify::{Blob, BlobKind, Collected, LegacyMaterial, Place, Rejection, Subject, Verified, Via, verify_all},
};
use futures_util::future::try_join;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio::sync::OnceCell;

/// Signs a statement's bytes and has our own verifier read the envelope, alone and in a bundle, before anybody else does.
pub(super) async fn seal_checked(
    payload: Vec<u8>,
    signer: &dyn Signer,
    about: &Digest,
) -> Result<dsse::Envelope, OpsError> {
    let envelope = seal(payload, signer).await?;
    verify_own(signer, about, BlobKind::Envelope { material: LegacyMaterial::default() }, envelope.encode())?;
    let bytes = bundle::encode_keyed(&envelope, &signer.public_key().hint());
    verify_own(signer, about, BlobKind::Bundle, bytes)?;
    Ok(envelope)
}

/// Has our own verifier read what was just made: what it would refuse is never pushed.
pub(super) fn verify_own(signer: &dyn Signer, about: &Digest, kind: BlobKind, bytes: Vec<u8>) -> Result<(), OpsError> {
    let place = Place { subject: *about, via: Via::Supplied, manifest: None, layer: 0 };
    let collected = Collected { blobs: vec![Blob { place, kind, bytes }], unread: Vec::new() };
    let anchors = Anchors::new(vec![signer.public_key().clone()]);
    let (_, rejected) = verified_by(&anchors, about, collected);
    rejected.map_or(Ok(()), |rejection| Err(OpsError::Unverifiable(rejection)))
}

/// What of `collected` is verified by these anchors as being about `about`, and the first rejection.
pub(super) fn verified_by(
    anchors: &Anchors,
    about: &Digest,
    collected: Collected,
) -> (Vec<Verified>, Option<Rejection>) {
    let nowhere = Repository::Layout(PathBuf::new());
    let subject = Subject::new(Reference { repository: nowhere, tag: None, digest: Some(*about) }, *about);
    let findings = verify_all(&subject, collected, anchors, Timestamp::now(), &Limits::default());
    (findings.verified().to_vec(), findings.rejected().first().map(|rejected| rejected.rejection.clone()))
}

/// The empty configuration that every bundle's manifest names: pushed once, however many bundles there are.
#[derive(Default)]
pub(super) struct EmptyConfig(OnceCell<()>);

impl EmptyConfig {
    async fn push(&self, repo: &Repo) -> Result<(), RegistryError> {
        self.0.get_or_try_init(|| repo.push_blob(media_type::EMPTY_CONTENT)).await.copied()
    }
}

/// Pushes a bundle as a referrer of `subject`; its digest.
pub(super) async fn push_bundle(
    repo: &Repo,
    config: &EmptyConfig,
    subject: &Descriptor,
    bundle: &[u8],
    predicate_type: &str,
    created: Timestamp,
) -> Result<Digest, OpsError> {
    try_join(repo.push_blob(bundle), config.push(repo)).await?;
    let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(media_type::BUNDLE_V03, bundle)]);
    manifest.artifact_type = Some(media_type::BUNDLE_V03.to_owned());
    manifest.subject = Some(plain(subject));
    manifest.annotations.extend([
        (media_type::BUNDLE_CONTENT_ANNOTATION.to_owned(), "dsse-envelope".to_owned()),
        (media_type::BUNDLE_PREDICATE_ANNOTATION.to_owned(), predicate_type.to_owned()),
        (media_type::CREATED_ANNOTATION.to_owned(), seconds(created).to_string()),
    ]);
    Ok(repo.attach(&manifest).await?)
}

/// Type, digest and size alone: what a `subject` is.
fn plain(descriptor: &Descriptor) -> Descriptor {
    Descriptor {
        artifact_type: None,
        platform: None,
        annotations: Default::default(),
        other: Default::default(),
        ..descriptor.clone()
    }
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A layer more in a manifest that several writers share (`.sig`, `.att`), as cosign lays it out.
pub(super) struct AppendLayer {
    /// The layer, with its annotations.
    pub layer: Descriptor,
    /// Its content.
    pub content: Vec<u8>,
}

impl Merge for AppendLayer {
    fn merge(&self, current: Option<&Manifest>) -> Result<Option<Merged>, String> {
        let mut layers = match current {
            None => Vec::new(),
            Some(Manifest::Image(image)) => image.layers.clone(),
            Some(Manifest::Index(_)) => return Err("an index, expected an image manifest".to_owned()),
        };
        if layers.contains(&self.layer) {
            return Ok(None);
        }
        if layers.len() >= LAYERS {
            return Err(format!("{} layers, at most {LAYERS} are read", layers.len()));
        }
        layers.push(self.layer.clone());
        let config = config_of(&layers).to_string().into_bytes();
        let mut manifest = ImageManifest::new(Descriptor::of(media_type::IMAGE_CONFIG, &config), layers);
        if let Some(Manifest::Image(image)) = current {
            manifest.annotations = image.annotations.clone();
        }
        let manifest = Manifest::Image(Box::new(manifest));
        Ok(Some(Merged { manifest, blobs: vec![self.content.clone(), config] }))
    }
}

/// The image configuration that cosign writes beside its layers; containers/image wants one diff id a layer.
fn config_of(layers: &[Descriptor]) -> Value {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest.to_string()).collect();
    let history: Vec<_> = layers.iter().map(|_| json!({ "created": NEVER })).collect();
    json!({
        "architecture": "", "config": {}, "created": NEVER, "history": history, "os": "",
        "rootfs": { "diff_ids": diff_ids, "type": "layers" },
    })
}
