//! The table of faults: what goes wrong, where, and what the verification ends with.
//!
//! A's signature lies behind the fault. Exit codes stand for, in this order: nothing beside it; A's own signature at
//! another place; B's signature at another place and a policy that asks for both.

use crate::{
    common::hostile,
    evidence::{self, Writer},
    world::{Beside, World},
};
use boltseal::registry::embedded::{Alter, Embedded, EmbeddedOptions, Exchange, Hook};
use futures_util::{StreamExt as _, stream};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Which request the fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// HEAD of the image's tag.
    Head,
    /// GET of the image's tag, where HEAD is not to be had.
    Get,
    /// The referrers API.
    Referrers,
    /// The fallback tag, where there is no such API.
    FallbackTag,
    /// The `.sig` tag.
    SigTag,
    /// The `.att` tag.
    AttTag,
    /// A bundle's manifest.
    Manifest,
    /// A bundle.
    Bundle,
    /// A simple signature's payload.
    Payload,
}

use Place::{AttTag, Bundle, FallbackTag, Get, Head, Manifest, Payload, Referrers, SigTag};

/// Requests without which the image's digest is not known: nothing beside them helps.
const TAG: &[Place] = &[Head, Get];
/// Answers with content that no digest was known for.
const BY_NAME: &[Place] = &[Referrers, FallbackTag, SigTag, AttTag];
/// Answers with content that has to have a known digest.
const BY_DIGEST: &[Place] = &[Manifest, Bundle, Payload];

enum Misbehaviour {
    Hook(Hook),
    Alter(Alter),
}

use Misbehaviour::{Alter as Altered, Hook as Hooked};

struct Row {
    name: &'static str,
    make: fn(other: SocketAddr) -> Misbehaviour,
    /// Where, and the three exit codes there.
    cases: &'static [(&'static [Place], [i32; 3])],
    /// Run with the program too: nothing in it waits.
    by_program: bool,
}

const fn row(
    name: &'static str,
    make: fn(SocketAddr) -> Misbehaviour,
    cases: &'static [(&'static [Place], [i32; 3])],
) -> Row {
    Row { name, make, cases, by_program: false }
}

impl Row {
    const fn by_program(self) -> Self {
        Self { by_program: true, ..self }
    }
}

/// Nobody knows what the tag means: could not tell, whatever is there.
const NEVER: [i32; 3] = [4, 4, 4];
/// Evidence was not read: could not tell, unless what was read is enough.
const UNREAD: [i32; 3] = [4, 0, 4];
/// An honest answer that nothing is there.
const ABSENT: [i32; 3] = [1, 0, 1];
/// No harm done.
const FINE: [i32; 3] = [0, 0, 0];

