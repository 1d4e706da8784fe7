//! Trusted roots: whom to believe that a certificate, a log entry or a timestamp is what it says
//! (sigstore/protobuf-specs, `sigstore_trustroot.proto`).

mod make;
mod refreshed;
mod show;

pub use make::{MakeError, Parts, Service};
pub use refreshed::{REFRESHED_TARGETS, RefreshedError, SIGNING_CONFIG, TRUSTED_ROOT, refresh_terms, replay};

use crate::{
    crypto::{
        Authority, CertificateError, KeyAlgorithm, PublicKey, Purpose, SignatureScheme, SigningCertificate,
        hash::{self, HashAlgorithm},
    },
    json::{self, JsonError},
};
use jiff::Timestamp;
use serde::Deserialize as _;
use sigstore_trust_root::{
    SIGSTORE_GITHUB_TRUSTED_ROOT, SIGSTORE_PRODUCTION_TRUSTED_ROOT, TimeRange, trusted_root::CertificateEntry,
};
use std::fmt;

/// What certificates, log entries and timestamps are verified against. Parsed once, and used for a whole run.
#[derive(Debug)]
pub struct TrustedRoot {
    name: String,
    id: RootId,
    naming: Naming,
    purpose: Purpose,
    /// Who issues signing certificates.
    pub(crate) authorities: Vec<Windowed<Authority>>,
    /// Transparency logs.
    pub(crate) logs: Vec<Windowed<Log>>,
    /// Certificate transparency logs.
    pub(crate) ct_logs: Vec<Windowed<Log>>,
    /// Who signs timestamps.
    pub(crate) timestamp_authorities: Vec<Windowed<TimestampAuthority>>,
    unusable: Vec<String>,
}

/// A trusted root by its content: SHA-256 of the bytes that it was read from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootId([u8; 32]);

/// How a certificate says whom it was issued to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// As Fulcio writes it: the OIDC issuer in an extension, the identity as the one subject alternative name.
    Fulcio,
    /// By the distinguished names of the authority and of the subject.
    Subject,
}

/// The root's own instances that come with this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// Sigstore's public good instance.
    PublicGood,
    /// GitHub's, which serves its private repositories.
    GitHub,
}

/// Something, and when it may be believed.
#[derive(Clone, Debug)]
pub struct Windowed<T> {
    /// What.
    pub what: T,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

/// A log, of either kind.
#[derive(Clone, Debug)]
pub struct Log {
    /// Its name: SHA-256 of its key, or what its checkpoints call it.
    pub id: Vec<u8>,
    /// Its key.
    pub key: PublicKey,
    /// What it signs over; a pure Ed25519 key nothing but the message.
    pub hash: HashAlgorithm,
    /// Where it is.
    pub url: String,
}

/// Who signs timestamps: the certificate that it signs with, if the root names it, and whom that leads to.
#[derive(Clone, Debug)]
pub struct TimestampAuthority {
    /// The certificate that signs; without it, tokens bring their own.
    pub signer: Option<SigningCertificate>,
    /// Whom it leads to.
    pub authority: Authority,
}

/// Why bytes are no trusted root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedRootError {
    /// Not JSON of a trusted root's shape.
    #[error("the trusted root is {0}")]
    Json(#[from] JsonError),
    /// Another format.
    #[error("the trusted root's mediaType is {0:?}, expected \"application/vnd.dev.sigstore.trustedroot…\"")]
    MediaType(String),
    /// Certificates that lead nowhere.
    #[error("the trusted root: {0}")]
    Certificate(#[from] CertificateError),
    /// Nothing in it that a signature could be verified with.
    #[error("the trusted root names no certificate authority, log or timestamp authority that can be used{}", .unusable.first().map(|why| format!("; the first of {}: {why}", .unusable.len())).unwrap_or_default())]
    Empty {
        /// What was left out, and why.
        unusable: Vec<String>,
    },
}

impl TrustedRoot {
    /// Decodes a `trusted_root.json`; `name` is what reports call it.
    ///
    /// Keys and certificates of kinds that are not read are left out, and listed by [`TrustedRoot::unusable`]: what they
    /// signed counts as signed by strangers.
    ///
    /// # Errors
    /// As [`TrustedRootError`] says.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self, TrustedRootError> {
        let value = json::decode_value(bytes)?;
        let wire = sigstore_trust_root::TrustedRoot::deserialize(value).map_err(JsonError::from)?;
        if !wire.media_type.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err(TrustedRootError::MediaType(wire.media_type));
        }
        let mut unusable = Vec::new();
        let mut keep =
            |what: &str, url: &str, error: &dyn fmt::Display| unusable.push(format!("{what} {url}: {error}"));
        let mut authorities = Vec::new();
        for authority in &wire.certificate_authorities {
            match certificates(&authority.cert_chain.certificates).and_then(|chain| Authority::from_chain(&chain)) {
                Ok(what) => authorities.push(Windowed::new(what, authority.valid_for)),
                Err(error) => keep("certificate authority", &authority.uri, &error),
            }
        }
        let mut logs = Vec::new();
        for log in &wire.tlogs {
            match log_of(log.log_id.key_id.as_bytes(), &log.base_url, &log.public_key) {
                Ok(what) => logs.push(Windowed::new(what, log.public_key.valid_for)),
                Err(error) => keep("log", &log.base_url, &error),
            }
        }
        let mut ct_logs = Vec::new();
        for log in &wire.ctlogs {
            match log_of(log.log_id.key_id.as_bytes(), &log.base_url, &log.public_key) {
                Ok(what) => ct_logs.push(Windowed::new(what, log.public_key.valid_for)),
                Err(error) => keep("certificate transparency log", &log.base_url, &error),
            }
        }
        let mut timestamp_authorities = Vec::new();
        for authority in &wire.timestamp_authorities {
            let chain = certificates(&authority.cert_chain.certificates);
            match chain.and_then(|chain| TimestampAuthority::from_chain(&chain)) {
                Ok(what) => timestamp_authorities.push(Windowed::new(what, authority.valid_for)),
                Err(error) => keep("timestamp authority", authority.uri.as_deref().unwrap_or_default(), &error),
            }
        }
        if authorities.is_empty() && logs.is_empty() && timestamp_authorities.is_empty() {
            return Err(TrustedRootError::Empty { unusable });
        }
        let (naming, purpose) = (Naming::Fulcio, Purpose::CODE_SIGNING);
        let (name, id) = (name.to_owned(), RootId(hash::sha256(bytes)));
        Ok(Self { name, id, naming, purpose, authorities, logs, ct_logs, timestamp_authorities, unusable })
    }

