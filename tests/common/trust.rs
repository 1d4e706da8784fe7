//! A repository with content trust, and the machines that write and read it: whatever registry holds it.
#![allow(dead_code, reason = "each test binary uses its part")]

use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey, SignatureScheme},
    format::{
        trust_manifest::{TRUST_TAG, TrustArtifact, TrustLayer},
        tuf::RoleName,
    },
    limits::Limits,
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, Repository, RepositoryName, media_type},
    ops::{
        OpsError,
        trust::{Init, Lifetimes, Memory, Published, Sealing, Started, TrustError, TrustReader, Writer},
        verify::{Verification, Verifier},
    },
    policy::{Decision, Policy},
    registry::{Access, Options, Repo, Selector, Session},
    sign::{LocalSigner, Signer, Signing},
    store::{TrustStore, read_trust_lock},
    trust::tuf::TrustLock,
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// A signer that several writers hold.
#[derive(Clone)]
pub struct Key(Arc<LocalSigner>);

impl Key {
    pub fn new() -> Self {
        Self(Arc::new(LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key"))))
    }

    pub fn public(&self) -> PublicKey {
        self.0.public_key().clone()
    }

    pub fn fingerprint(&self) -> String {
        self.public().fingerprint().to_string()
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        self.0.sign(message)
    }

    fn sign_with<'a>(&'a self, scheme: SignatureScheme, message: &'a [u8]) -> Signing<'a> {
        self.0.sign_with(scheme, message)
    }
}

/// A repository, its key holders, and the time there.
pub struct World {
    pub name: RepositoryName,
    pub session: Session,
    pub keys: BTreeMap<String, Key>,
    clock: Arc<Mutex<SignedDuration>>,
    home: tempfile::TempDir,
}

/// A machine: what it remembers, and the lock it has.
pub struct Machine<'w> {
    pub world: &'w World,
    pub memory: Memory,
    pub lock: PathBuf,
    pub after_expiry: Option<Digest>,
    pub insecure_no_floor: bool,
}

impl World {
    /// Nothing is there yet but keys.
    pub fn new(address: &str, path: &str, keys: &[&str]) -> Self {
        let options = Options { settle: Duration::from_millis(150), ..Options::default() };
        Self {
            name: format!("{address}/{path}").parse().expect("a repository"),
            session: Session::new(options).expect("no files to read"),
            keys: keys.iter().map(|name| ((*name).to_owned(), Key::new())).collect(),
            clock: Arc::default(),
            home: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Trust data with a 2-of-3 root, a targets key, and alice and bob who release and seal.
    pub async fn sealed(address: &str, path: &str) -> Self {
        let world = Self::new(address, path, &["root1", "root2", "root3", "targets", "alice", "bob", "mallory"]);
        let owner = world.machine("owner");
        let started = owner.init(&world.init_of(2, &["alice", "bob"]), &["root1", "root2", "targets", "alice"]).await;
        assert!(matches!(started.expect("it starts"), Started::Live(_)));
        world
    }

    pub fn init_of(&self, root_threshold: u64, signers: &[&str]) -> Init {
        let public = |name: &&str| self.key(name).public();
        Init {
            root: self.keys.iter().filter(|(name, _)| name.starts_with("root")).map(|(_, key)| key.public()).collect(),
            root_threshold,
            targets: vec![self.key("targets").public()],
            sealing: signers.iter().map(public).collect(),
            signers: signers.iter().map(|name| ((*name).to_owned(), vec![public(name)])).collect(),
            revoking: Vec::new(),
            lifetimes: Lifetimes::default(),
        }
    }

    pub fn key(&self, name: &str) -> &Key {
        self.keys.get(name).unwrap_or_else(|| panic!("no key {name}"))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::now() + *self.clock.lock().expect("a whole clock")
    }

    /// Time passes, for everybody.
    pub fn pass(&self, days: i64) {
        *self.clock.lock().expect("a whole clock") += SignedDuration::from_hours(24 * days);
    }

    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// A machine with a memory of its own, kept under its name.
    pub fn machine(&self, name: &str) -> Machine<'_> {
        let store = Some(TrustStore::at(self.home.path().join(name)));
        let lock = self.home.path().join("boltseal.lock");
        let memory = Memory { store, ..Memory::default() };
        Machine { world: self, memory, lock, after_expiry: None, insecure_no_floor: false }
    }

    /// A machine without memory, with the lock as it is now.
    pub fn locked(&self) -> Machine<'_> {
        let mut machine = self.machine("nowhere");
        machine.memory = Memory { lock: Some(self.lock()), ..Memory::default() };
        machine
    }

