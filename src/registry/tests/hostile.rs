use super::{
    server::{Memory, Server, dribble, say, status},
    *,
};
use crate::limits::{LIST_PAGES, MANIFEST_BYTES, REFERRERS, TRIES};
use http::Response;
use std::time::Instant;

const BLOB: &[u8] = b"0123456789";

fn blob() -> Descriptor {
    Descriptor::of("a/b", BLOB)
}

async fn read_blob(server: &Server) -> (Result<Vec<u8>, Fault>, Result<Vec<u8>, Fault>) {
    let repo = open(server);
    let mut sink = Vec::new();
    let whole = repo.blob(&blob(), 100).await.map_err(|error| error.fault);
    let streamed = repo.blob_to(&blob(), &mut sink, &|_| ()).await.map_err(|error| error.fault);
    (whole, streamed.map(|()| sink))
}

// [V-07]
#[tokio::test]
async fn bytes_of_another_digest_are_refused_and_not_asked_for_again() {
    let server = Server::start(|_, _| say(200, &[], "9876543210")).await;
    let (whole, streamed) = read_blob(&server).await;
    assert!(matches!(whole, Err(Fault::Digest { .. })), "{whole:?}");
    assert!(matches!(streamed, Err(Fault::Digest { .. })), "{streamed:?}");
    assert_eq!(server.log().len(), 2);
}

// [V-07]
#[tokio::test]
async fn bytes_of_another_size_are_refused() {
    for body in ["012345678", "0123456789a"] {
        let server = Server::start(move |_, _| say(200, &[], body)).await;
        let (whole, streamed) = read_blob(&server).await;
        assert!(matches!(whole, Err(Fault::Size { expected: 10, .. })), "{whole:?}");
        assert!(matches!(streamed, Err(Fault::Size { expected: 10, .. })), "{streamed:?}");
    }
}

#[tokio::test]
async fn an_endless_body_is_left_where_it_is_too_long() {
    let server = Server::start(|_, _| Response::new(dribble(&[b' '; 1 << 16], Duration::ZERO, None))).await;
    let (whole, streamed) = read_blob(&server).await;
    assert!(matches!(whole, Err(Fault::Size { expected: 10, .. })), "{whole:?}");
    assert!(matches!(streamed, Err(Fault::Size { expected: 10, .. })), "{streamed:?}");
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Limit { .. }), "{error}");
}

// [V-08]
#[tokio::test]
async fn a_manifest_over_the_cap_is_not_read() {
    let server = Server::start(|_, _| say(200, &[], vec![b' '; MANIFEST_BYTES as usize + 1])).await;
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Limit { what: "the manifest", .. }), "{error}");
    assert_eq!(server.log().len(), 1);
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_operations_time() {
    let server = Server::start(|_, _| Response::new(dribble(b"0", Duration::from_millis(100), None))).await;
    let options = Options { operation_timeout: Duration::from_millis(500), ..quick() };
    let begun = Instant::now();
    let error = open_with(&server, options, Access::Pull).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Timeout(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn silence_ends_with_the_read_time_out() {
    let server = Server::start(|_, _| Response::new(dribble(b"0", Duration::from_secs(60), None))).await;
    let options = Options { read_timeout: Duration::from_millis(50), ..quick() };
    let error = open_with(&server, options, Access::Pull).blob(&blob(), 100).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Timeout(_)), "{error}");
    assert_eq!(server.log().len(), TRIES as usize);
}

#[tokio::test]
async fn a_broken_body_is_read_again_and_a_stream_goes_on_where_it_broke() {
    for partial in [false, true] {
        let server = Server::start(move |call, nth| match (nth, call.header("range")) {
            (0 | 2, _) => {
                let mut answer = Response::new(dribble(b"01234", Duration::ZERO, Some(1)));
                answer.headers_mut().insert("content-length", 10.into());
                answer
            }
            (3, range) if partial => {
                assert_eq!(range, Some("bytes=5-"));
                say(206, &[("content-range", "bytes 5-9/10")], &BLOB[5..])
            }
            _ => say(200, &[], BLOB),
        })
        .await;
        let (whole, streamed) = read_blob(&server).await;
        assert_eq!(whole.unwrap(), BLOB);
        assert_eq!(streamed.unwrap(), BLOB);
        assert_eq!(server.log().len(), 4);
    }
}

#[tokio::test]
async fn a_registry_that_stays_broken_is_given_up() {
    let server = Server::start(|_, _| Response::new(dribble(b"", Duration::ZERO, Some(0)))).await;
    let (whole, streamed) = read_blob(&server).await;
    assert!(matches!(whole, Err(Fault::Connection(_))), "{whole:?}");
    assert!(matches!(streamed, Err(Fault::Connection(_))), "{streamed:?}");
    assert_eq!(server.log().len(), 2 * TRIES as usize);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for passing in [429, 500, 502, 503, 504] {
        let server = Server::start(move |_, nth| if nth == 0 { status(passing) } else { say(200, &[], BLOB) }).await;
        assert_eq!(open(&server).blob(&blob(), 100).await.unwrap(), BLOB, "{passing}");
        let server = Server::start(move |_, _| status(passing)).await;
        let error = open(&server).blob(&blob(), 100).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Status { status, .. } if status == passing), "{error}");
        assert_eq!(server.log().len(), TRIES as usize);
    }
}

