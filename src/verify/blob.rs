//! Signatures of files: the same judgement as for images, of one piece of evidence.

use super::{
    About, Artifact, Backing, Blob, BlobKind, Claim, Format, Judge, Place, Rejection, Said, Signer, Verified, Via,
    verified,
};
use crate::{
    crypto::hash::HashAlgorithm,
    format::bundle::MessageSignature,
    limits::Limits,
    oci::Digest,
    trust::{Anchors, Identity},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A signature in a file of its own.
#[derive(Clone, Debug)]
pub struct Detached {
    /// Its bytes.
    pub signature: Vec<u8>,
    /// What of the artifact it is over.
    pub over: DetachedOver,
}

/// What a detached signature is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachedOver {
    /// Whatever the key usually signs: the bytes for Ed25519, or Ed25519ph; the key's usual hash for the others.
    Usual,
    /// This hash of the artifact.
    Hash(HashAlgorithm),
    /// The bytes as they are (Ed25519).
    Bytes,
}

/// Judges a bundle (v0.1 to v0.3) as a signature of a file, or as a statement about it.
///
/// Checked and not checked: as [`super::verify_all`] says, for one piece; whether enough stands behind it is
/// [`Backing::meets`]'s say, and who signed the caller's.
///
/// # Errors
/// Why it does not count.
pub fn verify_blob(
    artifact: &Artifact,
    bundle: Vec<u8>,
    anchors: &Anchors,
    now: Timestamp,
    limits: &Limits,
) -> Result<Vec<Verified>, Rejection> {
    let judge = Judge { about: About::Artifact(artifact), anchors, now, limits };
    judge.blob(&Blob { place: place(artifact)?, kind: BlobKind::Bundle, bytes: bundle })
}

/// Judges a bare signature of a file by keys.
///
/// # Errors
/// [`Rejection::SignerUnknown`] if none of the keys made it.
pub fn verify_detached(
    artifact: &Artifact,
    detached: &Detached,
    anchors: &Anchors,
) -> Result<Vec<Verified>, Rejection> {
    let Detached { signature, over } = detached;
    let signed = anchors.keys.iter().filter(|key| match over {
        DetachedOver::Usual => artifact.is_signed_by(key, None, signature),
        DetachedOver::Hash(algorithm) => {
            artifact.digest(*algorithm).is_some_and(|digest| key.verify_digest(*algorithm, digest, signature).is_ok())
        }
        DetachedOver::Bytes => artifact.is_signed_pure_by(key, signature),
    });
    let signer = |identity| Signer { identity, backing: Backing::default() };
    let signers: Vec<_> = signed.map(|key| signer(Identity::Key(key.fingerprint()))).collect();
    if signers.is_empty() {
        return Err(Rejection::SignerUnknown { hint: None });
    }
    let place = place(artifact)?;
    let said = Said { digest: place.subject, claim: nothing_but_the_digest() };
    let blob = Blob { place, kind: BlobKind::Bundle, bytes: Vec::new() };
    Ok(verified(&blob, Format::Detached, signers, &said))
}

/// What a message signature says of an artifact, once it holds.
///
/// # Errors
/// The bundle names another digest than the artifact's.
pub(super) fn of_message(artifact: &Artifact, message: &MessageSignature) -> Result<Said, Rejection> {
    if let Some((algorithm, named)) = &message.digest {
        match artifact.digest(*algorithm) {
            Some(digest) if digest == named => {}
            Some(_) => return Err(Rejection::SubjectMismatch(format!("{algorithm}:{}", hex::encode(named)))),
            None => {
                let why = format!("a signature over {algorithm}, and only another digest of the file is known");
                return Err(Rejection::FormatUnsupported(why));
            }
        }
    }
    Ok(Said { digest: digest(artifact)?, claim: nothing_but_the_digest() })
}

fn nothing_but_the_digest() -> Claim {
    Claim::Signature { references: Vec::new(), annotations: BTreeMap::new() }
}

fn digest(artifact: &Artifact) -> Result<Digest, Rejection> {
    let unknown = || Rejection::FormatUnsupported("neither sha256 nor sha512 of the file is known".to_owned());
    artifact.digests().next().ok_or_else(unknown)
}

fn place(artifact: &Artifact) -> Result<Place, Rejection> {
    Ok(Place { subject: digest(artifact)?, via: Via::Supplied, manifest: None, layer: 0 })
}
