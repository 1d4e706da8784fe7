//! A small predicate of each type.

/// The short name, and a file's content.
pub const ALL: [(&str, &str); 10] = [
    ("custom", "any text, \"quoted\"\n"),
    ("slsaprovenance", SLSA_V02),
    ("slsaprovenance02", SLSA_V02),
    ("slsaprovenance1", SLSA_V1),
    ("spdx", SPDX),
    ("spdxjson", SPDX),
    ("cyclonedx", CYCLONEDX),
    ("vuln", VULN),
    ("link", LINK),
    ("openvex", OPENVEX),
];

pub fn content(name: &str) -> &'static str {
    ALL.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no predicate {name}")).1
}

const SLSA_V02: &str = r#"{
  "builder": {"id": "https://example.com/builder"}, "buildType": "https://example.com/build/v1",
  "invocation": {"configSource": {"uri": "git+https://example.com/app", "digest": {"sha1": "aa218f56b14c9653891f9e74264a383fa43fefbd"}}},
  "metadata": {"buildInvocationId": "1", "completeness": {"parameters": true, "environment": false, "materials": false}, "reproducible": false},
  "materials": [{"uri": "git+https://example.com/app", "digest": {"sha1": "aa218f56b14c9653891f9e74264a383fa43fefbd"}}]
}"#;

const SLSA_V1: &str = r#"{
  "buildDefinition": {
    "buildType": "https://example.com/build/v1", "externalParameters": {"source": "git+https://example.com/app@refs/heads/main"},
    "internalParameters": {}, "resolvedDependencies": [{"uri": "git+https://example.com/app", "digest": {"gitCommit": "aa218f56b14c9653891f9e74264a383fa43fefbd"}}]
  },
  "runDetails": {
    "builder": {"id": "https://example.com/builder/v1"},
    "metadata": {"invocationId": "1", "startedOn": "2026-01-01T00:00:00Z", "finishedOn": "2026-01-01T00:01:00Z"}
  }
}"#;

const SPDX: &str = r#"{
  "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "app",
  "documentNamespace": "https://example.com/spdx/app", "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: none"]},
  "packages": [{"name": "busybox", "SPDXID": "SPDXRef-busybox", "versionInfo": "1.36.1", "downloadLocation": "NOASSERTION"}]
}"#;

const CYCLONEDX: &str = r#"{
  "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
  "components": [{"type": "library", "name": "busybox", "version": "1.36.1"}]
}"#;

const VULN: &str = r#"{
  "invocation": {"parameters": null, "uri": "", "event_id": "", "builder.id": ""},
  "scanner": {"uri": "https://example.com/scanner", "version": "1.0", "db": {"uri": "", "version": ""}, "result": {"matches": []}},
  "metadata": {"scanStartedOn": "2026-01-01T00:00:00Z", "scanFinishedOn": "2026-01-01T00:01:00Z"}
}"#;

const LINK: &str = r#"{
  "_type": "link", "name": "build", "command": ["make"], "materials": {}, "products": {}, "byproducts": {}, "environment": {}
}"#;

const OPENVEX: &str = r#"{
  "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex/1", "author": "example",
  "timestamp": "2026-01-01T00:00:00Z", "version": 1,
  "statements": [{"vulnerability": {"name": "CVE-2026-0001"}, "products": [{"@id": "pkg:oci/app"}], "status": "not_affected", "justification": "component_not_present"}]
}"#;