    /// A private authority's roots (PEM, one authority each): certificates name their subjects, and nothing is logged.
    ///
    /// # Errors
    /// No PEM of certificates, or one that is no authority's.
    pub fn from_certificates(name: &str, pem: &str, purpose: Purpose) -> Result<Self, TrustedRootError> {
        let one = |certificate: SigningCertificate| {
            Ok(Windowed::new(Authority::from_chain(std::slice::from_ref(&certificate))?, None))
        };
        let authorities = SigningCertificate::all_from_pem(pem)?.into_iter().map(one);
        Ok(Self {
            name: name.to_owned(),
            id: RootId(hash::sha256(pem.as_bytes())),
            naming: Naming::Subject,
            purpose,
            authorities: authorities.collect::<Result<_, CertificateError>>()?,
            logs: Vec::new(),
            ct_logs: Vec::new(),
            timestamp_authorities: Vec::new(),
            unusable: Vec::new(),
        })
    }

    /// One that comes with this version, as it was when it was made.
    ///
    /// # Errors
    /// None of the two is unusable: a test reads both.
    pub fn embedded(instance: Instance) -> Result<Self, TrustedRootError> {
        Self::decode(instance.name(), instance.json().as_bytes())
    }

    /// What reports call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its content's name.
    #[must_use]
    pub fn id(&self) -> RootId {
        self.id
    }

    /// How its certificates say whom they were issued to.
    #[must_use]
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// What its certificates have to be for.
    #[must_use]
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// What of it was left out, and why.
    #[must_use]
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }
}

impl Instance {
    /// What it is called: `public-good`, `github`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicGood => "public-good",
            Self::GitHub => "github",
        }
    }

    /// The `trusted_root.json` that comes with this version.
    #[must_use]
    pub fn json(self) -> &'static str {
        match self {
            Self::PublicGood => SIGSTORE_PRODUCTION_TRUSTED_ROOT,
            Self::GitHub => SIGSTORE_GITHUB_TRUSTED_ROOT,
        }
    }

    /// The TUF root that its updates begin with (`src/trust/roots/README.md`).
    #[must_use]
    pub fn tuf_root(self) -> &'static [u8] {
        match self {
            Self::PublicGood => include_bytes!("roots/public-good.json"),
            Self::GitHub => include_bytes!("roots/github.json"),
        }
    }

    /// Where its TUF repository is.
    #[must_use]
    pub fn mirror(self) -> &'static str {
        match self {
            Self::PublicGood => "https://tuf-repo-cdn.sigstore.dev",
            Self::GitHub => "https://tuf-repo.github.com",
        }
    }
}

impl<T> Windowed<T> {
    fn new(what: T, window: Option<TimeRange>) -> Self {
        Self { what, start: window.map(|window| window.start), end: window.and_then(|window| window.end) }
    }

