use super::Rejection;
use crate::{crypto::PublicKey, format::dsse::EnvelopeSignature, trust::Anchors};

/// The anchors' keys that made one of these signatures over `message`, each once.
///
/// Hints only choose which key is tried first; they are unsigned and decide nothing.
///
/// # Errors
/// No key of `anchors` made any of them.
pub(super) fn signers<'a>(
    anchors: &'a Anchors,
    message: &[u8],
    signatures: &[EnvelopeSignature],
) -> Result<Vec<&'a PublicKey>, Rejection> {
    let mut signers: Vec<&PublicKey> = Vec::new();
    for signature in signatures {
        if let Some(key) = signer(anchors, message, signature)
            && !signers.iter().any(|known| known.fingerprint() == key.fingerprint())
        {
            signers.push(key);
        }
    }
    if signers.is_empty() {
        return Err(unsigned(anchors, signatures));
    }
    Ok(signers)
}

fn signer<'a>(anchors: &'a Anchors, message: &[u8], signature: &EnvelopeSignature) -> Option<&'a PublicKey> {
    let hinted = |key: &&PublicKey| signature.key_hint.as_deref().is_some_and(|hint| names(hint, key));
    let (first, rest): (Vec<_>, Vec<_>) = anchors.keys.iter().partition(hinted);
    first.into_iter().chain(rest).find(|key| key.verify(message, &signature.signature).is_ok())
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
