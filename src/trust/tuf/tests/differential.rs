//! Generated repositories, read by us under the specification's rules alone and by another implementation.

use super::{repo::*, *};
use crate::{format::tuf::Metadata, sign::Signer, trust::tuf::author::*};
use proptest::prelude::*;
use sigstore_tuf::{MetadataStore, Repository, Updater};
use std::{
    cell::Cell,
    collections::BTreeMap,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

type Files = BTreeMap<String, Vec<u8>>;

struct Served(Files);

impl Repository for Served {
    fn fetch_metadata<'a>(
        &'a self,
        name: &'a str,
        max_length: u64,
    ) -> Pin<Box<dyn Future<Output = sigstore_tuf::Result<Option<Vec<u8>>>> + Send + 'a>> {
        let found = self.0.get(name).cloned();
        Box::pin(async move {
            match found {
                Some(bytes) if bytes.len() as u64 > max_length => Err(sigstore_tuf::Error::transport("too long")),
                found => Ok(found),
            }
        })
    }

    fn fetch_target<'a>(
        &'a self,
        _: &'a str,
        _: u64,
    ) -> Pin<Box<dyn Future<Output = sigstore_tuf::Result<Option<Vec<u8>>>> + Send + 'a>> {
        Box::pin(async { Ok(None) })
    }
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Files>>);

