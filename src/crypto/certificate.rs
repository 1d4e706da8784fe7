//! Certificates that signatures are made with (RFC 5280), as Fulcio and private authorities issue them.

use super::{CertificateError, PublicKey, hash};
use jiff::Timestamp;
use pkcs8::der::{Decode as _, Encode as _, Tag, TagNumber, Tagged as _, asn1::AnyRef};
use std::collections::BTreeMap;
use x509_cert::{
    ext::{
        Extension,
        pkix::{
            BasicConstraints, ExtendedKeyUsage, SubjectAltName,
            name::GeneralName,
            sct::{SignedCertificateTimestamp, SignedCertificateTimestampList},
        },
    },
    time::Time,
};

const ALTERNATIVE_NAMES: &str = "2.5.29.17";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const SCT_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";

/// A certificate as it was found: read in full, and nothing of it verified.
#[derive(Clone, Debug)]
pub struct SigningCertificate {
    der: Vec<u8>,
    key: PublicKey,
    not_before: Timestamp,
    not_after: Timestamp,
    subject: String,
    issuer: String,
    names: Vec<AlternativeName>,
    usages: Vec<String>,
    is_ca: bool,
    /// By OID, in dotted form.
    extensions: BTreeMap<String, Vec<u8>>,
}

/// A subject alternative name (RFC 5280, 4.2.1.6) of a kind that names a signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// An electronic mail address.
    Email(String),
    /// A URI.
    Uri(String),
    /// A DNS name.
    Dns(String),
    /// An `otherName` that holds a UTF-8 text, as Fulcio writes user names, with its type.
    Other {
        /// The type's OID.
        kind: String,
        /// The text.
        value: String,
    },
}

impl AlternativeName {
    /// The name as it is compared.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Email(text) | Self::Uri(text) | Self::Dns(text) | Self::Other { value: text, .. } => text,
        }
    }
}

/// A certificate transparency log's word that it has seen a certificate (RFC 6962, 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sct {
    /// SHA-256 of the log's public key.
    pub log: [u8; 32],
    /// When the log says that it saw it, in milliseconds.
    pub time: Timestamp,
    signed: Vec<u8>,
    signature: Vec<u8>,
    algorithm: hash::HashAlgorithm,
}

impl SigningCertificate {
    /// Decodes a certificate in DER.
    ///
    /// Checks: DER, a key that Boltseal verifies with, no extension twice, extensions of the known kinds well formed. Does
    /// not check: its signature, its dates, who issued it, what it is for.
    ///
    /// # Errors
    /// As [`CertificateError`] says.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = x509_cert::Certificate::from_der(der)?;
        let signed = certificate.tbs_certificate();
        let mut extensions = BTreeMap::new();
        for Extension { extn_id, extn_value, .. } in signed.extensions().into_iter().flatten() {
            if extensions.insert(extn_id.to_string(), extn_value.as_bytes().to_vec()).is_some() {
                return Err(CertificateError::Repeated(extn_id.to_string()));
            }
        }
        let names = match extensions.get(ALTERNATIVE_NAMES) {
            Some(value) => SubjectAltName::from_der(value)?.0.iter().filter_map(alternative_name).collect(),
            None => Vec::new(),
        };
        let usages = match extensions.get(EXTENDED_KEY_USAGE) {
            Some(value) => ExtendedKeyUsage::from_der(value)?.0.iter().map(ToString::to_string).collect(),
            None => Vec::new(),
        };
        let is_ca = match extensions.get(BASIC_CONSTRAINTS) {
            Some(value) => BasicConstraints::from_der(value)?.ca,
            None => false,
        };
        Ok(Self {
            der: der.to_vec(),
            key: PublicKey::from_spki_der(&signed.subject_public_key_info().to_der()?)?,
            not_before: timestamp(signed.validity().not_before)?,
            not_after: timestamp(signed.validity().not_after)?,
            subject: signed.subject().to_string(),
            issuer: signed.issuer().to_string(),
            names,
            usages,
            is_ca,
            extensions,
        })
    }

    /// Decodes the certificates of a PEM text, in its order.
    ///
    /// # Errors
    /// No PEM, another block than a certificate, or what [`SigningCertificate::from_der`] refuses.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, CertificateError> {
        super::pem::decode_all(text.as_bytes())?
            .into_iter()
            .map(|block| match block.label.as_str() {
                "CERTIFICATE" => Self::from_der(&block.bytes),
                _ => Err(CertificateError::Label(block.label)),
            })
            .collect()
    }

    /// The bytes that were decoded.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The key inside.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The first and the last moment of its validity, by its own word.
    #[must_use]
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        (self.not_before, self.not_after)
    }

    /// The subject's distinguished name (RFC 4514).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's distinguished name (RFC 4514), by its own word.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The subject alternative names of known kinds.
    #[must_use]
    pub fn names(&self) -> &[AlternativeName] {
        &self.names
    }

    /// Whether its extended key usage lists this purpose, an OID in dotted form.
    #[must_use]
    pub fn is_for(&self, purpose: &str) -> bool {
        self.usages.iter().any(|usage| usage == purpose)
    }

    /// Whether it says that it is a certification authority's.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// An extension's content by its OID in dotted form.
    #[must_use]
    pub fn extension(&self, oid: &str) -> Option<&[u8]> {
        self.extensions.get(oid).map(Vec::as_slice)
    }

    /// The UTF-8 text that an extension holds in DER.
    ///
    /// # Errors
    /// It holds something else.
    pub fn text_extension(&self, oid: &str) -> Result<Option<String>, CertificateError> {
        self.extension(oid).map(|value| Ok(String::from_der(value)?)).transpose()
    }

    /// The signed certificate timestamps inside, made for an issuer with this SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// A list that is not well formed, or a signature of a kind that is not known.
    pub fn scts(&self, issuer_spki: &[u8]) -> Result<Vec<Sct>, CertificateError> {
        let Some(list) = self.extension(SCT_LIST) else { return Ok(Vec::new()) };
        let list = SignedCertificateTimestampList::from_der(list)?;
        let precertificate = without_scts(&self.der)?;
        let list = list.parse_timestamps().map_err(|_| CertificateError::Sct)?;
        let one = |sct: x509_cert::ext::pkix::sct::SerializedSct| {
            let sct = sct.parse_timestamp().map_err(|_| CertificateError::Sct)?;
            let millis = i64::try_from(sct.timestamp).map_err(|_| CertificateError::Sct)?;
            Ok(Sct {
                log: sct.log_id.key_id,
                time: Timestamp::from_millisecond(millis).map_err(|_| CertificateError::Sct)?,
                signed: digitally_signed(&sct, issuer_spki, &precertificate)?,
                algorithm: sct_hash(&sct)?,
                signature: sct.signature.signature.as_slice().to_vec(),
            })
        };
        list.into_iter().map(one).collect()
    }
}

