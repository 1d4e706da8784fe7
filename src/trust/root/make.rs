//! Makes a `trusted_root.json` of keys and certificates, member for member as `cosign trusted-root create` does.

use crate::{
    crypto::{
        Certificate, CertificateError, KeyAlgorithm, PublicKey, PublicKeyError, SigningCertificate,
        hash::{self, HashAlgorithm},
    },
    json::{self, JsonError},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
const AUTHORITIES: &str = "certificateAuthorities";
const LOGS: &str = "tlogs";
const CT_LOGS: &str = "ctlogs";
const TIMESTAMP_AUTHORITIES: &str = "timestampAuthorities";

/// A service that is to be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Where it is; may be empty.
    pub url: String,
    /// From when on it is believed: else from the first certificate's first moment, of a key always.
    pub start: Option<Timestamp>,
    /// Until when.
    pub end: Option<Timestamp>,
    /// What a log's checkpoints call it, for logs that are named by that and their key (C2SP, signed notes).
    pub origin: Option<String>,
}

/// The parts of a trusted root that is made. A kind of which nothing was added stands empty.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    authorities: Vec<Value>,
    logs: Vec<Value>,
    ct_logs: Vec<Value>,
    timestamp_authorities: Vec<Value>,
}

/// Why keys or certificates make no part of a trusted root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// No certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No key.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
    /// Certificates of which one did not issue the other.
    #[error(
        "the chain is in no order: {issuer:?} issued {subject:?}, and the next certificate is {next:?}; expected the authority's own certificate last"
    )]
    Order {
        /// Whose certificate it is.
        subject: String,
        /// Who issued it.
        issuer: String,
        /// Whose certificate comes next.
        next: String,
    },
    /// A certificate that issues none.
    #[error("{0:?} is no certification authority")]
    NoAuthority(String),
    /// A timestamp authority without its own certificate.
    #[error("expected the certificate that signs timestamps first; {0:?} is a certification authority's")]
    NoLeaf(String),
    /// Certificates none of which is a root.
    #[error("no root among the certificates: none names itself as its issuer")]
    NoRoot,
    /// A certificate that leads to no root of the file.
    #[error("{0:?} leads to no root of the file")]
    Stray(String),
    /// A kind of key that trusted roots have no name for.
    #[error(
        "{0} is no kind of key that a trusted root names; expected P-256, P-384, Ed25519, or RSA of 2048, 3072 or 4096 bits"
    )]
    KeyKind(KeyAlgorithm),
    /// A window that closes before it opens.
    #[error("it ends at {end}, before it starts at {start}")]
    Window {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// The root that the rest is taken from can't be read.
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl Parts {
    /// Adds a certificate authority by its chain: certificates that it issued to intermediates first, its own last.
    ///
    /// # Errors
    /// As [`MakeError`] says.
    pub fn authority(&mut self, pem: &str, service: &Service) -> Result<(), MakeError> {
        let chain = SigningCertificate::all_from_pem(pem)?;
        if let Some(other) = chain.iter().find(|certificate| !certificate.is_ca()) {
            return Err(MakeError::NoAuthority(other.subject().to_owned()));
        }
        self.authorities.push(chain_value(&chain, service)?);
        Ok(())
    }

    /// Adds certificate authorities as `SIGSTORE_ROOT_FILE` names them: roots and intermediates in any order.
    ///
    /// # Errors
    /// As [`MakeError`] says.
    pub fn authority_pool(&mut self, pem: &str) -> Result<(), MakeError> {
        let (roots, mut others): (Vec<_>, Vec<_>) =
            SigningCertificate::all_from_pem(pem)?.into_iter().partition(|one| one.subject() == one.issuer());
        if roots.is_empty() {
            return Err(MakeError::NoRoot);
        }
        for root in roots {
            // From the root down, so that what an intermediate issued is found too.
            let mut chain = vec![root];
            while let Some(at) = others.iter().position(|one| chain.iter().any(|known| known.subject() == one.issuer()))
            {
                chain.push(others.remove(at));
            }
            if let Some(other) = chain.iter().find(|certificate| !certificate.is_ca()) {
                return Err(MakeError::NoAuthority(other.subject().to_owned()));
            }
            chain.reverse();
            let start = chain.last().map(|root| root.validity().0);
            self.authorities.push(unordered_chain_value(&chain, &Service { start, ..Service::default() })?);
        }
        others.first().map_or(Ok(()), |stray| Err(MakeError::Stray(stray.subject().to_owned())))
    }

    /// Adds a timestamp authority by its chain: the certificate that signs first, the authority's own last.
    ///
    /// # Errors
    /// As [`MakeError`] says.
    pub fn timestamp_authority(&mut self, pem: &str, service: &Service) -> Result<(), MakeError> {
        let chain = SigningCertificate::all_from_pem(pem)?;
        if let Some(first) = chain.first().filter(|first| first.is_ca()) {
            return Err(MakeError::NoLeaf(first.subject().to_owned()));
        }
        self.timestamp_authorities.push(chain_value(&chain, service)?);
        Ok(())
    }

    /// Adds a transparency log by its key.
    ///
    /// # Errors
    /// As [`MakeError`] says.
    pub fn log(&mut self, pem: &[u8], service: &Service) -> Result<(), MakeError> {
        self.logs.push(log_value(pem, service)?);
        Ok(())
    }

    /// Adds a certificate transparency log by its key.
    ///
    /// # Errors
    /// As [`MakeError`] says.
    pub fn ct_log(&mut self, pem: &[u8], service: &Service) -> Result<(), MakeError> {
        self.ct_logs.push(log_value(pem, service)?);
        Ok(())
    }

    /// How many there are of each kind: logs, certificate authorities, certificate transparency logs, timestamp authorities.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        self.kinds().map(|(_, values)| values.len())
    }

    /// Takes what another trusted root has of the kinds of which nothing was added.
    ///
    /// # Errors
    /// The other one is no JSON.
    pub fn fill_from(&mut self, other: &[u8]) -> Result<(), MakeError> {
        let mut other = json::decode_value(other)?;
        for (name, values) in self.kinds_mut() {
            if let Some(Value::Array(theirs)) = other.get_mut(name).map(Value::take).filter(|_| values.is_empty()) {
                *values = theirs;
            }
        }
        Ok(())
    }

    /// The document.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut root = json!({ "mediaType": MEDIA_TYPE });
        for (name, values) in self.kinds() {
            if let (false, Some(members)) = (values.is_empty(), root.as_object_mut()) {
                members.insert(name.to_owned(), Value::Array(values.clone()));
            }
        }
        format!("{root:#}\n").into_bytes()
    }

    fn kinds(&self) -> [(&'static str, &Vec<Value>); 4] {
        [
            (LOGS, &self.logs),
            (AUTHORITIES, &self.authorities),
            (CT_LOGS, &self.ct_logs),
            (TIMESTAMP_AUTHORITIES, &self.timestamp_authorities),
        ]
    }

    fn kinds_mut(&mut self) -> [(&'static str, &mut Vec<Value>); 4] {
        [
            (LOGS, &mut self.logs),
            (AUTHORITIES, &mut self.authorities),
            (CT_LOGS, &mut self.ct_logs),
            (TIMESTAMP_AUTHORITIES, &mut self.timestamp_authorities),
        ]
    }
}

fn chain_value(chain: &[SigningCertificate], service: &Service) -> Result<Value, MakeError> {
    for pair in chain.windows(2) {
        let [one, next] = pair else { continue };
        if one.issuer() != next.subject() {
            return Err(MakeError::Order {
                subject: one.subject().to_owned(),
                issuer: one.issuer().to_owned(),
                next: next.subject().to_owned(),
            });
        }
    }
    unordered_chain_value(chain, service)
}

fn unordered_chain_value(chain: &[SigningCertificate], service: &Service) -> Result<Value, MakeError> {
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
        return Err(CertificateError::NoChain.into());
    };
    let window = window(service, first.validity().0)?;
    let last = Certificate::from_der(last.der())?;
    let raw = chain.iter().map(|one| json!({ "rawBytes": STANDARD.encode(one.der()) }));
    Ok(json!({
        "subject": { "organization": last.organization().unwrap_or_default(), "commonName": last.common_name().unwrap_or_default() },
        "uri": service.url,
        "certChain": { "certificates": raw.collect::<Vec<_>>() },
        "validFor": window,
    }))
}

