//! The walk over images, without a network: a world of images, whose provenance says what it likes.

use super::*;
use crate::{
    crypto::{KeyAlgorithm, PrivateKey},
    format::predicate::{Predicate, SLSA_V02},
    limits::{CHAIN_DEPTH, CHAIN_IMAGES},
    oci::{Descriptor, Digest, Embedded, ImageIndex, Manifest, media_type},
    policy::{Mode, Policy, PolicyError, Reason},
    trust::Identity,
    verify::{Claim, Findings, Format, Place, Subject, Unread, Verified, Via},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{borrow::Cow, sync::LazyLock};

static CI: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
static VENDOR: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
static EVIL: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());

const NOW: &str = "2026-11-21T00:00:00Z";
const BUILDKIT: &str = "https://mobyproject.org/buildkit@v1";

fn policy_of(images: &str) -> Result<Policy, PolicyError> {
    let text =
        format!("{{version: 1, authorities: {{ci: {{key: ci}}, vendor: {{key: vendor}}}}, images: {{{images}}}}}");
    let load = |name: &str| Ok(if name == "ci" { CI.public().clone() } else { VENDOR.public().clone() });
    Policy::parse(&text, &load)
}

/// Applications of ours on the vendor's images; `base` is asked of applications alone.
fn policy(base: &str) -> Policy {
    policy_of(&format!(
        "\"r.example/app/**\": {{signatures: {{from: [ci]}}, provenance: {{from: [ci]}}, {base}}}, \
         \"r.example/base/**\": {{signatures: {{from: [vendor]}}}}, \"v.example/**\": {{signatures: {{from: [vendor]}}}}, \
         \"*.wild.example/**\": {{signatures: {{from: [vendor]}}}}, \"off.example/**\": {{mode: disabled, signatures: {{from: [vendor]}}}}"
    ))
    .unwrap()
}

fn digest(name: &str) -> Digest {
    Digest::sha256(name.as_bytes())
}

fn reference(name: &str) -> Reference {
    Reference { digest: Some(digest(name)), ..name.parse().unwrap() }
}

fn said(key: &PrivateKey, name: &str, claim: Claim) -> Verified {
    let place = Place { subject: digest(name), via: Via::Referrers, manifest: None, layer: 0 };
    Verified::for_test(Identity::Key(key.public().fingerprint()), digest(name), claim, place)
}

/// BuildKit's provenance of an image that was built from these.
fn provenance(key: &PrivateKey, name: &str, from: &[&str]) -> Verified {
    typed(key, name, BUILDKIT, from)
}

fn typed(key: &PrivateKey, name: &str, build_type: &str, from: &[&str]) -> Verified {
    let material = |name: &&str| match name.strip_prefix('!') {
        Some(uri) => json!({ "uri": uri }),
        None => {
            json!({ "uri": format!("docker://{name}"), "digest": { "sha256": digest(name).to_string().split(':').nth(1) } })
        }
    };
    let predicate: Value = json!({ "builder": { "id": "b" }, "buildType": build_type, "materials": from.iter().map(material).collect::<Vec<_>>() });
    let predicate = Predicate::from(predicate);
    said(key, name, Claim::Attestation { predicate_type: SLSA_V02.to_owned(), predicate, references: Vec::new() })
}

fn signed(key: &PrivateKey, name: &str) -> Verified {
    said(key, name, Claim::Signature { references: Vec::new(), annotations: [].into() })
}

/// What hangs on each image; an image that is not in it can't be read.
#[derive(Default)]
struct World {
    images: BTreeMap<Reference, (Vec<Verified>, bool)>,
    indices: BTreeMap<Reference, Embedded>,
    asked: Vec<String>,
}

impl World {
    fn with(mut self, name: &str, evidence: Vec<Verified>) -> Self {
        self.images.insert(reference(name), (evidence, true));
        self
    }

    /// Not all that hangs on the image can be read.
    fn partly(mut self, name: &str, evidence: Vec<Verified>) -> Self {
        self.images.insert(reference(name), (evidence, false));
        self
    }

