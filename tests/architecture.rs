//! The house rules as tests: which module may know which, which read no clock, disk or network, how long files are.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What each module may name, besides itself, `limits` and `json`.
const ARROWS: &[(&str, &[&str])] = &[
    ("crypto", &[]),
    ("oci", &["crypto"]),
    ("format", &["crypto", "oci"]),
    ("trust", &["format", "crypto", "oci"]),
    ("verify", &["trust", "format", "crypto", "oci"]),
    ("rego", &[]),
    ("policy", &["rego", "verify", "trust", "format", "crypto", "oci"]),
    ("admission", &["oci"]),
    ("sign", &["format", "crypto", "oci"]),
    ("registry", &["crypto", "oci"]),
    ("store", &["trust", "format", "crypto", "oci"]),
    ("ops", &["policy", "rego", "verify", "trust", "format", "crypto", "oci", "registry", "store", "sign"]),
    (
        "serve",
        &[
            "admission",
            "ops",
            "policy",
            "rego",
            "verify",
            "trust",
            "format",
            "crypto",
            "oci",
            "registry",
            "store",
            "sign",
        ],
    ),
];

/// Modules that read no clock, disk or network, and what would read it.
const PURE: &[&str] = &["crypto", "oci", "format", "trust", "verify", "rego", "policy", "admission"];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio",
    "reqwest",
    "hyper",
    "File::",
    "TcpStream",
    "std::thread",
];

/// The crates that only `crypto` may name.
const CRYPTOGRAPHY: &[&str] = &[
    "aws_lc_rs",
    "p256",
    "p384",
    "ed25519_dalek",
    "sha2",
    "scrypt",
    "crypto_secretbox",
    "pkcs8",
    "sec1",
    "x509_cert",
    "cms",
    "webpki",
];

const MAX_LINES: usize = 400;
const MAX_MEDIAN: usize = 150;
const MAX_JUDGEMENT: usize = 2_500;
/// The policy's language, from text to [`boltseal::policy::Policy`]: read beside what judges by it.
const LANGUAGE: &[&str] = &["src/policy/document.rs", "src/policy/error.rs", "src/policy/load"];
const MAX_LANGUAGE: usize = 1_400;

#[derive(Debug)]
struct Source {
    path: PathBuf,
    module: String,
    /// Lines of code: without tests, blanks and comments.
    code: Vec<String>,
}

#[test]
fn modules_name_only_what_lies_below_them() {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for source in sources() {
        let Some(allowed) = arrows.get(source.module.as_str()) else { continue };
        for named in named_modules(&source.code.join("\n")) {
            let fine = named == source.module || allowed.contains(&named.as_str()) || !arrows.contains_key(&*named);
            assert!(fine, "{}: `{}` may not know `{named}`", source.path.display(), source.module);
        }
    }
}

/// What stands behind `crate::`, alone or in a group.
fn named_modules(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for after in code.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            named.push(after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            continue;
        };
        let mut depth = 0;
        let mut name = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => named.push(std::mem::take(&mut name)),
                _ if depth == 0 => name.push(c),
                _ => {}
            }
        }
        named.push(name);
    }
    let first = |name: &String| name.trim().split("::").next().unwrap_or_default().trim().to_owned();
    named.iter().map(first).filter(|name| !name.is_empty()).collect()
}

#[test]
fn grouped_names_are_told_apart() {
    let code = "use crate::{\n    a::{b, c::d},\n    e::f,\n};\ncrate::g::h()";
    assert_eq!(named_modules(code), ["a", "e", "g"]);
}

#[test]
fn pure_modules_read_no_clock_disk_or_network() {
    for source in sources().iter().filter(|source| PURE.contains(&source.module.as_str())) {
        for line in &source.code {
            let impure = IMPURE.iter().find(|word| has_word(line, word));
            assert_eq!(impure, None, "{}: {line}", source.path.display());
        }
    }
}

/// Whether a line has this where a name begins: a `TrustFile::Blob` is no `File::`.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric()))
}

#[test]
fn only_crypto_names_cryptography() {
    for source in sources().iter().filter(|source| source.module != "crypto") {
        for line in &source.code {
            let named = CRYPTOGRAPHY.iter().find(|name| line.contains(&format!("{name}::")));
            assert_eq!(named, None, "{}: {line}", source.path.display());
        }
    }
}

