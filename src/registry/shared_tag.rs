//! Tags that several writers share: cosign's `.sig` and `.att`, and the referrers fallback tag.

use super::{
    Access, Fault, Fetched, Merge, Merged, RegistryError, Remote, Selector,
    exchange::Request,
    lock,
    push::ignored,
    retry::{Again, Failure, jitter},
};
use crate::{
    limits::{CONTENDED_SETTLES, MERGE_BASE_AGE, MERGES, SLOWEST_WRITES},
    oci::{Descriptor, Digest, ImageIndex, Manifest},
};
use futures_util::future::try_join_all;
use http::StatusCode;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// A read of a shared tag, to be written on while it is young.
#[derive(Clone, Debug)]
pub struct TagRead {
    /// When it was asked for: what the tag means now may be as old as that.
    pub at: Instant,
    /// What the tag meant; `None` if the registry said that it is not there.
    pub fetched: Option<Fetched>,
}

/// A writer's own write, and how sure it is that it arrived.
struct Written {
    digest: Digest,
    /// From the read that it builds on to the answer.
    took: Duration,
    again: Again,
}

impl Remote {
    /// Reads a tag that may be absent.
    ///
    /// # Errors
    /// Any [`Fault`] but [`Fault::NotFound`].
    pub async fn read_tag(&self, tag: &str) -> Result<TagRead, RegistryError> {
        self.fetch_tag(tag).await.map_err(self.during("reading the tag", &tag))
    }

    pub(super) async fn fetch_tag(&self, tag: &str) -> Result<TagRead, Fault> {
        let at = Instant::now();
        let fetched = match self.fetch_manifest(&Selector::Tag(tag.to_owned())).await {
            Ok(fetched) => Some(fetched),
            Err(Fault::NotFound) => None,
            Err(fault) => return Err(fault),
        };
        Ok(TagRead { at, fetched })
    }

    /// Changes what a shared tag means, so that no writer who does the same loses anything.
    ///
    /// Registries have no compare-and-swap. The change is made on top of what is there, written, and after a settle
    /// read back: long enough for every writer that had read before our write to have written too. If the change is
    /// gone then, it is made again; if it is there but others have written too, another settle follows, until nobody
    /// has. The settle is at least `Options::settle`, [`CONTENDED_SETTLES`] times that once others were seen to write,
    /// at least [`SLOWEST_WRITES`] times as long as our slowest write took, and a random part more with each round, so
    /// that writers fall out of step. This holds as long as no other writer takes longer than our settle from its read
    /// to its write.
    ///
    /// `base` is a read of the tag that was made anyway; it is used while it is young (see `Options::settle`).
    ///
    /// # Errors
    /// [`Fault::Contended`] after [`MERGES`] rounds; [`Fault::Merge`] if what is there can't be built on; any other
    /// fault.
    pub async fn update_tag(&self, tag: &str, base: Option<TagRead>, change: &dyn Merge) -> Result<(), RegistryError> {
        self.merge_tag(tag, base, change).await.map_err(self.during("updating the tag", &tag))
    }

