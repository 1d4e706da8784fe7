//! Scanners' own reports, as far as findings are told by them.

use super::{Finding, Severity};
use crate::{
    format::predicate::reading::{Kept, List, kept_as_written, nullable},
    limits::SCAN_FINDINGS,
};
use serde::Deserialize;

/// A report of any of the three: its members tell which.
#[derive(Deserialize)]
pub(super) struct Report {
    /// Trivy's version of its format; a report without findings has no `Results`.
    #[serde(rename = "SchemaVersion")]
    trivy: Option<u64>,
    #[serde(rename = "Results", default, deserialize_with = "nullable")]
    results: List<Target, SCAN_FINDINGS>,
    /// Grype's.
    matches: Option<List<Match, SCAN_FINDINGS>>,
    /// SARIF's.
    runs: Option<List<Run, SCAN_FINDINGS>>,
}

impl Report {
    /// What it found; nothing if it is none of the three, or more than one.
    pub fn findings(self) -> Option<Vec<Finding>> {
        match (self.trivy, self.matches, self.runs) {
            (Some(_), None, None) => Some(self.results.0.into_iter().flat_map(|target| target.0).collect()),
            (None, Some(matches), None) => Some(matches.0.into_iter().map(|one| one.0).collect()),
            (None, None, Some(runs)) => Some(runs.0.iter().flat_map(Run::findings).collect()),
            _ => None,
        }
    }
}

/// Trivy: a layer's packages of one kind.
struct Target(Vec<Finding>);

#[derive(Deserialize)]
struct WrittenTarget {
    #[serde(rename = "Vulnerabilities", default, deserialize_with = "nullable")]
    vulnerabilities: List<Vulnerability, SCAN_FINDINGS>,
}

impl Kept for Target {
    type Written = WrittenTarget;

    fn keep(written: WrittenTarget) -> Option<Self> {
        let found: Vec<_> = written.vulnerabilities.0.into_iter().map(|one| one.0).collect();
        (!found.is_empty()).then_some(Self(found))
    }
}

struct Vulnerability(Finding);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WrittenVulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: Box<str>,
    #[serde(rename = "VendorIDs", default, deserialize_with = "nullable")]
    aliases: Vec<Box<str>>,
    #[serde(default)]
    pkg_name: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    pkg_identifier: PkgIdentifier,
    #[serde(default)]
    fixed_version: Box<str>,
    #[serde(default)]
    severity: Box<str>,
}

#[derive(Default, Deserialize)]
struct PkgIdentifier {
    #[serde(rename = "PURL", default)]
    purl: Box<str>,
}

impl Kept for Vulnerability {
    type Written = WrittenVulnerability;

    fn keep(written: WrittenVulnerability) -> Option<Self> {
        Some(Self(Finding {
            id: written.id,
            aliases: written.aliases.into(),
            severity: Severity::parse(&written.severity),
            package: written.pkg_name,
            purl: written.pkg_identifier.purl,
            fixed: written.fixed_version,
        }))
    }
}

/// Grype.
struct Match(Finding);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMatch {
    vulnerability: GrypeVulnerability,
    #[serde(default, deserialize_with = "nullable")]
    related_vulnerabilities: Vec<Related>,
    artifact: Artifact,
}

#[derive(Deserialize)]
struct GrypeVulnerability {
    id: Box<str>,
    #[serde(default)]
    severity: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    fix: Fix,
}

#[derive(Default, Deserialize)]
struct Fix {
    #[serde(default, deserialize_with = "nullable")]
    versions: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct Related {
    id: Box<str>,
}

#[derive(Deserialize)]
struct Artifact {
    name: Box<str>,
    #[serde(default)]
    purl: Box<str>,
}

impl Kept for Match {
    type Written = WrittenMatch;

