use super::{World, error, json};
use boltseal::{
    oci::{Digest, Reference, media_type},
    registry::{Access, Options, Selector, Session, embedded::EmbeddedOptions},
};
use serde_json::Value;

/// An image that nobody signed, under a tag that signatures are found by, and again dressed up as one.
async fn disguised(world: &World, tag: &str) {
    let reference: Reference = world.row("unsigned").name.parse().expect("a reference");
    let session = Session::new(Options::default()).expect("a session");
    let repo = session.open(&reference.repository, Access::PullPush).expect("a repository");
    let index = repo.manifest(&Selector::Tag("1.0".to_owned())).await.expect("an index");
    let index: Value = serde_json::from_slice(&index.bytes).expect("JSON");
    let image: Digest = index["manifests"][0]["digest"].as_str().and_then(|one| one.parse().ok()).expect("a digest");
    let image = repo.manifest(&Selector::Digest(image)).await.expect("an image");
    let at = Selector::Tag(tag.to_owned());
    repo.push_manifest_bytes(&at, &image.descriptor.media_type, &image.bytes).await.expect("it is pushed");
}

// [V-305]
#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_given_out_where_the_settings_say_so_and_no_image_by_its_way() {
    let tag = format!("sha256-{}.sig", "1".repeat(64));
    let world = World::small(EmbeddedOptions::default(), |settings| settings.more = "pass-evidence = true").await;
    let digest = world.row("signed").served.clone();
    let list = world.get(&format!("plain/signed/referrers/{digest}")).await;
    assert_eq!(list.headers()["content-type"], media_type::IMAGE_INDEX);
    let list: Value = json(list).await;
    let bundle = list["manifests"][0]["digest"].as_str().expect("a bundle").to_owned();
    let manifest = world.get(&format!("plain/signed/manifests/{bundle}")).await;
    assert_eq!(manifest.status(), 200);
    let manifest: Value = json(manifest).await;
    let blob = manifest["layers"][0]["digest"].as_str().expect("a digest");
    assert_eq!(world.get(&format!("plain/signed/blobs/{blob}")).await.status(), 200);
    assert_eq!(world.proxy.decisions(&bundle)[0]["decision"], "evidence");
    // An image is an image, whatever it is called.
    disguised(&world, &tag).await;
    let (status, code, message) = error(world.get(&format!("plain/unsigned/manifests/{tag}")).await).await;
    assert_eq!((status, &*code), (403, "DENIED"), "{message}");
    let (status, _, message) =
        error(world.get(&format!("plain/unsigned/manifests/{}", world.row("unsigned").served)).await).await;
    assert!(status == 403 && message.contains("unsigned"), "{message}");

    let world = World::small(EmbeddedOptions::default(), |_| {}).await;
    let (status, code, _) = error(world.get(&format!("plain/signed/referrers/{digest}")).await).await;
    assert_eq!((status, &*code), (404, "UNSUPPORTED"));
    assert_eq!(world.get(&format!("plain/signed/manifests/{bundle}")).await.status(), 404);
    disguised(&world, &tag).await;
    assert_eq!(world.get(&format!("plain/unsigned/manifests/{tag}")).await.status(), 403);
}
