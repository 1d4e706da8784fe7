//! Scanners' own reports, as far as findings are told by them.

use super::{Finding, Severity};
use crate::{
    format::predicate::reading::{Kept, List, kept_as_written, nullable},
    limits::SCAN_FINDINGS,
};
use serde::Deserialize;
use serde_json::value::RawValue;

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
    /// What its own settings had it leave out: a finding all the same, which the policy may waive.
    #[serde(rename = "ignoredMatches", default, deserialize_with = "nullable")]
    ignored: List<Match, SCAN_FINDINGS>,
    /// SARIF's.
    runs: Option<List<Run, SCAN_FINDINGS>>,
}

impl Report {
    /// What it found; nothing if it is none of the three, or more than one.
    pub fn findings(self) -> Option<Vec<Finding>> {
        match (self.trivy, self.matches, self.runs) {
            (Some(_), None, None) => Some(self.results.0.into_iter().flat_map(|target| target.0).collect()),
            (None, Some(matches), None) => Some(matches.0.into_iter().chain(self.ignored.0).map(|one| one.0).collect()),
            (None, None, Some(runs)) => of_runs(&runs.0),
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
    /// What its own settings had it leave out, as Grype's.
    #[serde(rename = "ExperimentalModifiedFindings", default, deserialize_with = "nullable")]
    modified: List<Modified, SCAN_FINDINGS>,
}

/// Of several kinds of findings those of vulnerabilities.
struct Modified(Finding);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WrittenModified {
    r#type: Box<str>,
    finding: Box<RawValue>,
}

impl Kept for Modified {
    type Written = WrittenModified;

    fn keep(written: WrittenModified) -> Option<Self> {
        if &*written.r#type != "vulnerability" {
            return None;
        }
        // One that can't be read is the worst, as one without a severity is.
        let read: WrittenVulnerability = serde_json::from_str(written.finding.get()).unwrap_or_default();
        Vulnerability::keep(read).map(|one| Self(one.0))
    }
}

impl Kept for Target {
    type Written = WrittenTarget;

    fn keep(written: WrittenTarget) -> Option<Self> {
        let found = written.vulnerabilities.0.into_iter().map(|one| one.0);
        let found: Vec<_> = found.chain(written.modified.0.into_iter().map(|one| one.0)).collect();
        (!found.is_empty()).then_some(Self(found))
    }
}

struct Vulnerability(Finding);

#[derive(Default, Deserialize)]
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
    /// What it found; nothing if it has no run, or one that failed or looked for nothing.
    pub fn findings(&self) -> Option<Vec<Finding>> {
        of_runs(&self.runs.0)
    }

    pub fn tool(&self) -> String {
        self.runs.0.first().map(|run| run.tool.driver.name.clone()).unwrap_or_default()
    }

    pub fn ended(&self) -> impl Iterator<Item = &str> {
        self.runs.0.iter().flat_map(|run| &run.invocations).filter_map(|one| one.end_time_utc.as_deref())
    }
}

/// A run without results did not look for any; one that found nothing has an empty list (section 3.14.23).
#[derive(Deserialize)]
struct Run {
    tool: Tool,
    #[serde(default, deserialize_with = "nullable")]
    invocations: Vec<Invocation>,
    results: Option<List<SarifResult, SCAN_FINDINGS>>,
}

fn of_runs(runs: &[Run]) -> Option<Vec<Finding>> {
    let all: Option<Vec<_>> = runs.iter().map(Run::findings).collect();
    all.filter(|all| !all.is_empty()).map(|all| all.into_iter().flatten().collect())
}

kept_as_written!(Run);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    #[serde(default)]
    end_time_utc: Option<String>,
    #[serde(default)]
    execution_successful: Option<bool>,
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
    fn findings(&self) -> Option<Vec<Finding>> {
        if self.invocations.iter().any(|one| one.execution_successful == Some(false)) {
            return None;
        }
        let rules = &self.tool.driver.rules.0;
        let by_id: std::collections::BTreeMap<&str, &Rule> = rules.iter().map(|rule| (&*rule.id, rule)).collect();
        let finding = |result: &SarifResult| {
            let at = result.rule_index.and_then(|at| usize::try_from(at).ok());
            let rule = at.and_then(|at| rules.get(at));
            let rule = rule.or_else(|| by_id.get(result.rule_id.as_deref()?).copied());
            let id = result.rule_id.clone().or_else(|| rule.map(|rule| rule.id.clone()));
            Finding { id: id.unwrap_or_default(), severity: severity(result, rule), ..Finding::default() }
        };
        self.results.as_ref().map(|results| results.0.iter().map(finding).collect())
    }
}

/// The score where one is stated, of the result before its rule; else the level, which SARIF's default makes a warning. `none`
/// says that there is none, not that it is low.
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
        _ => Severity::Unknown,
    }
}
