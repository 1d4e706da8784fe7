//! What cosign's older formats keep in annotations of a layer: certificate, chain, log entry, timestamp.

use super::{dsse::decode_base64, log_entry::LogEntry};
use crate::{
    crypto::{CertificateError, SigningCertificate},
    json::{self, JsonError},
};
use serde::Deserialize;

/// The annotations' texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegacyMaterial {
    /// The signer's certificate, in PEM.
    pub certificate: Option<String>,
    /// Those that lead to it, in PEM.
    pub chain: Option<String>,
    /// A log entry with the log's promise, in JSON.
    pub log_entry: Option<String>,
    /// A timestamp: an RFC 3161 response in base64, within JSON.
    pub timestamp: Option<String>,
}

/// What stands in them.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// The signer's certificate first; empty where there is none.
    pub certificates: Vec<SigningCertificate>,
    /// The log entry.
    pub entry: Option<LogEntry>,
    /// The timestamp.
    pub timestamp: Option<Vec<u8>>,
}

/// Why an annotation can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// Certificates that can't be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Not JSON of the expected shape.
    #[error("an annotation is {0}")]
    Json(#[from] JsonError),
    /// A timestamp that is no base64.
    #[error("the timestamp annotation is no base64")]
    Base64,
}

#[derive(Deserialize)]
struct Rfc3161 {
    #[serde(rename = "SignedRFC3161Timestamp")]
    token: String,
}

impl LegacyMaterial {
    /// Decodes the annotations. One that stands there empty is one that is not there.
    ///
    /// # Errors
    /// As [`LegacyError`] says.
    pub fn decode(&self) -> Result<Decoded, LegacyError> {
        fn given(text: Option<&String>) -> Option<&str> {
            text.map(|text| text.trim()).filter(|text| !text.is_empty())
        }
        let mut decoded = Decoded::default();
        if let Some(certificate) = given(self.certificate.as_ref()) {
            decoded.certificates = SigningCertificate::all_from_pem(certificate)?;
            if let Some(chain) = given(self.chain.as_ref()) {
                decoded.certificates.extend(SigningCertificate::all_from_pem(chain)?);
            }
        }
        decoded.entry = given(self.log_entry.as_ref()).map(LogEntry::from_cosign).transpose()?;
        if let Some(text) = given(self.timestamp.as_ref()) {
            let Rfc3161 { token } = json::decode(text.as_bytes())?;
            decoded.timestamp = Some(decode_base64(&token).ok_or(LegacyError::Base64)?);
        }
        Ok(decoded)
    }
}
