//! Vulnerability scans: cosign's predicate around a report of Trivy, Grype or in SARIF, in-toto's own, and SARIF by itself.

mod report;

use super::{
    PredicateError,
    reading::{List, kept_as_written, nullable, read, time},
};
use crate::limits::{DOCUMENT_VALUES, SCAN_FINDINGS};
use jiff::Timestamp;
use report::{Report, Sarif};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;

/// What a scanner found in an image, as its signer states it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// The scanner: a URI, or a name.
    pub scanner: String,
    /// When the scan ended.
    pub finished: Option<Timestamp>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A vulnerability of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Its name: `CVE-2026-1234`, `GHSA-…`.
    pub id: Box<str>,
    /// Its other names.
    pub aliases: Box<[Box<str>]>,
    /// How bad it is.
    pub severity: Severity,
    /// The package's name; empty where none is stated.
    pub package: Box<str>,
    /// The package's URL; empty where none is stated.
    pub purl: Box<str>,
    /// The versions that mend it; empty where none is stated.
    pub fixed: Box<str>,
}

/// How bad a vulnerability is. What a scanner could not tell stands above all: it may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Of no consequence.
    Negligible,
    /// CVSS up to 3.9.
    Low,
    /// CVSS from 4.0.
    Medium,
    /// CVSS from 7.0.
    High,
    /// CVSS from 9.0.
    Critical,
    /// The scanner does not say.
    #[default]
    #[serde(skip)]
    Unknown,
}

impl Severity {
    /// A severity in words, or a CVSS score (CVSS 3.1, table 14).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" => Self::Low,
            "negligible" | "none" | "info" | "informational" => Self::Negligible,
            score => score.parse().map_or(Self::Unknown, Self::of_score),
        }
    }

    fn of_score(score: f64) -> Self {
        match score {
            9.0..=10.0 => Self::Critical,
            7.0..9.0 => Self::High,
            4.0..7.0 => Self::Medium,
            0.1..4.0 => Self::Low,
            0.0..0.1 => Self::Negligible,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        })
    }
}

#[derive(Deserialize)]
struct Cosign {
    scanner: CosignScanner,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct CosignScanner {
    #[serde(default, deserialize_with = "nullable")]
    uri: String,
    result: Report,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    scan_finished_on: Option<String>,
}

#[derive(Deserialize)]
struct InToto {
    scanner: InTotoScanner,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct InTotoScanner {
    uri: String,
    result: List<InTotoFinding, SCAN_FINDINGS>,
}

#[derive(Deserialize)]
struct InTotoFinding {
    id: Box<str>,
    #[serde(default, deserialize_with = "nullable")]
    severity: Vec<Rating>,
}

kept_as_written!(InTotoFinding);

#[derive(Deserialize)]
struct Rating {
    #[serde(default)]
    score: Box<str>,
}

const FINISHED: &str = "metadata.scanFinishedOn";

impl Scan {
    /// Reads cosign's `vuln` predicate. The report in it is told by its members: Trivy's, Grype's, SARIF.
    ///
    /// # Errors
    /// As [`PredicateError`] says; also for a report of another tool, whose findings would be passed over.
    pub fn decode_cosign(predicate: &[u8]) -> Result<Self, PredicateError> {
        const DOCUMENT: &str = "vulnerability scan";
        let Cosign { scanner, metadata } = read(DOCUMENT, predicate, DOCUMENT_VALUES)?;
        let finished = time(DOCUMENT, FINISHED, metadata.scan_finished_on.as_deref())?;
        let Some(findings) = scanner.result.findings() else {
            let expected = "a report of Trivy or Grype, or SARIF of runs that succeeded, each with its results";
            return Err(PredicateError::value(DOCUMENT, "scanner.result", expected, scanner.uri));
        };
        Ok(Self { scanner: scanner.uri, finished, findings })
    }

    /// Reads in-toto's `vulns` predicate.
    ///
    /// # Errors
    /// As [`PredicateError`] says.
    pub fn decode_in_toto(predicate: &[u8]) -> Result<Self, PredicateError> {
        const DOCUMENT: &str = "in-toto vulns";
        let InToto { scanner, metadata } = read(DOCUMENT, predicate, DOCUMENT_VALUES)?;
        let finding = |InTotoFinding { id, severity }| {
            let known = severity.iter().map(|rating| Severity::parse(&rating.score));
            let worst = known.filter(|severity| *severity != Severity::Unknown).max();
            Finding { id, severity: worst.unwrap_or_default(), ..Finding::default() }
        };
        Ok(Self {
            scanner: scanner.uri,
            finished: time(DOCUMENT, FINISHED, metadata.scan_finished_on.as_deref())?,
            findings: scanner.result.0.into_iter().map(finding).collect(),
        })
    }

    /// Reads SARIF 2.1.0.
    ///
    /// # Errors
    /// As [`PredicateError`] says.
    pub fn decode_sarif(predicate: &[u8]) -> Result<Self, PredicateError> {
        const DOCUMENT: &str = "SARIF";
        let sarif: Sarif = read(DOCUMENT, predicate, DOCUMENT_VALUES)?;
        if sarif.version != "2.1.0" {
            return Err(PredicateError::value(DOCUMENT, "version", "2.1.0", sarif.version));
        }
        let mut finished = None;
        for ended in sarif.ended() {
            // The oldest of several runs: none of what they say is newer than it claims.
            let ended = time(DOCUMENT, "runs[].invocations[].endTimeUtc", Some(ended))?;
            finished = finished.map_or(ended, |finished: Timestamp| ended.map(|ended| ended.min(finished)));
        }
        let scanner = sarif.tool();
        match sarif.findings() {
            Some(findings) => Ok(Self { scanner, finished, findings }),
            None => Err(PredicateError::value(DOCUMENT, "runs", "runs that succeeded, each with its results", scanner)),
        }
    }
}

#[cfg(test)]
mod tests;
