//! Decisions kept: summaries of them as attestations, and logs, as the command line writes and reads them.

mod common;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use common::{Ran, images::Table, key};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const VERIFIER: &str = "https://verify.example.com";

async fn open() -> (Embedded, Table) {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = Table::small(&registry.address().to_string()).await;
    for name in ["qa.test.pub", "ci.test.pub"] {
        fs::copy(key(name), table.file(name)).expect("a key");
    }
    (registry, table)
}

/// A policy that asks for this; authorities are `release`, `qa` and `ci`.
fn policy(table: &Table, name: &str, asked: &str) -> String {
    let text = format!(
        "version: 1\nauthorities: {{ release: {{ key: release.pub }}, qa: {{ key: qa.test.pub }}, ci: {{ key: ci.test.pub }} }}\n\
         images: {{ \"**\": {{ {asked} }}, \"oci:**\": {{ {asked} }} }}\n"
    );
    let path = table.file(name);
    fs::write(&path, text).expect("a policy");
    path
}

/// `verify --attest-vsa` by qa's key.
fn attest(table: &Table, policy: &str, reference: &str) -> Ran {
    let signer = key("qa.test.key");
    let words = ["verify", "-o", "json", "--policy", policy, "--attest-vsa", VERIFIER, "--vsa-key", &signer, reference];
    table.ask(&words)
}

fn verify(table: &Table, policy: &str, reference: &str) -> Ran {
    table.ask(&["verify", "-o", "json", "--policy", policy, reference])
}

#[track_caller]
fn ids(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let reasons = report["results"][0]["reasons"].as_array().cloned().unwrap_or_default();
    reasons.iter().map(|reason| reason["id"].as_str().expect("an id").to_owned()).collect()
}

fn accepts(more: &str) -> String {
    format!("vsa: {{ from: [qa], verifier: \"{VERIFIER}\", max-age: 1h{more} }}")
}

// [V-280] [V-282] [V-284]
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_attested_and_counts_elsewhere() {
    let (_registry, table) = open().await;
    let signed = table.find("signed").by_tag();
    let (judges, relies) =
        (policy(&table, "judges.yaml", "signatures: { from: [release] }"), policy(&table, "relies.yaml", &accepts("")));
    assert!(ids(&verify(&table, &relies, &signed).expect(1)).contains(&"attestation-missing".to_owned()));

    let report = attest(&table, &judges, &signed).expect(0).json();
    assert_eq!(report["results"][0]["vsa"]["result"], "PASSED");
    let seen = verify(&table, &relies, &signed).expect(0).json();
    assert_eq!(seen["results"][0]["met"][0]["asked"], "verification summary");
    // What that let us skip was not checked.
    let skips = "signatures: { from: [ci] }, config: { non-root: true }";
    let skips = policy(&table, "skips.yaml", &format!("{}, {skips}", accepts("")));
    fs::write(table.file("one.txt"), format!("{signed}\n")).expect("a list");
    let audited = table.ask(&["audit", "--policy", &skips, "-o", "json", "--from", "one.txt"]).expect(0).stdout;
    let image: Value = serde_json::from_str(audited.lines().next().expect("a line")).expect("JSON");
    assert_eq!(image["checked"][0], "verification summary by 1 of qa", "{image}");
    let not_checked = image["notChecked"].to_string();
    assert!(not_checked.contains("configuration") && not_checked.contains("the summary is in its place"), "{image}");
    // By digest, and for an image that the index lists; not under another name, nor by who doesn't know the verifier.
    verify(&table, &relies, &table.find("signed").by_digest()).expect(0);
    table.ask(&["verify", "--policy", &relies, "--platform", "linux/amd64", &signed]).expect(0);
    let layout = format!("oci:{}", table.file("copy"));
    let to = format!("{layout}:1.0");
    table.ask(&["pull", "--policy", &relies, &signed, "--to", &to]).expect(0);
    verify(&table, &relies, &to).expect(1);

    // The policy is named by the digest of its bytes, and each thing that is another refuses.
    let digest = report["policy"]["digest"].as_str().expect("a digest").to_owned();
    let pinned = policy(&table, "pinned.yaml", &accepts(&format!(", policy: \"{digest}\"")));
    verify(&table, &pinned, &signed).expect(0);
    for (asked, id) in [
        (accepts(&format!(", policy: \"sha256:{}\"", "0".repeat(64))), "vsa-policy-mismatch"),
        (accepts(", levels: [SLSA_BUILD_LEVEL_1]"), "vsa-level-unmet"),
        (accepts("").replace(VERIFIER, "https://verify.example.org"), "vsa-verifier-mismatch"),
        (accepts("").replace("[qa]", "[ci]"), "attestation-missing"),
    ] {
        let ran = verify(&table, &policy(&table, "other.yaml", &asked), &signed).expect(1);
        assert!(ids(&ran).contains(&id.to_owned()), "{asked}: {:?}", ids(&ran));
    }

    // A stricter day: the newest counts, and it failed. Then the work is done, or the image denied.
    let strict = policy(&table, "strict.yaml", "signatures: { from: [ci] }");
    let report = attest(&table, &strict, &signed).expect(1).json();
    assert_eq!((&report["results"][0]["vsa"]["result"], &report["exit"]), (&json!("FAILED"), &json!(1)));
    let reasons = ids(&verify(&table, &relies, &signed).expect(1));
    assert!(reasons.contains(&"vsa-failed".to_owned()) || reasons.contains(&"superseded".to_owned()), "{reasons:?}");
    let both = policy(&table, "both.yaml", &format!("{}, signatures: {{ from: [release] }}", accepts("")));
    verify(&table, &both, &signed).expect(0);
    // By the policy's own digest the one that passed is still the newest.
    verify(&table, &pinned, &signed).expect(0);
}

