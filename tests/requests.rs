//! How many requests a run makes, and how many of them one after the other: counted by the embedded registry.
#![cfg(feature = "net")]

#[path = "common/evidence.rs"]
mod evidence;
#[path = "requests/graph.rs"]
mod graph;

use boltseal::{
    limits::Limits,
    oci::{Descriptor, ImageIndex, Manifest, Platform, Reference, Repository},
    ops::{
        self, Signatory,
        sign::{Formats, Scope, SignRequest, Written, sign},
        verify::Verifier,
    },
    policy::Decision,
    registry::{
        Access, Environment, Options, Selector, Session,
        embedded::{Embedded, EmbeddedOptions, Hook, RecordedRequest},
    },
    sign::LocalSigner,
};
use evidence::{Writer, reference};
use futures_util::future::join_all;
use http::{Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const BUNDLE: Formats = Formats { bundle: true, simple: false };
const BOTH: Formats = Formats { bundle: true, simple: true };
/// Long enough that what was sent at the same time also overlaps on a busy machine.
const ROUND_TRIP: Duration = Duration::from_millis(60);

async fn start(referrers_api: bool, delay: Duration) -> Embedded {
    Embedded::start(EmbeddedOptions { referrers_api, delay, ..Default::default() }).await.expect("loopback")
}

/// A third of the settle is how old a read may be to be written on: long enough for a busy machine.
fn session() -> Session {
    Session::new(Options { settle: Duration::from_millis(600), ..Options::default() }).expect("no files to read")
}

async fn sign_with(signer: &LocalSigner, reference: &Reference, formats: Formats) -> Vec<ops::sign::Signed> {
    let request = SignRequest {
        signer: Signatory::Key(signer),
        formats,
        scope: Scope::All,
        annotations: BTreeMap::new(),
        identity: None,
        now: Timestamp::UNIX_EPOCH,
    };
    sign(&session(), reference, &request).await.expect("it signs")
}

/// Verifies each reference in turn over one session; all have to be allowed.
async fn verify(session: &Session, signer: &LocalSigner, references: &[Reference], platform: Option<&ops::Platform>) {
    let (policy, limits) = (evidence::policy(&[signer], 1), Limits::default());
    let verifier = Verifier { session, policy: &policy, now: Timestamp::UNIX_EPOCH, limits: &limits, trust: None };
    for reference in references {
        let done = verifier.verify(reference, platform).await.expect("it is there");
        assert!(matches!(done.outcome.decision, Decision::Allow(_)), "{:?}", done.outcome.decision);
    }
}

/// How many requests came after one another: each is one later than the latest that had ended before it began.
fn levels(requests: &[RecordedRequest]) -> usize {
    let mut by_start: Vec<_> = requests.iter().collect();
    by_start.sort_by_key(|request| request.started);
    let mut levels: Vec<(Instant, usize)> = Vec::new();
    for request in by_start {
        let before = levels.iter().filter(|(ended, _)| *ended <= request.started).map(|(_, level)| *level);
        let level = 1 + before.max().unwrap_or(0);
        levels.push((request.ended, level));
    }
    levels.into_iter().map(|(_, level)| level).max().unwrap_or(0)
}

/// What a request asks for. Beginning an upload asks for a new one each time; it is told apart by its content.
fn asked(request: &RecordedRequest) -> Option<String> {
    match (&request.method, request.path_and_query.split_once("digest=")) {
        (&Method::POST, _) => None,
        (&Method::PUT, Some((_, digest))) => Some(format!("PUT blob {digest}")),
        (method, _) => Some(format!("{method} {}", request.path_and_query)),
    }
}

/// No request twice, but for GETs of these tags: a shared tag that was written is read back.
#[track_caller]
fn assert_no_repeats(requests: &[RecordedRequest], read_back: &[String]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for asked in requests.iter().filter_map(asked) {
        *counts.entry(asked).or_default() += 1;
    }
    for (asked, count) in counts {
        let tag = asked.starts_with("GET ") && read_back.iter().any(|tag| asked.ends_with(tag.as_str()));
        assert!(count <= if tag { 2 } else { 1 }, "{asked} was sent {count} times");
    }
}

#[track_caller]
fn assert_within(what: &str, requests: &[RecordedRequest], most: usize, most_levels: usize) {
    let (count, levels) = (requests.len(), levels(requests));
    println!("{what}: {count} requests, {levels} in sequence");
    let listed: Vec<_> = requests.iter().filter_map(asked).collect();
    assert!(count <= most && levels <= most_levels, "{what}: {count} requests, {levels} in sequence: {listed:#?}");
}

#[tokio::test]
async fn a_verification_takes_as_few_requests_and_round_trips_as_the_design_says() {
    for (api, formats, requests, sequence) in
        [(true, BUNDLE, 5, 3), (true, BOTH, 6, 3), (false, BUNDLE, 6, 4), (false, BOTH, 7, 4)]
    {
        let (registry, signer) = (start(api, ROUND_TRIP).await, evidence::signer());
        let (image, manifest) = evidence::image("one");
        Writer::new(registry.address(), "app").image(&manifest).await;
        let by_tag = reference(registry.address(), "app");
        sign_with(&signer, &by_tag, formats).await;
        for (what, reference, more) in [("digest", by_tag.at(image.digest), 0), ("tag", by_tag, 1)] {
            registry.forget_requests();
            verify(&session(), &signer, &[reference], None).await;
            let seen = registry.requests();
            let what = format!("verify by {what}, referrers API {api}, simple signature {}", formats.simple);
            assert_within(&what, &seen, requests + more, sequence + more);
            assert_no_repeats(&seen, &[]);
        }
    }
}

#[tokio::test]
async fn signing_takes_as_few_requests_as_the_design_says() {
    for (api, formats, most) in [(true, BUNDLE, 8), (true, BOTH, 14), (false, BUNDLE, 10), (false, BOTH, 17)] {
        let (registry, signer) = (start(api, Duration::ZERO).await, evidence::signer());
        let (image, manifest) = evidence::image("one");
        Writer::new(registry.address(), "app").image(&manifest).await;
        registry.forget_requests();
        let by_tag = reference(registry.address(), "app");
        sign_with(&signer, &by_tag, formats).await;
        let seen = registry.requests();
        assert_within(&format!("sign, referrers API {api}, simple {}", formats.simple), &seen, most, usize::MAX);
        let tag = image.digest.fallback_tag();
        assert_no_repeats(&seen, &[tag.clone(), format!("{tag}.sig")]);

        registry.forget_requests();
        let again = sign_with(&signer, &by_tag, formats).await;
        assert!(again.iter().all(|one| one.bundle == Written::Already && one.simple != Written::New), "{again:?}");
        let reads = [Method::GET, Method::HEAD];
        assert!(registry.requests().iter().all(|one| reads.contains(&one.method)), "signing again writes nothing");
    }
}

/// Pushes an index of two images under `v1`: its descriptor and the platforms' images.
async fn push_index(writer: &Writer) -> Vec<Descriptor> {
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let (mut entry, manifest) = evidence::image(architecture);
        writer.image(&manifest).await;
        let (architecture, os) = (architecture.to_owned(), "linux".to_owned());
        entry.platform = Some(Platform { architecture, os, variant: None, other: BTreeMap::new() });
        entries.push(entry);
    }
    let index = Manifest::Index(Box::new(ImageIndex::new(entries.clone())));
    writer.0.push_manifest(&Selector::Tag("v1".to_owned()), &index).await.expect("an index");
    entries
}

