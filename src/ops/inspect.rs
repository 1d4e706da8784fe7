//! `inspect`: everything that hangs on an image, as a tree. Nothing of it is verified.

use super::{OpsError, collect::collect, pin::selector};
use crate::{
    format::{bundle, dsse::Envelope, simple_signing::Payload, statement::Statement},
    oci::{Descriptor, Digest, Manifest, Reference},
    registry::{Access, Repo, Session},
    verify::{Blob, BlobKind, Collected, Place, Unread},
};
use futures_util::{StreamExt as _, future::join, stream};

/// Images of an index whose attachments are read at once.
const AT_ONCE: usize = 4;

/// An index or an image, with what hangs on it and what it lists.
#[derive(Debug)]
pub struct Node {
    /// The digest.
    pub digest: Digest,
    /// The media type.
    pub media_type: String,
    /// The platform, for an index's image.
    pub platform: Option<String>,
    /// What hangs on it.
    pub attachments: Vec<Attachment>,
    /// What may hang on it and could not be read.
    pub unread: Vec<Unread>,
    /// The images of an index.
    pub images: Vec<Node>,
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
    let images: Vec<Descriptor> = match &fetched.manifest {
        Manifest::Index(index) => index
            .platforms()
            .map_err(|source| OpsError::Manifest { reference: reference.to_string(), source })?
            .into_iter()
            .cloned()
            .collect(),
        Manifest::Image(_) => Vec::new(),
    };
    let listed = stream::iter(&images).map(|image| node(&repo, image)).buffered(AT_ONCE);
    let (mut top, images) = join(node(&repo, &fetched.descriptor), listed.collect()).await;
    top.images = images;
    Ok(top)
}

async fn node(repo: &Repo, descriptor: &Descriptor) -> Node {
    let digest = descriptor.digest;
    let Collected { blobs, unread } = collect(repo, std::iter::once(digest)).await;
    Node {
        digest,
        media_type: descriptor.media_type.clone(),
        platform: descriptor.platform.as_ref().map(ToString::to_string),
        attachments: blobs.into_iter().map(attachment).collect(),
        unread,
        images: Vec::new(),
    }
}

fn attachment(blob: Blob) -> Attachment {
    let claim = match &blob.kind {
        BlobKind::Bundle => of_bundle(&blob.bytes),
        BlobKind::Envelope { .. } => {
            Envelope::decode(&blob.bytes).map_or_else(broken, |envelope| of_envelope(&envelope))
        }
        BlobKind::SimpleSigning { .. } => Payload::decode(&blob.bytes).map_or_else(broken, of_payload),
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
    match Statement::decode(&envelope.payload) {
        Ok(statement) => Claimed {
            statement_type: Some(statement.predicate_type),
            subjects: statement.subject.iter().flat_map(|s| &s.digest).map(|(a, hex)| format!("{a}:{hex}")).collect(),
            names: statement.subject.into_iter().filter_map(|subject| subject.name).collect(),
            key_hint,
            broken: None,
        },
        Err(error) => Claimed { key_hint, ..broken(error) },
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
