//! What belongs to what: on which ground a manifest or blob may be given out that was not judged itself.
//!
//! That a manifest lists a digest is read from bytes that have theirs, so it stays true. Whether the manifest at the root may
//! be used is asked again each time, of the judge. A ground is no decision.

use crate::{
    limits::{PROXY_IDLE, PROXY_MEMBERS, PROXY_ROOTS},
    oci::{Digest, Reference, Repository, RepositoryName},
};
use moka::{
    future::Cache,
    ops::compute::{CompResult, Op},
    policy::EvictionPolicy,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why something may be given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// It belongs to the manifest that was allowed as it was asked for.
    Root(Arc<Root>),
    /// It is part of a signature or an attestation, which are given out unjudged.
    Evidence,
}

/// A manifest that was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// As it was asked for.
    pub asked: Reference,
    pub digest: Digest,
}

/// A ground as servers share it.
#[derive(Serialize, Deserialize)]
pub(super) struct SharedRoot {
    asked: String,
    digest: Digest,
}

impl SharedRoot {
    pub fn of(root: &Root) -> Self {
        Self { asked: root.asked.to_string(), digest: root.digest }
    }

    /// The ground, if it speaks of this repository.
    pub fn ground(self, repository: &RepositoryName) -> Option<Ground> {
        let asked: Reference = self.asked.parse().ok()?;
        let here = asked.repository == Repository::Registry(repository.clone());
        here.then(|| Ground::Root(Arc::new(Root { asked, digest: self.digest })))
    }
}

/// What is given out by a digest. Whoever pushes an image may list any bytes as a layer: as a manifest they are not given out
/// for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Member {
    /// A manifest: one that was asked for, or an entry of an index.
    Manifest(Digest),
    /// A configuration or a layer.
    Blob(Digest),
}

/// The grounds that are known, bounded in number and by idleness.
pub(super) struct Members {
    grounds: Cache<(RepositoryName, Member), Arc<Vec<Ground>>>,
    roots: Cache<RepositoryName, Arc<Vec<Ground>>>,
}

impl Default for Members {
    fn default() -> Self {
        Self::bounded(PROXY_MEMBERS)
    }
}

impl Members {
    fn bounded(most: u64) -> Self {
        // What is new comes in: of a pull under way nobody has asked for a member before.
        let lru = EvictionPolicy::lru;
        Self {
            grounds: Cache::builder().max_capacity(most).eviction_policy(lru()).time_to_idle(PROXY_IDLE).build(),
            roots: Cache::builder().max_capacity(most / 10).eviction_policy(lru()).time_to_idle(PROXY_IDLE).build(),
        }
    }

    /// The grounds for a manifest or blob, the latest first.
    pub async fn grounds(&self, repository: &RepositoryName, member: Member) -> Arc<Vec<Ground>> {
        self.grounds.get(&(repository.clone(), member)).await.unwrap_or_default()
    }

    /// The manifests of a repository that were allowed of late.
    pub async fn roots(&self, repository: &RepositoryName) -> Vec<Arc<Root>> {
        let roots = self.roots.get(repository).await.unwrap_or_default();
        let root = |ground: &Ground| match ground {
            Ground::Root(root) => Some(Arc::clone(root)),
            Ground::Evidence => None,
        };
        roots.iter().filter_map(root).collect()
    }

    /// Enters what belongs together: a manifest, and what it lists. What was not known before is given back.
    pub async fn enter(
        &self,
        repository: &RepositoryName,
        members: impl Iterator<Item = Member>,
        ground: &Ground,
    ) -> Vec<Member> {
        let mut new = Vec::new();
        for member in members {
            let key = (repository.clone(), member);
            let change = |held| std::future::ready(with(held, ground));
            if !matches!(self.grounds.entry(key).and_compute_with(change).await, CompResult::Unchanged(_)) {
                new.push(member);
            }
        }
        if matches!(ground, Ground::Root(_)) {
            let change = |held| std::future::ready(with(held, ground));
            self.roots.entry(repository.clone()).and_compute_with(change).await;
        }
        new
    }
}

/// The grounds with one more in front, if it was not in front already.
fn with<K>(held: Option<moka::Entry<K, Arc<Vec<Ground>>>>, ground: &Ground) -> Op<Arc<Vec<Ground>>> {
    let held = held.map(moka::Entry::into_value).unwrap_or_default();
    if held.first() == Some(ground) {
        return Op::Nop;
    }
    let others = held.iter().filter(|other| *other != ground).cloned();
    Op::Put(Arc::new(std::iter::once(ground.clone()).chain(others).take(PROXY_ROOTS).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_latest_ground_stands_first_and_they_are_few() {
        let members = Members::default();
        let name: RepositoryName = "r.example/app".parse().unwrap();
        let member = Member::Blob(Digest::sha256(b"member"));
        let root = |tag: usize| {
            Ground::Root(Arc::new(Root {
                asked: format!("r.example/app:{tag}").parse().unwrap(),
                digest: Digest::sha256(b"root"),
            }))
        };
        for tag in 0..100 {
            members.enter(&name, [member].into_iter(), &root(tag)).await;
        }
        members.enter(&name, [member].into_iter(), &root(90)).await;
        let grounds = members.grounds(&name, member).await;
        assert_eq!((grounds.len(), &grounds[0], &grounds[1]), (PROXY_ROOTS, &root(90), &root(99)));
        assert_eq!(members.roots(&name).await.len(), PROXY_ROOTS);
        // [V-302]
        for other in [Member::Blob(Digest::sha256(b"other")), Member::Manifest(Digest::sha256(b"member"))] {
            assert!(members.grounds(&name, other).await.is_empty());
        }
        assert!(members.grounds(&"r.example/other".parse().unwrap(), member).await.is_empty());
    }

    #[tokio::test]
    async fn what_is_new_takes_the_place_of_what_is_old() {
        let members = Members::bounded(100);
        let name: RepositoryName = "r.example/app".parse().unwrap();
        let member = |at: usize| Member::Blob(Digest::sha256(at.to_string().as_bytes()));
        for at in 0..100 {
            members.enter(&name, [member(at)].into_iter(), &Ground::Evidence).await;
        }
        for at in (0..100).cycle().take(1_000) {
            members.grounds(&name, member(at)).await;
        }
        members.enter(&name, (200..220).map(member), &Ground::Evidence).await;
        members.grounds.run_pending_tasks().await;
        for at in 200..220 {
            assert_eq!(members.grounds(&name, member(at)).await.len(), 1, "{at}");
        }
    }
}
