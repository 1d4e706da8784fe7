//! What a document of 50 MB costs: the memory of a process that does nothing but read it, and the time. A process for each, as
//! memory that was once taken is never given back. Fails where a target is missed.

use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey},
    format::{
        bundle::encode_keyed,
        dsse::{Envelope, EnvelopeSignature},
        predicate::{CYCLONEDX, Document, SPDX, VULN},
    },
    limits::Limits,
    oci::{Descriptor, Digest, ImageManifest, Manifest, media_type},
    ops::verify::Verifier,
    policy::{Decision, Policy},
    registry::{
        Access, Options, Selector, Session,
        embedded::{Embedded, EmbeddedOptions},
    },
    trust::Anchors,
    verify::{Blob, BlobKind, Collected, LegacyMaterial, Place, Subject, Via, verify_all},
};
use std::{env, ffi::OsStr, fmt::Write as _, fs, hint::black_box, path::Path, process::Command, time::Instant};

const SIZE: usize = 50_000_000;
/// What a document may cost, in its own size: issue "a 50 MB SBOM within 4x its size in memory".
const MOST: f64 = 4.0;
const CASES: [(&str, &str); 6] = [
    ("SPDX 2.3", SPDX),
    ("SPDX 2.3, files", SPDX),
    ("SPDX 3", SPDX),
    ("CycloneDX 1.6", CYCLONEDX),
    ("CycloneDX 1.6, least", CYCLONEDX),
    ("scan", VULN),
];

fn main() {
    let args: Vec<String> = env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "--read", kind, path] => read(kind, Path::new(path)),
        [_, "--verify", kind, path, key] => verify(kind, Path::new(path), Path::new(key)),
        [_, "--registry", reference, key] => from_registry(reference, Path::new(key)),
        _ => parent(),
    }
}

fn parent() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut missed = Vec::new();
    println!("| document of 50 MB | memory, in its size | time |\n|---|---|---|");
    for (name, kind) in CASES {
        let path = folder.path().join("document");
        let document = document(name);
        fs::write(&path, &document).expect("a file");
        let child = [&["--read".as_ref(), kind.as_ref(), path.as_os_str()][..]].concat();
        row(name, document.len(), &child, &mut missed);
    }
    // The whole way of an attestation: envelope, signature, statement.
    let (path, key) = (folder.path().join("evidence"), folder.path().join("key"));
    let document = document("CycloneDX 1.6");
    let signer = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key");
    fs::write(&key, signer.public().to_pem()).expect("a file");
    let (subject, manifest) = image();
    let envelope = envelope(&document, &subject.digest, &signer);
    for (kind, bytes) in [("envelope", envelope.encode()), ("bundle", encode_keyed(&envelope, &signer.public().hint()))]
    {
        fs::write(&path, &bytes).expect("a file");
        let child = [OsStr::new("--verify"), kind.as_ref(), path.as_os_str(), key.as_os_str()];
        row(&format!("CycloneDX 1.6, {kind} verified"), document.len(), &child, &mut missed);
        let registry = Served::start(&subject, &manifest, kind, &bytes);
        let child = [OsStr::new("--registry"), registry.reference.as_ref(), key.as_os_str()];
        row(&format!("CycloneDX 1.6, {kind} from a registry, judged"), document.len(), &child, &mut missed);
    }
    assert!(missed.is_empty(), "over {MOST} times its size: {missed:?}");
}

fn row(name: &str, size: usize, args: &[&OsStr], missed: &mut Vec<String>) {
    let output = Command::new(env::current_exe().expect("this program")).args(args).output().expect("a process");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).expect("text");
    let numbers: Vec<f64> = told.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [bytes, seconds] = numbers[..] else { panic!("{told}") };
    let times = bytes / size as f64;
    println!("| {name} | {times:.2} | {seconds:.2} s |");
    if times > MOST {
        missed.push(format!("{name}: {times:.2}"));
    }
}

/// The most bytes that this process ever had in memory since it began; `getrusage` tells its parent's, too.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1_024.0
}

fn read(kind: &str, path: &Path) {
    let before = peak();
    let bytes = fs::read(path).expect("the document");
    let start = Instant::now();
    let document = Document::decode(kind, &bytes).expect("a document").expect("a known type");
    let seconds = start.elapsed().as_secs_f64();
    println!("{} {seconds}", peak() - before);
    black_box((document, bytes));
}

