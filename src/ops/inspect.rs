//! `inspect`: everything that hangs on an image, as a tree. Nothing of it is verified.

use super::{
    OpsError,
    collect::{attachment_tag, collect, collect_embedded},
    pin::selector,
};
use crate::{
    format::{bundle, dsse::Envelope, predicate::Predicate, simple_signing::Payload, statement::Statement},
    limits::DIGESTS_AT_ONCE,
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, described},
    registry::{Access, Fetched, Repo, Selector, Session},
    verify::{Blob, BlobKind, Collected, Place, Subject, Unread, Via},
};
use futures_util::{StreamExt as _, future::join, stream};

/// Something in an image's graph, with what hangs on it and what it lists.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub role: Role,
    /// The digest.
    pub digest: Digest,
    /// The media type.
    pub media_type: String,
    /// The platform, for an index's image.
    pub platform: Option<String>,
    /// What hangs on it; of an attestation manifest also what lies in it.
    pub attachments: Vec<Attachment>,
    /// What may hang on it and could not be read.
    pub unread: Vec<Unread>,
    /// The images of an index.
    pub images: Vec<Node>,
    /// What stands beside it, with what hangs on that: attestation manifests, SBOMs.
    pub beside: Vec<Node>,
}

/// What a node is, by the word of whoever pushed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An index.
    Index,
    /// An image.
    Image,
    /// A manifest of unsigned statements that the index lists (BuildKit).
    AttestationManifest,
    /// An SBOM under cosign's `.sbom` tag; unsigned.
    Sbom,
    /// An entry of an index without a platform that says nothing of what it is.
    Other,
}

/// Something that hangs on a digest, as it describes itself.
#[derive(Debug)]
pub struct Attachment {
    /// Where it was found.
    pub place: Place,
    /// What it claims to be.
    pub kind: BlobKind,
    /// Its size in bytes, where it was read.
    pub size: usize,
    /// What it claims to say.
    pub claim: Claimed,
}

/// What an attachment claims to say. Nobody has checked it.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The predicate's type, or the kind of simple signature.
    pub statement_type: Option<String>,
    /// The digests that it claims to be about.
    pub subjects: Vec<String>,
    /// The references that it claims to be about.
    pub names: Vec<String>,
    /// The key that it claims to be signed by.
    pub key_hint: Option<String>,
    /// Why it could not be decoded.
    pub broken: Option<String>,
}

/// Reads the tree of a reference.
///
/// # Errors
/// The reference leads to nothing, or its manifest is broken. What hangs on it and can't be read stands in the tree.
pub async fn inspect(session: &Session, reference: &Reference) -> Result<Node, OpsError> {
    let repo = session.open(&reference.repository, Access::Pull)?;
    let fetched = repo.manifest(&selector(reference)).await?;
    let Manifest::Index(index) = &fetched.manifest else {
        return Ok(with_sbom(&repo, &fetched.descriptor, Role::Image).await);
    };
    let source = |source| OpsError::Manifest { reference: reference.to_string(), source };
    let images = index.platforms().map_err(source)?;
    let others = index.manifests.iter().filter(|entry| !images.iter().any(|image| image.digest == entry.digest));
    let listed = images.iter().map(|image| (*image, Role::Image));
    let listed: Vec<_> = listed.chain(others.map(|entry| (entry, role(entry)))).collect();
    let nodes = stream::iter(listed.iter().map(|(entry, role)| with_sbom(&repo, entry, *role)));
    let subject = Subject::new(reference.clone(), fetched.descriptor.digest);
    let lying = async { collect_embedded(&repo, &subject, false).await.0.collected };
    let (nodes, collected) = join(nodes.buffered(DIGESTS_AT_ONCE).collect::<Vec<_>>(), lying).await;
    let (statements, hanging): (Vec<_>, Vec<_>) =
        collected.blobs.into_iter().partition(|blob| blob.place.via == Via::Index);
    let collected = Collected { blobs: hanging, unread: collected.unread };
    let top = node(&fetched.descriptor, Role::Index, collected);
    Ok(arrange(top, nodes.into_iter().zip(listed.iter().map(|(entry, _)| *entry)), statements))
}

/// Statements into their manifests, and these beside the images that they are about; else beside the index.
fn arrange<'d>(mut top: Node, nodes: impl Iterator<Item = (Node, &'d Descriptor)>, statements: Vec<Blob>) -> Node {
    let mut beside = Vec::new();
    for (node, entry) in nodes {
        if node.role == Role::Image { top.images.push(node) } else { beside.push((node, described(entry))) }
    }
    for blob in statements {
        let holder = beside.iter_mut().find(|(node, _)| Some(node.digest) == blob.place.manifest);
        holder.map_or(&mut top, |(node, _)| node).attachments.push(attachment(blob));
    }
    for (node, about) in beside {
        let image = top.images.iter_mut().position(|image| Some(image.digest) == about);
        match image.and_then(|at| top.images.get_mut(at)) {
            Some(image) => image.beside.push(node),
            None => top.beside.push(node),
        }
    }
    top
}