fn log_value(pem: &[u8], service: &Service) -> Result<Value, MakeError> {
    let key = PublicKey::from_pem_bytes(pem)?;
    // Other readers refuse a key without a start; 1970 says "always".
    let window = window(service, Timestamp::UNIX_EPOCH)?;
    Ok(json!({
        "baseUrl": service.url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": STANDARD.encode(key.spki_der()),
            "keyDetails": key_details(key.algorithm())?,
            "validFor": window,
        },
        "logId": { "keyId": STANDARD.encode(log_id(&key, service.origin.as_deref())) },
    }))
}

fn window(service: &Service, start: Timestamp) -> Result<Value, MakeError> {
    let start = service.start.unwrap_or(start);
    match service.end {
        Some(end) if end < start => Err(MakeError::Window { start, end }),
        Some(end) => Ok(json!({ "start": start.to_string(), "end": end.to_string() })),
        None => Ok(json!({ "start": start.to_string() })),
    }
}

/// `PublicKeyDetails` (sigstore/protobuf-specs, `sigstore_common.proto`).
fn key_details(algorithm: KeyAlgorithm) -> Result<String, MakeError> {
    match algorithm {
        KeyAlgorithm::EcdsaP256 => Ok("PKIX_ECDSA_P256_SHA_256".to_owned()),
        KeyAlgorithm::EcdsaP384 => Ok("PKIX_ECDSA_P384_SHA_384".to_owned()),
        KeyAlgorithm::Ed25519 => Ok("PKIX_ED25519".to_owned()),
        KeyAlgorithm::Rsa(bits @ (2048 | 3072 | 4096)) => Ok(format!("PKIX_RSA_PKCS1V15_{bits}_SHA256")),
        other @ KeyAlgorithm::Rsa(_) => Err(MakeError::KeyKind(other)),
    }
}

/// SHA-256 of the key (RFC 6962, 3.2), or of origin and key where checkpoints name the log so (C2SP, signed notes; for RSA as
/// sigstore/rekor-tiles has it). An ECDSA key's is the first either way.
fn log_id(key: &PublicKey, origin: Option<&str>) -> Vec<u8> {
    let spki = key.spki_der();
    let (kind, key_bytes): (&[u8], &[u8]) = match (key.algorithm(), origin) {
        (KeyAlgorithm::Ed25519, Some(_)) => (&[1], spki.last_chunk::<32>().map_or(spki, |raw| raw.as_slice())),
        (KeyAlgorithm::Rsa(_), Some(_)) => (b"\xffPKIX-RSA-PKCS#1v1.5", spki),
        _ => return hash::sha256(spki).to_vec(),
    };
    let named = [origin.unwrap_or_default().as_bytes(), b"\n", kind, key_bytes].concat();
    HashAlgorithm::Sha256.of(&named)
}

#[cfg(test)]
mod tests;