impl MetadataStore for Memory {
    fn load(&self, name: &str) -> sigstore_tuf::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    fn store(&self, name: &str, bytes: &[u8]) -> sigstore_tuf::Result<()> {
        self.0.lock().unwrap().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

/// What a client answers: nothing if the state is refused, else for each path its SHA-256 if it has one.
type Answer = Option<BTreeMap<String, Option<String>>>;

const PATHS: [&str; 3] = ["1.0", "2.0", "none"];

fn theirs(first_root: &[u8], store: &Memory, served: &Files) -> Answer {
    let mut updater = Updater::new(Served(served.clone()), first_root).ok()?.with_store(store.clone());
    ready(updater.refresh(now())).ok()?;
    let answer = |path: &&str| {
        let target = ready(updater.get_target_info(path, now())).ok().flatten();
        ((*path).to_owned(), target.and_then(|target| target.hashes.get("sha256").cloned()))
    };
    Some(PATHS.iter().map(answer).collect())
}

/// What a client of ours keeps between updates.
#[derive(Clone)]
struct Kept {
    root: Vec<u8>,
    known: BTreeMap<RoleName, Vec<u8>>,
}

fn refresh(kept: &mut Kept, scope: Scope, served: &Files) -> Result<TrustState, UpdateError> {
    let terms = Terms { scope, known: kept.known.clone(), ..Terms::new(now(), Rules::Tuf) };
    let mut update = Update::begin(TrustedStart::Root(kept.root.clone()), terms)?;
    while let Some(want) = update.want()? {
        let Some(bytes) = served.get(&want.file) else {
            update.absent()?;
            continue;
        };
        if update.supply(bytes)? == Supplied::Kept {
            match want.role {
                RoleName::Root => kept.root = bytes.clone(),
                role if role.is_top_level() => drop(kept.known.insert(role, bytes.clone())),
                _ => {}
            }
        }
    }
    update.finish()
}

fn ours(kept: &mut Kept, served: &Files) -> Answer {
    let _ = refresh(kept, Scope::TopLevel, served).ok()?;
    let mut answer = |path: &&str| {
        let state = refresh(kept, Scope::Paths(vec![(*path).to_owned()]), served).ok();
        let digest = state.and_then(|state| state.lookup(path).ok()?.target.sha256());
        ((*path).to_owned(), digest.map(|digest| digest.hex()))
    };
    Some(PATHS.iter().map(&mut answer).collect())
}

/// A change of the repository, honest or not.
#[derive(Clone, Debug)]
enum Step {
    Tag { role: bool, tag: bool, text: String },
    Seal,
    Root { new_sealing_key: bool, fresh: bool, signers: Vec<usize> },
    Terminating(bool),
    Expire(usize),
    SpoilSignature(usize),
    Hide(usize),
    Old(usize),
    SealedAsOf(i64),
    Threshold(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<bool>(), any::<bool>(), "[a-c]").prop_map(|(role, tag, text)| Step::Tag { role, tag, text }),
        3 => Just(Step::Seal),
        2 => (any::<bool>(), any::<bool>(), proptest::sample::subsequence(vec![0_usize, 1, 2], 1..=3))
            .prop_map(|(new_sealing_key, fresh, signers)| Step::Root { new_sealing_key, fresh, signers }),
        1 => any::<bool>().prop_map(Step::Terminating),
        1 => (0_usize..6).prop_map(Step::Expire),
        1 => (0_usize..12).prop_map(Step::SpoilSignature),
        1 => (0_usize..12).prop_map(Step::Hide),
        2 => (0_usize..12).prop_map(Step::Old),
        1 => (-20_i64..2).prop_map(Step::SealedAsOf),
        1 => (1_u64..3).prop_map(Step::Threshold),
    ]
}

fn alice() -> RoleName {
    RoleName::from("targets/alice")
}

fn nth(files: &Files, n: usize) -> String {
    files.keys().nth(n % files.len()).unwrap().clone()
}

fn apply(repo: &mut Repo, step: &Step, before: &Files) {
    match step {
        Step::Tag { role, tag, text } => {
            let role = if *role { releases() } else { alice() };
            repo.edit(&role, |list| set_tag(list, if *tag { "1.0" } else { "2.0" }, target(text)).unwrap());
            repo.seal();
        }
        Step::Seal => repo.seal(),
        Step::Root { new_sealing_key, fresh, signers } => {
            let mut root = next_root(&repo.root, in_days(if *fresh { 100 } else { -1 })).unwrap();
            if *new_sealing_key {
                let old = repo.sealing.public_key().fingerprint();
                repo.sealing = key();
                for role in [RoleName::Timestamp, RoleName::Snapshot] {
                    add_key(&mut root, &role, repo.sealing.public_key()).unwrap();
                    remove_key(&mut root, &role, old).unwrap();
                }
            }
            repo.serve_root(root, signers);
            repo.seal();
        }
        Step::Terminating(terminating) => {
            repo.edit(&RoleName::Targets, |targets| {
                targets.delegations.as_mut().unwrap().roles[0].terminating = *terminating;
            });
            repo.seal();
        }
        Step::Expire(which) => {
            let role = [RoleName::Targets, releases(), alice()][which % 3].clone();
            repo.edit(&role, |targets| targets.header.expires = in_days(-1));
            repo.seal();
        }
        Step::SpoilSignature(n) => {
            let name = nth(&repo.served, *n);
            let mut value: serde_json::Value = serde_json::from_slice(&repo.served[&name]).unwrap();
            value["signatures"][0]["sig"] = serde_json::json!("00ff");
            repo.served.insert(name, serde_json::to_vec(&value).unwrap());
        }
        Step::Hide(n) => drop(repo.served.remove(&nth(&repo.served, *n))),
        Step::Old(n) => {
            let name = nth(before, *n);
            repo.served.insert(name.clone(), before[&name].clone());
        }
        Step::SealedAsOf(days) => {
            // Seals that start over, perhaps older than those before.
            (repo.time, repo.snapshot, repo.timestamp) = (in_days(*days), None, None);
            repo.seal();
            repo.time = now();
        }
        Step::Threshold(threshold) => {
            let mut root = next_root(&repo.root, in_days(100)).unwrap();
            set_threshold(&mut root, &RoleName::Root, *threshold).unwrap();
            repo.serve_root(root, &[0, 1]);
            repo.seal();
        }
    }
}

#[test]
fn both_implementations_answer_alike_after_every_step() {
    let config = ProptestConfig { cases: 120, ..ProptestConfig::default() };
    let (refused, answered) = (Cell::new(0), Cell::new(0));
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..8))| {
        let mut repo = Repo::new();
        let first_root = repo.served["1.root.json"].clone();
        let (store, mut kept) = (Memory::default(), Kept { root: first_root.clone(), known: BTreeMap::new() });
        let before = repo.served.clone();
        for step in &steps {
            apply(&mut repo, step, &before);
            let (theirs, ours) = (theirs(&first_root, &store, &repo.served), ours(&mut kept, &repo.served));
            let count = if ours.is_some() { &answered } else { &refused };
            count.set(count.get() + 1);
            prop_assert_eq!(theirs, ours, "after {:?}", step);
        }
    });
    let (refused, answered) = (refused.get(), answered.get());
    assert!(refused > 20 && answered > 20, "{refused} refused, {answered} answered: the steps test nothing");
}

#[test]
fn what_we_sign_they_decode_with_the_same_signed_bytes() {
    let repo = Repo::new();
    let targets = &repo.served["1.targets.json"];
    let theirs = sigstore_tuf::Metadata::<sigstore_tuf::Targets>::from_slice(targets).unwrap();
    let ours = Metadata::<crate::format::tuf::Targets>::decode(targets).unwrap();
    assert_eq!(theirs.signed_canonical(), ours.canonical());
}
