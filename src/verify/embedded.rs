//! Statements that lie in an index, signed by nobody: they say as much as whoever signed what is around them.

use super::{Blob, Claim, Findings, Format, Rejected, Rejection, Said, Signer, Subject, Verified, claim, verified};
use crate::{limits::Limits, oci::Digest};

/// Judges the statements of a subject's index by the signatures that hold, and adds what comes of it to the findings.
pub(super) fn judge(
    subject: &Subject,
    statements: Vec<Blob>,
    signatures: &[Verified],
    limits: &Limits,
    findings: &mut Findings,
) {
    let mut covers: Vec<&Verified> = Vec::new();
    for one in signatures.iter().filter(|one| matches!(one.claim, Claim::Signature { .. })) {
        // A copy of a signature says no more.
        if !covers.iter().any(|other| says(other) == says(one)) {
            covers.push(one);
        }
    }
    for blob in statements {
        let image = blob.place.subject;
        // An image's neighbours in the index are no business of its own.
        if subject.within().is_some() && image != subject.digest() {
            continue;
        }
        match covered(subject, image, &blob, &covers, limits) {
            Ok(verified) => findings.verified.extend(verified),
            Err(rejection) => findings.rejected.push(Rejected { place: blob.place, rejection }),
        }
    }
}

fn says(signature: &Verified) -> impl PartialEq {
    (&signature.identity, signature.digest, &signature.claim, &signature.backing)
}

/// What a statement says of an image, in the name of each signer of the index or of the manifest that it lies in.
fn covered(
    subject: &Subject,
    image: Digest,
    blob: &Blob,
    covers: &[&Verified],
    limits: &Limits,
) -> Result<Vec<Verified>, Rejection> {
    let size = blob.bytes.len() as u64;
    if size > limits.attachment_bytes {
        return Err(Rejection::OverLimit(format!("{size} bytes, at most {}", limits.attachment_bytes)));
    }
    let lies_in = |manifest: &Digest| {
        subject.embedded().filter(|embedded| embedded.holds(image, *manifest, blob.place.layer, &blob.bytes))
    };
    let Some((manifest, embedded)) = blob.place.manifest.and_then(|manifest| Some((manifest, lies_in(&manifest)?)))
    else {
        return Err(Rejection::SubjectMismatch(format!("in no attestation manifest that the index lists for {image}")));
    };
    let Claim::Attestation { predicate_type, predicate, .. } =
        claim::of_statement(&blob.bytes, &[image], limits)?.claim
    else {
        return Err(Rejection::FormatUnsupported("an image signature that nobody has signed".to_owned()));
    };
    let mut claims = Vec::new();
    for signature in covers {
        let format = match signature.digest {
            digest if digest == embedded.index() => Format::CoveredByIndex,
            digest if digest == manifest => Format::CoveredByManifest,
            _ => continue,
        };
        let Claim::Signature { references, .. } = &signature.claim else { continue };
        let (predicate_type, predicate) = (predicate_type.clone(), predicate.clone());
        let claim = Claim::Attestation { predicate_type, predicate, references: references.clone() };
        let signer = Signer { identity: signature.identity.clone(), backing: signature.backing.clone() };
        claims.extend(verified(blob, format, vec![signer], &Said { digest: image, claim }));
    }
    if claims.is_empty() { Err(Rejection::Uncovered) } else { Ok(claims) }
}
