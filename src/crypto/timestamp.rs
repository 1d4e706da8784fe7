//! Time-stamp tokens (RFC 3161, as CMS of RFC 5652).

use super::{CertificateError, PublicKey, SignatureError, SigningCertificate, hash::HashAlgorithm};
use cms::{
    cert::CertificateChoices,
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use jiff::{SignedDuration, Timestamp, civil};
use pkcs8::{
    ObjectIdentifier,
    der::{
        Decode as _, Encode as _, Tag, Tagged as _,
        asn1::{AnyRef, OctetString},
    },
};
use x509_cert::{attr::Attribute, ext::pkix::SubjectKeyIdentifier};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const HASHES: [(&str, HashAlgorithm); 3] = [
    ("2.16.840.1.101.3.4.2.1", HashAlgorithm::Sha256),
    ("2.16.840.1.101.3.4.2.2", HashAlgorithm::Sha384),
    ("2.16.840.1.101.3.4.2.3", HashAlgorithm::Sha512),
];

/// A time-stamp token as it was found: read, and nothing of it verified.
#[derive(Clone, Debug)]
pub struct TimestampToken {
    content: Vec<u8>,
    signer: SignerInfo,
    certificates: Vec<SigningCertificate>,
    imprint: (HashAlgorithm, Vec<u8>),
    time: Timestamp,
}

/// Why bytes are no token, or why one does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// Not DER of the expected shape.
    #[error("timestamp: not a token of RFC 3161: {0}")]
    Der(#[from] pkcs8::der::Error),
    /// DER, and something of it is not what RFC 3161 asks for.
    #[error("timestamp: not a token of RFC 3161: {0}")]
    Shape(&'static str),
    /// The authority's answer is a refusal.
    #[error("timestamp: the authority's answer is a refusal (status {0})")]
    Refused(i64),
    /// A hash that is not one of SHA-2.
    #[error("timestamp: hash {0}, expected SHA-256, SHA-384 or SHA-512")]
    Hash(String),
    /// It is over something else.
    #[error("timestamp: it is over something else, its imprint ({0}) is another one")]
    Imprint(HashAlgorithm),
    /// What was signed is not what stands in it.
    #[error("timestamp: its signed digest is not that of its content")]
    Digest,
    /// The signer's signature does not hold.
    #[error("timestamp: {0}")]
    Signature(#[from] SignatureError),
}

impl TimestampToken {
    /// Decodes a `TimeStampResp`, or the bare token inside.
    ///
    /// Checks: DER, the shape, one signer, that the status is a granted one. Certificates inside that are none of a kind
    /// that Boltseal reads are passed over. Does not check: any signature, whom the token is by, what it is over.
    ///
    /// # Errors
    /// As [`TimestampError`] says.
    pub fn decode(bytes: &[u8]) -> Result<Self, TimestampError> {
        let token = match ContentInfo::from_der(bytes) {
            Ok(token) => token,
            Err(_) => ContentInfo::from_der(&of_response(bytes)?)?,
        };
        if token.content_type != SIGNED_DATA {
            return Err(TimestampError::Shape("no signed data"));
        }
        let signed = token.content.decode_as::<SignedData>()?;
        if signed.encap_content_info.econtent_type != TST_INFO {
            return Err(TimestampError::Shape("the content is no TSTInfo"));
        }
        let content = signed.encap_content_info.econtent.ok_or(TimestampError::Shape("no content"))?;
        let content = content.decode_as::<OctetString>()?.as_bytes().to_vec();
        let (imprint, time) = read_info(&content)?;
        let mut signers = signed.signer_infos.0.into_vec();
        let signer = signers.pop().filter(|_| signers.is_empty());
        let signer = signer.ok_or(TimestampError::Shape("not exactly one signer"))?;
        let embedded = signed.certificates.iter().flat_map(|set| set.0.iter());
        let certificates = embedded.filter_map(|choice| match choice {
            CertificateChoices::Certificate(one) => SigningCertificate::from_der(&one.to_der().ok()?).ok(),
            CertificateChoices::Other(_) => None,
        });
        Ok(Self { content, signer, certificates: certificates.collect(), imprint, time })
    }

    /// When the authority says that it saw the imprint.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The certificates inside.
    #[must_use]
    pub fn certificates(&self) -> &[SigningCertificate] {
        &self.certificates
    }

    /// Whether the token says that this certificate's key signed it.
    ///
    /// # Errors
    /// The certificate can't be read again.
    pub fn names(&self, certificate: &SigningCertificate) -> Result<bool, CertificateError> {
        match &self.signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(named) => {
                let whole = x509_cert::Certificate::from_der(certificate.der())?;
                let signed = whole.tbs_certificate();
                Ok(*signed.issuer() == named.issuer && *signed.serial_number() == named.serial_number)
            }
            SignerIdentifier::SubjectKeyIdentifier(named) => match certificate.extension("2.5.29.14") {
                Some(value) => Ok(SubjectKeyIdentifier::from_der(value)? == *named),
                None => Ok(false),
            },
        }
    }

    /// Verifies that the holder of `signer` made this token, and that it is over `message`.
    ///
    /// Checked: the imprint, by the hash that the token names; that the signed attributes name the content's type and
    /// digest; the signature over them (RFC 5652, 5.4). Not checked: the signer's certificate, the token's policy,
    /// accuracy and nonce.
    ///
    /// # Errors
    /// As [`TimestampError`] says.
    pub fn verify(&self, message: &[u8], signer: &PublicKey) -> Result<(), TimestampError> {
        let (algorithm, imprint) = &self.imprint;
        if algorithm.of(message) != *imprint {
            return Err(TimestampError::Imprint(*algorithm));
        }
        let attributes = self.signer.signed_attrs.as_ref().ok_or(TimestampError::Shape("no signed attributes"))?;
        let algorithm = hash_by(self.signer.digest_alg.oid)?;
        let only = |oid| -> Result<AnyRef<'_>, TimestampError> {
            let mut found = attributes.iter().filter(|attribute: &&Attribute| attribute.oid == oid);
            match (found.next().map(|one| one.values.as_slice()), found.next()) {
                (Some([value]), None) => Ok(value.into()),
                _ => Err(TimestampError::Shape("a signed attribute does not stand there exactly once")),
            }
        };
        if only(CONTENT_TYPE)?.decode_as::<ObjectIdentifier>()? != TST_INFO {
            return Err(TimestampError::Shape("the signed content type is another one"));
        }
        if only(MESSAGE_DIGEST)?.decode_as::<OctetString>()?.as_bytes() != algorithm.of(&self.content) {
            return Err(TimestampError::Digest);
        }
        // Signed as the SET that they are, not under the tag that they stand with.
        Ok(signer.verify_hashed(algorithm, &attributes.to_der()?, self.signer.signature.as_bytes())?)
    }
}

/// The token inside a `TimeStampResp` (RFC 3161, 2.4.2).
fn of_response(bytes: &[u8]) -> Result<Vec<u8>, TimestampError> {
    let parts = Vec::<AnyRef<'_>>::from_der(bytes)?;
    let [status, rest @ ..] = parts.as_slice() else { return Err(TimestampError::Shape("an empty answer")) };
    let status =
        Vec::<AnyRef<'_>>::from_der(&status.to_der()?)?.first().map(|code| code.decode_as::<i64>()).transpose()?;
    match (status, rest) {
        (Some(0 | 1), [token]) => Ok(token.to_der()?),
        (Some(status), _) => Err(TimestampError::Refused(status)),
        (None, _) => Err(TimestampError::Shape("no status")),
    }
}

/// The imprint and the time of a `TSTInfo` (RFC 3161, 2.4.2).
fn read_info(content: &[u8]) -> Result<((HashAlgorithm, Vec<u8>), Timestamp), TimestampError> {
    let fields = Vec::<AnyRef<'_>>::from_der(content)?;
    let [version, _policy, imprint, _serial, time, rest @ ..] = fields.as_slice() else {
        return Err(TimestampError::Shape("a TSTInfo of fewer than five fields"));
    };
    if version.decode_as::<u8>()? != 1 {
        return Err(TimestampError::Shape("a TSTInfo of another version than 1"));
    }
    // No extension is known here, and a critical one must not be passed over (RFC 5280, 4.2).
    if rest.iter().any(|field| field.tag() == EXTENSIONS) {
        return Err(TimestampError::Shape("a TSTInfo with extensions"));
    }
    let imprint_der = imprint.to_der()?;
    let imprint = Vec::<AnyRef<'_>>::from_der(&imprint_der)?;
    let [algorithm, hashed] = imprint.as_slice() else { return Err(TimestampError::Shape("no imprint")) };
    let algorithm = Vec::<AnyRef<'_>>::from_der(&algorithm.to_der()?)?
        .first()
        .map(|oid| oid.decode_as::<ObjectIdentifier>())
        .transpose()?
        .ok_or(TimestampError::Shape("an imprint without a hash"))?;
    let hashed = hashed.decode_as::<OctetString>()?.as_bytes().to_vec();
    if time.tag() != Tag::GeneralizedTime {
        return Err(TimestampError::Shape("genTime is no GeneralizedTime"));
    }
    let time = std::str::from_utf8(time.value()).ok().and_then(generalized_time);
    Ok(((hash_by(algorithm)?, hashed), time.ok_or(TimestampError::Shape("genTime is no time"))?))
}

const EXTENSIONS: Tag = Tag::ContextSpecific { constructed: true, number: pkcs8::der::TagNumber(1) };

/// `YYYYMMDDhhmmss[.f…]Z`: unlike in certificates, with a fraction where the authority is that precise (RFC 3161, 2.4.2).
fn generalized_time(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let seconds = civil::DateTime::strptime("%Y%m%d%H%M%S", whole).ok().filter(|_| whole.len() == 14)?;
    let time = seconds.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let Some(fraction) = fraction else { return Some(time) };
    // No empty fraction, and none that ends in a zero: DER writes each time in one way.
    if fraction.is_empty() || fraction.ends_with('0') || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    time.checked_add(SignedDuration::from_nanos(nanos.parse().ok()?)).ok()
}

fn hash_by(oid: ObjectIdentifier) -> Result<HashAlgorithm, TimestampError> {
    let oid = oid.to_string();
    let known = HASHES.iter().find(|(known, _)| *known == oid);
    known.map(|(_, algorithm)| *algorithm).ok_or(TimestampError::Hash(oid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_fraction_or_none_and_one_spelling() {
        let second = generalized_time("20261126001530Z").unwrap();
        assert_eq!(second.to_string(), "2026-11-26T00:15:30Z");
        assert_eq!(generalized_time("20261126001530.25Z").unwrap().to_string(), "2026-11-26T00:15:30.25Z");
        assert_eq!(generalized_time("20261126001530.1234567891Z").unwrap().subsec_nanosecond(), 123_456_789);
        for bad in [
            "20261126001530",
            "20261126001530.Z",
            "20261126001530.50Z",
            "202611260015Z",
            "20261126001530.xZ",
            "20261326001530Z",
            "2026112600153 Z",
        ] {
            assert_eq!(generalized_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for bytes in [&b""[..], b"0", b"0\x00", b"\x30\x03\x02\x01\x00", b"\x30\x05\x30\x03\x02\x01\x02"] {
            assert!(TimestampToken::decode(bytes).is_err());
        }
        assert_eq!(TimestampToken::decode(b"\x30\x05\x30\x03\x02\x01\x02").unwrap_err(), TimestampError::Refused(2));
    }
}
