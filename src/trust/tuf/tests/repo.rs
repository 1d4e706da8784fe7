//! A repository in memory, written by the authoring functions, that tests then bend.

use super::*;
use crate::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey},
    format::tuf::{Key, Metadata, Role, Root, Snapshot, Target, Targets, Timestamp},
    oci::Digest,
    sign::{LocalSigner, Signer, sign_metadata},
    trust::tuf::author::*,
};
use jiff::{Span, Timestamp as Time};
use std::{
    collections::BTreeMap,
    pin::pin,
    task::{Context, Poll, Waker},
};

pub const REPOSITORY: &str = "registry.example.com/shop/cart";

/// Ways to spoil a repository, and what is found wrong then.
pub type Spoils<'s> = &'s [(&'static str, fn(&mut Repo))];

pub fn key() -> LocalSigner {
    LocalSigner::new(PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap())
}

pub fn public(signers: &[&LocalSigner]) -> Vec<PublicKey> {
    signers.iter().map(|signer| signer.public_key().clone()).collect()
}

pub fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}

pub fn target(text: &str) -> Target {
    Target::new(text.len() as u64, &digest(text))
}

pub fn now() -> Time {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

pub fn in_days(days: i64) -> Time {
    now() + Span::new().hours(24 * days)
}

/// Signs whatever the keys' order, waiting for nothing.
pub fn sign<R: Role>(metadata: &mut Metadata<R>, keys: &BTreeMap<String, Key>, signers: &[&LocalSigner]) {
    for signer in signers {
        let mut signing = pin!(sign_metadata(metadata, keys, *signer));
        let Poll::Ready(signed) = signing.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a local signer waits for nothing");
        };
        signed.unwrap();
    }
}

pub fn signed<R: Role>(role: R, keys: &BTreeMap<String, Key>, signers: &[&LocalSigner]) -> Vec<u8> {
    let mut metadata = Metadata::unsigned(role).unwrap();
    sign(&mut metadata, keys, signers);
    metadata.encode()
}

pub fn releases() -> RoleName {
    RoleName::from(RoleName::RELEASES)
}

pub fn revoked() -> RoleName {
    RoleName::from(RoleName::REVOKED)
}

/// The trust state of an image repository: root 2 of 3, one sealing key, one targets key, `targets/releases` first and
/// terminating, `targets/alice` after it, `targets/revoked`.
pub struct Repo {
    pub root_keys: [LocalSigner; 3],
    pub sealing: LocalSigner,
    pub targets_key: LocalSigner,
    pub releases_key: LocalSigner,
    pub alice_key: LocalSigner,
    pub repository: String,
    pub root: Root,
    /// The targets roles as they were last signed.
    pub roles: BTreeMap<RoleName, (Targets, Vec<u8>)>,
    pub snapshot: Option<Snapshot>,
    pub timestamp: Option<Timestamp>,
    /// When seals are made, and so their versions.
    pub time: Time,
    /// What a registry would serve, by file name.
    pub served: BTreeMap<String, Vec<u8>>,
}

impl Repo {
    pub fn new() -> Self {
        Self::named(REPOSITORY)
    }

    pub fn named(repository: &str) -> Self {
        let root_keys = [key(), key(), key()];
        let (sealing, targets_key) = (key(), key());
        let root = new_root(
            &TopLevel {
                root: Signers { keys: &public(&[&root_keys[0], &root_keys[1], &root_keys[2]]), threshold: 2 },
                timestamp: Signers { keys: &public(&[&sealing]), threshold: 1 },
                snapshot: Signers { keys: &public(&[&sealing]), threshold: 1 },
                targets: Signers { keys: &public(&[&targets_key]), threshold: 1 },
            },
            in_days(1000),
        );
        let mut repo = Self {
            root_keys,
            sealing,
            targets_key,
            releases_key: key(),
            alice_key: key(),
            repository: repository.to_owned(),
            root: root.unwrap(),
            roles: BTreeMap::new(),
            snapshot: None,
            timestamp: None,
            time: now(),
            served: BTreeMap::new(),
        };
        repo.serve_root(repo.root.clone(), &[0, 1]);
        let mut targets = new_targets(repository, in_days(300));
        for (role, key, paths, terminating) in [
            (releases(), &repo.releases_key, "*", true),
            (RoleName::from("targets/alice"), &repo.alice_key, "*", false),
            (revoked(), &repo.targets_key, "revoked/sha256/*", false),
        ] {
            let signers = Signers { keys: &public(&[key]), threshold: 1 };
            let new = NewDelegation { role: &role, signers, paths: &[paths], terminating, first: false };
            delegate(&mut targets, &new).unwrap();
        }
        repo.put_targets(targets);
        let mut list = new_targets(repository, in_days(300));
        set_tag(&mut list, "1.0", target("one")).unwrap();
        repo.put(releases(), list.clone());
        repo.put(RoleName::from("targets/alice"), list);
        repo.put(revoked(), new_targets(repository, in_days(300)));
        repo.seal();
        repo
    }

    /// Serves a root that these of the root keys signed.
    pub fn serve_root(&mut self, root: Root, signers: &[usize]) {
        let signers: Vec<_> = signers.iter().map(|at| &self.root_keys[*at]).collect();
        let mut keys = self.root.keys.clone();
        keys.extend(root.keys.clone());
        let bytes = signed(root.clone(), &keys, &signers);
        self.served.insert(format!("{}.root.json", root.header.version), bytes);
        self.root = root;
    }

    pub fn put_targets(&mut self, targets: Targets) {
        let bytes = signed(targets.clone(), &self.root.keys, &[&self.targets_key]);
        self.roles.insert(RoleName::Targets, (targets, bytes));
    }

    /// Signs a delegated role with the key that is its own.
    pub fn put(&mut self, role: RoleName, targets: Targets) {
        let key = match role.as_str() {
            RoleName::RELEASES => &self.releases_key,
            RoleName::REVOKED => &self.targets_key,
            _ => &self.alice_key,
        };
        let bytes = signed(targets.clone(), &self.delegation_keys(), &[key]);
        self.roles.insert(role, (targets, bytes));
    }

    /// Signs a delegated role with a key that its delegator lists.
    pub fn put_by(&mut self, role: &str, targets: Targets, keys: &BTreeMap<String, Key>, signer: &LocalSigner) {
        let bytes = signed(targets.clone(), keys, &[signer]);
        self.roles.insert(RoleName::from(role), (targets, bytes));
    }

    pub fn delegation_keys(&self) -> BTreeMap<String, Key> {
        self.roles[&RoleName::Targets].0.delegations.clone().unwrap_or_default().keys
    }

    /// The next file of a role, edited.
    pub fn next(&self, role: &RoleName, edit: impl FnOnce(&mut Targets)) -> Targets {
        let (current, bytes) = &self.roles[role];
        let mut next = next_targets(role, current, bytes, in_days(300)).unwrap();
        edit(&mut next);
        next
    }

    pub fn edit(&mut self, role: &RoleName, edit: impl FnOnce(&mut Targets)) {
        let next = self.next(role, edit);
        if *role == RoleName::Targets { self.put_targets(next) } else { self.put(role.clone(), next) }
    }

    /// Seals what is signed: snapshot and timestamp, all files served.
    pub fn seal(&mut self) {
        let files = self
            .roles
            .iter()
            .map(|(role, (targets, bytes))| (role.clone(), Sealed { version: targets.header.version, bytes }));
        let files = files.collect();
        let snapshot = next_snapshot(self.snapshot.as_ref(), &files, self.time, in_days(300)).unwrap();
        for (role, file) in files {
            self.served.insert(role.file_name(Some(file.version)), file.bytes.to_vec());
        }
        self.seal_snapshot(snapshot);
    }

    /// Seals this snapshot, whatever it says.
    pub fn seal_snapshot(&mut self, snapshot: Snapshot) {
        let version = snapshot.header.version;
        let bytes = signed(snapshot.clone(), &self.root.keys, &[&self.sealing]);
        let sealed = Sealed { version, bytes: &bytes };
        let timestamp = next_timestamp(self.timestamp.as_ref(), sealed, self.time, in_days(14)).unwrap();
        self.served.insert(RoleName::Snapshot.file_name(Some(version)), bytes.clone());
        self.serve_timestamp(timestamp);
        self.snapshot = Some(snapshot);
    }

    pub fn serve_timestamp(&mut self, timestamp: Timestamp) {
        let bytes = signed(timestamp.clone(), &self.root.keys, &[&self.sealing]);
        self.served.insert("timestamp.json".to_owned(), bytes);
        self.timestamp = Some(timestamp);
    }

    pub fn pins(&self) -> TrustedStart {
        let keys = self.root_keys.iter().map(|key| key.public_key().fingerprint()).collect();
        TrustedStart::Pinned { keys, threshold: 2 }
    }

    pub fn terms(&self) -> Terms {
        Terms::new(now(), Rules::Boltseal { repository: self.repository.clone() })
    }

    /// A client that has only the pins.
    pub fn fresh(&self) -> Result<TrustState, UpdateError> {
        run(self.pins(), self.terms(), &self.served)
    }

    /// A client that has seen this.
    pub fn after(&self, floors: Floors) -> Result<TrustState, UpdateError> {
        run(self.pins(), Terms { floors, ..self.terms() }, &self.served)
    }

    /// A plain TUF client that has the first root.
    pub fn plain(&self, scope: Scope) -> Result<TrustState, UpdateError> {
        let start = TrustedStart::Root(self.served["1.root.json"].clone());
        run(start, Terms { scope, ..Terms::new(now(), Rules::Tuf) }, &self.served)
    }

    pub fn digest_of(&self, tag: &str) -> Option<Digest> {
        self.fresh().unwrap().lookup(tag).ok()?.target.sha256()
    }
}

pub fn run(start: TrustedStart, terms: Terms, served: &BTreeMap<String, Vec<u8>>) -> Result<TrustState, UpdateError> {
    let mut update = Update::begin(start, terms)?;
    while let Some(want) = update.want()? {
        match served.get(&want.file) {
            Some(bytes) => update.supply(bytes)?,
            None => update.absent()?,
        };
    }
    update.finish()
}
