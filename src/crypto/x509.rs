use super::{PublicKey, PublicKeyError, pem, pem::PemError};
use crate::limits::CERTIFICATE_BYTES;
use jiff::Timestamp;
use pkcs8::{
    ObjectIdentifier,
    der::{Decode as _, Encode as _},
};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// What is used of an X.509 certificate (RFC 5280) where a format carries one instead of a key.
///
/// It is a wrapper around a public key with a name on it and nothing more: no chain, no signature, no extension and
/// no date is checked. Whoever trusts it does so for its key, which is known from elsewhere.
#[derive(Clone, Debug)]
pub struct Certificate {
    public_key: PublicKey,
    common_name: Option<String>,
    organization: Option<String>,
    not_after: Option<Timestamp>,
}

/// Why bytes are no certificate whose key can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not PEM.
    #[error("certificate: {0}")]
    Pem(#[from] PemError),
    /// A PEM block of something else.
    #[error("certificate: the first PEM block is {0:?}, expected \"CERTIFICATE\"")]
    Label(String),
    /// Not a certificate in DER.
    #[error("certificate: not X.509 in DER: {0}")]
    Der(#[from] pkcs8::der::Error),
    /// More bytes than a certificate may have.
    #[error("certificate: {0} bytes, at most {CERTIFICATE_BYTES}")]
    Size(usize),
    /// An extension that stands in it twice (RFC 5280, 4.2).
    #[error("certificate: extension {0} comes twice")]
    Repeated(String),
    /// A date that no calendar has.
    #[error("certificate: a date outside of the calendar")]
    Date,
    /// Signed certificate timestamps that are not well formed (RFC 6962, 3.3).
    #[error("certificate: its signed certificate timestamps are not as RFC 6962 writes them")]
    Sct,
    /// No chain of certificates that ends in one that can be trusted.
    #[error("certificate: expected a chain whose last certificate is an authority's")]
    NoChain,
    /// Its key is none that boltseal verifies with.
    #[error("certificate: {0}")]
    Key(#[from] PublicKeyError),
}

impl Certificate {
    /// Decodes the first certificate of a PEM text: where there are several, the leaf comes first.
    ///
    /// # Errors
    /// No PEM, another block, no DER, or a key that [`PublicKey::from_spki_der`] refuses.
    pub fn from_pem_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        const END: &[u8] = b"-----END CERTIFICATE-----";
        let end = bytes.windows(END.len()).position(|window| window == END).map_or(bytes.len(), |at| at + END.len());
        let block = pem::decode_one(bytes.get(..end).unwrap_or(bytes))?;
        if block.label != "CERTIFICATE" {
            return Err(CertificateError::Label(block.label));
        }
        Self::from_der(&block.bytes)
    }

    /// Decodes a certificate in DER.
    ///
    /// # Errors
    /// No DER, or a key that [`PublicKey::from_spki_der`] refuses.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = x509_cert::Certificate::from_der(der)?;
        let signed = certificate.tbs_certificate();
        let public_key = PublicKey::from_spki_der(&signed.subject_public_key_info().to_der()?)?;
        let one = |kind: ObjectIdentifier| {
            let mut names = signed.subject().iter().filter(|attribute| attribute.oid == kind);
            match (names.next(), names.next()) {
                (Some(name), None) => std::str::from_utf8(name.value.value()).ok().map(str::to_owned),
                _ => None,
            }
        };
        let (common_name, organization) = (one(COMMON_NAME), one(ORGANIZATION));
        let seconds = signed.validity().not_after.to_unix_duration().as_secs();
        let not_after = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        Ok(Self { public_key, common_name, organization, not_after })
    }

    /// The key inside.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The subject's common name, where it has exactly one and that is ASCII or UTF-8.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The subject's organization, where it has exactly one and that is ASCII or UTF-8.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// When it ends, by its own word. For information.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> String {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn the_key_the_name_and_the_end_are_read_and_the_first_certificate_counts() {
        let (first, second) = (certificate("docker.io/acme/web"), certificate("another"));
        let one = Certificate::from_pem_bytes(first.as_bytes()).unwrap();
        assert_eq!(one.common_name(), Some("docker.io/acme/web"));
        assert!(one.not_after().is_some());
        let both = Certificate::from_pem_bytes(format!("{first}{second}").as_bytes()).unwrap();
        assert_eq!(both.public_key(), one.public_key());
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let key = include_bytes!("../../testdata/keys/p256-pub.test.pem");
        assert_eq!(Certificate::from_pem_bytes(key).unwrap_err(), CertificateError::Label("PUBLIC KEY".to_owned()));
        assert!(matches!(Certificate::from_pem_bytes(b""), Err(CertificateError::Pem(PemError::Missing))));
        let text = certificate("cut");
        let der = pem::decode_one(text.as_bytes()).unwrap().bytes;
        for length in 0..der.len() {
            assert!(Certificate::from_der(&der[..length]).is_err(), "{length}");
        }
    }
}