const EVERYWHERE: &[(&[Place], [i32; 3])] = &[(TAG, NEVER), (BY_NAME, UNREAD), (BY_DIGEST, UNREAD)];
/// Where there is a body.
const BODIES: &[(&[Place], [i32; 3])] = &[(&[Get], NEVER), (BY_NAME, UNREAD), (BY_DIGEST, UNREAD)];
/// Where there is a manifest or its like, a page of a list apart.
const MANIFESTS: &[(&[Place], [i32; 3])] =
    &[(&[Get], NEVER), (&[FallbackTag, SigTag, AttTag], UNREAD), (BY_DIGEST, UNREAD)];
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn rows() -> Vec<Row> {
    vec![
        row(
            "the digest in the header is another one",
            |_| Altered(hostile::wrong_digest_header("")),
            &[(TAG, NEVER), (&[FallbackTag, SigTag], UNREAD), (&[Manifest, Bundle, Payload, Referrers], FINE)],
        ),
        row(
            "other content than was asked for",
            |_| Hooked(hostile::swapped("", MANIFEST, other_manifest())),
            &[(BY_DIGEST, UNREAD)],
        )
        .by_program(),
        row(
            "a byte more than was asked for",
            |_| Altered(hostile::padded("")),
            &[(&[Get], NEVER), (&[FallbackTag, SigTag], UNREAD), (BY_DIGEST, UNREAD)],
        ),
        row("an endless body", |_| Hooked(hostile::endless("")), BODIES),
        row(
            "a body that stops and keeps the connection",
            |_| Altered(hostile::silent("")),
            &[(&[Get], NEVER), (&[Referrers, FallbackTag, SigTag], UNREAD), (BY_DIGEST, UNREAD)],
        ),
        row(
            "a slow body that arrives",
            |_| Altered(hostile::slow("", Duration::from_micros(10))),
            &[(&[Get], FINE), (&[Referrers, FallbackTag, SigTag], FINE), (BY_DIGEST, FINE)],
        ),
        row(
            "a truncated body",
            |_| Altered(hostile::truncated("")),
            &[(&[Get], NEVER), (&[Referrers, FallbackTag, SigTag], UNREAD), (BY_DIGEST, UNREAD)],
        ),
        row(
            "a redirect to another host, which has nothing",
            |other| Hooked(hostile::redirected("", &format!("http://{other}/v2/app/manifests/v1"))),
            EVERYWHERE,
        )
        .by_program(),
        row("a redirect to itself", |_| Hooked(hostile::redirect_loop("")), EVERYWHERE).by_program(),
        row("401 for basic credentials", |_| Hooked(hostile::challenged("", "Basic realm=\"x\"")), EVERYWHERE)
            .by_program(),
        row("401 after every token", |_| Hooked(hostile::token_loop("")), EVERYWHERE).by_program(),
        row("401 without a challenge", |_| Hooked(hostile::refused("", 401, usize::MAX, None)), EVERYWHERE),
        row("403", |_| Hooked(hostile::refused("", 403, usize::MAX, None)), EVERYWHERE).by_program(),
        row(
            "404",
            |_| Hooked(hostile::refused("", 404, usize::MAX, None)),
            &[(TAG, NEVER), (&[Referrers, FallbackTag, SigTag], ABSENT), (&[AttTag], ABSENT), (BY_DIGEST, UNREAD)],
        )
        .by_program(),
        row("410", |_| Hooked(hostile::refused("", 410, usize::MAX, None)), EVERYWHERE),
        row("400", |_| Hooked(hostile::refused("", 400, usize::MAX, None)), EVERYWHERE),
        row("204", |_| Hooked(hostile::refused("", 204, usize::MAX, None)), EVERYWHERE),
        row("429 for ever", |_| Hooked(hostile::refused("", 429, usize::MAX, None)), EVERYWHERE),
        row(
            "429, come back at once, for ever",
            |_| Hooked(hostile::refused("", 429, usize::MAX, Some("0"))),
            EVERYWHERE,
        ),
        row("429, come back in an hour", |_| Hooked(hostile::refused("", 429, usize::MAX, Some("3600"))), EVERYWHERE)
            .by_program(),
        row("500 for ever", |_| Hooked(hostile::refused("", 500, usize::MAX, None)), EVERYWHERE),
        row("503 for ever", |_| Hooked(hostile::refused("", 503, usize::MAX, None)), EVERYWHERE),
        row(
            "429 once",
            |_| Hooked(hostile::refused("", 429, 1, Some("0"))),
            &[(TAG, FINE), (&[Referrers, FallbackTag, SigTag], FINE), (BY_DIGEST, FINE)],
        ),
        row(
            "503 twice",
            |_| Hooked(hostile::refused("", 503, 2, None)),
            &[(TAG, FINE), (&[Referrers, FallbackTag, SigTag], FINE), (BY_DIGEST, FINE)],
        ),
        row("a page of HTML", |_| Hooked(hostile::html("")), EVERYWHERE).by_program(),
        row("nothing at all", |_| Hooked(hostile::swapped("", MANIFEST, "")), EVERYWHERE),
        row("5 MiB of manifest", |_| Hooked(hostile::swapped("", MANIFEST, huge(5))), MANIFESTS),
        row("33 MiB of list", |_| Hooked(hostile::swapped("", INDEX, huge(33))), &[(&[Referrers], UNREAD)]),
        row("JSON with a member twice", |_| Hooked(hostile::swapped("", INDEX, TWICE)), BODIES),
        row("deeply nested JSON", |_| Hooked(hostile::swapped("", INDEX, nested())), BODIES),
        row(
            "the right content under a wrong media type",
            |_| Altered(hostile::mistyped("", INDEX)),
            &[(&[Get], NEVER), (&[SigTag, Manifest], UNREAD), (&[Bundle, Payload], FINE)],
        ),
        row(
            "an image where a list belongs",
            |_| Hooked(hostile::swapped("", MANIFEST, other_manifest())),
            &[(&[Referrers, FallbackTag], UNREAD)],
        ),
        row("a list that goes on where it began", |_| Altered(hostile::endless_pages("")), &[(&[Referrers], FINE)]),
        row("a list whose next page is not there", |_| Altered(hostile::lost_page("")), &[(&[Referrers], FINE)]),
    ]
}

const TWICE: &str = r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;

