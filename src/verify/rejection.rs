use crate::format::dsse::decode_base64;
use jiff::Timestamp;

/// Why a piece of evidence does not count. It neither helps nor harms: what else was found is judged without it.
///
/// The ids are stable and listed in SPEC.md.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not decodable as what its media type says.
    #[error("not what its media type says: {0}")]
    Malformed(String),
    /// A format that boltseal does not judge.
    #[error("a format that is not judged here: {0}")]
    FormatUnsupported(String),
    /// Signed with a certificate, and nothing to verify certificates by was named.
    #[error("signed with a certificate, and no trusted root is named to verify it by")]
    NoTrustedRoot,
    /// Well formed, and about another digest.
    #[error("about another digest: {0}")]
    SubjectMismatch(String),
    /// A statement in an index that nobody has signed, and no signature that holds is over the index or its manifest.
    #[error("an unsigned statement, and no signature that holds is over the index or the manifest that it lies in")]
    Uncovered,
    /// No key that the policy names for this image made the signature.
    #[error("no key that the policy names made this signature{}", .hint.as_deref().map(|hint| format!(" (it names {})", fingerprint(hint))).unwrap_or_default())]
    SignerUnknown {
        /// The key that the evidence says it was signed by; nobody vouches for that.
        hint: Option<String>,
    },
    /// It names a key of the policy, and that key did not make this signature over these bytes.
    #[error("it names key {0} of the policy, which did not sign these bytes")]
    SignatureInvalid(String),
    /// It comes with a certificate whose key did not sign these bytes.
    #[error("it comes with a certificate whose key did not sign these bytes")]
    CertificateSignatureInvalid,
    /// More than one envelope or statement may hold.
    #[error("over a limit: {0}")]
    OverLimit(String),
    /// No path leads to the certificate from an authority of the trusted root.
    #[error("its certificate is none of trusted root {root}: {why}")]
    CertificateUntrusted {
        /// The trusted root.
        root: String,
        /// Why not.
        why: String,
    },
    /// The certificate was not valid when the signature was made.
    #[error("its certificate was valid from {from} to {to}, and the signature is of {at}{}", if *.trusted { "" } else { " at the earliest that is known: no trusted time stands behind it" })]
    CertificateExpired {
        /// The first moment of its validity.
        from: Timestamp,
        /// The last moment.
        to: Timestamp,
        /// When it was signed, or now.
        at: Timestamp,
        /// Whether a log or a timestamp authority stands behind that time.
        trusted: bool,
    },
    /// The certificate does not say whom it was issued to, or says it twice.
    #[error("its certificate names no single identity: {0}")]
    IdentityUnclear(String),
    /// The certificate's signed certificate timestamp does not hold.
    #[error("the signed certificate timestamp in its certificate does not hold: {0}")]
    SctInvalid(String),
    /// Fewer certificate transparency logs stand behind the certificate than are asked for.
    #[error("expected {wanted} signed certificate timestamp by a log of the trusted root; found {found}")]
    SctMissing {
        /// How many are asked for.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// The log has recorded another signature than this one.
    #[error("its log entry is not about this signature: {0}")]
    LogEntryMismatch(String),
    /// The log's proof or promise does not hold.
    #[error("its log entry does not hold: {0}")]
    LogEntryInvalid(String),
    /// The entry is of a log that the trusted root does not name.
    #[error("its log entry is of log {0}, which the trusted root does not name")]
    LogUnknown(String),
    /// Fewer logs stand behind the signature than are asked for.
    #[error("expected entries of {wanted} log{}; found {found}", if *.proven { " with inclusion proofs" } else { "" })]
    LogMissing {
        /// How many are asked for.
        wanted: usize,
        /// How many there are.
        found: usize,
        /// Whether a promise is not enough.
        proven: bool,
    },
    /// A timestamp that does not hold.
    #[error("its timestamp does not hold: {0}")]
    TimestampInvalid(String),
    /// The timestamp is by an authority that the trusted root does not name.
    #[error("its timestamp is by an authority that the trusted root does not name")]
    TimestampUnknown,
    /// Fewer timestamps stand behind the signature than are asked for.
    #[error("expected {wanted} timestamp by an authority of the trusted root; found {found}")]
    TimestampMissing {
        /// How many are asked for.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// A log or a timestamp authority states a time that is still to come.
    #[error("it is said to be of {time}, which is still to come: it is {now}")]
    FromFuture {
        /// The time that is stated.
        time: Timestamp,
        /// Now.
        now: Timestamp,
    },
}

impl Rejection {
    /// The stable id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::FormatUnsupported(_) => "format-unsupported",
            Self::NoTrustedRoot => "no-trusted-root",
            Self::SubjectMismatch(_) => "subject-mismatch",
            Self::Uncovered => "statement-uncovered",
            Self::SignerUnknown { .. } => "signer-unknown",
            Self::SignatureInvalid(_) | Self::CertificateSignatureInvalid => "signature-invalid",
            Self::OverLimit(_) => "over-limit",
            Self::CertificateUntrusted { .. } => "certificate-untrusted",
            Self::CertificateExpired { .. } => "certificate-expired",
            Self::IdentityUnclear(_) => "identity-unclear",
            Self::SctInvalid(_) => "sct-invalid",
            Self::SctMissing { .. } => "sct-missing",
            Self::LogEntryMismatch(_) => "log-entry-mismatch",
            Self::LogEntryInvalid(_) => "log-entry-invalid",
            Self::LogUnknown(_) => "log-unknown",
            Self::LogMissing { .. } => "log-missing",
            Self::TimestampInvalid(_) => "timestamp-invalid",
            Self::TimestampUnknown => "timestamp-unknown",
            Self::TimestampMissing { .. } => "timestamp-missing",
            Self::FromFuture { .. } => "from-future",
        }
    }
}

/// A key's hint as its fingerprint is written, where it is one.
fn fingerprint(hint: &str) -> String {
    decode_base64(hint).filter(|hash| hash.len() == 32).map_or_else(|| hint.to_owned(), hex::encode)
}
