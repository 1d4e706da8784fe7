//! `trust` and what goes with it, as it is typed, on several machines against a registry in this process.

mod common;

use boltseal::{
    oci::{Reference, Repository},
    registry::{
        Access, Options, Session,
        embedded::{Embedded, EmbeddedOptions},
    },
};
use common::{Boltseal, Ran, image};
use std::fs;

/// A registry with an image `app:1.0` and `app:2.0`, and a folder of keys that all machines reach.
struct World {
    registry: Embedded,
    keys: Boltseal,
}

impl World {
    async fn new(keys: &[&str]) -> Self {
        let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
        let world = Self { registry, keys: Boltseal::new() };
        for tag in ["1.0", "2.0"] {
            world.push("app", tag).await;
        }
        for key in keys {
            world.ask(&world.keys, &["key", "generate", "--output-key-prefix", key]).expect(0);
        }
        world
    }

    async fn push(&self, repository: &str, tag: &str) -> image::Layout {
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join("layout");
        let made = image::write(&dir, tag, &format!("{repository}:{tag}"));
        let session = Session::new(Options::default()).expect("a session");
        let from = session.open(&Repository::Layout(dir), Access::Pull).expect("the layout");
        let to: Reference = self.at(repository).parse().expect("a name");
        image::copy(&from, &session.open(&to.repository, Access::PullPush).expect("it"), tag, &made).await;
        made
    }

    fn at(&self, place: &str) -> String {
        format!("{}/{place}", self.registry.address())
    }

    fn key(&self, file: &str) -> String {
        self.keys.home.path().join(file).display().to_string()
    }

    /// Runs a line on a machine: words that end with `.key` or `.pub` are keys, `@x` is `x` in the registry.
    fn run(&self, machine: &Boltseal, line: &str) -> Ran {
        let words = line.split_whitespace().map(|word| match word.split_once('=') {
            Some((name, file)) if file.ends_with(".key") => format!("{name}={}", self.key(file)),
            _ if word.ends_with(".key") || word.ends_with(".pub") => self.key(word),
            _ => word.strip_prefix('@').map_or_else(|| word.to_owned(), |place| self.at(place)),
        });
        self.ask(machine, &words.collect::<Vec<_>>())
    }

    /// The registry answers on other threads meanwhile.
    fn ask<A: AsRef<std::ffi::OsStr>>(&self, machine: &Boltseal, words: &[A]) -> Ran {
        tokio::task::block_in_place(|| machine.run(words))
    }

    fn start(&self, machine: &Boltseal) {
        let line = "trust init @app --root-key root.key --signer alice=alice.key --lock boltseal.lock";
        self.run(machine, line).expect(0);
    }