// [V-284]
#[tokio::test(flavor = "multi_thread")]
async fn a_summary_says_what_was_judged_and_no_more() {
    let (_registry, table) = open().await;
    let row = table.find("signed");
    let signed = row.by_tag();
    let provenance = json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"ref": "refs/heads/main", "repository": "https://github.com/acme/cart", "path": ".github/workflows/r.yml"}},
        },
        "runDetails": {"builder": {"id": "https://github.com/actions/runner/github-hosted"}},
    });
    fs::write(table.file("provenance.json"), provenance.to_string()).expect("a file");
    let (signer, file) = (key("ci.test.key"), table.file("provenance.json"));
    table.ask(&["attest", "--key", &signer, "--type", "slsaprovenance1", "--predicate", &file, &signed]).expect(0);
    let judges = policy(&table, "judges.yaml", "signatures: { from: [release] }, provenance: { from: [ci], level: 2 }");
    let report = attest(&table, &judges, &signed).expect(0).json();
    let predicate = last_summary(&table, &judges, &signed);
    let digest = report["policy"]["digest"].as_str().expect("a digest");
    assert_eq!(predicate["verifier"], json!({"id": VERIFIER, "version": {"boltseal": env!("CARGO_PKG_VERSION")}}));
    let place = format!("pkg:oci/signed?repository_url={}/plain/signed", table.address);
    assert_eq!(predicate["resourceUri"], format!("{place}&tag={}", signed.rsplit_once(':').expect("a tag").1));
    assert_eq!(predicate["policy"]["uri"], "file:judges.yaml");
    assert_eq!(format!("sha256:{}", predicate["policy"]["digest"]["sha256"].as_str().expect("hex")), digest);
    assert_eq!(predicate["verificationResult"], "PASSED");
    assert_eq!(predicate["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_2"]));
    let inputs = predicate["inputAttestations"].as_array().expect("a list");
    let places = report["results"][0]["verified"].as_array().expect("a list");
    for input in inputs {
        let manifest = format!("sha256:{}", input["digest"]["sha256"].as_str().expect("hex"));
        assert!(places.iter().any(|one| one["place"]["manifest"] == manifest.as_str()), "{input}");
        assert_eq!(input["uri"], format!("oci://{}/plain/signed@{manifest}", table.address).as_str());
    }
    // A stranger's attestation that holds had no part in it.
    assert_eq!(inputs.len(), 2, "{inputs:?}");

    // No level was asked: none is claimed. What another verifier decided, or nobody could tell, is not said on.
    let plain = policy(&table, "plain.yaml", "signatures: { from: [release] }");
    attest(&table, &plain, &signed).expect(0);
    assert_eq!(last_summary(&table, &plain, &signed)["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_UNEVALUATED"]));
    let relies = policy(&table, "relies.yaml", &accepts(""));
    let ran = attest(&table, &relies, &signed).expect(4);
    assert!(
        ran.stderr.contains("rests on another") && ran.json()["results"][0]["decision"] == "allowed",
        "{}",
        ran.stderr
    );
    let instead = policy(&table, "instead.yaml", &format!("{}, signatures: {{ from: [ci] }}", accepts("")));
    verify(&table, &instead, &signed).expect(0);
    let ran = attest(&table, &instead, &signed).expect(1);
    assert_eq!(ran.json()["results"][0]["vsa"]["result"], "FAILED", "whoever says it on has done the work");
    // Nor is that none counted a refusal of one's own, nor that the policy does not know the image.
    let stranger = policy(&table, "stranger.yaml", &accepts("").replace("[qa]", "[ci]"));
    assert!(attest(&table, &stranger, &signed).expect(1).stderr.contains("rests on another"));
    let elsewhere = policy(&table, "elsewhere.yaml", "signatures: { from: [release] }");
    let text = fs::read_to_string(&elsewhere).expect("it").replace("\"**\"", "\"other.example/**\"");
    fs::write(&elsewhere, text).expect("a policy");
    assert!(attest(&table, &elsewhere, &signed).expect(1).stderr.contains("no scope"));
    let off = policy(&table, "off.yaml", "mode: disabled");
    assert!(attest(&table, &off, &signed).expect(4).stderr.contains("nothing was judged"));
    let layout = format!("oci:{}:1.0", table.file("copy"));
    table.ask(&["pull", "--policy", &plain, &signed, "--to", &layout]).expect(0);
    assert!(attest(&table, &plain, &layout).expect(1).stderr.contains("no repository's name"));
    let flags = ["verify", "--attest-vsa", VERIFIER, "--key", "release.pub", &signed];
    table.ask(&flags).expect(2);
    let (qa, no_uri) = (key("qa.test.key"), ["verify", "--policy", &plain, "--attest-vsa", "verify", "--vsa-key"]);
    table.ask(&[&no_uri[..], &[&qa, &signed]].concat()).expect(2);
    table.ask(&["verify", "--policy", &plain, "--vsa-key", &qa, &signed]).expect(2);
}

