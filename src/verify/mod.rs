//! The only maker of [`Verified`]: pure, synchronous; limits and anchors are arguments.
//!
//! [`verify_all`] takes bytes and gives findings. It is the one path: the command line, the library, the fuzzers and
//! the benchmarks call the same function.

mod claim;
mod evidence;
mod findings;
mod rejection;
mod signature;
mod subject;

pub use evidence::{Blob, BlobKind, Collected, Place, Unread, Via};
pub use findings::{Claim, Findings, Format, Rejected, SignedReference, Verified};
pub use rejection::Rejection;
pub use subject::{Pinned, Subject, SubjectError, TrustFinding};

use crate::{
    crypto::PublicKey,
    format::{
        bundle::{Bundle, Content, Material},
        dsse::{Envelope, EnvelopeSignature, decode_base64},
        simple_signing::Payload,
    },
    limits::Limits,
    oci::{Digest, media_type::IN_TOTO},
    trust::{Anchors, Identity},
};
use std::collections::BTreeMap;

/// Judges all that was found for a subject, each piece by itself.
///
/// For each piece it checks, in this order: that its place does not hold more than are judged; its size; that it is what its media type says; that keys of `anchors`
/// made its signatures over exactly these bytes; that the signed bytes are a statement or payload that names the
/// subject's digest (or that of the index that lists it). What passes is [`Verified`], what does not is
/// [`Rejected`]; rejected pieces neither help nor harm the others.
///
/// It does not check: whether a policy is satisfied ([`crate::policy`] does), which repository or tag was signed
/// (the policy's `identity` rule), revocation, time of signing, or certificates (rejected as unsupported).
pub fn verify_all(subject: &Subject, collected: Collected, anchors: &Anchors, limits: &Limits) -> Findings {
    let Collected { blobs, unread } = collected;
    let judge = Judge { subject, anchors, limits };
    let mut findings = Findings { subject: subject.clone(), verified: Vec::new(), rejected: Vec::new(), unread };
    let mut judged: BTreeMap<(Digest, Via), usize> = BTreeMap::new();
    for blob in blobs {
        let count = judged.entry((blob.place.subject, blob.place.via)).or_default();
        *count += usize::from(blob.kind.is_judged());
        if *count > limits.attachments {
            let what = format!("an attachment of {} ({})", blob.place.subject, blob.place.via);
            let why = format!("over the limit of {} attachments", limits.attachments);
            findings.unread.push(Unread { what, why });
            continue;
        }
        match judge.blob(&blob) {
            Ok(verified) => findings.verified.extend(verified),
            Err(rejection) => findings.rejected.push(Rejected { place: blob.place, rejection }),
        }
    }
    findings
}

struct Judge<'a> {
    subject: &'a Subject,
    anchors: &'a Anchors,
    limits: &'a Limits,
}

/// What the signed bytes say, once a signature over them holds.
struct Said {
    digest: Digest,
    claim: Claim,
}

impl Judge<'_> {
    fn blob(&self, blob: &Blob) -> Result<Vec<Verified>, Rejection> {
        let size = blob.bytes.len() as u64;
        if size > self.limits.attachment_bytes {
            return Err(Rejection::OverLimit(format!("{size} bytes, at most {}", self.limits.attachment_bytes)));
        }
        match &blob.kind {
            BlobKind::Bundle => self.bundle(blob),
            BlobKind::Envelope => {
                let envelope = Envelope::decode(&blob.bytes).map_err(malformed)?;
                self.envelope(blob, &envelope, Format::Envelope)
            }
            BlobKind::SimpleSigning { signature } => self.simple_signing(blob, signature),
            BlobKind::Malformed { why } => Err(Rejection::Malformed(why.clone())),
            BlobKind::Foreign { media_type } => Err(Rejection::FormatUnsupported(media_type.clone())),
        }
    }

    fn bundle(&self, blob: &Blob) -> Result<Vec<Verified>, Rejection> {
        let bundle = Bundle::decode(&blob.bytes).map_err(malformed)?;
        match (&bundle.content, &bundle.material) {
            (Content::Envelope(envelope), Material::PublicKey { .. }) => self.envelope(blob, envelope, Format::Bundle),
            (Content::MessageSignature, _) => Err(Rejection::FormatUnsupported("a message signature".to_owned())),
            (_, Material::Certificate) => Err(Rejection::MaterialUnsupported),
        }
    }

    fn envelope(&self, blob: &Blob, envelope: &Envelope, format: Format) -> Result<Vec<Verified>, Rejection> {
        let (count, most) = (envelope.signatures.len(), self.limits.envelope_signatures);
        if count > most {
            return Err(Rejection::OverLimit(format!("{count} signatures in one envelope, at most {most}")));
        }
        let signers = signature::signers(self.anchors, &envelope.pae(), &envelope.signatures)?;
        if envelope.payload_type != IN_TOTO {
            return Err(Rejection::FormatUnsupported(format!("an envelope of {}", envelope.payload_type)));
        }
        let said = claim::of_statement(&envelope.payload, self.subject, self.limits)?;
        Ok(self.verified(blob, format, &signers, &said))
    }

    fn simple_signing(&self, blob: &Blob, signature: &str) -> Result<Vec<Verified>, Rejection> {
        let signature = decode_base64(signature)
            .ok_or_else(|| Rejection::Malformed("the signature annotation is no base64".to_owned()))?;
        let signature = EnvelopeSignature { key_hint: None, signature };
        let signers = signature::signers(self.anchors, &blob.bytes, &[signature])?;
        let payload = Payload::decode(&blob.bytes).map_err(malformed)?;
        let said = claim::of_payload(payload, self.subject)?;
        Ok(self.verified(blob, Format::SimpleSigning, &signers, &said))
    }

    /// The one constructor of [`Verified`].
    fn verified(&self, blob: &Blob, format: Format, signers: &[&PublicKey], said: &Said) -> Vec<Verified> {
        let one = |key: &&PublicKey| Verified {
            identity: Identity::Key(key.fingerprint()),
            digest: said.digest,
            claim: said.claim.clone(),
            place: blob.place.clone(),
            format,
        };
        signers.iter().map(one).collect()
    }
}

fn malformed(error: impl std::fmt::Display) -> Rejection {
    Rejection::Malformed(error.to_string())
}

#[cfg(test)]
mod tests;
