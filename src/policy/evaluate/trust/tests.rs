use super::{super::tests::told, *};
use crate::{
    crypto::PublicKey,
    format::tuf::RoleName,
    oci::{Descriptor, Digest, ImageIndex, Manifest, media_type},
    policy::{Decision, Mode, Outcome, Policy, Reason, evaluate},
    trust::{
        Identity,
        tuf::{Expiry, Terms, TrustRefusal, author::*, tests::repo::*},
    },
    verify::{Claim, Findings, Place, Unread, Verified, Via},
};
use jiff::SignedDuration;

const KEY: &str = include_str!("../../../../testdata/policy/release.test.pub");
const TAGGED: &str = "registry.example.com/shop/cart:1.0";

fn key() -> PublicKey {
    PublicKey::from_pem(KEY).unwrap()
}

/// A policy that asks this of trust states, and `rest` beside it.
fn policy(content_trust: &str, rest: &str) -> Policy {
    let scope =
        format!("{{ content-trust: {{ root: {{ keys: [{}] }}, {content_trust} }}, {rest} }}", key().fingerprint());
    let text =
        format!("version: 1\nauthorities: {{ release: {{ key: k }} }}\nimages: {{ '**': {scope}, 'oci:**': {scope} }}");
    Policy::parse(&text, &|_| Ok(key())).unwrap()
}

fn signatures() -> &'static str {
    "signatures: { from: [release] }"
}

/// An image signature over this digest; tag 1.0 stands for that of "one".
fn signature(text: &str) -> Verified {
    let digest = digest(text);
    let place = Place { subject: digest, via: Via::Referrers, manifest: None, layer: 0 };
    let claim = Claim::Signature { references: Vec::new(), annotations: std::collections::BTreeMap::new() };
    Verified::for_test(Identity::Key(key().fingerprint()), digest, claim, place)
}

fn subject(reference: &str) -> Subject {
    Subject::new(reference.parse().unwrap(), digest("one"))
}

/// Tag 1.0 with the answer of this state, as the releases say.
fn vouched(repo: &Repo) -> Subject {
    let answer = repo.fresh().unwrap().vouch(&Asked::Tag("1.0".to_owned()), &[releases()], &[]).unwrap();
    subject(TAGGED).vouched(answer).unwrap()
}

fn judged(policy: &Policy, subject: Subject, verified: &[Verified], unread: bool) -> Outcome {
    let unread = unread.then(|| Unread { what: "referrers".to_owned(), why: "503".to_owned() });
    let findings = Findings::for_test(subject, verified.to_vec(), Vec::new(), unread.into_iter().collect());
    evaluate(policy, &findings, now())
}

/// What a scope that asks for content trust alone says.
fn says(content_trust: &str, subject: Subject) -> String {
    told(&judged(&policy(content_trust, ""), subject, &[], false).decision)
}

// [V-44]
#[test]
fn a_signed_tag_is_asked_for_beside_the_rest_and_its_refusal_is_final() {
    let repo = Repo::new();
    let both = policy("", signatures());
    let says = |subject, verified: &[Verified], unread| told(&judged(&both, subject, verified, unread).decision);
    assert_eq!(says(vouched(&repo), &[signature("one")], false), "allow");
    assert_eq!(says(vouched(&repo), &[], false), "deny:unsigned");
    assert_eq!(says(vouched(&repo), &[], true), "undetermined:unread,unsigned");
    let refused = || subject(TAGGED).refused(TrustRefusal::removed());
    assert_eq!(says(refused(), &[signature("one")], true), "deny:trust-removed");
    assert_eq!(says(refused(), &[], true), "deny:trust-removed,unsigned");
}

