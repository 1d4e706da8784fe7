use super::*;
use crate::registry::{Access, Layout};
use std::{iter, pin::pin, time::Duration};
use tokio::time::timeout;

#[tokio::test]
async fn attachments_wait_until_there_is_room_and_give_it_back() {
    let home = tempfile::tempdir().unwrap();
    let repo = Repo::Layout(Layout::open(&home.path().join("layout"), Access::PullPush).unwrap());
    let (bundle, subject) = (b"a bundle", Digest::sha256(b"an image"));
    for content in [&bundle[..], media_type::EMPTY_CONTENT] {
        repo.push_blob(content).await.unwrap();
    }
    let mut manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of(media_type::BUNDLE_V03, bundle)]);
    manifest.artifact_type = Some(media_type::BUNDLE_V03.to_owned());
    manifest.subject = Some(Descriptor::of(media_type::IMAGE_MANIFEST, b"an image"));
    repo.attach(&manifest).await.unwrap();
    // The largest subject has room beside another; together they take all there is.
    let all = (room(ATTACHMENTS_BYTES).await, room(ATTACHMENTS_BYTES).await);
    let mut reading = pin!(collect(&repo, iter::once(subject)));
    assert!(timeout(Duration::from_millis(200), &mut reading).await.is_err(), "it waits");
    drop(all);
    let held = reading.await;
    assert_eq!(held.collected.blobs[0].bytes, bundle);
    assert_eq!(held.room.as_ref().map(Room::num_permits), Some(bundle.len()));
    drop(held);
    // More than there is would be waited for without end.
    assert_eq!(room(u64::MAX).await.as_ref().map(Room::num_permits), Some(ATTACHMENTS_BYTES_AT_ONCE as usize));
    assert!(room(0).await.is_none());
}