    fn find(&self, image: &Reference) -> Option<Findings> {
        let (evidence, whole) = self.images.get(image)?;
        let unread = if *whole { vec![] } else { vec![Unread { what: "a referrer".into(), why: "503".into() }] };
        let mut subject = Subject::new(image.clone(), image.digest.unwrap());
        if let Some(embedded) = self.indices.get(image) {
            subject = subject.with_embedded(embedded.clone());
        }
        Some(Findings::for_test(subject, evidence.clone(), Vec::new(), unread))
    }

    /// As `ops` drives it: level by level.
    fn walk<'p>(&mut self, policy: &'p Policy, root: &'p Findings, least: usize) -> Lineage<'p> {
        let mut lineage = Lineage::new(policy, root, least, NOW.parse().unwrap());
        loop {
            let wanted = lineage.wanted();
            if wanted.is_empty() {
                return lineage;
            }
            for image in wanted {
                self.asked.push(image.repository.to_string());
                let found = self.find(&image);
                let seen = found.map_or(Seen::Unread("503".to_owned()), |found| Seen::Findings(Cow::Owned(found)));
                lineage.give(&image, seen);
            }
        }
    }

    fn judge(&mut self, policy: &Policy, name: &str) -> String {
        let root = self.find(&reference(name)).unwrap();
        told(&self.walk(policy, &root, 0).outcome().decision)
    }
}

fn told(decision: &Decision) -> String {
    let ids = |reasons: &[Reason]| reasons.first().map_or("", Reason::id).to_owned();
    match decision {
        Decision::Allow(_) => "allow".to_owned(),
        Decision::Deny(reasons) => format!("deny:{}", ids(reasons)),
        Decision::Undetermined(reasons) => format!("undetermined:{}", ids(reasons)),
        Decision::NotJudged => "not-judged".to_owned(),
    }
}

const APP: &str = "r.example/app/cart:1";
const BASE: &str = "r.example/base/go:1";
const DISTRO: &str = "v.example/distro:3";
const ONE: &str = "base: {policy: apply}";

fn app(from: &[&str]) -> Vec<Verified> {
    vec![signed(&CI, APP), provenance(&CI, APP, from)]
}

// [V-262]
#[test]
fn a_base_has_to_be_allowed_by_its_own_scope() {
    let judge = |evidence: Vec<Verified>| {
        World::default().with(APP, app(&[BASE])).with(BASE, evidence).judge(&policy(ONE), APP)
    };
    assert_eq!(judge(vec![signed(&VENDOR, BASE)]), "allow");
    assert_eq!(judge(vec![]), "deny:base-denied");
    assert_eq!(
        judge(vec![signed(&CI, BASE)]),
        "deny:base-denied",
        "whom the application trusts is not whom the base does"
    );
    // Not asked, the base does not matter, and nobody looks at it.
    let plain = policy("config: {non-root: true}");
    let mut world = World::default().with(APP, app(&[BASE]));
    assert_eq!(world.judge(&plain, APP), "deny:config-unread");
    assert!(world.asked.is_empty());
}

// [V-262] [V-267]
#[test]
fn each_image_that_went_into_the_build_counts() {
    let mut world = World::default().with(APP, app(&[BASE, DISTRO])).with(BASE, vec![signed(&VENDOR, BASE)]);
    assert_eq!(world.judge(&policy(ONE), APP), "undetermined:base-unread");
    let mut world = world.with(DISTRO, vec![]);
    assert_eq!(world.judge(&policy(ONE), APP), "deny:base-denied");
    let mut world = world.with(DISTRO, vec![signed(&VENDOR, DISTRO)]);
    assert_eq!(world.judge(&policy(ONE), APP), "allow");
    // A certain deny comes before what can't be read.
    let mut world = World::default().with(APP, app(&[DISTRO, BASE])).with(BASE, vec![]);
    assert_eq!(world.judge(&policy(ONE), APP), "deny:base-denied");
}

