//! Many publishers at once, some of them killed between staging and sealing, and a reader who looks all the while.

use crate::world::{Key, Machine, World};
use boltseal::{
    crypto::{PublicKey, SignatureScheme},
    oci::{Digest, Repository},
    ops::trust::{Published, Sealing, TrustError, Writer},
    registry::{Access, Options, Session},
    sign::{Signer, Signing},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// How the race goes.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// How many publish at once.
    pub publishers: usize,
    /// How many tags each of them signs, one after the other.
    pub updates: usize,
    /// Whether all sign in one role, or each in one of its own.
    pub shared: bool,
}

/// What `Options` has by default.
const SETTLE: Duration = Duration::from_millis(150);

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    Done,
    Killed,
}

/// A publisher dies at the moment at which it would seal: when it is asked to sign a snapshot.
struct Mortal {
    key: Key,
    dies: bool,
    death: Arc<Notify>,
}

impl Signer for Mortal {
    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        let snapshot: &[u8] = br#""_type":"snapshot""#;
        let sealing = message.windows(snapshot.len()).any(|part| part == snapshot);
        if self.dies && sealing {
            self.death.notify_one();
            return Box::pin(std::future::pending());
        }
        self.key.sign(message)
    }

    fn sign_with<'a>(&'a self, _: SignatureScheme, message: &'a [u8]) -> Signing<'a> {
        self.sign(message)
    }
}

/// Runs the race. Everybody has a thread, as processes have.
pub fn race(address: &str, path: &str, race: Race) {
    let (world, digest) = block_on(prepare(address, path, race.publishers));
    let over = AtomicBool::new(false);
    let (done, reads) = std::thread::scope(|scope| {
        let (world, over) = (&world, &over);
        let reader = scope.spawn(move || block_on(read_until(world, over, digest)));
        let publishers: Vec<_> = (0..race.publishers)
            .map(|at| scope.spawn(move || block_on(publish_all(world, at, race, digest))))
            .collect();
        let done: Vec<_> = publishers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        let reads = reader.join();
        let done: Vec<_> = done.into_iter().flat_map(|done| done.expect("a publisher that is done")).collect();
        (done, reads.expect("a reader that saw nothing wrong"))
    });
    assert!(reads > 5, "the reader was there: {reads}");
    block_on(check(&world, done));
}

/// Runs to the end on this thread.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

async fn prepare(address: &str, path: &str, publishers: usize) -> (World, Digest) {
    let names: Vec<_> = (0..publishers).map(|at| format!("p{at}")).collect();
    let mut all = vec!["root1", "targets"];
    all.extend(names.iter().map(String::as_str));
    let world = World::new(address, path, &all);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let started = world.machine("owner").init(&world.init_of(1, &names), &["root1", "targets", "p0"]).await;
    assert!(started.is_ok(), "{started:?}");
    let digest = world.push("base", "base").await;
    world.machine("owner").must_sign("base", &["p0"]).await;
    world.machine("owner").pin().await;
    (world, digest)
}

async fn publish_all(world: &World, at: usize, race: Race, digest: Digest) -> Vec<(String, Update)> {
    let machine = world.machine(&format!("p{at}"));
    let machine =
        Machine { memory: boltseal::ops::trust::Memory { lock: Some(world.lock()), ..machine.memory }, ..machine };
    let mut done = Vec::new();
    for update in 0..race.updates {
        let tag = format!("p{at}-{update}");
        // Three in ten, a different one for each.
        let dies = (update + at) % 10 < 3;
        let became = publish(&machine, at, &tag, race.shared, dies, digest).await;
        done.push((tag, became));
    }
    done
}

async fn publish(machine: &Machine<'_>, at: usize, tag: &str, shared: bool, dies: bool, digest: Digest) -> Update {
    let death = Arc::new(Notify::new());
    let key = machine.world.key(&format!("p{at}")).clone();
    let signers: [Box<dyn Signer>; 1] = [Box::new(Mortal { key, dies, death: Arc::clone(&death) })];
    let session = Session::new(Options { settle: SETTLE, ..Options::default() }).expect("no files to read");
    let name = Repository::Registry(machine.world.name.clone());
    let repo = session.open(&name, Access::PullPush).expect("a repository");
    let clock = || machine.world.now();
    let writer = Writer {
        repo: &repo,
        name: machine.world.name.clone(),
        place: machine.world.name.to_string(),
        signers: &signers,
        memory: &machine.memory,
        rule: None,
        clock: &clock,
        after_expiry: None,
        insecure_no_floor: false,
    };
    let reference = machine.world.reference(&format!(":{tag}@{digest}"));
    let role = if shared { "targets/releases".to_owned() } else { format!("targets/p{at}") };
    let roles = [crate::world::role(&role)];
    let signing = async { writer.sign_tag(&reference, &roles).await.map(|signed| signed.published) };
    let finished: Option<Result<Published, TrustError>> = tokio::select! {
        done = signing => Some(done),
        () = death.notified() => None,
    };
    match finished {
        None => Update::Killed,
        Some(done) => {
            let published = done.unwrap_or_else(|error| panic!("{tag}: {error}"));
            assert_ne!(published.sealing, Sealing::Staged, "{tag}: {:?}", published.waiting);
            Update::Done
        }
    }
}

/// A reader with a memory never sees half a publication, and never cries rollback.
async fn read_until(world: &World, over: &AtomicBool, digest: Digest) -> usize {
    let policy = world.policy("@ROOT@");
    let mut reads = 0;
    while !over.load(Ordering::Relaxed) {
        let verdict = world.machine("reader").verdict(&policy, ":base").await;
        assert_eq!(verdict, format!("allowed {digest}"), "read {reads}");
        reads += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    reads
}

/// Nothing that was done is lost; what was killed is in place or shown as staged.
async fn check(world: &World, done: Vec<(String, Update)>) {
    let owner = world.machine("owner");
    let state = owner.write(&[], async |writer| writer.state(false).await).await.expect("a state");
    let live: BTreeSet<String> = state.paths().into_iter().map(str::to_owned).collect();
    let status = owner.write(&[], async |writer| writer.status().await).await.expect("a status");
    let staged: BTreeSet<String> = status.paths.into_iter().map(|staged| staged.path).collect();
    let mut counts = BTreeMap::new();
    for (tag, update) in done {
        let place = match (live.contains(&tag), staged.contains(&tag)) {
            (true, _) => "live",
            (false, true) => "staged",
            (false, false) => "lost",
        };
        *counts.entry((format!("{update:?}"), place)).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert!(counts.keys().any(|(update, _)| update == "Killed"), "nobody died: {counts:?}");
    assert!(
        !counts.contains_key(&("Done".to_owned(), "staged")) && counts.keys().all(|(_, place)| *place != "lost"),
        "{counts:?}"
    );
}
