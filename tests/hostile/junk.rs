//! The table of junk: what others hang on an image, whose bytes have the right digests. It neither helps nor harms.
//!
//! Exit codes stand for, in this order: nothing beside it; A's signature behind it in the same list; A's signature at
//! another place; B's signature at another place and a policy that asks for both.

use crate::{
    common::hostile,
    evidence::{self, Attached, Writer},
    world::{Beside, Ended, World},
};
use boltseal::{
    format::predicate,
    oci::{Descriptor, Digest, ImageIndex, ImageManifest, Manifest, media_type},
    registry::embedded::{Embedded, EmbeddedOptions},
};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// What hangs on the image.
#[derive(Clone, Default)]
struct Junk {
    /// Entries of the list of referrers, and what each leads to.
    referrers: Vec<(Descriptor, Vec<u8>)>,
    blobs: Vec<Vec<u8>>,
    /// Layers of `.sig`.
    sig: Vec<(Vec<u8>, String)>,
    /// Instead of a `.sig` manifest.
    sig_instead: Option<(&'static str, Vec<u8>)>,
}

impl Junk {
    fn attached(attached: impl IntoIterator<Item = Attached>) -> Self {
        let mut junk = Self::default();
        for one in attached {
            junk.referrers.push((one.entry(), one.bytes()));
            junk.blobs.push(one.blob);
        }
        junk
    }

    /// A referrer with this bundle.
    fn bundle(world: &World, bytes: impl Into<Vec<u8>>) -> Self {
        Self::attached([Attached::new(&world.image.0, media_type::BUNDLE_V03, bytes)])
    }

    /// A listed manifest with these bytes.
    fn manifest(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { referrers: vec![(Descriptor::of(media_type::IMAGE_MANIFEST, &bytes), bytes)], ..Self::default() }
    }

    fn sig(layers: Vec<(Vec<u8>, String)>) -> Self {
        Self { sig: layers, ..Self::default() }
    }

    fn is_sig(&self) -> bool {
        !self.sig.is_empty() || self.sig_instead.is_some()
    }
}

struct Row {
    name: &'static str,
    junk: Junk,
    exits: [i32; 4],
    /// The rejection that the junk ends with, if with any.
    rejected: Option<&'static str>,
}

/// It neither helps nor harms.
const JUNK: [i32; 4] = [1, 0, 0, 1];
/// More than is read: what lies behind it is not seen.
const FLOOD: [i32; 4] = [4, 4, 0, 4];
/// Something that was not read.
const UNREAD: [i32; 4] = [4, 0, 0, 4];

async fn rows(world: &World) -> Vec<Row> {
    let mut rows = bundles(world).await;
    rows.extend(manifests(world).await);
    rows.extend(sigs(world).await);
    rows
}

fn row(name: &'static str, rejected: impl Into<Option<&'static str>>, junk: Junk) -> Row {
    Row { name, junk, exits: JUNK, rejected: rejected.into() }
}

async fn bundles(world: &World) -> Vec<Row> {
    let (image, elsewhere) = (&world.image.0, evidence::image("elsewhere").0);
    let good = String::from_utf8(world.bundle_a.blob.clone()).expect("JSON");
    let said = |key, kind| evidence::bundle_bytes(key, &image.digest, kind, json!({}));
    let about_elsewhere = evidence::bundle_bytes(&world.a, &elsewhere.digest, predicate::IMAGE_SIGNATURE, json!({}));
    let altered = good.replace("\"payload\":\"eyJ", "\"payload\":\"ewJ");
    assert_ne!(altered, good);
    let mut strangers = Vec::new();
    for _ in 0..150 {
        strangers.push(evidence::bundle(&evidence::signer(), image).await);
    }
    vec![
        row("no JSON", "malformed", Junk::bundle(world, "not JSON")),
        row("an empty bundle", "malformed", Junk::bundle(world, "")),
        row("half a bundle", "malformed", Junk::bundle(world, &good.as_bytes()[..good.len() / 2])),
        row(
            "a bundle with a member twice",
            "malformed",
            Junk::bundle(world, good.replacen('{', "{\"mediaType\":\"x\",", 1)),
        ),
        row(
            "a deeply nested bundle",
            "malformed",
            Junk::bundle(
                world,
                good.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(99_999), "]".repeat(99_999)), 1),
            ),
        ),
        row(
            "a bundle by a stranger",
            "signer-unknown",
            Junk::bundle(world, said(&world.stranger, predicate::IMAGE_SIGNATURE).await),
        ),
        row("150 bundles by strangers", "signer-unknown", Junk::attached(strangers)),
        row("A's bundle about another image", "subject-mismatch", Junk::bundle(world, about_elsewhere.await)),
        row("A's bundle, altered", "signature-invalid", Junk::bundle(world, altered)),
        row("A's attestation, which is no signature", None, Junk::bundle(world, said(&world.a, predicate::VULN).await)),
        row(
            "a bundle with a certificate",
            "malformed",
            Junk::bundle(world, good.replace(&hint(&good), "{\"certificate\":{\"rawBytes\":\"AA==\"}}")),
        ),
    ]
}

