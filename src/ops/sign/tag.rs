//! The tag beside the image: signed where a repository's tags are signed.

use super::{SignRequest, Signed, check_texts, sign_fetched};
use crate::{
    oci::{Digest, Reference, Repository, RepositoryName},
    ops::{
        OpsError,
        pin::selector,
        trust::{Memory, Sealing, SignedTag, TrustError, Writer},
    },
    policy::{ContentTrust, Policy},
    registry::{Access, Fetched, Repo, Session},
    sign::Signer,
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Signs tags beside images, in the trust data of their repositories.
pub struct TagSigner<'a> {
    memory: &'a Memory,
    policy: Option<&'a Policy>,
    signers: &'a [Box<dyn Signer>],
    clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// Whether a copy of the trust data is left at the image.
    attach: bool,
    /// Two that write one repository's trust data at once would only wait for each other.
    turns: Mutex<BTreeMap<RepositoryName, Arc<tokio::sync::Mutex<()>>>>,
}

/// An image that was signed.
#[derive(Debug)]
#[must_use]
pub struct SignedImage {
    /// What became of its digests.
    pub signed: Vec<Signed>,
    /// What became of its tag; none if there is none, or the repository's tags are not signed.
    pub tag: Option<SignedTag>,
    /// The copy of the trust data that was left at the image.
    pub attached: Option<Digest>,
}

/// Signs one reference as [`super::sign`] does, and then its tag, which means what was signed, where `tags` says that the
/// repository's tags are signed ([`TagSigner::is_sealed`]).
///
/// # Errors
/// As [`super::sign`]; the tag was not signed although the repository's tags are. The image stays signed then, except where
/// tags can't be signed.
pub async fn sign_and_tag(
    session: &Session,
    reference: &Reference,
    request: &SignRequest<'_>,
    tags: Option<&TagSigner<'_>>,
) -> Result<SignedImage, OpsError> {
    check_texts(request)?;
    let repo = session.open(&reference.repository, Access::PullPush)?;
    let name = tags.map(|tags| tags.name_if_sealed(&reference.repository)).transpose()?.flatten();
    let fetched = repo.manifest(&selector(reference)).await?;
    let signed = sign_fetched(&repo, &fetched, reference, request).await?;
    let (tag, attached) = match (tags, name) {
        (Some(tags), Some(name)) => tags.sign(&repo, name, reference, &fetched).await?,
        (Some(tags), None) if tags.attach => {
            return Err(TrustError::NoAnchor { repository: reference.repository.to_string() }.into());
        }
        _ => (None, None),
    };
    Ok(SignedImage { signed, tag, attached })
}

impl<'a> TagSigner<'a> {
    /// Signs tags with these keys, from what is known; with `attach` leaves a copy of the trust data at each image.
    #[must_use]
    pub fn new(
        memory: &'a Memory,
        policy: Option<&'a Policy>,
        signers: &'a [Box<dyn Signer>],
        clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
        attach: bool,
    ) -> Self {
        Self { memory, policy, signers, clock, attach, turns: Mutex::default() }
    }

    /// Whether a repository's tags are signed, as far as lock, store or policy say: nobody else is asked, since whoever
    /// could answer could also deny it.
    ///
    /// # Errors
    /// What is remembered can't be read. It is a layout, and the policy asks for signed tags.
    pub fn is_sealed(&self, repository: &Repository) -> Result<bool, TrustError> {
        Ok(self.name_if_sealed(repository)?.is_some())
    }

    fn name_if_sealed<'r>(&self, repository: &'r Repository) -> Result<Option<&'r RepositoryName>, TrustError> {
        let asked = self.rule(repository).is_some();
        let name = match repository {
            Repository::Registry(name) => name,
            Repository::Layout(_) if asked => {
                return Err(TrustError::Nothing(format!(
                    "{repository}: the policy asks for signed tags, and tags are signed in registries: with `--no-tag` the image alone is signed"
                )));
            }
            Repository::Layout(_) => return Ok(None),
        };
        let text = name.to_string();
        let locked = self.memory.lock.iter().chain(self.memory.locks.values()).any(|lock| lock.get(&text).is_some());
        let remembered = || self.memory.store.as_ref().map(|store| store.load(&text)).transpose();
        let sealed = asked || locked || remembered()?.flatten().is_some();
        Ok(Some(name).filter(|_| sealed))
    }

    fn rule(&self, repository: &Repository) -> Option<&'a ContentTrust> {
        self.policy?.scope(repository)?.content_trust.as_ref()
    }

    async fn sign(
        &self,
        repo: &Repo,
        name: &RepositoryName,
        reference: &Reference,
        image: &Fetched,
    ) -> Result<(Option<SignedTag>, Option<Digest>), TrustError> {
        let turn = self.turn(name);
        let _turn = turn.lock().await;
        let rule = self.rule(&reference.repository);
        let writer = Writer {
            repo,
            name: rule.and_then(|rule| rule.signed_name(&reference.repository)).unwrap_or_else(|| name.clone()),
            place: name.to_string(),
            signers: self.signers,
            memory: self.memory,
            rule,
            clock: self.clock,
            after_expiry: None,
            insecure_no_floor: false,
        };
        let tag = match reference.tag_or_latest() {
            Some(tag) => Some(writer.sign_fetched(tag, image, &[]).await?),
            None => None,
        };
        let sealed = tag.as_ref().is_none_or(|tag| tag.published.sealing != Sealing::Staged);
        let attached = if self.attach && sealed {
            Some(writer.attach(&reference.at(image.descriptor.digest)).await?)
        } else {
            None
        };
        Ok((tag, attached))
    }

    fn turn(&self, name: &RepositoryName) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(name.clone()).or_default())
    }
}
