//! The issuer: discovery, keys, the authorization code flow with PKCE (everybody is logged in at once, as the address in
//! `login_hint`), and what a runner of GitHub Actions asks for its own token.

use super::super::{Hash, PrivateSigstore};
use super::{Answer, Asked};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who is logged in without a hint.
const SOMEBODY: &str = "jane@example.com";

type Form = BTreeMap<String, String>;

pub fn answer(services: &PrivateSigstore, asked: &Asked) -> Result<Answer, Answer> {
    let query = form(asked.query.as_bytes());
    match asked.path.as_str() {
        "/keys" => Ok(Answer::json(200, &services.oidc.jwks())),
        "/auth" => authorize(&query),
        "/token" => token(services, &form(&asked.body)),
        "/actions" => {
            let claims = json!({
                "sub": "repo:acme/cart:ref:refs/heads/main", "aud": query.get("audience"),
                "job_workflow_ref": "acme/cart/.github/workflows/release.yml@refs/heads/main",
                "repository": "acme/cart", "repository_owner": "acme", "ref": "refs/heads/main", "event_name": "push",
                "sha": "0123456789abcdef0123456789abcdef01234567", "runner_environment": "github-hosted",
            });
            Ok(Answer::json(200, &json!({ "value": services.oidc.token(&claims, Timestamp::now()) })))
        }
        _ => Ok(Answer::json(200, &services.oidc.discovery())),
    }
}

/// Sends the browser back with a code: what the token will need, as there is nobody to keep it from.
fn authorize(query: &Form) -> Result<Answer, Answer> {
    let back = query.get("redirect_uri").ok_or_else(|| Answer::bad("there is no redirect_uri"))?;
    let code = URL_SAFE_NO_PAD.encode(json!(query).to_string());
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.append_pair("code", &code);
    if let Some(state) = query.get("state") {
        pairs.append_pair("state", state);
    }
    Ok(Answer::new(302, "text/plain", "").header("location", &format!("{back}?{}", pairs.finish())))
}

fn token(services: &PrivateSigstore, form: &Form) -> Result<Answer, Answer> {
    let code = form.get("code").and_then(|code| URL_SAFE_NO_PAD.decode(code).ok());
    let asked = code.and_then(|code| serde_json::from_slice::<Form>(&code).ok());
    let asked = asked.ok_or_else(|| Answer::bad("there is no code"))?;
    let verifier = form.get("code_verifier").map(String::as_str).unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode(Hash::Sha256.of(verifier.as_bytes()));
    if asked.get("code_challenge").is_some_and(|wanted| *wanted != challenge) {
        return Err(Answer::bad("invalid_grant"));
    }
    let address = asked.get("login_hint").map_or(SOMEBODY, String::as_str);
    let mut claims: Value = json!({ "sub": address, "email": address, "email_verified": true });
    if let Some(nonce) = asked.get("nonce") {
        claims["nonce"] = json!(nonce);
    }
    let token = services.oidc.token(&claims, Timestamp::now());
    let answer = json!({ "access_token": token, "id_token": token, "token_type": "Bearer", "expires_in": 3600 });
    Ok(Answer::json(200, &answer))
}

fn form(encoded: &[u8]) -> Form {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}
