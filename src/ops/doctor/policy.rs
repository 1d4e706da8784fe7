//! Whether a policy decides what a node pulls.

use super::{Finding, Level};
use crate::{
    oci::Reference,
    policy::{IdentityRule, Mode, Policy},
};

/// What of a policy lets images pass, or blocks what CRI pulls by digest; whether the pause image is covered.
#[must_use]
pub fn covers(policy: &Policy, pause: &Reference) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut modes: Vec<_> = policy.scopes().iter().map(|scope| (scope.pattern.to_string(), scope.mode)).collect();
    modes.push(("everything else".to_owned(), policy.mode()));
    for (scope, mode) in modes.iter().filter(|(_, mode)| *mode != Mode::Enforced) {
        let message = format!("the mode is {mode} for {scope}: what is denied there is pulled");
        findings.push(Finding::new("not-enforced", Level::Bypass, message, "mode: enforced, once the log is quiet"));
    }
    for scope in policy.scopes() {
        if scope.requirements.iter().any(|asked| asked.identity == IdentityRule::Tag) {
            let message =
                format!("{} asks for the tag (identity: tag), which CRI drops where a digest is given", scope.pattern);
            findings.push(Finding::new("needs-tag", Level::Warning, message, "identity: repository, or content-trust"));
        }
    }
    if policy.explain(pause).scope.is_none() {
        let message = format!("no scope matches the pause image, {pause}: no pod starts on a node that lacks it");
        findings.push(Finding::new(
            "pause-not-covered",
            Level::Blocked,
            message,
            "a scope for it, or another pause image",
        ));
    }
    findings
}
