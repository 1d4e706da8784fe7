//! What a verb of `trust` works with: connections, what is known, keys.

use super::{
    args::{BaseArgs, ReadArgs, TrustArgs, WriteArgs},
    keys::{Keys, fingerprint},
};
use crate::{args::RegistryArgs, exit::Failure, output::Output, settings};
use boltseal::{
    format::tuf::RoleName,
    oci::{Digest, Repository, RepositoryName},
    ops::trust::{Memory, Writer},
    policy::{ByDigest, ContentTrust, OnExpired, Policy, RootPins, Tofu},
    registry::{Access, Repo, Session},
    sign::Signer,
    trust::tuf::TrustLock,
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

pub struct Desk {
    session: Session,
    memory: Memory,
    policy: Option<Policy>,
    /// Root keys that were named, in the place of a policy.
    pins: Option<RootPins>,
    signers: Vec<Box<dyn Signer>>,
    after_expiry: Option<Digest>,
    insecure_no_floor: bool,
}

/// A repository that is worked on, and what is asked of its trust data.
pub struct Place {
    repo: Repo,
    name: RepositoryName,
    rule: Option<ContentTrust>,
}

impl Desk {
    /// For a verb that only reads.
    pub fn reading(args: &ReadArgs) -> Result<Self, Failure> {
        Self::knowing(args, settings::named_lock(args.trust.known.lock.as_deref())?)
    }

    /// For `pin`: the lock need not be there, since it is about to be written.
    pub fn pinning(args: &ReadArgs, lock: &Path) -> Result<Self, Failure> {
        Self::knowing(args, settings::lock_if_there(lock)?)
    }

    /// For a verb that writes.
    pub fn writing(args: &WriteArgs, output: &Output) -> Result<Self, Failure> {
        Self::writing_with(args, Keys::new(&args.password, output))
    }

    /// For a verb that writes, and that has opened keys already, which sign too.
    pub fn writing_with(args: &WriteArgs, mut keys: Keys<'_>) -> Result<Self, Failure> {
        for key in &args.key {
            keys.open_private(key)?;
        }
        let BaseArgs { after_expiry, insecure_no_floor } = args.base;
        Ok(Self { signers: keys.signers(), after_expiry, insecure_no_floor, ..Self::reading(&args.read)? })
    }

    /// For `init`: nothing is known but the root's keys.
    pub fn starting(args: &RegistryArgs, root: RootPins, keys: Keys<'_>) -> Result<Self, Failure> {
        let memory = settings::memory(None, BTreeMap::new());
        Ok(Self { pins: Some(root), signers: keys.signers(), ..Self::new(args, memory)? })
    }

    fn knowing(args: &ReadArgs, lock: Option<TrustLock>) -> Result<Self, Failure> {
        let pins = pins(&args.trust)?;
        let named = &args.trust.known.policy;
        // Whoever names root keys may have no policy yet, or one whose lock is still to be written.
        let judge = if pins.is_some() { None } else { settings::file_policy_if_any(named.clone())? };
        let (policy, locks) = judge.map(|judge| (judge.policy, judge.locks)).unzip();
        let memory = settings::memory(lock, locks.unwrap_or_default());
        Ok(Self { policy, pins, ..Self::new(&args.registry, memory)? })
    }

    fn new(args: &RegistryArgs, memory: Memory) -> Result<Self, Failure> {
        let (policy, pins, signers, after_expiry) = Default::default();
        let session = settings::session(args)?;
        Ok(Self { session, memory, policy, pins, signers, after_expiry, insecure_no_floor: false })
    }

    /// A repository to read from.
    pub fn look_at(&self, name: &RepositoryName) -> Result<Place, Failure> {
        self.place(name, Access::Pull)
    }

    /// A repository to write into.
    pub fn work_on(&self, name: &RepositoryName) -> Result<Place, Failure> {
        self.place(name, Access::PullPush)
    }

    fn place(&self, name: &RepositoryName, access: Access) -> Result<Place, Failure> {
        let repository = Repository::Registry(name.clone());
        let repo = self.session.open(&repository, access)?;
        let by_policy = || self.policy.as_ref()?.scope(&repository)?.content_trust.clone();
        let rule = self.pins.clone().map(pinned).or_else(by_policy);
        Ok(Place { repo, name: name.clone(), rule })
    }

    pub fn writer<'a>(&'a self, place: &'a Place) -> Writer<'a> {
        Writer {
            repo: &place.repo,
            name: place.signed_name(),
            place: place.name.to_string(),
            signers: &self.signers,
            memory: &self.memory,
            rule: place.rule.as_ref(),
            clock: &Timestamp::now,
            after_expiry: self.after_expiry,
            insecure_no_floor: self.insecure_no_floor,
        }
    }
}

impl Place {
    /// The name that the trust data here have to be signed for, as the policy says.
    pub fn signed_name(&self) -> RepositoryName {
        let repository = Repository::Registry(self.name.clone());
        self.rule.as_ref().and_then(|rule| rule.signed_name(&repository)).unwrap_or_else(|| self.name.clone())
    }
}

/// The root keys that are named.
fn pins(args: &TrustArgs) -> Result<Option<RootPins>, Failure> {
    if args.root_key.is_empty() {
        return Ok(None);
    }
    let keys = args.root_key.iter().map(|text| fingerprint(text)).collect::<Result<BTreeSet<_>, _>>()?;
    let threshold = threshold(args.root_threshold, keys.len())?;
    Ok(Some(RootPins { keys, threshold, min_version: None }))
}

/// How many of so many root keys have to sign: for more than one it has to be said.
pub fn threshold(said: Option<u64>, keys: usize) -> Result<u64, Failure> {
    let most = keys as u64;
    match said {
        None if most > 1 => {
            Err(Failure::usage(format!("{keys} root keys: say with --root-threshold how many of them have to sign")))
        }
        Some(said) if !(1..=most).contains(&said) => {
            Err(Failure::usage(format!("--root-threshold {said}: expected 1 to {keys}, the number of root keys")))
        }
        said => Ok(said.unwrap_or(1)),
    }
}

/// A rule that says where to start, and of the rest the default.
fn pinned(root: RootPins) -> ContentTrust {
    ContentTrust {
        root: Some(root),
        lock: None,
        require_roles: vec![RoleName::from(RoleName::RELEASES)],
        min_signers: 1,
        on_expired: OnExpired::Fail,
        by_digest: ByDigest::Listed,
        map: BTreeMap::new(),
        travel: None,
        tofu: Tofu::Deny,
    }
}