    /// Writes a policy that pins the root key.
    fn policy(&self, machine: &Boltseal) {
        let key = self.run(machine, "key inspect -o json root.pub").expect(0).json();
        let root = key["keys"][0]["key"]["fingerprint"].as_str().expect("a fingerprint").to_owned();
        let scope = self.at("**");
        let text =
            format!("version: 1\nimages:\n  \"{scope}\": {{ content-trust: {{ root: {{ keys: [{root}] }} }} }}\n");
        fs::write(machine.home.path().join("policy.yaml"), text).expect("a file");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_signed_shown_resolved_unlisted_and_its_image_revoked() {
    let world = World::new(&["root", "alice"]).await;
    let machine = Boltseal::new();
    world.start(&machine);
    world.policy(&machine);
    let signed = world.run(&machine, "trust sign -o json --key alice.key @app:1.0").expect(0).json();
    assert_eq!((signed["sealing"].as_str(), signed["tag"].as_str()), (Some("sealed"), Some("1.0")));
    let digest = signed["digest"].as_str().expect("a digest");

    let seen = world.run(&machine, "trust inspect -o json @app:1.0").expect(0).json();
    let tags = serde_json::json!([{ "SignedTag": "1.0", "Digest": &digest[7..], "Signers": ["alice"] }]);
    assert_eq!((&seen[0]["Name"], &seen[0]["SignedTags"]), (&world.at("app:1.0").into(), &tags));
    let alice = world.run(&machine, "key inspect -o json alice.pub").expect(0).json();
    let keys = serde_json::json!([{ "ID": alice["keys"][0]["key"]["fingerprint"] }]);
    assert_eq!((&seen[0]["Signers"][0]["Name"], &seen[0]["Signers"][0]["Keys"]), (&"alice".into(), &keys));
    assert_eq!(seen[0]["AdministrativeKeys"][0]["Name"], "Root");
    let shown = world.run(&machine, "trust inspect -o json --pretty @app").expect(0).stdout;
    assert!(shown.contains(&format!("1.0          {}   alice\n", &digest[7..])), "{shown}");

    let resolved = world.run(&machine, "resolve --policy policy.yaml @app:1.0 @app:2.0").expect(1);
    assert_eq!(resolved.stdout, format!("{}@{digest}\n", world.at("app")));
    assert!(resolved.stderr.contains("not-listed"), "{}", resolved.stderr);
    let judged = world.run(&machine, "verify -o json --policy policy.yaml @app:1.0").expect(0).json();
    assert_eq!(judged["results"][0]["trustState"]["source"], "unchanged");

    world.run(&machine, "trust revoke --key alice.key @app:1.0").expect(0);
    let again = world.run(&machine, "trust revoke --key alice.key @app:1.0").expect(2);
    assert!(again.stderr.contains("not listed"), "{}", again.stderr);
    world.run(&machine, "verify --policy policy.yaml @app:1.0").expect(1);
    let line = format!("trust revoke --key root.key --key alice.key @app --digest {digest} --reason broken");
    world.run(&machine, &line).expect(0);
    let denied = world.run(&machine, &format!("verify --policy policy.yaml @app@{digest}")).expect(1);
    assert!(denied.stdout.contains("revoked") && denied.stdout.contains("broken"), "{}", denied.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_signs_the_tag_where_tags_are_signed_or_fails() {
    let world = World::new(&["root", "alice", "mallory"]).await;
    let [machine, fresh] = [Boltseal::new(), Boltseal::new()];
    let unsealed = world.run(&machine, "sign -o json --key alice.key @app:1.0").expect(0).json();
    assert_eq!(unsealed["results"][0]["tag"], serde_json::Value::Null);
    world.run(&machine, "sign --attach --key alice.key @app:1.0").expect(3);
    world.start(&machine);

    let signed = world.run(&machine, "sign -o json --attach --key alice.key @app:1.0 @app:2.0").expect(0).json();
    for at in [0, 1] {
        let result = &signed["results"][at];
        assert_eq!(result["tag"]["sealing"], "sealed", "{signed:#}");
        assert_eq!(result["tag"]["digest"], result["signed"][0]["digest"]);
        assert!(result["attached"].is_string());
    }
    let refused = world.run(&machine, "sign --key mallory.key @app:1.0").expect(3);
    assert!(refused.stderr.contains("none of the given keys may sign"), "{}", refused.stderr);
    world.run(&machine, "sign --no-tag --key mallory.key @app:1.0").expect(0);
    world.run(&machine, "sign --platform linux/amd64 --key alice.key @app:1.0").expect(2);
    world.run(&machine, "sign --platform linux/amd64 --no-tag --key alice.key @app:1.0").expect(0);

    // A policy says that tags are signed, and nothing says which state is the newest.
    world.policy(&fresh);
    world.push("app", "3.0").await;
    let refused = world.run(&fresh, "sign --policy policy.yaml --key alice.key @app:3.0").expect(3);
    assert!(refused.stderr.contains("could not be told from the newest"), "{}", refused.stderr);
    let lock = machine.home.path().join("boltseal.lock").display().to_string();
    world.run(&fresh, &format!("sign --lock {lock} --key alice.key @app:3.0")).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_start_a_root_and_change_it_without_a_shared_secret() {
    let world = World::new(&["a", "b", "c", "admin", "ci"]).await;
    let [first, second] = [Boltseal::new(), Boltseal::new()];
    let root = world.key("root.json");
    let init = "trust init @app --root-key a.key --root-key b.pub --root-key c.pub --root-threshold 2 --targets-key admin.key --signer ci=ci.key";
    let unfinished = world.run(&first, &format!("{init} --out {root}")).expect(4);
    assert!(unfinished.stdout.contains("1 of 2 signatures"), "{}", unfinished.stdout);
    world.run(&first, "trust inspect --root-key a.pub @app").expect(1);
    let signed = world.run(&second, &format!("trust cosign -o json root --file {root} --key b.key")).expect(0).json();
    assert_eq!((signed["signed"].as_u64(), signed["needed"].as_u64()), (Some(2), Some(2)));
    let start =
        format!("trust init @app --root {root} --targets-key admin.key --signer ci=ci.key --lock boltseal.lock");
    let started = world.run(&first, &start).expect(0);
    assert!(started.stdout.contains("2 of 3 keys have to sign"), "{}", started.stdout);
    world.run(&first, &start).expect(3);
    world.run(&first, "trust sign --key ci.key @app:1.0").expect(0);

    // A new root of one holder waits for another's signature; status tells, cron hears.
    let rotate = "trust rotate root @app --key a.key --key ci.key --new-key admin.pub --old-key c.pub";
    let staged = world.run(&first, rotate).expect(4);
    assert!(staged.stdout.starts_with("staged, not sealed: "), "{}", staged.stdout);
    assert!(staged.stdout.contains("root version 2: 1 of 2 signatures"), "{}", staged.stdout);
    world.run(&first, "trust status @app").expect(4);
    let pinned = "--root-key a.pub --root-key b.pub --root-threshold 2";
    world.run(&second, &format!("trust pin {pinned} @app")).expect(0);
    let unasked = world.run(&second, "trust cosign root @app --key b.key").expect(2);
    let fingerprint = |key: &str| {
        let seen = world.run(&second, &format!("key inspect -o json {key}")).expect(0).json();
        seen["keys"][0]["key"]["fingerprint"].as_str().expect("a fingerprint").to_owned()
    };
    assert!(unasked.stderr.contains("root version 2: 1 of 2 signatures"), "{}", unasked.stderr);
    assert!(unasked.stderr.contains("pass -y"), "{}", unasked.stderr);
    for (word, key) in [("adds", "admin.pub"), ("drops", "c.pub")] {
        let line = format!("fingerprint {}", fingerprint(key));
        let shown = unasked.stderr.lines().any(|shown| shown.trim().starts_with(word) && shown.ends_with(&line));
        assert!(shown, "{word} {key}: {}", unasked.stderr);
    }
    world.run(&first, "trust status @app").expect(4);
    let cosigned = world.run(&second, "trust cosign -y -o json root @app --key b.key").expect(0).json();
    let reviewed = &cosigned["reviewed"][0];
    assert_eq!((reviewed["version"].as_u64(), reviewed["signed"].as_u64()), (Some(2), Some(1)), "{cosigned:#}");
    let version = serde_json::json!({ "member": "version", "before": 1, "after": 2 });
    assert!(reviewed["changes"].as_array().expect("changes").contains(&version), "{cosigned:#}");
    let nothing = world.run(&second, "trust cosign root @app --key b.key").expect(0);
    assert_eq!(nothing.stdout, "nothing waits for signatures in root\n");
    let status = world.run(&first, "trust status -o json @app").expect(0).json();
    assert_eq!(status["results"][0]["roles"][0]["version"], 2, "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signers_and_sealers_come_and_go() {
    let world = World::new(&["root", "alice", "qa", "ci"]).await;
    let machine = Boltseal::new();
    world.start(&machine);
    let staged = world.run(&machine, "trust signer add --key root.key --signer-key qa.pub qa @app").expect(4);
    assert!(staged.stdout.contains("with a sealing key"), "{}", staged.stdout);
    world.run(&machine, "trust refresh --key alice.key --if-older-than 7d @app").expect(0);
    let signers = world.run(&machine, "trust signer list -o json @app").expect(0).json();
    assert_eq!(signers["signers"][1]["name"], "qa");

    world.run(&machine, "trust sign --key qa.key @app:1.0").expect(4);
    world.run(&machine, "trust sealer add --key root.key --sealing-key ci.key @app").expect(0);
    world.run(&machine, "trust refresh --key ci.key @app").expect(0);
    world.run(&machine, "trust sealer remove --key root.key --key ci.key --sealing-key alice.pub @app").expect(0);
    world.run(&machine, "trust refresh --key alice.key @app").expect(4);
    world.run(&machine, "trust rotate --key root.key --new-key qa.key --recover timestamp @app").expect(0);
    world.run(&machine, "trust refresh --key ci.key @app").expect(4);

    let removed = world.run(&machine, "trust signer remove --key root.key --key alice.key --key qa.key qa @app");
    removed.expect(0);
    world.run(&machine, "trust sign --key qa.key @app:2.0").expect(3);
    world.run(&machine, "trust threshold --key root.key targets/alice 2 @app").expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_data_travel_in_a_file_and_never_go_back() {
    let world = World::new(&["root", "alice"]).await;
    let machine = Boltseal::new();
    world.start(&machine);
    world.run(&machine, "trust sign --key alice.key @app:1.0").expect(0);
    world.run(&machine, "trust export @app app.json").expect(0);
    world.run(&machine, "trust pin --lock other.lock @app").expect(0);
    let there =
        world.run(&machine, &format!("trust import -o json @mirror app.json --as {}", world.at("app"))).expect(0);
    assert_eq!(there.json()["signedFor"], world.at("app"));
    world.run(&machine, "trust refresh --key alice.key @app").expect(0);
    let older = world.run(&machine, "trust import @app app.json").expect(1);
    assert!(older.stderr.contains("older than"), "{}", older.stderr);
    // One of two fails: the worst counts, and the other is told all the same.
    let both = world.run(&machine, "trust status -o json @app @nowhere").expect(3).json();
    assert_eq!((both["results"][0]["exit"].as_u64(), both["results"][1]["exit"].as_u64()), (Some(0), Some(3)));
}