#[test]
fn proofs_have_one_maker_each() {
    for (made, maker) in [
        ("Verified {", "verify"),
        ("Findings {", "verify"),
        ("Approved {", "policy"),
        ("TrustState {", "trust"),
        ("NotaryState {", "trust"),
        ("Vouched {", "trust"),
    ] {
        for source in sources().iter().filter(|source| source.module != maker) {
            let makes = |line: &&String| {
                // A longer word, such as `NotVouched`, is another one.
                let mut found = line.match_indices(made).filter_map(|(at, _)| line.get(..at));
                found.any(|before| !before.ends_with(char::is_alphanumeric))
                    && !line.contains("struct")
                    && !line.contains("impl")
                    && !line.contains("->")
            };
            assert_eq!(source.code.iter().find(makes), None, "{}", source.path.display());
        }
    }
}

#[test]
fn proofs_can_be_neither_made_up_nor_read_from_text() {
    for proof in ["Verified", "Findings", "Approved", "TrustState", "NotaryState", "Vouched"] {
        let mut found = false;
        for source in sources() {
            for (at, line) in source.code.iter().enumerate() {
                if line.contains(&format!("pub struct {proof} {{")) {
                    found = true;
                    let above = source.code[at.saturating_sub(3)..at].join(" ");
                    assert!(!above.contains("Deserialize") && !above.contains("Default"), "{proof}: {above}");
                    assert!(above.contains("must_use"), "{proof}: {above}");
                    let fields = source.code[at + 1..].iter().take_while(|line| !line.starts_with('}'));
                    fields.for_each(|field| assert!(!field.trim_start().starts_with("pub "), "{proof}: {field}"));
                }
            }
        }
        assert!(found, "{proof} is gone");
    }
}

/// deny.toml can only say that this package may depend on it, not in which way.
#[test]
fn the_other_verifier_is_the_tests_alone() {
    let manifest = fs::read_to_string("Cargo.toml").expect("Cargo.toml");
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        if !line.starts_with('#') && line.contains("sigstore-verify") {
            found.push(section);
        }
    }
    assert_eq!(found, ["[dev-dependencies]"], "sigstore-verify makes a second path to a verdict");
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<_> = sources().into_iter().map(|source| (source.code.len(), source.path)).collect();
    lengths.sort();
    for (length, path) in &lengths {
        assert!(*length <= MAX_LINES, "{}: {length} lines of code, at most {MAX_LINES}", path.display());
    }
    let median = lengths[lengths.len() / 2].0;
    assert!(median <= MAX_MEDIAN, "the median file has {median} lines, at most {MAX_MEDIAN}");
}

#[test]
fn judging_is_an_auditor_s_day() {
    // What puts a policy into other words judges nothing.
    let beside = ["src/policy/rules", "src/policy/export", "src/policy/import"];
    let sources = sources();
    let in_judgement = |source: &&Source| {
        ["verify", "policy"].contains(&source.module.as_str())
            && !beside.iter().any(|folder| source.path.starts_with(folder))
    };
    let is_language = |source: &&Source| {
        let path = source.path.to_string_lossy();
        LANGUAGE.iter().any(|part| path.starts_with(part))
    };
    let (language, judging): (Vec<_>, Vec<_>) = sources.iter().filter(in_judgement).partition(is_language);
    for (what, files, most) in
        [("verify and policy", judging, MAX_JUDGEMENT), ("the policy's language", language, MAX_LANGUAGE)]
    {
        let lines: usize = files.iter().map(|source| source.code.len()).sum();
        assert!(lines > 0 && lines <= most, "{what}: {lines} lines, at most {most}");
    }
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    walk(Path::new("src"), &mut paths);
    assert!(paths.len() > 20, "src/ is not where it was");
    paths.into_iter().map(read).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src") {
        let path = entry.expect("an entry").path();
        let is_test = path.file_name().is_some_and(|name| name == "tests.rs" || name == "tests");
        if path.is_dir() && !is_test {
            walk(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            paths.push(path);
        }
    }
}

fn read(path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).expect("a source");
    let module = path.strip_prefix("src").expect("src").components().next().expect("a name");
    let module = module.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
    let code = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
        .map(str::to_owned)
        .collect();
    Source { path, module, code }
}
