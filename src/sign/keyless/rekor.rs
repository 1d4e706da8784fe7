//! Puts signatures into transparency logs: Rekor v1 (rekor, `openapi.yaml`) and v2 (rekor-tiles, `rekor_service.proto`).

use super::{
    ServiceError, ServiceFault, Witnessed,
    config::Service,
    http::{Answer, Ask, Http},
};
use crate::{crypto::hash::sha256, limits::TRIES};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{StatusCode, header};
use serde::Serialize;
use sigstore_rekor::{DsseEntry, HashedRekord, HashedRekordV2, LogEntry, RekorV2KeyDetails};
use sigstore_types::{
    DerCertificate, DsseEnvelope, DsseSignature, KeyId, KindVersion, PayloadBytes, Sha256Hash, SignatureBytes,
    TransparencyLogEntry,
};
use std::collections::BTreeMap;

const NAME: &str = "the transparency log";

/// Logs a signature; the entry as bundles hold it.
pub(super) async fn log(
    http: &Http,
    service: &Service,
    what: &Witnessed<'_>,
    leaf: &DerCertificate,
) -> Result<TransparencyLogEntry, ServiceError> {
    let tries = if service.is_down() { 1 } else { TRIES };
    match service.version {
        1 => log_v1(http, service, what, leaf, tries).await,
        _ => log_v2(http, service, what, leaf, tries).await,
    }
}

async fn log_v1(
    http: &Http,
    service: &Service,
    what: &Witnessed<'_>,
    leaf: &DerCertificate,
    tries: u32,
) -> Result<TransparencyLogEntry, ServiceError> {
    let url = format!("{}/api/v1/log/entries", service.url);
    let signature = SignatureBytes::from_bytes(what.signature());
    let (body, kind) = match what {
        Witnessed::Envelope(envelope) => {
            let payload = PayloadBytes::from_bytes(&envelope.payload);
            let signature = DsseSignature::new(signature, KeyId::default());
            let envelope = DsseEnvelope::new(envelope.payload_type.clone(), payload, signature);
            let entry = DsseEntry::new(&envelope, leaf).map_err(|error| error.to_string());
            let at = "/spec/proposedContent/verifiers/0";
            (entry.and_then(|entry| encode_with(&entry, at, leaf)), KindVersion::DsseV001)
        }
        Witnessed::Message { sha256, .. } => {
            let hash = Sha256Hash::new(*sha256);
            let (entry, at) = (HashedRekord::new(&hash, &signature, leaf), "/spec/signature/publicKey/content");
            (encode_with(&entry, at, leaf), KindVersion::HashedRekordV001)
        }
    };
    let body = body.map_err(|why| Ask::get(NAME, &url).fails(ServiceFault::Answer(why)))?;
    let mut ask = Ask::post(NAME, &url, "application/json", body);
    // A try whose answer was lost has logged it: the second one is told where it stands.
    (ask.tries, ask.also) = (tries, &[StatusCode::CONFLICT]);
    let answer = http.ask(&ask).await?;
    let entry = if answer.status == StatusCode::CONFLICT {
        let at = existing(&answer).ok_or_else(|| ask.fails(conflict()))?;
        let url = format!("{url}/{at}");
        let ask = Ask { tries, ..Ask::get(NAME, &url) };
        single(&ask, &http.ask(&ask).await?)?
    } else {
        single(&ask, &answer)?
    };
    entry.to_bundle_entry(kind).map_err(|error| ask.fails(ServiceFault::Answer(error.to_string())))
}

/// The entry, with the certificate `at` in PEM with line feeds alone, as logs write it down and other clients expect to find it;
/// the crate's has carriage returns too.
fn encode_with(entry: &impl Serialize, at: &str, leaf: &DerCertificate) -> Result<Vec<u8>, String> {
    let mut value = serde_json::to_value(entry).map_err(|error| error.to_string())?;
    let pem = leaf.to_pem().replace("\r\n", "\n");
    *value.pointer_mut(at).ok_or_else(|| format!("the entry has no {at}"))? = STANDARD.encode(pem).into();
    encode(&value)
}

/// The entry that a conflict names: the last part of its `Location`, a hexadecimal name.
fn existing(answer: &Answer) -> Option<String> {
    let location = answer.headers.get(header::LOCATION)?.to_str().ok()?;
    let name = location.rsplit('/').next().filter(|name| (64..=80).contains(&name.len()))?;
    name.bytes().all(|b| b.is_ascii_hexdigit()).then(|| name.to_owned())
}

fn conflict() -> ServiceFault {
    ServiceFault::Status {
        status: StatusCode::CONFLICT.as_u16(),
        words: Some("it does not say where the entry is".to_owned()),
    }
}

fn single(ask: &Ask<'_>, answer: &Answer) -> Result<LogEntry, ServiceError> {
    let unlike = |why: String| ask.fails(ServiceFault::Answer(why));
    let entries: BTreeMap<String, LogEntry> =
        serde_json::from_slice(&answer.body).map_err(|error| unlike(error.to_string()))?;
    let mut entries = entries.into_values();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        _ => Err(unlike("expected one log entry".to_owned())),
    }
}

/// An envelope is logged by the hash of what is signed, as cosign does: clients of the `dsse` kind read no other's.
async fn log_v2(
    http: &Http,
    service: &Service,
    what: &Witnessed<'_>,
    leaf: &DerCertificate,
    tries: u32,
) -> Result<TransparencyLogEntry, ServiceError> {
    let url = format!("{}/api/v2/log/entries", service.url);
    let hash = Sha256Hash::new(match what {
        Witnessed::Envelope(envelope) => sha256(&envelope.pae()),
        Witnessed::Message { sha256, .. } => *sha256,
    });
    let signature = SignatureBytes::from_bytes(what.signature());
    let details = RekorV2KeyDetails::PkixEcdsaP256Sha256;
    let entry = HashedRekordV2::new_with_certificate(&hash, &signature, leaf, details);
    let body = encode(&entry).map_err(|why| Ask::get(NAME, &url).fails(ServiceFault::Answer(why)))?;
    let ask = Ask { tries, ..Ask::post(NAME, &url, "application/json", body) };
    let answer = http.ask(&ask).await?;
    serde_json::from_slice(&answer.body).map_err(|error| ask.fails(ServiceFault::Answer(error.to_string())))
}

fn encode(entry: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(entry).map_err(|error| error.to_string())
}