fn nested() -> String {
    format!(r#"{{"schemaVersion":2,"manifests":[],"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000))
}

/// A list that says nothing, in so many MiB: a page of a list may have more than a manifest.
fn huge(size: usize) -> String {
    format!(r#"{{"schemaVersion":2,"manifests":[]{}}}"#, " ".repeat(size << 20))
}

fn other_manifest() -> Vec<u8> {
    let boltseal::oci::Manifest::Image(image) = evidence::image("other").1 else { unreachable!("an image") };
    serde_json::to_vec(&image).expect("JSON")
}

/// A case, ready to be run.
struct Case {
    name: String,
    make: fn(SocketAddr) -> Misbehaviour,
    place: Place,
    beside: Beside,
    expected: i32,
    /// A body that stops is waited for that long.
    read_timeout: Duration,
}

fn cases(rows: Vec<Row>) -> Vec<Case> {
    let mut cases = Vec::new();
    for row in rows {
        for (places, exits) in row.cases {
            for place in *places {
                for (beside, expected) in Beside::ALL.into_iter().zip(exits) {
                    let name = format!("{} at {place:?}, beside it {beside:?}", row.name);
                    let stops = row.name.contains("stops");
                    let read_timeout = Duration::from_millis(if stops { 400 } else { 15_000 });
                    cases.push(Case { name, make: row.make, place: *place, beside, expected: *expected, read_timeout });
                }
            }
        }
    }
    cases
}

/// A registry with the case's evidence, which misbehaves from the moment that it is filled.
async fn stage(world: &World, case: &Case, other: SocketAddr) -> Embedded {
    let armed = Arc::new(AtomicBool::new(false));
    let (place, hit) = (case.place, path(world, case.place));
    let hits = move |exchange: &Exchange| exchange.path().ends_with(&hit) || exchange.path() == "/token";
    let on = Arc::clone(&armed);
    let (mut hook, mut alter): (Option<Hook>, Option<Alter>) = (None, None);
    match (case.make)(other) {
        Hooked(hostile) => {
            hook = Some(Arc::new(move |exchange| {
                (on.load(Ordering::SeqCst) && hits(exchange)).then(|| hostile(exchange)).flatten()
            }));
        }
        Altered(hostile) => {
            alter = Some(Arc::new(move |exchange, answer| {
                if on.load(Ordering::SeqCst) && hits(exchange) { hostile(exchange, answer) } else { answer }
            }));
        }
    }
    if place == Get {
        let no_head = hostile::no_head("/manifests/v1");
        hook = Some(hostile::any(std::iter::once(no_head).chain(hook).collect()));
    }
    let referrers_api = place != FallbackTag;
    let options = EmbeddedOptions { referrers_api, hook, alter, ..EmbeddedOptions::default() };
    let registry = Embedded::start(options).await.expect("loopback");
    fill(world, case, &registry).await;
    registry.forget_requests();
    armed.store(true, Ordering::SeqCst);
    registry
}

/// The end of the path that a fault hits.
fn path(world: &World, place: Place) -> String {
    let image = &world.image.0.digest;
    let tag = image.fallback_tag();
    match place {
        Head | Get => "/manifests/v1".to_owned(),
        Referrers => format!("/referrers/{image}"),
        FallbackTag => format!("/manifests/{tag}"),
        SigTag => format!("/manifests/{tag}.sig"),
        AttTag => format!("/manifests/{tag}.att"),
        Manifest => format!("/manifests/{}", world.bundle_a.entry().digest),
        Bundle => format!("/blobs/{}", boltseal::oci::Digest::sha256(&world.bundle_a.blob)),
        Payload => format!("/blobs/{}", boltseal::oci::Digest::sha256(&world.sig_a.0)),
    }
}

/// A's signature behind the fault, and what the case has beside it at a place that the fault does not hit.
async fn fill(world: &World, case: &Case, registry: &Embedded) {
    let writer = Writer::new(registry.address(), "app");
    writer.image(&world.image.1).await;
    let image = &world.image.0.digest;
    match case.place {
        // Behind `.att` lies nothing that a policy of signatures asks for: the signature it can't hide is missing.
        AttTag => {
            if let Some(bundle) = world.bundle(case.beside) {
                writer.attach(bundle).await;
            }
        }
        SigTag | Payload => {
            writer.sig(image, std::slice::from_ref(&world.sig_a)).await;
            if let Some(bundle) = world.bundle(case.beside) {
                writer.attach(bundle).await;
            }
        }
        _ => {
            writer.attach(&world.bundle_a).await;
            if let Some(sig) = world.sig(case.beside) {
                writer.sig(image, std::slice::from_ref(sig)).await;
            }
        }
    }
}

/// Requests of one verification at most, retries and tokens included: nothing goes round in circles.
const REQUESTS: usize = 40;

async fn run(world: &World, case: &Case, other: SocketAddr) -> Option<String> {
    let registry = stage(world, case, other).await;
    let reference = evidence::reference(registry.address(), "app");
    let ended = world.verify(&reference, case.beside, case.read_timeout).await;
    let requests = registry.requests().len();
    let circles = requests > REQUESTS && !case.name.contains("goes on where it began");
    let complaint = ended.complaint(case.expected).or_else(|| circles.then(|| format!("{requests} requests")));
    complaint.map(|complaint| format!("{}: {complaint}", case.name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_every_place_ends_as_the_table_says() {
    let (world, other) = (World::new().await, empty_registry().await);
    let cases = cases(rows());
    let count = cases.len();
    let runs = stream::iter(&cases).map(|case| run(&world, case, other.address())).buffer_unordered(16);
    let failed: Vec<String> = runs.filter_map(|complaint| async { complaint }).collect().await;
    assert!(failed.is_empty(), "{} of {count} cases:\n{}", failed.len(), failed.join("\n"));
    assert!(count > 500, "only {count} cases");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_ends_as_the_table_says() {
    let (world, other) = (Arc::new(World::new().await), empty_registry().await);
    let mut rows = rows();
    rows.retain(|row| row.by_program);
    let mut failed = Vec::new();
    // One place of each kind: the library's table has them all.
    for case in cases(rows).into_iter().filter(|case| matches!(case.place, Head | Referrers | Bundle)) {
        let registry = stage(&world, &case, other.address()).await;
        let (address, beside, world) = (registry.address(), case.beside, Arc::clone(&world));
        let ended =
            tokio::task::spawn_blocking(move || world.verify_by_program(address, beside)).await.expect("it ran");
        failed.extend(ended.complaint(case.expected).map(|complaint| format!("{}: {complaint}", case.name)));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

async fn empty_registry() -> Embedded {
    Embedded::start(EmbeddedOptions::default()).await.expect("loopback")
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let world = World::new().await;
    // Storage that has the blobs, for everybody who comes.
    let storage = empty_registry().await;
    let elsewhere = Writer::new(storage.address(), "app");
    elsewhere.blob(&world.bundle_a.blob).await;
    storage.forget_requests();
    let (at, allowed) = (storage.address(), Arc::new(AtomicBool::new(true)));
    let open = Arc::clone(&allowed);
    let hook: Hook = Arc::new(move |exchange| {
        if open.load(Ordering::SeqCst) {
            return None;
        }
        if !exchange.headers.contains_key("authorization") {
            return hostile::challenged("", "Basic realm=\"x\"")(exchange);
        }
        let to = format!("http://{at}{}", exchange.path_and_query);
        hostile::redirected("/blobs/", &to)(exchange)
    });
    let registry = Embedded::start(EmbeddedOptions { hook: Some(hook), ..Default::default() }).await.expect("loopback");
    let writer = Writer::new(registry.address(), "app");
    writer.image(&world.image.1).await;
    writer.attach(&world.bundle_a).await;
    registry.forget_requests();
    allowed.store(false, Ordering::SeqCst);

    let ended = verify_logged_in(&world, registry.address()).await;
    assert_eq!(ended, 0, "the blob is good, wherever it came from");
    assert!(registry.requests().iter().any(|request| request.authorization), "the registry had asked for credentials");
    let seen = storage.requests();
    assert!(!seen.is_empty() && seen.iter().all(|request| !request.authorization), "{seen:?}");
}

/// Verifies as a user who has logged in to `address`.
async fn verify_logged_in(world: &World, address: SocketAddr) -> i32 {
    use boltseal::{crypto::Zeroizing, limits::Limits, ops::verify::Verifier, policy::Decision, registry};
    let auth = format!(r#"{{"auths":{{"{address}":{{"auth":"dXNlcjpwYXNz"}}}}}}"#);
    let environment = registry::Environment { docker_auth_config: Some(Zeroizing::new(auth)), ..Default::default() };
    let options = registry::Options { environment, ..Default::default() };
    let session = registry::Session::new(options).expect("no files to read");
    let (policy, limits) = (world.policy(Beside::Nothing), Limits::default());
    let now = jiff::Timestamp::UNIX_EPOCH;
    let verifier = Verifier { session: &session, policy: &policy, now, limits: &limits, trust: None };
    let done = verifier.verify(&evidence::reference(address, "app"), None).await.expect("it is there");
    i32::from(!matches!(done.outcome.decision, Decision::Allow(_)))
}
