use super::{
    server::{Memory, Server, status},
    *,
};
use crate::limits::MERGES;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

fn listed(listing: &Listing) -> Vec<Digest> {
    let mut digests: Vec<_> = listing.entries.iter().map(|entry| entry.digest).collect();
    digests.sort();
    digests
}

// [V-15]
#[tokio::test(flavor = "multi_thread")]
async fn ten_writers_at_once_lose_nothing() {
    let server = Arc::new(Server::start(Memory::default().handler()).await);
    let subject = Digest::sha256(b"subject");
    let writers: Vec<_> = (0..10)
        .map(|number| {
            let server = Arc::clone(&server);
            // Each is a process of its own as far as the registry can tell.
            tokio::spawn(async move { open(&server).attach(&artifact(&subject, number)).await.unwrap() })
        })
        .collect();
    let mut attached = Vec::new();
    for writer in writers {
        attached.push(writer.await.unwrap());
    }
    attached.sort();
    let listing = open(&server).referrers(&subject).await;
    assert!(listing.fault.is_none(), "{:?}", listing.fault);
    assert_eq!(listed(&listing), attached);
}

// [V-14]
#[tokio::test]
async fn a_fallback_entry_is_spec_true_and_others_stay_as_they_stand() {
    let memory = Memory::default();
    let server = Server::start(memory.handler()).await;
    let subject = Digest::sha256(b"subject");
    let foreign = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","x-index":1,"manifests":[{{"mediaType":"{}","digest":"{}","size":7,"artifactType":"odd","x-entry":[1]}}]}}"#,
        media_type::IMAGE_INDEX,
        media_type::IMAGE_MANIFEST,
        Digest::sha256(b"foreign")
    );
    let digest = Digest::sha256(foreign.as_bytes()).to_string();
    {
        let mut state = memory.state.lock().unwrap();
        state.tags.insert(subject.fallback_tag(), digest.clone());
        state.manifests.insert(digest, (media_type::IMAGE_INDEX.to_owned(), foreign.into()));
    }
    let repo = open(&server);
    let ours = artifact(&subject, 1);
    let digest = repo.attach(&ours).await.unwrap();
    repo.attach(&ours).await.unwrap();
    let state = memory.state.lock().unwrap();
    let (_, content) = &state.manifests[&state.tags[&subject.fallback_tag()]];
    let index: serde_json::Value = serde_json::from_slice(content).unwrap();
    assert_eq!(index["x-index"], 1);
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "the second attach added nothing");
    assert_eq!(index["manifests"][0]["x-entry"], serde_json::json!([1]));
    assert_eq!(index["manifests"][0]["artifactType"], "odd");
    assert_eq!(index["manifests"][1]["digest"], digest.to_string());
    assert_eq!(index["manifests"][1]["artifactType"], "application/vnd.example");
    assert_eq!(index["manifests"][1]["annotations"]["number"], "1");
}

#[tokio::test]
async fn a_registry_that_lists_it_itself_gets_no_fallback_tag() {
    let server = Server::start(Memory { referrers_api: true, ..Memory::default() }.handler()).await;
    open(&server).attach(&artifact(&Digest::sha256(b"subject"), 1)).await.unwrap();
    assert_eq!(server.log().len(), 1, "{:?}", server.log());
}

#[tokio::test]
async fn signing_on_the_fallback_tag_takes_ten_requests() {
    let server = Server::start(Memory::default().handler()).await;
    let (digest, _) = open(&server).push_manifest(&tag("v1"), &Manifest::Image(Box::new(image(0)))).await.unwrap();
    let before = server.log().len();
    // A third of this is how old the read of the list may be.
    let options = Options { settle: Duration::from_millis(1500), ..quick() };
    let repo = open_with(&server, options, Access::PullPush);
    repo.manifest(&Selector::Digest(digest)).await.unwrap();
    assert!(repo.referrers(&digest).await.fault.is_none());
    let (bundle, config) = (repo.push_blob(b"bundle"), repo.push_blob(b"{}"));
    tokio::try_join!(bundle, config).unwrap();
    repo.attach(&artifact(&digest, 1)).await.unwrap();
    assert_eq!(server.log().len() - before, 10, "{:#?}", server.log());
}

#[tokio::test]
async fn a_change_that_is_always_overwritten_ends_as_contended() {
    let memory = Memory::default();
    let handler = memory.handler();
    let server = Server::start(move |call, nth| {
        let answer = handler(call, nth);
        memory.state.lock().unwrap().tags.clear();
        answer
    })
    .await;
    let options = Options { settle: Duration::from_micros(10), ..quick() };
    let repo = open_with(&server, options, Access::PullPush);
    let error = repo.attach(&artifact(&Digest::sha256(b"subject"), 1)).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Contended(MERGES)), "{error}");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_read_back_and_not_sent_again() {
    let memory = Memory::default();
    let handler = memory.handler();
    let server = Server::start(move |call, nth| {
        let answer = handler(call, nth);
        let shared = call.method == "PUT" && !call.path.contains("sha256:");
        if shared { status(503) } else { answer }
    })
    .await;
    open(&server).attach(&artifact(&Digest::sha256(b"subject"), 1)).await.unwrap();
    assert_eq!(server.log().iter().filter(|line| line.starts_with("PUT")).count(), 2, "{:#?}", server.log());
}

/// Wants one blob more than the tag's manifest has, and counts how often it was asked.
struct AddLayer(Vec<u8>, AtomicUsize);

impl Merge for AddLayer {
    fn merge(&self, current: Option<&Manifest>) -> Result<Option<Merged>, String> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let layer = Descriptor::of("a/b", &self.0);
        let mut image = match current {
            None => image(0),
            Some(Manifest::Image(image)) => (**image).clone(),
            Some(Manifest::Index(_)) => return Err("it is an index".to_owned()),
        };
        if image.layers.iter().any(|known| known.digest == layer.digest) {
            return Ok(None);
        }
        image.layers.push(layer);
        Ok(Some(Merged { manifest: Manifest::Image(Box::new(image)), blobs: vec![self.0.clone()] }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_writers_with_blobs_lose_nothing() {
    let memory = Memory::default();
    let server = Arc::new(Server::start(memory.handler()).await);
    let writers: Vec<_> = (0..10_u8)
        .map(|number| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let change = AddLayer(vec![number], AtomicUsize::new(0));
                open(&server).update_tag("sha256-00.sig", None, &change).await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let fetched = open(&server).manifest(&tag("sha256-00.sig")).await.unwrap();
    let mut layers: Vec<_> = fetched.image().unwrap().layers.iter().map(|layer| layer.digest).collect();
    layers.sort();
    let mut expected: Vec<_> = (0..10_u8).map(|number| Digest::sha256(&[number])).collect();
    expected.sort();
    assert_eq!(layers, expected);
    assert!(expected.iter().all(|digest| memory.state.lock().unwrap().blobs.contains_key(&digest.to_string())));
}

#[tokio::test]
async fn what_can_not_be_built_on_is_left_alone() {
    let server = Server::start(Memory::default().handler()).await;
    let (repo, subject) = (open(&server), Digest::sha256(b"subject"));
    repo.push_manifest(&tag(&subject.fallback_tag()), &Manifest::Image(Box::new(image(1)))).await.unwrap();
    let error = repo.attach(&artifact(&subject, 1)).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Merge(_)), "{error}");
    let tagged = repo.manifest(&tag(&subject.fallback_tag())).await.unwrap();
    assert_eq!(tagged.image(), Some(&image(1)));
}
