//! Tags that change between two requests: what was resolved first is what is judged, and what is pulled.

use crate::{
    evidence::{self, Writer},
    world::{Beside, World},
};
use boltseal::{
    limits::Limits,
    oci::{Descriptor, Manifest, Reference},
    ops::{
        pull::{Destination, Progress, pull},
        verify::Verifier,
    },
    policy::Decision,
    registry::{
        Access, Options, Session,
        embedded::{Alter, Embedded, EmbeddedOptions},
    },
};
use jiff::Timestamp;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

/// A registry that has two images in turn under one tag: `first` for the first request, `second` from then on. Only the
/// world's image is signed.
async fn turning(world: &World, first: &Manifest, second: &Manifest) -> (Embedded, Reference) {
    let (asked, armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::new()));
    let (count, on) = (Arc::clone(&asked), Arc::clone(&armed));
    let alter: Alter = Arc::new(move |exchange, answer| {
        let Some(stated) = on.get().filter(|_| exchange.path().ends_with("/manifests/v1")) else { return answer };
        // The registry holds the second image under the tag; the first answer is the one that it gave earlier.
        if count.fetch_add(1, Ordering::SeqCst) > 0 {
            return answer;
        }
        let first: &Descriptor = stated;
        let mut answer = answer;
        let headers = answer.headers_mut();
        headers.insert("docker-content-digest", first.digest.to_string().parse().expect("a header"));
        headers.insert("content-length", first.size.into());
        answer
    });
    let registry =
        Embedded::start(EmbeddedOptions { alter: Some(alter), ..Default::default() }).await.expect("loopback");
    let writer = Writer::new(registry.address(), "app");
    writer.image(first).await;
    writer.image(second).await;
    writer.attach(&world.bundle_a).await;
    registry.forget_requests();
    armed.set(descriptor(first)).expect("once");
    let reference = evidence::reference(registry.address(), "app");
    (registry, reference)
}

fn descriptor(manifest: &Manifest) -> Descriptor {
    let Manifest::Image(image) = manifest else { unreachable!("an image") };
    Descriptor::of(manifest.media_type(), &serde_json::to_vec(image).expect("JSON"))
}

async fn decided(world: &World, reference: &Reference) -> (Descriptor, Decision) {
    let (session, policy) = (Session::new(Options::default()).expect("no files"), world.policy(Beside::Nothing));
    let (now, limits) = (Timestamp::UNIX_EPOCH, Limits::default());
    let verifier = Verifier { session: &session, policy: &policy, now, limits: &limits, trust: None };
    let done = verifier.verify(reference, None).await.expect("it is there");
    let digest = done.findings.subject().digest();
    (Descriptor { digest, ..Descriptor::empty() }, done.outcome.decision)
}

#[tokio::test]
async fn a_tag_that_moves_on_after_it_was_resolved_changes_nothing_that_is_judged() {
    let world = World::new().await;
    let (signed, unsigned) = (&world.image.1, &evidence::image("unsigned").1);

    let (registry, reference) = turning(&world, signed, unsigned).await;
    let (judged, decision) = decided(&world, &reference).await;
    let Decision::Allow(approved) = decision else { panic!("{decision:?}") };
    assert_eq!(judged.digest, descriptor(signed).digest);
    assert_eq!(approved.reference(), reference.at(judged.digest), "what is used next is the digest, without the tag");
    let by_tag = registry.requests().into_iter().filter(|one| one.path_and_query.ends_with("/manifests/v1"));
    assert_eq!(by_tag.count(), 1, "a tag is resolved once");

    let (_registry, reference) = turning(&world, unsigned, signed).await;
    let (judged, decision) = decided(&world, &reference).await;
    assert_eq!(judged.digest, descriptor(unsigned).digest);
    assert!(matches!(decision, Decision::Deny(_)), "the signed image that the tag means by now does not help");
}

struct Silent;

impl Progress for Silent {
    fn total(&self, _: u64) {}
    fn arrived(&self, _: u64) {}
}

#[tokio::test]
async fn what_is_pulled_is_what_was_judged_wherever_the_tag_has_moved() {
    let world = World::new().await;
    let (_registry, reference) = turning(&world, &world.image.1, &evidence::image("unsigned").1).await;
    let (session, policy) = (Session::new(Options::default()).expect("no files"), world.policy(Beside::Nothing));
    let (now, limits) = (Timestamp::UNIX_EPOCH, Limits::default());
    let verifier = Verifier { session: &session, policy: &policy, now, limits: &limits, trust: None };
    let folder = tempfile::tempdir().expect("a folder");
    let destination = Destination::Layout { dir: folder.path().join("image"), tag: Some("v1".to_owned()) };
    let pulled = pull(&verifier, &reference, None, &destination, &Silent).await.expect("it arrives");
    assert_eq!(pulled.fetched.and_then(|fetched| fetched.digest), Some(descriptor(&world.image.1).digest));
    let layout: Reference = format!("oci:{}:v1", folder.path().join("image").display()).parse().expect("a reference");
    let repo = session.open(&layout.repository, Access::Pull).expect("a layout");
    assert_eq!(repo.resolve("v1").await.expect("the tag").digest, descriptor(&world.image.1).digest);
}
