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
    /// Signed with a certificate, which this version does not judge.
    #[error("signed with a certificate, which this version does not judge")]
    MaterialUnsupported,
    /// Well formed, and about another digest.
    #[error("about another digest: {0}")]
    SubjectMismatch(String),
    /// No key that the policy names for this image made the signature.
    #[error("no key that the policy names made this signature{}", .hint.as_ref().map(|h| format!(" (it names {h})")).unwrap_or_default())]
    SignerUnknown {
        /// The key that the evidence says it was signed by; nobody vouches for that.
        hint: Option<String>,
    },
    /// It names a key of the policy, and that key did not make this signature over these bytes.
    #[error("it names key {0} of the policy, which did not sign these bytes")]
    SignatureInvalid(String),
    /// More than one envelope or statement may hold.
    #[error("over a limit: {0}")]
    OverLimit(String),
}

impl Rejection {
    /// The stable id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::FormatUnsupported(_) => "format-unsupported",
            Self::MaterialUnsupported => "material-unsupported",
            Self::SubjectMismatch(_) => "subject-mismatch",
            Self::SignerUnknown { .. } => "signer-unknown",
            Self::SignatureInvalid(_) => "signature-invalid",
            Self::OverLimit(_) => "over-limit",
        }
    }
}
