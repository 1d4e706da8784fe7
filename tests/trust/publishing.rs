//! What writers do, one after the other and at once.

use crate::{
    start,
    trust_race::{Race, race},
    world::World,
};
use boltseal::ops::trust::Sealing;

#[tokio::test]
async fn signing_again_changes_nothing() {
    let (registry, address) = start().await;
    let world = World::sealed(&address, "app").await;
    world.push("1.0", "one").await;
    let owner = world.machine("owner");
    assert_eq!(owner.sign("1.0", &["alice"]).await.expect("signed").sealing, Sealing::Sealed);
    registry.forget_requests();
    let again = owner.sign("1.0", &["alice"]).await.expect("there already");
    assert_eq!((again.sealing, again.signed.len()), (Sealing::Unchanged, 0));
    assert!(registry.requests().iter().all(|one| one.method == "GET"), "nothing is written");
}

#[test]
fn those_who_publish_at_once_lose_nothing() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_registry, address) = runtime.block_on(start());
    for shared in [false, true] {
        race(&address, &format!("shared-{shared}"), Race { publishers: 3, updates: 3, shared });
    }
}
