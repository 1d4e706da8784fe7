//! A machine that dies at any moment of a publication: what it remembers and its lock are the old or the new ones, the live
//! state is whole, and the same command finishes what was begun.

mod common;
#[path = "common/trust.rs"]
mod world;

use boltseal::{
    format::trust_manifest::TRUST_TAG,
    registry::embedded::{Embedded, EmbeddedOptions, Exchange},
    store::{TrustStore, read_trust_lock},
};
use common::{Boltseal, Ran};
use rcgen::KeyPair;
use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use world::World;

/// The process that is to die, and at its which request.
#[derive(Default)]
struct Doom {
    victim: Mutex<Option<Child>>,
    left: AtomicUsize,
}

impl Doom {
    fn strike(&self) {
        if self.left.load(Ordering::SeqCst) > 0 && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let mut victim = self.victim.lock().unwrap_or_else(PoisonError::into_inner);
            victim.as_mut().expect("a process").kill().expect("it dies");
        }
    }

    /// Runs a command that is killed at its `at`th request; whether it came so far.
    fn run(&self, mut command: Command, at: usize) -> bool {
        {
            let mut victim = self.victim.lock().expect("whole");
            self.left.store(at, Ordering::SeqCst);
            *victim = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
        }
        loop {
            let done = self.victim.lock().expect("whole").as_mut().expect("a process").try_wait().expect("it ends");
            if let Some(status) = done {
                self.left.store(0, Ordering::SeqCst);
                assert!(status.success() || status.code().is_none(), "{status}");
                return !status.success();
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_while_publishing_leaves_old_or_new_and_never_half() {
    let doom = Arc::new(Doom::default());
    let hook = {
        let doom = Arc::clone(&doom);
        move |_: &Exchange| {
            doom.strike();
            None
        }
    };
    let registry = Embedded::start(EmbeddedOptions { hook: Some(Arc::new(hook)), ..EmbeddedOptions::default() });
    let registry = registry.await.expect("loopback");
    let world = World::new(&registry.address().to_string(), "app", &[]);
    let machine = Boltseal::new();
    let pair = KeyPair::generate().expect("a key");
    let key = machine.home.path().join("signer.pem");
    std::fs::write(&key, pair.serialize_pem()).expect("a key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let (key, name) = (key.display().to_string(), world.name.to_string());
    let run = |line: &[&str]| {
        let mut command = machine.command();
        command.args(line);
        command
    };
    let signer = format!("ci={key}");
    Ran::of(&mut run(&["trust", "init", &name, "--root-key", &key, "--signer", &signer, "--lock", "boltseal.lock"]))
        .expect(0);
    let (store, lock) =
        (machine.home.path().join(".local/state/boltseal/trust"), machine.home.path().join("boltseal.lock"));
    let mut died = 0;
    for at in 1.. {
        let tag = format!("{at}.0");
        world.push(&tag, &tag).await;
        let reference = format!("{name}:{tag}");
        let sign = ["trust", "sign", &reference, "--key", &key];
        let killed = tokio::task::block_in_place(|| doom.run(run(&sign), at));
        let pinned = tokio::task::block_in_place(|| doom.run(run(&["trust", "pin", &name]), at));
        // What is there is whole, whatever happened.
        let remembered = TrustStore::at(store.clone()).load(&name).expect("it loads");
        assert!(remembered.is_some(), "request {at}");
        read_trust_lock(&lock).expect("it is read");
        assert!(world.served(TRUST_TAG).await.files.contains_key("timestamp.json"), "request {at}");
        // The same again finishes it.
        Ran::of(&mut run(&sign)).expect(0);
        let shown = Ran::of(&mut run(&["trust", "inspect", &reference, "-o", "json"])).expect(0);
        assert!(shown.stdout.contains(&tag), "{}", shown.stdout);
        died += usize::from(killed) + usize::from(pinned);
        if !killed && !pinned {
            break;
        }
    }
    assert!(died > 15, "a publication has more requests than it died at: {died}");
}
