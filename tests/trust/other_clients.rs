//! What boltseal publishes is TUF 1.0: another implementation reads it, and answers the same.

use crate::{
    start,
    world::{Key, World},
};
use boltseal::{format::trust_manifest::TRUST_TAG, format::tuf::RoleName, ops::trust::Sealing};
use sigstore_tuf::{MetadataStore, Repository, Updater};
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a trust manifest as a TUF repository.
struct Published(Files);

impl Repository for Published {
    fn fetch_metadata<'a>(
        &'a self,
        name: &'a str,
        _: u64,
    ) -> Pin<Box<dyn Future<Output = sigstore_tuf::Result<Option<Vec<u8>>>> + Send + 'a>> {
        let found = self.0.get(name).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn fetch_target<'a>(
        &'a self,
        _: &'a str,
        _: u64,
    ) -> Pin<Box<dyn Future<Output = sigstore_tuf::Result<Option<Vec<u8>>>> + Send + 'a>> {
        Box::pin(async { Ok(None) })
    }
}

#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Files>>);

impl MetadataStore for Memory {
    fn load(&self, name: &str) -> sigstore_tuf::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().expect("whole").get(name).cloned())
    }

    fn store(&self, name: &str, bytes: &[u8]) -> sigstore_tuf::Result<()> {
        self.0.lock().expect("whole").insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

/// What the other client says of a tag, going on from what it has seen.
pub async fn answer(world: &World, first_root: &[u8], memory: &Memory, tag: &str) -> Option<String> {
    let files = world.served(TRUST_TAG).await.files;
    let mut updater = Updater::new(Published(files), first_root).expect("a root").with_store(memory.clone());
    let now = world.now().to_string().parse().expect("a time");
    updater.refresh(now).await.expect("an update");
    let target = updater.get_target_info(tag, now).await.expect("an answer");
    target.and_then(|target| target.hashes.get("sha256").cloned())
}

#[tokio::test]
async fn another_tuf_client_follows_every_publication() {
    let (_registry, address) = start().await;
    let mut world = World::sealed(&address, "app").await;
    let root = world.served(TRUST_TAG).await.files["1.root.json"].clone();
    let memory = Memory::default();
    assert_eq!(answer(&world, &root, &memory, "1.0").await, None);
    for seed in ["one", "two"] {
        let digest = world.push("1.0", seed).await;
        world.machine("owner").must_sign("1.0", &["alice"]).await;
        assert_eq!(answer(&world, &root, &memory, "1.0").await, Some(digest.hex()));
    }
    world.keys.insert("root4".to_owned(), Key::new());
    let (new, old) = ([world.key("root4").public()], [world.key("root3").public().fingerprint()]);
    let owner = world.machine("owner");
    let rotated =
        owner.write(&["root1", "root2", "alice"], async |writer| writer.rotate(&RoleName::Root, &new, &old).await);
    assert_eq!(rotated.await.expect("rotated").sealing, Sealing::Sealed);
    assert!(answer(&world, &root, &memory, "1.0").await.is_some());
    let removed = owner.write(&["alice", "bob"], async |writer| writer.remove_tag("1.0").await).await;
    assert_eq!(removed.expect("removed").sealing, Sealing::Sealed);
    assert_eq!(answer(&world, &root, &memory, "1.0").await, None);
}