/// The newest summary of an image, out of its own bundles.
fn last_summary(table: &Table, policy: &str, reference: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let _ = policy;
    let digest = &table.find("signed").served;
    let (repository, _) = reference.rsplit_once(':').expect("a tag");
    let (address, path) = repository.split_once('/').expect("a path");
    let get = |path: String| -> Value {
        let body = tokio::task::block_in_place(|| {
            let address = format!("http://{address}/v2/{path}");
            tokio::runtime::Handle::current().block_on(async { reqwest::get(address).await?.bytes().await })
        });
        serde_json::from_slice(&body.expect("an answer")).expect("JSON")
    };
    let list = get(format!("{path}/referrers/{digest}"));
    let mut found: Vec<Value> = Vec::new();
    for entry in list["manifests"].as_array().expect("a list") {
        let manifest = get(format!("{path}/manifests/{}", entry["digest"].as_str().expect("a digest")));
        let layer = manifest["layers"][0]["digest"].as_str().expect("a digest");
        let bundle = get(format!("{path}/blobs/{layer}"));
        let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().expect("it")).expect("base64");
        let statement: Value = serde_json::from_slice(&payload).expect("JSON");
        if statement["predicateType"] == "https://slsa.dev/verification_summary/v1" {
            assert_eq!(statement["subject"][0]["name"], reference);
            found.push(statement["predicate"].clone());
        }
    }
    found.into_iter().max_by_key(|one| one["timeVerified"].as_str().expect("a time").to_owned()).expect("a summary")
}

