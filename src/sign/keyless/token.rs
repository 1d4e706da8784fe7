//! Identity tokens (OpenID Connect Core 1.0, 2): what of them becomes public is read here; Fulcio alone verifies them.

use super::KeylessError;
use crate::{json, limits::ID_TOKEN_BYTES};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use zeroize::Zeroizing;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const GITLAB: &str = "https://gitlab.com";
const BUILDKITE: &str = "https://agent.buildkite.com";

/// An identity token. It is a secret: whoever has it can sign as its subject until it expires. Wiped on drop, never printed.
pub struct IdentityToken {
    text: Zeroizing<String>,
    issuer: String,
    challenge: String,
    audience: Vec<String>,
    expires: Timestamp,
    announced: Announced,
}

/// Who a certificate will name, as far as the token says, and what else of it becomes public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The identity provider.
    pub issuer: String,
    /// The signer, as policies name it.
    pub subject: String,
    /// What certificates of CI systems say besides: name and value.
    pub details: Vec<(&'static str, String)>,
}

/// Claims of CI systems that Fulcio copies into certificates (fulcio, docs/oid-info.md), for GitHub and for GitLab.
const DETAILS: [&str; 12] = [
    "repository",
    "project_path",
    "ref",
    "sha",
    "workflow",
    "event_name",
    "pipeline_source",
    "run_id",
    "pipeline_id",
    "job_id",
    "repository_visibility",
    "project_visibility",
];

impl fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityToken").field("announced", &self.announced).finish_non_exhaustive()
    }
}

impl IdentityToken {
    /// Reads a token's claims. `origin` says where it came from, for errors.
    ///
    /// Checks: three parts, claims in strict JSON, an issuer, a subject and an expiry. Does not check: its signature.
    ///
    /// # Errors
    /// It is no such token; the message holds nothing of it.
    pub fn parse(origin: &str, text: &str) -> Result<Self, KeylessError> {
        let wrong = |why: String| KeylessError::Token { origin: origin.to_owned(), why };
        let text = text.trim();
        if text.len() as u64 > ID_TOKEN_BYTES {
            return Err(wrong(format!("more than {ID_TOKEN_BYTES} bytes")));
        }
        let mut parts = text.split('.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("not a JSON Web Token: expected three parts with dots between them".to_owned()));
        };
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map(Zeroizing::new);
        let payload = payload.map_err(|_| wrong("its claims are no base64url".to_owned()))?;
        let claims = json::decode_value(&payload).map_err(|_| wrong("its claims are no strict JSON".to_owned()))?;
        let claim = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let needed = |name: &str| claim(name).ok_or_else(|| wrong(format!("it has no claim `{name}`")));
        let issuer = needed("iss")?.to_owned();
        let subject = needed("sub")?;
        let expires = claims.get("exp").and_then(Value::as_i64).and_then(|at| Timestamp::from_second(at).ok());
        let audience = match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            challenge: claim("email").unwrap_or(subject).to_owned(),
            audience,
            expires: expires.ok_or_else(|| wrong("it has no claim `exp`".to_owned()))?,
            announced: announce(&issuer, subject, &claims),
            issuer,
            text: Zeroizing::new(text.to_owned()),
        })
    }

    /// Whether it can be shown to Fulcio now.
    ///
    /// # Errors
    /// It has expired, or it was made for somebody else than `audience`.
    pub fn check(&self, origin: &str, audience: &str, now: Timestamp) -> Result<(), KeylessError> {
        let wrong = |why| Err(KeylessError::Token { origin: origin.to_owned(), why });
        if now >= self.expires {
            return wrong(format!("it expired at {}; it is {}", self.expires, seconds(now)));
        }
        if !self.audience.iter().any(|one| one == audience) {
            let named = if self.audience.is_empty() { "nobody".to_owned() } else { self.audience.join(", ") };
            return wrong(format!("it was made for {named}, expected the audience {audience:?}"));
        }
        Ok(())
    }

    /// Who the certificate will name.
    #[must_use]
    pub fn announced(&self) -> &Announced {
        &self.announced
    }

    /// Who made it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What has to be signed to prove that the key is held (Fulcio: the claim that names the subject).
    pub(super) fn challenge(&self) -> &str {
        &self.challenge
    }

    pub(super) fn secret(&self) -> &str {
        &self.text
    }

    /// A claim's value, for tokens that have to answer a request.
    pub(super) fn claims(text: &str) -> Option<Value> {
        let payload = text.split('.').nth(1)?;
        json::decode_value(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
    }
}

