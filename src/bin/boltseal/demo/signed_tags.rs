//! Signed tags: what Docker Content Trust promised, on the same registry. Three people hold the root's keys, two sign and
//! seal; each works on a machine of their own.

use super::{Show, stage::Stage};
use crate::exit::{Exit, Failure};
use boltseal::{
    crypto::{KeyAlgorithm, PrivateKey, PublicKey},
    format::{trust_manifest::TRUST_TAG, tuf::RoleName},
    limits::Limits,
    oci::{Manifest, Reference, Repository, RepositoryName},
    ops::{
        trust::{Init, Lifetimes, Memory, Published, Sealing, Started, TrustError, TrustReader, Writer},
        verify::{Verification, Verifier},
    },
    policy::Policy,
    registry::{Repo, Selector},
    sign::{LocalSigner, Signer},
    store::TrustStore,
};
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// Who holds the root's keys.
const ROOT: [&str; 3] = ["root-1", "root-2", "root-3"];
/// Who holds keys at all.
const PEOPLE: [&str; 6] = ["root-1", "root-2", "root-3", "admin", "alice", "bob"];

struct Scene<'s> {
    stage: &'s Stage<'s>,
    repo: Repo,
    name: RepositoryName,
    keys: BTreeMap<&'static str, Arc<LocalSigner>>,
    policy: Policy,
    /// Each machine's memory is a folder in here.
    homes: tempfile::TempDir,
}

pub async fn run(stage: &Stage<'_>, show: &mut Show<'_>) -> Result<(), Failure> {
    let scene = Scene::build(stage)?;
    show.text("\nSigned tags, in the image's own repository. The root has three keys, two of which have to sign.");
    let tag = stage.reference("shop/wine", "1.0")?;
    let first = stage.push(&tag, "wine").await?;
    scene.start().await?;
    show.step("trust init", "the root by root-1 and root-2; alice and bob sign and seal");
    scene.sign(&tag, "alice").await?;
    show.step("trust sign, by alice", &format!("{tag} means {first}"));
    show.allowed("verify by the signed tag", &scene.verify(&tag).await?)?;

    let moved = stage.push(&tag, "wine, watered").await?;
    show.allowed("  after somebody moved the tag", &scene.verify(&tag).await?)?;
    show.denied("what the tag was moved to", &scene.verify(&tag.at(moved)).await?, "not-listed")?;

    let old = scene.state().await?;
    stage.push(&tag, "wine, next year's").await?;
    scene.sign(&tag, "bob").await?;
    show.allowed("verify, after bob signed another", &scene.verify(&tag).await?)?;
    let newest = scene.state().await?;
    scene.serve(&old).await?;
    show.denied("an old state replayed", &scene.verify(&tag).await?, "rollback")?;
    scene.serve(&newest).await?;

    remove_bob(&scene, &tag, show).await?;
    rotate(&scene, &tag, show).await
}

/// Bob loses the right to sign, and the right to seal; what he signs from then on nobody takes.
async fn remove_bob(scene: &Scene<'_>, tag: &Reference, show: &mut Show<'_>) -> Result<(), Failure> {
    let bob = scene.public("bob")?.fingerprint();
    let people = ["root-1", "root-2", "admin", "alice"];
    sealed(&scene.write("owner", &people, async |writer| writer.remove_signer("bob").await).await?)?;
    sealed(&scene.write("owner", &people, async |writer| writer.remove_sealer(bob).await).await?)?;
    match scene.try_sign(tag, "bob").await {
        Err(error @ TrustError::NoRole { .. }) => show.step("a removed signer signs", &format!("refused: {error}")),
        Err(error) => return Err(error.into()),
        Ok(published) => return Err(unexpected("a removed signer", &published.sealing)),
    }
    show.allowed("  what was signed before stays", &scene.verify(tag).await?)
}

/// Two of the three change the root's keys, each on a machine of their own: neither sees the other's key.
async fn rotate(scene: &Scene<'_>, tag: &Reference, show: &mut Show<'_>) -> Result<(), Failure> {
    let old = [scene.public("root-3")?.fingerprint()];
    let new = [PrivateKey::generate(KeyAlgorithm::EcdsaP256)?.public().clone()];
    let begun =
        scene.write("machine-1", &["root-1"], async |writer| writer.rotate(&RoleName::Root, &new, &old).await).await?;
    let waiting = begun.waiting.first().ok_or_else(|| unexpected("rotate", &begun.sealing))?;
    let count = format!("{} of {} signatures", waiting.signed, waiting.needed);
    show.step("rotate the root, on machine 1", &format!("root {} waits, {count}", waiting.version));
    let done = scene.write("machine-2", &["root-2"], async |writer| {
        let reviewed = writer.review(&RoleName::Root).await?;
        writer.cosign(&RoleName::Root, &reviewed).await
    });
    let done = done.await?;
    sealed(&done)?;
    let version = done.state().root().version();
    show.step("cosign it, on machine 2", &format!("root {version} is complete and in place"));
    show.allowed("verify under the new root", &scene.verify(tag).await?)
}

