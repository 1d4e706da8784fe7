use boltseal::policy::{Asked, Explanation, Requirement};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub fn to_json(explanation: &Explanation<'_>) -> Value {
    json!({
        "repository": explanation.repository,
        "mode": explanation.mode.to_string(),
        "scope": explanation.scope.map(|scope| scope.pattern.to_string()),
        "requirements": explanation.scope.map(|scope| scope.requirements.iter().map(requirement).collect::<Vec<_>>()),
    })
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
        "predicateType": predicate_type, "maxAgeHours": max_age_hours,
    })
}

pub fn to_text(explanation: &Explanation<'_>) -> String {
    let mut text = format!("{}\n", explanation.repository);
    let Some(scope) = explanation.scope else {
        let _ = writeln!(text, "  no scope matches: denied ({})", explanation.mode);
        return text;
    };
    let _ = writeln!(text, "  scope    {} ({})", scope.pattern, scope.mode);
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
        let _ = writeln!(
            text,
            "  asks     {} by {} of {{{}}}, identity {}{extra}",
            requirement.asked,
            requirement.threshold,
            from.join(", "),
            requirement.identity
        );
    }
    if scope.requirements.is_empty() {
        let _ = writeln!(text, "  asks     nothing");
    }
    text
}
