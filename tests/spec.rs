//! SPEC.md against the code: every numbered MUST is named by a test, every id stands in its table, and the reverse.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const SPEC: &str = include_str!("../SPEC.md");

#[test]
fn every_must_has_a_number_and_every_number_a_test() {
    let numbered: Vec<_> = numbers(SPEC, "**[V-").collect();
    let expected: BTreeSet<_> = numbered.iter().map(|number| (*number).to_owned()).collect();
    assert_eq!(numbered.len(), expected.len(), "a number of SPEC.md stands there twice: {numbered:?}");
    assert!(numbered.iter().all(|number| number.bytes().all(|b| b.is_ascii_digit())), "{numbered:?}");
    let tests = test_sources();
    let unnamed: Vec<_> = expected.iter().filter(|n| !tests.contains(&format!("[V-{n}]"))).collect();
    assert!(unnamed.is_empty(), "no test names {unnamed:?}");
    let unknown: BTreeSet<_> = numbers(&tests, "[V-").filter(|n| !expected.iter().any(|known| known == n)).collect();
    assert!(unknown.is_empty(), "tests name numbers that SPEC.md does not have: {unknown:?}");
}

/// What stands between `start` and the next `]`.
fn numbers<'t>(text: &'t str, start: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(start).skip(1).filter_map(|rest| rest.split(']').next())
}

#[test]
fn a_sentence_with_must_stands_under_a_number() {
    for paragraph in SPEC.split("\n\n").flat_map(|block| block.split("\n* ")) {
        let exempt =
            paragraph.contains("are RFC 2119's") || paragraph.contains("Every MUST") || paragraph.contains("```");
        let musts = paragraph.contains("MUST");
        assert!(!musts || exempt || paragraph.contains("[V-"), "a MUST without a number: {paragraph}");
    }
}

#[test]
fn the_ids_of_rejections_and_reasons_are_those_of_the_tables() {
    let reasons = [
        "src/policy/reason.rs",
        "src/policy/reason/trust.rs",
        "src/policy/rules/base/mod.rs",
        "src/policy/rules/miss.rs",
        "src/trust/tuf/error.rs",
        "src/trust/tuf/vouch.rs",
    ];
    for (heading, files) in [("### Rejection ids", &["src/verify/rejection.rs"][..]), ("### Reason ids", &reasons)] {
        let section = SPEC.split(heading).nth(1).expect(heading).split("\n## ").next().expect("an end");
        let section = section.split("\n### ").next().expect("an end");
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let listed: BTreeSet<_> = rows.collect();
        let code: String = files.iter().map(|file| fs::read_to_string(file).expect(file)).collect();
        assert_eq!(listed, ids(&code), "{heading} of SPEC.md and {files:?}");
    }
}

/// What the functions `id` return, and what is written into a field of that name.
fn ids(code: &str) -> BTreeSet<&str> {
    let bodies = code.split("pub fn id(&self)").skip(1).map(|rest| rest.split("\n    }\n").next().expect("an end"));
    let returned = bodies.flat_map(|body| body.split('"').skip(1).step_by(2));
    returned.chain(code.split(" id: \"").skip(1).filter_map(|rest| rest.split('"').next())).collect()
}

/// All test code: files under tests/, tests.rs files, and what follows `#[cfg(test)]` in a source.
fn test_sources() -> String {
    let mut paths = Vec::new();
    walk(Path::new("src"), &mut paths);
    walk(Path::new("tests"), &mut paths);
    let mut all = String::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source");
        let is_test =
            path.starts_with("tests") || path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
        let kept = if is_test { Some(text.as_str()) } else { text.split_once("#[cfg(test)]").map(|(_, tests)| tests) };
        all.push_str(kept.unwrap_or_default());
    }
    all
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") && path != Path::new("tests/spec.rs") {
            paths.push(path);
        }
    }
}
