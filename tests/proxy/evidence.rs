use super::{World, error, json};
use crate::common::key;
use boltseal::{
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, media_type},
    registry::{Access, Fetched, Options, Repo, Selector, Session, embedded::EmbeddedOptions},
};
use serde_json::Value;

/// The repository of a row.
fn repo(world: &World, row: &str) -> Repo {
    let reference: Reference = world.row(row).name.parse().expect("a reference");
    let session = Session::new(Options::default()).expect("a session");
    session.open(&reference.repository, Access::PullPush).expect("a repository")
}

/// An image that nobody signed.
async fn unsigned(world: &World) -> Fetched {
    let repo = repo(world, "unsigned");
    let index = repo.manifest(&Selector::Tag("1.0".to_owned())).await.expect("an index");
    let index: Value = serde_json::from_slice(&index.bytes).expect("JSON");
    let image: Digest = index["manifests"][0]["digest"].as_str().and_then(|one| one.parse().ok()).expect("a digest");
    repo.manifest(&Selector::Digest(image)).await.expect("an image")
}

/// The same under a tag that signatures are found by.
async fn disguised(world: &World, tag: &str) {
    let image = unsigned(world).await;
    let at = Selector::Tag(tag.to_owned());
    let repo = repo(world, "unsigned");
    repo.push_manifest_bytes(&at, &image.descriptor.media_type, &image.bytes).await.expect("it is pushed");
}

/// Pushes a manifest under a tag; its digest.
async fn pushed(repo: &Repo, tag: &str, manifest: ImageManifest) -> Digest {
    let manifest = Manifest::Image(Box::new(manifest));
    repo.push_manifest(&Selector::Tag(tag.to_owned()), &manifest).await.expect("it is pushed").0
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
    let is_told = |line: &Value| line["asked"].as_str().is_some_and(|asked| asked.contains(&bundle));
    assert_eq!(world.proxy.wait_for("it is logged", is_told)["decision"], "evidence");
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

// [V-302] [V-305]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_as_a_layer_is_not_given_out_as_a_manifest() {
    let world = World::small(EmbeddedOptions::default(), |settings| settings.more = "pass-evidence = true").await;
    let tar = "application/vnd.oci.image.layer.v1.tar";
    let config = Descriptor::of(media_type::IMAGE_CONFIG, b"{}");
    let image = ImageManifest::new(config.clone(), vec![Descriptor::of(tar, b"{}")]);
    let bytes = Manifest::Image(Box::new(image.clone())).encode();
    let layer = |kind: &str| Descriptor::of(kind, &bytes);
    for (row, place) in [("unsigned", "plain/unsigned"), ("signed", "plain/signed")] {
        let repo = repo(&world, row);
        // As blobs, and as a manifest.
        for blob in [&b"{}"[..], &bytes] {
            repo.push_blob(blob).await.expect("it is pushed");
        }
        let evil = pushed(&repo, "evil", image.clone()).await;
        let listing = if row == "signed" {
            let listing = pushed(&repo, "2.0", ImageManifest::new(config.clone(), vec![layer(tar)])).await;
            world
                .table
                .ask(&["sign", "--key", &key("release.test.key"), &world.table.at("plain/signed:2.0")])
                .expect(0);
            listing
        } else {
            pushed(&repo, "2.0", ImageManifest::new(Descriptor::empty(), vec![layer(media_type::IN_TOTO)])).await
        };
        assert_eq!(world.get(&format!("{place}/manifests/{listing}")).await.status(), 200, "{row}");
        assert_eq!(world.get(&format!("{place}/blobs/{evil}")).await.status(), 200, "{row}");
        let (status, code, message) = error(world.get(&format!("{place}/manifests/{evil}")).await).await;
        assert_eq!((status, &*code), (403, "DENIED"), "{row}: {message}");
    }
}

// [V-305]
#[tokio::test(flavor = "multi_thread")]
async fn what_runtimes_could_run_is_given_out_only_where_it_is_a_signature() {
    let world = World::small(EmbeddedOptions::default(), |settings| settings.more = "pass-evidence = true").await;
    // Its layers are as they were, and called something else.
    let unsigned = unsigned(&world).await;
    let Manifest::Image(image) = unsigned.manifest else { panic!("an index") };
    let repo = repo(&world, "unsigned");
    let tag = format!("sha256-{}.att", "2".repeat(64));
    for config in [media_type::IMAGE_CONFIG, "application/json"] {
        let mut image = image.clone();
        image.config.media_type = config.to_owned();
        image.layers.iter_mut().for_each(|layer| layer.media_type = media_type::DSSE.to_owned());
        let digest = pushed(&repo, &tag, *image).await.to_string();
        for at in [&tag, &digest] {
            let (status, code, message) = error(world.get(&format!("plain/unsigned/manifests/{at}")).await).await;
            assert_eq!((status, &*code), (403, "DENIED"), "{config} {at}: {message}");
        }
    }
    // As cosign writes it.
    let signed = world.row("signed").clone();
    world.table.ask(&["sign", "--format", "simple", "--key", &key("release.test.key"), &signed.name]).expect(0);
    let tag = format!("{}.sig", signed.served.replace(':', "-"));
    let manifest = world.get(&format!("plain/signed/manifests/{tag}")).await;
    assert_eq!(manifest.status(), 200);
    let manifest: Value = json(manifest).await;
    assert_eq!(manifest["config"]["mediaType"], media_type::IMAGE_CONFIG);
    for blob in [&manifest["config"], &manifest["layers"][0]] {
        let blob = blob["digest"].as_str().expect("a digest");
        assert_eq!(world.get(&format!("plain/signed/blobs/{blob}")).await.status(), 200);
    }
}