fn entries(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

// [V-285] [V-286]
#[tokio::test(flavor = "multi_thread")]
async fn each_verb_records_what_it_decides_before_it_is_told() {
    let (registry, table) = open().await;
    let (signed, unsigned) = (table.find("signed").by_tag(), table.find("unsigned").by_tag());
    let (log, asked) = (table.file("log"), policy(&table, "policy.yaml", "signatures: { from: [release] }"));
    let absent = format!("{}/plain/absent:1.0", registry.address());
    let with = |words: &[&str]| table.ask(&[words, &["--policy", &asked, "--log", &log]].concat());
    with(&["verify", &signed]).expect(0);
    with(&["verify", &unsigned]).expect(1);
    with(&["verify", &absent]).expect(4);
    with(&["resolve", &signed]).expect(0);
    let to = format!("oci:{}:1.0", table.file("pulled"));
    with(&["pull", "--to", &to, &signed]).expect(0);
    with(&["pull", "--to", &to, &unsigned]).expect(1);
    with(&["pull", "--to", &to, &absent]).expect(4);
    fs::write(table.file("Dockerfile"), format!("FROM {signed}\n")).expect("a file");
    with(&["pin", "--check", "Dockerfile"]).expect(1);
    table.ask(&["run", "--policy", &asked, "--log", &log, "docker", "pull", &unsigned]).expect(1);
    table.ask(&["verify", "--key", "release.pub", "--log", &log, &signed]).expect(0);
    let flat = |name: &str| -> Vec<String> {
        entries(&log).iter().map(|entry| entry[name].as_str().unwrap_or("-").to_owned()).collect()
    };
    let verbs = ["verify", "verify", "verify", "resolve", "pull", "pull", "pull", "pin", "run", "verify"];
    assert_eq!(flat("by"), verbs);
    let words = [
        "allowed",
        "denied",
        "could-not-tell",
        "allowed",
        "allowed",
        "denied",
        "could-not-tell",
        "allowed",
        "denied",
        "allowed",
    ];
    assert_eq!(flat("decision"), words);
    let all = entries(&log);
    assert_eq!(all[1]["reasons"], json!(["unsigned"]));
    assert_eq!((&all[0]["digest"], &all[2]["digest"]), (&json!(table.find("signed").served), &Value::Null));
    assert_eq!((&all[0]["reference"], &all[0]["scope"]), (&json!(signed), &json!("**")));
    let digest = with(&["verify", "-o", "json", &signed]).expect(0).json()["policy"]["digest"].clone();
    assert_eq!(all[0]["policy"], json!({"file": asked, "digest": digest}));
    assert_eq!(all[9]["policy"], Value::Null);

    // Each image of an index is a decision of its own.
    let before = entries(&log).len();
    with(&["verify", "--all-platforms", &signed]).expect(0);
    assert_eq!(entries(&log).len(), before + 3);

    fs::write(table.file("images.txt"), format!("{signed}\n{unsigned}\n")).expect("a list");
    with(&["audit", "--ordered", "--from", "images.txt"]).expect(1);
    let all = entries(&log);
    let last: Vec<_> = all[all.len() - 2..].iter().map(|one| (&one["by"], &one["decision"])).collect();
    assert_eq!(last, [(&json!("audit"), &json!("allowed")), (&json!("audit"), &json!("denied"))]);

    with(&["provenance", &signed]).expect(0);
    let last = entries(&log).pop().expect("an entry");
    assert_eq!((&last["by"], &last["decision"]), (&json!("provenance"), &json!("allowed")));

    // What can't be recorded is not allowed, shown, printed or fetched.
    let other = table.file("no/log");
    let without = |words: &[&str]| table.ask(&[words, &["--policy", &asked, "--log", &other]].concat());
    let ran = without(&["verify", &signed]).expect(3);
    assert!(!ran.stdout.contains("allowed") && ran.stderr.contains("decision log"), "{}{}", ran.stdout, ran.stderr);
    assert!(!without(&["verify", "--all-platforms", &signed]).expect(3).stdout.contains("allowed"));
    assert!(!without(&["audit", "--from", "images.txt"]).expect(3).stdout.contains("allowed"));
    assert!(!without(&["provenance", &signed]).expect(3).stdout.contains("allowed"));
    assert_eq!(without(&["resolve", &signed]).expect(3).stdout, "");
    let nowhere = format!("oci:{}:1.0", table.file("nowhere"));
    without(&["pull", "--to", &nowhere, &signed]).expect(3);
    assert!(!Path::new(&table.file("nowhere")).exists());
    fs::write(table.file("docker"), "#!/bin/sh\ntouch \"$0.called\"\n").expect("a file");
    let _ = Command::new("chmod").args(["+x", &table.file("docker")]).status();
    table.ask(&["run", "--policy", &asked, "--log", &other, &table.file("docker"), "pull", &signed]).expect(3);
    assert!(!Path::new(&table.file("docker.called")).exists());
    let seen = fs::read_to_string(table.file("Dockerfile")).expect("it");
    without(&["pin", "Dockerfile"]).expect(3);
    assert_eq!(fs::read_to_string(table.file("Dockerfile")).expect("it"), seen);

    // The environment names one for every run.
    let mut command = table.machine.command();
    command.env("BOLTSEAL_LOG", table.file("second")).args(["verify", "--policy", &asked, &signed]);
    tokio::task::block_in_place(|| Ran::of(&mut command)).expect(0);
    assert_eq!(entries(&table.file("second")).len(), 1);
}

// [V-286] [V-288] [V-289]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_verified_by_its_own_words_and_by_plain_tools() {
    let (_registry, table) = open().await;
    let signed = table.find("signed").by_tag();
    let (log, old, asked) = (table.file("log"), table.file("old"), table.policy());
    let record = || table.ask(&["verify", "--policy", &asked, "--log", &log, &signed]).expect(0);
    let audit = |words: &[&str]| table.ask(&[&["audit", "log"], words].concat());
    for _ in 0..3 {
        record();
    }
    let seen = audit(&["verify", "-o", "json", &log]).expect(0).json();
    let head = seen["head"]["hash"].as_str().expect("a hash").to_owned();
    assert_eq!((&seen["head"]["seq"], &seen["began"]["seq"], &seen["recovered"]), (&json!(3), &json!(0), &json!(0)));
    let ran = audit(&["rotate", &log, &old]).expect(0);
    assert!(ran.stdout.contains("goes on from"), "{}", ran.stdout);
    record();
    let shown = audit(&["verify", &old, &log]).expect(0).stdout;
    assert!(shown.contains("5 entries") && shown.contains("head     entry 5"), "{shown}");
    assert!(audit(&["verify", &log]).expect(0).stdout.contains(&format!("follows  entry 3, {head}")));
    audit(&["verify", "--head", &head, &old, &log]).expect(0);
    audit(&["verify", "--head", &head, &log]).expect(0);
    let other = "0".repeat(63) + "1";
    assert!(audit(&["verify", "--head", &other, &old, &log]).expect(1).stderr.contains("cut before it"));
    let lines = fs::read_to_string(&old).expect("a log");
    let (_, rest) = lines.split_once('\n').expect("a line");
    let cut = table.file("cut");
    fs::write(&cut, rest).expect("a file");
    assert!(audit(&["verify", "--head", &head, &cut]).expect(1).stderr.contains("what stood before it was removed"));
    audit(&["verify", &log, &old]).expect(1);
    audit(&["verify", &old, &old]).expect(1);
    audit(&["verify", "--head", "x", &log]).expect(2);
    audit(&["verify", &table.file("none")]).expect(3);

    // What SPEC.md shows: the chain by sha256sum and jq alone, behind what a crash left, too.
    let spec = include_str!("../SPEC.md").split("compares that, too:\n\n```sh\n").nth(1).expect("a script");
    let script = spec.split("```").next().expect("its end").replace(" < decisions.log", "");
    let check = format!("cat {old} {log} | {{ {script} }}");
    let has_tools = by_shell("jq --version && sha256sum --version");
    if has_tools {
        assert!(by_shell(&check), "{check}");
    } else {
        eprintln!("NOT RUN: jq or sha256sum is not here");
    }
    let whole = fs::read(&log).expect("a log");
    fs::write(&log, [&whole[..], b"{\"seq\":6,\"ti"].concat()).expect("a log");
    record();
    assert!(audit(&["verify", &old, &log]).expect(0).stdout.contains("cut off  by a crash"));
    assert!(!has_tools || by_shell(&check), "{check}");

    let text = fs::read_to_string(&old).expect("a log");
    fs::write(&old, text.replacen("allowed", "denied ", 1)).expect("a log");
    let ran = audit(&["verify", "-o", "json", &old]).expect(1);
    assert!(ran.stderr.contains("old, line 2:") && ran.json()["exit"] == 1, "{}", ran.stderr);
    assert!(!has_tools || !by_shell(&check));
    fs::write(&old, &text[..text.len() - 5]).expect("a log");
    assert!(audit(&["verify", &old]).expect(1).stderr.contains("old, line 3: it is cut off"));
    fs::write(&old, "").expect("a log");
    audit(&["verify", &old]).expect(1);
}

