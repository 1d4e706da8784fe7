//! `blob verify`: a file's signature, judged as an image's is.

use crate::{
    crypto::{PublicKey, hash::Hashes},
    limits::{ATTACHMENT_BYTES, Limits},
    oci::Digest,
    policy::{CertificatePattern, Reason},
    trust::{Anchors, TrustedRoot},
    verify::{Artifact, Demands, Detached, Rejection, Verified, verify_blob, verify_detached},
};
use jiff::Timestamp;
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Who has to have signed.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The holder of this key.
    Key(PublicKey),
    /// A holder of such a certificate.
    Certificate(Box<CertificatePattern>),
}

/// What is said to be the file's signature.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// A bundle's bytes.
    Bundle(Vec<u8>),
    /// A bare signature.
    Detached(Detached),
}

/// How a file's signature is judged.
#[derive(Clone, Debug)]
pub struct BlobJudge {
    /// Who has to have signed.
    pub wanted: Wanted,
    /// What certificates, log entries and timestamps are verified by.
    pub root: Option<Arc<TrustedRoot>>,
    /// Whether a log entry or timestamp that comes with a key's signature may be by a stranger.
    pub ignore_log: bool,
    /// Now.
    pub now: Timestamp,
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = .path.display())]
pub struct BlobFileError {
    /// The file.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl BlobJudge {
    /// Judges one file.
    ///
    /// Checked: as [`crate::verify::verify_blob`] says; that the signer is the wanted one; for a certificate that as much
    /// stands behind it as is asked for. For a key no log is asked for, but where a bundle carries log entries or timestamps,
    /// one of them has to be by whom the trusted root names: what can't be told is not passed over.
    ///
    /// # Errors
    /// Why the file is not signed as wanted.
    pub fn judge(&self, artifact: &Artifact, evidence: Evidence) -> Result<Verified, Reason> {
        let keys = match &self.wanted {
            Wanted::Key(key) => vec![key.clone()],
            Wanted::Certificate(_) => Vec::new(),
        };
        let anchors = Anchors::new(keys).with_roots(self.root.clone());
        let verified = match evidence {
            Evidence::Bundle(bytes) => verify_blob(artifact, bytes, &anchors, self.now, &Limits::default()),
            Evidence::Detached(detached) => verify_detached(artifact, &detached, &anchors),
        };
        let rejected = |rejection| Reason::EvidenceRejected { rejection, count: 1 };
        let verified = verified.map_err(rejected)?;
        let first = verified.into_iter().next().ok_or(rejected(Rejection::SignerUnknown { hint: None }))?;
        match &self.wanted {
            Wanted::Certificate(pattern) => pattern.accepts("signer", &first)?,
            Wanted::Key(_) => self.known_to_somebody(&first).map_err(rejected)?,
        }
        Ok(first)
    }

    fn known_to_somebody(&self, verified: &Verified) -> Result<(), Rejection> {
        let backing = verified.backing();
        let somebody = !backing.logs().is_empty() || !backing.timestamps().is_empty();
        if somebody || self.ignore_log || backing.passed_over().is_empty() {
            return Ok(());
        }
        backing.meets(&Demands { logs: 1, ..Demands::NONE })
    }
}

/// What a command names: a file, which is hashed as it is read, or `sha256:HEX`, `sha512:HEX`.
///
/// With `whole`, the file's bytes are kept: pure Ed25519 needs them.
///
/// # Errors
/// The file can't be read.
pub fn artifact(named: &str, whole: bool) -> Result<Artifact, BlobFileError> {
    if let Ok(digest) = named.parse::<Digest>() {
        return Ok(Artifact::from_digest(digest));
    }
    let path = Path::new(named);
    let failed = |source| BlobFileError { path: path.to_owned(), source };
    if whole {
        return std::fs::read(path).map(Artifact::from_bytes).map_err(failed);
    }
    let mut file = File::open(path).map_err(failed)?;
    let (mut hashes, mut buffer) = (Hashes::default(), vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        match buffer.get(..read) {
            Some([]) | None => return Ok(Artifact::from_hashes(hashes)),
            Some(piece) => hashes.update(piece),
        }
    }
}

/// Reads a bundle's or a signature's file; one over [`ATTACHMENT_BYTES`] is cut there, and so refused.
///
/// # Errors
/// The file can't be read.
pub fn evidence(path: &Path) -> Result<Vec<u8>, BlobFileError> {
    let failed = |source| BlobFileError { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(ATTACHMENT_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}
