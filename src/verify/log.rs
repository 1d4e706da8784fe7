//! Log entries: about this signature, and in the log (Rekor v1 and v2).

use super::{
    Logged, Rejection,
    seal::{By, Over, Seal},
};
use crate::{
    format::{
        log_entry::{InclusionProof, LogEntry},
        rekor::{Body, LoggedContent, LoggedSignature, Verifier},
    },
    trust::{Log, TrustedRoot, Windowed},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sigstore_merkle::{hash_leaf, verify_inclusion_proof};
use sigstore_types::{Checkpoint, Sha256Hash};

/// What one entry proves, if its log is one of the root's; `Ok(Err(…))` if it is a stranger's.
///
/// Checked: that the entry's body records this signature, made by this signer over this content; that it is in the log,
/// by an audit path to a head that the log signed, or that the log has promised so. A log's key counts for what it
/// signed within its window.
pub(super) fn entry(
    entry: &LogEntry,
    seal: &Seal<'_>,
    by: By<'_>,
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<Result<Logged, Rejection>, Rejection> {
    let known: Vec<&Windowed<Log>> = root.logs.iter().filter(|log| log.what.id == entry.log).collect();
    if known.is_empty() {
        return Ok(Err(Rejection::LogUnknown(STANDARD.encode(&entry.log))));
    }
    let about = entry.integrated.unwrap_or(now);
    let log = known.iter().find(|log| log.covers(about) || entry.integrated.is_none() && log.started_by(now));
    let log = &log.ok_or_else(|| invalid(format!("the trusted root does not name its log for {about}")))?.what;
    let body =
        Body::decode(&entry.body, &entry.kind, &entry.version).map_err(|e| Rejection::Malformed(e.to_string()))?;
    records(&body, seal, by)?;
    match &entry.proof {
        Some(proof) => included(entry, proof, log)?,
        None if seal.proofs => return Err(invalid("it has no inclusion proof")),
        None => {}
    }
    let promised = match &entry.promise {
        Some(promise) => Some(promised(entry, promise, log)?),
        None if entry.proof.is_none() => return Err(invalid("it has neither an inclusion proof nor a promise")),
        None => None,
    };
    let proven = entry.proof.is_some();
    Ok(Ok(Logged { log: log.id.clone(), url: log.url.clone(), index: entry.index, proven, integrated: promised }))
}

fn invalid(why: impl Into<String>) -> Rejection {
    Rejection::LogEntryInvalid(why.into())
}

fn mismatch(why: &str) -> Rejection {
    Rejection::LogEntryMismatch(why.to_owned())
}

/// Whether the body records this signature.
fn records(body: &Body, seal: &Seal<'_>, by: By<'_>) -> Result<(), Rejection> {
    let [LoggedSignature { signature, verifier }] = body.signatures.as_slice() else {
        return Err(mismatch("it records several signatures, or none"));
    };
    if signature != seal.signature {
        return Err(mismatch("it records another signature"));
    }
    let same = match (verifier, by) {
        (Verifier::Certificate(der), By::Certificate(certificate)) => der == certificate.der(),
        // `intoto` records the key alone, of a certificate too.
        (Verifier::Key(spki), _) => spki == by.key().spki_der(),
        (Verifier::Certificate(_), By::Key(_)) => false,
    };
    if !same {
        return Err(mismatch("it records another signer"));
    }
    let (algorithm, logged, found) = match (&body.content, seal.over) {
        (LoggedContent::Message(algorithm, logged), over) => (algorithm, logged, over.digest(*algorithm)),
        (LoggedContent::Payload(algorithm, logged), Over::Envelope(envelope)) => {
            (algorithm, logged, Some(algorithm.of(&envelope.payload)))
        }
        (LoggedContent::Payload(..), _) => return Err(mismatch("it records an envelope, and there is none")),
    };
    match found {
        Some(found) if found == *logged => Ok(()),
        Some(_) => Err(mismatch("it records another content")),
        None => Err(mismatch(&format!("it records the content's {algorithm}, which is not known"))),
    }
}

/// Whether the entry is a leaf of a tree whose head the log signed.
fn included(entry: &LogEntry, proof: &InclusionProof, log: &Log) -> Result<(), Rejection> {
    let text = proof.checkpoint.as_deref().ok_or_else(|| invalid("its inclusion proof has no checkpoint"))?;
    let checkpoint = Checkpoint::from_text(text).map_err(|error| invalid(format!("its checkpoint: {error}")))?;
    // Rekor v2 has one tree; in v1 an entry's place in the log and in its shard's tree are two numbers.
    let is_v2 = entry.version == "0.0.2" && entry.kind != "intoto";
    let index = if is_v2 { entry.index } else { proof.index };
    if !is_v2 && (checkpoint.root_hash().as_bytes() != &proof.root || checkpoint.tree_size() != proof.size) {
        return Err(invalid("its inclusion proof leads to another head than its checkpoint"));
    }
    let path: Vec<_> = proof.path.iter().map(|hash| Sha256Hash::new(*hash)).collect();
    verify_inclusion_proof(&hash_leaf(&entry.body), index, checkpoint.tree_size(), &path, checkpoint.root_hash())
        .map_err(|error| invalid(format!("its inclusion proof: {error}")))?;
    // The log's own signature counts; witnesses' stand beside it.
    let own = checkpoint.signatures().iter().filter(|one| one.key_id.as_slice() == log.hint());
    if { own }.any(|one| log.verify(checkpoint.signed_data(), one.signature.as_bytes()).is_ok()) {
        Ok(())
    } else {
        Err(invalid("its checkpoint is not signed by its log"))
    }
}

/// When the log promised to have taken it in: Rekor v1's signed entry timestamp, over the entry in canonical JSON (RFC 8785).
fn promised(entry: &LogEntry, promise: &[u8], log: &Log) -> Result<Timestamp, Rejection> {
    let time = entry.integrated.ok_or_else(|| invalid("it has a promise and no time"))?;
    // Members in order, and no text that needs escapes: this is canonical as it stands.
    let signed = format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
        STANDARD.encode(&entry.body),
        time.as_second(),
        hex::encode(&entry.log),
        entry.index
    );
    log.verify(signed.as_bytes(), promise).map_err(|_| invalid("its promise is not signed by its log"))?;
    Ok(time)
}
