//! Links, test results and releases: three small predicates of in-toto.

use super::{
    PredicateError,
    reading::{List, kept_as_written, nullable, read},
};
use crate::limits::{JSON_VALUES, PROVENANCE_DEPENDENCIES};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A step of an in-toto layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The step's name.
    pub name: String,
    /// What was run.
    pub command: Vec<String>,
    /// What it was given: a name, and algorithm to hex.
    pub materials: BTreeMap<String, BTreeMap<String, String>>,
}

/// How tests ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// All in all.
    pub verdict: TestVerdict,
    /// The names of those that failed.
    pub failed: Vec<String>,
    /// Where the run can be looked at.
    pub url: Option<String>,
}

/// How tests ended, all in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestVerdict {
    /// All passed.
    Passed,
    /// None failed, some warned.
    Warned,
    /// Some failed.
    Failed,
}

/// What an image was released as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The package URL of the release.
    pub purl: String,
    /// The releasing service's own id.
    pub id: Option<String>,
}

#[derive(Deserialize)]
struct WrittenLink {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    command: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    materials: Materials,
}

/// By name, or as a list of resources, as the attestation framework has them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Materials {
    ByName(BTreeMap<String, BTreeMap<String, String>>),
    Listed(List<Material, PROVENANCE_DEPENDENCIES>),
}

impl Default for Materials {
    fn default() -> Self {
        Self::ByName(BTreeMap::new())
    }
}

#[derive(Deserialize)]
struct Material {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    uri: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    digest: BTreeMap<String, String>,
}

kept_as_written!(Material);

impl Link {
    /// Reads a link.
    ///
    /// # Errors
    /// As [`PredicateError`] says.
    pub fn decode(predicate: &[u8]) -> Result<Self, PredicateError> {
        let WrittenLink { name, command, materials } = read("in-toto link", predicate, JSON_VALUES)?;
        let materials = match materials {
            Materials::ByName(materials) => materials,
            Materials::Listed(list) => {
                let named = |one: Material| Some((one.name.or(one.uri)?, one.digest));
                list.0.into_iter().filter_map(named).collect()
            }
        };
        Ok(Self { name, command, materials })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenTests {
    result: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    failed_tests: Vec<String>,
}

impl TestResult {
    /// Reads a test result.
    ///
    /// # Errors
    /// As [`PredicateError`] says.
    pub fn decode(predicate: &[u8]) -> Result<Self, PredicateError> {
        const DOCUMENT: &str = "test result";
        let WrittenTests { result, url, failed_tests } = read(DOCUMENT, predicate, JSON_VALUES)?;
        let verdict = match &*result {
            "PASSED" => TestVerdict::Passed,
            "WARNED" => TestVerdict::Warned,
            "FAILED" => TestVerdict::Failed,
            other => return Err(PredicateError::value(DOCUMENT, "result", "PASSED, WARNED or FAILED", other)),
        };
        if verdict == TestVerdict::Passed && !failed_tests.is_empty() {
            let found = format!("{} failed tests", failed_tests.len());
            return Err(PredicateError::value(DOCUMENT, "failedTests", "none beside the result PASSED", found));
        }
        Ok(Self { verdict, failed: failed_tests, url })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRelease {
    purl: String,
    #[serde(default)]
    release_id: Option<String>,
}

impl Release {
    /// Reads a release.
    ///
    /// # Errors
    /// As [`PredicateError`] says.
    pub fn decode(predicate: &[u8]) -> Result<Self, PredicateError> {
        let WrittenRelease { purl, release_id } = read("release", predicate, JSON_VALUES)?;
        Ok(Self { purl, id: release_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_their_materials_either_way() {
        let old = br#"{"name":"build","command":["make"],"materials":{"a.c":{"sha256":"ab"}},"byproducts":{}}"#;
        let new = br#"{"name":"build","command":["make"],"materials":[{"name":"a.c","digest":{"sha256":"ab"}}]}"#;
        let link = Link::decode(old).unwrap();
        assert_eq!(link, Link::decode(new).unwrap());
        assert_eq!(link.materials["a.c"]["sha256"], "ab");
        assert!(Link::decode(br#"{"command":[]}"#).unwrap_err().to_string().contains("name"));
    }

    #[test]
    fn tests_passed_only_if_none_failed() {
        let passed = br#"{"result":"PASSED","configuration":[{"name":".ci.yml"}],"passedTests":["a"]}"#;
        assert_eq!(TestResult::decode(passed).unwrap().verdict, TestVerdict::Passed);
        let failed = TestResult::decode(br#"{"result":"FAILED","failedTests":["b"],"url":"https://x"}"#).unwrap();
        assert_eq!((failed.verdict, failed.failed.len()), (TestVerdict::Failed, 1));
        for bad in [&br#"{"result":"PASSED","failedTests":["b"]}"#[..], br#"{"result":"ok"}"#, b"{}"] {
            assert!(TestResult::decode(bad).is_err());
        }
    }

    #[test]
    fn a_release_has_a_package_url() {
        let release = Release::decode(br#"{"purl":"pkg:oci/cart@1.0","releaseId":"7"}"#).unwrap();
        assert_eq!((release.purl.as_str(), release.id.as_deref()), ("pkg:oci/cart@1.0", Some("7")));
        assert!(Release::decode(br#"{"releaseId":"7"}"#).is_err());
    }
}
