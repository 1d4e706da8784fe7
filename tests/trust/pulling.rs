//! What an archive of an index holds is what the trust state was asked about.

use crate::{image, start, world::World};
use boltseal::{
    limits::Limits,
    oci::{Digest, Reference, Repository},
    ops::{
        OpsError,
        pull::{Destination, Progress, Pulled, pull},
        trust::{Sealing, TrustReader},
        verify::Verifier,
    },
    policy::Decision,
    registry::Access,
};
use std::collections::BTreeSet;

struct Nobody;

impl Progress for Nobody {
    fn total(&self, _: u64) {}
    fn arrived(&self, _: u64) {}
}

async fn pull_archive(world: &World, reference: &Reference) -> Result<Pulled, OpsError> {
    let (policy, limits, now) = (world.policy("@ROOT@"), Limits::default(), world.now());
    let reader = TrustReader::new(world.machine("reader").memory, now);
    let session = &world.session;
    let verifier = Verifier { session, policy: &policy, now, limits: &limits, trust: Some(&reader) };
    let destination = Destination::DockerArchive(world.folder().join("image.tar"));
    pull(&verifier, reference, None, &destination, &Nobody).await
}

#[tokio::test]
async fn an_archive_is_of_the_image_that_was_looked_up_as_revoked() {
    let (registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let dir = world.folder().join("layout");
    let made = image::write(&dir, "1.0", "pulled");
    let from = world.session.open(&Repository::Layout(dir), Access::Pull).expect("the layout");
    image::copy(&from, &world.repo(Access::PullPush), "1.0", &made).await;
    let owner = world.machine("owner");
    owner.must_sign("1.0", &["alice"]).await;
    let archive = world.folder().join("image.tar");
    let by_digest = format!("@{}", made.index);

    for typed in [":1.0", &by_digest] {
        registry.forget_requests();
        let pulled = pull_archive(&world, &world.reference(typed)).await.expect("pulled");
        let subject = pulled.verification.findings.subject();
        assert_eq!(subject.within().map(|index| index.to_string()), Some(made.index.clone()));
        assert!(made.images.contains(&subject.digest().to_string()) && pulled.fetched.is_some());
        // The trust data, the index, the image, its config and its layer.
        let seen: Vec<_> = registry.requests().into_iter().map(|one| one.path_and_query).collect();
        assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (5, 5), "{seen:?}");
        std::fs::remove_file(&archive).expect("it was written");
    }

    for image in &made.images {
        let digest: Digest = image.parse().expect("a digest");
        let revoked = owner
            .write(&["targets", "alice"], async |writer| writer.revoke(digest, "broken").await)
            .await
            .expect("revoked");
        assert_eq!(revoked.sealing, Sealing::Sealed);
    }
    for typed in [":1.0", &by_digest] {
        let pulled = pull_archive(&world, &world.reference(typed)).await.expect("it can tell");
        let Decision::Deny(reasons) = &pulled.verification.outcome.decision else { panic!("{typed}") };
        assert_eq!((reasons[0].id(), pulled.fetched), ("revoked", None), "{typed}");
        assert!(!archive.exists(), "{typed}");
    }
}
