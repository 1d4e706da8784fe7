//! The HTML report of an audit in a real Chromium: searched, sorted, opened, printed, without scripts, with hostile words.

use crate::{bench::Case, chain, common::peers};
use boltseal::{
    oci::Digest,
    ops::{
        audit::{
            html::HtmlReport,
            record::{
                Basis, Decision, DigestFrom, Drift, ImageRecord, InputRecord, Place, PolicySource, Record, Role,
                Signed, Signer, Summary,
            },
        },
        provenance::{Build, Chain, Hop, Judged, Link, Reached, Source, Told, Verdict},
    },
    registry::embedded::{Embedded, EmbeddedOptions},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, io::BufWriter, process::Command};

const HOSTILE: &str =
    "x</script><script>pwned=1</script><img src=x onerror=pwned=1>\"'&<!--\u{202e}gnp\u{2066}\u{0}]]>";
const DECISIONS: [Decision; 6] = [
    Decision::Allowed,
    Decision::Denied,
    Decision::Allowed,
    Decision::WouldDeny,
    Decision::CouldNotTell,
    Decision::NotJudged,
];

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("Chromium opens an audit's report", &["chromium-report"], || opens(240, false)),
        Case::new("Chromium opens a report of 10,000 images", &["chromium-report"], || opens(10_000, true)),
        Case::new("Chromium shows the chain of an image that was audited", &["chromium-report"], audited),
    ]
}

/// A whole audit, from signed provenance in a registry to boxes on a page.
fn audited() {
    let page = tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
        let chain = chain::Chain::build(&registry.address().to_string()).await;
        let (policy, list, page) = (chain.policy(""), chain.file("images.txt"), chain.file("report.html"));
        fs::write(&list, &chain.app.name).expect("a file");
        let report = format!("html={page}");
        chain.ask(&["audit", "--policy", &policy, "--from", &list, "--provenance", "3", "--report", &report]).expect(0);
        fs::read(page).expect("the report")
    });
    let home = tempfile::tempdir().expect("a folder");
    let (report, expected) = (home.path().join("report.html"), home.path().join("expected.json"));
    fs::write(&report, page).expect("a file");
    let said = ["release", "ci", "qa"]
        .map(|by| format!("built by https://builds.example/{by} from https://git.example/acme/cart"));
    let told = json!({ "audited": true, "boxes": 3, "gaps": 0, "uncounted": 0, "said": said });
    fs::write(&expected, told.to_string()).expect("a file");
    let mut command = Command::new(peers::folder().join("chromium-report"));
    crate::common::Ran::of(command.args([&report, &expected])).expect(0);
}

fn opens(images: usize, large: bool) {
    let home = tempfile::tempdir().expect("a folder");
    let (report, expected) = (home.path().join("report.html"), home.path().join("expected.json"));
    let counts = write(&report, images, large);
    fs::write(&expected, counts.to_string()).expect("a file");
    let mut command = Command::new(peers::folder().join("chromium-report"));
    command.args([&report, &expected]);
    // Whoever wants to look at it names a folder.
    if let Some(folder) = std::env::var_os("BOLTSEAL_PICTURES").filter(|_| !large) {
        fs::copy(&report, std::path::Path::new(&folder).join("report.html")).expect("a file");
        command.arg(folder);
    }
    let ran = crate::common::Ran::of(&mut command).expect(0);
    print!("{}", ran.stdout);
}

/// Writes a report; what there is in it.
fn write(path: &std::path::Path, images: usize, large: bool) -> Value {
    let file = BufWriter::new(fs::File::create(path).expect("a file"));
    let mut report = HtmlReport::begin(file).expect("written");
    let (mut decisions, mut drift) = (
        words(&["allowed", "denied", "would-deny", "could-not-tell", "not-judged"]),
        words(&["current", "differs", "tag-not-signed", "unknown"]),
    );
    let mut both = 0;
    for at in 0..images {
        let image = image(at);
        *decisions.entry(image.decision.word()).or_default() += 1;
        *drift.entry(image.drift.word()).or_default() += 1;
        both += u64::from(image.decision == Decision::Denied && image.drift.word() == "differs");
        report.record(&Record::Image(Box::new(image))).expect("written");
    }
    let entry = InputRecord {
        at: "line 7".to_owned(),
        text: "Not An Image!".to_owned(),
        problem: format!("no reference: {HOSTILE}"),
        exit: 3,
    };
    report.record(&Record::Input(entry)).expect("written");
    let denied = decisions["denied"];
    report.record(&Record::Summary(Box::new(summary(images as u64, decisions, drift)))).expect("written");
    json!({
        "rows": images + 1, "denied": denied, "differs": both, "large": large,
        "needle": "registry.example.com/shop/cart-7:1.7.0", "hostile": "pwned=1", "chained": "registry.example.com/shop/cart-1:1.1.0",
        "boxes": 4, "gaps": 2, "uncounted": 1,
        "said": ["refs/tags/v1; said by release", "; said by somebody; does not answer the policy",
            "as the builder\u{2019}s client said; nobody signed that, it lies in a signed index, by release"],
    })
}

