//! Refreshing by TUF: what is newer is taken, what is older, expired, forged or cut off is not.

use crate::{
    common::{Boltseal, Ran},
    instance::Sigstore,
    repository::{Repository, Server, State},
};
use boltseal::{ops::trusted_root::Roots, store::RootStore};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

struct World {
    machine: Boltseal,
    repository: Repository,
    server: Server,
    /// Two contents of a trusted root.
    contents: [Vec<u8>; 2],
}

impl World {
    /// A repository with its first state, added as `corp`.
    async fn new() -> Self {
        let (machine, repository) = (Boltseal::new(), Repository::new().await);
        let contents = [trusted_root(&machine), trusted_root(&machine)];
        let server = Server::start(repository.folder());
        let world = Self { machine, repository, server, contents };
        world.publish(1, 0, 24).await;
        let start = world.repository.first_root().display().to_string();
        world.machine.run(["root", "add", "corp", "--mirror", &world.server.url, "--root", &start]).expect(0);
        world
    }

    async fn publish(&self, version: u64, content: usize, hours: i64) {
        self.repository.publish(&State { version, trusted_root: &self.contents[content], hours }).await;
    }

    fn update(&self) -> Ran {
        self.machine.run(["root", "update", "corp"])
    }

    fn show(&self) -> Value {
        let shown = self.machine.run(["root", "show", "corp", "-o", "json"]).json();
        shown["roots"][0].clone()
    }

    fn version(&self) -> u64 {
        let roles = self.show()["source"]["roles"].clone();
        let roles = roles.as_array().expect("roles");
        roles.iter().find(|role| role["role"] == "timestamp").expect("a timestamp")["version"]
            .as_u64()
            .expect("a number")
    }

    /// `verify` of something that is not there, which says whether the root could be used at all.
    fn verify(&self) -> Ran {
        let home = self.machine.home.path();
        fs::write(home.join("empty.json"), "{}").expect("a file");
        let line =
            "blob verify --bundle empty.json --certificate-identity a --certificate-oidc-issuer b --trusted-root corp";
        self.machine.run(line.split(' ').chain(["empty.json"]))
    }

    fn stored(&self) -> PathBuf {
        self.machine.home.path().join(".local/share/boltseal/roots/corp.root")
    }
}

fn trusted_root(machine: &Boltseal) -> Vec<u8> {
    Sigstore::new().write(machine.home.path());
    let made = machine.run(["root", "create", "--fulcio", "fulcio.pem", "--rekor", "rekor.pub"]).expect(0);
    made.stdout.into_bytes()
}

// [V-253]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_newer_is_taken_and_what_is_known_is_not_fetched_again() {
    let mut world = World::new().await;
    let first = world.show()["id"].clone();
    let before = world.server.asked().len();
    assert!(world.update().expect(0).stdout.contains("refreshed, unchanged"));
    assert_eq!(world.server.asked()[before..], ["2.root.json", "timestamp.json"]);
    assert_eq!(world.show()["source"]["signingConfig"], false);
    world.repository.rotate().await;
    world.repository.signing_config = Some(b"{}");
    world.publish(2, 1, 24).await;
    assert!(world.update().expect(0).stdout.contains("refreshed, changed"));
    assert_eq!(world.version(), 2);
    assert_ne!(world.show()["id"], first);
    assert_eq!(world.show()["source"]["signingConfig"], true);
    let roots =
        Roots::new(Some(RootStore::at(world.stored().parent().expect("a folder").to_owned())), Timestamp::now());
    assert_eq!(roots.signing_config("corp").expect("it verifies").as_deref(), Some(&b"{}"[..]));
    assert_eq!(roots.signing_config("github").expect("nothing was fetched"), None);
    // A denial, not an unusable root: it was read.
    world.verify().expect(1);
    // The same from a folder, as it is carried over an air gap; it is where the next update looks.
    world.publish(3, 0, 24).await;
    let folder = world.repository.folder().display().to_string();
    std::os::unix::fs::symlink(&folder, world.machine.home.path().join("usb")).expect("a link");
    world.machine.run(["root", "update", "corp", "--mirror", "usb"]).expect(0);
    let folder = world.machine.home.path().join("usb").display().to_string();
    assert_eq!((world.version(), world.show()["source"]["mirror"].as_str()), (3, Some(folder.as_str())));
}

