//! Rekor v2's API (rekor-tiles' rekor_service.proto): entries are written; its tiles are not served.

use super::super::{Body, PrivateSigstore, bodies::dsse_v2_of, unb64};
use super::{Answer, Asked};
use http::Method;
use serde_json::{Value, json};

pub fn answer(services: &PrivateSigstore, asked: &Asked) -> Result<Answer, Answer> {
    let rekor = &services.rekor2;
    match (&asked.method, asked.path.as_str()) {
        (&Method::POST, "/api/v2/log/entries") => {
            let request: Value = serde_json::from_slice(&asked.body).map_err(Answer::bad)?;
            let body = logged(&request).ok_or_else(|| Answer::bad("this is no entry"))?;
            Ok(Answer::json(201, &rekor.add(&body)))
        }
        (&Method::GET, "/api/v2/checkpoint") => Ok(Answer::new(200, "text/plain", rekor.log.checkpoint())),
        _ => Err(Answer::refusal(404, "there is nothing at this path")),
    }
}

fn logged(request: &Value) -> Option<Body> {
    if let Some(request) = request.get("hashedRekordRequestV002") {
        let signature = &request["signature"];
        let verifier = verifier(&signature["verifier"])?;
        unb64(signature["content"].as_str()?)?;
        let algorithm = match (verifier["keyDetails"].as_str()?, unb64(request["digest"].as_str()?)?.len()) {
            ("PKIX_ECDSA_P384_SHA_384", 48) => "SHA2_384",
            ("PKIX_ECDSA_P521_SHA_512" | "PKIX_ED25519_PH", 64) => "SHA2_512",
            (_, 32) => "SHA2_256",
            _ => return None,
        };
        let spec = json!({ "hashedRekordV002": {
            "data": { "algorithm": algorithm, "digest": request["digest"] },
            "signature": { "content": signature["content"], "verifier": verifier },
        } });
        return Some(Body { kind: "hashedrekord", version: "0.0.2", spec });
    }
    let request = request.get("dsseRequestV002")?;
    match request["verifiers"].as_array()?.as_slice() {
        [one] => dsse_v2_of(&request["envelope"], &verifier(one)?),
        _ => None,
    }
}

/// A verifier as it is logged.
fn verifier(given: &Value) -> Option<Value> {
    let details = given["keyDetails"].as_str()?;
    let name = if given.get("x509Certificate").is_some() { "x509Certificate" } else { "publicKey" };
    unb64(given[name]["rawBytes"].as_str()?)?;
    Some(json!({ name: { "rawBytes": given[name]["rawBytes"] }, "keyDetails": details }))
}