impl Sct {
    /// Whether the holder of a log's key made it.
    ///
    /// # Errors
    /// It did not, over this certificate for this issuer.
    pub fn verify(&self, log: &PublicKey) -> Result<(), super::SignatureError> {
        log.verify_hashed(self.algorithm, &self.signed, &self.signature)
    }
}

fn timestamp(time: Time) -> Result<Timestamp, CertificateError> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| CertificateError::Date)?;
    Timestamp::from_second(seconds).map_err(|_| CertificateError::Date)
}

fn alternative_name(name: &GeneralName) -> Option<AlternativeName> {
    match name {
        GeneralName::Rfc822Name(text) => Some(AlternativeName::Email(text.to_string())),
        GeneralName::UniformResourceIdentifier(text) => Some(AlternativeName::Uri(text.to_string())),
        GeneralName::DnsName(text) => Some(AlternativeName::Dns(text.to_string())),
        GeneralName::OtherName(other) => {
            let value = other.value.decode_as::<String>().ok()?;
            Some(AlternativeName::Other { kind: other.type_id.to_string(), value })
        }
        _ => None,
    }
}

/// The hash of an SCT's signature; TLS 1.2 numbers hashes and signatures by themselves (RFC 5246, 7.4.1.4.1).
fn sct_hash(sct: &SignedCertificateTimestamp) -> Result<hash::HashAlgorithm, CertificateError> {
    use x509_cert::ext::pkix::sct::HashAlgorithm;
    match sct.signature.algorithm.hash {
        HashAlgorithm::Sha256 => Ok(hash::HashAlgorithm::Sha256),
        HashAlgorithm::Sha384 => Ok(hash::HashAlgorithm::Sha384),
        HashAlgorithm::Sha512 => Ok(hash::HashAlgorithm::Sha512),
        _ => Err(CertificateError::Sct),
    }
}

/// What an SCT's signature is over (RFC 6962, 3.2, `digitally-signed` with `precert_entry`).
fn digitally_signed(
    sct: &SignedCertificateTimestamp,
    issuer_spki: &[u8],
    precertificate: &[u8],
) -> Result<Vec<u8>, CertificateError> {
    const V1_CERTIFICATE_TIMESTAMP: [u8; 2] = [0, 0];
    const PRECERT_ENTRY: [u8; 2] = [0, 1];
    let length = u32::try_from(precertificate.len()).map_err(|_| CertificateError::Sct)?.to_be_bytes();
    let extensions = sct.extensions.as_slice();
    let extensions_length = u16::try_from(extensions.len()).map_err(|_| CertificateError::Sct)?;
    let mut signed = V1_CERTIFICATE_TIMESTAMP.to_vec();
    signed.extend(sct.timestamp.to_be_bytes());
    signed.extend(PRECERT_ENTRY);
    signed.extend(hash::sha256(issuer_spki));
    signed.extend(length.iter().skip(1));
    signed.extend(precertificate);
    signed.extend(extensions_length.to_be_bytes());
    signed.extend(extensions);
    Ok(signed)
}

/// The certificate's signed part as the log saw it: without the list of SCTs, everything else to the byte.
fn without_scts(certificate: &[u8]) -> Result<Vec<u8>, CertificateError> {
    const EXTENSIONS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(3) };
    let parts = Vec::<AnyRef<'_>>::from_der(certificate)?;
    let signed = parts.first().ok_or(CertificateError::Sct)?.to_der()?;
    let mut content = Vec::new();
    for field in Vec::<AnyRef<'_>>::from_der(&signed)? {
        if field.tag() == EXTENSIONS {
            let mut kept = Vec::<Extension>::from_der(field.value())?;
            kept.retain(|extension| extension.extn_id.to_string() != SCT_LIST);
            content.extend(AnyRef::new(EXTENSIONS, &kept.to_der()?)?.to_der()?);
        } else {
            content.extend(field.to_der()?);
        }
    }
    sequence(&content)
}

/// A SEQUENCE of this content.
pub(super) fn sequence(content: &[u8]) -> Result<Vec<u8>, CertificateError> {
    Ok(AnyRef::new(Tag::Sequence, content)?.to_der()?)
}
