//! `audit drift` of images in a registry: what is compared, what is refused, and the exit codes.

use crate::common::{Boltseal, Ran, hostile, key};
use boltseal::{
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, media_type},
    registry::{
        Access, Options, Selector, Session,
        embedded::{Embedded, EmbeddedOptions, Hook},
    },
};
use serde_json::{Value, json};
use std::fs;

/// An archive of files.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_bytes()).expect("in memory");
    }
    archive.into_inner().expect("in memory")
}

fn layers() -> [Vec<u8>; 2] {
    [tar(&[("a", "1"), ("b", "1")]), tar(&[("b", "2")])]
}

fn diff_ids() -> Vec<Digest> {
    layers().iter().map(|layer| Digest::sha256(layer)).collect()
}

struct World {
    registry: Embedded,
    machine: Boltseal,
    image: String,
}

impl World {
    /// A registry with a signed image of those layers; what its configuration says of them.
    async fn new(diff_ids: &[Digest], hook: Option<Hook>) -> Self {
        let registry =
            Embedded::start(EmbeddedOptions { hook, ..EmbeddedOptions::default() }).await.expect("a registry");
        let image = format!("{}/shop/cart:1", registry.address());
        let reference: Reference = image.parse().expect("a name");
        let session = Session::new(Options::default()).expect("a session");
        let repo = session.open(&reference.repository, Access::PullPush).expect("a repository");
        let diff_ids: Vec<_> = diff_ids.iter().map(ToString::to_string).collect();
        let config =
            json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        let config = config.to_string().into_bytes();
        for blob in layers().iter().chain([&config]) {
            repo.push_blob(blob).await.expect("pushed");
        }
        let described = layers().map(|layer| Descriptor::of("application/vnd.oci.image.layer.v1.tar", &layer));
        let manifest = ImageManifest::new(Descriptor::of(media_type::IMAGE_CONFIG, &config), described.into());
        let manifest = Manifest::Image(Box::new(manifest));
        repo.push_manifest(&Selector::Tag("1".to_owned()), &manifest).await.expect("pushed");
        let world = Self { registry, machine: Boltseal::new(), image };
        world.run(&["sign", "--key", &key("release.test.key"), &world.image]).expect(0);
        world
    }

    fn run(&self, words: &[&str]) -> Ran {
        tokio::task::block_in_place(|| self.machine.run(words))
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.machine.home.path().join(name);
        fs::write(&path, content).expect("a file");
        path.display().to_string()
    }

    fn drift(&self, by: &[&str], rootfs: &str) -> Ran {
        self.run(&[&["-o", "json", "audit", "drift", &self.image, "--rootfs", rootfs], by].concat())
    }
}

fn outcome(ran: &Ran) -> (String, Vec<String>) {
    let report = ran.json();
    let differences = report["comparison"]["differences"].as_array().cloned().unwrap_or_default();
    let named =
        |one: &Value| format!("{} {}", one["change"].as_str().unwrap_or(""), one["path"].as_str().unwrap_or(""));
    (report["outcome"].as_str().unwrap_or_default().to_owned(), differences.iter().map(named).collect())
}

// [V-290]
#[tokio::test(flavor = "multi_thread")]
async fn a_filesystem_is_compared_with_what_may_be_used_alone() {
    let world = World::new(&diff_ids(), None).await;
    let whole = tar(&[("a", "1"), ("b", "2")]);
    let same = world.file("same.tar", &whole);
    let other = world.file("other.tar", &tar(&[("a", "1"), ("b", "1"), ("dev/shm/miner", "x")]));
    let (release, qa) = (key("release.test.pub"), key("qa.test.pub"));
    let key = ["--key", &release];
    let ran = world.drift(&key, &same).expect(0);
    assert_eq!(outcome(&ran), ("no-drift".to_owned(), vec![]));
    assert_eq!(ran.json()["comparison"]["layers"].as_array().map(Vec::len), Some(2));
    let found = ["content /b", "added /dev/shm/miner"].map(str::to_owned);
    let (word, differences) = outcome(&world.drift(&key, &other).expect(1));
    assert!(word == "drift" && found.iter().all(|one| differences.contains(one)), "{differences:?}");
    // Cut off between two entries, and the output of a command that failed.
    let cut = world.file("cut.tar", &whole[..1_024]);
    for rootfs in [&*cut, "-"] {
        let ran = world.drift(&key, rootfs).expect(4);
        assert!(ran.stderr.contains("does not end with a block of zeros"), "{}", ran.stderr);
    }
    // Denied: not a byte of its layers is asked for.
    world.registry.forget_requests();
    let denied = world.drift(&["--key", &qa], &same).expect(1);
    assert_eq!((outcome(&denied).0.as_str(), &denied.json()["comparison"]), ("not-compared", &Value::Null));
    let layer = diff_ids()[0].to_string();
    assert!(!world.registry.requests().iter().any(|request| request.path_and_query.contains(&layer)));
    // Where the policy only tells, or does not judge, that is said of the comparison.
    fs::copy(&qa, world.machine.home.path().join("qa.pub")).expect("a key");
    for (asked, word) in
        [("mode: permissive, signatures: { from: [qa] }", "would-deny"), ("mode: disabled", "not-judged")]
    {
        let text =
            format!("version: 1\nauthorities: {{ qa: {{ key: qa.pub }} }}\nimages: {{ \"**\": {{ {asked} }} }}\n");
        let policy = world.file("policy.yaml", text.as_bytes());
        let report = world.drift(&["--policy", &policy], &same).expect(0).json();
        assert_eq!((&report["outcome"], &report["result"]["decision"]), (&json!("no-drift"), &json!(word)));
        let told = report["comparison"]["notChecked"][0].as_str().expect("a sentence");
        assert!(told.contains("the policy does not allow it") && told.contains(word), "{told}");
        let text =
            world.run(&["audit", "drift", &world.image, "--policy", &policy, "--rootfs", &same]).expect(0).stdout;
        assert!(text.contains(&format!("not checked: {told}")), "{text}");
        world.drift(&["--policy", &policy], &other).expect(1);
    }
}

// [V-291]
#[tokio::test(flavor = "multi_thread")]
async fn layers_that_are_not_what_manifest_and_configuration_say_are_no_answer() {
    let [first, second] = [0, 1].map(|at| diff_ids()[at]);
    let swapped = layers()[0].iter().map(|byte| if *byte == b'1' { b'7' } else { *byte }).collect::<Vec<_>>();
    let held = [(first.to_string(), ("application/octet-stream".to_owned(), swapped))].into();
    let third = Digest::sha256(b"another");
    for (diff_ids, hook, told) in [
        (
            vec![second, first],
            None,
            format!("layer {first} unpacks to {first}; the image's configuration says {second}"),
        ),
        (vec![first, third], None, format!("says {third}")),
        (vec![first], None, "2 layers, and 1 digests".to_owned()),
        (vec![first, second, third], None, "2 layers, and 3 digests".to_owned()),
        (vec![first, second], Some(hostile::held(held)), first.to_string()),
    ] {
        let world = World::new(&diff_ids, hook).await;
        let rootfs = world.file("rootfs.tar", &tar(&[("a", "1"), ("b", "2")]));
        let ran = world.drift(&["--key", &key("release.test.pub")], &rootfs).expect(4);
        assert!(ran.stdout.is_empty() || ran.json()["comparison"] == Value::Null, "{}", ran.stdout);
        assert!(ran.stderr.contains(&told), "{told}: {}", ran.stderr);
    }
}