#[tokio::test]
async fn an_index_and_its_images_are_signed_and_verified_without_asking_twice() {
    for api in [true, false] {
        let (registry, signer) = (start(api, Duration::ZERO).await, evidence::signer());
        let images = push_index(&Writer::new(registry.address(), "app")).await;
        let by_tag = reference(registry.address(), "app");
        registry.forget_requests();
        let signed = sign_with(&signer, &by_tag, BOTH).await;
        assert_eq!(signed.len(), 1 + images.len());
        let tags: Vec<String> = signed.iter().map(|one| one.digest.fallback_tag()).collect();
        let read_back: Vec<_> = tags.iter().flat_map(|tag| [tag.clone(), format!("{tag}.sig")]).collect();
        assert_no_repeats(&registry.requests(), &read_back);

        registry.forget_requests();
        verify(&session(), &signer, &[by_tag], Some(&ops::Platform("linux/arm64".to_owned()))).await;
        assert_no_repeats(&registry.requests(), &[]);
    }
}

#[tokio::test]
async fn two_signatures_over_one_payload_cost_one_read_of_it() {
    let registry = start(true, Duration::ZERO).await;
    let writer = Writer::new(registry.address(), "app");
    let (image, manifest) = evidence::image("one");
    writer.image(&manifest).await;
    let (first, second) = (evidence::signer(), evidence::signer());
    let layers = [evidence::simple(&first, &image.digest).await, evidence::simple(&second, &image.digest).await];
    assert_eq!(layers[0].0, layers[1].0);
    writer.sig(&image.digest, &layers).await;
    registry.forget_requests();
    let (policy, limits) = (evidence::policy(&[&first, &second], 2), Limits::default());
    let session = session();
    let verifier =
        Verifier { session: &session, policy: &policy, now: Timestamp::UNIX_EPOCH, limits: &limits, trust: None };
    let done = verifier.verify(&reference(registry.address(), "app"), None).await.expect("it is there");
    assert!(matches!(done.outcome.decision, Decision::Allow(_)), "both count: {:?}", done.outcome.decision);
    assert_no_repeats(&registry.requests(), &[]);
}

