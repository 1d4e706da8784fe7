//! `sign`: the index and its images, as bundles and as simple signatures; what is there already is not written again.

mod tag;

pub use tag::{SignedImage, TagSigner, sign_and_tag};

use super::{
    Logging, OpsError, Platform, Signatory,
    attach::{AppendLayer, EmptyConfig, push_bundle, verified_by, verify_own},
    collect::{attachment_tag, collect_listed, collect_tagged},
    pin::{entry_for, selector},
};
use crate::{
    format::{predicate, simple_signing::Payload, statement::Statement},
    oci::{Descriptor, Digest, Manifest, Reference, Repository, media_type},
    registry::{Access, Fault, Fetched, RegistryError, Repo, Session},
    verify::{BlobKind, Claim, Collected, Format, LegacyMaterial, SignedReference, Verified, Via},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::{join_all, try_join};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Which formats are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// A Sigstore bundle as a referrer: cosign 3 reads it.
    pub bundle: bool,
    /// Simple signing under `.sig`: podman, CRI-O, skopeo and OpenShift read only this.
    pub simple: bool,
}

/// Which digests of an index are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The index and every image in it.
    All,
    /// The index alone.
    IndexOnly,
    /// One image of it.
    Platform(Platform),
}

/// A wish to sign.
pub struct SignRequest<'a> {
    /// Who signs.
    pub signer: Signatory<'a>,
    /// Which formats.
    pub formats: Formats,
    /// Which digests.
    pub scope: Scope,
    /// The signer's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The reference to sign beside the digest, where it is not the one that was typed.
    pub identity: Option<SignedReference>,
    /// When this is; stands in an unsigned annotation.
    pub now: Timestamp,
}

/// What became of one digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The digest.
    pub digest: Digest,
    /// The platform, for an index's image.
    pub platform: Option<String>,
    /// The bundle.
    pub bundle: Written,
    /// The simple signature.
    pub simple: Written,
    /// The bundle's witnesses, where it is new and was signed without a key.
    pub logging: Option<Logging>,
}

/// What became of one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was not asked for.
    NotAsked,
    /// It was there already, by this key and with the same content.
    Already,
    /// It is new.
    New,
}

/// Signs one reference: its manifest and, for an index, every image in it.
///
/// A tag is resolved once. Every signature is read by our own verifier before it is pushed.
///
/// # Errors
/// The first failure; digests that were finished before it stay signed.
pub async fn sign(
    session: &Session,
    reference: &Reference,
    request: &SignRequest<'_>,
) -> Result<Vec<Signed>, OpsError> {
    check_texts(request)?;
    let repo = session.open(&reference.repository, Access::PullPush)?;
    let fetched = repo.manifest(&selector(reference)).await?;
    sign_fetched(&repo, &fetched, reference, request).await
}

async fn sign_fetched(
    repo: &Repo,
    fetched: &Fetched,
    reference: &Reference,
    request: &SignRequest<'_>,
) -> Result<Vec<Signed>, OpsError> {
    let targets = targets(fetched, reference, &request.scope)?;
    let identity = request.identity.clone().or_else(|| typed_identity(reference));
    let (config, place) = (EmptyConfig::default(), reference.repository.to_string());
    let work = targets.iter().map(|target| {
        let task = Task { repo, config: &config, request, target, identity: identity.as_ref(), place: &place };
        async move { task.run().await }
    });
    join_all(work).await.into_iter().collect()
}

/// The reference that is signed beside the digest, if none is given: what was typed.
pub(super) fn typed_identity(reference: &Reference) -> Option<SignedReference> {
    match &reference.repository {
        Repository::Registry(repository) => {
            let tag = reference.tag_or_latest().map(str::to_owned);
            Some(SignedReference { repository: repository.clone(), tag })
        }
        Repository::Layout(_) => None,
    }
}

fn targets(fetched: &Fetched, reference: &Reference, scope: &Scope) -> Result<Vec<Descriptor>, OpsError> {
    let manifest_error = |source| OpsError::Manifest { reference: reference.to_string(), source };
    let mut targets = Vec::new();
    match scope {
        Scope::Platform(platform) => targets.push(entry_for(fetched, reference, platform)?.clone()),
        Scope::IndexOnly => targets.push(fetched.descriptor.clone()),
        Scope::All => {
            targets.push(fetched.descriptor.clone());
            if let Manifest::Index(index) = &fetched.manifest {
                let images = index.platforms().map_err(manifest_error)?;
                for image in images {
                    if !targets.iter().any(|target| target.digest == image.digest) {
                        targets.push(image.clone());
                    }
                }
            }
        }
    }
    Ok(targets)
}