#[tokio::test]
async fn retry_after_is_kept_to_and_too_long_a_one_ends_it() {
    let server =
        Server::start(|_, nth| if nth == 0 { say(429, &[("retry-after", "1")], "") } else { say(200, &[], BLOB) });
    let server = server.await;
    let begun = Instant::now();
    assert_eq!(open(&server).blob(&blob(), 100).await.unwrap(), BLOB);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let server = Server::start(|_, _| say(503, &[("retry-after", "3600")], "")).await;
    let error = open(&server).blob(&blob(), 100).await.unwrap_err();
    assert!(matches!(error.fault, Fault::RetryAfter(asked) if asked.as_secs() == 3600), "{error}");
    assert_eq!(server.log().len(), 1);
}

#[tokio::test]
async fn a_status_that_does_not_pass_is_asked_for_once() {
    let body = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
    let server = Server::start(move |_, _| say(403, &[], body)).await;
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Forbidden { permission: "pull", message } if message == "DENIED: not yours"));
    let error = open(&server).push_blob(b"").await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Forbidden { permission: "push", .. }), "{error}");
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn redirects_are_bounded_and_need_a_target() {
    let server = Server::start(|call, _| say(307, &[("location", call.path.as_str())], "")).await;
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Protocol(_)), "{error}");
    assert_eq!(server.log().len(), crate::limits::REDIRECTS + 1);
    let server = Server::start(|_, _| status(302)).await;
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Protocol(_)), "{error}");
}

#[tokio::test]
async fn plain_http_elsewhere_is_refused_also_by_redirect() {
    let server = Server::start(|_, _| say(302, &[("location", "http://storage.example/x")], "")).await;
    let error = open(&server).blob(&blob(), 100).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::PlainHttp(host) if host == "storage.example"), "{error}");
    let server = Server::start(|_, _| say(302, &[("location", "file:///etc/passwd")], "")).await;
    let error = open(&server).blob(&blob(), 100).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Protocol(_)), "{error}");
}

#[tokio::test]
async fn an_absence_that_another_host_states_is_none() {
    let storage = Server::start(|_, _| status(404)).await;
    let location = format!("http://{}/x", storage.address);
    let server = Server::start(move |_, _| say(302, &[("location", &location)], "")).await;
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Status { status: 404, .. }), "{error}");
    let listing = open(&server).referrers(&Digest::sha256(b"")).await;
    assert!(listing.fault.is_some());
}

#[tokio::test]
async fn a_stated_digest_or_media_type_that_is_not_the_manifests_is_refused() {
    let body = bytes(&image(1));
    let wrong = Digest::sha256(b"").to_string();
    let content = body.clone();
    let server = Server::start(move |_, _| say(200, &[("docker-content-digest", &wrong)], content.clone())).await;
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Digest { .. }), "{error}");
    let server = Server::start(move |_, _| say(200, &[("content-type", media_type::IMAGE_INDEX)], body.clone())).await;
    let error = open(&server).manifest(&tag("v1")).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::Protocol(_)), "{error}");
}

// [V-06]
#[tokio::test]
async fn a_list_that_fails_is_never_an_empty_list() {
    for failing in [400, 401, 403, 405, 429, 500, 503] {
        let server = Server::start(move |_, _| status(failing)).await;
        let listing = open(&server).referrers(&Digest::sha256(b"")).await;
        assert!(listing.fault.is_some_and(|error| !error.is_not_found()), "{failing}");
    }
    let html = "<!doctype html><title>Sign in</title>";
    for (kind, body) in [("text/html", html), ("application/json", "[]"), (media_type::IMAGE_INDEX, "{}")] {
        let server = Server::start(move |_, _| say(200, &[("content-type", kind)], body)).await;
        let listing = open(&server).referrers(&Digest::sha256(b"")).await;
        assert!(matches!(listing.fault.unwrap().fault, Fault::Manifest(_) | Fault::Protocol(_)), "{body}");
    }
    // The API is missing, and the fallback tag can't be read.
    let server = Server::start(|call, _| status(if call.path.contains("/referrers/") { 404 } else { 403 })).await;
    let listing = open(&server).referrers(&Digest::sha256(b"")).await;
    assert_eq!(listing.source, ListSource::FallbackTag);
    assert!(matches!(listing.fault.unwrap().fault, Fault::Forbidden { .. }));
}

#[tokio::test]
async fn a_missing_api_is_remembered_for_the_run_and_absence_is_honest() {
    let server = Server::start(Memory::default().handler()).await;
    let repo = open(&server);
    let (one, two) = (Digest::sha256(b"1"), Digest::sha256(b"2"));
    for subject in [one, two] {
        let listing = repo.referrers(&subject).await;
        assert!(listing.fault.is_none() && listing.entries.is_empty());
        assert_eq!(listing.source, ListSource::FallbackTag);
    }
    let expected = [
        format!("GET /v2/app/referrers/{one}"),
        format!("GET /v2/app/manifests/{}", one.fallback_tag()),
        format!("GET /v2/app/manifests/{}", two.fallback_tag()),
    ];
    assert_eq!(server.log(), expected);
}