// [V-261] [V-268]
#[test]
fn without_evidence_about_the_base_the_answer_is_a_deny() {
    let policy = policy(ONE);
    let judge = |document: Verified| {
        World::default()
            .with(APP, vec![signed(&CI, APP), document])
            .with(BASE, vec![signed(&VENDOR, BASE)])
            .judge(&policy, APP)
    };
    // Built from nothing, as BuildKit says of an image from scratch.
    assert_eq!(judge(provenance(&CI, APP, &[])), "allow");
    // Whose word it is decides, not what it says.
    assert_eq!(judge(provenance(&EVIL, APP, &[])), "deny:threshold-unmet");
    assert_eq!(judge(provenance(&VENDOR, APP, &[BASE])), "deny:threshold-unmet");
    // Other build types list their tools.
    assert_eq!(judge(typed(&CI, APP, "https://tekton.dev/chains/v2/slsa", &[BASE])), "deny:base-unknown");
    assert_eq!(judge(typed(&CI, APP, "https://example.com/mine", &[])), "deny:base-unknown");
    // Named without a digest, or without a place.
    assert_eq!(judge(provenance(&CI, APP, &["!pkg:docker/alpine@3"])), "deny:base-unknown");
    assert_eq!(judge(provenance(&CI, APP, &["!base"])), "deny:base-unknown");
}

// [V-261]
#[test]
fn as_deep_as_is_asked_every_image_needs_evidence_of_its_own_base() {
    let world = || World::default().with(APP, app(&[BASE]));
    let base = |from: &[&str]| vec![signed(&VENDOR, BASE), provenance(&VENDOR, BASE, from)];
    let two = policy("base: {policy: apply, depth: 2}");
    assert_eq!(world().with(BASE, base(&[])).judge(&two, APP), "allow");
    assert_eq!(world().with(BASE, vec![signed(&VENDOR, BASE)]).judge(&two, APP), "deny:base-unknown");
    assert_eq!(world().with(BASE, base(&[DISTRO])).judge(&two, APP), "undetermined:base-unread");
    assert_eq!(world().with(BASE, base(&[DISTRO])).with(DISTRO, vec![]).judge(&two, APP), "deny:base-denied");
    let whole = |distro| world().with(BASE, base(&[DISTRO])).with(DISTRO, distro);
    assert_eq!(whole(vec![signed(&VENDOR, DISTRO)]).judge(&two, APP), "allow");
    // One level does not ask the second.
    let mut one = world().with(BASE, base(&[DISTRO]));
    assert_eq!(one.judge(&policy(ONE), APP), "allow");
    assert_eq!(one.asked, ["r.example/base/go"]);
    // What hangs there and can't be read may be the evidence.
    assert_eq!(world().partly(BASE, vec![signed(&VENDOR, BASE)]).judge(&two, APP), "undetermined:base-unread");
    // Not an authority of the base's scope.
    let other = vec![signed(&VENDOR, BASE), provenance(&EVIL, BASE, &[])];
    assert_eq!(world().with(BASE, other).judge(&two, APP), "deny:base-unknown");
}

// [V-262]
#[test]
fn a_base_s_own_scope_may_ask_about_its_bases_too() {
    let policy = policy_of(
        "\"r.example/app/**\": {provenance: {from: [ci]}, base: {policy: apply}}, \
         \"r.example/base/**\": {provenance: {from: [vendor]}, base: {policy: apply}}, \"v.example/**\": {signatures: {from: [vendor]}}",
    )
    .unwrap();
    let world = |distro: Vec<Verified>| {
        World::default()
            .with(APP, vec![provenance(&CI, APP, &[BASE])])
            .with(BASE, vec![provenance(&VENDOR, BASE, &[DISTRO])])
            .with(DISTRO, distro)
    };
    assert_eq!(world(vec![signed(&VENDOR, DISTRO)]).judge(&policy, APP), "allow");
    assert_eq!(world(vec![]).judge(&policy, APP), "deny:base-denied");
}

