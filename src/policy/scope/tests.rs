use super::*;
use crate::oci::Reference;
use proptest::prelude::*;

fn name(text: &str) -> Pattern {
    Pattern::of(&text.parse::<Reference>().unwrap().repository)
}

fn matches(pattern: &str, reference: &str) -> bool {
    Pattern::parse(pattern).unwrap().matches(&name(reference))
}

#[test]
fn a_scope_matches_the_whole_name() {
    for (pattern, reference, expected) in [
        ("r.example/prod/**", "r.example/prod/a", true),
        ("r.example/prod/**", "r.example/prod/a/b/c", true),
        ("r.example/prod/**", "r.example/prod", true),
        ("r.example/prod/**", "r.example/production/a", false),
        ("r.example/prod/**", "evil.example/r.example/prod/a", false),
        ("r.example/prod/*", "r.example/prod/a", true),
        ("r.example/prod/*", "r.example/prod/a/b", false),
        ("r.example/prod/*", "r.example/prod", false),
        ("r.example/*/app", "r.example/x/app", true),
        ("r.example/**/app", "r.example/app", true),
        ("r.example/**/app", "r.example/x/y/app", true),
        ("r.example/a*b*c", "r.example/axxbyybzc", true),
        ("r.example/a*b*c", "r.example/axxbyyb", false),
        ("*.example/app", "r.example/app", true),
        ("*.example/app", "r.example.evil/app", false),
        ("**", "r.example/a/b", true),
        ("**", "busybox", true),
        ("r.example/app", "r.example/app:1.0", true),
    ] {
        assert_eq!(matches(pattern, reference), expected, "{pattern} {reference}");
    }
}

#[test]
fn names_are_compared_in_one_spelling() {
    for (pattern, reference) in [
        ("nginx", "docker.io/library/nginx"),
        ("acme/*", "docker.io/acme/app"),
        ("docker.io/*", "index.docker.io/nginx"),
        ("docker.io/nginx", "nginx"),
        ("docker.io/**", "nginx"),
        ("r.example/app", "R.Example/app"),
        ("R.EXAMPLE/app", "r.example:443/app"),
        ("r.example:5000/app", "r.example:05000/app"),
        ("[::1]:5000/**", "[0:0::1]:5000/app"),
        ("localhost/app", "localhost/app"),
    ] {
        assert!(matches(pattern, reference), "{pattern} {reference}");
    }
    assert!(!matches("r.example/app", "r.example:5000/app"));
}

#[test]
fn a_layout_is_matched_by_its_folder_as_typed() {
    for (pattern, reference, expected) in [
        ("oci:**", "oci:out", true),
        ("oci:**", "oci:/var/lib/x:1.0", true),
        ("oci:**", "oci:../out", true),
        ("oci:**", "oci:a*", true),
        ("oci:/var/**", "oci:/var/lib/x", true),
        ("oci:/var/**", "oci:/var/../etc", false),
        ("oci:/var/**", "oci:var/x", false),
        ("oci:/var/abc", "oci:/var/*", false),
        ("oci:/var/x/", "oci:/var/./x", true),
        ("**", "oci:out", false),
        ("*/**", "oci:a/b", false),
        ("oci:**", "r.example/out", false),
    ] {
        assert_eq!(matches(pattern, reference), expected, "{pattern} {reference}");
    }
}

#[test]
fn what_can_match_nothing_is_refused() {
    for bad in [
        "",
        "/",
        "r.example",
        "r.example/",
        "/app",
        "a//b",
        "r.example/app:1.0",
        "r.example/app@sha256:ab",
        "r.example/App",
        "r.example/a**",
        "r.example/***",
        "r.example/{a,b}",
        "r.example/[ab]",
        "r.example/a?",
        "*",
        "re*",
        "oci:",
        "oci:a/b**",
        "r.example/ä",
        &format!("r.example/{}", "a".repeat(MAX)),
    ] {
        assert!(Pattern::parse(bad).is_err(), "{bad:?} was taken");
    }
}

// [V-31]
#[test]
fn the_more_specific_scope_ranks_higher() {
    let ranked = [
        "**",
        "**/app",
        "r.example/**",
        "r.example/*",
        "r.example/*/*",
        "r.example/**/app",
        "r.example/*/app",
        "r.example/prod/**",
        "r.example/prod/*",
        "r.example/prod/a*",
        "r.example/prod/app/**",
        "r.example/prod/app",
    ];
    for pair in ranked.windows(2) {
        let [low, high] = [pair[0], pair[1]].map(|text| Pattern::parse(text).unwrap().rank());
        assert!(low < high, "{pair:?}");
    }
}

#[test]
fn one_glob_has_one_spelling() {
    for (text, canonical) in [
        ("r.example/**/**", "r.example/**"),
        ("r.example/**/*", "r.example/*/**"),
        ("r.example/**/*/**/*/a", "r.example/*/*/**/a"),
        ("nginx", "docker.io/library/nginx"),
    ] {
        assert_eq!(Pattern::parse(text).unwrap().to_string(), canonical);
    }
}

/// All names of two to four components over a small alphabet; `z` stands in no glob.
fn names() -> Vec<Pattern> {
    let words = ["a", "b", "ab", "ba", "z", "az", "za", "zz", "aza", "zab", "abz"];
    let mut names: Vec<Vec<&str>> = words.iter().map(|w| vec![*w]).collect();
    let mut all = Vec::new();
    for _ in 0..2 {
        names = names.iter().flat_map(|n| words.iter().map(move |w| [n.as_slice(), &[*w]].concat())).collect();
        all.extend(names.iter().map(|n| Pattern::new(false, n.iter().map(|w| (*w).to_owned()).collect())));
    }
    all
}

fn globs() -> impl Strategy<Value = Pattern> {
    let component =
        prop_oneof![Just("**"), Just("*"), Just("a"), Just("b"), Just("a*"), Just("*b"), Just("*a*"), Just("ab")];
    proptest::collection::vec(component, 1..4)
        .prop_map(|components| Pattern::new(false, components.into_iter().map(str::to_owned).collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_scope_within_another_is_the_more_specific_one(a in globs(), b in globs()) {
        let names = names();
        let of = |p: &Pattern| names.iter().map(|n| p.matches(n)).collect::<Vec<_>>();
        let (in_a, in_b) = (of(&a), of(&b));
        let within = in_a.iter().zip(&in_b).all(|(a, b)| !a || *b);
        let some = in_a.iter().any(|a| *a);
        if within && some && in_a != in_b {
            prop_assert!(a.rank() > b.rank(), "{} is within {}", a, b);
        }
    }

    #[test]
    fn two_scopes_overlap_where_a_name_is_in_both(a in globs(), b in globs()) {
        if names().iter().any(|n| a.matches(n) && b.matches(n)) {
            prop_assert!(a.overlaps(&b) && b.overlaps(&a), "{} and {}", a, b);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(&Pattern::parse(&pattern.to_string()).unwrap(), &pattern);
        }
    }
}
