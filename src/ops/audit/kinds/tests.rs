use super::{super::record::Role, *};
use crate::ops::audit::inventory::Found;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc::channel;

/// What comes out of an input: images with where they run, and what names none with its place in the input.
struct Out {
    images: Vec<Found>,
    unusable: Vec<(String, u8)>,
    cut: Option<String>,
}

fn out(text: &str) -> Out {
    let (sender, mut receiver) = channel(1_000);
    let mut sink = Sink::new(sender, None);
    assert!(read(text.as_bytes(), &mut sink).is_ok());
    let mut out = Out { images: Vec::new(), unusable: Vec::new(), cut: sink.counts.cut.take() };
    assert!(sink.end().now_or_never().is_some_and(|ended| ended.is_ok()), "there is room");
    while let Ok(item) = receiver.try_recv() {
        match item {
            Item::Image(found) => out.images.push(*found),
            Item::Unusable(record) => out.unusable.push((record.at, record.exit)),
            Item::End(_) => {}
        }
    }
    out
}

/// The only image of an input: its name and whether the digest that runs is known.
fn only(text: &str) -> (String, bool, String) {
    let out = out(text);
    assert!(out.unusable.is_empty() && out.cut.is_none() && out.images.len() == 1, "{:?} {:?}", out.unusable, out.cut);
    let found = &out.images[0];
    let container = found.places[0].container.clone().unwrap_or_default();
    (found.reference.to_string(), found.running.is_some(), container)
}

fn digest() -> String {
    Digest::sha256(b"").to_string()
}

fn pod(name: &str, image: Value, image_id: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "shop", "name": name, "labels": {} },
        "spec": { "containers": [{ "name": "app", "image": image, "env": [{ "name": "x", "value": "y" }] }] },
        "status": { "containerStatuses": [{ "name": "app", "image": "other:1", "imageID": image_id, "ready": true }] },
    })
}

// [V-270] [V-271]
#[test]
fn pods_name_containers_of_all_kinds_and_image_volumes() {
    let digest = digest();
    let mut one = pod("one", json!("a.b/c:1"), &format!("docker-pullable://x.y/z@{digest}"));
    one["spec"]["initContainers"] = json!([{ "name": "init", "image": "a.b/init" }]);
    one["spec"]["ephemeralContainers"] = json!([{ "name": "look", "image": "a.b/debug:1" }]);
    one["spec"]["volumes"] = json!([
        { "name": "data", "image": { "reference": "a.b/data:1", "pullPolicy": "Always" } },
        { "name": "secret", "secret": { "secretName": "s" } },
    ]);
    one["status"]["initContainerStatuses"] = json!([{ "name": "init", "imageID": "sha256:0" }]);
    let two = pod("two", json!("a.b/c:1"), &format!("a.b/c@{digest}"));
    let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": [
        one, two, pod("three", json!(7), ""), { "kind": "Service" }, pod("four", json!("A B"), ""), 5,
        pod("five", json!(digest), ""),
    ] });
    let out = out(&list.to_string());
    let told: Vec<_> = out.images.iter().map(|found| (found.reference.to_string(), found.places[0].role)).collect();
    let expected = [
        ("a.b/init", Role::Init),
        ("a.b/c:1", Role::Container),
        ("a.b/debug:1", Role::Ephemeral),
        ("a.b/data:1", Role::Volume),
    ];
    assert_eq!(told, expected.map(|(name, role)| (name.to_owned(), role)));
    let app = &out.images[1];
    assert_eq!(
        (app.running, app.place_count),
        (Some(Digest::sha256(b"")), 2),
        "the pod's name counts, not the runtime's"
    );
    assert_eq!(app.places[1].pod.as_deref(), Some("two"));
    assert!(app.gaps.is_empty() && out.images[0].gaps[0].message.contains("sha256:0"));
    let other: Vec<_> = out.images.iter().map(|found| (found.runs_other, found.gaps.len())).collect();
    assert_eq!(other, [(true, 1), (false, 0), (false, 1), (false, 1)], "an id is named; nothing is; nothing is");
    let image = |pod: u8| format!("items[{pod}].spec.containers[0].image");
    let expected = [("items[2]".to_owned(), 3), ("items[3]".to_owned(), 3), (image(4), 3), ("items[5]".to_owned(), 3)];
    assert_eq!(out.unusable, [&expected[..], &[(image(6), 4)]].concat());
}

