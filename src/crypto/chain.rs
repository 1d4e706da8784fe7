//! Certification paths (RFC 5280, 6), by webpki.

use super::{CertificateError, PublicKey, SigningCertificate, certificate::sequence};
use jiff::Timestamp;
use pkcs8::ObjectIdentifier;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::{borrow::Cow, fmt, str::FromStr, time::Duration};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext, anchor_from_trusted_cert,
};

/// What a certificate has to be for: a purpose that its extended key usage lists (RFC 5280, 4.2.1.12), as an OID in
/// dotted form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose(Cow<'static, str>);

impl Purpose {
    /// id-kp-codeSigning.
    pub const CODE_SIGNING: Self = Self(Cow::Borrowed("1.3.6.1.5.5.7.3.3"));
    /// id-kp-timeStamping.
    pub const TIME_STAMPING: Self = Self(Cow::Borrowed("1.3.6.1.5.5.7.3.8"));
    /// anyExtendedKeyUsage: an authority that sets no limit.
    const ANY: Self = Self(Cow::Borrowed("2.5.29.37.0"));
}

impl FromStr for Purpose {
    type Err = pkcs8::der::oid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Cow::Owned(ObjectIdentifier::new(text)?.to_string())))
    }
}

/// A certification authority: one certificate that is trusted, and those below it that it is known by.
#[derive(Clone)]
pub struct Authority {
    anchor: TrustAnchor<'static>,
    /// The anchor's own name.
    name: String,
    intermediates: Vec<CertificateDer<'static>>,
}

/// A path that holds.
#[derive(Clone, Debug)]
pub struct Path {
    /// The SubjectPublicKeyInfo, in DER, of the certificate that issued the leaf.
    pub issuer_spki: Vec<u8>,
}

/// Why there is no path from a certificate to an authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// A certificate of the path was past its last moment.
    #[error("a certificate of the path had expired by {at}")]
    Expired {
        /// When it was looked at.
        at: Timestamp,
    },
    /// A certificate of the path was not valid yet.
    #[error("a certificate of the path was not valid yet at {at}")]
    NotYetValid {
        /// When it was looked at.
        at: Timestamp,
    },
    /// Nothing leads from it to the authority.
    #[error("no path leads to it from the authority {authority}")]
    UnknownIssuer {
        /// The authority's name.
        authority: String,
    },
    /// The leaf is not for this.
    #[error("its extended key usage does not list {0}")]
    Purpose(Purpose),
    /// The leaf's key may not be used so.
    #[error("{0}")]
    Usage(&'static str),
    /// Everything else that a path must not be.
    #[error("no valid path to the authority {authority}: {why}")]
    Invalid {
        /// The authority's name.
        authority: String,
        /// webpki's word for it.
        why: Error,
    },
    /// A time before 1970.
    #[error("{0} is no time at which certificates can be valid")]
    Time(Timestamp),
}

impl Authority {
    /// From a chain of certificates: the last is trusted, the others lead to it.
    ///
    /// # Errors
    /// An empty chain, or one whose last certificate can't be an anchor.
    pub fn from_chain(chain: &[SigningCertificate]) -> Result<Self, CertificateError> {
        let Some((last, rest)) = chain.split_last() else { return Err(CertificateError::NoChain) };
        let der = CertificateDer::from(last.der());
        let anchor = anchor_from_trusted_cert(&der).map_err(|_| CertificateError::NoChain)?.to_owned();
        let intermediates =
            rest.iter().filter(|one| one.may_certify()).map(|one| CertificateDer::from(one.der().to_vec())).collect();
        Ok(Self { anchor, name: last.subject().to_owned(), intermediates })
    }

    /// The name of the certificate that is trusted.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key of the certificate that is trusted.
    ///
    /// # Errors
    /// A key of a kind that is not read; a chain of certificates that were decoded has none.
    pub fn key(&self) -> Result<PublicKey, CertificateError> {
        Ok(PublicKey::from_spki_der(&sequence(&self.anchor.subject_public_key_info)?)?)
    }