#[tokio::test]
async fn what_a_registry_lacks_is_asked_for_once_in_a_run() {
    let (registry, signer) = (start(false, Duration::ZERO).await, evidence::signer());
    let writer = Writer::new(registry.address(), "app");
    let mut references = Vec::new();
    for at in 0..5 {
        let (image, manifest) = evidence::image(&at.to_string());
        writer.image(&manifest).await;
        writer.attach(&evidence::bundle(&signer, &image).await).await;
        references.push(reference(registry.address(), "app").at(image.digest));
    }
    registry.forget_requests();
    verify(&session(), &signer, &references, None).await;
    let seen = registry.requests();
    let asked_for_api = seen.iter().filter(|one| one.path_and_query.contains("/referrers/")).count();
    assert_eq!(asked_for_api, 1);
    assert_no_repeats(&seen, &[]);
}

/// A registry that wants a token from itself, once it is `closed`.
fn token_server(closed: Arc<AtomicBool>) -> Hook {
    let answer = |status, name: header::HeaderName, value: String, body: &'static str| {
        let mut answer = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed());
        *answer.status_mut() = status;
        answer.headers_mut().insert(name, value.parse().expect("a header"));
        answer
    };
    Arc::new(move |exchange| {
        if exchange.path() == "/token" {
            return Some(answer(
                StatusCode::OK,
                header::CONTENT_TYPE,
                "application/json".to_owned(),
                r#"{"token":"t"}"#,
            ));
        }
        if !closed.load(Ordering::SeqCst) || exchange.headers.contains_key(header::AUTHORIZATION) {
            return None;
        }
        let host = exchange.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\",scope=\"repository:app:pull\"");
        Some(answer(StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, challenge, ""))
    })
}

#[tokio::test]
async fn images_of_one_repository_share_a_token_in_turn_and_at_once() {
    let closed = Arc::new(AtomicBool::new(false));
    let hook = Some(token_server(Arc::clone(&closed)));
    let registry = Embedded::start(EmbeddedOptions { hook, ..Default::default() }).await.expect("loopback");
    let (writer, signer) = (Writer::new(registry.address(), "app"), evidence::signer());
    let mut references = Vec::new();
    for at in 0..5 {
        let (image, manifest) = evidence::image(&at.to_string());
        writer.image(&manifest).await;
        writer.attach(&evidence::bundle(&signer, &image).await).await;
        references.push(reference(registry.address(), "app").at(image.digest));
    }
    closed.store(true, Ordering::SeqCst);
    let tokens = || {
        let seen = registry.requests();
        let refused = seen.iter().filter(|one| one.status == StatusCode::UNAUTHORIZED).count();
        (seen.iter().filter(|one| one.path_and_query.starts_with("/token")).count(), refused)
    };
    registry.forget_requests();
    verify(&session(), &signer, &references, None).await;
    let (asked, refused) = tokens();
    assert_eq!(asked, 1);
    assert!(refused <= 3, "only what is sent before the token is there is refused: {refused}");

    registry.forget_requests();
    let shared = session();
    join_all(references.chunks(1).map(|one| verify(&shared, &signer, one, None))).await;
    assert_eq!(tokens().0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_attachments_are_read_at_once() {
    let (registry, signer) = (start(true, Duration::from_millis(20)).await, evidence::signer());
    let writer = Writer::new(registry.address(), "app");
    let (image, manifest) = evidence::image("many");
    writer.image(&manifest).await;
    let mut bundles = vec![evidence::bundle(&signer, &image).await];
    for at in 1..200 {
        let kind = format!("https://example.com/{at}");
        let bytes = evidence::bundle_bytes(&signer, &image.digest, &kind, serde_json::json!({})).await;
        bundles.push(evidence::Attached::new(&image, boltseal::oci::media_type::BUNDLE_V03, bytes));
    }
    join_all(bundles.iter().map(|bundle| writer.attach(bundle))).await;
    registry.forget_requests();
    let (policy, limits, session) = (evidence::policy(&[&signer], 1), Limits::default(), session());
    let verifier =
        Verifier { session: &session, policy: &policy, now: Timestamp::UNIX_EPOCH, limits: &limits, trust: None };
    let started = Instant::now();
    let done = verifier.verify(&reference(registry.address(), "app").at(image.digest), None).await.expect("there");
    let took = started.elapsed();
    println!("200 attachments at a round trip of 20 ms: {} ms", took.as_millis());
    assert_eq!(done.findings.verified().len(), 200);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_no_repeats(&registry.requests(), &[]);
}

#[tokio::test]
async fn nothing_is_sent_to_open_a_repository() {
    let registry = start(true, Duration::ZERO).await;
    let Repository::Registry(name) = reference(registry.address(), "app").repository else { panic!("a registry") };
    let session =
        Session::new(Options { environment: Environment::default(), ..Options::default() }).expect("no files");
    session.open(&Repository::Registry(name), Access::PullPush).expect("a name");
    assert!(registry.requests().is_empty());
}
