//! The first trust data of a repository.

use super::{
    TrustError,
    admin::signer_role,
    draft::{delegated_keys, root_keys},
    lifetimes::Lifetimes,
    live::{self, Files, Served},
    make::unsigned,
    push, seal,
    transfer::decode_root,
    writer::Writer,
};
use crate::{
    crypto::PublicKey,
    format::{
        trust_manifest::TRUST_TAG,
        tuf::{Key, Metadata, Role, RoleName, Root, Targets},
    },
    trust::tuf::{
        Rules, Terms, TrustState, TrustedStart,
        author::{
            NewDelegation, Sealed, Signers, TopLevel, count_top_level, delegate, new_root, new_targets, next_snapshot,
            next_timestamp,
        },
    },
};
use std::{collections::BTreeMap, time::Instant};

/// Who signs what in a new repository's trust data.
#[derive(Clone, Debug)]
pub struct Init {
    /// The root's keys: best held offline, by different people.
    pub root: Vec<PublicKey>,
    /// How many of them have to sign.
    pub root_threshold: u64,
    /// Who delegates.
    pub targets: Vec<PublicKey>,
    /// Who seals: timestamp and snapshot.
    pub sealing: Vec<PublicKey>,
    /// The first signers, by name.
    pub signers: Vec<(String, Vec<PublicKey>)>,
    /// Who revokes digests; the targets keys where nobody is named.
    pub revoking: Vec<PublicKey>,
    /// How long files count.
    pub lifetimes: Lifetimes,
}

/// What became of an init.
#[derive(Debug)]
#[must_use]
pub enum Started {
    /// It is live.
    Live(Box<TrustState>),
    /// The root lacks signatures: here it is, to be signed by others, with how many it has and needs.
    Root {
        /// The root's file.
        file: Vec<u8>,
        /// How many of its keys signed.
        signed: usize,
        /// How many have to.
        needed: u64,
    },
}