// [V-263]
#[test]
fn provenance_sends_nobody_to_hosts_that_the_policy_does_not_name() {
    for (host, expected) in [
        ("elsewhere.example/x:1", "deny:base-not-in-policy"),
        ("169.254.169.254/latest:1", "deny:base-not-in-policy"),
        ("localhost:6443/x:1", "deny:base-not-in-policy"),
        ("admin.wild.example/x:1", "deny:base-not-in-policy"),
        ("r.example:8443/base/x:1", "deny:base-not-in-policy"),
        ("r.example/other/x:1", "deny:base-not-in-policy"),
        ("off.example/x:1", "deny:base-denied"),
    ] {
        let mut world = World::default().with(APP, app(&[host])).with(host, vec![signed(&VENDOR, host)]);
        assert_eq!(world.judge(&policy(ONE), APP), expected, "{host}");
        let asked: &[&str] = if host.starts_with("off") { &["off.example/x"] } else { &[] };
        assert_eq!(world.asked, asked, "{host}");
    }
    // A scope for everything names no host; the host that was asked for was named by whoever asked.
    let all = policy_of("\"**\": {provenance: {from: [ci]}, base: {policy: apply}}").unwrap();
    let scratch = |name: &str| vec![provenance(&CI, name, &[])];
    let mut world = World::default().with(APP, app(&[BASE])).with(BASE, scratch(BASE));
    assert_eq!(world.judge(&all, APP), "allow");
    let mut world = World::default().with(APP, app(&[DISTRO])).with(DISTRO, scratch(DISTRO));
    assert_eq!((world.judge(&all, APP).as_str(), world.asked.len()), ("deny:base-not-in-policy", 0));
}

// [V-264]
#[test]
fn what_leads_back_to_itself_is_no_evidence_and_ends() {
    let everywhere =
        policy_of("\"r.example/**\": {provenance: {from: [ci]}, base: {policy: apply, depth: 8}}").unwrap();
    let world = |pairs: &[(&str, &[&str])]| {
        pairs.iter().fold(World::default(), |world, (name, from)| world.with(name, vec![provenance(&CI, name, from)]))
    };
    assert_eq!(world(&[(APP, &[APP])]).judge(&everywhere, APP), "deny:base-denied");
    let mut two = world(&[(APP, &[BASE]), (BASE, &[APP])]);
    assert_eq!(two.judge(&everywhere, APP), "deny:base-denied");
    assert_eq!(two.asked.len(), 1, "each image once");
    // One document that leads round does no harm beside one that does not.
    let mut beside = world(&[(BASE, &[])]).with(APP, vec![provenance(&CI, APP, &[APP]), provenance(&CI, APP, &[BASE])]);
    assert_eq!(beside.judge(&everywhere, APP), "allow");
}

// [V-264]
#[test]
fn a_chain_is_no_longer_and_no_wider_than_is_followed() {
    let everywhere = policy_of("\"r.example/**\": {provenance: {from: [ci]}, base: {policy: apply}}").unwrap();
    let name = |at: usize| format!("r.example/app/i{at}:1");
    let line = |length: usize| {
        (0..=length).fold(World::default(), |world, at| {
            let next = name(at + 1);
            let from: &[&str] = if at < length { &[&next] } else { &[] };
            world.with(&name(at), vec![provenance(&CI, &name(at), from)])
        })
    };
    assert_eq!(line(CHAIN_DEPTH).judge(&everywhere, &name(0)), "allow");
    let mut long = line(CHAIN_DEPTH + 1);
    assert_eq!(long.judge(&everywhere, &name(0)), "undetermined:base-unread");
    assert_eq!(long.asked.len(), CHAIN_DEPTH);
    let wide = |count: usize| {
        let names: Vec<_> = (1..=count).map(name).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let world = World::default().with(&name(0), vec![provenance(&CI, &name(0), &names)]);
        names.iter().fold(world, |world, name| world.with(name, vec![provenance(&CI, name, &[])]))
    };
    assert_eq!(wide(CHAIN_FAN_OUT).judge(&everywhere, &name(0)), "allow");
    let mut wider = wide(CHAIN_FAN_OUT + 1);
    assert_eq!((wider.judge(&everywhere, &name(0)).as_str(), wider.asked.len()), ("undetermined:base-unread", 0));
    // Three documents of 63 images each are more than are followed together.
    let names: Vec<_> = (1..=189).map(name).collect();
    let documents = names.chunks(63).map(|some| {
        let some: Vec<_> = some.iter().map(String::as_str).collect();
        provenance(&CI, &name(0), &some)
    });
    let mut many = World::default().with(&name(0), documents.collect());
    let _ = many.judge(&everywhere, &name(0));
    assert_eq!(many.asked.len(), CHAIN_IMAGES - 1);
}