fn by_shell(line: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

// [V-285] [V-287]
#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_that_are_killed_no_decision_that_was_told_is_lost() {
    const WRITERS: usize = 8;
    const EACH: usize = 6;
    let (_registry, table) = open().await;
    let (signed, log) = (table.find("signed").by_digest(), table.file("log"));
    let told = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let writer = |n: usize| {
                let (table, signed, log) = (&table, &signed, &log);
                scope.spawn(move || (0..EACH).filter(|at| one(table, signed, log, n * EACH + at)).count())
            };
            let writers: Vec<_> = (0..WRITERS).map(writer).collect();
            writers.into_iter().map(|writer| writer.join().expect("it ends")).sum::<usize>()
        })
    });
    let seen = table.ask(&["audit", "log", "verify", "-o", "json", &log]).expect(0).json();
    let all = entries(&log);
    let decisions = all.iter().filter(|entry| entry["event"] == "decision").count();
    assert!(told > 0 && told < WRITERS * EACH, "{told}: some are killed, and some are not");
    assert!(decisions >= told && seen["head"]["seq"] == json!(all.len()), "{told} were told, {decisions} are there");
}

/// One `verify`; every third is killed at some moment. Whether it said that the image is allowed.
fn one(table: &Table, signed: &str, log: &str, n: usize) -> bool {
    let policy = table.policy();
    let mut command = table.machine.command();
    command.args(["verify", "--policy", &policy, "--log", log, signed]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    if n.is_multiple_of(3) {
        // Around the moment at which it writes, whatever this machine's speed: spread over its life.
        std::thread::sleep(Duration::from_millis(7 * (n as u64 % 24)));
        let _ = child.kill();
    }
    let since = Instant::now();
    let status = child.wait().expect("it ends");
    assert!(since.elapsed() < Duration::from_secs(60), "it does not hang");
    assert!(status.success() || n.is_multiple_of(3), "{status}");
    status.success()
}
