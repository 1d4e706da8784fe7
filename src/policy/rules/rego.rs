//! What a scope's Rego program is shown, and what becomes of its answer. It is asked last, of what is approved, and can only deny.

use super::Miss;
use crate::{
    format::predicate::Predicate,
    oci::Digest,
    policy::{Approved, Decision, Outcome, Policy, Reason, Requirement, Scope, evaluate::is_asked},
    rego::Program,
    trust::Principal,
    verify::{Claim, Findings, Format},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A Rego program that a scope names.
#[derive(Clone, Debug)]
pub struct RegoRule {
    /// The file, as the policy names it.
    pub file: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    pub(in crate::policy) program: Program,
}

impl Policy {
    /// The Rego files that the scopes name, each once, by name.
    pub fn rego_files(&self) -> impl Iterator<Item = &RegoRule> {
        let named =
            self.scopes.iter().filter_map(|scope| Some((scope.rego.as_ref()?.file.as_str(), scope.rego.as_deref()?)));
        named.collect::<BTreeMap<_, _>>().into_values()
    }
}

impl Outcome {
    /// Whether all the rest allows it, so that the scope's Rego program, where there is one, was asked: what becomes of other
    /// images changes nothing then.
    pub(crate) fn is_left_to_rego(&self) -> bool {
        let is_rego = |reason: &Reason| {
            matches!(reason, Reason::Document { miss: Miss::Rego { .. } | Miss::RegoFailed { .. }, .. })
        };
        match &self.decision {
            Decision::Allow(_) => true,
            Decision::Deny(reasons) | Decision::Undetermined(reasons) => reasons.iter().any(is_rego),
            Decision::NotJudged => false,
        }
    }
}

/// The version of what programs are shown (SPEC.md, 6.8).
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Input<'a> {
    version: u32,
    now: Timestamp,
    reference: String,
    repository: String,
    tag: Option<&'a str>,
    digest: String,
    digests: Vec<String>,
    scope: String,
    met: Vec<Value>,
    attestations: Vec<Attested<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attested<'a> {
    predicate_type: &'a str,
    predicate: &'a Predicate,
    signer: Value,
    authorities: BTreeSet<&'a str>,
    digest: String,
    references: Vec<String>,
    signed: bool,
}

/// Why what everything else approves is denied all the same; nothing where the scope has no program, or it has nothing against it.
///
/// Shown is what is verified and signed by an authority that the scope names: a stranger's certificate of the same trusted
/// root verifies, too, and must not be able to say anything here. Of the unsigned statements of
/// an index those are shown that a requirement takes, and asks for. A program may deny for what it sees, so that what could not
/// be read leaves its answer open.
pub(in crate::policy) fn objections(
    scope: &Scope,
    approved: &Approved,
    findings: &Findings,
    now: Timestamp,
) -> Vec<Reason> {
    let Some(rule) = &scope.rego else { return Vec::new() };
    let told = |miss| Reason::Document { by: rule.file.clone(), miss };
    let failed = |why: String| vec![told(Miss::RegoFailed { why })];
    if !findings.unread().is_empty() {
        return failed("it was not asked, as not everything could be read".to_owned());
    }
    let input = match serde_json::to_string(&input(scope, approved, findings, now)) {
        Ok(input) => input,
        Err(error) => return failed(error.to_string()),
    };
    match rule.program.denials(&input, now) {
        Ok(messages) => messages.into_iter().map(|message| told(Miss::Rego { message })).collect(),
        Err(error) => failed(error.to_string()),
    }
}

fn input<'a>(scope: &'a Scope, approved: &'a Approved, findings: &'a Findings, now: Timestamp) -> Input<'a> {
    let subject = approved.subject();
    Input {
        version: VERSION,
        now,
        reference: subject.reference().to_string(),
        repository: subject.reference().repository.to_string(),
        tag: subject.reference().tag_or_latest(),
        digest: subject.digest().to_string(),
        digests: subject.digests().map(|digest| digest.to_string()).collect(),
        scope: scope.pattern.to_string(),
        met: approved
            .met()
            .iter()
            .map(|met| {
                let by =
                    met.by.iter().map(|one| json!({ "authority": one.authority, "signer": signer(&one.principal) }));
                let (asked, threshold) = (met.requirement.asked.to_string(), met.requirement.threshold);
                json!({ "asked": asked, "threshold": threshold, "by": by.collect::<Vec<_>>() })
            })
            .collect(),
        attestations: attestations(&scope.requirements, findings),
    }
}

fn attestations<'a>(requirements: &'a [Requirement], findings: &'a Findings) -> Vec<Attested<'a>> {
    let mut shown = Vec::new();
    for verified in findings.verified() {
        let Claim::Attestation { predicate_type, predicate, references } = verified.claim() else { continue };
        let signed = !matches!(verified.format(), Format::CoveredByIndex | Format::CoveredByManifest);
        // What nobody signed is shown as a requirement takes it, and no authority's word on anything else.
        let taking = requirements.iter().filter(|requirement| {
            requirement.takes(verified, *verified.digest())
                && (signed || is_asked(&requirement.asked, verified.claim()))
        });
        let named = taking.flat_map(|requirement| &requirement.from).filter(|one| one.admits(verified).is_ok());
        let authorities: BTreeSet<_> = named.map(|authority| authority.name.as_str()).collect();
        if authorities.is_empty() {
            continue;
        }
        shown.push(Attested {
            predicate_type,
            predicate,
            signer: signer(&verified.identity().principal()),
            authorities,
            digest: verified.digest().to_string(),
            references: references.iter().map(ToString::to_string).collect(),
            signed,
        });
    }
    shown
}

/// As reports write it.
fn signer(principal: &Principal) -> Value {
    match principal {
        Principal::Key(key) => json!({ "key": key.to_string() }),
        Principal::Certificate { issuer, san } => json!({ "issuer": issuer, "san": san }),
    }
}