/// As Fulcio's rules for each issuer name the signer (fulcio, pkg/identity): for others the token's subject.
fn announce(issuer: &str, subject: &str, claims: &Value) -> Announced {
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let built = match issuer {
        // An enterprise's own issuer has its name behind GitHub's.
        github if github.strip_prefix(GITHUB).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) => {
            claim("job_workflow_ref").map(|workflow| format!("https://github.com/{workflow}"))
        }
        GITLAB => claim("ci_config_ref_uri").map(|config| format!("https://{config}")),
        BUILDKITE => claim("organization_slug")
            .zip(claim("pipeline_slug"))
            .map(|(organization, pipeline)| format!("https://buildkite.com/{organization}/{pipeline}")),
        _ => claim("email").map(str::to_owned),
    };
    let federated = claims.get("federated_claims").and_then(|claims| claims.get("connector_id")?.as_str());
    let text = |name: &'static str| match claims.get(name)? {
        Value::String(text) if !text.is_empty() => Some((name, text.clone())),
        Value::Number(number) => Some((name, number.to_string())),
        _ => None,
    };
    Announced {
        issuer: federated.unwrap_or(issuer).to_owned(),
        subject: built.unwrap_or_else(|| subject.to_owned()),
        details: DETAILS.into_iter().filter_map(text).collect(),
    }
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in super::super) fn token(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2lnbmF0dXJl", part(&json!({ "alg": "ES256" })), part(claims))
    }

    fn announced(claims: &Value) -> (String, String) {
        let token = IdentityToken::parse("a test", &token(claims)).unwrap();
        (token.announced().issuer.clone(), token.announced().subject.clone())
    }

    // [V-140]
    #[test]
    fn what_becomes_public_is_read_as_fulcio_will_write_it() {
        let workflow = "acme/app/.github/workflows/release.yml@refs/tags/v1";
        for (claims, issuer, subject) in [
            (
                json!({ "iss": GITHUB, "sub": "repo:acme/app:ref:refs/tags/v1", "exp": 1, "job_workflow_ref": workflow }),
                GITHUB,
                "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1",
            ),
            (
                json!({ "iss": "https://token.actions.githubusercontent.com/acme", "sub": "s", "exp": 1, "job_workflow_ref": "a" }),
                "https://token.actions.githubusercontent.com/acme",
                "https://github.com/a",
            ),
            (
                json!({ "iss": "https://token.actions.githubusercontent.com.example.com", "sub": "s", "exp": 1,
                    "job_workflow_ref": "a" }),
                "https://token.actions.githubusercontent.com.example.com",
                "s",
            ),
            (
                json!({ "iss": GITLAB, "sub": "project_path:a/b", "exp": 1, "user_email": "x@y.z",
                    "ci_config_ref_uri": "gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main" }),
                GITLAB,
                "https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main",
            ),
            (
                json!({ "iss": BUILDKITE, "sub": "x", "exp": 1, "organization_slug": "acme", "pipeline_slug": "app" }),
                BUILDKITE,
                "https://buildkite.com/acme/app",
            ),
            (
                json!({ "iss": "https://oauth2.sigstore.dev/auth", "sub": "CgVhbGljZQ", "exp": 1, "email": "alice@example.com",
                    "federated_claims": { "connector_id": "https://github.com/login/oauth" } }),
                "https://github.com/login/oauth",
                "alice@example.com",
            ),
            (
                json!({ "iss": "https://spire.example.com", "sub": "spiffe://example.com/build", "exp": 1 }),
                "https://spire.example.com",
                "spiffe://example.com/build",
            ),
        ] {
            assert_eq!(announced(&claims), (issuer.to_owned(), subject.to_owned()));
        }
    }

    #[test]
    fn the_run_and_the_commit_are_told_too() {
        let claims = json!({ "iss": GITHUB, "sub": "s", "exp": 1, "repository": "acme/app", "sha": "4f2a", "run_id": 7, "x": "y" });
        let read = IdentityToken::parse("a test", &token(&claims)).unwrap();
        let told: Vec<_> = read.announced().details.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(told, [("repository", "acme/app"), ("sha", "4f2a"), ("run_id", "7")]);
    }

    // [V-141]
    #[test]
    fn an_expired_token_and_one_for_somebody_else_are_refused_before_they_are_sent() {
        let now = Timestamp::from_second(1_000).unwrap();
        let check = |claims: Value| IdentityToken::parse("$X", &token(&claims)).unwrap().check("$X", "sigstore", now);
        let base = |aud: Value, exp: i64| json!({ "iss": "https://i", "sub": "s", "aud": aud, "exp": exp });
        check(base(json!("sigstore"), 1_001)).unwrap();
        check(base(json!(["other", "sigstore"]), 1_001)).unwrap();
        let expired = check(base(json!("sigstore"), 1_000)).unwrap_err().to_string();
        assert_eq!(expired, "identity token of $X: it expired at 1970-01-01T00:16:40Z; it is 1970-01-01T00:16:40Z");
        let other = check(base(json!("vault"), 1_001)).unwrap_err().to_string();
        assert_eq!(other, "identity token of $X: it was made for vault, expected the audience \"sigstore\"");
        assert!(check(base(json!(null), 1_001)).unwrap_err().to_string().contains("made for nobody"));
    }

    // [V-142]
    #[test]
    fn neither_errors_nor_debug_hold_the_token() {
        let good = token(&json!({ "iss": "https://i", "sub": "s", "aud": "x", "exp": 1 }));
        assert!(!format!("{:?}", IdentityToken::parse("a file", &good).unwrap()).contains(&good[..20]));
        for broken in [
            "nothing".to_owned(),
            "a.b".to_owned(),
            "secret.secret.secret.secret".to_owned(),
            "secret.!!.secret".to_owned(),
            token(&json!({ "sub": "secret" })),
            token(&json!({ "iss": "i", "sub": "secret" })),
            token(&json!("secret")),
            "x".repeat(ID_TOKEN_BYTES as usize + 1),
        ] {
            let error = format!("{0} {0:?}", IdentityToken::parse("a file", &broken).unwrap_err());
            assert!(error.contains("a file") && !error.contains("secret") && error.len() < 400, "{error}");
        }
    }
}
