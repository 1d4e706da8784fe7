//! Asks Fulcio for a certificate (fulcio, `fulcio.proto`, `CreateSigningCertificate`).

use super::{
    IdentityToken, KeylessError, ServiceFault,
    config::Service,
    http::{Ask, Http},
};
use crate::{
    crypto::{Certificate, PrivateKey},
    limits::TRIES,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sigstore_types::DerCertificate;
use zeroize::Zeroizing;

const NAME: &str = "Fulcio";

/// A key for one run, and the certificate that says whose it is.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) key: PrivateKey,
    pub(super) leaf: DerCertificate,
    /// The end of its validity.
    pub(super) not_after: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    credentials: Credentials<'a>,
    public_key_request: KeyRequest<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credentials<'a> {
    oidc_identity_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyRequest<'a> {
    public_key: KeyContent<'a>,
    proof_of_possession: String,
}

#[derive(Serialize)]
struct KeyContent<'a> {
    algorithm: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    signed_certificate_embedded_sct: Option<Signed>,
    signed_certificate_detached_sct: Option<Signed>,
}

#[derive(Deserialize)]
struct Signed {
    chain: Chain,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

/// Has a key certified as the token's subject's. The key is proved to be held by a signature over the subject.
pub(super) async fn certify(
    http: &Http,
    service: &Service,
    token: &IdentityToken,
    key: PrivateKey,
) -> Result<Issued, KeylessError> {
    let url = format!("{}/api/v2/signingCert", service.url);
    let proof = STANDARD.encode(key.sign(token.challenge().as_bytes())?);
    let pem = key.public().to_pem();
    let request = Request {
        credentials: Credentials { oidc_identity_token: token.secret() },
        public_key_request: KeyRequest {
            public_key: KeyContent { algorithm: "ECDSA", content: &pem },
            proof_of_possession: proof,
        },
    };
    // With room for all of it: a buffer that grows leaves copies of the token behind.
    let mut body = Zeroizing::new(Vec::with_capacity(token.secret().len() + 2_048));
    serde_json::to_writer(&mut *body, &request).map_err(|error| KeylessError::Certificate(error.to_string()))?;
    let mut ask = Ask::post(NAME, &url, "application/json", std::mem::take(&mut *body));
    ask.tries = if service.is_down() { 1 } else { TRIES };
    let answer = http.ask(&ask).await?;
    let unlike = |why: String| KeylessError::from(ask.fails(ServiceFault::Answer(why)));
    let response: Response = serde_json::from_slice(&answer.body).map_err(|error| unlike(error.to_string()))?;
    let signed = match (response.signed_certificate_embedded_sct, response.signed_certificate_detached_sct) {
        (Some(signed), None) => signed,
        (None, Some(_)) => {
            return Err(unlike("the certificate comes with a detached SCT, which bundles can't carry".to_owned()));
        }
        _ => return Err(unlike("it holds no certificate".to_owned())),
    };
    issued(key, &signed.chain.certificates)
}

fn issued(key: PrivateKey, pems: &[String]) -> Result<Issued, KeylessError> {
    // Those above it are the trusted root's to name.
    let leaf = pems.first().ok_or_else(|| KeylessError::Certificate("its chain is empty".to_owned()))?;
    let leaf = DerCertificate::from_pem(leaf).map_err(|error| KeylessError::Certificate(error.to_string()))?;
    let read = Certificate::from_der(leaf.as_bytes())?;
    if read.public_key() != key.public() {
        return Err(KeylessError::Certificate("it is another key's".to_owned()));
    }
    let not_after = read.not_after().ok_or_else(|| KeylessError::Certificate("it never expires".to_owned()))?;
    Ok(Issued { key, leaf, not_after })
}
