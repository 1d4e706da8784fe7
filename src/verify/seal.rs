//! A signature and what came with it, in one shape for bundles, legacy layers and detached signatures.

use crate::{
    crypto::{PublicKey, SigningCertificate, hash::HashAlgorithm},
    format::{bundle::MessageSignature, dsse::Envelope, log_entry::LogEntry},
    verify::Artifact,
};

/// One signature to be judged.
pub(super) struct Seal<'a> {
    pub over: Over<'a>,
    pub signature: &'a [u8],
    pub entries: &'a [LogEntry],
    pub timestamps: &'a [Vec<u8>],
    /// Whether each entry has to come with a proof.
    pub proofs: bool,
}

/// What the signature is over.
#[derive(Clone, Copy)]
pub(super) enum Over<'a> {
    Envelope(&'a Envelope),
    Bytes(&'a [u8]),
    Artifact(&'a Artifact, &'a MessageSignature),
}

/// Who is said to have made it.
#[derive(Clone, Copy)]
pub(super) enum By<'a> {
    Key(&'a PublicKey),
    Certificate(&'a SigningCertificate),
}

impl<'a> By<'a> {
    pub fn key(self) -> &'a PublicKey {
        match self {
            Self::Key(key) => key,
            Self::Certificate(certificate) => certificate.public_key(),
        }
    }
}

impl Over<'_> {
    /// The hash of what was signed; `None` where only another hash of it is known.
    pub fn digest(self, algorithm: HashAlgorithm) -> Option<Vec<u8>> {
        match self {
            Self::Envelope(envelope) => Some(algorithm.of(&envelope.pae())),
            Self::Bytes(bytes) => Some(algorithm.of(bytes)),
            Self::Artifact(artifact, _) => artifact.digest(algorithm).map(<[u8]>::to_vec),
        }
    }

    /// Whether `key` made `signature` over this.
    pub fn is_signed_by(self, key: &PublicKey, signature: &[u8]) -> bool {
        match self {
            Self::Envelope(envelope) => key.verify(&envelope.pae(), signature).is_ok(),
            Self::Bytes(bytes) => key.verify(bytes, signature).is_ok(),
            Self::Artifact(artifact, message) => {
                let algorithm = message.digest.as_ref().map(|(algorithm, _)| *algorithm);
                artifact.is_signed_by(key, algorithm, signature)
            }
        }
    }
}