fn role(entry: &Descriptor) -> Role {
    if described(entry).is_some() { Role::AttestationManifest } else { Role::Other }
}

/// A node with the SBOM that cosign attached to it, if it is an image.
async fn with_sbom(repo: &Repo, descriptor: &Descriptor, role: Role) -> Node {
    let sbom = async { if role == Role::Image { sbom(repo, descriptor.digest).await } else { Ok(None) } };
    let hanging = async { collect(repo, std::iter::once(descriptor.digest)).await.collected };
    let (collected, sbom) = join(hanging, sbom).await;
    let mut node = node(descriptor, role, collected);
    match sbom {
        Ok(sbom) => node.beside.extend(sbom),
        Err(unread) => node.unread.push(unread),
    }
    node
}

/// What lies under cosign's `.sbom` tag of an image: listed, never read. Whoever signed it signed this manifest's digest.
async fn sbom(repo: &Repo, image: Digest) -> Result<Option<Node>, Unread> {
    let tag = attachment_tag(&image, Via::SbomTag);
    let fetched = match repo.manifest(&Selector::Tag(tag)).await {
        Ok(fetched) => fetched,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(Unread { what: format!("the sbom-tag of {image}"), why: error.to_string() }),
    };
    let hanging = collect(repo, std::iter::once(fetched.descriptor.digest)).await.collected;
    let mut node = node(&fetched.descriptor, Role::Sbom, hanging);
    if let Some(manifest) = fetched.image() {
        node.attachments.extend(bare(image, &fetched, manifest));
    }
    Ok(Some(node))
}

fn bare(image: Digest, fetched: &Fetched, manifest: &ImageManifest) -> Vec<Attachment> {
    let place = |layer| Place { subject: image, via: Via::SbomTag, manifest: Some(fetched.descriptor.digest), layer };
    let layer = |(at, layer): (usize, &Descriptor)| Attachment {
        place: place(at),
        kind: BlobKind::Foreign { media_type: layer.media_type.clone() },
        size: 0,
        claim: Claimed::default(),
    };
    manifest.layers.iter().enumerate().map(layer).collect()
}

fn node(descriptor: &Descriptor, role: Role, collected: Collected) -> Node {
    Node {
        role,
        digest: descriptor.digest,
        media_type: descriptor.media_type.clone(),
        platform: descriptor.platform.as_ref().filter(|platform| !platform.is_unknown()).map(ToString::to_string),
        attachments: collected.blobs.into_iter().map(attachment).collect(),
        unread: collected.unread,
        images: Vec::new(),
        beside: Vec::new(),
    }
}

fn attachment(blob: Blob) -> Attachment {
    let claim = match &blob.kind {
        BlobKind::Bundle => of_bundle(&blob.bytes),
        BlobKind::Envelope { .. } => {
            Envelope::decode(&blob.bytes).map_or_else(broken, |envelope| of_envelope(&envelope))
        }
        BlobKind::SimpleSigning { .. } => Payload::decode(&blob.bytes).map_or_else(broken, of_payload),
        BlobKind::Statement => Statement::read(&blob.bytes).map_or_else(broken, of_statement),
        BlobKind::Malformed { why } => broken(why),
        BlobKind::Foreign { .. } => Claimed::default(),
    };
    Attachment { size: blob.bytes.len(), place: blob.place, kind: blob.kind, claim }
}

fn broken(error: impl std::fmt::Display) -> Claimed {
    Claimed { broken: Some(error.to_string()), ..Claimed::default() }
}

fn of_bundle(bytes: &[u8]) -> Claimed {
    match bundle::Bundle::decode(bytes) {
        Ok(bundle::Bundle { content: bundle::Content::Envelope(envelope), .. }) => of_envelope(&envelope),
        Ok(_) => Claimed { statement_type: Some("message signature".to_owned()), ..Claimed::default() },
        Err(error) => broken(error),
    }
}

fn of_envelope(envelope: &Envelope) -> Claimed {
    let key_hint = envelope.signatures.iter().find_map(|signature| signature.key_hint.clone());
    Claimed { key_hint, ..Statement::read(&envelope.payload).map_or_else(broken, of_statement) }
}

fn of_statement(statement: Statement<Predicate>) -> Claimed {
    Claimed {
        statement_type: Some(statement.predicate_type),
        subjects: statement.subject.iter().flat_map(|s| &s.digest).map(|(a, hex)| format!("{a}:{hex}")).collect(),
        names: statement.subject.into_iter().filter_map(|subject| subject.name).collect(),
        ..Claimed::default()
    }
}

fn of_payload(payload: Payload) -> Claimed {
    Claimed {
        statement_type: Some(crate::format::simple_signing::TYPE.to_owned()),
        subjects: vec![payload.digest.to_string()],
        names: Some(payload.docker_reference).filter(|name| !name.is_empty()).into_iter().collect(),
        key_hint: None,
        broken: None,
    }
}