    async fn merge_tag(&self, tag: &str, base: Option<TagRead>, change: &dyn Merge) -> Result<(), Fault> {
        let settle = self.session().inner.options.settle;
        let young = |read: &TagRead| self.is_young(read);
        let mut base = base.or_else(|| self.recall(tag)).filter(young);
        let (mut pushed, mut known, mut slowest, mut settles) = (BTreeSet::new(), None, Duration::ZERO, 1);
        for round in 1..=MERGES {
            let read = match base.take() {
                Some(read) => read,
                None => self.fetch_tag(tag).await?,
            };
            let found = read.fetched.as_ref().map(|fetched| fetched.descriptor.digest);
            let current = read.fetched.as_ref().map(|fetched| &fetched.manifest);
            if known.is_some() && known != found {
                settles = CONTENDED_SETTLES;
            }
            let mut asked = Duration::ZERO;
            match change.merge(current).map_err(Fault::Merge)? {
                // Nothing was missing in the first place, or nobody has written since.
                None if known.is_none() || known == found => {
                    self.remember(tag, read);
                    return Ok(());
                }
                // It is in place, but others are at work: one that is late may have read before all of that.
                None => known = found,
                Some(merged) => {
                    // Pushing blobs may take long; others may have written meanwhile.
                    if self.push_new(&merged, &mut pushed).await? && !young(&read) {
                        continue;
                    }
                    let Written { digest, took, again } = self.write(tag, &merged, &read).await?;
                    (known, slowest) = (Some(digest), slowest.max(took));
                    if let Again::After(_) = again {
                        asked = self.wait(again, round)?;
                    }
                }
            }
            let settled = (settles * settle).max(SLOWEST_WRITES * slowest) + jitter(settle * round.min(8));
            tokio::time::sleep(settled.max(asked)).await;
        }
        match change.merge(self.fetch_tag(tag).await?.fetched.as_ref().map(|fetched| &fetched.manifest)) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Fault::Contended(MERGES)),
            Err(why) => Err(Fault::Merge(why)),
        }
    }

    /// Points a tag at a manifest, once: what fails is not sent again, since it could arrive after others have written. A
    /// failure that leaves open whether it arrived is none: whoever reads the tag back will see.
    ///
    /// # Errors
    /// Any [`Fault`] that says that it did not arrive.
    pub async fn write_tag(&self, tag: &str, manifest: &Manifest) -> Result<(), RegistryError> {
        let write = async {
            let at = Selector::Tag(tag.to_owned());
            let (request, _) = self.manifest_put(&at, manifest.media_type(), manifest.encode())?;
            self.put_once(&request).await
        };
        write.await.map(|_| ()).map_err(self.during("writing the tag", &tag))
    }

    /// Sends a manifest once; how sure it is that it arrived.
    async fn put_once(&self, request: &Request) -> Result<Again, Fault> {
        match self.exchange_once(request, ignored()).await {
            Ok(answer) => {
                answer.with(&[StatusCode::CREATED, StatusCode::OK, StatusCode::ACCEPTED], request)?;
                Ok(Again::Never)
            }
            Err(Failure { fault, again: Again::Never }) => Err(fault),
            Err(failure) => Ok(failure.again),
        }
    }

    /// The wait before a write is read back; see [`super::Repo::settle`].
    pub(super) fn settle(&self, slowest: Duration, round: u32) -> Duration {
        let settle = self.session().inner.options.settle;
        settle.max(slowest) + jitter(settle * round.min(8))
    }

    /// Pushes the blobs that were not pushed yet; whether there were any.
    async fn push_new(&self, merged: &Merged, pushed: &mut BTreeSet<Digest>) -> Result<bool, Fault> {
        let blobs = merged.blobs.iter().map(|content| (Digest::sha256(content), content));
        let new: Vec<_> = blobs.filter(|(digest, _)| pushed.insert(*digest)).collect();
        let uploads = new.iter().map(|(_, content)| self.push_blob(content));
        try_join_all(uploads).await.map_err(|error| error.fault)?;
        Ok(!new.is_empty())
    }

    /// Writes once. A failure that leaves open whether the write arrived is no error yet: it is never simply sent
    /// again, since others have built on what they read in the meantime.
    async fn write(&self, tag: &str, merged: &Merged, read: &TagRead) -> Result<Written, Fault> {
        let at = Selector::Tag(tag.to_owned());
        let (request, digest) = self.manifest_put(&at, merged.manifest.media_type(), merged.manifest.encode())?;
        let again = self.put_once(&request).await?;
        Ok(Written { digest, took: read.at.elapsed(), again })
    }

    /// Keeps a read for the write that may follow it.
    pub(super) fn remember(&self, tag: &str, read: TagRead) {
        if self.access() == Access::PullPush {
            let mut reads = lock(self.last_reads());
            reads.retain(|_, known| self.is_young(known));
            reads.insert(tag.to_owned(), read);
        }
    }

    fn recall(&self, tag: &str) -> Option<TagRead> {
        lock(self.last_reads()).remove(tag)
    }

    /// Whether a read may still be written on.
    fn is_young(&self, read: &TagRead) -> bool {
        read.at.elapsed() <= MERGE_BASE_AGE.max(self.session().inner.options.settle / 3)
    }
}

/// Adds a referrer to a fallback index (distribution-spec 1.1, "Referrers Tag Schema"); what others wrote stays as it
/// stands.
pub(super) struct AddReferrer {
    entry: Descriptor,
}

impl AddReferrer {
    pub(super) fn new(entry: Descriptor) -> Self {
        Self { entry }
    }
}

impl Merge for AddReferrer {
    fn merge(&self, current: Option<&Manifest>) -> Result<Option<Merged>, String> {
        let mut index = match current {
            None => ImageIndex::new(Vec::new()),
            Some(Manifest::Index(index)) => (**index).clone(),
            Some(Manifest::Image(_)) => return Err("it is an image manifest, expected an image index".to_owned()),
        };
        if index.manifests.iter().any(|known| known.digest == self.entry.digest) {
            return Ok(None);
        }
        index.manifests.push(self.entry.clone());
        Ok(Some(Merged { manifest: Manifest::Index(Box::new(index)), blobs: Vec::new() }))
    }
}
