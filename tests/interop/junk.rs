//! Many signatures that nobody asked for, pushed through the library.

use crate::bench::Image;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::{bundle, predicate, simple_signing::Payload, statement::Statement},
    oci::{Descriptor, Digest, ImageIndex, ImageManifest, Manifest, Reference, media_type},
    registry::{Access, Merge, Merged, Options, Repo, Selector, Session},
    sign::{LocalSigner, Signer as _, seal},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Hangs `count` bundles and as many `.sig` layers on the index, each whole and by a key of its own.
pub fn push(image: &Image, count: usize) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let reference: Reference = image.index().parse()?;
        let repo = Session::new(Options::default())?.open(&reference.repository, Access::PullPush)?;
        let subject = repo.manifest(&Selector::Digest(image.layout.index.parse()?)).await?.descriptor;
        repo.push_blob(media_type::EMPTY_CONTENT).await?;
        let pushes = (0..count).map(|_| one(&repo, &subject));
        let (entries, layers): (Vec<_>, Vec<_>) =
            stream::iter(pushes).buffer_unordered(16).try_collect::<Vec<_>>().await?.into_iter().unzip();
        let listed = repo.referrers(&subject.digest).await;
        if !listed.entries.iter().any(|entry| entry.digest == entries[0].digest) {
            repo.update_tag(&subject.digest.fallback_tag(), None, &Junk::Referrers(entries)).await?;
        }
        let config = b"{}";
        repo.push_blob(config).await?;
        let tag = format!("{}.sig", subject.digest.fallback_tag());
        Ok(repo
            .update_tag(
                &tag,
                None,
                &Junk::Signatures(layers, Box::new(Descriptor::of(media_type::IMAGE_CONFIG, config))),
            )
            .await?)
    })
}

/// A bundle's entry in a list of referrers, and a layer under `.sig`; both are pushed.
async fn one(repo: &Repo, subject: &Descriptor) -> Result<(Descriptor, Descriptor)> {
    let signer = LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256)?);
    let statement = Statement::about(&subject.digest, None, predicate::IMAGE_SIGNATURE, serde_json::json!({}));
    let bytes = bundle::encode_keyed(&seal(statement.encode(), &signer).await?, &signer.public_key().hint());
    repo.push_blob(&bytes).await?;
    let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(media_type::BUNDLE_V03, &bytes)]);
    manifest.artifact_type = Some(media_type::BUNDLE_V03.to_owned());
    manifest.subject = Some(subject.clone());
    let content = serde_json::to_vec(&manifest)?;
    let entry = manifest.as_referrer(&content);
    repo.push_manifest(&Selector::Digest(Digest::sha256(&content)), &Manifest::Image(Box::new(manifest))).await?;

    let payload = Payload { docker_reference: String::new(), digest: subject.digest, optional: Default::default() };
    let payload = payload.encode();
    repo.push_blob(&payload).await?;
    let signature = STANDARD.encode(signer.sign(&payload).await?);
    let layer = Descriptor::of(media_type::SIMPLE_SIGNING, &payload);
    Ok((entry, layer.annotated(media_type::SIGNATURE_ANNOTATION, signature)))
}

/// Junk before whatever is there.
enum Junk {
    Referrers(Vec<Descriptor>),
    Signatures(Vec<Descriptor>, Box<Descriptor>),
}

impl Merge for Junk {
    fn merge(&self, current: Option<&Manifest>) -> std::result::Result<Option<Merged>, String> {
        let (junk, there) = match (self, current) {
            (Self::Referrers(junk), Some(Manifest::Index(index))) => (junk, index.manifests.clone()),
            (Self::Signatures(junk, _), Some(Manifest::Image(image))) => (junk, image.layers.clone()),
            (Self::Referrers(junk) | Self::Signatures(junk, _), _) => (junk, Vec::new()),
        };
        if there.starts_with(junk) {
            return Ok(None);
        }
        let all = [junk.clone(), there].concat();
        let manifest = match self {
            Self::Referrers(_) => Manifest::Index(Box::new(ImageIndex::new(all))),
            Self::Signatures(_, config) => Manifest::Image(Box::new(ImageManifest::new((**config).clone(), all))),
        };
        Ok(Some(Merged { manifest, blobs: Vec::new() }))
    }
}
