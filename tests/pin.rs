//! `pin` and `run`, and the program as docker's plugin, on the table of images; `provenance` and `base` on a chain of them.

#[path = "common/chain.rs"]
mod chain;
mod common;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use common::{
    Ran,
    images::{Expected, Row, Table},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
};

struct Shop {
    _registry: Embedded,
    table: Table,
}

impl Shop {
    async fn open(small: bool) -> Self {
        let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
        let address = registry.address().to_string();
        let table = if small { Table::small(&address).await } else { Table::build(&address).await };
        Self { _registry: registry, table }
    }

    fn pin(&self, more: &[&str]) -> Ran {
        self.table.ask(&[&["pin", "--policy", &self.table.policy()], more].concat())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.table.file(name);
        fs::write(&path, text).expect("a file");
        path
    }

    fn name(&self, what: &str) -> String {
        self.table.find(what).by_tag()
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).expect("a file")
}

fn code(row: &Row) -> i32 {
    match row.expected {
        Expected::Allowed(_) => 0,
        Expected::Denied(_) => 1,
        Expected::Unknown => 4,
    }
}

// [V-215] [V-216]
#[tokio::test(flavor = "multi_thread")]
async fn each_image_of_the_table_is_pinned_or_left() {
    let shop = Shop::open(false).await;
    // What docker would be asked, one line a call.
    let docker = shop.write("docker", "#!/bin/sh\necho \"$@\" >> \"$0.log\"\n");
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).expect("a mode");
    for row in &shop.table.rows {
        let before = format!("FROM {} AS a\nRUN true\n", row.by_tag());
        let file = shop.write("Dockerfile", &before);
        let ran = shop.pin(&[&file]).expect(code(row));
        let repository = row.by_digest().split('@').next().expect("a name").to_owned();
        match &row.expected {
            Expected::Allowed(digest) => {
                let pinned = format!("{}@{digest}", row.by_tag().split('@').next().expect("a name"));
                assert_eq!(read(&file), format!("FROM {pinned} AS a\nRUN true\n"), "{}", row.what);
                shop.pin(&["--check", &file]).expect(0);
            }
            Expected::Denied(id) => assert!(ran.stdout.contains(id), "{}: {}", row.what, ran.stdout),
            Expected::Unknown => {}
        }
        if code(row) != 0 {
            assert_eq!(read(&file), before, "{}", row.what);
            assert!(ran.stdout.contains("left as it is"), "{}", ran.stdout);
        }
        // The same by `run`: what is not allowed is not pulled.
        let _ = fs::remove_file(format!("{docker}.log"));
        let words = ["run", "--policy", &shop.table.policy(), &docker, "pull", "-q", &row.by_tag()];
        let ran = shop.table.ask(&words).expect(code(row));
        let calls = fs::read_to_string(format!("{docker}.log")).unwrap_or_default();
        match &row.expected {
            Expected::Allowed(digest) => {
                let pull = format!("pull -q {repository}@{digest}\n");
                let tag = format!("tag {repository}@{digest} {}\n", row.by_tag());
                let tagged = if row.by_tag().contains('@') { String::new() } else { tag };
                assert_eq!(calls, format!("{pull}{tagged}"), "{}", row.what);
            }
            _ => assert_eq!(calls, "", "{}: {}", row.what, ran.stderr),
        }
    }
    for row in &shop.table.rows {
        all_platforms(&shop.table, row);
    }
}

/// The index and its images are as good as the index is; what is said of an image alone counts for that one. [V-244]
fn all_platforms(table: &Table, row: &Row) {
    let words = ["verify", "-o", "json", "--policy", &table.policy(), "--all-platforms", &row.by_tag()];
    let report = table.ask(&words).expect(code(row)).json();
    let results = report["results"].as_array().expect("results");
    let decisions: Vec<_> = results.iter().map(|one| one["decision"].as_str().expect("a decision")).collect();
    match &row.expected {
        Expected::Allowed(digest) => {
            assert_eq!(results[0]["digest"], *digest, "{}", row.what);
            assert!(decisions.iter().all(|decision| *decision == "allowed"), "{}: {decisions:?}", row.what);
            for image in &results[1..] {
                assert_eq!(image["index"], *digest);
                assert!(image["platform"].as_str().is_some_and(|platform| platform.starts_with("linux/")));
            }
            let alone = row.what.starts_with("one of them");
            assert_eq!(results.len(), if alone { 1 } else { 3 }, "{}", row.what);
        }
        _ if row.what == "only the images are signed" => assert_eq!(decisions, ["denied", "allowed", "allowed"]),
        _ => assert!(!decisions.contains(&"allowed"), "{}: {decisions:?}", row.what),
    }
}