fn public(key: &Path) -> PublicKey {
    PublicKey::from_pem(&fs::read_to_string(key).expect("a key")).expect("a key")
}

fn verify(kind: &str, path: &Path, key: &Path) {
    let before = peak();
    let bytes = fs::read(path).expect("the evidence");
    let subject = Subject::new("r.example/app:1".parse().expect("a reference"), image().0.digest);
    let place = Place { subject: subject.digest(), via: Via::Supplied, manifest: None, layer: 0 };
    let kind = match kind {
        "bundle" => BlobKind::Bundle,
        _ => BlobKind::Envelope { material: LegacyMaterial::default() },
    };
    let collected = Collected { blobs: vec![Blob { place, kind, bytes }], unread: Vec::new() };
    let start = Instant::now();
    let (now, limits) = (jiff::Timestamp::UNIX_EPOCH, Limits::default());
    let findings = verify_all(&subject, collected, &Anchors::new([public(key)]), now, &limits);
    assert_eq!(findings.verified().len(), 1, "{:?}", findings.rejected());
    println!("{} {}", peak() - before, start.elapsed().as_secs_f64());
    let _ = black_box(findings);
}

/// All of `verify`, by a policy that asks for something in the SBOM.
fn from_registry(reference: &str, key: &Path) {
    let rule = "{ sbom: { from: [ci], must-list: { \"pkg:apk/alpine/package-7@*\": any }, deny-packages: [xz] } }";
    let text = format!("version: 1\nauthorities: {{ ci: {{ key: k }} }}\nimages: {{ '**': {rule} }}\n");
    let policy = Policy::parse(&text, &|_| Ok(public(key))).expect("a policy");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let session = Session::new(Options::default()).expect("a session");
    let before = peak();
    let start = Instant::now();
    let (now, limits) = (jiff::Timestamp::UNIX_EPOCH, Limits::default());
    let verifier = Verifier { session: &session, policy: &policy, now, limits: &limits, trust: None };
    let reference = reference.parse().expect("a reference");
    let done = runtime.block_on(verifier.verify(&reference, None)).expect("a verification");
    assert!(matches!(done.outcome.decision, Decision::Allow(_)), "{:?}", done.outcome.decision);
    println!("{} {}", peak() - before, start.elapsed().as_secs_f64());
    let _ = black_box(done);
}

/// An image without layers.
fn image() -> (Descriptor, Manifest) {
    let manifest = Manifest::Image(Box::new(ImageManifest::new(Descriptor::empty(), Vec::new())));
    (Descriptor::of(media_type::IMAGE_MANIFEST, &manifest.encode()), manifest)
}

/// A registry in this process that holds the image and one piece of evidence.
struct Served {
    reference: String,
    _registry: Embedded,
    _runtime: tokio::runtime::Runtime,
}

impl Served {
    fn start(subject: &Descriptor, image: &Manifest, kind: &str, evidence: &[u8]) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (reference, registry) = runtime.block_on(async {
            let options = EmbeddedOptions { memory: 512 << 20, ..EmbeddedOptions::default() };
            let registry = Embedded::start(options).await.expect("a registry");
            let reference = format!("{}/app:1", registry.address());
            let name = reference.parse::<boltseal::oci::Reference>().expect("a reference").repository;
            let session = Session::new(Options::default()).expect("a session");
            let repo = session.open(&name, Access::PullPush).expect("a repository");
            repo.push_blob(media_type::EMPTY_CONTENT).await.expect("a blob");
            repo.push_blob(evidence).await.expect("a blob");
            repo.push_manifest(&Selector::Tag("1".to_owned()), image).await.expect("an image");
            let layer = if kind == "bundle" { media_type::BUNDLE_V03 } else { media_type::DSSE };
            let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(layer, evidence)]);
            if kind == "bundle" {
                manifest.subject = Some(subject.clone());
                repo.attach(&manifest).await.expect("a referrer");
            } else {
                let tag = Selector::Tag(format!("{}.att", subject.digest.fallback_tag()));
                repo.push_manifest(&tag, &Manifest::Image(Box::new(manifest))).await.expect("a manifest");
            }
            (reference, registry)
        });
        Self { reference, _registry: registry, _runtime: runtime }
    }
}

fn envelope(document: &str, about: &Digest, key: &PrivateKey) -> Envelope {
    let digest = about.hex();
    let payload = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{digest}"}}}}],"predicateType":"{CYCLONEDX}","predicate":{document}}}"#
    );
    let (payload_type, payload) = ("application/vnd.in-toto+json".to_owned(), payload.into_bytes());
    let mut envelope = Envelope { payload_type, payload, signatures: Vec::new() };
    let signature = key.sign(&envelope.pae()).expect("a signature");
    envelope.signatures.push(EnvelopeSignature { key_hint: None, signature });
    envelope
}