// [V-265]
#[test]
fn a_claim_leads_on_and_proves_nothing() {
    let policy = policy(ONE);
    let mut world = World::default()
        .with(APP, vec![signed(&CI, APP), typed(&CI, APP, "https://example.com/mine", &[])])
        .with(BASE, vec![signed(&VENDOR, BASE)]);
    let root = world.find(&reference(APP)).unwrap();
    let mut lineage = world.walk(&policy, &root, 2);
    lineage.claim(0, &reference(BASE));
    assert_eq!(lineage.wanted(), [reference(BASE)]);
    lineage.give(&reference(BASE), Seen::Findings(Cow::Owned(world.find(&reference(BASE)).unwrap())));
    let outcomes = lineage.settle();
    assert_eq!(
        outcomes.iter().flatten().map(|one| told(&one.decision)).collect::<Vec<_>>(),
        ["deny:base-unknown", "allow"]
    );
    assert!(!lineage.relatives()[1].proven);
    // Nor does a claim lead where provenance may not.
    lineage.claim(0, &reference("elsewhere.example/x:1"));
    assert!(lineage.wanted().is_empty());
}

// [V-266]
#[test]
fn what_no_provenance_could_meet_is_refused_when_the_policy_is_read() {
    for (scope, expected) in [
        ("signatures: {from: [ci]}, base: {policy: apply}", "provenance"),
        ("provenance: {from: [ci]}, base: {policy: apply, depth: 0}", "1 to 8"),
        ("provenance: {from: [ci]}, base: {policy: apply, depth: 9}", "1 to 8"),
        ("provenance: {from: [ci]}, base: {policy: ignore}", "apply"),
        ("provenance: {from: [ci]}, base: {depth: 1}", "policy"),
        ("provenance: {from: [ci]}, base: {policy: apply, from: [ci]}", "from"),
        ("provenance: {from: [ci]}, base:", "mapping"),
    ] {
        let error = policy_of(&format!("\"r.example/**\": {{{scope}}}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{scope}: {error}");
    }
}

#[test]
fn the_mode_of_a_base_changes_nothing_of_what_counts() {
    let permissive = policy_of(
        "\"r.example/app/**\": {provenance: {from: [ci]}, base: {policy: apply}}, \
         \"r.example/base/**\": {mode: permissive, signatures: {from: [vendor]}}",
    )
    .unwrap();
    let mut world = World::default().with(APP, vec![provenance(&CI, APP, &[BASE])]).with(BASE, vec![]);
    assert_eq!(permissive.explain(&reference(BASE)).mode, Mode::Permissive);
    assert_eq!(world.judge(&permissive, APP), "deny:base-denied");
}

// [V-261]
#[test]
fn of_an_index_whose_images_have_provenance_each_that_of_every_image_counts() {
    let policy = policy_of(
        "\"r.example/app/**\": {provenance: {from: [ci]}, base: {policy: apply, depth: 2}}, \"v.example/**\": {signatures: {from: [vendor]}}, \
         \"r.example/base/**\": {provenance: {from: [vendor], unsigned: covered-by-index}}",
    )
    .unwrap();
    let platforms = ["amd64", "arm64"].map(|architecture| {
        let platform = serde_json::from_value(json!({ "os": "linux", "architecture": architecture })).unwrap();
        Descriptor { platform: Some(platform), ..Descriptor::of(media_type::IMAGE_MANIFEST, architecture.as_bytes()) }
    });
    let index = Manifest::Index(Box::new(ImageIndex::new(platforms.to_vec()))).encode();
    let base = Reference { digest: Some(Digest::sha256(&index)), ..BASE.parse().unwrap() };
    let app = {
        let sha256 = base.digest.unwrap().to_string().split(':').nth(1).unwrap().to_owned();
        let materials = json!([{ "uri": format!("docker://{BASE}"), "digest": { "sha256": sha256 } }]);
        let predicate = json!({ "builder": { "id": "b" }, "buildType": BUILDKIT, "materials": materials });
        let predicate_type = SLSA_V02.to_owned();
        said(&CI, APP, Claim::Attestation { predicate_type, predicate: predicate.into(), references: Vec::new() })
    };
    let judge = |from: [&[&str]; 2]| {
        let documents = ["amd64", "arm64"].iter().zip(from).map(|(image, from)| {
            // The digest of an image is that of its name here, too.
            provenance(&VENDOR, image, from).written(Format::CoveredByIndex)
        });
        let other = "v.example/other:1";
        let mut world = World::default().with(APP, vec![app.clone()]).with(DISTRO, vec![signed(&VENDOR, DISTRO)]);
        world = world.with(other, Vec::new());
        world.images.insert(base.clone(), (documents.collect(), true));
        world.indices.insert(base.clone(), Embedded::of_index(base.digest.unwrap(), &index).unwrap());
        world.judge(&policy, APP)
    };
    assert_eq!(judge([&[DISTRO], &[DISTRO]]), "allow");
    assert_eq!(judge([&[DISTRO], &[]]), "allow");
    assert_eq!(judge([&[DISTRO], &["v.example/other:1"]]), "deny:base-denied");
    assert_eq!(judge([&["v.example/other:1"], &[DISTRO]]), "deny:base-denied");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever others attach, or provenance of others says, an image is allowed only if it was without it.
    #[test]
    fn what_an_attacker_attaches_changes_no_deny(
        graph in proptest::collection::vec(proptest::collection::vec(0_usize..5, 0..4), 5),
        attacked in proptest::collection::vec(proptest::collection::vec(0_usize..5, 0..4), 5),
        unsigned in 0_usize..5,
    ) {
        let policy = policy_of(
            "\"r.example/**\": {signatures: {from: [vendor]}, provenance: {from: [ci]}, base: {policy: apply, depth: 3}}",
        ).unwrap();
        let names: Vec<_> = (0..5).map(|at| format!("r.example/i{at}:1")).collect();
        let evidence = |at: usize, from: &[usize]| {
            let from: Vec<_> = from.iter().map(|to| names[*to].as_str()).collect();
            let mut evidence = vec![provenance(&CI, &names[at], &from)];
            if at != unsigned {
                evidence.push(signed(&VENDOR, &names[at]));
            }
            evidence
        };
        let honest = |at: usize| evidence(at, &graph[at]);
        let mut before = (0..5).fold(World::default(), |world, at| world.with(&names[at], honest(at)));
        let mut after = (0..5).fold(World::default(), |world, at| {
            let from: Vec<_> = attacked[at].iter().map(|to| names[*to].as_str()).collect();
            let mut evidence = honest(at);
            evidence.extend([provenance(&EVIL, &names[at], &from), provenance(&EVIL, &names[at], &[]), signed(&EVIL, &names[at])]);
            world.with(&names[at], evidence)
        });
        for name in &names {
            let kind = |told: String| told.split(':').next().map(str::to_owned);
            prop_assert_eq!(kind(before.judge(&policy, name)), kind(after.judge(&policy, name)));
        }
    }
}
