use super::*;
use crate::{
    oci::{Descriptor, ImageManifest, Manifest},
    registry::{
        Access, Options, Selector,
        embedded::{Embedded, EmbeddedOptions},
    },
    serve::tests::{WORDS, judge_settings},
};
use std::{fs, net::TcpListener, time::Duration};
use tempfile::TempDir;

const UNJUDGED: &str = "version: 1\nimages: { \"**\": { mode: disabled } }\n";

/// A judge by a policy; what is decided counts for a minute.
struct Court {
    judge: Judge,
    laws: Arc<Laws>,
    metrics: Arc<Metrics>,
    _home: TempDir,
}

fn court(policy: &str) -> Court {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("policy.yaml"), policy).unwrap();
    let settings = judge_settings(home.path());
    let laws = Arc::new(Laws::load(settings.clone(), WORDS).unwrap());
    let metrics = Arc::new(Metrics::default());
    let cache = toml::from_str("ttl = 60\ntag-ttl = 60").unwrap();
    let judge = Judge::new(settings, &cache, Arc::clone(&laws), Arc::clone(&metrics), WORDS).unwrap();
    Court { judge, laws, metrics, _home: home }
}

async fn image(options: EmbeddedOptions) -> (Embedded, Reference) {
    let registry = Embedded::start(options).await.unwrap();
    let reference: Reference = format!("{}/app:1", registry.address()).parse().unwrap();
    let session = Session::new(Options::default()).unwrap();
    let repo = session.open(&reference.repository, Access::PullPush).unwrap();
    repo.push_blob(b"{}").await.unwrap();
    let manifest = ImageManifest::new(Descriptor::empty(), vec![Descriptor::empty()]);
    repo.push_manifest(&Selector::Tag("1".to_owned()), &Manifest::Image(Box::new(manifest))).await.unwrap();
    registry.forget_requests();
    (registry, reference)
}

// [V-308]
#[tokio::test]
async fn what_is_held_does_not_outlive_the_trusted_roots() {
    let (_registry, reference) = image(EmbeddedOptions::default()).await;
    let court = court(UNJUDGED);
    assert!(court.judge.judge(&reference).await.usable().is_some());
    assert!(court.judge.judge(&reference).await.cached);
    court.laws.load_until(Timestamp::now());
    let judged = court.judge.judge(&reference).await;
    assert!(matches!(&judged.verdict, Err(Undecided::Unknown(why)) if why.contains("expired")), "{judged:?}");
}

// [V-310]
#[tokio::test]
async fn a_verification_goes_on_when_who_asked_for_it_has_gone() {
    let delay = Duration::from_millis(300);
    let (registry, reference) = image(EmbeddedOptions { delay, ..EmbeddedOptions::default() }).await;
    let court = court(UNJUDGED);
    let waiting = tokio::spawn({
        let (judge, reference) = (court.judge.clone(), reference.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            judge.judge(&reference).await
        }
    });
    assert!(timeout(Duration::from_millis(100), court.judge.judge(&reference)).await.is_err());
    assert!(waiting.await.unwrap().usable().is_some());
    assert!(court.judge.judge(&reference).await.cached);
    let verified = |court: &Court| court.metrics.verifications.get_or_create(&[("result", "not-judged")]).get();
    assert_eq!((verified(&court), registry.requests().len()), (1, 1));
    // Nobody waits at all: who comes later finds it.
    let court = self::court(UNJUDGED);
    assert!(timeout(Duration::from_millis(100), court.judge.judge(&reference)).await.is_err());
    while verified(&court) == 0 || !lock(&court.judge.inner.running).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(court.judge.judge(&reference).await.cached);
    assert_eq!(registry.requests().len(), 2);
}

// [V-332]
#[tokio::test]
async fn where_no_scope_matches_no_registry_is_asked_whatever_the_mode() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let tag: Reference = format!("{}/app:1", elsewhere.local_addr().unwrap()).parse().unwrap();
    let digest = tag.at(Digest::sha256(b""));
    for (mode, ruling) in
        [("enforced", None), ("permissive", Some(Ruling::WouldDeny)), ("disabled", Some(Ruling::NotJudged))]
    {
        let court = court(&format!("version: 1\nmode: {mode}\nimages: {{}}\n"));
        for reference in [&tag, &digest] {
            let judged = court.judge.judge(reference).await;
            assert!(judged.reason().contains("no-policy"), "{judged:?}");
            assert_eq!(judged.verdict.as_ref().ok().map(|verdict| verdict.ruling), ruling);
            assert_eq!((judged.may_be_used(), judged.usable()), (ruling.is_some(), ruling.and(reference.digest)));
        }
    }
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