    /// How many certificates are known to lead to it.
    #[must_use]
    pub fn intermediates(&self) -> usize {
        self.intermediates.len()
    }

    /// Builds and verifies a path from `leaf` to this authority's anchor as it was at one time.
    ///
    /// Checked: the signatures, each certificate's validity at `at`, basic constraints, path lengths, name constraints,
    /// critical extensions, and that the leaf lists `purpose`; an intermediate that limits its purposes has to list it too.
    /// Key usages, where they stand: the leaf's allows signatures, those above it sign certificates. A leaf for time
    /// stamping is for nothing else, and says so critically (RFC 3161, 2.3).
    /// Not checked: revocation, and the validity of the anchor itself, which is trusted for what it is.
    ///
    /// # Errors
    /// As [`ChainError`] says.
    pub fn verify(
        &self,
        leaf: &SigningCertificate,
        also: &[SigningCertificate],
        purpose: &Purpose,
        at: Timestamp,
    ) -> Result<Path, ChainError> {
        let seconds = u64::try_from(at.as_second()).map_err(|_| ChainError::Time(at))?;
        if !leaf.is_for(&purpose.0) {
            return Err(ChainError::Purpose(purpose.clone()));
        }
        if !leaf.may_sign() {
            return Err(ChainError::Usage("its key usage does not allow signatures"));
        }
        if *purpose == Purpose::TIME_STAMPING && !leaf.is_for_nothing_but(&purpose.0) {
            return Err(ChainError::Usage("its extended key usage is not time stamping alone, and critical"));
        }
        let der = CertificateDer::from(leaf.der());
        let end = EndEntityCert::try_from(&der).map_err(|error| self.error(error, at, purpose))?;
        let also = also.iter().filter(|one| one.may_certify()).map(|one| CertificateDer::from(one.der()));
        let intermediates: Vec<CertificateDer<'_>> = self.intermediates.iter().cloned().chain(also).collect();
        let path = end
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                std::slice::from_ref(&self.anchor),
                &intermediates,
                UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
                Allows(purpose),
                None,
                None,
            )
            .map_err(|error| self.error(error, at, purpose))?;
        let issuer_spki = match path.intermediate_certificates().next() {
            Some(issuer) => issuer.subject_public_key_info().as_ref().to_vec(),
            None => sequence(path.anchor().subject_public_key_info.as_ref()).unwrap_or_default(),
        };
        Ok(Path { issuer_spki })
    }

    fn error(&self, error: Error, at: Timestamp, purpose: &Purpose) -> ChainError {
        let authority = self.name.clone();
        match error {
            Error::CertExpired { .. } => ChainError::Expired { at },
            Error::CertNotValidYet { .. } => ChainError::NotYetValid { at },
            Error::UnknownIssuer => ChainError::UnknownIssuer { authority },
            Error::RequiredEkuNotFoundContext(_) => ChainError::Purpose(purpose.clone()),
            why => ChainError::Invalid { authority, why },
        }
    }
}

/// Accepts a certificate that names no purposes, or this one: a private authority's intermediates often name none. The
/// leaf is looked at by itself.
struct Allows<'p>(&'p Purpose);

impl ExtendedKeyUsageValidator for Allows<'_> {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for purpose in purposes {
            let oid = purpose?.to_decoded_oid();
            let dotted = oid.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
            if dotted == self.0.0 || dotted == Purpose::ANY.0 {
                return Ok(());
            }
            present.push(oid);
        }
        if present.is_empty() {
            return Ok(());
        }
        // What is required is told by `ChainError::Purpose`.
        let required = KeyUsage::required(&[]);
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            purpose if *purpose == Self::CODE_SIGNING => "code signing",
            purpose if *purpose == Self::TIME_STAMPING => "time stamping",
            Self(oid) => oid,
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.name)
    }
}