impl<'s> Scene<'s> {
    fn build(stage: &'s Stage<'s>) -> Result<Self, Failure> {
        let reference = stage.reference("shop/wine", "1.0")?;
        let Repository::Registry(name) = reference.repository.clone() else {
            return Err(unexpected("the repository", &reference.to_string()));
        };
        let mut keys = BTreeMap::new();
        for person in PEOPLE {
            keys.insert(person, Arc::new(LocalSigner::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256)?)));
        }
        let roots = keys.iter().filter(|(person, _)| ROOT.contains(person));
        let roots: Vec<_> = roots.map(|(_, key)| key.public_key().fingerprint().to_string()).collect();
        let text = format!(
            "version: 1\nimages:\n  \"{name}\":\n    content-trust: {{ root: {{ keys: [{}], threshold: 2 }} }}\n",
            roots.join(", ")
        );
        let policy = Policy::parse(&text, &|_| Err("no keys are named by file".to_owned()))?;
        let homes = tempfile::tempdir().map_err(|error| Failure::supplied(error.to_string()))?;
        Ok(Self { stage, repo: stage.repo(&reference)?, name, keys, policy, homes })
    }

    fn public(&self, person: &str) -> Result<PublicKey, Failure> {
        let key = self.keys.get(person).ok_or_else(|| unexpected("a key", &person))?;
        Ok(key.public_key().clone())
    }

    /// What a machine remembers.
    fn memory(&self, machine: &str) -> Memory {
        Memory { store: Some(TrustStore::at(self.homes.path().join(machine))), ..Memory::default() }
    }

    /// Has somebody with these keys work on a machine.
    async fn write<T>(
        &self,
        machine: &str,
        people: &[&str],
        work: impl AsyncFnOnce(&Writer<'_>) -> Result<T, TrustError>,
    ) -> Result<T, TrustError> {
        let keys = people.iter().filter_map(|person| self.keys.get(person));
        let signers: Vec<_> = keys.map(|key| Box::new(Arc::clone(key)) as Box<dyn Signer>).collect();
        let scope = self.policy.scope(&Repository::Registry(self.name.clone()));
        let rule = scope.and_then(|scope| scope.content_trust.as_ref());
        let memory = self.memory(machine);
        let writer = Writer {
            repo: &self.repo,
            name: self.name.clone(),
            place: self.name.to_string(),
            signers: &signers,
            memory: &memory,
            rule,
            clock: &Timestamp::now,
            after_expiry: None,
            // Each machine sees this repository for the first time, and the registry is ours.
            insecure_no_floor: true,
        };
        work(&writer).await
    }

    async fn start(&self) -> Result<(), Failure> {
        let all = |people: &[&str]| people.iter().map(|person| self.public(person)).collect::<Result<Vec<_>, _>>();
        let init = Init {
            root: all(&ROOT)?,
            root_threshold: 2,
            targets: all(&["admin"])?,
            sealing: all(&["alice", "bob"])?,
            signers: vec![("alice".to_owned(), all(&["alice"])?), ("bob".to_owned(), all(&["bob"])?)],
            revoking: Vec::new(),
            lifetimes: Lifetimes::default(),
        };
        let people = ["root-1", "root-2", "admin", "alice"];
        match self.write("owner", &people, async |writer| writer.init(&init, None).await).await? {
            Started::Live(_) => Ok(()),
            Started::Root { .. } => Err(unexpected("trust init", &"the root lacks signatures")),
        }
    }

    async fn try_sign(&self, tag: &Reference, person: &str) -> Result<Published, TrustError> {
        self.write("owner", &[person], async |writer| Ok(writer.sign_tag(tag, &[]).await?.published)).await
    }

    async fn sign(&self, tag: &Reference, person: &str) -> Result<(), Failure> {
        sealed(&self.try_sign(tag, person).await?)
    }

    async fn verify(&self, reference: &Reference) -> Result<Verification, Failure> {
        let now = Timestamp::now();
        let reader = TrustReader::new(self.memory("reader"), now);
        let limits = Limits::default();
        let (session, policy) = (&self.stage.session, &self.policy);
        let verifier = Verifier { session, policy, now, limits: &limits, trust: Some(&reader) };
        Ok(verifier.verify(reference, None).await?)
    }

    async fn state(&self) -> Result<Manifest, Failure> {
        Ok(self.repo.manifest(&Selector::Tag(TRUST_TAG.to_owned())).await?.manifest)
    }

    async fn serve(&self, state: &Manifest) -> Result<(), Failure> {
        self.repo.push_manifest(&Selector::Tag(TRUST_TAG.to_owned()), state).await?;
        Ok(())
    }
}

fn sealed(published: &Published) -> Result<(), Failure> {
    if published.sealing == Sealing::Sealed { Ok(()) } else { Err(unexpected("a publication", &published.waiting)) }
}

fn unexpected(name: &str, what: &dyn std::fmt::Debug) -> Failure {
    Failure::new(Exit::Bug, format!("{name}: unexpected: {what:?}"))
}
