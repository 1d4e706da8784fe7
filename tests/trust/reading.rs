//! What a reader is told, and how many requests it takes.

use crate::{start, world::World};
use boltseal::{
    format::trust_manifest::TRUST_TAG,
    ops::trust::{Sealing, StateSource},
    policy::Decision,
};

#[tokio::test]
async fn a_signed_tag_is_resolved_and_allowed_in_one_request_and_again_by_a_304() {
    let (registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let signed = world.push("1.0", "one").await;
    let published = world.machine("owner").sign("1.0", &["alice"]).await.expect("it is signed");
    assert_eq!((published.sealing, published.waiting.len()), (Sealing::Sealed, 0));
    // Whoever may push moves the tag: it has no effect.
    world.push("1.0", "another").await;
    let policy = world.policy("@ROOT@");
    for (source, status) in [(StateSource::Live, 200), (StateSource::Unchanged, 304)] {
        registry.forget_requests();
        let verification = world.machine("reader").verify(&policy, ":1.0").await.expect("it can tell");
        let Decision::Allow(approved) = &verification.outcome.decision else { panic!("{verification:?}") };
        assert_eq!(approved.digest(), signed);
        assert_eq!(verification.trust.expect("asked").source, source);
        let seen = registry.requests();
        let seen: Vec<_> = seen.iter().map(|one| (one.path_and_query.as_str(), one.status.as_u16())).collect();
        assert_eq!(seen, [(format!("/v2/app/manifests/{TRUST_TAG}").as_str(), status)]);
    }
}
