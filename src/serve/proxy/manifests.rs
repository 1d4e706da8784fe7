//! Manifests: by tag what the judge says that it means, by digest what was allowed or belongs to it.

use super::{
    Asked, DOCKER_CONTENT_DIGEST, Proxy, Refusal,
    evidence::{Evidence, is_evidence_tag},
    members::{Ground, Member, Root, SharedRoot},
    route::reference,
};
use crate::{
    limits::{INDEX_ENTRIES, LAYERS, PROXY_IDLE, PROXY_MANIFEST_BYTES},
    oci::{Digest, Manifest, RepositoryName},
    registry::{Fetched, RegistryError, Selector},
    serve::{Answer, Judged, Undecided, shared},
};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use moka::{future::Cache, policy::EvictionPolicy};
use std::sync::Arc;

/// Manifests that were fetched: their bytes have the digest.
pub(super) struct Manifests {
    held: Cache<(RepositoryName, Digest), Arc<Held>>,
}

/// A manifest's bytes, and what is listed in them.
pub(super) struct Held {
    pub digest: Digest,
    bytes: Bytes,
    media_type: HeaderValue,
    is_index: bool,
    /// Configuration and layers, or the entries of an index.
    members: Vec<Member>,
    pub evidence: Evidence,
}

impl Default for Manifests {
    fn default() -> Self {
        // What a manifest becomes in memory beside its bytes: a digest for each 100 bytes at most.
        let weigh = |_: &(RepositoryName, Digest), held: &Arc<Held>| {
            u32::try_from(2 * held.bytes.len() + 512).unwrap_or(u32::MAX)
        };
        let builder = Cache::builder().max_capacity(PROXY_MANIFEST_BYTES).weigher(weigh);
        Self { held: builder.eviction_policy(EvictionPolicy::lru()).time_to_idle(PROXY_IDLE).build() }
    }
}

impl Held {
    fn of(fetched: Fetched) -> Result<Self, Refusal> {
        let members: Vec<_> = match &fetched.manifest {
            Manifest::Image(image) if image.layers.len() <= LAYERS => {
                std::iter::once(&image.config).chain(&image.layers).map(|one| Member::Blob(one.digest)).collect()
            }
            Manifest::Index(index) if index.manifests.len() <= INDEX_ENTRIES => {
                index.manifests.iter().map(|one| Member::Manifest(one.digest)).collect()
            }
            _ => return Err(Refusal::denied("the manifest lists more than is followed")),
        };
        let media_type = HeaderValue::from_str(&fetched.descriptor.media_type);
        Ok(Self {
            digest: fetched.descriptor.digest,
            media_type: media_type.map_err(|_| Refusal::denied("the manifest's media type is none"))?,
            members,
            is_index: matches!(fetched.manifest, Manifest::Index(_)),
            evidence: Evidence::of(&fetched.manifest),
            bytes: fetched.bytes.into(),
        })
    }

    /// The entries of an index; of an image none.
    pub fn entries(&self) -> Vec<Digest> {
        let entry = |member: &Member| match member {
            Member::Manifest(digest) => Some(*digest),
            Member::Blob(_) => None,
        };
        self.members.iter().filter_map(entry).collect()
    }

    pub fn answer(&self) -> Answer {
        let mut answer = Response::new(Full::new(self.bytes.clone()).map_err(|never| match never {}).boxed());
        answer.headers_mut().insert(header::CONTENT_TYPE, self.media_type.clone());
        if let Ok(digest) = HeaderValue::from_str(&self.digest.to_string()) {
            answer.headers_mut().insert(DOCKER_CONTENT_DIGEST, digest);
        }
        answer
    }
}

impl Proxy {
    pub(super) async fn manifest(
        &self,
        asked: &Asked<'_>,
        repository: &RepositoryName,
        at: Selector,
    ) -> Result<Answer, Refusal> {
        match &at {
            Selector::Tag(tag) if self.pass_evidence && is_evidence_tag(tag) => {
                self.evidence(asked, repository, tag).await
            }
            Selector::Tag(_) => self.judged(asked, repository, &at).await,
            Selector::Digest(digest) => {
                if let Some(ground) = self.standing(repository, Member::Manifest(*digest)).await? {
                    let held = self.fetch(repository, *digest).await?;
                    return Ok(self.given(asked, repository, &held, &ground).await);
                }
                if self.pass_evidence {
                    let held = self.fetch(repository, *digest).await?;
                    if self.is_evidence(repository, &held).await? {
                        return Ok(self.given(asked, repository, &held, &Ground::Evidence).await);
                    }
                }
                self.judged(asked, repository, &at).await
            }
        }
    }

    /// What the judge allows. The bytes are fetched by the digest that was judged.
    async fn judged(&self, asked: &Asked<'_>, repository: &RepositoryName, at: &Selector) -> Result<Answer, Refusal> {
        let reference = reference(repository, at);
        let judged = self.judge.judge(&reference).await;
        self.log_judged(asked, &judged);
        let held = match judged.usable() {
            Some(digest) => self.fetch(repository, digest).await?,
            // No scope matches, in a mode that only tells: it is what the registry says.
            None if judged.may_be_used() => self.resolved(repository, at).await?,
            None => return Err(refusal(&judged).logged()),
        };
        let root = Ground::Root(Arc::new(Root { asked: reference, digest: held.digest }));
        self.enter(repository, &held, &root).await;
        Ok(held.answer())
    }