#[tokio::test]
async fn a_gateways_404_for_one_repository_hides_no_referrers_of_another() {
    let server = Server::start(|call, _| {
        let list = crate::oci::ImageIndex::new(vec![Descriptor::empty()]);
        let list = Manifest::Index(Box::new(list)).encode();
        if call.path.contains("/new/referrers/") || call.path.contains("/new/manifests/") {
            return say(200, &[("content-type", media_type::IMAGE_INDEX)], list);
        }
        status(404)
    })
    .await;
    let session = Session::new(quick()).unwrap();
    for (name, source, entries) in [("old", ListSource::FallbackTag, 0), ("new", ListSource::Api, 1)] {
        let repo = session.open(&repository(&server, name), Access::Pull).unwrap();
        let listing = repo.referrers(&Digest::sha256(b"1")).await;
        assert!(listing.fault.is_none());
        assert_eq!((listing.source, listing.entries.len()), (source, entries), "{name}");
    }
}

#[tokio::test]
async fn an_unknown_repository_does_not_say_that_the_api_is_missing() {
    let body = r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#;
    let server = Server::start(move |_, _| say(404, &[], body)).await;
    let repo = open(&server);
    for _ in 0..2 {
        repo.referrers(&Digest::sha256(b"")).await;
    }
    assert_eq!(server.log().iter().filter(|line| line.contains("/referrers/")).count(), 2);
}

fn page(entries: std::ops::Range<usize>) -> String {
    let entry = |n: usize| {
        let (kind, digest) = (media_type::IMAGE_MANIFEST, Digest::sha256(&n.to_le_bytes()));
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":1}}"#)
    };
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.map(entry).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn all_pages_of_a_list_are_read() {
    let server = Server::start(|call, nth| {
        assert!(nth == 0 || call.path.ends_with(&format!("?n=2&last={nth}")), "{}", call.path);
        let link = format!("</v2/app/referrers/x?n=2&last={}>; rel=\"next\"", nth + 1);
        let headers: &[(&str, &str)] = if nth < 2 { &[("link", &link)] } else { &[] };
        say(200, headers, page(2 * nth..2 * nth + 2))
    })
    .await;
    let listing = open(&server).referrers(&Digest::sha256(b"")).await;
    assert!(listing.fault.is_none(), "{:?}", listing.fault);
    assert_eq!(listing.entries.len(), 6);
}

#[tokio::test]
async fn a_list_that_breaks_off_keeps_what_was_read_and_says_so() {
    for broken in [404, 500] {
        let link = "</v2/app/referrers/x?last=1>; rel=next";
        let server = Server::start(
            move |_, nth| if nth == 0 { say(200, &[("link", link)], page(0..2)) } else { status(broken) },
        );
        let listing = open(&server.await).referrers(&Digest::sha256(b"")).await;
        assert_eq!(listing.entries.len(), 2);
        assert!(listing.fault.is_some_and(|error| !error.is_not_found()), "{broken}");
    }
    let server = Server::start(|_, _| say(200, &[("link", "<https://evil.example/>; rel=next")], page(0..2))).await;
    let listing = open(&server).referrers(&Digest::sha256(b"")).await;
    assert_eq!(listing.entries.len(), 2);
    assert!(matches!(listing.fault.unwrap().fault, Fault::Protocol(_)));
}

// [V-08]
#[tokio::test]
async fn an_endless_list_ends_with_a_limit() {
    let link = "</v2/app/referrers/x>; rel=next";
    let server = Server::start(move |_, _| say(200, &[("link", link)], page(0..2))).await;
    let listing = open(&server).referrers(&Digest::sha256(b"")).await;
    assert_eq!((listing.entries.len(), server.log().len()), (2 * LIST_PAGES, LIST_PAGES));
    assert!(matches!(listing.fault.unwrap().fault, Fault::Limit { .. }));
    let server = Server::start(|_, _| say(200, &[], page(0..REFERRERS + 1))).await;
    let listing = open(&server).referrers(&Digest::sha256(b"")).await;
    assert_eq!(listing.entries.len(), REFERRERS);
    assert!(matches!(listing.fault.unwrap().fault, Fault::Limit { .. }));
}

#[tokio::test]
async fn a_broken_upload_is_begun_afresh() {
    let memory = Memory::default();
    let handler = memory.handler();
    let server = Server::start(move |call, nth| match nth {
        1 => Response::new(dribble(b"", Duration::ZERO, Some(0))),
        3 => status(503),
        5 => status(404),
        _ => handler(call, nth),
    })
    .await;
    open(&server).push_blob(BLOB).await.unwrap();
    let methods: String = server.calls().iter().map(|call| format!("{} ", call.method)).collect();
    assert_eq!(methods, "POST PUT POST PUT POST PUT POST PUT ");
    assert_eq!(memory.state.lock().unwrap().blobs.len(), 1);
}
