use super::*;
use crate::oci::ImageIndex;
use crate::registry::Merged;
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

fn image(name: &str) -> ImageManifest {
    let mut image = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of("text/plain", name.as_bytes())]);
    image.artifact_type = Some("application/vnd.example".to_owned());
    image
}

fn manifest(name: &str) -> Manifest {
    Manifest::Image(Box::new(image(name)))
}

fn tag(tag: &str) -> Selector {
    Selector::Tag(tag.to_owned())
}

fn new_layout() -> (TempDir, PathBuf, Layout) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("deep/app");
    let layout = Layout::open(&dir, Access::PullPush).unwrap();
    (temp, dir, layout)
}

fn index_of(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap()
}

fn tags(dir: &Path) -> Vec<(String, Option<String>)> {
    let entries = index_of(dir)["manifests"].as_array().unwrap().clone();
    let name = |e: &Value| e["annotations"][media_type::REF_NAME_ANNOTATION].as_str().map(str::to_owned);
    entries.iter().map(|e| (e["digest"].as_str().unwrap().to_owned(), name(e))).collect()
}

fn blob_file(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join("blobs").join(digest.algorithm()).join(digest.hex())
}

#[tokio::test]
async fn an_absent_folder_becomes_a_layout_at_the_first_write() {
    let (_temp, dir, layout) = new_layout();
    assert!(layout.manifest(&tag("v1")).await.unwrap_err().is_not_found());
    assert!(!dir.exists());
    let (digest, indexed) = layout.push_manifest(&tag("v1"), &manifest("one")).await.unwrap();
    assert!(indexed);
    assert_eq!(fs::read(dir.join("oci-layout")).unwrap(), br#"{"imageLayoutVersion":"1.0.0"}"#);
    let read = Layout::open(&dir, Access::Pull).unwrap();
    assert_eq!(read.manifest(&tag("v1")).await.unwrap().descriptor.digest, digest);
    assert_eq!(read.manifest(&Selector::Digest(digest)).await.unwrap().manifest, manifest("one"));
    assert_eq!(read.resolve("v1").await.unwrap().digest, digest);
    assert!(read.resolve("v2").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn only_a_layout_of_version_1_0_0_is_opened_and_a_foreign_folder_is_never_made_one() {
    let temp = tempfile::tempdir().unwrap();
    let open = |access| Layout::open(temp.path(), access).map(|_| ()).map_err(|e| e.fault);
    assert!(matches!(open(Access::Pull), Err(Fault::NoLayout(_))));
    assert!(open(Access::PullPush).is_ok());
    fs::write(temp.path().join("index.json"), "precious").unwrap();
    let file = Layout::open(&temp.path().join("index.json"), Access::PullPush);
    assert!(matches!(file.unwrap_err().fault, Fault::NoLayout(_)));
    assert!(matches!(open(Access::PullPush), Err(Fault::NoLayout(_))));
    for bad in [r#"{"imageLayoutVersion":"2.0.0"}"#, "{}", "", r#"{"imageLayoutVersion":"1.0.0"}x"#] {
        fs::write(temp.path().join("oci-layout"), bad).unwrap();
        assert!(matches!(open(Access::Pull), Err(Fault::Setting { .. })), "{bad}");
    }
    fs::write(temp.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0","more":1}"#).unwrap();
    assert!(open(Access::Pull).is_ok());
}

#[tokio::test]
async fn a_layout_opened_for_reading_is_not_written() {
    let (_temp, dir, layout) = new_layout();
    layout.push_blob(b"x").await.unwrap();
    let read = Layout::open(&dir, Access::Pull).unwrap();
    let fault = read.push_blob(b"y").await.unwrap_err().fault;
    assert!(matches!(fault, Fault::Forbidden { permission: "push", .. }));
    assert!(matches!(read.attach(&image("x")).await.unwrap_err().fault, Fault::Forbidden { .. }));
}

#[tokio::test]
async fn a_blob_that_was_altered_cut_or_grown_is_not_read() {
    let (_temp, dir, layout) = new_layout();
    let descriptor = Descriptor::of("text/plain", b"content");
    layout.push_blob(b"content").await.unwrap();
    assert_eq!(layout.blob(&descriptor, 7).await.unwrap(), b"content");
    assert!(matches!(layout.blob(&descriptor, 6).await.unwrap_err().fault, Fault::Limit { .. }));
    let file = blob_file(&dir, &descriptor.digest);
    fs::write(&file, b"CONTENT").unwrap();
    assert!(matches!(layout.blob(&descriptor, 99).await.unwrap_err().fault, Fault::Digest { .. }));
    fs::write(&file, b"content and more").unwrap();
    assert!(matches!(layout.blob(&descriptor, 99).await.unwrap_err().fault, Fault::Size { expected: 7, .. }));
    fs::write(&file, b"cont").unwrap();
    let mut sink = Vec::new();
    let fault = layout.blob_to(&descriptor, &mut sink, &|_| ()).await.unwrap_err().fault;
    assert!(matches!(fault, Fault::Size { expected: 7, actual: 4 }));
    // Pushing again repairs it.
    layout.push_blob(b"content").await.unwrap();
    assert_eq!(layout.blob(&descriptor, 7).await.unwrap(), b"content");
    fs::remove_file(&file).unwrap();
    assert!(layout.blob(&descriptor, 7).await.unwrap_err().is_not_found());
    fs::create_dir(&file).unwrap();
    assert!(matches!(layout.blob(&descriptor, 7).await.unwrap_err().fault, Fault::Io { .. }));
}

#[tokio::test]
async fn a_large_blob_streams_through_with_progress_and_is_placed_only_if_it_is_right() {
    let (_temp, dir, layout) = new_layout();
    let content = vec![7; 1_000_000];
    let descriptor = Descriptor::of("text/plain", &content);
    let write = async |content: &[u8]| {
        let mut blob = layout.new_blob(&descriptor).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut blob, content).await?;
        Ok::<_, std::io::Error>(blob.finish().await)
    };
    assert!(write(&vec![7; 1_000_001]).await.is_err());
    assert!(matches!(write(&content[1..]).await.unwrap().unwrap_err().fault, Fault::Size { .. }));
    assert!(matches!(write(&vec![8; 1_000_000]).await.unwrap().unwrap_err().fault, Fault::Digest { .. }));
    drop(layout.new_blob(&descriptor).await.unwrap());
    assert!(!blob_file(&dir, &descriptor.digest).exists());
    write(&content).await.unwrap().unwrap();
    let left = fs::read_dir(&dir).unwrap().filter(|e| {
        let name = e.as_ref().unwrap().file_name();
        name.as_encoded_bytes().starts_with(b".boltseal") && name != ".boltseal.lock"
    });
    assert_eq!(left.count(), 0);
    let (told, mut sink) = (std::sync::Mutex::new(0), Vec::new());
    layout.blob_to(&descriptor, &mut sink, &|so_far| *told.lock().unwrap() = so_far).await.unwrap();
    assert_eq!((sink.len(), told.into_inner().unwrap()), (1_000_000, 1_000_000));
}

#[tokio::test]
async fn a_moved_tag_leaves_its_old_manifest_listed_without_a_tag() {
    let (_temp, dir, layout) = new_layout();
    let (one, _) = layout.push_manifest(&tag("v1"), &manifest("one")).await.unwrap();
    layout.push_manifest(&tag("also"), &manifest("one")).await.unwrap();
    let (two, _) = layout.push_manifest(&tag("v1"), &manifest("two")).await.unwrap();
    layout.push_manifest(&tag("v1"), &manifest("two")).await.unwrap();
    let name = |name: &str| Some(name.to_owned());
    let (one, two) = (one.to_string(), two.to_string());
    assert_eq!(tags(&dir), [(one.clone(), None), (one.clone(), name("also")), (two.clone(), name("v1"))]);
    // A tag given to an untagged manifest takes its entry.
    layout.push_manifest(&tag("old"), &manifest("one")).await.unwrap();
    assert_eq!(tags(&dir), [(one.clone(), name("old")), (one, name("also")), (two, name("v1"))]);
}

#[tokio::test]
async fn members_of_other_tools_are_kept_and_two_meanings_of_a_tag_are_none() {
    let (_temp, dir, layout) = new_layout();
    layout.push_manifest(&tag("v1"), &manifest("one")).await.unwrap();
    let mut index = index_of(&dir);
    index["vendor"] = json!({"a": [1]});
    index["annotations"] = json!({"k": "v"});
    index["manifests"][0]["vendor"] = json!(true);
    index["manifests"][0]["annotations"]["io.containerd.image.name"] = json!("example.com/app:v1");
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    layout.push_manifest(&tag("v1"), &manifest("two")).await.unwrap();
    let mut after = index_of(&dir);
    assert_eq!((&after["vendor"], &after["annotations"]), (&json!({"a": [1]}), &json!({"k": "v"})));
    assert_eq!(after["manifests"][0]["vendor"], json!(true));
    assert_eq!(after["manifests"][0]["annotations"], Value::Null, "containerd would import it under the moved name");
    after["manifests"][0]["annotations"] = json!({ media_type::REF_NAME_ANNOTATION: "v1" });
    fs::write(dir.join("index.json"), after.to_string()).unwrap();
    assert!(matches!(layout.manifest(&tag("v1")).await.unwrap_err().fault, Fault::Protocol(_)));
    assert!(matches!(layout.resolve("v1").await.unwrap_err().fault, Fault::Protocol(_)));
}

#[tokio::test]
async fn a_listed_manifest_that_is_missing_or_of_another_type_is_no_honest_absence() {
    let (_temp, dir, layout) = new_layout();
    let (digest, _) = layout.push_manifest(&tag("v1"), &manifest("one")).await.unwrap();
    let mut index = index_of(&dir);
    index["manifests"][0]["mediaType"] = json!(media_type::IMAGE_INDEX);
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    assert!(matches!(layout.manifest(&tag("v1")).await.unwrap_err().fault, Fault::Manifest(_)));
    index["manifests"][0]["mediaType"] = json!(media_type::IMAGE_MANIFEST);
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::remove_file(blob_file(&dir, &digest)).unwrap();
    for at in [tag("v1"), Selector::Digest(digest)] {
        assert!(!layout.manifest(&at).await.unwrap_err().is_not_found());
    }
    let listing = layout.referrers(&Digest::sha256(b"anything")).await;
    assert!(listing.entries.is_empty() && listing.fault.is_some_and(|fault| !fault.is_not_found()));
    fs::remove_file(dir.join("index.json")).unwrap();
    assert!(matches!(layout.manifest(&tag("v1")).await.unwrap_err().fault, Fault::NoLayout(_)));
}

#[tokio::test]
async fn referrers_are_what_names_the_subject_and_what_the_fallback_tag_lists() {
    let (_temp, dir, layout) = new_layout();
    let (subject, _) = layout.push_manifest(&tag("v1"), &manifest("one")).await.unwrap();
    assert!(layout.referrers(&subject).await.entries.is_empty());
    let mut attached = image("signature");
    attached.subject = Some(layout.resolve("v1").await.unwrap());
    attached.annotations.insert("who".to_owned(), "me".to_owned());
    attached.annotations.insert(media_type::REF_NAME_ANNOTATION.to_owned(), "v1".to_owned());
    let digest = layout.attach(&attached).await.unwrap();
    assert_eq!(layout.attach(&attached).await.unwrap(), digest);
    assert_eq!(layout.resolve("v1").await.unwrap().digest, subject, "an attachment's annotation is no tag");
    let foreign = Descriptor::of(media_type::IMAGE_MANIFEST, b"elsewhere");
    let fallback = ImageIndex::new(vec![foreign.clone(), Descriptor::of(media_type::IMAGE_MANIFEST, b"more")]);
    layout.push_manifest(&tag(&subject.fallback_tag()), &Manifest::Index(Box::new(fallback))).await.unwrap();
    let listing = layout.referrers(&subject).await;
    assert!(listing.fault.is_none());
    assert_eq!(listing.entries.len(), 3);
    let entry = &listing.entries[0];
    assert_eq!((entry.digest, entry.artifact_type.as_deref()), (digest, Some("application/vnd.example")));
    assert_eq!(entry.annotations["who"], "me");
    assert_eq!(listing.entries[1], foreign);
    assert!(layout.referrers(&digest).await.entries.is_empty());
    fs::write(blob_file(&dir, &digest), "junk").unwrap();
    let listing = layout.referrers(&subject).await;
    assert!(listing.fault.is_some() && listing.entries.len() == 2);
}

#[tokio::test]
async fn a_manifest_pushed_by_another_digest_is_refused_and_by_its_sha_512_found_again() {
    let (_temp, _dir, layout) = new_layout();
    let bytes = serde_json::to_vec(&image("one")).unwrap();
    let push = |digest| layout.push_manifest_bytes(digest, media_type::IMAGE_MANIFEST, &bytes);
    let wrong = Selector::Digest(Digest::sha256(b"other"));
    assert!(matches!(push(&wrong).await.unwrap_err().fault, Fault::Digest { .. }));
    let long = Digest::Sha512(crate::crypto::hash::sha512(&bytes));
    assert_eq!(push(&Selector::Digest(long)).await.unwrap().0, long);
    assert_eq!(layout.manifest(&Selector::Digest(long)).await.unwrap().bytes, bytes);
    let refused = layout.push_manifest_bytes(&tag("v1"), media_type::IMAGE_INDEX, &bytes).await;
    assert!(matches!(refused.unwrap_err().fault, Fault::Manifest(_)));
}

/// Adds an empty layer with an annotation, as another signature is added to a `.sig` manifest.
struct Add(usize);

impl Merge for Add {
    fn merge(&self, current: Option<&Manifest>) -> Result<Option<Merged>, String> {
        let mut image = match current {
            Some(Manifest::Image(image)) => (**image).clone(),
            Some(Manifest::Index(_)) => return Err("it is an index".to_owned()),
            None => ImageManifest::new(Descriptor::empty(), Vec::new()),
        };
        let name = self.0.to_string();
        if image.layers.iter().any(|layer| layer.annotations.get("n") == Some(&name)) {
            return Ok(None);
        }
        image.layers.push(Descriptor::empty().annotated("n", name));
        Ok(Some(Merged { manifest: Manifest::Image(Box::new(image)), blobs: vec![b"{}".to_vec()] }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_writers_at_once_lose_nothing_and_leave_one_entry() {
    let (_temp, dir, layout) = new_layout();
    let subject = Descriptor::of(media_type::IMAGE_MANIFEST, b"subject");
    let writers = (0..10).map(|n| {
        // Each opens the layout for itself, as a process would.
        let (dir, subject) = (dir.clone(), subject.clone());
        tokio::spawn(async move {
            let layout = Layout::open(&dir, Access::PullPush).unwrap();
            layout.update_tag("shared", &Add(n)).await.unwrap();
            layout.update_tag("shared", &Add(n)).await.unwrap();
            let mut attached = image(&n.to_string());
            attached.subject = Some(subject);
            layout.attach(&attached).await.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let read = layout.manifest(&tag("shared")).await.unwrap();
    assert_eq!(read.image().unwrap().layers.len(), 10);
    assert_eq!(layout.referrers(&subject.digest).await.entries.len(), 10);
    assert_eq!(tags(&dir).len(), 11);
    let index = Manifest::Index(Box::new(ImageIndex::new(vec![])));
    layout.push_manifest(&tag("shared"), &index).await.unwrap();
    let fault = layout.update_tag("shared", &Add(0)).await.unwrap_err().fault;
    assert!(matches!(fault, Fault::Merge(words) if words == "it is an index"));
}
