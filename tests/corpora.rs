//! Replays the fuzzers' corpora: every input that was ever of interest still holds what its target asks for.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::{fs, path::Path};

/// A target's name, and what it does with an input.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("verify_all", targets::verify_all),
    ("policy", targets::policy),
    ("reference", targets::reference),
    ("dsse", targets::dsse),
    ("bundle", targets::bundle),
    ("key_file", targets::key_file),
    ("documents", targets::documents),
    ("embedded", targets::embedded),
    ("image_config", targets::image_config),
    ("keyless", targets::keyless),
    ("certificate", targets::certificate),
    ("timestamp", targets::timestamp),
    ("trusted_root", targets::trusted_root),
];

fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

#[test]
fn every_seed_of_every_corpus_holds() {
    for (name, target) in TARGETS {
        let seeds = fs::read_dir(fuzz().join("corpus").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut count = 0;
        for seed in seeds {
            let path = seed.expect("a seed").path();
            let input = fs::read(&path).expect("a seed");
            println!("{}", path.display());
            target(&input);
            // Each seed is cut and bent a little as well: the fuzzer's first steps, on every run.
            for cut in [1, 2, 3, 7] {
                target(&input[..input.len() / cut]);
                target(&input[input.len() - input.len() / cut..]);
            }
            count += 1;
        }
        assert!(count >= 5, "{name}: {count} seeds");
    }
}

#[test]
fn every_target_is_replayed() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("fuzz/Cargo.toml");
    let named = manifest.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let mut named: Vec<_> = named.filter(|name| *name != "boltseal-fuzz").collect();
    named.sort_unstable();
    let mut replayed: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    replayed.sort_unstable();
    assert_eq!(named, replayed);
}