    /// What belongs to something that may be used.
    async fn given(&self, asked: &Asked<'_>, repository: &RepositoryName, held: &Held, ground: &Ground) -> Answer {
        let (decision, reason) = match ground {
            Ground::Root(root) => ("member", format!("{} is allowed as {}", root.digest, root.asked)),
            Ground::Evidence => ("evidence", "a signature or attestation, unjudged".to_owned()),
        };
        self.log(asked, decision, Some(held.digest), (self.printable)(&reason));
        self.enter(repository, held, ground).await;
        held.answer()
    }

    pub(super) async fn enter(&self, repository: &RepositoryName, held: &Held, ground: &Ground) {
        let members = held.members.iter().copied().chain([Member::Manifest(held.digest)]);
        let new = self.members.enter(repository, members, ground).await;
        if let (Some(shared), Ground::Root(root)) = (self.judge.shared(), ground) {
            let entry = |member: &Member| (shared_name(repository, member), SharedRoot::of(root));
            shared.keep(new.iter().map(entry), PROXY_IDLE).await;
        }
    }

    /// The grounds that are known here, else the one that another server has found.
    async fn grounds(&self, repository: &RepositoryName, member: Member) -> Arc<Vec<Ground>> {
        let known = self.members.grounds(repository, member).await;
        let (true, Some(shared)) = (known.is_empty(), self.judge.shared()) else { return known };
        let found = shared.find::<SharedRoot>(&shared_name(repository, &member), PROXY_IDLE).await;
        let Some(ground) = found.and_then(|(root, _)| root.ground(repository)) else { return known };
        self.members.enter(repository, [member].into_iter(), &ground).await;
        Arc::new(vec![ground])
    }

    /// A ground for a member that stands now, if there is one: the root is judged again, by what is held or anew.
    pub(super) async fn standing(
        &self,
        repository: &RepositoryName,
        member: Member,
    ) -> Result<Option<Ground>, Refusal> {
        let mut unknown = None;
        for ground in self.grounds(repository, member).await.iter() {
            let Ground::Root(root) = ground else {
                if self.pass_evidence {
                    return Ok(Some(Ground::Evidence));
                }
                continue;
            };
            // The tag may mean something else by now; a pull that began before goes on if its digest may be used.
            for asked in [&root.asked, &root.asked.at(root.digest)] {
                let judged = self.judge.judge(asked).await;
                if judged.usable() == Some(root.digest) {
                    return Ok(Some(ground.clone()));
                }
                if let Err(why @ Undecided::Unknown(_)) = &judged.verdict {
                    unknown = Some(why.to_string());
                }
            }
        }
        unknown.map_or(Ok(None), |why| Err(Refusal::unavailable(why)))
    }

    /// What stands under a tag that evidence is found by. A list of it is an index, whose entries are looked at themselves.
    async fn evidence(&self, asked: &Asked<'_>, repository: &RepositoryName, tag: &str) -> Result<Answer, Refusal> {
        let held = self.resolved(repository, &Selector::Tag(tag.to_owned())).await?;
        let is_evidence = self.is_evidence(repository, &held).await?;
        if !is_evidence && !held.is_index {
            return Err(Refusal::denied("an image under a tag that signatures are found by"));
        }
        self.log(asked, "evidence", Some(held.digest), "signatures or attestations, unjudged".to_owned());
        if is_evidence {
            self.enter(repository, &held, &Ground::Evidence).await;
        }
        Ok(held.answer())
    }

    /// What the registry says that a tag means.
    async fn resolved(&self, repository: &RepositoryName, at: &Selector) -> Result<Arc<Held>, Refusal> {
        let digest = match at {
            Selector::Digest(digest) => *digest,
            Selector::Tag(tag) => {
                let session = self.judge.session();
                let described = self.remote(&session, repository)?.resolve(tag).await;
                described.map_err(|error| self.failed(&error, "MANIFEST_UNKNOWN"))?.digest
            }
        };
        self.fetch(repository, digest).await
    }

    /// A manifest by its digest, held or fetched: once, however many want it.
    pub(super) async fn fetch(&self, repository: &RepositoryName, digest: Digest) -> Result<Arc<Held>, Refusal> {
        let fetching = async {
            let session = self.judge.session();
            let remote = self.remote(&session, repository).map_err(Failed::Refused)?;
            let fetched = remote.manifest(&Selector::Digest(digest)).await.map_err(Failed::Registry)?;
            Held::of(fetched).map(Arc::new).map_err(Failed::Refused)
        };
        let held = self.manifests.held.try_get_with((repository.clone(), digest), Box::pin(fetching)).await;
        held.map_err(|failed| match &*failed {
            Failed::Registry(error) => self.failed(error, "MANIFEST_UNKNOWN"),
            Failed::Refused(refusal) => refusal.again(),
        })
    }
}

fn shared_name(repository: &RepositoryName, member: &Member) -> String {
    let (kind, digest) = match member {
        Member::Manifest(digest) => ("manifest", digest),
        Member::Blob(digest) => ("blob", digest),
    };
    shared::name(kind, &[&repository.to_string(), &digest.to_string()])
}

enum Failed {
    Registry(RegistryError),
    Refused(Refusal),
}

/// What is told of what may not be used.
fn refusal(judged: &Judged) -> Refusal {
    match &judged.verdict {
        Ok(verdict) => Refusal::denied(format!("denied: {}", verdict.reason)),
        Err(Undecided::Denied(why)) => Refusal::denied(format!("denied: {why}")),
        Err(Undecided::Absent(why)) => Refusal::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", why),
        Err(unknown) => Refusal::unavailable(unknown.to_string()),
    }
}
