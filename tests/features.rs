//! What the library costs someone who brings their own network.

use std::{path::Path, process::Command};

#[test]
fn the_pure_modules_need_no_runtime_no_http_and_no_command_line() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--no-default-features", "--prefix", "none"])
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8_lossy(&tree.stdout);
    let crates: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"boltseal") && crates.contains(&"aws-lc-rs"), "not a tree of crates: {tree}");
    for unwanted in ["tokio", "reqwest", "hyper", "rustls", "clap"] {
        assert!(!crates.contains(&unwanted), "{unwanted} is needed without any feature");
    }
}