fn words(all: &[&'static str]) -> BTreeMap<&'static str, u64> {
    all.iter().map(|word| (*word, 0)).collect()
}

fn summary(images: u64, decisions: BTreeMap<&'static str, u64>, drift: BTreeMap<&'static str, u64>) -> Summary {
    let started: Timestamp = "2026-11-26T08:00:00Z".parse().expect("a time");
    Summary {
        from: vec!["pods.json".to_owned()],
        images,
        places: 3 * images,
        repeated: 2 * images,
        unusable: 1,
        elsewhere: 0,
        evidence_tags: 0,
        decisions,
        drift,
        policy: PolicySource {
            file: Some("/etc/boltseal/policy.yaml".to_owned()),
            digest: Some(Digest::sha256(b"policy")),
        },
        shard: None,
        started,
        finished: started + jiff::SignedDuration::from_secs(42),
        boltseal: env!("CARGO_PKG_VERSION").to_owned(),
        cut: None,
        exit: 3,
    }
}

fn told(id: &str, message: impl Into<String>) -> Told {
    Told { id: id.to_owned(), message: message.into() }
}

fn image(at: usize) -> ImageRecord {
    let names = ["cart", "checkout", "search", "payments-gateway", "mailer", "session-store"];
    let decision = DECISIONS[at % DECISIONS.len()];
    let name = if at % 7 == 1 || at == 7 { "cart" } else { names[at % names.len()] };
    let mut reference = format!("registry.example.com/shop/{name}-{at}:1.{at}.0");
    match at {
        13 => reference = format!("registry.example.com/{HOSTILE}:1"),
        14 => reference = format!("registry.example.com/{}:1", "very-long-".repeat(400)),
        _ => {}
    }
    let digest = Digest::sha256(reference.as_bytes());
    let drift = match at % 9 {
        4 | 7 => Drift::Differs { now: Digest::sha256(b"newer"), basis: Basis::Signed },
        5 => Drift::TagNotSigned { basis: Basis::Signed, why: "the signed map does not list it".to_owned() },
        6 => Drift::Unknown { why: "it is named by digest alone".to_owned() },
        _ => Drift::Current { basis: if at.is_multiple_of(2) { Basis::Signed } else { Basis::Registry } },
    };
    let reasons = match decision {
        Decision::Allowed | Decision::NotJudged => Vec::new(),
        Decision::CouldNotTell => {
            vec![told("unread", "registry.example.com: the connection was refused while the referrers were listed")]
        }
        _ => vec![
            told("too-few-signers", format!("1 of 2 signers; release is missing for {reference}")),
            told(
                "provenance-source",
                "source git+https://github.com/acme/fork, expected git+https://github.com/acme/cart",
            ),
        ],
    };
    let signer = |authority: Option<&str>, principal: &str, what: &str| Signer {
        authority: authority.map(str::to_owned),
        principal: principal.to_owned(),
        what: what.to_owned(),
    };
    let workflow = "https://github.com/acme/cart/.github/workflows/release.yml@refs/tags/v1 (https://token.actions.githubusercontent.com)";
    let signers = match at % 6 {
        4 | 5 => Vec::new(),
        1 => vec![signer(None, "sha256:2f8a1c7d4b6e", "signature")],
        _ => vec![
            signer(Some("release"), workflow, "signature"),
            signer(Some("qa"), "sha256:77aa01c2bb90", "https://slsa.dev/provenance/v1"),
        ],
    };
    let signed = (!signers.is_empty()).then(|| Signed {
        at: "2026-11-20T10:00:00Z".parse().expect("a time"),
        age_seconds: 3_600 * (at as i64 % 2_000) + 500,
        witnessed: at % 6 != 1,
    });
    let place = |container: &str| Place {
        namespace: Some("shop".to_owned()),
        pod: Some(format!("{name}-{at}-7f9c")),
        container: Some(container.to_owned()),
        role: Role::Container,
    };
    ImageRecord {
        digest: (at % 6 != 4).then_some(digest),
        digest_from: Some(DigestFrom::Running),
        index: at.is_multiple_of(3).then(|| Digest::sha256(b"index")),
        places: vec![place("app"), place("sidecar"), Place { role: Role::Init, ..place("migrate") }],
        place_count: 3,
        decision,
        reasons,
        scope: (at % 11 != 10).then(|| "registry.example.com/shop/**".to_owned()),
        mode: Some("enforced".to_owned()),
        drift,
        signed,
        signers,
        gaps: if at % 4 == 1 {
            vec![told("registry-tag", "nobody signed what the tag means: the registry says it")]
        } else {
            Vec::new()
        },
        chain: (at % 5 == 1).then(chain),
        checked: vec![
            "signatures on the image and on the index that lists it".to_owned(),
            "provenance: builder, source and ref".to_owned(),
        ],
        not_checked: vec![
            "what is in its layers".to_owned(),
            "whether scans are newer than 30 days: the policy asks for none".to_owned(),
        ],
        exit: u8::from(decision == Decision::Denied),
        reference,
    }
}

/// An image, its base by provenance with that one's, a claim that leads back, and what is missing.
fn chain() -> Chain {
    let hop = |reference: &str, depth, verdict, proven| Hop {
        reference: reference.to_owned(),
        digest: Some(Digest::sha256(reference.as_bytes())),
        depth,
        proven,
        judged: Judged { verdict, scope: None, mode: None, reasons: Vec::new() },
        builds: Vec::new(),
        claims: Vec::new(),
        contradictions: Vec::new(),
        gaps: Vec::new(),
        children: Vec::new(),
    };
    let link = |to, reached, cycle| Link { to, reached, cycle };
    let by = || Reached::Provenance { builds: vec![0], shares_layers: Some(true) };
    let source = Source {
        uri: "git+https://github.com/acme/cart".to_owned(),
        reference: Some("refs/tags/v1".to_owned()),
        digest: [("gitCommit".to_owned(), "ab".repeat(20))].into(),
        by_builder: true,
    };
    let build = Build {
        signed_by: "release".to_owned(),
        covered: None,
        authorities: vec!["release".to_owned()],
        counts: true,
        builder: "https://github.com/actions/runner/github-hosted".to_owned(),
        build_type: "https://actions.github.io/buildtypes/workflow/v1".to_owned(),
        lists_bases: true,
        workflow: None,
        finished: None,
        sources: vec![source],
    };
    let mut hops = vec![
        hop("registry.example.com/shop/cart:1.1.0", 0, Verdict::Denied, true),
        hop("registry.example.com/base/debian:13", 1, Verdict::Allowed, true),
        hop("docker.io/library/golang:1.26", 1, Verdict::CouldNotTell, false),
        hop("registry.example.com/base/scratch-tools:4", 2, Verdict::NotVisited, true),
    ];
    let uncounted = Build { signed_by: "somebody".to_owned(), counts: false, ..build.clone() };
    let mut unsigned = Build { covered: Some("index"), ..build.clone() };
    unsigned.sources[0].by_builder = false;
    hops[0].builds = vec![build, uncounted, unsigned];
    hops[0].judged.reasons = vec![told("too-few-signers", "1 of 2 signers")];
    hops[0].children = vec![link(1, by(), false), link(2, Reached::Claim, false)];
    hops[1].builds = hops[0].builds.get(..1).map(<[_]>::to_vec).unwrap_or_default();
    hops[1].children = vec![link(3, by(), false)];
    hops[2].gaps = vec![told("no-provenance", "nobody signed what it was built from")];
    hops[3].gaps = vec![told("depth", "deeper than 2 steps was not looked")];
    Chain { hops }
}
