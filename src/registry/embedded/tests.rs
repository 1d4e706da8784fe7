use super::*;
use crate::oci::{Descriptor, Digest, ImageIndex, ImageManifest, Manifest, media_type};
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use reqwest::{Client, RequestBuilder, Response};

struct Peer {
    registry: Embedded,
    client: Client,
}

impl Peer {
    async fn start(options: EmbeddedOptions) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        Self { registry: Embedded::start(options).await.unwrap(), client }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.registry.address()))
    }

    async fn send(&self, method: Method, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    async fn push_blob(&self, name: &str, content: &'static [u8]) -> Digest {
        let digest = Digest::sha256(content);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let answer = self.request(Method::POST, &path).body(content).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        digest
    }

    async fn put(&self, at: &str, manifest: &impl serde::Serialize) -> Response {
        let path = format!("/v2/app/manifests/{at}");
        self.request(Method::PUT, &path).body(serde_json::to_vec(manifest).unwrap()).send().await.unwrap()
    }

    /// Pushes a manifest by digest and returns its descriptor.
    async fn push(&self, manifest: &ImageManifest) -> Descriptor {
        let descriptor = Descriptor::of(media_type::IMAGE_MANIFEST, &serde_json::to_vec(manifest).unwrap());
        let answer = self.put(&descriptor.digest.to_string(), manifest).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        descriptor
    }
}

fn header(answer: &Response, name: &str) -> Option<String> {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    (status, body["errors"][0]["code"].as_str().unwrap().to_owned())
}

fn image() -> ImageManifest {
    ImageManifest::new(Descriptor::empty(), Vec::new())
}

fn attached(subject: &Descriptor, artifact_type: &str) -> ImageManifest {
    let mut attached = image();
    attached.subject = Some(subject.clone());
    attached.artifact_type = Some(artifact_type.to_owned());
    attached.annotations.insert("kind".to_owned(), artifact_type.to_owned());
    attached
}

async fn with_image(options: EmbeddedOptions) -> (Peer, Descriptor) {
    let peer = Peer::start(options).await;
    peer.push_blob("app", media_type::EMPTY_CONTENT).await;
    assert_eq!(peer.put("v1", &image()).await.status(), StatusCode::CREATED);
    let subject = peer.push(&image()).await;
    (peer, subject)
}

