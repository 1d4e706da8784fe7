use super::{World, error, json, of_registry};
use crate::common::{
    image,
    images::{Expected, Row, Table},
    proxy,
};
use boltseal::{
    oci::{Digest, Reference},
    registry::embedded::{Embedded, EmbeddedOptions},
};
use reqwest::{Method, header};
use serde_json::Value;

/// The path of a row's manifest, as containerd asks for it.
fn path(reference: &str) -> String {
    let reference: Reference = reference.parse().expect("a reference");
    let repository = reference.repository.to_string();
    let (host, name) = repository.split_once('/').expect("a host");
    let at = reference.digest.map_or_else(|| reference.tag.clone().expect("a tag"), |digest| digest.to_string());
    format!("{name}/manifests/{at}?ns={host}")
}

// [V-301] [V-307]
#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_images_by_tag_and_by_digest() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = Table::build(&registry.address().to_string()).await;
    let down = proxy::host(&table.find("the registry is down").name).to_owned();
    let world = World::with(registry, table, |settings| {
        settings.upstreams.push(down);
        settings.judge = "timeout = 20".to_owned();
    });
    // Backwards: once an index is allowed, its images are by membership.
    for row in world.table.rows.iter().rev() {
        // What a moved tag serves was signed as another one.
        let moved = Expected::Allowed(row.served.clone());
        let expected = if row.what == "a moved tag" { &moved } else { &row.expected };
        // Whoever is down is asked four times, with waits.
        if row.expected != Expected::Unknown {
            as_expected(&world, row, &row.by_digest(), expected).await;
        }
        as_expected(&world, row, &row.by_tag(), &row.expected).await;
    }
}

async fn as_expected(world: &World, row: &Row, reference: &str, expected: &Expected) {
    let methods = if *expected == Expected::Unknown { vec![Method::GET] } else { vec![Method::HEAD, Method::GET] };
    for method in methods {
        let answer = world.ask(method.clone(), &path(reference)).await;
        let (status, id) = (answer.status().as_u16(), answer.headers()["x-request-id"].clone());
        let stated = answer.headers().get("docker-content-digest").cloned();
        let body = answer.bytes().await.expect("a body");
        let line = world.proxy.wait_for(row.what, |line| line["id"] == id.to_str().expect("an id"));
        match expected {
            Expected::Allowed(digest) => {
                assert_eq!((status, stated.expect("a digest").to_str().ok()), (200, Some(digest.as_str())), "{line}");
                if method == Method::GET {
                    assert_eq!(&Digest::sha256(&body).to_string(), digest, "{}", row.what);
                }
            }
            Expected::Denied(id) => {
                assert_eq!((status, &line["decision"]), (403, &"denied".into()), "{} {line}", row.what);
                assert!(line["reason"].as_str().is_some_and(|reason| reason.contains(id)), "{}: {line}", row.what);
                if method == Method::GET {
                    let body = String::from_utf8_lossy(&body).into_owned();
                    assert!(body.contains("\"code\":\"DENIED\"") && body.contains(id), "{}: {body}", row.what);
                }
            }
            Expected::Unknown => {
                assert_eq!((status, &line["decision"]), (503, &"unknown".into()), "{} {line}", row.what);
                if method == Method::GET {
                    assert!(String::from_utf8_lossy(&body).contains("UNAVAILABLE"), "{}", row.what);
                }
            }
        }
    }
}

// [V-302] [V-303]
#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_an_allowed_index_is_given_out_and_nothing_else() {
    let world = World::small(EmbeddedOptions::default(), |_| {}).await;
    let index = world.get("plain/signed/manifests/1.0").await;
    assert_eq!(index.headers()[header::CONTENT_TYPE], "application/vnd.oci.image.index.v1+json");
    let index: Value = json(index).await;
    let child = index["manifests"][0]["digest"].as_str().expect("a digest");
    let image = world.get(&format!("plain/signed/manifests/{child}")).await;
    assert_eq!(image.status(), 200);
    let image: Value = json(image).await;
    for blob in [&image["config"], &image["layers"][0]] {
        let path = format!("plain/signed/blobs/{}", blob["digest"].as_str().expect("a digest"));
        let head = world.ask(Method::HEAD, &path).await;
        assert_eq!(
            (head.status().as_u16(), head.headers()["content-length"].to_str().ok()),
            (200, Some(&*blob["size"].to_string()))
        );
        let whole = world.get(&path).await;
        assert_eq!(whole.headers()["docker-content-digest"], blob["digest"].as_str().expect("a digest"));
        let whole = whole.bytes().await.expect("a blob");
        assert_eq!(Digest::sha256(&whole).to_string(), blob["digest"]);
    }
    // Of the unsigned image there is nothing by digest either, and nothing of it is asked for.
    let row = world.row("unsigned").clone();
    let made = of_registry(&world, "plain/unsigned", &row.served).await;
    for digest in [&row.served, &made.0] {
        let (status, code, message) = error(world.get(&format!("plain/unsigned/manifests/{digest}")).await).await;
        assert_eq!((status, &*code), (403, "DENIED"), "{message}");
    }
    for place in ["plain/unsigned", "plain/signed"] {
        let (status, code, _) = error(world.get(&format!("{place}/blobs/{}", made.1)).await).await;
        assert_eq!((status, &*code), (403, "DENIED"));
    }
    assert_eq!(world.asked(&format!("blobs/{}", made.1)), 0);
}