    fn keep(written: WrittenMatch) -> Option<Self> {
        let WrittenMatch { vulnerability, related_vulnerabilities, artifact } = written;
        let aliases = related_vulnerabilities.into_iter().map(|one| one.id).filter(|id| *id != vulnerability.id);
        Some(Self(Finding {
            aliases: aliases.collect(),
            severity: Severity::parse(&vulnerability.severity),
            package: artifact.name,
            purl: artifact.purl,
            fixed: vulnerability.fix.versions.join(", ").into(),
            id: vulnerability.id,
        }))
    }
}

/// SARIF 2.1.0 (OASIS), section 3.13.
#[derive(Deserialize)]
pub(super) struct Sarif {
    pub version: String,
    runs: List<Run, SCAN_FINDINGS>,
}

impl Sarif {
    pub fn findings(&self) -> Vec<Finding> {
        self.runs.0.iter().flat_map(Run::findings).collect()
    }

    pub fn tool(&self) -> String {
        self.runs.0.first().map(|run| run.tool.driver.name.clone()).unwrap_or_default()
    }

    pub fn ended(&self) -> impl Iterator<Item = &str> {
        self.runs.0.iter().flat_map(|run| &run.invocations).filter_map(|one| one.end_time_utc.as_deref())
    }
}

#[derive(Deserialize)]
struct Run {
    tool: Tool,
    #[serde(default, deserialize_with = "nullable")]
    invocations: Vec<Invocation>,
    #[serde(default, deserialize_with = "nullable")]
    results: List<SarifResult, SCAN_FINDINGS>,
}

kept_as_written!(Run);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    #[serde(default)]
    end_time_utc: Option<String>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    rules: List<Rule, SCAN_FINDINGS>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    properties: Properties,
    #[serde(default, deserialize_with = "nullable")]
    default_configuration: Configuration,
}

kept_as_written!(Rule);

#[derive(Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    level: Option<Box<str>>,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(rename = "security-severity", default)]
    severity: Option<Score>,
}

/// GitHub's `security-severity`: a number, mostly written as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Score {
    Text(Box<str>),
    Number(f64),
}

impl Score {
    fn severity(&self) -> Severity {
        match self {
            Self::Text(text) => Severity::parse(text),
            Self::Number(score) => Severity::of_score(*score),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    #[serde(default)]
    rule_id: Option<Box<str>>,
    #[serde(default)]
    rule_index: Option<i64>,
    #[serde(default)]
    kind: Option<Box<str>>,
    #[serde(default)]
    level: Option<Box<str>>,
    #[serde(default, deserialize_with = "nullable")]
    properties: Properties,
}

impl Kept for SarifResult {
    type Written = Self;

    /// Results that say that all is well are none.
    fn keep(written: Self) -> Option<Self> {
        let is_finding = !matches!(written.kind.as_deref(), Some("pass" | "notApplicable"));
        is_finding.then_some(written)
    }
}

impl Run {
    fn findings(&self) -> Vec<Finding> {
        let rules = &self.tool.driver.rules.0;
        let by_id: std::collections::BTreeMap<&str, &Rule> = rules.iter().map(|rule| (&*rule.id, rule)).collect();
        let finding = |result: &SarifResult| {
            let at = result.rule_index.and_then(|at| usize::try_from(at).ok());
            let rule = at.and_then(|at| rules.get(at));
            let rule = rule.or_else(|| by_id.get(result.rule_id.as_deref()?).copied());
            let id = result.rule_id.clone().or_else(|| rule.map(|rule| rule.id.clone()));
            Finding { id: id.unwrap_or_default(), severity: severity(result, rule), ..Finding::default() }
        };
        self.results.0.iter().map(finding).collect()
    }
}

/// The score where one is stated, of the result before its rule; else the level, which SARIF's default makes a warning.
fn severity(result: &SarifResult, rule: Option<&Rule>) -> Severity {
    let score = result.properties.severity.as_ref().or_else(|| rule?.properties.severity.as_ref());
    if let Some(score) = score {
        return score.severity();
    }
    let level = result.level.as_deref().or_else(|| rule?.default_configuration.level.as_deref());
    match level.unwrap_or("warning") {
        "error" => Severity::High,
        "warning" => Severity::Medium,
        "note" => Severity::Low,
        "none" => Severity::Negligible,
        _ => Severity::Unknown,
    }
}
