//! An OIDC issuer: tokens by ES256, and what a verifier asks of an issuer.

use super::keys::Key;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use serde_json::{Value, json};

const AUDIENCE: &str = "sigstore";
/// Seconds that a token is good for.
const LIFETIME: i64 = 3600;

pub struct Oidc {
    pub issuer: String,
    key: Key,
}

impl Oidc {
    pub fn new(issuer: &str) -> Self {
        Self { issuer: issuer.to_owned(), key: Key::p256() }
    }

    /// A token for somebody with an address.
    pub fn email_token(&self, address: &str, now: Timestamp) -> String {
        self.token(&json!({ "sub": address, "email": address, "email_verified": true }), now)
    }

    /// A token for a workflow or another machine: its subject is a URI, or `job_workflow_ref` says what runs.
    pub fn subject_token(&self, subject: &str, now: Timestamp) -> String {
        self.token(&json!({ "sub": subject }), now)
    }

    /// A token with these claims on top of the usual ones, which they may replace.
    pub fn token(&self, claims: &Value, now: Timestamp) -> String {
        let now = now.as_second();
        let mut all = json!({
            "iss": self.issuer, "aud": AUDIENCE, "iat": now - 5, "nbf": now - 5, "exp": now + LIFETIME,
        });
        for (name, value) in claims.as_object().expect("claims") {
            all[name] = value.clone();
        }
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "1" });
        let signed = [header, all].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = Signature::from_der(&self.key.sign(signed.as_bytes())).expect("ECDSA");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The claims of a token of this issuer that is good now.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Value, String> {
        let (signed, signature) = token.rsplit_once('.').ok_or("no JWT")?;
        let (_, claims) = signed.split_once('.').ok_or("no JWT")?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|e| e.to_string());
        let signature = Signature::from_slice(&decode(signature)?).map_err(|e| e.to_string())?;
        let key = VerifyingKey::from_sec1_bytes(&self.point()).map_err(|e| e.to_string())?;
        key.verify(signed.as_bytes(), &signature).map_err(|_| "not signed by this issuer")?;
        let claims: Value = serde_json::from_slice(&decode(claims)?).map_err(|e| e.to_string())?;
        if claims["iss"] != self.issuer.as_str() || claims["aud"] != AUDIENCE {
            return Err("for somebody else".to_owned());
        }
        match claims["exp"].as_i64() {
            Some(end) if end > now.as_second() => Ok(claims),
            _ => Err("expired".to_owned()),
        }
    }

    /// `/.well-known/openid-configuration`
    pub fn discovery(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}/keys"),
            "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
            "response_types_supported": ["code", "id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"], "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email"],
        })
    }

    pub fn jwks(&self) -> Value {
        let point = self.point();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1", "x": x, "y": y }] })
    }

    /// The public key as SEC 1 has it, the end of its SubjectPublicKeyInfo.
    fn point(&self) -> Vec<u8> {
        let spki = self.key.spki();
        spki[spki.len() - 65..].to_vec()
    }
}