impl Writer<'_> {
    /// Starts a repository's trust data: signs the first root and, if that has enough signatures, all else, and publishes.
    /// `ready` is a root that was signed elsewhere already ([`super::sign_root_file`]).
    ///
    /// # Errors
    /// There are trust data already, a key that has to sign now is not at hand, or the registry failed.
    pub async fn init(&self, init: &Init, ready: Option<&[u8]>) -> Result<Started, TrustError> {
        let name = self.name.to_string();
        let remembered = self.memory.store.as_ref().map(|store| store.load(&self.place)).transpose()?.flatten();
        let locked = self.memory.lock.as_ref().and_then(|lock| lock.get(&name));
        let known = remembered.is_some() || locked.is_some();
        if known || !matches!(live::fetch(self.repo, None).await?, Served::Absent) {
            return Err(TrustError::Exists { repository: name });
        }
        let mut root = match ready {
            Some(bytes) => decode_root(bytes)?,
            None => unsigned(&RoleName::Root, self.first_root(init)?)?,
        };
        self.sign_first_root(&mut root).await?;
        let count = count_top_level(root.signed(), &RoleName::Root, &root);
        if !count.is_met() {
            return Ok(Started::Root { file: root.encode(), signed: count.signed, needed: count.needed });
        }
        let files = self.first_files(init, &root).await?;
        let start = TrustedStart::Root(root.encode());
        let terms = Terms::new(self.now(), Rules::Boltseal { repository: name.clone() });
        let state = seal::update(&files, start, terms).map_err(TrustError::Unverifiable)?;
        push::blobs(self.repo, files.values()).await?;
        let from = Instant::now();
        let written = push::live(self.repo, &files).await?;
        // Of two who start at once one is first to be overwritten: that one has to know.
        tokio::time::sleep(self.repo.settle(from.elapsed(), 1)).await;
        if self.repo.resolve(TRUST_TAG).await?.digest != written {
            return Err(TrustError::Exists { repository: name });
        }
        self.memory.remember(&self.place, &state, files, None).await?;
        Ok(Started::Live(Box::new(state)))
    }

    fn first_root(&self, init: &Init) -> Result<Root, TrustError> {
        let all = |keys| Signers { keys, threshold: 1 };
        let signers = TopLevel {
            root: Signers { keys: &init.root, threshold: init.root_threshold },
            timestamp: all(&init.sealing),
            snapshot: all(&init.sealing),
            targets: all(&init.targets),
        };
        let mut root = new_root(&signers, init.lifetimes.until(&RoleName::Root, self.now()))?;
        init.lifetimes.put(&mut root);
        Ok(root)
    }

    /// The map of tags first and terminating, so that no other role's trouble hides a tag; then who vouches, and what is
    /// revoked.
    fn first_targets(&self, init: &Init, lifetimes: &Lifetimes) -> Result<Targets, TrustError> {
        let (role, revoked) = (RoleName::from(RoleName::RELEASES), RoleName::from(RoleName::REVOKED));
        let mut targets = new_targets(&self.name.to_string(), lifetimes.until(&RoleName::Targets, self.now()));
        let releasing: Vec<_> = init.signers.iter().flat_map(|(_, keys)| keys.clone()).collect();
        let mut add = |role: &RoleName, keys: &[PublicKey], paths: &[&str], terminating| {
            let signers = Signers { keys, threshold: 1 };
            delegate(&mut targets, &NewDelegation { role, signers, paths, terminating, first: false })
        };
        add(&role, &releasing, &["*"], true)?;
        for (name, keys) in &init.signers {
            add(&signer_role(name), keys, &["*"], false)?;
        }
        let revoking = if init.revoking.is_empty() { &init.targets } else { &init.revoking };
        add(&revoked, revoking, &["revoked/sha256/*"], false)?;
        Ok(targets)
    }

    async fn first_files(&self, init: &Init, root: &Metadata<Root>) -> Result<Files, TrustError> {
        let (root_file, root) = (root.encode(), root.signed());
        let (lifetimes, now) = (Lifetimes::of(root), self.now());
        let top = self.first_targets(init, &lifetimes)?;
        let mut roles = BTreeMap::new();
        for role in [RoleName::RELEASES, RoleName::REVOKED].map(RoleName::from) {
            let keys = delegated_keys(&top, &role);
            // Whose keys are elsewhere starts the map with the first tag.
            if role.as_str() == RoleName::REVOKED || self.may_sign(&keys) {
                let empty = new_targets(&self.name.to_string(), lifetimes.until(&role, now));
                let bytes = self.first_file(&role, &keys, empty).await?.1;
                roles.insert(role, bytes);
            }
        }
        let keys = root_keys(root, &RoleName::Targets);
        roles.insert(RoleName::Targets, self.first_file(&RoleName::Targets, &keys, top).await?.1);
        let listed = roles.iter().map(|(role, bytes)| (role.clone(), Sealed { version: 1, bytes })).collect();

        let role = RoleName::Snapshot;
        let snapshot = next_snapshot(None, &listed, now, lifetimes.until(&role, now))?;
        let (version, bytes) = self.first_file(&role, &root_keys(root, &role), snapshot).await?;
        let role = RoleName::Timestamp;
        let sealed = Sealed { version, bytes: &bytes };
        let timestamp = next_timestamp(None, sealed, now, lifetimes.until(&role, now))?;
        let timestamp = self.first_file(&role, &root_keys(root, &role), timestamp).await?.1;

        let mut files: Files =
            roles.iter().map(|(role, bytes)| (role.file_name(Some(1)), bytes.clone().into())).collect();
        files.insert(RoleName::Root.file_name(Some(1)), root_file.into());
        files.insert(RoleName::Snapshot.file_name(Some(version)), bytes.into());
        files.insert(role.file_name(None), timestamp.into());
        Ok(files)
    }

    /// A first file, signed by the keys at hand: its version and bytes.
    async fn first_file<R: Role>(
        &self,
        role: &RoleName,
        keys: &BTreeMap<String, Key>,
        signed: R,
    ) -> Result<(u64, Vec<u8>), TrustError> {
        let mut file = unsigned(role, signed)?;
        self.sign_with_all(role, &mut file, keys).await?;
        Ok((file.version(), file.encode()))
    }

    /// Signs the first root, as far as the keys at hand are among its keys.
    async fn sign_first_root(&self, root: &mut Metadata<Root>) -> Result<(), TrustError> {
        let keys = root_keys(root.signed(), &RoleName::Root);
        if self.may_sign(&keys) {
            self.sign_with_all(&RoleName::Root, root, &keys).await?;
        }
        Ok(())
    }
}
