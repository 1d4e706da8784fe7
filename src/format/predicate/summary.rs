//! SLSA verification summaries: what another verifier decided (slsa.dev/verification_summary/v1).

use super::{
    Dependency, PredicateError,
    reading::{List, kept_as_written, nullable, read, time},
};
use crate::limits::{JSON_VALUES, PROVENANCE_DEPENDENCIES};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a verifier says that it decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vsa {
    /// Who verified: a URI.
    pub verifier: String,
    /// When.
    pub time: Option<Timestamp>,
    /// What was verified: a URI.
    pub resource: String,
    /// By which policy.
    pub policy: Dependency,
    /// How it ended.
    pub verdict: VsaVerdict,
    /// The levels that it found: `SLSA_BUILD_LEVEL_3`.
    pub levels: Vec<String>,
    /// What it rests on.
    pub inputs: Vec<Dependency>,
}

/// How a verification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VsaVerdict {
    /// It met the policy.
    Passed,
    /// It did not.
    Failed,
}

const DOCUMENT: &str = "verification summary";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    verifier: Verifier,
    #[serde(default)]
    time_verified: Option<String>,
    resource_uri: String,
    policy: Resource,
    #[serde(default, deserialize_with = "nullable")]
    input_attestations: List<Resource, PROVENANCE_DEPENDENCIES>,
    verification_result: String,
    #[serde(default, deserialize_with = "nullable")]
    verified_levels: Vec<String>,
}

#[derive(Deserialize)]
struct Verifier {
    id: String,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default, deserialize_with = "nullable")]
    uri: String,
    #[serde(default, deserialize_with = "nullable")]
    digest: BTreeMap<String, String>,
}

kept_as_written!(Resource);

impl Vsa {
    /// Reads a summary.
    ///
    /// # Errors
    /// As [`PredicateError`] says.
    pub fn decode(predicate: &[u8]) -> Result<Self, PredicateError> {
        let written: Written = read(DOCUMENT, predicate, JSON_VALUES)?;
        let verdict = match &*written.verification_result {
            "PASSED" => VsaVerdict::Passed,
            "FAILED" => VsaVerdict::Failed,
            other => return Err(PredicateError::value(DOCUMENT, "verificationResult", "PASSED or FAILED", other)),
        };
        if verdict == VsaVerdict::Passed && written.verified_levels.iter().any(|level| level == "FAILED") {
            return Err(PredicateError::value(DOCUMENT, "verifiedLevels", "levels that go with PASSED", "FAILED"));
        }
        let dependency = |Resource { uri, digest }| Dependency { name: None, uri, digest };
        Ok(Self {
            verifier: written.verifier.id,
            time: time(DOCUMENT, "timeVerified", written.time_verified.as_deref())?,
            resource: written.resource_uri,
            policy: dependency(written.policy),
            verdict,
            levels: written.verified_levels,
            inputs: written.input_attestations.0.into_iter().map(dependency).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn summary() -> Value {
        json!({
            "verifier": {"id": "https://verifier.example.com", "version": {"boltseal": "1"}},
            "timeVerified": "2026-11-20T10:00:00Z",
            "resourceUri": "pkg:oci/cart",
            "policy": {"uri": "https://policy.example.com", "digest": {"sha256": "ab"}},
            "inputAttestations": [{"uri": "https://a.example.com", "digest": {"sha256": "cd"}}],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
            "dependencyLevels": {"SLSA_BUILD_LEVEL_1": 5},
            "slsaVersion": "1.0",
        })
    }

    #[test]
    fn a_summary_is_read_and_its_verdict_is_one_of_two() {
        let vsa = Vsa::decode(summary().to_string().as_bytes()).unwrap();
        assert_eq!((vsa.verdict, vsa.levels.as_slice()), (VsaVerdict::Passed, &["SLSA_BUILD_LEVEL_3".to_owned()][..]));
        assert_eq!((vsa.policy.digest["sha256"].as_str(), vsa.inputs.len()), ("ab", 1));
        for (member, bad) in [("verificationResult", json!("passed")), ("verifier", json!({})), ("policy", json!(null))]
        {
            let mut changed = summary();
            changed[member] = bad;
            let error = Vsa::decode(changed.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(member), "{error}");
        }
    }
}
