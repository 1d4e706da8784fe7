use super::*;
use serde_json::{Value, json};

macro_rules! predicate {
    ($name:literal) => {
        &include_bytes!(concat!("../../../../testdata/predicates/", $name))[..]
    };
}

fn told(scan: &Scan) -> Vec<(&str, Severity)> {
    scan.findings.iter().map(|finding| (&*finding.id, finding.severity)).collect()
}

#[test]
fn each_tool_s_report_says_what_was_found() {
    let time = Some("2026-11-20T10:04:30Z".parse().unwrap());
    let trivy = Scan::decode_cosign(predicate!("vuln-trivy.json")).unwrap();
    assert_eq!(told(&trivy), [("CVE-2026-1001", Severity::Critical), ("CVE-2026-1002", Severity::Medium)]);
    assert_eq!((&*trivy.findings[0].fixed, trivy.finished), ("3.3.2-r2", time));
    let grype = Scan::decode_cosign(predicate!("vuln-grype.json")).unwrap();
    assert_eq!(told(&grype), [("GHSA-aaaa-bbbb-cccc", Severity::Critical)]);
    assert_eq!(grype.findings[0].aliases, ["CVE-2026-1001".into()].into());
    let vulns = Scan::decode_in_toto(predicate!("vulns-in-toto.json")).unwrap();
    assert_eq!(told(&vulns), [("CVE-2026-1001", Severity::Critical), ("CVE-2026-1002", Severity::Unknown)]);
    let sarif = Scan::decode_sarif(predicate!("sarif.json")).unwrap();
    assert_eq!(told(&sarif), [("CVE-2026-1001", Severity::Critical), ("CVE-2026-1002", Severity::Medium)]);
    assert_eq!((sarif.scanner.as_str(), sarif.finished), ("Trivy", time));
}

#[test]
fn sarif_inside_cosign_s_predicate_is_read_as_sarif() {
    let mut cosign: Value = serde_json::from_slice(predicate!("vuln-trivy.json")).unwrap();
    cosign["scanner"]["result"] = serde_json::from_slice(predicate!("sarif.json")).unwrap();
    let scan = Scan::decode_cosign(cosign.to_string().as_bytes()).unwrap();
    assert_eq!(told(&scan)[0], ("CVE-2026-1001", Severity::Critical));
}

#[test]
fn a_report_whose_findings_would_be_passed_over_is_refused() {
    let mut cosign: Value = serde_json::from_slice(predicate!("vuln-trivy.json")).unwrap();
    for result in [json!({}), json!({"issues": []}), json!({"SchemaVersion": 2, "matches": []})] {
        cosign["scanner"]["result"] = result;
        let error = Scan::decode_cosign(cosign.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("scanner.result"), "{error}");
    }
    cosign["scanner"]["result"] = json!({"SchemaVersion": 2, "ArtifactName": "a"});
    assert!(Scan::decode_cosign(cosign.to_string().as_bytes()).unwrap().findings.is_empty());
    cosign["scanner"]["result"] = json!({"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"Severity": "LOW"}]}]});
    let error = Scan::decode_cosign(cosign.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.contains("scanner.result.Results[0].Vulnerabilities[0]"), "{error}");
}

// [V-160] [V-166]
#[test]
fn a_sarif_run_that_failed_or_looked_for_nothing_is_no_clean_scan() {
    let sarif: Value = serde_json::from_slice(predicate!("sarif.json")).unwrap();
    let mut cosign: Value = serde_json::from_slice(predicate!("vuln-trivy.json")).unwrap();
    let run = |results: Value| json!({"tool": {"driver": {"name": "x"}}, "results": results});
    let mut failed = run(json!([]));
    failed["invocations"] = json!([{"executionSuccessful": true}, {"executionSuccessful": false}]);
    let absent = json!({"tool": {"driver": {"name": "x"}}});
    for runs in
        [json!([]), json!([failed]), json!([absent]), json!([run(Value::Null)]), json!([run(json!([])), absent])]
    {
        let mut bad = sarif.clone();
        bad["runs"] = runs.clone();
        let error = Scan::decode_sarif(bad.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("runs"), "{error}");
        cosign["scanner"]["result"] = bad;
        Scan::decode_cosign(cosign.to_string().as_bytes()).unwrap_err();
    }
    let mut good = sarif;
    good["runs"] = json!([run(json!([]))]);
    assert!(Scan::decode_sarif(good.to_string().as_bytes()).unwrap().findings.is_empty());
    // That there is no level says nothing of how bad it is.
    good["runs"] = json!([run(json!([{"ruleId": "CVE-1", "level": "none"}]))]);
    let scan = Scan::decode_sarif(good.to_string().as_bytes()).unwrap();
    assert_eq!(told(&scan), [("CVE-1", Severity::Unknown)]);
}

// [V-166]
#[test]
fn what_a_scanner_was_told_to_leave_out_is_found_all_the_same() {
    let mut grype: Value = serde_json::from_slice(predicate!("vuln-grype.json")).unwrap();
    let report = &mut grype["scanner"]["result"];
    report["ignoredMatches"] = report["matches"].take();
    report["matches"] = json!([]);
    let scan = Scan::decode_cosign(grype.to_string().as_bytes()).unwrap();
    assert_eq!(told(&scan), [("GHSA-aaaa-bbbb-cccc", Severity::Critical)]);
    let mut trivy: Value = serde_json::from_slice(predicate!("vuln-trivy.json")).unwrap();
    let target = &mut trivy["scanner"]["result"]["Results"][0];
    let first = target["Vulnerabilities"].as_array_mut().unwrap().remove(0);
    target["ExperimentalModifiedFindings"] = json!([
        {"Type": "vulnerability", "Status": "ignored", "Finding": first},
        {"Type": "misconfiguration", "Status": "ignored", "Finding": {"ID": "x"}},
    ]);
    let scan = Scan::decode_cosign(trivy.to_string().as_bytes()).unwrap();
    assert_eq!(told(&scan)[1], ("CVE-2026-1001", Severity::Critical));
    assert_eq!(scan.findings.len(), 2);
}

#[test]
fn severities_are_words_or_scores_and_what_is_neither_is_the_worst() {
    for (text, severity) in [
        ("CRITICAL", Severity::Critical),
        ("9.0", Severity::Critical),
        ("8.9", Severity::High),
        ("Important", Severity::High),
        ("4", Severity::Medium),
        ("3.9", Severity::Low),
        ("0", Severity::Negligible),
        ("none", Severity::Negligible),
        ("11", Severity::Unknown),
        ("-1", Severity::Unknown),
        ("NaN", Severity::Unknown),
        ("", Severity::Unknown),
        ("UNKNOWN", Severity::Unknown),
    ] {
        assert_eq!(Severity::parse(text), severity, "{text}");
        assert!(severity <= Severity::Unknown);
    }
}