fn check_texts(request: &SignRequest<'_>) -> Result<(), OpsError> {
    let printable = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
    let texts = request.annotations.iter().flat_map(|(key, value)| [("annotation", key), ("annotation", value)]);
    match { texts }.find(|(_, text)| !printable(text)) {
        Some((what, text)) => Err(OpsError::Unprintable { what, text: text.clone() }),
        None => Ok(()),
    }
}

/// One digest to be signed.
struct Task<'a> {
    repo: &'a Repo,
    config: &'a EmptyConfig,
    request: &'a SignRequest<'a>,
    target: &'a Descriptor,
    identity: Option<&'a SignedReference>,
    /// The repository, for what has to be kept.
    place: &'a str,
}

impl Task<'_> {
    async fn run(&self) -> Result<Signed, OpsError> {
        let ((bundle, logging), simple) = try_join(self.bundle(), self.simple()).await?;
        let platform = self.target.platform.as_ref().map(ToString::to_string);
        Ok(Signed { digest: self.target.digest, platform, bundle, simple, logging })
    }

    async fn bundle(&self) -> Result<(Written, Option<Logging>), OpsError> {
        if !self.request.formats.bundle {
            return Ok((Written::NotAsked, None));
        }
        let digest = self.target.digest;
        let mut listing = self.repo.referrers(&digest).await;
        match listing.fault.take() {
            Some(RegistryError { fault: Fault::Limit { .. } | Fault::Entries(_), .. }) | None => {}
            Some(fault) => return Err(fault.into()),
        }
        let there = collect_listed(self.repo, digest, listing).await.collected;
        if self.is_there(Format::Bundle, there) {
            return Ok((Written::Already, None));
        }
        let by = self.request.signer;
        let made = by.make(self.statement().encode(), &digest, self.place).await?;
        let (kind, now) = (predicate::IMAGE_SIGNATURE, self.request.now);
        made.pushed(by, push_bundle(self.repo, self.config, self.target, &made.bundle, kind, now).await)?;
        Ok((Written::New, made.logging))
    }

    async fn simple(&self) -> Result<Written, OpsError> {
        if !self.request.formats.simple {
            return Ok(Written::NotAsked);
        }
        let digest = self.target.digest;
        let tag = attachment_tag(&digest, Via::SignatureTag);
        let read = self.repo.read_tag(&tag).await?;
        if let Some(fetched) = &read.fetched {
            let there = collect_tagged(self.repo, digest, Via::SignatureTag, fetched).await.collected;
            if self.is_there(Format::SimpleSigning, there) {
                return Ok(Written::Already);
            }
        }
        let content = self.payload().encode();
        let Signatory::Key(signer) = self.request.signer else { return Err(OpsError::SimpleWithoutKey) };
        let signature = STANDARD.encode(signer.sign(&content).await?);
        let kind = BlobKind::SimpleSigning { signature: signature.clone(), material: LegacyMaterial::default() };
        verify_own(signer, &digest, kind, content.clone())?;
        let layer =
            Descriptor::of(media_type::SIMPLE_SIGNING, &content).annotated(media_type::SIGNATURE_ANNOTATION, signature);
        self.repo.update_tag(&tag, Some(read), &AppendLayer { layer, content }).await?;
        Ok(Written::New)
    }

    /// Whether this key said the same of this digest already, as far as what is there can be read: somebody's junk, or
    /// another tool's large attachment, must not keep an image from being signed. At worst a signature is there twice.
    fn is_there(&self, format: Format, there: Collected) -> bool {
        let by = self.request.signer;
        let (verified, _) = verified_by(&by.anchors(), &self.target.digest, there);
        let same = |verified: &Verified| verified.format() == format && self.says_the_same(verified);
        verified.iter().any(|verified| by.made(verified) && same(verified))
    }

    fn says_the_same(&self, verified: &Verified) -> bool {
        match verified.claim() {
            Claim::Signature { references, annotations } => {
                references.iter().eq(self.identity) && *annotations == self.request.annotations
            }
            Claim::Attestation { .. } => false,
        }
    }

    /// As cosign 3's, with the reference as the subject's name, so that it stays bound to repository and tag.
    fn statement(&self) -> Statement {
        let name = self.identity.map(ToString::to_string);
        let predicate = Value::Object(Map::new());
        let mut statement = Statement::about(&self.target.digest, name, predicate::IMAGE_SIGNATURE, predicate);
        for subject in &mut statement.subject {
            let annotations = self.request.annotations.iter();
            subject.annotations = Some(annotations.map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect());
        }
        statement
    }

    fn payload(&self) -> Payload {
        Payload {
            docker_reference: self.identity.map(ToString::to_string).unwrap_or_default(),
            digest: self.target.digest,
            optional: self.request.annotations.clone(),
        }
    }
}