/// A client that has the index and its images already asks for the tag, and then for layers alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_found_through_images_that_the_client_has_already() {
    let world = World::small(EmbeddedOptions::default(), |_| {}).await;
    let home = tempfile::tempdir().expect("a folder");
    let made = image::write(home.path(), "1.0", "plain/signed");
    let manifest = std::fs::read(home.path().join("blobs/sha256").join(made.images[1].trim_start_matches("sha256:")));
    let manifest: Value = serde_json::from_slice(&manifest.expect("an image")).expect("JSON");
    let path = format!("plain/signed/blobs/{}", manifest["layers"][0]["digest"].as_str().expect("a digest"));
    // A server that has just started knows nothing of it.
    assert_eq!(world.get(&path).await.status(), 403);
    assert_eq!(world.ask(Method::HEAD, "plain/signed/manifests/1.0").await.status(), 200);
    assert_eq!(world.get(&path).await.status(), 200);
}

// [V-304]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pushed_or_deleted_through_the_proxy() {
    let world = World::small(EmbeddedOptions::default(), |_| {}).await;
    world.registry.forget_requests();
    let digest = world.row("signed").served.clone();
    for (method, path) in [
        (Method::PUT, "plain/signed/manifests/1.0".to_owned()),
        (Method::POST, "plain/signed/blobs/uploads/".to_owned()),
        (Method::PATCH, "plain/signed/blobs/uploads/1".to_owned()),
        (Method::DELETE, format!("plain/signed/manifests/{digest}")),
        (Method::DELETE, format!("plain/signed/blobs/{digest}")),
        (Method::from_bytes(b"PROPFIND").expect("a method"), "plain/signed/manifests/1.0".to_owned()),
    ] {
        let answer = world.ask(method, &path).await;
        assert_eq!(answer.headers()[header::ALLOW], "GET, HEAD");
        let (status, code, _) = error(answer).await;
        assert_eq!((status, &*code), (405, "UNSUPPORTED"), "{path}");
    }
    assert!(world.registry.requests().is_empty(), "{:?}", world.registry.requests());
    let is = |line: &Value| line["decision"] == "refused" && line["asked"] == "PUT /v2/plain/signed/manifests/1.0";
    world.proxy.wait_for("it is logged", is);
}

// [V-301] [V-332]
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_only_tells_passes_on_what_it_does_not_name() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = Table::small(&registry.address().to_string()).await;
    std::fs::write(table.policy(), "version: 1\nmode: permissive\nimages: {}\n").expect("a policy");
    let world = World::with(registry, table, |_| {});
    let row = world.row("unsigned").clone();
    let (image, layer) = of_registry(&world, "plain/unsigned", &row.served).await;
    for path in ["manifests/1.0".to_owned(), format!("manifests/{image}"), format!("blobs/{layer}")] {
        assert_eq!(world.get(&format!("plain/unsigned/{path}")).await.status(), 200, "{path}");
    }
    let line = world.proxy.wait_for("it is logged", |line| line["decision"] == "would-deny");
    assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("no-policy")), "{line}");
}

// [V-307] [V-312]
#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_told_so_and_credentials_stay_here() {
    let world = World::small(EmbeddedOptions::default(), |_| {}).await;
    world.registry.forget_requests();
    for (path, status, code) in [
        ("", 200, ""),
        ("plain/signed/tags/list", 404, "UNSUPPORTED"),
        ("_catalog", 404, "UNSUPPORTED"),
        ("plain/signed/manifests/-x", 400, "TAG_INVALID"),
        ("plain/signed/manifests/sha256:1", 400, "DIGEST_INVALID"),
        ("plain/signed/blobs/md5:1", 400, "DIGEST_INVALID"),
        ("PLAIN/signed/manifests/1.0", 404, "NAME_UNKNOWN"),
        ("plain/signed/manifests/1.0?ns=quay.io", 404, "NAME_UNKNOWN"),
        ("plain/signed/manifests/1.0?ns=127.0.0.1:1", 404, "NAME_UNKNOWN"),
    ] {
        let answer = world.get(path).await;
        if code.is_empty() {
            assert_eq!(answer.headers()["docker-distribution-api-version"], "registry/2.0");
            continue;
        }
        assert_eq!(error(answer).await.0, status, "{path}");
    }
    assert!(world.registry.requests().is_empty());
    let (status, code, _) = error(world.get("plain/signed/manifests/2.0").await).await;
    assert_eq!((status, &*code), (404, "MANIFEST_UNKNOWN"));
    let url = format!("http://{}/v2/plain/signed/manifests/1.0", world.proxy.address);
    let answer = world.client.get(url).basic_auth("client", Some("secret")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(world.registry.requests().iter().all(|request| !request.authorization));
    let is = |line: &Value| line["reason"].as_str().is_some_and(|reason| reason.contains("quay.io"));
    assert_eq!(world.proxy.wait_for("it is logged", is)["decision"], "refused");
    assert!(!format!("{:?}", world.proxy.log()).contains("secret"));
}