#[test]
fn what_was_met_stands_in_the_approval_only_where_it_was_asked_for() {
    let subject = vouched(&Repo::new());
    let trust = |policy: &Policy| {
        let outcome = judged(policy, subject.clone(), &[signature("one")], false);
        let Decision::Allow(approved) = outcome.decision else { panic!() };
        approved.trust().map(|vouched| vouched.by().keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(trust(&policy("", "")).unwrap(), [RoleName::from("targets/alice"), releases()]);
    let unasked =
        "version: 1\nauthorities: { release: { key: k } }\nimages: { '**': { signatures: { from: [release] } } }";
    assert_eq!(trust(&Policy::parse(unasked, &|_| Ok(key())).unwrap()), None);
}

// [V-45]
#[test]
fn a_state_that_nobody_asked_is_a_deny() {
    assert_eq!(says("", subject(TAGGED)), "deny:trust-unread");
    let unread = judged(&policy("", signatures()), subject(TAGGED), &[signature("one")], true);
    assert_eq!(told(&unread.decision), "deny:trust-unread");
}

// [V-45]
#[test]
fn an_answer_about_the_index_alone_says_nothing_of_its_platforms() {
    let image = Descriptor::of(media_type::IMAGE_MANIFEST, b"image");
    let index = Manifest::Index(Box::new(ImageIndex::new(vec![image.clone()]))).encode();
    let mut repo = Repo::new();
    let target = crate::format::tuf::Target::new(index.len() as u64, &Digest::sha256(&index));
    repo.edit(&releases(), |list| set_tag(list, "2.0", target).unwrap());
    repo.seal();
    let answer = |within: &[Digest]| {
        let answer = repo.fresh().unwrap().vouch(&Asked::Tag("2.0".to_owned()), &[releases()], within).unwrap();
        let reference = "registry.example.com/shop/cart:2.0".parse().unwrap();
        let subject = Subject::new(reference, Digest::sha256(&index)).vouched(answer).unwrap();
        subject.image_within(&index, image.digest).unwrap()
    };
    assert_eq!(says("", answer(&[])), "deny:trust-unread");
    assert_eq!(says("", answer(&[image.digest])), "allow");
}

// [V-46]
#[test]
fn the_state_has_to_be_signed_for_the_repository_that_was_asked_for() {
    let own = Repo::new();
    let other = Repo::named("registry.example.com/other/cart");
    let at = |repo: &Repo, reference: &str| {
        let answer = repo.fresh().unwrap().vouch(&Asked::Tag("1.0".to_owned()), &[releases()], &[]).unwrap();
        subject(reference).vouched(answer).unwrap()
    };
    let map = "identity: { map: { mirror.example: registry.example.com, 'oci:/srv': registry.example.com/shop } }";
    for (rule, repo, reference, expected) in [
        ("", &own, TAGGED, "allow"),
        ("", &other, TAGGED, "deny:wrong-repository"),
        ("", &own, "mirror.example/shop/cart:1.0", "deny:wrong-repository"),
        (map, &own, "mirror.example/shop/cart:1.0", "allow"),
        (map, &other, "mirror.example/shop/cart:1.0", "deny:wrong-repository"),
        (map, &own, TAGGED, "allow"),
        ("", &own, "oci:/srv/cart:1.0", "deny:wrong-repository"),
        (map, &own, "oci:/srv/cart:1.0", "allow"),
        (map, &own, "oci:/srv/other:1.0", "deny:wrong-repository"),
    ] {
        assert_eq!(says(rule, at(repo, reference)), expected, "{rule} {reference}");
    }
}

// [V-47]
#[test]
fn every_required_role_has_to_say_the_same_of_the_tag() {
    let mut repo = Repo::new();
    for (roles, expected) in [
        ("targets/releases", "allow"),
        ("targets/releases, targets/alice", "allow"),
        ("targets/alice", "allow"),
        ("targets/releases, targets/bob", "deny:roles-disagree"),
        ("targets", "deny:roles-disagree"),
    ] {
        assert_eq!(says(&format!("require-roles: [{roles}]"), vouched(&repo)), expected, "{roles}");
    }
    repo.edit(&RoleName::from("targets/alice"), |list| set_tag(list, "1.0", target("two")).unwrap());
    repo.seal();
    assert_eq!(says("", vouched(&repo)), "allow");
    assert_eq!(says("require-roles: [targets/releases, targets/alice]", vouched(&repo)), "deny:roles-disagree");
}

// [V-48]
#[test]
fn signers_are_counted_by_key_and_in_the_required_roles_alone() {
    let mut repo = Repo::new();
    let twin = RoleName::from("targets/twin");
    let releases_key = public(&[&repo.releases_key]);
    repo.edit(&RoleName::Targets, |targets| {
        let signers = Signers { keys: &releases_key, threshold: 1 };
        delegate(targets, &NewDelegation { role: &twin, signers, paths: &["*"], terminating: false, first: false })
            .unwrap();
    });
    let list = repo.roles[&releases()].0.clone();
    let bytes = signed(list.clone(), &repo.delegation_keys(), &[&repo.releases_key]);
    repo.roles.insert(twin, (list, bytes));
    repo.seal();
    for (rule, expected) in [
        ("min-signers: 1", "allow"),
        ("min-signers: 2", "deny:min-signers-unmet"),
        ("min-signers: 2, require-roles: [targets/releases, targets/alice]", "allow"),
        ("min-signers: 2, require-roles: [targets/releases, targets/twin]", "deny:min-signers-unmet"),
        ("min-signers: 3, require-roles: [targets/releases, targets/alice, targets/twin]", "deny:min-signers-unmet"),
    ] {
        assert_eq!(says(rule, vouched(&repo)), expected, "{rule}");
    }
}

// [V-49]
#[test]
fn by_digest_a_tag_has_to_stand_for_it_unless_the_scope_says_otherwise() {
    let mut repo = Repo::new();
    let by_digest = |repo: &Repo, text: &str| {
        let asked = Asked::Digest(digest(text));
        let reference = format!("{TAGGED}@{}", digest(text)).parse().unwrap();
        let subject = Subject::new(reference, digest(text));
        match repo.fresh().unwrap().vouch(&asked, &[releases()], &[]) {
            Ok(answer) => subject.vouched(answer).unwrap(),
            Err(error) => subject.refused(TrustRefusal::from(&error)),
        }
    };
    let says = |rule: &str, subject: Subject, text: &str| {
        told(&judged(&policy(rule, signatures()), subject, &[signature(text)], false).decision)
    };
    let two = "min-signers: 2";
    for (rule, text, expected) in [
        ("", "one", "allow"),
        ("by-digest: listed", "one", "allow"),
        (two, "one", "deny:min-signers-unmet"),
        ("require-roles: [targets/bob]", "one", "deny:roles-disagree"),
        ("", "none", "deny:not-listed"),
        ("by-digest: signatures", "none", "allow"),
        ("by-digest: signatures, min-signers: 2", "one", "allow"),
        ("by-digest: deny", "one", "deny:by-digest-denied"),
    ] {
        assert_eq!(says(rule, by_digest(&repo, text), text), expected, "{rule} {text}");
    }
    // What is asked by tag has to be signed, whatever is asked of digests.
    assert_eq!(says("by-digest: signatures, min-signers: 2", vouched(&repo), "one"), "deny:min-signers-unmet");
    assert_eq!(says("by-digest: deny", vouched(&repo), "one"), "allow");
    repo.edit(&revoked(), |list| revoke(list, &digest("none"), 4, &[], "CVE-2026-1").unwrap());
    repo.seal();
    for rule in ["by-digest: listed", "by-digest: signatures", "by-digest: deny"] {
        assert_eq!(says(rule, by_digest(&repo, "none"), "none"), "deny:revoked", "{rule}");
    }
}

// [V-50]
#[test]
fn only_timestamp_and_snapshot_may_be_stale_and_only_as_long_as_the_scope_says() {
    let repo = Repo::new();
    // The timestamp expires after 14 days, the other roles after 300, the root after 1,000.
    let on_day = |day, expiry| {
        let terms = Terms { now: in_days(day), expiry, ..repo.terms() };
        let answer = run(repo.pins(), terms, &repo.served).unwrap();
        let answer = answer.vouch(&Asked::Tag("1.0".to_owned()), &[releases()], &[]).unwrap();
        Findings::for_test(subject(TAGGED).vouched(answer).unwrap(), Vec::new(), Vec::new(), Vec::new())
    };
    let stale = Expiry::MaxStale(SignedDuration::from_hours(24 * 30));
    for (rule, day, expiry, expected) in [
        ("", 13, Expiry::Refuse, "allow"),
        ("", 20, stale, "deny:expired"),
        ("on-expired: { max-stale: 6d }", 20, stale, "allow"),
        ("on-expired: { max-stale: 5d }", 20, stale, "deny:expired"),
        ("travel: { max-age: 6d }", 20, stale, "allow"),
        ("travel: { max-age: 5d }", 20, stale, "deny:expired"),
        ("on-expired: { max-stale: 999d }", 299, Expiry::InsecureAccept, "allow"),
        ("on-expired: { max-stale: 999d }", 301, Expiry::InsecureAccept, "deny:expired"),
    ] {
        let outcome = evaluate(&policy(rule, ""), &on_day(day, expiry), in_days(day));
        assert_eq!(told(&outcome.decision), expected, "{rule} on day {day}");
        if let Decision::Allow(approved) = outcome.decision {
            assert_eq!(approved.trust().unwrap().overdue().is_empty(), day < 14);
        }
    }
}

#[test]
fn a_mode_changes_nothing_of_it() {
    for (mode, expected) in
        [("enforced", "deny:trust-unread"), ("permissive", "deny:trust-unread"), ("disabled", "not-judged")]
    {
        let outcome = judged(&policy("", &format!("mode: {mode}")), subject(TAGGED), &[], false);
        assert_eq!(told(&outcome.decision), expected, "{mode}");
        assert_eq!(outcome.mode == Mode::Permissive, mode == "permissive");
    }
}

#[test]
fn each_reason_says_what_was_expected_and_what_was_found() {
    let tag = || "1.0".to_owned();
    for reason in [
        TrustReason::Refused(TrustRefusal::removed()),
        TrustReason::Refused(TrustRefusal::no_anchor("a.b/c")),
        TrustReason::Refused(TrustRefusal::travel_too_old(now(), SignedDuration::from_hours(36))),
        TrustReason::WrongRepository { expected: "a.b/c".parse().ok(), found: "a.b/d".to_owned() },
        TrustReason::WrongRepository { expected: None, found: "a.b/d".to_owned() },
        TrustReason::RolesDisagree { tag: tag(), missing: RoleName::Targets, found: vec![releases()] },
        TrustReason::MinSignersUnmet { tag: tag(), roles: vec![releases()], least: 2, found: 1 },
        TrustReason::NotListed { digest: digest("one") },
        TrustReason::Expired { role: RoleName::Timestamp, since: now() },
        TrustReason::ByDigestDenied,
        TrustReason::Unread,
    ] {
        let told = Reason::Trust(reason.clone()).to_string();
        assert!(told.contains("expected"), "{told}");
        for word in ["permissive", "disabled", "lower", "tofu", "set ", "use ", "instead"] {
            assert!(!told.contains(word), "{told}");
        }
    }
}
