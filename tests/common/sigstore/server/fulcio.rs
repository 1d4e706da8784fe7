//! Fulcio's API v2 (fulcio.proto): a certificate for whoever holds a token and a key.

use super::super::{Identity, Leaf, PrivateSigstore, San, pem, unb64};
use super::{Answer, Asked};
use boltseal::crypto::PublicKey;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use x509_cert::{
    der::{Decode as _, Encode as _},
    request::CertReq,
};

pub fn answer(services: &PrivateSigstore, asked: &Asked) -> Result<Answer, Answer> {
    match asked.path.as_str() {
        "/api/v2/signingCert" => certificate(services, asked),
        "/api/v2/trustBundle" => {
            Ok(Answer::json(200, &json!({ "chains": [{ "certificates": pems(&services.ca.chain) }] })))
        }
        _ => {
            let issuer = &services.oidc.issuer;
            let issuer = json!({ "issuerUrl": issuer, "audience": "sigstore", "challengeClaim": "email" });
            Ok(Answer::json(200, &json!({ "issuers": [issuer] })))
        }
    }
}

fn certificate(services: &PrivateSigstore, asked: &Asked) -> Result<Answer, Answer> {
    let now = Timestamp::now();
    let request: Value = serde_json::from_slice(&asked.body).map_err(Answer::bad)?;
    let bearer = asked.authorization.strip_prefix("Bearer ");
    let token = request["credentials"]["oidcIdentityToken"].as_str().or(bearer).unwrap_or_default();
    let claims = services.oidc.check(token, now).map_err(|e| Answer::refusal(401, format!("the token is {e}")))?;
    let subject = claims["email"].as_str().or(claims["sub"].as_str()).unwrap_or_default();
    let key = match request["certificateSigningRequest"].as_str() {
        Some(csr) => of_csr(csr)?,
        None => of_proof(&request["publicKeyRequest"], subject)?,
    };
    // A verifier's clock may be a little behind.
    let mut leaf = Leaf::new(identity(&claims), now - SignedDuration::from_secs(5));
    leaf.sct_time = Some(now);
    let issued = services.ca.issue(key.spki_der(), &leaf);
    let chain = [vec![issued.leaf], issued.chain].concat();
    let answer = json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": pems(&chain) } } });
    Ok(Answer::json(200, &answer))
}

/// The key of a request for a certificate (PKCS #10; PEM, in base64 or not), which signed it.
fn of_csr(text: &str) -> Result<PublicKey, Answer> {
    let decoded = unb64(text).unwrap_or_else(|| text.as_bytes().to_vec());
    let body: String = String::from_utf8(decoded).map_err(Answer::bad)?;
    let body: String = body.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = unb64(&body).ok_or_else(|| Answer::bad("the signing request is no PEM"))?;
    let request = CertReq::from_der(&der).map_err(Answer::bad)?;
    let key = PublicKey::from_spki_der(&request.info.public_key.to_der().map_err(Answer::bad)?).map_err(Answer::bad)?;
    let signed = request.info.to_der().map_err(Answer::bad)?;
    key.verify(&signed, request.signature.raw_bytes()).map_err(|e| Answer::bad(format!("the signing request: {e}")))?;
    Ok(key)
}

/// A key that signed the token's subject.
fn of_proof(request: &Value, subject: &str) -> Result<PublicKey, Answer> {
    let content = request["publicKey"]["content"].as_str().unwrap_or_default();
    let decoded = unb64(content).unwrap_or_else(|| content.as_bytes().to_vec());
    let key = PublicKey::from_pem_bytes(&decoded).map_err(Answer::bad)?;
    let proof = request["proofOfPossession"].as_str().and_then(unb64);
    let proof = proof.ok_or_else(|| Answer::bad("there is no proof of possession"))?;
    key.verify(subject.as_bytes(), &proof).map_err(|e| Answer::bad(format!("the proof of possession: {e}")))?;
    Ok(key)
}

/// What Fulcio makes of a token: an address, a GitHub workflow, a URI, or a name.
fn identity(claims: &Value) -> Identity {
    let claim = |name: &str| claims[name].as_str();
    let issuer = claim("iss").unwrap_or_default();
    if let Some(address) = claim("email") {
        return Identity::email(issuer, address);
    }
    let subject = claim("sub").unwrap_or_default();
    let Some(workflow) = claim("job_workflow_ref") else {
        let uri = subject.contains("://");
        let san = if uri { San::Uri(subject.to_owned()) } else { San::OtherName(subject.to_owned()) };
        return Identity::new(issuer, san);
    };
    let url = |path: &str| format!("https://github.com/{path}");
    let mut who = Identity::uri(issuer, &url(workflow)).claim(9, &url(workflow));
    for (number, name, is_path) in [
        (2, "event_name", false),
        (3, "sha", false),
        (4, "workflow", false),
        (5, "repository", false),
        (6, "ref", false),
        (10, "job_workflow_sha", false),
        (11, "runner_environment", false),
        (12, "repository", true),
        (13, "sha", false),
        (14, "ref", false),
        (15, "repository_id", false),
        (16, "repository_owner", true),
        (17, "repository_owner_id", false),
        (18, "workflow_ref", true),
        (19, "workflow_sha", false),
        (20, "event_name", false),
        (22, "repository_visibility", false),
    ] {
        if let Some(value) = claim(name) {
            who = who.claim(number, &if is_path { url(value) } else { value.to_owned() });
        }
    }
    who
}

fn pems(chain: &[Vec<u8>]) -> Vec<String> {
    chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
}