    pub fn lock(&self) -> TrustLock {
        read_trust_lock(&self.home.path().join("boltseal.lock")).expect("a lock")
    }

    pub fn repo(&self, access: Access) -> Repo {
        self.session.open(&Repository::Registry(self.name.clone()), access).expect("a repository")
    }

    pub fn reference(&self, rest: &str) -> Reference {
        format!("{}{rest}", self.name).parse().expect("a reference")
    }

    /// Pushes an image under a tag.
    pub async fn push(&self, tag: &str, seed: &str) -> Digest {
        let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::empty()]);
        manifest.annotations.insert("seed".to_owned(), seed.to_owned());
        let repo = self.repo(Access::PullPush);
        repo.push_blob(media_type::EMPTY_CONTENT).await.expect("a blob");
        let manifest = Manifest::Image(Box::new(manifest));
        repo.push_manifest(&Selector::Tag(tag.to_owned()), &manifest).await.expect("an image").0
    }

    /// What is under a tag: the manifest and its files.
    pub async fn served(&self, tag: &str) -> Served {
        let repo = self.repo(Access::PullPush);
        let fetched = repo.manifest(&Selector::Tag(tag.to_owned())).await.expect("it is there");
        let kind = if tag == TRUST_TAG { TrustArtifact::State } else { TrustArtifact::Staged };
        let files = kind.decode(fetched.image().expect("an artifact")).expect("files");
        let mut read = BTreeMap::new();
        for (name, file) in files.0 {
            let bytes = match file {
                TrustLayer::Inline(bytes) => bytes.to_vec(),
                TrustLayer::Blob(blob) => repo.blob(&blob, blob.size).await.expect("a blob"),
            };
            read.insert(name, bytes);
        }
        Served { manifest: fetched.manifest, files: read }
    }

    /// Whether a file of the trust data stands inline in their manifest.
    pub async fn inline(&self, file: &str) -> bool {
        let repo = self.repo(Access::PullPush);
        let fetched = repo.manifest(&Selector::Tag(TRUST_TAG.to_owned())).await.expect("it is there");
        let files = TrustArtifact::State.decode(fetched.image().expect("an artifact")).expect("files");
        matches!(files.0[file], TrustLayer::Inline(_))
    }

    /// Points a tag at a manifest, as anybody with the right to push can.
    pub async fn serve(&self, tag: &str, manifest: &Manifest) {
        let repo = self.repo(Access::PullPush);
        repo.push_manifest(&Selector::Tag(tag.to_owned()), manifest).await.expect("a manifest");
    }

    /// Removes a tag, as anybody with the right to delete can.
    pub async fn delete(&self, tag: &str) {
        let digest = self.repo(Access::PullPush).resolve(tag).await.expect("it is there").digest;
        let url = format!("http://{}/v2/{}/manifests/{digest}", self.name.host, self.name.path);
        let answer = reqwest::Client::new().delete(url).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Leaves files under a staging tag, as anybody with the right to push can.
    pub async fn stage(&self, tag: &str, files: &BTreeMap<String, Vec<u8>>) {
        let repo = self.repo(Access::PullPush);
        for bytes in files.values() {
            repo.push_blob(bytes).await.expect("a blob");
        }
        self.serve(tag, &Manifest::Image(Box::new(TrustArtifact::Staged.encode(files)))).await;
    }

    /// Points the trust tag at files, as anybody with the right to push can.
    pub async fn serve_files(&self, files: &BTreeMap<String, Vec<u8>>) {
        let repo = self.repo(Access::PullPush);
        for bytes in files.values().map(Vec::as_slice).chain([media_type::EMPTY_CONTENT]) {
            repo.push_blob(bytes).await.expect("a blob");
        }
        self.serve(TRUST_TAG, &Manifest::Image(Box::new(TrustArtifact::State.encode(files)))).await;
    }

    /// A policy with this content-trust rule (YAML in flow style); root keys are filled in for `@ROOT@`.
    pub fn policy(&self, rule: &str) -> Policy {
        self.policy_of(rule, "enforced")
    }

    pub fn policy_of(&self, rule: &str, mode: &str) -> Policy {
        let roots: Vec<_> = (1..=3).filter_map(|at| Some(self.keys.get(&format!("root{at}"))?.fingerprint())).collect();
        let root = format!("root: {{ keys: [{}], threshold: {} }}", roots.join(", "), roots.len().min(2));
        let rule = rule.replace("@ROOT@", &root);
        let text =
            format!("version: 1\nmode: {mode}\nimages:\n  \"{}\":\n    content-trust: {{ {rule} }}\n", self.name);
        Policy::parse(&text, &|_| Err("no keys".to_owned())).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// What a tag meant at some time.
#[derive(Clone, Debug)]
pub struct Served {
    pub manifest: Manifest,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Machine<'_> {
    /// Has a writer with these keys do something.
    pub async fn write<T>(&self, keys: &[&str], work: impl AsyncFnOnce(&Writer<'_>) -> T) -> T {
        let repo = self.world.repo(Access::PullPush);
        let signers: Vec<Box<dyn Signer>> =
            keys.iter().map(|name| Box::new(self.world.key(name).clone()) as Box<dyn Signer>).collect();
        let clock = || self.world.now();
        let writer = Writer {
            repo: &repo,
            name: self.world.name.clone(),
            place: self.world.name.to_string(),
            signers: &signers,
            memory: &self.memory,
            rule: None,
            clock: &clock,
            after_expiry: self.after_expiry,
            insecure_no_floor: self.insecure_no_floor,
        };
        work(&writer).await
    }

    pub async fn init(&self, init: &Init, keys: &[&str]) -> Result<Started, TrustError> {
        self.write(keys, async |writer| writer.init(init, None).await).await
    }

    pub async fn sign(&self, tag: &str, keys: &[&str]) -> Result<Published, TrustError> {
        let reference = self.world.reference(&format!(":{tag}"));
        self.write(keys, async |writer| Ok(writer.sign_tag(&reference, &[]).await?.published)).await
    }

    /// Signs a tag, which then is live.
    pub async fn must_sign(&self, tag: &str, keys: &[&str]) {
        let published = self.sign(tag, keys).await.expect("it is signed");
        assert_eq!(published.sealing, Sealing::Sealed, "{:?}", published.waiting);
    }

    pub async fn refresh(&self, keys: &[&str]) -> Result<Published, TrustError> {
        self.write(keys, async |writer| writer.refresh(None).await).await
    }

    pub async fn pin(&self) {
        self.write(&[], async |writer| writer.pin(&self.lock).await).await.expect("a lock");
    }

    /// Verifies an image by a policy.
    pub async fn verify(self, policy: &Policy, rest: &str) -> Result<Verification, OpsError> {
        let reference = self.world.reference(rest);
        let now = self.world.now();
        let reader = TrustReader::new(self.memory, now);
        let limits = Limits::default();
        let session = &self.world.session;
        let verifier = Verifier { session, policy, now, limits: &limits, trust: Some(&reader) };
        verifier.verify(&reference, None).await
    }

    /// The verdict: `allowed DIGEST`, or the first reason's id.
    pub async fn verdict(self, policy: &Policy, rest: &str) -> String {
        match self.verify(policy, rest).await {
            Err(error) => format!("could not tell: {error}"),
            Ok(verification) => match verification.outcome.decision {
                Decision::Allow(approved) => format!("allowed {}", approved.digest()),
                Decision::Deny(reasons) => reasons[0].id().to_owned(),
                other => format!("{other:?}"),
            },
        }
    }
}

/// The stable name of why a writer refused.
pub fn refusal(error: &TrustError) -> &str {
    match error {
        TrustError::Refused { refusal, .. } => refusal.id(),
        other => panic!("not a refusal: {other}"),
    }
}

pub fn role(name: &str) -> RoleName {
    RoleName::from(name)
}
