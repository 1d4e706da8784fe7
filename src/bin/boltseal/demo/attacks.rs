//! Four things that somebody with push rights and no trusted key might try.

use super::{Show, stage::Stage};
use crate::exit::{Exit, Failure};
use boltseal::{
    format::{
        bundle::{Bundle, Content, encode_keyed},
        statement::Statement,
    },
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, media_type},
    registry::{Repo, Selector},
    sign::Signer as _,
};
use serde_json::Value;

pub async fn run(stage: &Stage<'_>, good: &Reference, show: &mut Show<'_>) -> Result<(), Failure> {
    show.text("\nFour attacks, by somebody who may push and holds no trusted key:");
    foreign_signature(stage, show).await?;
    moved_tag(stage, good, show).await?;
    altered_attestation(stage, good, show).await?;
    copied_signature(stage, good, show).await
}

/// Another image, signed by a key that the policy does not name.
async fn foreign_signature(stage: &Stage<'_>, show: &mut Show<'_>) -> Result<(), Failure> {
    let reference = stage.reference("shop/cart", "1.1")?;
    stage.push(&reference, "cart 1.1, with a backdoor").await?;
    stage.sign(&reference, "mallory").await?;
    show.denied("a foreign signature", &stage.verify(&reference).await?, "signer-unknown")
}

/// The tag is moved to another image. The digest that was verified stays what it was.
async fn moved_tag(stage: &Stage<'_>, good: &Reference, show: &mut Show<'_>) -> Result<(), Failure> {
    let digest = stage.verify(good).await?.findings.subject().digest();
    let moved = stage.push(good, "cart 1.0, with a backdoor").await?;
    show.denied("a moved tag", &stage.verify(good).await?, "unsigned")?;
    let pinned = Reference { digest: Some(digest), ..good.clone() };
    show.allowed("  the digest verified before", &stage.verify(&pinned).await?)?;
    let repo = stage.repo(good)?;
    let original = repo.manifest(&Selector::Digest(digest)).await?;
    let tag = good.tag_or_latest().unwrap_or_default().to_owned();
    repo.push_manifest(&Selector::Tag(tag), &original.manifest).await?;
    if moved == digest {
        return Err(Failure::new(Exit::Bug, "the tag did not move"));
    }
    Ok(())
}

/// Two good signatures, and a provenance whose source was changed after it was signed.
async fn altered_attestation(stage: &Stage<'_>, good: &Reference, show: &mut Show<'_>) -> Result<(), Failure> {
    let reference = stage.reference("shop/cart", "1.2")?;
    let digest = stage.push(&reference, "cart 1.2").await?;
    stage.sign(&reference, "release").await?;
    stage.sign(&reference, "qa").await?;
    let repo = stage.repo(good)?;
    let mut bundle = provenance_of(&repo, good).await?;
    if let Content::Envelope(envelope) = &mut bundle.content {
        let mut statement = Statement::decode(&envelope.payload).map_err(|e| bug(&e))?;
        for subject in &mut statement.subject {
            subject.digest.insert("sha256".to_owned(), digest.hex());
        }
        if let Some(source) = statement.predicate.pointer_mut("/buildDefinition/externalParameters/source") {
            *source = Value::from("git+https://example.com/mallory/cart@refs/heads/main");
        }
        envelope.payload = statement.encode();
        let hint = stage.signer("ci")?.public_key().hint();
        envelope.signatures.iter_mut().for_each(|signature| signature.key_hint = None);
        attach(&repo, &reference, &encode_keyed(envelope, &hint)).await?;
    }
    show.denied("an altered attestation", &stage.verify(&reference).await?, "signature-invalid")
}

/// The good image and its `.sig` are copied to another repository, where the policy wants signatures for that one.
async fn copied_signature(stage: &Stage<'_>, good: &Reference, show: &mut Show<'_>) -> Result<(), Failure> {
    let copy = stage.reference("signed-only/cart", "1.0")?;
    let (from, to) = (stage.repo(good)?, stage.repo(&copy)?);
    let digest = stage.push(&copy, "cart 1.0").await?;
    let tag = format!("{}.sig", digest.fallback_tag());
    let signatures = from.manifest(&Selector::Tag(tag.clone())).await?;
    if let Some(image) = signatures.image() {
        for blob in image.layers.iter().chain([&image.config]) {
            to.push_blob(&from.blob(blob, blob.size).await?).await?;
        }
    }
    to.push_manifest(&Selector::Tag(tag), &signatures.manifest).await?;
    show.denied("a .sig copied to another repository", &stage.verify(&copy).await?, "identity-mismatch")
}

/// The bundle with the provenance of an image.
async fn provenance_of(repo: &Repo, reference: &Reference) -> Result<Bundle, Failure> {
    let digest: Digest = repo.resolve(reference.tag_or_latest().unwrap_or_default()).await?.digest;
    for entry in repo.referrers(&digest).await.entries {
        let Manifest::Image(manifest) = repo.manifest(&Selector::Digest(entry.digest)).await?.manifest else {
            continue;
        };
        let is_provenance =
            manifest.annotations.get(media_type::BUNDLE_PREDICATE_ANNOTATION).is_some_and(|t| t.contains("slsa"));
        if let (true, Some(layer)) = (is_provenance, manifest.layers.first()) {
            return Bundle::decode(&repo.blob(layer, layer.size).await?).map_err(|e| bug(&e));
        }
    }
    Err(bug(&"the provenance is not there"))
}

async fn attach(repo: &Repo, reference: &Reference, bundle: &[u8]) -> Result<(), Failure> {
    let subject = repo.resolve(reference.tag_or_latest().unwrap_or_default()).await?;
    repo.push_blob(bundle).await?;
    repo.push_blob(media_type::EMPTY_CONTENT).await?;
    let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(media_type::BUNDLE_V03, bundle)]);
    manifest.artifact_type = Some(media_type::BUNDLE_V03.to_owned());
    manifest.subject = Some(subject);
    repo.attach(&manifest).await?;
    Ok(())
}

fn bug(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Bug, error.to_string())
}
