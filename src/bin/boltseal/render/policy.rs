use crate::output::printable;
use boltseal::policy::{Asked, ByDigest, ContentTrust, Explanation, OnExpired, Requirement, Tofu, Unsigned};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub fn to_json(explanation: &Explanation<'_>) -> Value {
    json!({
        "repository": explanation.repository,
        "mode": explanation.mode.to_string(),
        "scope": explanation.scope.map(|scope| scope.pattern.to_string()),
        "contentTrust": explanation.scope.and_then(|scope| scope.content_trust.as_ref()).map(content_trust),
        "requirements": explanation.scope.map(|scope| scope.requirements.iter().map(requirement).collect::<Vec<_>>()),
    })
}

fn content_trust(asked: &ContentTrust) -> Value {
    let root = asked.root.as_ref().map(|root| {
        let keys: Vec<_> = root.keys.iter().map(ToString::to_string).collect();
        json!({ "keys": keys, "threshold": root.threshold, "minVersion": root.min_version })
    });
    json!({
        "root": root, "lock": asked.lock, "requireRoles": asked.require_roles, "minSigners": asked.min_signers,
        "maxStaleHours": max_stale_hours(asked), "byDigest": by_digest(asked.by_digest),
        "identity": if asked.map.is_empty() { "exact" } else { "map" },
        "travelMaxAgeHours": asked.travel.map(|age| age.as_hours()), "tofu": tofu(asked.tofu),
    })
}

fn max_stale_hours(asked: &ContentTrust) -> Option<i64> {
    match asked.on_expired {
        OnExpired::Fail => None,
        OnExpired::MaxStale(most) => Some(most.as_hours()),
    }
}

fn by_digest(asked: ByDigest) -> &'static str {
    match asked {
        ByDigest::Listed => "listed",
        ByDigest::Signatures => "signatures",
        ByDigest::Deny => "deny",
    }
}

fn tofu(asked: Tofu) -> &'static str {
    match asked {
        Tofu::Deny => "deny",
        Tofu::Once => "once",
    }
}

fn requirement(requirement: &Requirement) -> Value {
    let from: Vec<_> = requirement.from.iter().map(|authority| authority.name.as_str()).collect();
    let (mut annotations, mut predicate_type, mut max_age_hours) = (None, None, None);
    match &requirement.asked {
        Asked::Signature { annotations: asked } => annotations = Some(asked),
        Asked::Attestation { predicate, max_age } => {
            predicate_type = Some(predicate.uri());
            max_age_hours = max_age.map(|age| age.as_hours());
        }
        _ => {}
    }
    json!({
        "asked": requirement.asked.to_string(), "threshold": requirement.threshold, "from": from,
        "identity": requirement.identity.to_string(), "annotations": annotations,
        "predicateType": predicate_type, "maxAgeHours": max_age_hours, "unsigned": requirement.unsigned.to_string(),
    })
}

pub fn to_text(explanation: &Explanation<'_>) -> String {
    let mut text = format!("{}\n", explanation.repository);
    let Some(scope) = explanation.scope else {
        let _ = writeln!(text, "  no scope matches: denied ({})", explanation.mode);
        return text;
    };
    let _ = writeln!(text, "  scope    {} ({})", scope.pattern, scope.mode);
    if let Some(asked) = &scope.content_trust {
        let _ = writeln!(text, "  asks     {}\n  starts   from {}", signed_tag(asked), starts_from(asked));
    }
    if scope.config.is_some() {
        text.push_str("  asks     image configuration\n");
    }
    for requirement in &scope.requirements {
        let from: Vec<_> = requirement.from.iter().map(|authority| authority.name.as_str()).collect();
        let mut extra = String::new();
        match &requirement.asked {
            Asked::Signature { annotations } => {
                for (key, value) in annotations {
                    let _ = write!(extra, ", with {key}={value}");
                }
            }
            Asked::Attestation { max_age: Some(age), .. } => {
                let _ = write!(extra, ", at most {} hours old", age.as_hours());
            }
            _ => {}
        }
        if requirement.unsigned != Unsigned::Refuse {
            let _ = write!(extra, ", unsigned statements of the index {}", requirement.unsigned);
        }
        let _ = writeln!(
            text,
            "  asks     {} by {} of {{{}}}, identity {}{extra}",
            requirement.asked,
            requirement.threshold,
            from.join(", "),
            requirement.identity
        );
    }
    if scope.content_trust.is_none() && scope.requirements.is_empty() {
        let _ = writeln!(text, "  asks     nothing");
    }
    text
}

/// What a trust state has to say.
fn signed_tag(asked: &ContentTrust) -> String {
    let roles: Vec<_> = asked.require_roles.iter().map(ToString::to_string).collect();
    let identity = if asked.map.is_empty() { "exact" } else { "map" };
    let signers = if asked.min_signers == 1 { "signer" } else { "signers" };
    let mut text = format!("signed tag by each of {{{}}}", printable(&roles.join(", ")));
    let _ = write!(text, ", at least {} {signers}, identity {identity}", asked.min_signers);
    let _ = write!(text, ", by digest {}", by_digest(asked.by_digest));
    if let Some(hours) = max_stale_hours(asked) {
        let _ = write!(text, ", stale for at most {hours} hours");
    }
    if let Some(age) = asked.travel {
        let _ = write!(text, ", from a copy at the image of at most {} hours", age.as_hours());
    }
    text
}

/// What a trust state is trusted by.
fn starts_from(asked: &ContentTrust) -> String {
    let root = asked.root.as_ref().map(|root| {
        let version = root.min_version.map(|least| format!(", version {least} or later")).unwrap_or_default();
        format!("a root by {} of {} pinned keys{version}", root.threshold, root.keys.len())
    });
    let lock = asked.lock.as_ref().map(|lock| format!("the lock {}", printable(lock)));
    let first = (asked.tofu == Tofu::Once).then(|| "the first root that is seen, which is remembered".to_owned());
    [root, lock, first].into_iter().flatten().collect::<Vec<_>>().join(", and ")
}
