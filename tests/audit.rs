//! `audit` on a mixed fleet: every image by itself, what runs against what is signed, what is kept between runs, and the
//! outputs as they lie on disk.

#[path = "common/chain.rs"]
mod chain;
mod common;
#[path = "audit/drift.rs"]
mod drift;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions, Hook};
use bytes::Bytes;
use common::{
    Boltseal, Ran,
    images::{Expected, Table},
    key,
};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

struct Fleet {
    registry: Embedded,
    table: Table,
}

impl Fleet {
    /// Its registry answers nothing useful of tags named `broken`.
    async fn new(small: bool) -> Self {
        let hook: Hook = Arc::new(|exchange| {
            exchange.path_and_query.ends_with("/manifests/broken").then(|| {
                let mut answer = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed());
                *answer.status_mut() = StatusCode::BAD_REQUEST;
                answer
            })
        });
        let options = EmbeddedOptions { hook: Some(hook), ..EmbeddedOptions::default() };
        let registry = Embedded::start(options).await.expect("a registry");
        let address = registry.address().to_string();
        let table = if small { Table::small(&address).await } else { Table::build(&address).await };
        Self { registry, table }
    }

    fn audit(&self, from: &str, more: &[&str]) -> Ran {
        self.table.ask(&[&["audit", "--policy", &self.table.policy(), "--from", from], more].concat())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.table.file(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// An audit's decisions by name, and the requests that it made.
    fn decisions(&self, from: &str, more: &[&str]) -> (BTreeMap<String, String>, Vec<String>) {
        self.registry.forget_requests();
        let ran = self.audit(from, &[&["-o", "json"], more].concat());
        let all = records(&ran.stdout).into_iter().filter(|record| record["kind"] == "image");
        let decisions = all.map(|record| (text(&record["reference"]), text(&record["decision"]))).collect();
        let mut requests: Vec<_> = self.registry.requests().into_iter().map(|request| request.path_and_query).collect();
        requests.sort();
        (decisions, requests)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Lines of NDJSON; every one is whole, and has its version.
fn records(lines: &str) -> Vec<Value> {
    assert!(lines.is_empty() || lines.ends_with('\n'), "the last line is cut");
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let all: Vec<Value> = lines.lines().map(read).collect();
    assert!(all.iter().all(|record| record["version"] == 1));
    all
}

// [V-270] [V-273] [V-274] [V-278]
#[tokio::test(flavor = "multi_thread")]
async fn each_image_of_a_mixed_fleet_is_judged_by_itself() {
    let fleet = Fleet::new(false).await;
    let rows = &fleet.table.rows;
    let names: Vec<_> = rows.iter().map(|row| row.by_tag()).collect();
    let list = format!("# the fleet\n{}\nNO IMAGE\n\n{}\n=cmd|' /C calc'!A0\n", names.join("\n"), names[0]);
    let file = fleet.write("images.txt", &list);
    let csv = fleet.table.file("audit.csv");
    let ran = fleet.audit(&file, &["-o", "json", "--ordered", "--report", &format!("csv={csv}")]).expect(3);
    let told = records(&ran.stdout);
    assert_eq!(told.len(), rows.len() + 3);
    for (row, record) in rows.iter().zip(&told) {
        let reasons: Vec<_> = record["reasons"].as_array().into_iter().flatten().map(|reason| &reason["id"]).collect();
        match &row.expected {
            Expected::Allowed(digest) => {
                assert_eq!(
                    (&record["decision"], &record["digest"]),
                    (&json!("allowed"), &json!(digest)),
                    "{}",
                    row.what
                );
                assert!(!record["signers"].as_array().expect("signers").is_empty());
            }
            Expected::Denied(id) => {
                assert_eq!(record["decision"], "denied", "{}: {record}", row.what);
                assert!(reasons.iter().any(|reason| *reason == id), "{}: {reasons:?}", row.what);
            }
            Expected::Unknown => assert_eq!(record["decision"], "could-not-tell", "{}", row.what),
        }
    }
    let [bad, formula, summary] = &told[rows.len()..] else { panic!("{told:?}") };
    assert_eq!((&bad["kind"], &bad["text"], &bad["exit"]), (&json!("input"), &json!("NO IMAGE"), &json!(3)));
    assert_eq!(formula["text"], "=cmd|' /C calc'!A0");
    assert_eq!((&summary["kind"], &summary["images"]), (&json!("summary"), &json!(rows.len())));
    assert_eq!((&summary["repeated"], &summary["unusable"], &summary["exit"]), (&json!(1), &json!(2), &json!(3)));
    let mut csv = csv::Reader::from_path(csv).expect("the report");
    let cells: Vec<_> = csv.records().map(|row| row.expect("a row")[1].to_owned()).collect();
    assert_eq!(cells.last().map(String::as_str), Some("'=cmd|' /C calc'!A0"));
    // Without the bad lines denied is the worst; what could not be told is less.
    let file = fleet.write("images.txt", &names.join("\n"));
    fleet.audit(&file, &["-q"]).expect(1);
}

// [V-271] [V-273]
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_judged_by_its_digest_and_compared_with_its_tag() {
    let fleet = Fleet::new(false).await;
    let find = |what: &str| fleet.table.find(what);
    let pod = |name: &str, image: &str, runs: &str| {
        json!({
            "kind": "Pod", "metadata": { "namespace": "shop", "name": name },
            "spec": { "containers": [{ "name": "app", "image": image }] },
            "status": { "containerStatuses": [{ "name": "app", "image": image, "imageID": format!("x.y/z@{runs}") }] },
        })
    };
    let (index, part) = (find("only the index is signed"), find("an image of it, by digest"));
    let (moved, tag, signed) = (find("a moved tag"), find("a signed tag"), find("signed"));
    let unsigned = find("unsigned");
    let mut by_id = pod("k", &signed.name, "");
    by_id["status"]["containerStatuses"][0]["imageID"] = json!(format!("sha256:{}", "1".repeat(64)));
    let pods = [
        ("within the signed index", pod("a", &index.name, &part.served)),
        ("the same, elsewhere", pod("b", &index.name, &part.served)),
        ("a signed tag", pod("c", &tag.name, &tag.served)),
        ("signed under another tag", pod("d", &moved.name, &moved.served)),
        ("as the registry has it", pod("e", &signed.name, &signed.served)),
        ("not what the tag means", pod("f", &signed.name, &unsigned.served)),
        ("not there", pod("g", &signed.name.replace("1.0", "9.9"), &signed.served)),
        ("the tag is broken", pod("h", &signed.name.replace("1.0", "broken"), &signed.served)),
        ("the tag is in no map, and the registry's is another", pod("i", &tag.name.replace("1.0", "4.0"), &tag.served)),
        ("named by a digest, which is not what runs", pod("j", &signed.by_digest(), &unsigned.served)),
        ("built on the spot", by_id),
    ];
    let list = json!({ "kind": "List", "items": pods.iter().map(|(_, pod)| pod).collect::<Vec<_>>() });
    let file = fleet.write("pods.json", &list.to_string());
    let told = records(&fleet.audit(&file, &["-o", "json", "--ordered"]).expect(4).stdout);
    assert_eq!(told.len(), 11, "two pods run one image");
    let expect = |at: usize, decision: &str, drift: Value| {
        let record = &told[at];
        assert_eq!((&record["decision"], &record["drift"]), (&json!(decision), &drift), "{record}");
    };
    expect(0, "allowed", json!({ "state": "current", "basis": "registry" }));
    assert_eq!((&told[0]["index"], &told[0]["digest"]), (&json!(index.served), &json!(part.served)));
    assert_eq!((&told[0]["placeCount"], &told[0]["places"][1]["pod"]), (&json!(2), &json!("b")));
    expect(1, "allowed", json!({ "state": "current", "basis": "signed" }));
    let Expected::Allowed(now) = &moved.expected else { panic!("{moved:?}") };
    expect(2, "allowed", json!({ "state": "differs", "now": now, "basis": "signed" }));
    assert_eq!(told[2]["digest"], moved.served);
    expect(3, "allowed", json!({ "state": "current", "basis": "registry" }));
    // The digest is another repository's: the registry does not have it here.
    expect(4, "could-not-tell", json!({ "state": "differs", "now": signed.served, "basis": "registry" }));
    assert_eq!((&told[5]["decision"], &told[5]["drift"]["state"]), (&json!("allowed"), &json!("tag-not-signed")));
    // What is wrong with a tag keeps nobody from judging what runs.
    assert_eq!(
        (&told[6]["decision"], &told[6]["drift"]["state"]),
        (&json!("allowed"), &json!("unknown")),
        "{}",
        told[6]
    );
    let drift = &told[7]["drift"];
    let said = (&told[7]["decision"], &drift["state"], &drift["basis"]);
    assert_eq!(said, (&json!("allowed"), &json!("tag-not-signed"), &json!("signed")), "{}", told[7]);
    assert_eq!(
        (&told[8]["decision"], &told[8]["gaps"][0]["id"]),
        (&json!("could-not-tell"), &json!("runs-other-digest"))
    );
    // The registry's tag is signed, and nobody knows whether that is what runs.
    assert_eq!((&told[9]["decision"], &told[9]["exit"]), (&json!("could-not-tell"), &json!(4)), "{}", told[9]);
    assert_eq!(told[9]["reasons"][0]["id"], "running-digest-unknown");
    assert_eq!(told[10]["places"], 11);
    let shown = fleet.audit(&file, &["--ordered"]).expect(4).stdout;
    assert!(
        shown.contains("allowed         differs") && shown.contains("10 images in 11 places: 7 allowed"),
        "{shown}"
    );
}

// [V-277]
#[tokio::test(flavor = "multi_thread")]
async fn evidence_on_disk_saves_requests_and_changes_no_decision() {
    let fleet = Fleet::new(true).await;
    let names: Vec<_> = fleet.table.rows.iter().map(|row| row.name.clone()).collect();
    let file = fleet.write("images.txt", &names.join("\n"));
    let cache = fleet.table.machine.home.path().join(".cache/boltseal/evidence");
    let lists = |requests: &[String]| requests.iter().filter(|path| path.contains("/referrers/")).count();
    let (cold, cold_requests) = fleet.decisions(&file, &["--no-cache"]);
    assert!(!cache.exists(), "it was told to keep nothing");
    assert_eq!(fleet.decisions(&file, &[]), (cold.clone(), cold_requests.clone()), "the first run asks for everything");
    let (warm, warm_requests) = fleet.decisions(&file, &[]);
    assert_eq!(warm, cold);
    assert!(!warm_requests.iter().any(|path| path.contains("/blobs/")), "{warm_requests:?}");
    assert!(warm_requests.len() < cold_requests.len() && lists(&warm_requests) == lists(&cold_requests));
    for (how, spoil) in SPOILED {
        files(&cache).iter().for_each(|path| spoil(path));
        let (decisions, requests) = fleet.decisions(&file, &[]);
        assert_eq!((&decisions, requests.len()), (&cold, cold_requests.len()), "{how}: everything is asked for again");
        let (decisions, requests) = fleet.decisions(&file, &[]);
        assert_eq!((&decisions, requests.len()), (&cold, warm_requests.len()), "{how}: and kept");
    }
    // What hangs on the image is each registry's word of today: what is kept of another is no signature.
    let signed = &fleet.table.find("signed").name;
    let repository = signed.split_once('/').and_then(|(_, rest)| rest.split_once(':')).expect("a name").0;
    let elsewhere = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let moved = format!("{}/{repository}:1.0", elsewhere.address());
    let made = fleet.table.push_at(&moved, repository).await;
    assert_eq!(made.index, fleet.table.find("signed").served, "the same image");
    let file = fleet.write("moved.txt", &moved);
    let (decisions, _) = fleet.decisions(&file, &[]);
    assert_eq!(decisions, BTreeMap::from([(moved, "denied".to_owned())]));
}

type Spoil = fn(&Path);
const SPOILED: [(&str, Spoil); 3] = [
    ("a flipped byte", |path| {
        let mut bytes = fs::read(path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).expect("a file");
    }),
    ("cut short", |path| {
        let bytes = fs::read(path).expect("a file");
        fs::write(path, &bytes[..bytes.len() / 2]).expect("a file");
    }),
    ("a link", |path| {
        fs::remove_file(path).expect("a file");
        std::os::unix::fs::symlink("/dev/zero", path).expect("a link");
    }),
];

/// The files of evidence below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        |folder: PathBuf| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries(folder.join("sha256")).flat_map(entries).collect()
}

// [V-272]
#[tokio::test(flavor = "multi_thread")]
async fn shards_of_separate_runs_are_all_images_once_and_in_order() {
    let fleet = Fleet::new(true).await;
    let names: Vec<_> = (0..60).map(|number| fleet.table.at(&format!("absent/{number}:1"))).collect();
    let file = fleet.write("images.txt", &names.join("\n"));
    let mut seen = BTreeSet::new();
    for index in 0..3 {
        let shard = format!("{index}/3");
        let told = records(&fleet.audit(&file, &["-o", "json", "--ordered", "--shard", &shard]).expect(4).stdout);
        let (summary, images) = told.split_last().expect("a summary");
        let mine: Vec<_> = images.iter().map(|record| text(&record["reference"])).collect();
        let expected: Vec<_> = names.iter().filter(|name| mine.contains(name)).cloned().collect();
        assert_eq!(mine, expected, "in the order of the input");
        assert_eq!(summary["elsewhere"], 60 - mine.len());
        assert_eq!((&summary["shard"]["index"], &summary["shard"]["of"]), (&json!(index), &json!(3)));
        mine.into_iter().for_each(|name| assert!(seen.insert(name)));
    }
    assert_eq!(seen.len(), 60);
    for bad in ["3/3", "1", "a/b", "0/0", "-1/2"] {
        fleet.audit(&file, &[&format!("--shard={bad}")]).expect(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_and_layouts_are_listed_without_their_evidence() {
    let fleet = Fleet::new(true).await;
    let signed = &fleet.table.find("signed").name;
    let repository = signed.rsplit_once(':').expect("a tag").0;
    let told = records(&fleet.audit(&format!("registry:{repository}"), &["-o", "json"]).expect(0).stdout);
    assert_eq!((told.len(), &told[0]["reference"]), (2, &json!(signed)));
    assert!(told[1]["evidenceTags"].as_u64() > Some(0), "{}", told[1]);
    assert!(told[0]["gaps"].as_array().expect("gaps").iter().any(|gap| gap["id"] == "tag-not-signed"));
    let layout = format!("oci:{}:1.0", fleet.table.file("layout"));
    let release = key("release.test.pub");
    fleet.table.ask(&["pull", "--key", &release, signed, "--to", &layout]).expect(0);
    let layout = format!("oci:{}", fleet.table.file("layout"));
    let told = records(&fleet.table.ask(&["audit", "--key", &release, "--from", &layout, "-o", "json"]).stdout);
    assert_eq!((told.len(), &told[1]["kind"]), (2, &json!("summary")), "{told:?}");
    // What is not there is said, and is no empty fleet.
    let told = records(&fleet.audit(&format!("registry:{repository}x"), &["-o", "json"]).expect(3).stdout);
    assert!(text(&told[0]["cut"]).contains("not found"), "{told:?}");
    fleet.audit("missing.txt", &[]).expect(3);
    fleet.audit("oci:missing", &[]).expect(3);
    // As `verify` has it: a folder that is not there is no registry that can't be asked.
    let file = fleet.write("images.txt", "oci:missing:1.0");
    fleet.table.ask(&["verify", "--key", &release, "oci:missing:1.0"]).expect(3);
    let told = records(&fleet.table.ask(&["audit", "--key", &release, "--from", &file, "-o", "json"]).expect(3).stdout);
    assert_eq!((&told[0]["decision"], &told[0]["exit"]), (&json!("could-not-tell"), &json!(3)));
    fleet.audit("registry:a.b/c:1", &[]).expect(2);
}

// [V-270] [V-271]
#[tokio::test(flavor = "multi_thread")]
async fn several_sources_are_one_fleet() {
    let fleet = Fleet::new(true).await;
    let signed = &fleet.table.find("signed").name;
    let repository = signed.rsplit_once(':').expect("a tag").0;
    let all = format!("registry:{repository}");
    let list = fleet.write("images.txt", &format!("{signed}\nNO IMAGE\n"));
    let pods = |cluster: &str| {
        let pod = |name: &str| {
            let image = format!("{signed}@{}", fleet.table.find("signed").served);
            json!({ "kind": "Pod", "metadata": { "name": name, "namespace": cluster },
                "spec": { "containers": [{ "name": "app", "image": image }] } })
        };
        fleet.write(&format!("{cluster}.json"), &json!({ "kind": "List", "items": [pod("a"), pod("b")] }).to_string())
    };
    let (east, west, cut) = (pods("east"), pods("west"), fleet.write("cut.json", "{\"items\": ["));
    let absent = format!("registry:{repository}x");
    let more = [&all, &cut, &absent, "--from", &east, &west, "--ordered", "-o", "json"];
    let told = records(&fleet.audit(&list, &more).expect(3).stdout);
    let [unusable, image, pinned, summary] = &told[..] else { panic!("{told:?}") };
    assert_eq!(image["reference"], json!(signed), "once, though the repository has it as well");
    assert_eq!((&unusable["at"], &unusable["text"]), (&json!(format!("{list}: line 2")), &json!("NO IMAGE")));
    assert_eq!((&pinned["placeCount"], &pinned["decision"]), (&json!(4), &json!("allowed")), "both clusters' places");
    assert_eq!(summary["from"], json!([list, all, cut, absent, east, west]));
    assert_eq!((&summary["images"], &summary["repeated"]), (&json!(2), &json!(4)), "{summary}");
    let told = text(&summary["cut"]);
    assert!(told.contains(&format!("{cut}: document 1")) && told.contains(&format!("{absent}: ")), "{told}");
    // What one source says of an image counts, whatever another left open.
    let pod = json!({ "kind": "Pod", "metadata": { "name": "a" }, "spec": { "containers": [{ "name": "app", "image": signed }] },
        "status": { "containerStatuses": [{ "name": "app", "image": signed, "imageID": format!("sha256:{}", "1".repeat(64)) }] } });
    let (local, list) = (fleet.write("local.json", &pod.to_string()), fleet.write("one.txt", signed));
    for (first, second, places) in [(&list, &local, 1), (&local, &list, 1), (&all, &local, 2)] {
        let told = records(&fleet.audit(first, &[second, "-o", "json"]).expect(4).stdout);
        assert_eq!((told.len(), &told[0]["decision"]), (2, &json!("could-not-tell")), "{first} {second}");
        assert_eq!((&told[0]["placeCount"], &told[1]["places"]), (&json!(places), &json!(places)), "{first} {second}");
    }
    // Nothing that is read is written over, nor is a report.
    for reports in [[format!("csv={list}"), "junit=a.xml".into()], ["csv=a".to_owned(), "ndjson=./a".into()]] {
        fleet.audit(&list, &["--report", &reports[0], "--report", &reports[1]]).expect(2);
    }
    fleet.audit(&list, &["--report", &format!("sarif={}", fleet.table.policy())]).expect(2);
    fleet.audit(&list, &["--report", "csv=/dev/null", "--report", "ndjson=/dev/null"]).expect(0);
    assert_eq!(fs::read_to_string(&list).expect("the list"), *signed);
    // What is cut off before its first byte is no empty fleet.
    for nothing in
        ["/dev/null".to_owned(), fleet.write("bare.json", r#"{"kind":"Pod","metadata":{"name":"a"},"spec":{}}"#)]
    {
        fleet.audit(&nothing, &[]).expect(3);
    }
    let told = fleet.audit(&list, &[&all, "missing.txt"]).expect(3).stdout;
    assert!(!told.contains(repository), "nothing is begun: {told}");
}

// [V-275]
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_leaves_whole_lines_and_no_document() {
    let options = EmbeddedOptions { delay: Duration::from_millis(40), ..EmbeddedOptions::default() };
    let registry = Embedded::start(options).await.expect("a registry");
    let machine = Boltseal::new();
    let names: Vec<_> = (0..2_000).map(|number| format!("{}/absent/{number}:1\n", registry.address())).collect();
    let home = machine.home.path();
    fs::write(home.join("images.txt"), names.concat()).expect("a file");
    let mut command = machine.command();
    command.args(["audit", "--key", &key("release.test.pub"), "--from", "images.txt"]);
    command.args([
        "--report",
        "ndjson=a.ndjson",
        "--report",
        "csv=a.csv",
        "--report",
        "sarif=a.sarif",
        "--report",
        "junit=a.xml",
    ]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    let lines = || fs::read_to_string(home.join("a.ndjson")).unwrap_or_default();
    while lines().lines().count() < 70 && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().expect("it was running");
    child.wait().expect("it ends");
    let told = records(&lines());
    assert!(told.len() >= 70 && told.iter().all(|record| record["kind"] == "image"), "{}", told.len());
    let csv = fs::read_to_string(home.join("a.csv")).expect("the report");
    assert!(csv.ends_with('\n') && csv.lines().count() > 70);
    assert!(!home.join("a.sarif").exists() && !home.join("a.xml").exists());
}

// [V-278]
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hangs_costs_its_own_images_alone() {
    let fleet = Fleet::new(true).await;
    let options = EmbeddedOptions { delay: Duration::from_secs(20), ..EmbeddedOptions::default() };
    let hanging = Embedded::start(options).await.expect("a registry");
    let names = [format!("{}/app:1", hanging.address()), fleet.table.find("signed").name.clone()];
    let file = fleet.write("images.txt", &names.join("\n"));
    let begun = Instant::now();
    let told = records(&fleet.audit(&file, &["-o", "json", "--timeout", "1"]).expect(4).stdout);
    assert!(begun.elapsed() < Duration::from_secs(15));
    let decisions: Vec<_> = told.iter().map(|record| record["decision"].as_str().unwrap_or("-")).collect();
    assert_eq!(decisions, ["allowed", "could-not-tell", "-"], "as they are ready");
    assert_eq!(told[1]["reasons"][0]["id"], "timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_followed_to_what_it_was_built_from() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let chain = chain::Chain::build(&registry.address().to_string()).await;
    let (policy, file) = (chain.policy(""), chain.file("images.txt"));
    fs::write(&file, format!("{}\n{}/shop/absent:1\n", chain.app.name, registry.address())).expect("a file");
    let ask = |more: &[&str]| {
        let words = [&["audit", "--policy", &policy, "--from", &file, "-o", "json", "--ordered"], more].concat();
        records(&tokio::task::block_in_place(|| chain.machine.run(words)).stdout)
    };
    let told = ask(&["--provenance", "3"]);
    let hops = told[0]["chain"]["hops"].as_array().expect("a chain");
    let names: Vec<_> = hops.iter().map(|hop| text(&hop["judged"]["verdict"])).collect();
    assert_eq!((names, &told[1]["chain"]), (vec!["allowed".to_owned(); 3], &Value::Null));
    let report = chain.file("audit.html");
    ask(&["--provenance", "3", "--report", &format!("html={report}")]);
    let html = fs::read_to_string(report).expect("the report");
    let data = html.split("<script type=\"application/json\">").nth(1).expect("data").split("</script>").next();
    let record: Value = serde_json::from_str(data.expect("data")).expect("JSON");
    assert_eq!(record["chain"], told[0]["chain"]);
    assert_eq!(ask(&[])[0]["chain"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_output_takes_one_report() {
    let fleet = Fleet::new(true).await;
    let file = fleet.write("images.txt", &fleet.table.find("signed").name);
    for more in [&["--report", "csv=-", "--report", "sarif=-"][..], &["-o", "json", "--report", "csv=-"]] {
        fleet.audit(&file, more).expect(2);
    }
    for bad in ["csv", "html5=x", "csv="] {
        fleet.audit(&file, &["--report", bad]).expect(2);
    }
    let sarif: Value =
        serde_json::from_str(&fleet.audit(&file, &["--report", "sarif=-"]).expect(0).stdout).expect("JSON");
    assert_eq!((&sarif["version"], &sarif["runs"][0]["results"]), (&json!("2.1.0"), &json!([])));
    let junit = fleet.audit(&file, &["--report", "junit=-"]).expect(0).stdout;
    assert_eq!(quick_junit::Report::deserialize_from_str(&junit).expect("JUnit").tests, 1);
    // A report that can't be written is told, and stops nothing.
    fleet.audit(&file, &["--report", "ndjson=missing/x"]).expect(3);
    fleet.audit(&file, &["--report", "ndjson=/dev/full"]).expect(3);
    let mut command = fleet.table.machine.command();
    command.args(["audit", "--policy", &fleet.table.policy(), "--from", &file, "-o", "json"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let ended = tokio::task::block_in_place(|| command.stdout(full).stderr(Stdio::null()).status()).expect("it runs");
    assert_eq!(ended.code(), Some(3), "without its summary an audit is none");
}