/// A document in the proportions that tools write: most of a package's bytes are what nobody asks for.
fn document(name: &str) -> String {
    let (head, tail) = match name {
        "SPDX 2.3" | "SPDX 2.3, files" => (
            r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","creationInfo":{"created":"2026-11-20T10:00:00Z"},"packages":["#,
            "]}",
        ),
        "SPDX 3" => (r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":["#, "]}"),
        "scan" => (
            r#"{"scanner":{"uri":"trivy","result":{"SchemaVersion":2,"Results":[{"Vulnerabilities":["#,
            r#"]}]}},"metadata":{"scanFinishedOn":"2026-11-20T10:00:00Z"}}"#,
        ),
        _ => (r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":["#, "]}"),
    };
    let files = r#"{"SPDXID":"SPDXRef-p","name":"one"}],"files":["#;
    let mut text = head.to_owned();
    if name == "SPDX 2.3, files" {
        text.push_str(files);
    }
    let mut at = 0;
    while text.len() < SIZE {
        if at > 0 {
            text.push(',');
        }
        item(name, at, &mut text);
        at += 1;
    }
    text + tail
}

fn item(name: &str, at: usize, text: &mut String) {
    let written = match name {
        "SPDX 2.3" => write!(
            text,
            r#"{{"SPDXID":"SPDXRef-{at}","name":"package-{at}","versionInfo":"1.{at}.0-r1","downloadLocation":"NOASSERTION","filesAnalyzed":false,"licenseConcluded":"NOASSERTION","licenseDeclared":"Apache-2.0","copyrightText":"NOASSERTION","supplier":"Organization: Example","externalRefs":[{{"referenceCategory":"SECURITY","referenceType":"cpe23Type","referenceLocator":"cpe:2.3:a:example:package-{at}:1.{at}.0:*:*:*:*:*:*:*"}},{{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:apk/alpine/package-{at}@1.{at}.0-r1?arch=x86_64"}}]}}"#
        ),
        "SPDX 2.3, files" => write!(
            text,
            r#"{{"SPDXID":"SPDXRef-f{at}","fileName":"/usr/lib/x/{at}.so","checksums":[{{"algorithm":"SHA1","checksumValue":"{at:040x}"}}],"licenseConcluded":"NOASSERTION","copyrightText":""}}"#
        ),
        "SPDX 3" => write!(
            text,
            r#"{{"type":"software_Package","spdxId":"https://sbom.example.com/{at}","creationInfo":"_:creation","name":"package-{at}","software_packageVersion":"1.{at}.0","software_packageUrl":"pkg:apk/alpine/package-{at}@1.{at}.0","software_copyrightText":"NOASSERTION"}}"#
        ),
        "CycloneDX 1.6" => write!(
            text,
            r#"{{"bom-ref":"pkg:apk/alpine/package-{at}@1.{at}.0?package-id={at:016x}","type":"library","name":"package-{at}","version":"1.{at}.0","licenses":[{{"license":{{"id":"Apache-2.0"}}}}],"cpe":"cpe:2.3:a:example:package-{at}:1.{at}.0:*:*:*:*:*:*:*","purl":"pkg:apk/alpine/package-{at}@1.{at}.0","properties":[{{"name":"syft:package:type","value":"apk"}},{{"name":"syft:location:0:path","value":"/lib/apk/db/installed"}}]}}"#
        ),
        "scan" => write!(
            text,
            r#"{{"VulnerabilityID":"CVE-2026-{at}","PkgName":"package-{at}","PkgIdentifier":{{"PURL":"pkg:apk/alpine/package-{at}@1.{at}.0"}},"InstalledVersion":"1.{at}.0","FixedVersion":"1.{at}.1","Severity":"LOW","Title":"a flaw in package-{at}","Description":"{}","References":["https://nvd.example.com/{at}"]}}"#,
            "an attacker can do what an attacker does. ".repeat(12)
        ),
        // The least that a component can be and still say something.
        _ => write!(
            text,
            r#"{{"type":"library","name":"package-{at}","version":"1.{at}","purl":"pkg:npm/package-{at}@1.{at}"}}"#
        ),
    };
    written.expect("a text");
}
