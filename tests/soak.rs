//! Long runs: a thousand images through one process without growing, and many writers of one tag without losing any.
//! `./check all` runs this in a release build; it takes about a minute there.

use boltseal::{
    crypto::PrivateKey,
    format::{bundle, predicate, statement::Statement},
    limits::Limits,
    oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, media_type},
    ops::verify::Verifier,
    policy::{Decision, Flags, Policy},
    registry::{
        Access, ListSource, Options, Repo, Selector, Session,
        embedded::{Embedded, EmbeddedOptions},
    },
    sign::{LocalSigner, Signer, seal},
};
use futures_util::{StreamExt as _, future::join_all, stream};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fs, time::Duration};
use tokio::sync::Mutex;

const IMAGES: usize = 1_000;
const AT_ONCE: usize = 16;
/// Growth of this process's memory from the first round over all images to the last; the embedded registry is part of it.
const GROWTH: f64 = 1.15;
const WRITERS: usize = 20;
const ROUNDS: usize = 3;
/// Memory and open files are this process's: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A thousand images are verified three times over, with one session.
#[tokio::test]
async fn a_thousand_images_leave_memory_and_file_descriptors_as_they_were() {
    let _alone = ALONE.lock().await;
    let embedded = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let signer = signer();
    let push = Session::new(Options::default()).expect("a session");
    let images = stream::iter(0..IMAGES).map(|number| {
        let reference = format!("{}/fleet/{number}:1", embedded.address());
        image(&push, reference.parse().expect("a reference"), &signer)
    });
    let images: Vec<Reference> = images.buffered(AT_ONCE).collect().await;
    drop(push);

    let flags =
        Flags { keys: vec![("release".to_owned(), signer.public_key().clone())], signatures: true, ..Flags::default() };
    let policy = Policy::from_flags(flags).expect("a policy");
    let limits = Limits::default();
    let before = open_files();
    let mut memory = Vec::new();
    {
        let session = Session::new(Options::default()).expect("a session");
        let verifier =
            Verifier { session: &session, policy: &policy, now: Timestamp::now(), limits: &limits, trust: None };
        for round in 0..ROUNDS {
            embedded.forget_requests();
            let verified = stream::iter(&images).map(|image| async move {
                let verification = verifier.verify(image, None).await.expect("an answer");
                matches!(verification.outcome.decision, Decision::Allow(_))
            });
            let allowed = verified.buffered(AT_ONCE).filter(|allowed| std::future::ready(*allowed)).count().await;
            assert_eq!(allowed, IMAGES, "allowed in round {round}");
            // 16 at once, of which each asks for three things at once; the registry's end of each is ours too.
            let files = open_files() - before;
            assert!(files <= 2 * 3 * AT_ONCE + 16, "{files} more open files in round {round}");
            memory.push(resident());
        }
    }
    let growth = memory[ROUNDS - 1] as f64 / memory[0] as f64;
    assert!(growth <= GROWTH, "memory grew by {growth:.2}: {memory:?} KiB");
    // The registry's ends close when it sees that ours are closed.
    for _ in 0..100 {
        if open_files() <= before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} files before, {} after", before, open_files());
}

/// Every writer has a session of its own, as if each were a process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_writers_of_one_fallback_tag_lose_nothing() {
    let _alone = ALONE.lock().await;
    let options = EmbeddedOptions { referrers_api: false, ..EmbeddedOptions::default() };
    let embedded = Embedded::start(options).await.expect("a registry");
    let signer = signer();
    let session = Session::new(Options::default()).expect("a session");
    let reference: Reference = format!("{}/app:1", embedded.address()).parse().expect("a reference");
    let image = image(&session, reference.clone(), &signer).await;
    let repo = session.open(&image.repository, Access::Pull).expect("a repository");
    let subject = repo.manifest(&Selector::Tag("1".to_owned())).await.expect("the image").descriptor;
    let mut written = listed(&repo, &subject.digest).await;
    assert_eq!(written.len(), 1);
    for round in 0..ROUNDS {
        let writers = (0..WRITERS).map(|writer| {
            let (reference, subject, signer) = (&reference, &subject, &signer);
            async move {
                let session = Session::new(Options::default()).expect("a session");
                let repo = session.open(&reference.repository, Access::PullPush).expect("a repository");
                attach(&repo, subject, signer, &format!("{round}/{writer}")).await
            }
        });
        written.extend(join_all(writers).await);
        assert_eq!(listed(&repo, &subject.digest).await, written, "after round {round}");
    }
    assert_eq!(written.len(), 1 + WRITERS * ROUNDS);
}

fn signer() -> LocalSigner {
    LocalSigner::new(PrivateKey::generate(boltseal::crypto::KeyAlgorithm::EcdsaP256).expect("a key"))
}

/// Pushes a small image and one bundle.
async fn image(session: &Session, reference: Reference, signer: &LocalSigner) -> Reference {
    let repo = session.open(&reference.repository, Access::PullPush).expect("a repository");
    let layer = reference.to_string().into_bytes();
    for blob in [&layer, media_type::EMPTY_CONTENT] {
        repo.push_blob(blob).await.expect("a blob");
    }
    let layers = vec![Descriptor::of("application/vnd.oci.image.layer.v1.tar", &layer)];
    let image = ImageManifest::new(Descriptor::empty(), layers);
    let content = serde_json::to_vec(&image).expect("JSON");
    let subject = Descriptor::of(media_type::IMAGE_MANIFEST, &content);
    let tag = Selector::Tag("1".to_owned());
    repo.push_manifest(&tag, &Manifest::Image(Box::new(image))).await.expect("a manifest");
    attach(&repo, &subject, signer, "first").await;
    reference
}

async fn attach(repo: &Repo, subject: &Descriptor, signer: &LocalSigner, note: &str) -> Digest {
    let mut statement = Statement::about(&subject.digest, None, predicate::IMAGE_SIGNATURE, Value::Object(Map::new()));
    for named in &mut statement.subject {
        named.annotations = Some([("note".to_owned(), Value::from(note))].into());
    }
    let envelope = seal(statement.encode(), signer).await.expect("an envelope");
    let content = bundle::encode_keyed(&envelope, &signer.public_key().hint());
    repo.push_blob(&content).await.expect("a blob");
    let layers = vec![Descriptor::of(media_type::BUNDLE_V03, &content)];
    let mut manifest = ImageManifest::new(Descriptor::empty(), layers);
    manifest.artifact_type = Some(media_type::BUNDLE_V03.to_owned());
    manifest.subject = Some(subject.clone());
    repo.attach(&manifest).await.expect("a referrer")
}

async fn listed(repo: &Repo, subject: &Digest) -> BTreeSet<Digest> {
    let listing = repo.referrers(subject).await;
    assert!(listing.fault.is_none() && listing.source == ListSource::FallbackTag, "{listing:?}");
    listing.entries.iter().map(|entry| entry.digest).collect()
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}
