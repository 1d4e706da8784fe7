use super::{Rejection, seal::Over};
use crate::{crypto::PublicKey, format::dsse::EnvelopeSignature, trust::Anchors};

/// The anchors' keys that made one of these signatures, each once, with the signature.
///
/// Hints only choose which key is tried first; they are unsigned and decide nothing.
///
/// # Errors
/// No key of `anchors` made any of them.
pub(super) fn signers<'a>(
    anchors: &'a Anchors,
    over: Over<'_>,
    signatures: &'a [EnvelopeSignature],
) -> Result<Vec<(&'a PublicKey, &'a [u8])>, Rejection> {
    let mut signers: Vec<(&PublicKey, &[u8])> = Vec::new();
    for signature in signatures {
        if let Some(key) = signer(anchors, over, signature)
            && !signers.iter().any(|(known, _)| known.fingerprint() == key.fingerprint())
        {
            signers.push((key, &signature.signature));
        }
    }
    if signers.is_empty() {
        return Err(unsigned(anchors, signatures));
    }
    Ok(signers)
}

fn signer<'a>(anchors: &'a Anchors, over: Over<'_>, signature: &EnvelopeSignature) -> Option<&'a PublicKey> {
    let hinted = |key: &&PublicKey| signature.key_hint.as_deref().is_some_and(|hint| names(hint, key));
    let (first, rest): (Vec<_>, Vec<_>) = anchors.keys.iter().partition(hinted);
    first.into_iter().chain(rest).find(|key| over.is_signed_by(key, &signature.signature))
}

/// Whether a hint names this key: as cosign and we write it, or as TUF and others do (hex).
fn names(hint: &str, key: &PublicKey) -> bool {
    hint == key.hint() || hint == key.fingerprint().to_string()
}

fn unsigned(anchors: &Anchors, signatures: &[EnvelopeSignature]) -> Rejection {
    let mut hints = signatures.iter().filter_map(|signature| signature.key_hint.as_ref());
    let known = |hint: &&String| anchors.keys.iter().any(|key| names(hint, key));
    match hints.clone().find(known) {
        Some(hint) => Rejection::SignatureInvalid(hint.clone()),
        None => Rejection::SignerUnknown { hint: hints.next().cloned() },
    }
}
