//! What verified is signed anew, after it was shown and agreed to; what did not verify is not.

use crate::{
    MANIFEST, OLD,
    common::{Boltseal, Ran},
    forge::{Delegate, FAR, Holder, Repository, delegations, sign, targets},
    notary, push, serve,
};
use boltseal::{
    oci::Digest,
    registry::embedded::{Embedded, EmbeddedOptions},
    trust::notary::Files,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

/// A registry with `acme/web`, a machine with keys, and signed tags that have begun there.
struct World {
    registry: Embedded,
    machine: Boltseal,
    name: String,
    begun: usize,
}

impl World {
    async fn new() -> Self {
        let registry = Embedded::start(EmbeddedOptions::default()).await.unwrap();
        let name = format!("{}/acme/web", registry.address());
        let mut world = Self { registry, machine: Boltseal::new(), name, begun: 0 };
        // The root key is docker's.
        fs::write(world.machine.home.path().join("docker.password"), "pwpwpwpw").unwrap();
        let docker = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/keys/p256-notary.test.pem");
        let import = "key import --key-password-file docker.password --output-key-prefix root --key";
        world.machine.run(import.split(' ').chain([docker])).expect(0);
        for key in ["alice", "bob"] {
            world.run(&format!("key generate --output-key-prefix {key}")).expect(0);
        }
        push(&world.registry, "1.0", MANIFEST).await;
        push(&world.registry, "moved", &other("moved")).await;
        push(&world.registry, "replaced", &other("replaced")).await;
        world.begin();
        world
    }

    /// Alice seals, Bob does not.
    fn begin(&mut self) {
        let signers = "--signer alice=alice.key --signer bob=bob.pub --sealing-key alice.key";
        self.run(&format!("trust init {} --root-key root.key {signers} --lock boltseal.lock", self.name)).expect(0);
        self.run(&format!("trust sign --key alice.key {}:replaced", self.name)).expect(0);
        self.begun = self.writes();
    }

    fn run(&self, line: &str) -> Ran {
        tokio::task::block_in_place(|| self.machine.run(line.split_whitespace()))
    }

    /// Runs the import from a Notary server that has these files.
    async fn import(&self, files: &Files, line: &str) -> Ran {
        let (_notary, _, address) = serve(vec![notary(&self.name, files)]).await;
        self.run(&format!("trust import-dct --server {address} {} {line}", self.name))
    }

    fn writes(&self) -> usize {
        self.registry.requests().iter().filter(|request| !["GET", "HEAD"].contains(&request.method.as_str())).count()
    }

    #[track_caller]
    fn assert_unwritten(&self) {
        assert_eq!(self.writes(), self.begun, "something was written");
    }

    /// The signed tags, and their digests.
    fn signed(&self) -> BTreeMap<String, String> {
        let seen = self.run(&format!("trust inspect -o json {}", self.name)).expect(0).json();
        let tag = |tag: &Value| {
            let text = |member: &str| tag[member].as_str().unwrap().to_owned();
            (text("SignedTag"), format!("sha256:{}", text("Digest")))
        };
        seen[0]["SignedTags"].as_array().unwrap().iter().map(tag).collect()
    }
}

fn other(what: &str) -> String {
    MANIFEST.replace("\"layers\":[]", &format!("\"layers\":[],\"annotations\":{{\"x\":\"{what}\"}}"))
}

fn digest(manifest: &str) -> String {
    Digest::sha256(manifest.as_bytes()).to_string()
}

/// Tags of every fate.
fn published(name: &str) -> Repository {
    let good = MANIFEST.as_bytes();
    let tags: &[(&str, &[u8])] =
        &[("1.0", good), ("boltseal.x", good), ("gone", OLD), ("long", good), ("moved", good), ("replaced", good)];
    let mut repository = Repository::new(name);
    let mut file = targets(1, FAR, tags, delegations(&[]));
    file["targets"]["long"]["length"] = json!(MANIFEST.len() + 1);
    let file = sign(&file, &[&repository.other]);
    repository.put("targets", file).seal();
    repository
}

/// Each tag with what would be done with it, and why not.
fn fates(json: &Value) -> Vec<[&str; 3]> {
    let entries = json["import"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| ["tag", "would", "why"].map(|member| entry[member].as_str().unwrap_or_default()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_verified_are_shown_asked_for_and_signed() {
    let world = World::new().await;
    let repository = published(&world.name);
    let pin = format!("--root-key {}", repository.root.pin());

    let dry = world.import(&repository.files, &format!("{pin} --dry-run -o json")).await.expect(0).json();
    let (moved, replaced) = (digest(&other("moved")), digest(&other("replaced")));
    let expected = [
        ["1.0", "sign", ""],
        ["boltseal.x", "leave", "tags that begin with boltseal. are boltseal's own"],
        ["gone", "leave", "the registry does not have its digest"],
        [
            "long",
            "leave",
            &format!("the registry has its digest with {0} bytes, {1} were signed", MANIFEST.len(), MANIFEST.len() + 1),
        ],
        ["moved", "leave", &format!("the registry's tag is {moved}; name the tag to sign it all the same")],
        ["replaced", "leave", &format!("it is signed here already, for {replaced}; name the tag to replace that")],
    ];
    assert_eq!(fates(&dry), expected);
    assert_eq!((&dry["import"][0]["digest"], &dry["trustWritten"]), (&json!(digest(MANIFEST)), &json!(false)));

    let unasked = world.import(&repository.files, &format!("{pin} --key alice.key")).await.expect(2);
    assert!(unasked.stdout.contains("\n  sign     1.0\n  leave    boltseal.x: "), "{}", unasked.stdout);
    assert!(unasked.stderr.contains("Sign 1 tags of") && unasked.stderr.contains("pass -y"), "{}", unasked.stderr);
    world.assert_unwritten();

    let done = world.import(&repository.files, &format!("{pin} --key alice.key -y -o json")).await.expect(0);
    let json = done.json();
    assert_eq!((&json["trustWritten"], &json["publication"]["sealing"]), (&json!(true), &json!("sealed")));
    assert!(done.stderr.contains("  sign     1.0\n"), "{}", done.stderr);
    let tag = |tag: &str, digest: &str| (tag.to_owned(), digest.to_owned());
    assert_eq!(world.signed(), BTreeMap::from([tag("1.0", &digest(MANIFEST)), tag("replaced", &replaced)]));

    let again = world.import(&repository.files, &format!("{pin} --key alice.key")).await.expect(0);
    assert!(
        again.stdout.contains("  leave    1.0: it is signed here already, for the same digest\n"),
        "{}",
        again.stdout
    );
    assert!(again.stderr.contains("no tag is left to sign"), "{}", again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_are_named_are_signed_though_they_differ_but_not_without_their_image() {
    let world = World::new().await;
    let repository = published(&world.name);
    let pin = format!("--root-key {}", repository.root.pin());
    world.import(&repository.files, &format!("none {pin} --key alice.key -y")).await.expect(2);
    // Bob may sign, and not seal: the next sealer takes it in.
    let staged = world.import(&repository.files, &format!("moved {pin} --key bob.key -y -o json")).await.expect(4);
    assert_eq!(
        (&staged.json()["trustWritten"], &staged.json()["publication"]["sealing"]),
        (&json!(false), &json!("staged"))
    );
    assert_eq!(world.signed().len(), 1);
    let line = format!("replaced moved gone long {pin} --key alice.key -y");
    let done = world.import(&repository.files, &line).await.expect(0);
    assert!(done.stdout.contains("  leave    gone: the registry does not have its digest\n"), "{}", done.stdout);
    let all = ["1.0", "moved", "replaced"].map(|tag| (tag.to_owned(), digest(MANIFEST)));
    assert_eq!(world.signed(), BTreeMap::from(all));
    // What is revoked here is not brought back.
    let revoke = "--reason broken --key root.key --key alice.key --digest";
    world.run(&format!("trust revoke {} {revoke} {}", world.name, digest(MANIFEST))).expect(0);
    let dry = world.import(&repository.files, &format!("1.0 {pin} --dry-run -o json")).await.expect(0).json();
    assert_eq!(fates(&dry)[0], ["1.0", "leave", "its digest is revoked here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_verify_writes_nothing() {
    let world = World::new().await;
    let good = published(&world.name);
    let key = "--key alice.key -y -o json";

    let thief = Holder::certified(&world.name).pin();
    let wrong = world.import(&good.files, &format!("--root-key {thief} {key}")).await.expect(1).json();
    assert_eq!((&wrong["reason"]["id"], &wrong["trustWritten"]), (&json!("not-pinned"), &json!(false)));

    let mut expired = published(&world.name);
    let mut root: Value = serde_json::from_slice(&expired.files["root"]).unwrap();
    root["signed"]["expires"] = json!("2026-01-01T00:00:00Z");
    let root = sign(&root["signed"], &[&expired.root]);
    expired.put("root", root).seal();
    let pin = format!("--root-key {}", expired.root.pin());
    let refused = world.import(&expired.files, &format!("{pin} {key}")).await.expect(1).json();
    assert_eq!(refused["reason"]["id"], "expired");

    // Tampered with on the way, and by who holds the snapshot's key and the timestamp's.
    let alice = Holder::bare();
    let mut tampered = Repository::new(&world.name);
    let releases = sign(&targets(1, FAR, &[("1.0", OLD)], delegations(&[])), &[&alice]);
    let delegate = Delegate("targets/releases", vec![&alice], 1, vec![""]);
    tampered.put_targets(&[], &[delegate]).put("targets/releases", releases).seal();
    let text = String::from_utf8(tampered.files["targets/releases"].clone()).unwrap();
    let [signed, other] = [OLD, MANIFEST.as_bytes()].map(|manifest| crate::forge::meta(manifest).to_string());
    assert!(text.contains(&signed));
    tampered.put("targets/releases", text.replace(&signed, &other).into_bytes());
    let pin = format!("--root-key {}", tampered.root.pin());
    let refused = world.import(&tampered.files, &format!("{pin} {key}")).await.expect(4);
    assert!(refused.stderr.contains("targets/releases"), "{}", refused.stderr);
    tampered.seal();
    let left_out = world.import(&tampered.files, &format!("{pin} {key}")).await.expect(0).json();
    assert_eq!((&left_out["warnings"][0]["id"], &left_out["import"]), (&json!("skipped-role"), &json!([])));

    // Nothing is known of the repository here, or there is nothing.
    let pin = format!("--root-key {}", good.root.pin());
    let stranger = World { machine: Boltseal::new(), ..World::new().await };
    stranger.run("key generate --output-key-prefix alice").expect(0);
    let repository = published(&stranger.name);
    let pinned = format!("--root-key {}", repository.root.pin());
    let refused = stranger.import(&repository.files, &format!("{pinned} {key}")).await.expect(3);
    assert!(refused.stderr.contains("trust init"), "{}", refused.stderr);
    let dry = stranger.import(&repository.files, &format!("{pinned} --dry-run -o json")).await.expect(0);
    assert!(dry.stderr.contains("trust init") && fates(&dry.json())[0][1] == "sign", "{}", dry.stderr);
    let unreadable = world.import(&good.files, &format!("{pin} --key no.key -y")).await;
    unreadable.expect(3);
    world.assert_unwritten();
    stranger.assert_unwritten();
}
