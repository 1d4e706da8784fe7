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

/// In permissive mode what is only stale still names the digest; what is refused otherwise leaves the registry's word. Both
/// are marked, and neither is remembered.
#[tokio::test]
async fn permissive_mode_uses_the_signed_digest_if_only_time_is_wrong() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let signed = world.push("1.0", "one").await;
    world.machine("owner").must_sign("1.0", &["alice"]).await;
    let moved = world.push("1.0", "another").await;
    let permissive = world.policy_of("@ROOT@", "permissive");
    world.pass(15);
    for (what, digest, reason) in [("stale", signed, "expired"), ("refused", moved, "threshold-unmet")] {
        if what == "refused" {
            let mut files = world.served(TRUST_TAG).await.files;
            let timestamp = String::from_utf8(files["timestamp.json"].clone()).expect("text");
            files.insert("timestamp.json".to_owned(), timestamp.replace("\"sig\":\"30", "\"sig\":\"31").into_bytes());
            world.serve_files(&files).await;
        }
        let verification = world.machine("reader").verify(&permissive, ":1.0").await.expect("it can tell");
        assert_eq!(verification.findings.subject().digest(), digest, "{what}");
        let Decision::Deny(reasons) = verification.outcome.decision else { panic!("{what}") };
        assert_eq!(reasons[0].id(), reason);
        let store = world.machine("reader").memory.store.expect("a store");
        assert!(
            store.load(&world.name.to_string()).expect("it loads").is_none(),
            "{what}: a denied state is not remembered"
        );
    }
}

#[tokio::test]
async fn a_delegate_that_is_missing_expired_badly_signed_or_out_of_its_paths_breaks_no_other_lookup() {
    let (_registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    let digest = world.push("1.0", "one").await;
    let owner = world.machine("owner");
    owner.must_sign("1.0", &["alice", "bob"]).await;
    let policy = world.policy("@ROOT@");
    let good = world.served(TRUST_TAG).await.files;
    let bob = good.keys().find(|name| name.ends_with("targets%2Fbob.json")).expect("bob's").clone();
    for spoilt in [None, Some(b"{}".to_vec()), Some(good["1.targets.json"].clone())] {
        let mut files = good.clone();
        match spoilt {
            None => drop(files.remove(&bob)),
            Some(bytes) => drop(files.insert(bob.clone(), bytes)),
        }
        world.serve_files(&files).await;
        assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {digest}"));
        let both = world.policy("@ROOT@, require-roles: [targets/releases, targets/bob]");
        assert_eq!(world.machine("reader").verdict(&both, ":1.0").await, "roles-disagree");
    }
    world.serve_files(&good).await;
    // A year on bob's file has expired; the others are renewed, and nobody misses it.
    for _ in 0..30 {
        world.pass(13);
        owner.refresh(&["alice", "targets"]).await.map(drop).expect("refreshed");
    }
    assert_eq!(world.machine("reader").verdict(&policy, ":1.0").await, format!("allowed {digest}"));
}