// [V-273]
#[test]
fn one_place_where_something_else_may_run_counts_for_the_image() {
    let id = format!("sha256:{}", "1".repeat(64));
    let list = json!({ "items": [pod("one", json!("a.b/c:1"), ""), pod("two", json!("a.b/c:1"), &id)] });
    let out = out(&list.to_string());
    assert_eq!((out.images.len(), out.images[0].runs_other, out.images[0].place_count), (1, true, 2));
    assert!(out.images[0].gaps.len() == 1 && out.images[0].gaps[0].message.contains(&id));
}

// [V-273]
#[test]
fn what_was_built_or_loaded_on_the_spot_is_not_what_the_tag_means() {
    let (digest, none) = (digest(), "\\u003cnone\\u003e");
    for (text, other) in [
        (json!([{ "Id": digest, "RepoTags": ["a.b/c:1"], "RepoDigests": [] }]).to_string(), true),
        (
            json!([{ "Id": digest, "RepoTags": ["a.b/c:1"], "RepoDigests": [format!("a.b/d@{digest}")] }]).to_string(),
            true,
        ),
        (
            json!([{ "Id": digest, "RepoTags": ["a.b/c:1"], "RepoDigests": [format!("a.b/c@{digest}")] }]).to_string(),
            false,
        ),
        (format!(r#"{{"Repository":"a.b/c","Tag":"1","Digest":"{none}"}}"#), true),
        (r#"{"Repository":"a.b/c","Tag":"1","Digest":""}"#.to_owned(), true),
        (r#"{"Repository":"a.b/c","Tag":"1"}"#.to_owned(), false),
        (json!([{ "Id": "0a", "Image": digest, "Config": { "Image": "a.b/c:1" } }]).to_string(), true),
        (json!({ "Image": "a.b/c:1", "Names": "x" }).to_string(), false),
        (json!({ "containers": [{ "image": { "image": "a.b/c:1" }, "imageRef": digest }] }).to_string(), true),
    ] {
        let out = out(&text);
        let found = out.images.iter().find(|found| found.reference.to_string() == "a.b/c:1").unwrap();
        assert_eq!(found.runs_other, other, "{text}");
        assert_eq!(found.gaps.is_empty(), found.running.is_some(), "{text}");
    }
}

#[test]
fn a_pod_alone_and_a_list_without_kinds_are_read() {
    let alone = pod("one", json!("a.b/c:1"), "");
    assert_eq!(only(&alone.to_string()), ("a.b/c:1".to_owned(), false, "app".to_owned()));
    let mut bare = alone;
    bare.as_object_mut().unwrap().remove("kind");
    let list = json!({ "kind": "PodList", "items": [bare] });
    assert_eq!(only(&list.to_string()).0, "a.b/c:1");
}

// [V-270]
#[test]
fn docker_s_and_nerdctl_s_containers_and_images_are_read() {
    let digest = digest();
    let ps = r#"{"Command":"\"sh\"","ID":"0a","Image":"a.b/c:1","Labels":"a=b","Names":"web","State":"running"}"#;
    assert_eq!(only(ps), ("a.b/c:1".to_owned(), false, "web".to_owned()));
    let inspect = json!([{
        "Id": "0a", "Name": "/web", "Image": digest, "Config": { "Image": "a.b/c:1", "Labels": { "x": "y" } },
        "ImageManifestDescriptor": { "mediaType": "x", "digest": digest, "size": 1 },
    }]);
    assert_eq!(only(&inspect.to_string()), ("a.b/c:1".to_owned(), true, "web".to_owned()));
    let image = json!([{ "Id": digest, "RepoTags": ["a.b/c:1"], "RepoDigests": [format!("a.b/c@{digest}")] }]);
    assert_eq!(only(&image.to_string()), ("a.b/c:1".to_owned(), true, String::new()));
    let untagged = json!([{ "Id": digest, "RepoTags": [], "RepoDigests": [format!("a.b/c@{digest}")] }]);
    assert_eq!(only(&untagged.to_string()).0, format!("a.b/c@{digest}"));
    let images = format!(
        "{{\"Repository\":\"busybox\",\"Tag\":\"1\",\"Digest\":\"{digest}\",\"ID\":\"0a\",\"Containers\":\"N/A\"}}\n\
         {{\"Repository\":\"busybox\",\"Tag\":\"\\u003cnone\\u003e\",\"Digest\":\"{digest}\",\"ID\":\"0a\"}}\n\
         {{\"Repository\":\"\\u003cnone\\u003e\",\"Tag\":\"\\u003cnone\\u003e\",\"Digest\":\"\\u003cnone\\u003e\"}}\n"
    );
    let out = out(&images);
    assert_eq!(out.images.len(), 2);
    assert!(out.images[0].running.is_some() && out.images[1].reference.digest.is_some());
    assert_eq!(out.unusable, [("document 3".to_owned(), 4)]);
}

// [V-270]
#[test]
fn crictl_s_containers_and_images_are_read() {
    let digest = digest();
    let container = |image: Value, reference: &str| {
        json!({ "containers": [{
            "id": "0a", "podSandboxId": "0b", "metadata": { "name": "app", "attempt": 0 }, "image": image,
            "imageRef": reference, "state": "CONTAINER_RUNNING", "createdAt": "1",
            "labels": { "io.kubernetes.pod.name": "one", "io.kubernetes.pod.namespace": "shop" }, "annotations": {},
        }] })
        .to_string()
    };
    let by_digest = format!("a.b/c@{digest}");
    let named = container(json!({ "image": digest, "annotations": {}, "userSpecifiedImage": "a.b/c:1" }), &by_digest);
    assert_eq!(only(&named), ("a.b/c:1".to_owned(), true, "app".to_owned()));
    assert_eq!(out(&named).images[0].places[0].pod.as_deref(), Some("one"));
    let unnamed = container(json!({ "image": digest, "annotations": {} }), &by_digest);
    assert_eq!(only(&unnamed).0, by_digest);
    assert_eq!(out(&container(json!({ "image": digest }), &digest)).unusable, [("containers[0]".to_owned(), 4)]);
    let images = json!({ "images": [
        { "id": digest, "repoTags": ["a.b/c:1"], "repoDigests": [by_digest], "size": "1", "spec": null, "pinned": false },
        { "id": digest, "repoTags": [], "repoDigests": [], "spec": { "image": digest, "annotations": {} } },
    ] });
    let out = out(&images.to_string());
    assert_eq!((out.images.len(), out.images[0].running.is_some()), (1, true));
    assert_eq!(out.unusable, [("images[1]".to_owned(), 4)]);
}

// [V-270]
#[test]
fn what_is_none_of_these_or_breaks_off_is_said() {
    assert_eq!(out(r#"{"x":1}"#).unusable, [("document 1".to_owned(), 3)]);
    assert_eq!(out("[1,[],{}]").unusable.len(), 3);
    // What is mistyped hides nothing behind it.
    let ps = r#"{"Image":"a.b/c:1","Names":"x"}"#;
    for bad in [
        r#"{"Image":7}"#,
        r#"{"items":7}"#,
        r#"{"items":{"x":1}}"#,
        r#"{"images":"x"}"#,
        "5",
        "-5",
        "0.5",
        "true",
        "null",
        "\"x\"",
    ] {
        let out = out(&format!("{bad}\n{ps}\n"));
        assert_eq!((out.images.len(), out.unusable.len(), &out.cut), (1, 1, &None), "{bad}");
    }
    assert_eq!(out(r#"{"items":null}"#).unusable, []);
    let whole = json!({ "items": [pod("one", json!("a.b/c:1"), "")] }).to_string();
    for end in 1..whole.len() {
        let cut = out(&whole[..end]);
        assert!(cut.cut.is_some(), "{}", &whole[..end]);
    }
    // Documents before the one that breaks off count.
    let out = out("{\"Image\":\"a.b/c:1\",\"Names\":\"x\"}\n{\"Image\":");
    assert_eq!((out.images.len(), out.cut.is_some()), (1, true));
}

// [V-270]
#[test]
fn an_element_is_handed_on_before_the_next_is_read_and_none_is_without_end() {
    let (sender, mut receiver) = channel(1_000);
    let mut sink = Sink::new(sender, None);
    // It is told while the input is still open.
    let mut seen = false;
    let rest = std::io::repeat(b' ').take(AUDIT_ELEMENT_BYTES * 2);
    let from = b"{\"items\":[{\"x\":1},".chain(Watched(|| seen |= receiver.try_recv().is_ok())).chain(rest);
    assert!(read(from, &mut sink).is_ok());
    assert!(
        seen && sink.counts.cut.as_ref().is_some_and(|cut| cut.contains("one element has more than")),
        "{:?}",
        sink.counts.cut
    );
}

/// A reader that ends at once, and looks before.
struct Watched<F>(F);

impl<F: FnMut()> Read for Watched<F> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        (self.0)();
        Ok(0)
    }
}

#[test]
fn deep_nesting_ends_the_input_and_not_the_program() {
    for (open, close) in [("[", "]"), ("{\"items\":[", "]}"), ("{\"spec\":", "}"), ("{\"x\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let out = out(&deep);
        assert!(out.images.is_empty() && (out.cut.is_some() || !out.unusable.is_empty()), "{open}");
    }
}