    /// Whether it was there already.
    #[must_use]
    pub fn started_by(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time)
    }

    /// Whether it may be believed about this time; both ends are inside.
    #[must_use]
    pub fn covers(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

impl TimestampAuthority {
    fn from_chain(chain: &[SigningCertificate]) -> Result<Self, CertificateError> {
        let authority = Authority::from_chain(chain)?;
        let signer = chain.first().filter(|first| !first.is_ca());
        Ok(Self { signer: signer.cloned(), authority })
    }
}

fn certificates(entries: &[CertificateEntry]) -> Result<Vec<SigningCertificate>, CertificateError> {
    entries.iter().map(|entry| SigningCertificate::from_der(entry.raw_bytes.as_bytes())).collect()
}

fn log_of(
    id: &[u8],
    url: &str,
    key: &sigstore_trust_root::trusted_root::PublicKey,
) -> Result<Log, crate::crypto::PublicKeyError> {
    let (bytes, key_details) = (key.raw_bytes.as_bytes(), key.key_details.as_str());
    // The oldest logs' keys stand there as PKCS#1 writes them.
    let key = if key_details.starts_with("PKCS1_") {
        PublicKey::from_raw(SignatureScheme::RsaPssSha256, bytes)?
    } else {
        PublicKey::from_spki_der(bytes)?
    };
    // Some of that curve sign over SHA-256, and the root says so.
    let hash = match key_details {
        "PKIX_ECDSA_P384_SHA_256" => HashAlgorithm::Sha256,
        _ => key.usual_hash(),
    };
    Ok(Log { id: id.to_vec(), key, hash, url: url.to_owned() })
}

impl Log {
    /// What its signatures stand behind in checkpoints: the first four bytes of its name (C2SP, signed notes).
    #[must_use]
    pub fn hint(&self) -> &[u8] {
        self.id.get(..4).unwrap_or(&self.id)
    }

    /// Verifies what the log signed: checkpoints, promises. Ed25519 is pure here, as everywhere in logs.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), crate::crypto::SignatureError> {
        match self.key.algorithm() {
            KeyAlgorithm::Ed25519 => self.key.verify_with(SignatureScheme::Ed25519, message, signature),
            _ => self.key.verify_hashed(self.hash, message, signature),
        }
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    #[test]
    fn the_embedded_roots_are_read_whole() {
        for instance in [Instance::PublicGood, Instance::GitHub] {
            let root = TrustedRoot::embedded(instance).unwrap();
            assert_eq!(root.unusable(), [] as [String; 0], "{}", instance.name());
            assert!(!root.authorities.is_empty() && !root.timestamp_authorities.is_empty());
            assert!(root.timestamp_authorities.iter().all(|authority| authority.what.signer.is_some()));
        }
        assert!(!TrustedRoot::embedded(Instance::PublicGood).unwrap().logs.is_empty());
    }

    #[test]
    fn a_root_without_anything_to_verify_by_is_refused() {
        let empty = br#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
        assert!(matches!(TrustedRoot::decode("empty", empty), Err(TrustedRootError::Empty { .. })));
        let other = br#"{"mediaType":"application/json"}"#;
        assert!(matches!(TrustedRoot::decode("other", other), Err(TrustedRootError::MediaType(_))));
        assert!(matches!(TrustedRoot::decode("none", b"{"), Err(TrustedRootError::Json(_))));
    }

    #[test]
    fn a_log_signs_over_the_hash_that_the_root_names() {
        use p384::ecdsa::signature::hazmat::PrehashSigner as _;
        let secret = p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap();
        let point = secret.verifying_key().to_sec1_point(false);
        let key = PublicKey::from_raw(SignatureScheme::EcdsaP384Sha384, point.as_bytes()).unwrap();
        for (details, hash) in
            [("PKIX_ECDSA_P384_SHA_384", HashAlgorithm::Sha384), ("PKIX_ECDSA_P384_SHA_256", HashAlgorithm::Sha256)]
        {
            let root = serde_json::json!({
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [{
                    "baseUrl": "https://log.test", "hashAlgorithm": "SHA2_256", "logId": { "keyId": "AAAA" },
                    "publicKey": { "rawBytes": STANDARD.encode(key.spki_der()), "keyDetails": details },
                }],
            });
            let root = TrustedRoot::decode("p384", root.to_string().as_bytes()).unwrap();
            for over in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
                let signature: p384::ecdsa::Signature = secret.sign_prehash(&over.of(b"head")).unwrap();
                let holds = root.logs[0].what.verify(b"head", signature.to_der().as_bytes()).is_ok();
                assert_eq!(holds, over == hash, "{details} {over}");
            }
        }
    }
}