/// The verification material of a bundle, as text.
fn hint(bundle: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(bundle).expect("JSON");
    value["verificationMaterial"].to_string()
}

async fn manifests(world: &World) -> Vec<Row> {
    let image = &world.image.0;
    let good = String::from_utf8(world.bundle_a.bytes()).expect("JSON");
    let index = serde_json::to_vec(&ImageIndex::new(vec![world.bundle_a.entry()])).expect("JSON");
    let index = Junk { referrers: vec![(Descriptor::of(media_type::IMAGE_INDEX, &index), index)], ..Junk::default() };
    let no_manifest = Descriptor::of("text/plain", b"text");
    let no_manifest = Junk { referrers: vec![(no_manifest, b"text".to_vec())], ..Junk::default() };
    let many = ImageManifest::new(Descriptor::empty(), vec![Descriptor::empty(); 3_000]);
    let mut large = Attached::new(image, media_type::BUNDLE_V03, "small");
    large.manifest.layers[0].size = 40 << 20;
    let notation = Attached::new(image, "application/jose+json", "{}");
    let repeated = Junk::attached(vec![evidence::bundle(&world.stranger, image).await; 500]);
    let crowd = (0..10_000).map(|at| {
        let mut one = Attached::new(image, "application/octet-stream", "{}");
        one.manifest.annotations.insert("at".to_owned(), at.to_string());
        one
    });
    let mut rows = vec![
        row("a manifest with a member twice", "malformed", {
            Junk::manifest(good.replacen('{', "{\"schemaVersion\":2,", 1))
        }),
        row("a deeply nested manifest", "malformed", {
            Junk::manifest(good.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(9_999), "]".repeat(9_999)), 1))
        }),
        row("a manifest of nothing", "malformed", Junk::manifest("{}")),
        row("a manifest with 3,000 layers", "malformed", Junk::manifest(serde_json::to_vec(&many).expect("JSON"))),
        row("an index as a referrer", "format-unsupported", index),
        row("a text as a referrer", "format-unsupported", no_manifest),
        row("a signature by Notation", "format-unsupported", Junk::attached([notation])),
        row("one bundle listed 500 times", "signer-unknown", repeated),
        row("a bundle of 40 MiB", None, Junk::attached([large])),
        row("10,000 referrers", "format-unsupported", Junk::attached(crowd)),
    ];
    for row in &mut rows {
        match row.name {
            "10,000 referrers" => row.exits = FLOOD,
            "a bundle of 40 MiB" => row.exits = UNREAD,
            _ => {}
        }
    }
    rows
}

async fn sigs(world: &World) -> Vec<Row> {
    let digest = &world.image.0.digest;
    let (payload, signature) = world.sig_a.clone();
    let stranger = evidence::simple(&world.stranger, digest).await;
    let elsewhere = evidence::simple(&world.a, &evidence::image("elsewhere").0.digest).await;
    let crowd = |count: usize| -> Vec<_> {
        (0..count).map(|at| (payload.clone(), format!("{}{at:04}", &signature[..signature.len() / 8 * 4]))).collect()
    };
    let altered = String::from_utf8(payload.clone()).expect("JSON").replace(":v1", ":v2").into_bytes();
    let index = serde_json::to_vec(&ImageIndex::new(Vec::new())).expect("JSON");
    vec![
        row("a signature by a stranger", "signer-unknown", Junk::sig(vec![stranger])),
        row("A's signature of another image", "subject-mismatch", Junk::sig(vec![elsewhere])),
        row("A's signature over other bytes", "signer-unknown", Junk::sig(vec![(altered, signature.clone())])),
        row("a signature that is no base64", "malformed", Junk::sig(vec![(payload.clone(), "*".to_owned())])),
        row("150 junk signatures", "signer-unknown", Junk::sig(crowd(150))),
        row("an index as .sig", "format-unsupported", {
            Junk { sig_instead: Some((media_type::IMAGE_INDEX, index)), ..Junk::default() }
        }),
        Row { exits: FLOOD, ..row("1,500 signatures", "signer-unknown", Junk::sig(crowd(1_500))) },
    ]
}

/// Where the good signature is.
#[derive(Clone, Copy, Debug)]
enum Good {
    At(Beside),
    Behind,
}

const STATES: [Good; 4] = [Good::At(Beside::Nothing), Good::Behind, Good::At(Beside::Good), Good::At(Beside::Half)];

