//! The vectors under `testdata/vectors`: what hangs on an image, a policy, a time, and what has to come of it. A case
//! that passes where it should not fails as well as the other way round.

#[cfg(feature = "net")]
#[path = "common/evidence.rs"]
mod evidence;

use boltseal::{
    crypto::PublicKey,
    limits::Limits,
    oci::Digest,
    policy::{Decision, Policy, evaluate},
    verify::{Blob, BlobKind, Collected, LegacyMaterial, Place, Subject, Unread, Via, verify_all},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    what: String,
    reference: String,
    digest: Digest,
    /// The index that lists the image.
    index: Option<String>,
    now: Timestamp,
    policy: Value,
    /// The mode that counts, where it is not `enforced`.
    mode: Option<String>,
    blobs: Vec<CaseBlob>,
    #[serde(default)]
    unread: Vec<CaseUnread>,
    expect: String,
    /// The reasons' ids, in the order in which they are told.
    reasons: Vec<String>,
    /// The rejections' ids, in the blobs' order.
    rejections: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
enum CaseBlob {
    Bundle {
        #[serde(flatten)]
        content: Content,
    },
    SimpleSigning {
        signature: String,
        #[serde(flatten)]
        content: Content,
    },
    Envelope {
        #[serde(flatten)]
        content: Content,
    },
    Malformed {
        why: String,
    },
    Foreign {
        #[serde(rename = "media-type")]
        media_type: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Content {
    /// A file under `testdata`.
    File(PathBuf),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseUnread {
    what: String,
    why: String,
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl CaseBlob {
    fn into_blob(self, about: Digest, layer: usize) -> Blob {
        let bytes = |content| match content {
            Content::File(path) => read(&testdata().join(path)),
            Content::Text(text) => text.into_bytes(),
        };
        let (kind, bytes) = match self {
            Self::Bundle { content } => (BlobKind::Bundle, bytes(content)),
            Self::SimpleSigning { signature, content } => {
                (BlobKind::SimpleSigning { signature, material: LegacyMaterial::default() }, bytes(content))
            }
            Self::Envelope { content } => (BlobKind::Envelope { material: LegacyMaterial::default() }, bytes(content)),
            Self::Malformed { why } => (BlobKind::Malformed { why }, Vec::new()),
            Self::Foreign { media_type } => (BlobKind::Foreign { media_type }, Vec::new()),
        };
        Blob { place: Place { subject: about, via: Via::Supplied, manifest: None, layer }, kind, bytes }
    }
}

fn policy(value: &Value) -> Policy {
    let load = |path: &str| PublicKey::from_pem_bytes(&read(&testdata().join(path))).map_err(|error| error.to_string());
    Policy::parse(&value.to_string(), &load).unwrap_or_else(|error| panic!("{error}\n{value:#}"))
}

/// What came of a case, in the words of the file.
fn judge(case: Case) -> (String, Vec<String>, Vec<String>, Option<String>) {
    let reference: boltseal::oci::Reference = case.reference.parse().expect("a reference");
    let subject = match case.index {
        None => Subject::new(reference, case.digest),
        Some(index) => Subject::new(reference, Digest::sha256(index.as_bytes()))
            .image_within(index.as_bytes(), case.digest)
            .expect("the index lists the image"),
    };
    let blobs = case.blobs.into_iter().enumerate().map(|(layer, blob)| blob.into_blob(case.digest, layer)).collect();
    let unread = case.unread.into_iter().map(|CaseUnread { what, why }| Unread { what, why }).collect();
    let policy = policy(&case.policy);
    let findings = verify_all(&subject, Collected { blobs, unread }, policy.anchors(), case.now, &Limits::default());
    let rejections = findings.rejected().iter().map(|one| one.rejection.id().to_owned()).collect();
    let outcome = evaluate(&policy, &findings, case.now);
    let mode = outcome.mode.to_string();
    let (decision, reasons) = match outcome.decision {
        Decision::Allow(_) => ("allow", Vec::new()),
        Decision::Deny(reasons) => ("deny", reasons),
        Decision::Undetermined(reasons) => ("could-not-tell", reasons),
        Decision::NotJudged => ("not-judged", Vec::new()),
    };
    let reasons = reasons.iter().map(|reason| reason.id().to_owned()).collect();
    (decision.to_owned(), reasons, rejections, (mode != "enforced").then_some(mode))
}

#[test]
fn every_vector_comes_out_as_it_says() {
    let (mut names, mut failed) = (BTreeSet::new(), Vec::new());
    let mut files: Vec<_> =
        fs::read_dir(testdata().join("vectors")).expect("vectors").map(|f| f.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    for file in &files {
        let cases: Vec<Case> =
            serde_json::from_slice(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for case in cases {
            assert!(names.insert(case.name.clone()), "{} comes twice", case.name);
            let (name, what) = (case.name.clone(), case.what.clone());
            let expected = (case.expect.clone(), case.reasons.clone(), case.rejections.clone(), case.mode.clone());
            let found = judge(case);
            if found != expected {
                failed.push(format!("{name} ({what})\n  expected {expected:?}\n  found    {found:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {} vectors:\n{}", failed.len(), names.len(), failed.join("\n"));
    assert!(files.len() >= 3 && names.len() >= 78, "only {} vectors in {} files", names.len(), files.len());
}

/// The real tools' manifests, put into a registry as they were: found, told apart, and judged together.
#[cfg(feature = "net")]
mod registry {
    use super::*;
    use boltseal::{
        limits::Limits,
        oci::{Manifest, Reference},
        ops::{
            OpsError,
            verify::{Verification, Verifier},
        },
        registry::{
            Options, Repo, Selector, Session,
            embedded::{Embedded, EmbeddedOptions},
        },
    };
    use evidence::Writer;
    use std::time::Duration;

    const IMAGE: &str = "sha256:a4ae8dba89657ee343d766312957890a960e40c41512ca197ccb7413016c9215";

    /// Pushes what lies in one folder of `testdata/wire`.
    async fn push(repo: &Repo, folder: &str) {
        let folder = testdata().join("wire").join(folder);
        let mut manifests = Vec::new();
        for file in fs::read_dir(&folder).expect("a folder") {
            let path = file.expect("a file").path();
            match path.file_name().and_then(|name| name.to_str()).expect("a name") {
                name if name.starts_with("blob-") => repo.push_blob(&read(&path)).await.expect("a blob"),
                "referrer.json" => manifests.push((None, read(&path))),
                "sig.json" => manifests.push((Some("sig"), read(&path))),
                "att.json" => manifests.push((Some("att"), read(&path))),
                _ => {}
            }
        }
        let image: Digest = IMAGE.parse().expect("a digest");
        let Repo::Remote(remote) = repo else { panic!("a registry") };
        for (suffix, bytes) in manifests {
            let at = match suffix {
                Some(suffix) => Selector::Tag(format!("{}.{suffix}", image.fallback_tag())),
                None => Selector::Digest(Digest::sha256(&bytes)),
            };
            let Ok(Manifest::Image(manifest)) = Manifest::decode(&bytes) else {
                panic!("{folder:?}: an image manifest")
            };
            let media_type = manifest.media_type.as_deref().expect("a media type");
            remote.push_manifest_bytes(&at, media_type, &bytes).await.expect("a manifest");
        }
    }

    async fn verified(registry: &Embedded, policy: &Policy) -> Result<Verification, OpsError> {
        let session =
            Session::new(Options { backoff: Duration::from_millis(1), ..Options::default() }).expect("no files");
        let limits = Limits::default();
        let verifier = Verifier { session: &session, policy, now: Timestamp::UNIX_EPOCH, limits: &limits, trust: None };
        let reference: Reference = format!("{}/app@{IMAGE}", registry.address()).parse().expect("a reference");
        verifier.verify(&reference, None).await
    }

    fn cosign_key(asks: &str) -> Policy {
        let asked = match asks {
            "signatures" => serde_json::json!({ "signatures": { "from": ["a"] } }),
            kind => serde_json::json!({ "attestations": [{ "type": kind, "from": ["a"] }] }),
        };
        let key = serde_json::json!({ "a": { "key": "keys/p256-cosign-pub.test.pem" } });
        policy(&serde_json::json!({ "version": 1, "authorities": key, "images": { "**": asked } }))
    }

    /// A folder, what the policy asks for, and what comes of it.
    const ARTIFACTS: &[(&str, &str, &str)] = &[
        ("cosign-bundle", "signatures", "allow"),
        ("cosign-legacy", "signatures", "allow"),
        ("cosign-oci11", "signatures", "allow"),
        ("skopeo", "signatures", "allow"),
        ("cosign-p384", "signatures", "nothing holds"),
        ("notation-jws", "signatures", "nothing holds"),
        ("notation-cose", "signatures", "nothing holds"),
        ("cosign-att-custom", "signatures", "unsigned"),
        ("cosign-att-custom", "custom", "allow"),
        ("cosign-att-cyclonedx", "cyclonedx", "allow"),
        ("cosign-att-slsaprovenance1", "slsaprovenance1", "allow"),
        ("cosign-att-spdx", "spdx", "allow"),
        ("cosign-att-spdxjson", "spdxjson", "allow"),
        ("cosign-att-vuln", "vuln", "allow"),
        ("cosign-att-legacy", "slsaprovenance1", "allow"),
        ("cosign-att-legacy", "custom", "allow"),
        ("cosign-att-legacy", "signatures", "unsigned"),
    ];

    #[tokio::test]
    async fn each_real_artifact_is_found_and_judged() {
        for (folder, asks, expected) in ARTIFACTS {
            let registry = Embedded::start(EmbeddedOptions::default()).await.expect("loopback");
            push(&Writer::new(registry.address(), "app").0, folder).await;
            let found = match verified(&registry, &cosign_key(asks)).await.map(|done| done.outcome.decision) {
                Ok(Decision::Allow(_)) => "allow",
                Ok(Decision::Deny(reasons)) => reasons.first().map_or("nothing", boltseal::policy::Reason::id),
                Ok(other) => panic!("{folder}: {other:?}"),
                // The image itself is not among the samples; it is looked for where nothing holds.
                Err(OpsError::Registry(error)) if error.is_not_found() => "nothing holds",
                Err(error) => panic!("{folder}: {error}"),
            };
            assert_eq!(found, *expected, "{folder}, {asks} asked for");
        }
    }

    #[tokio::test]
    async fn everything_that_all_tools_write_hangs_on_one_image_and_is_one_body_of_evidence() {
        let registry = Embedded::start(EmbeddedOptions::default()).await.expect("loopback");
        let writer = Writer::new(registry.address(), "app");
        let mut folders: Vec<_> = ARTIFACTS.iter().map(|(folder, ..)| *folder).collect();
        // These share the `.sig` tag with cosign's.
        folders.retain(|folder| !["skopeo", "cosign-p384"].contains(folder));
        folders.dedup();
        for folder in folders {
            push(&writer.0, folder).await;
        }
        let done = verified(&registry, &cosign_key("signatures")).await.expect("something holds");
        assert!(matches!(done.outcome.decision, Decision::Allow(_)), "{:?}", done.outcome.decision);
        assert_eq!(done.findings.verified().len(), 3 + 6 + 2, "signatures, attestations, legacy attestations");
        let rejected: Vec<_> = done.findings.rejected().iter().map(|one| one.rejection.id()).collect();
        assert_eq!(rejected, ["format-unsupported", "format-unsupported"], "Notation's two");
    }
}