#[tokio::test]
async fn a_pushed_manifest_is_read_by_tag_and_digest_and_head_has_the_headers_of_get() {
    let (peer, image) = with_image(EmbeddedOptions::default()).await;
    for at in ["v1", &image.digest.to_string()] {
        let path = format!("/v2/app/manifests/{at}");
        for method in [Method::GET, Method::HEAD] {
            let answer = peer.send(method.clone(), &path).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(header(&answer, "docker-content-digest"), Some(image.digest.to_string()));
            assert_eq!(header(&answer, "content-length"), Some(image.size.to_string()));
            assert_eq!(header(&answer, "content-type").as_deref(), Some(media_type::IMAGE_MANIFEST));
            let body = answer.bytes().await.unwrap();
            assert_eq!(body.len() as u64, if method == Method::HEAD { 0 } else { image.size });
        }
    }
    let expect = |code: &str| (404, code.to_owned());
    assert_eq!(code(peer.send(Method::GET, "/v2/app/manifests/v2").await).await, expect("MANIFEST_UNKNOWN"));
    assert_eq!(code(peer.send(Method::GET, "/v2/none/manifests/v1").await).await, expect("NAME_UNKNOWN"));
    assert_eq!(peer.send(Method::GET, "/v2/").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn http2_without_tls_is_spoken_too() {
    let (peer, _) = with_image(EmbeddedOptions::default()).await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/v2/app/manifests/v1", peer.registry.address());
    let answer = client.get(url).send().await.unwrap();
    assert_eq!((answer.version(), answer.status()), (reqwest::Version::HTTP_2, StatusCode::OK));
}

#[tokio::test]
async fn a_manifest_is_refused_if_it_is_broken_misnamed_or_incomplete() {
    let (peer, _) = with_image(EmbeddedOptions::default()).await;
    let expect = |status, code: &str| (status, code.to_owned());
    let wrong = Digest::sha256(b"other").to_string();
    assert_eq!(code(peer.put(&wrong, &image()).await).await, expect(400, "DIGEST_INVALID"));
    assert_eq!(code(peer.put("v2", &"text").await).await, expect(400, "MANIFEST_INVALID"));
    assert_eq!(code(peer.put("-v", &image()).await).await, expect(400, "MANIFEST_INVALID"));
    let incomplete = ImageManifest::new(Descriptor::empty(), vec![Descriptor::of("text/plain", b"absent")]);
    assert_eq!(code(peer.put("v2", &incomplete).await).await, expect(404, "MANIFEST_BLOB_UNKNOWN"));
    let index = ImageIndex::new(vec![Descriptor::of(media_type::IMAGE_MANIFEST, b"absent")]);
    assert_eq!(code(peer.put("v2", &index).await).await, expect(404, "MANIFEST_BLOB_UNKNOWN"));
    let put = peer.request(Method::PUT, "/v2/app/manifests/v2").header("content-type", media_type::IMAGE_INDEX);
    let answer = put.body(serde_json::to_vec(&image()).unwrap()).send().await.unwrap();
    assert_eq!(code(answer).await, expect(400, "MANIFEST_INVALID"));
    for path in ["/v2/App/manifests/v1", "/v2/../manifests/v1", "/v2/a/../b/tags/list"] {
        // Sent as it is: a client library would resolve the dots.
        assert!(Route::parse(path).is_err(), "{path}");
    }
}

#[tokio::test]
async fn blobs_arrive_whole_in_chunks_or_by_mount() {
    let peer = Peer::start(EmbeddedOptions::default()).await;
    let digest = peer.push_blob("app", b"content").await;
    let start = peer.send(Method::POST, "/v2/other/blobs/uploads/").await;
    assert_eq!(start.status(), StatusCode::ACCEPTED);
    let upload = header(&start, "location").unwrap();
    let chunk = async |range: &str, bytes: &'static str| {
        let patch = peer.request(Method::PATCH, &upload).header("content-range", range);
        patch.body(bytes).send().await.unwrap()
    };
    assert_eq!(header(&chunk("0-3", "cont").await, "range").as_deref(), Some("0-3"));
    let gap = chunk("5-6", "nt").await;
    assert_eq!((gap.status(), header(&gap, "range").as_deref()), (StatusCode::RANGE_NOT_SATISFIABLE, Some("0-3")));
    let status = peer.send(Method::GET, &upload).await;
    assert_eq!((status.status(), header(&status, "range").as_deref()), (StatusCode::NO_CONTENT, Some("0-3")));
    let finish = format!("{upload}?digest={digest}");
    let done = peer.request(Method::PUT, &finish).body("ent").send().await.unwrap();
    assert_eq!(done.status(), StatusCode::CREATED);
    assert_eq!(peer.send(Method::GET, &format!("/v2/other/blobs/{digest}")).await.bytes().await.unwrap(), "content");
    assert_eq!(code(peer.send(Method::PUT, &finish).await).await.1, "BLOB_UPLOAD_UNKNOWN");
    let mount = |from: &str| format!("/v2/third/blobs/uploads/?mount={digest}&from={from}");
    assert_eq!(peer.send(Method::POST, &mount("nowhere")).await.status(), StatusCode::ACCEPTED);
    assert_eq!(peer.send(Method::POST, &mount("app")).await.status(), StatusCode::CREATED);
    let blob = format!("/v2/third/blobs/{digest}");
    assert_eq!(peer.send(Method::HEAD, &blob).await.status(), StatusCode::OK);
    assert_eq!(peer.send(Method::DELETE, &blob).await.status(), StatusCode::ACCEPTED);
    assert_eq!(code(peer.send(Method::GET, &blob).await).await, (404, "BLOB_UNKNOWN".to_owned()));
    let wrong = format!("/v2/app/blobs/uploads/?digest={}", Digest::sha256(b"x"));
    let answer = peer.request(Method::POST, &wrong).body("y").send().await.unwrap();
    assert_eq!(code(answer).await, (400, "DIGEST_INVALID".to_owned()));
}

#[tokio::test]
async fn a_registry_without_single_posts_opens_an_upload() {
    let peer = Peer::start(EmbeddedOptions { single_post_upload: false, ..Default::default() }).await;
    let path = format!("/v2/app/blobs/uploads/?digest={}", Digest::sha256(b"y"));
    let answer = peer.request(Method::POST, &path).body("y").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn referrers_come_in_pages_with_type_and_annotations_and_can_be_filtered() {
    let (peer, subject) = with_image(EmbeddedOptions { page_size: 2, ..Default::default() }).await;
    for n in 0..5 {
        let answer = peer.put(&format!("t{n}"), &attached(&subject, &format!("application/{n}"))).await;
        assert_eq!(header(&answer, "oci-subject"), Some(subject.digest.to_string()));
    }
    let mut path = Some(format!("/v2/app/referrers/{}", subject.digest));
    let (mut pages, mut entries) = (0, Vec::new());
    while let Some(next) = path {
        let answer = peer.send(Method::GET, &next).await;
        assert_eq!(header(&answer, "content-type").as_deref(), Some(media_type::IMAGE_INDEX));
        path = header(&answer, "link").map(|link| link[1..link.find('>').unwrap()].to_owned());
        let Manifest::Index(index) = Manifest::decode(&answer.bytes().await.unwrap()).unwrap() else { panic!() };
        entries.extend(index.manifests);
        pages += 1;
    }
    assert_eq!((pages, entries.len()), (3, 5));
    assert!(entries.iter().all(|entry| entry.annotations.get("kind") == entry.artifact_type.as_ref()));
    let path = format!("/v2/app/referrers/{}?n=1", subject.digest);
    let first = peer.send(Method::GET, &path).await;
    assert!(header(&first, "link").unwrap().contains("n=1&last=sha256%3A"));
    let answer = peer.send(Method::GET, &format!("{path}&artifactType=application/1")).await;
    assert_eq!(header(&answer, "oci-filters-applied").as_deref(), Some("artifactType"));
    let Manifest::Index(index) = Manifest::decode(&answer.bytes().await.unwrap()).unwrap() else { panic!() };
    assert_eq!(index.manifests[0].artifact_type.as_deref(), Some("application/1"));
    let unknown = peer.send(Method::GET, &format!("/v2/new/referrers/{}", Digest::sha256(b"x"))).await;
    assert_eq!(unknown.status(), StatusCode::OK);
    let deleted = peer.send(Method::DELETE, &format!("/v2/app/manifests/{}", entries[4].digest)).await;
    assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    let left = peer
        .send(Method::GET, &format!("/v2/app/referrers/{}?last={}", subject.digest, entries[2].digest))
        .await
        .bytes()
        .await
        .unwrap();
    let Manifest::Index(index) = Manifest::decode(&left).unwrap() else { panic!() };
    assert_eq!(index.manifests, entries[3..4]);
}

#[tokio::test]
async fn without_the_referrers_api_there_is_no_list_and_no_oci_subject() {
    let (peer, subject) = with_image(EmbeddedOptions { referrers_api: false, ..Default::default() }).await;
    let answer = peer.put("sig", &attached(&subject, "application/x")).await;
    assert_eq!((answer.status(), header(&answer, "oci-subject")), (StatusCode::CREATED, None));
    let list = peer.send(Method::GET, &format!("/v2/app/referrers/{}", subject.digest)).await;
    assert_eq!(list.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tags_are_listed_in_pages_and_deleted_alone_or_with_their_manifest() {
    let (peer, image) = with_image(EmbeddedOptions { page_size: 2, ..Default::default() }).await;
    for tag in ["a", "b"] {
        peer.put(tag, &self::image()).await;
    }
    let page = peer.send(Method::GET, "/v2/app/tags/list").await;
    assert_eq!(header(&page, "link").as_deref(), Some("</v2/app/tags/list?n=2&last=b>; rel=\"next\""));
    assert_eq!(page.text().await.unwrap(), r#"{"name":"app","tags":["a","b"]}"#);
    let page = peer.send(Method::GET, "/v2/app/tags/list?n=2&last=b").await;
    assert_eq!(
        (header(&page, "link"), page.text().await.unwrap()),
        (None, r#"{"name":"app","tags":["v1"]}"#.to_owned())
    );
    peer.send(Method::DELETE, "/v2/app/manifests/a").await;
    assert_eq!(peer.send(Method::HEAD, "/v2/app/manifests/b").await.status(), StatusCode::OK);
    peer.send(Method::DELETE, &format!("/v2/app/manifests/{}", image.digest)).await;
    assert_eq!(peer.send(Method::HEAD, "/v2/app/manifests/b").await.status(), StatusCode::NOT_FOUND);
    let again = peer.send(Method::DELETE, "/v2/app/manifests/v1").await;
    assert_eq!(code(again).await, (404, "MANIFEST_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn memory_is_bounded_and_given_back() {
    let peer = Peer::start(EmbeddedOptions { memory: 10, ..Default::default() }).await;
    let digest = peer.push_blob("app", b"1234567").await;
    let push = |content: &'static str| {
        let path = format!("/v2/app/blobs/uploads/?digest={}", Digest::sha256(content.as_bytes()));
        peer.request(Method::POST, &path).body(content).send()
    };
    assert_eq!(code(push("abcdefg").await.unwrap()).await, (413, "SIZE_INVALID".to_owned()));
    peer.send(Method::DELETE, &format!("/v2/app/blobs/{digest}")).await;
    assert_eq!(push("abcdefg").await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(peer.registry.shared.memory.used(), 7);
}

#[tokio::test]
async fn hooks_answer_instead_or_after_and_requests_are_recorded() {
    let hook: Hook = Arc::new(|exchange| {
        let body = Full::from("later").map_err(|never| match never {}).boxed();
        let slow = exchange.path() == "/v2/app/manifests/v1" && exchange.earlier == 1;
        slow.then(|| http::Response::builder().status(429).body(body).unwrap())
    });
    let alter: Alter = Arc::new(|_, mut answer| {
        answer.headers_mut().insert("x-altered", http::HeaderValue::from_static("yes"));
        answer
    });
    let delay = Duration::from_millis(20);
    let options = EmbeddedOptions { hook: Some(hook), alter: Some(alter), delay, ..Default::default() };
    let (peer, _) = with_image(options).await;
    peer.registry.forget_requests();
    let read = || peer.request(Method::GET, "/v2/app/manifests/v1?x=1").header("authorization", "Basic eA==").send();
    assert_eq!(header(&read().await.unwrap(), "x-altered").as_deref(), Some("yes"));
    assert_eq!(read().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(read().await.unwrap().status(), StatusCode::OK);
    let requests = peer.registry.requests();
    let statuses: Vec<u16> = requests.iter().map(|request| request.status.as_u16()).collect();
    assert_eq!(statuses, [200, 429, 200]);
    for request in &requests {
        assert_eq!((&request.method, request.path_and_query.as_str()), (&Method::GET, "/v2/app/manifests/v1?x=1"));
        assert!(request.authorization && request.ended - request.started >= delay);
    }
}

#[tokio::test]
async fn a_dropped_registry_answers_no_longer() {
    let (peer, _) = with_image(EmbeddedOptions::default()).await;
    let Peer { registry, client } = peer;
    let url = format!("http://{}/v2/", registry.address());
    assert!(client.get(&url).send().await.is_ok());
    drop(registry);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(client.get(&url).send().await.is_err());
}

#[tokio::test]
async fn a_manifest_that_the_client_has_is_not_sent_again() {
    let peer = Peer::start(EmbeddedOptions::default()).await;
    peer.push_blob("app", b"{}").await;
    let digest = peer.push(&image()).await.digest;
    let path = format!("/v2/app/manifests/{digest}");
    for method in [Method::GET, Method::HEAD] {
        let whole = peer.send(method.clone(), &path).await;
        let etag = header(&whole, "etag").unwrap();
        assert_eq!((whole.status(), &etag), (StatusCode::OK, &format!("\"{digest}\"")));
        let known = peer.request(method.clone(), &path).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!((known.status(), header(&known, "etag")), (StatusCode::NOT_MODIFIED, Some(etag)));
        assert!(known.bytes().await.unwrap().is_empty());
        let other = peer.request(method, &path).header("if-none-match", "\"other\"").send().await.unwrap();
        assert_eq!(other.status(), StatusCode::OK);
    }
}
