//! What Fulcio writes into a certificate beside RFC 5280 (sigstore/fulcio, `docs/oid-info.md`).

use crate::crypto::{AlternativeName, CertificateError, SigningCertificate};
use std::collections::BTreeMap;

const ARC: &str = "1.3.6.1.4.1.57264.1";
const ISSUER: &str = "1.3.6.1.4.1.57264.1.8";
const ISSUER_V1: &str = "1.3.6.1.4.1.57264.1.1";
const USER_NAME: &str = "1.3.6.1.4.1.57264.1.7";

/// The claims of a pipeline's certificate, by their arcs below 1.3.6.1.4.1.57264.1.
pub const CLAIMS: [(u8, &str); 15] = [
    (9, "build-signer-uri"),
    (10, "build-signer-digest"),
    (11, "runner-environment"),
    (12, "source-repository-uri"),
    (13, "source-repository-digest"),
    (14, "source-repository-ref"),
    (15, "source-repository-identifier"),
    (16, "source-repository-owner-uri"),
    (17, "source-repository-owner-identifier"),
    (18, "build-config-uri"),
    (19, "build-config-digest"),
    (20, "build-trigger"),
    (21, "run-invocation-uri"),
    (22, "source-repository-visibility-at-signing"),
    (23, "deployment-environment"),
];

/// Why a certificate does not say whom Fulcio issued it to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FulcioError {
    /// An extension that is not encoded as it has to be.
    #[error(transparent)]
    Extension(#[from] CertificateError),
    /// No issuer that could be compared.
    #[error("its issuer is no text")]
    IssuerText,
    /// The two extensions that an issuer may stand in disagree.
    #[error("it names two issuers")]
    TwoIssuers,
    /// Not exactly one subject alternative name of a kind that names a signer.
    #[error("it has {0} subject alternative names, expected one")]
    Names(usize),
    /// An `otherName` of another kind than Fulcio's user names.
    #[error("its subject alternative name is of kind {0}, expected {USER_NAME}")]
    Kind(String),
}

/// The OIDC issuer and the subject alternative name. The issuer is empty where the certificate names none, as GitHub's
/// own releases do.
///
/// # Errors
/// As [`FulcioError`] says.
pub fn issuer_and_name(certificate: &SigningCertificate) -> Result<(String, String), FulcioError> {
    let old = certificate.extension(ISSUER_V1).map(|bytes| String::from_utf8(bytes.to_vec()));
    let old = old.transpose().map_err(|_| FulcioError::IssuerText)?;
    let issuer = match (certificate.text_extension(ISSUER)?, old) {
        (Some(new), Some(old)) if new != old => return Err(FulcioError::TwoIssuers),
        (Some(issuer), _) | (None, Some(issuer)) => issuer,
        (None, None) => String::new(),
    };
    match certificate.names() {
        [AlternativeName::Other { kind, .. }] if kind != USER_NAME => Err(FulcioError::Kind(kind.clone())),
        [name] => Ok((issuer, name.text().to_owned())),
        names => Err(FulcioError::Names(names.len())),
    }
}

/// The claims that stand in a certificate, by their names in [`CLAIMS`].
///
/// # Errors
/// One that is no UTF-8 text in DER.
pub fn claims(certificate: &SigningCertificate) -> Result<BTreeMap<&'static str, String>, CertificateError> {
    let one = |&(arc, name): &(u8, &'static str)| {
        let text = certificate.text_extension(&format!("{ARC}.{arc}"));
        text.map(|text| text.map(|text| (name, text))).transpose()
    };
    CLAIMS.iter().filter_map(one).collect()
}