// [V-254]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_forged_or_mixed_is_refused_and_what_was_there_stays() {
    let world = World::new().await;
    world.publish(5, 0, 24).await;
    world.update().expect(0);
    let kept = fs::read(world.stored()).expect("a file");
    world.publish(4, 1, 24).await;
    let refused = world.update().expect(1);
    assert!(refused.stderr.contains("an old state"), "{}", refused.stderr);
    // A repository of other keys, at the same place.
    let stranger = Repository::new().await;
    stranger.publish(&State { version: 9, trusted_root: &world.contents[1], hours: 24 }).await;
    let folder = stranger.folder().display().to_string();
    world.machine.run(["root", "update", "corp", "--mirror", &folder]).expect(1);
    // Nor does it stand in for one that comes with the program.
    world.machine.run(["root", "update", "public-good", "--mirror", &folder]).expect(1);
    let shown = world.machine.run(["root", "show", "public-good", "-o", "json"]).expect(0).json();
    assert_eq!(shown["roots"][0]["source"]["kind"], "embedded");
    // Another file than the one that is listed.
    world.publish(6, 1, 24).await;
    let targets = world.repository.folder().join("targets");
    for entry in fs::read_dir(&targets).expect("a folder") {
        fs::write(entry.expect("an entry").path(), &world.contents[1][1..]).expect("a file");
    }
    let refused = world.update().expect(1);
    assert!(refused.stderr.contains("not the file that the metadata list"), "{}", refused.stderr);
    // Verified as metadata, and nothing to verify by.
    world.repository.publish(&State { version: 7, trusted_root: b"{}", hours: 24 }).await;
    world.update().expect(1);
    assert_eq!(fs::read(world.stored()).expect("a file"), kept);
    world.verify().expect(1);
    // A root to begin with that is not the one that is known, and junk.
    world.publish(8, 0, 24).await;
    let start = stranger.first_root().display().to_string();
    world.machine.run(["root", "update", "corp", "--root", &start]).expect(3);
    world.machine.run(["root", "update", "corp", "--root", "fulcio.pem"]).expect(3);
    world.machine.run(["root", "update", "corp", "--root", "nowhere.json"]).expect(3);
    world.update().expect(0);
}

// [V-251] [V-255]
#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_counts_for_nothing_until_it_is_refreshed() {
    let world = World::new().await;
    // A timestamp that ends in a moment.
    world.publish(2, 0, 0).await;
    let refused = world.update().expect(1);
    assert!(refused.stderr.contains("expired on"), "{}", refused.stderr);
    assert_eq!(world.version(), 1);
    world.verify().expect(1);
    // Time passes: the kept state is made to have expired, as its own keys signed it.
    let kept = String::from_utf8(fs::read(world.stored()).expect("a file")).expect("text");
    let machine = Boltseal::new();
    let start = world.repository.first_root().display().to_string();
    world.repository.publish_ending_in(3, &world.contents[0], 2).await;
    machine.run(["root", "add", "corp", "--mirror", &world.server.url, "--root", &start]).expect(0);
    let world = World { machine, ..world };
    world.verify().expect(1);
    sleep(Duration::from_millis(2_100));
    let stale = world.verify().expect(3);
    assert!(stale.stderr.contains("`boltseal root update corp`"), "{}", stale.stderr);
    let shown = world.machine.run(["root", "show", "corp"]).expect(3);
    assert!(shown.stdout.contains("EXPIRED  timestamp"), "{}", shown.stdout);
    world.publish(4, 1, 24).await;
    world.update().expect(0);
    world.verify().expect(1);
    // What was kept and changed is no root, and not as if there were none.
    for (from, to) in [("\"timestamp\"", "\"timestamP\""), ("trustedroot", "trustedr0ot")] {
        assert!(kept.contains(from), "{from}");
        fs::write(world.stored(), kept.replacen(from, to, 1)).expect("a file");
        world.verify().expect(3);
    }
    fs::write(world.stored(), "").expect("a file");
    world.verify().expect(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_in_the_middle_leaves_the_old_state_whole() {
    let world = World::new().await;
    let kept = fs::read(world.stored()).expect("a file");
    world.publish(2, 1, 24).await;
    for file in ["timestamp.json", "2.snapshot.json", "2.targets.json", "trusted_root.json"] {
        world.server.stick(Some(file));
        let before = world.server.asked().len();
        let mut command = world.machine.command();
        let child = command.args(["root", "update", "corp"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().expect("it starts");
        let since = Instant::now();
        while !world.server.asked()[before..].iter().any(|path| path.ends_with(file)) {
            assert!(since.elapsed() < Duration::from_secs(30), "{file} is never asked for");
            sleep(Duration::from_millis(5));
        }
        child.kill().expect("it dies");
        child.wait().expect("it is dead");
        assert_eq!(fs::read(world.stored()).expect("a file"), kept, "{file}");
    }
    world.server.stick(None);
    world.update().expect(0);
    assert_eq!(world.version(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_end_in_one_whole_state() {
    let world = World::new().await;
    world.publish(2, 1, 24).await;
    let start = || world.machine.command().args(["root", "update", "corp"]).stdout(Stdio::null()).spawn();
    let children: Vec<_> = (0..8).map(|_| start().expect("it starts")).collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(world.version(), 2);
    let folder = world.stored().parent().expect("a folder").to_owned();
    let mut names: Vec<_> = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, [".corp.root.lock", "corp.root"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_can_not_be_read_is_could_not_tell() {
    let world = World::new().await;
    let machine = &world.machine;
    machine.run(["root", "update", "corp", "--mirror", "http://127.0.0.1:1"]).expect(4);
    machine.run(["root", "update", "corp", "--mirror", "nowhere"]).expect(4);
    machine.run(["root", "update", "corp", "--mirror", "ftp://corp.example"]).expect(3);
    machine.run(["root", "update", "corp", "--mirror", "http://tuf.corp.example"]).expect(4);
    fs::remove_file(world.repository.folder().join("timestamp.json")).expect("it was there");
    world.update().expect(4);
    world.verify().expect(1);
    assert_eq!(world.version(), 1);
    let start = world.repository.first_root().display().to_string();
    machine.run(["root", "add", "later", "--mirror", "http://127.0.0.1:1", "--root", &start]).expect(4);
    machine.run(["root", "show", "later"]).expect(3);
}