async fn run(world: &World, row: &Row, good: Good, api: bool) -> Ended {
    let (mut junk, mut beside) = (row.junk.clone(), Beside::Nothing);
    match good {
        Good::At(at) => beside = at,
        Good::Behind if junk.is_sig() => junk.sig.push(world.sig_a.clone()),
        Good::Behind => {
            junk.referrers.push((world.bundle_a.entry(), world.bundle_a.bytes()));
            junk.blobs.push(world.bundle_a.blob.clone());
        }
    }
    let options = EmbeddedOptions {
        referrers_api: api,
        hook: Some(hostile::held(content(world, &junk, api))),
        ..EmbeddedOptions::default()
    };
    let registry = Embedded::start(options).await.expect("loopback");
    let writer = Writer::new(registry.address(), "app");
    writer.image(&world.image.1).await;
    match (row.junk.is_sig(), world.sig(beside), world.bundle(beside)) {
        (false, Some(sig), _) => writer.sig(&world.image.0.digest, std::slice::from_ref(sig)).await,
        (true, _, Some(bundle)) => writer.attach(bundle).await,
        _ => {}
    }
    registry.forget_requests();
    let reference = evidence::reference(registry.address(), "app");
    let ended = world.verify(&reference, beside, Duration::from_secs(15)).await;
    assert_no_repeats(row.name, &registry);
    ended
}

fn assert_no_repeats(name: &str, registry: &Embedded) {
    let mut seen: Vec<_> = registry.requests().into_iter().map(|one| (one.method, one.path_and_query)).collect();
    let count = seen.len();
    seen.sort_by(|one, other| one.1.cmp(&other.1).then_with(|| one.0.as_str().cmp(other.0.as_str())));
    seen.dedup();
    assert_eq!(seen.len(), count, "{name}: a request was sent twice");
}

/// What the hook serves, by tag and by digest.
fn content(world: &World, junk: &Junk, api: bool) -> BTreeMap<String, (String, Vec<u8>)> {
    let image = &world.image.0.digest;
    let mut content = BTreeMap::new();
    let mut add = |name: String, media_type: &str, bytes: &[u8]| {
        content.insert(name, (media_type.to_owned(), bytes.to_vec()));
    };
    for (entry, bytes) in &junk.referrers {
        add(entry.digest.to_string(), &entry.media_type, bytes);
    }
    for bytes in junk.blobs.iter().chain(junk.sig.iter().map(|(payload, _)| payload)) {
        add(Digest::sha256(bytes).to_string(), "application/octet-stream", bytes);
    }
    if !junk.referrers.is_empty() {
        let entries = junk.referrers.iter().map(|(entry, _)| entry.clone()).collect();
        let list = serde_json::to_vec(&ImageIndex::new(entries)).expect("JSON");
        add(if api { format!("referrers/{image}") } else { image.fallback_tag() }, media_type::IMAGE_INDEX, &list);
    }
    let sig = format!("{}.sig", image.fallback_tag());
    match (&junk.sig_instead, junk.sig.is_empty()) {
        (Some((media_type, bytes)), _) => add(sig, media_type, bytes),
        (None, false) => {
            let Manifest::Image(manifest) = evidence::sig_manifest(&junk.sig) else {
                unreachable!("an image manifest")
            };
            add(sig, media_type::IMAGE_MANIFEST, &serde_json::to_vec(&manifest).expect("JSON"));
        }
        (None, true) => {}
    }
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_neither_helps_nor_harms_and_floods_are_told_as_such() {
    let world = World::new().await;
    let rows = rows(&world).await;
    let mut cases = Vec::new();
    for row in &rows {
        for (good, expected) in STATES.into_iter().zip(row.exits) {
            let behind = matches!(good, Good::Behind);
            for api in [true, false] {
                // A flood once is enough; and behind what is no manifest lies nothing.
                let skipped = (row.junk.referrers.len() > 1_000 || row.junk.is_sig()) && !api
                    || behind && row.junk.sig_instead.is_some();
                if !skipped {
                    cases.push((row, good, expected, api));
                }
            }
        }
    }
    let world = &world;
    let runs = stream::iter(cases).map(|(row, good, expected, api)| async move {
        let ended = run(world, row, good, api).await;
        let unseen = row.rejected.filter(|id| !ended.rejected.iter().any(|one| one == id));
        let complaint = ended.complaint(expected).or_else(|| unseen.map(|id| format!("no rejection {id}: {ended:?}")));
        complaint.map(|complaint| format!("{}, good {good:?}, api {api}: {complaint}", row.name))
    });
    let failed: Vec<String> = runs.buffer_unordered(8).filter_map(|complaint| async { complaint }).collect().await;
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn an_image_that_carries_nothing_is_unsigned_and_one_that_is_not_there_is_not() {
    let world = World::new().await;
    for api in [true, false] {
        let options = EmbeddedOptions { referrers_api: api, ..EmbeddedOptions::default() };
        let registry = Embedded::start(options).await.expect("loopback");
        Writer::new(registry.address(), "app").image(&world.image.1).await;
        let by_tag = evidence::reference(registry.address(), "app");
        let waits = Duration::from_secs(15);
        let ended = world.verify(&by_tag, Beside::Nothing, waits).await;
        assert_eq!((ended.exit, ended.reasons), (1, vec!["unsigned".to_owned()]));
        let nowhere = by_tag.at(Digest::sha256(b"nowhere"));
        assert_eq!(world.verify(&nowhere, Beside::Nothing, waits).await.exit, 4, "a digest that is not there");
    }
}
