//! `verify --attest-vsa`: what was decided, said on as a SLSA verification summary (slsa.dev/verification_summary/v1).

use super::{
    OpsError, Signatory,
    attest::{AttestRequest, Attested, Content, attest},
    sign::{Formats, typed_identity},
    verify::Verification,
};
use crate::{
    format::{
        predicate::{Family, VSA},
        tuf::percent_encode,
    },
    oci::{Digest, Repository, RepositoryName},
    policy::{Approved, Asked, Decision, Policy, Topic},
    registry::Session,
    verify::{Claim, Verified},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The version of the SLSA specification whose levels are meant.
const SLSA_VERSION: &str = "1.1";

/// Who says on what was decided, and by which policy.
#[derive(Clone, Copy)]
pub struct SummaryRequest<'a> {
    /// Who signs.
    pub signer: Signatory<'a>,
    /// The verifier's id, a URI.
    pub verifier: &'a str,
    /// What the policy is called, and the digest of its file.
    pub policy: (&'a str, Digest),
    /// When it was decided.
    pub now: Timestamp,
}

/// Why a decision is not said on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsaid {
    /// It could not be told whether the image is allowed.
    #[error("it could not be told whether the image is allowed, which is neither PASSED nor FAILED")]
    Undetermined,
    /// The policy's mode is `disabled`.
    #[error("the policy's mode is disabled: nothing was judged")]
    NotJudged,
    /// Another verifier decides: said on, its decision would look newer than it is.
    #[error("the decision rests on another verifier's summary, which would look newer than it is")]
    Delegated,
    /// No scope of the policy is about the image, which is denied without being looked at.
    #[error("no scope of the policy is about the image: nothing was judged")]
    NoPolicy,
    /// A layout has no name that others know the image by.
    #[error("a layout has no repository's name, which the summary would be about")]
    NoName,
}

/// What a summary says of a decision.
///
/// It claims no more than was judged: PASSED is the policy's allow, FAILED its deny, whatever its mode does with that. The
/// build level is the one that the policy asked of the provenance and found, else unevaluated. Its inputs are the manifests
/// of what met the policy; of a deny, of all evidence that held. It is about the tag that was asked for, if one was: for
/// another the policy may say something else.
///
/// # Errors
/// There is nothing to say: [`Unsaid`].
pub fn summary(policy: &Policy, verification: &Verification, request: &SummaryRequest<'_>) -> Result<Value, Unsaid> {
    let reference = verification.findings.subject().reference();
    let Repository::Registry(name) = &reference.repository else { return Err(Unsaid::NoName) };
    let (result, levels) = match &verification.outcome.decision {
        Decision::Undetermined(_) => return Err(Unsaid::Undetermined),
        Decision::NotJudged => return Err(Unsaid::NotJudged),
        Decision::Allow(approved) if approved.is_delegated() => return Err(Unsaid::Delegated),
        Decision::Deny(_) if policy.delegates(&reference.repository) => return Err(Unsaid::Delegated),
        Decision::Deny(_) if policy.scope(&reference.repository).is_none() => return Err(Unsaid::NoPolicy),
        Decision::Allow(approved) => ("PASSED", level(approved)),
        Decision::Deny(_) => ("FAILED", "FAILED".to_owned()),
    };
    let (uri, digest) = request.policy;
    Ok(json!({
        "verifier": { "id": request.verifier, "version": { "boltseal": env!("CARGO_PKG_VERSION") } },
        "timeVerified": request.now,
        "resourceUri": resource(name, reference.tag_or_latest()),
        "policy": { "uri": uri, "digest": algorithm_and_hex(&digest) },
        "inputAttestations": inputs(verification, name),
        "verificationResult": result,
        "verifiedLevels": [levels],
        "slsaVersion": SLSA_VERSION,
    }))
}

/// Signs what was decided, and attaches it to the digest that was judged.
///
/// # Errors
/// It could not be signed or pushed.
pub async fn attest_summary(
    session: &Session,
    verification: &Verification,
    predicate: Value,
    request: &SummaryRequest<'_>,
) -> Result<Attested, OpsError> {
    let subject = verification.findings.subject();
    let request = AttestRequest {
        signer: request.signer,
        formats: Formats { bundle: true, simple: false },
        platform: None,
        content: Content::Predicate { predicate_type: VSA.to_owned(), predicate: predicate.into() },
        identity: typed_identity(subject.reference()),
        now: request.now,
    };
    attest(session, &subject.reference().at(subject.digest()), &request).await
}

/// The package URL of a repository, with the tag that was asked for.
fn resource(name: &RepositoryName, tag: Option<&str>) -> String {
    let last = name.path.rsplit('/').next().unwrap_or_default();
    let tag = tag.map(|tag| format!("&tag={}", percent_encode(tag, b""))).unwrap_or_default();
    format!("pkg:oci/{last}?repository_url={}{tag}", percent_encode(&name.to_string(), b"/:"))
}

fn level(approved: &Approved) -> String {
    let asked = approved.met().iter().find_map(|met| match &met.requirement.asked {
        Asked::Document(question) => match &question.about {
            Topic::Provenance(rule) => rule.level,
            _ => None,
        },
        _ => None,
    });
    asked.map_or("SLSA_BUILD_LEVEL_UNEVALUATED".to_owned(), |level| format!("SLSA_BUILD_LEVEL_{level}"))
}

/// The manifests of what met the policy, each once; of a deny those of all that held, but for other summaries, which had no
/// part in it.
fn inputs(verification: &Verification, name: &RepositoryName) -> Vec<Value> {
    let used = |one: &&Verified| match (&verification.outcome.decision, one.claim()) {
        (Decision::Allow(approved), _) => {
            approved.met().iter().flat_map(|met| &met.by).any(|by| by.place == *one.place())
        }
        (_, Claim::Attestation { predicate_type, .. }) => Family::of(predicate_type) != Some(Family::Vsa),
        (_, Claim::Signature { .. }) => true,
    };
    let held = verification.findings.verified().iter().filter(used);
    let manifests: BTreeSet<_> = held.filter_map(|one| one.place().manifest).collect();
    let one =
        |manifest: &Digest| json!({ "uri": format!("oci://{name}@{manifest}"), "digest": algorithm_and_hex(manifest) });
    manifests.iter().map(one).collect()
}

fn algorithm_and_hex(digest: &Digest) -> Value {
    json!({ digest.algorithm(): digest.hex() })
}