// [V-215] [V-217]
#[tokio::test(flavor = "multi_thread")]
async fn files_are_pinned_whole_or_not_at_all() {
    let shop = Shop::open(true).await;
    let (signed, unsigned) = (shop.name("signed"), shop.name("unsigned"));
    let digest = &shop.table.find("signed").served;
    let pinned = format!("{signed}@{digest}");
    let compose = shop.write("compose.yaml", &format!("services:\n  a: {{image: '{signed}'}} # kept\n"));
    let pods = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: IMAGE\n---\napiVersion: v1\nkind: Pod\nspec: {initContainers: [{image: \"IMAGE\"}]}\n";
    let pod = shop.write("pod.yml", &pods.replace("IMAGE", &signed));
    fs::set_permissions(&pod, fs::Permissions::from_mode(0o600)).expect("a mode");
    let link = shop.table.file("link.yml");
    symlink(&pod, &link).expect("a link");

    let ran = shop.pin(&["--check", &compose, &link]).expect(1);
    assert!(ran.stdout.contains("compose.yaml:2: unpinned"), "{}", ran.stdout);
    let seen = shop.pin(&["-o", "json", &compose, &link]).expect(0).json();
    assert_eq!(read(&compose), format!("services:\n  a: {{image: '{pinned}'}} # kept\n"));
    assert_eq!(read(&pod), pods.replace("IMAGE", &pinned));
    assert_eq!(fs::metadata(&pod).expect("it").permissions().mode() & 0o777, 0o600);
    assert!(fs::symlink_metadata(&link).expect("it").is_symlink());
    assert_eq!((&seen["files"][1]["images"][1]["line"], &seen["files"][1]["written"]), (&9.into(), &true.into()));
    assert_eq!(seen["files"][0]["images"][0]["result"]["decision"], "allowed");
    shop.pin(&["--check", &compose, &link]).expect(0);
    let seen = shop.pin(&["-o", "json", &compose]).expect(0).json();
    assert_eq!(seen["files"][0]["written"], false);

    // One image that is denied, or that can't be read, leaves the file as it is; other files are not held up.
    for (text, exit) in [
        (format!("FROM {signed}\nFROM {unsigned}\n"), 1),
        (format!("ARG V=1\nFROM {signed}\nFROM app:${{V}}\n"), 3),
        (format!("FROM {signed}\nFROM UPPER\n"), 3),
    ] {
        let file = shop.write("Dockerfile", &text);
        let other = shop.write("other.Dockerfile", &format!("FROM {signed}\n"));
        shop.pin(&[&file, &other]).expect(exit);
        assert_eq!((read(&file), read(&other)), (text.clone(), format!("FROM {pinned}\n")));
    }
    // A digest that stands there is judged, and looked at anew if that is asked.
    let stale = format!("FROM {signed}@{}\n", shop.table.find("unsigned").served);
    let file = shop.write("Dockerfile", &stale);
    shop.pin(&[&file]).expect(4);
    shop.pin(&["--update", &file]).expect(0);
    assert_eq!(read(&file), format!("FROM {pinned}\n"));

    let file = shop.write("Dockerfile", &format!("FROM {signed}\n"));
    let policy = shop.table.file("build.json");
    shop.pin(&["--source-policy", &policy, &file]).expect(0);
    assert_eq!(read(&file), format!("FROM {signed}\n"));
    let rules: serde_json::Value = serde_json::from_str(&read(&policy)).expect("JSON");
    assert_eq!(rules["rules"][0]["action"], "DENY");
    assert!(rules.to_string().contains(&pinned));
    // The same of images that are named.
    let (judged_by, to) = (shop.table.policy(), shop.table.file("buildkit"));
    let export = |words: &[&str]| {
        let words = [&["policy", "export", "--policy", &judged_by, "--dir", &to, "--to"], words].concat();
        shop.table.ask(&words)
    };
    let ran = export(&["buildkit", &signed]).expect(0);
    assert!(ran.stdout.starts_with(&format!("allowed  {signed}\n")), "{}", ran.stdout);
    let exported = format!("{to}/source-policy.json");
    assert_eq!(read(&exported), read(&policy));
    fs::remove_file(&exported).expect("it goes");
    let seen = export(&["buildkit", "-o", "json", &signed, &unsigned]).expect(1).json();
    assert_eq!((&seen["images"][1]["state"], &seen["files"]), (&"denied".into(), &serde_json::json!([])));
    assert!(export(&["buildkit"]).expect(2).stderr.contains("a policy names no digests"));
    export(&["containers", &signed]).expect(2);
    export(&["buildkit", "oci:layout:1.0"]).expect(2);
    assert!(fs::metadata(&exported).is_err(), "nothing is written");
    fs::remove_file(&policy).expect("it goes");
    let bad = shop.write("Dockerfile", &format!("FROM {unsigned}\n"));
    shop.pin(&["--source-policy", &policy, &bad]).expect(1);
    assert!(fs::metadata(&policy).is_err(), "nothing is written");

    for (name, text, exit) in [("a.txt", "", 2), ("a.yaml", "a: 1", 3), ("b.yaml", "a: [", 3)] {
        let file = shop.write(name, text);
        shop.pin(&[&file]).expect(exit);
    }
    for name in ["absent.yaml", "absent"] {
        let ran = shop.pin(&[&shop.table.file(name)]).expect(3);
        assert!(ran.stderr.contains("No such file"), "{}", ran.stderr);
    }
    // What is in another file is told, until that one is named too.
    let one = shop.write("one.yaml", &format!("include: [two.yaml]\nservices: {{a: {{image: '{signed}'}}}}\n"));
    let two = shop.write("two.yaml", &format!("services: {{b: {{image: '{signed}'}}}}\n"));
    assert!(shop.pin(&[&one]).expect(3).stdout.contains("one.yaml:1: not read two.yaml"));
    shop.pin(&[&one, &two]).expect(0);
    assert!(read(&one).contains(&pinned) && read(&two).contains(&pinned));
}

// [V-218]
#[tokio::test(flavor = "multi_thread")]
async fn docker_s_plugin_answers_as_boltseal_does() {
    let shop = Shop::open(true).await;
    let call = |name: &str, words: &[&str]| {
        let link = shop.table.machine.home.path().join(name);
        let _ = symlink(env!("CARGO_BIN_EXE_boltseal"), &link);
        let mut command = Command::new(link);
        common::isolate(&mut command, shop.table.machine.home.path());
        tokio::task::block_in_place(|| Ran::of(command.args(words)))
    };
    for name in ["docker-boltseal", "docker-trust"] {
        let metadata = call(name, &["docker-cli-plugin-metadata"]).expect(0);
        assert_eq!(metadata.json()["SchemaVersion"], "0.1.0");
        assert_eq!((metadata.json()["Vendor"].as_str(), metadata.stdout.lines().count()), (Some("Boltseal"), 1));
    }
    let policy = shop.table.policy();
    let verify =
        |what: &str| call("docker-boltseal", &["--debug", "boltseal", "verify", "--policy", &policy, &shop.name(what)]);
    verify("signed").expect(0);
    let denied = verify("unsigned").expect(1);
    assert!(denied.stdout.contains("unsigned"), "{}", denied.stdout);
    let usage = call("docker-boltseal", &["boltseal", "verify"]).expect(2);
    assert!(usage.stderr.contains("Usage: docker boltseal verify"), "{}", usage.stderr);
    let help = call("docker-boltseal", &["help", "boltseal"]).expect(0);
    assert!(help.stdout.contains("Usage: docker boltseal"), "{}", help.stdout);
    let trust = call("docker-trust", &["trust", "inspect"]).expect(2);
    assert!(trust.stderr.contains("Usage: docker trust inspect"), "{}", trust.stderr);
    // docker's own folder, as it is told: a broken file there is read, and says so.
    let folder = shop.table.file("dockers");
    fs::create_dir(&folder).expect("a folder");
    let ran = call(
        "docker-boltseal",
        &["--config", &folder, "boltseal", "verify", "--policy", &policy, &shop.name("signed")],
    );
    ran.expect(0);
}

// [V-260] [V-262] [V-263] [V-265] [V-269]
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_images_is_followed_and_judged() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    chain::Chain::build(&registry.address().to_string()).await.check().await;
}
