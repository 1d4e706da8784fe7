//! What README.md shows on the reader's own image is run, line by line, against a registry in this process that stands in
//! for registry.example.com; `[..]` matches any text, `? N` is the exit code.

mod common;
#[path = "roots/instance.rs"]
mod instance;
#[path = "common/sigstore/mod.rs"]
mod sigstore;

use boltseal::{
    oci::{Digest, Repository},
    registry::{
        Access, Options, Session,
        embedded::{Embedded, EmbeddedOptions},
    },
};
use common::{Boltseal, Ran, image};
use std::path::Path;

struct Example {
    command: String,
    code: i32,
    expected: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_do_what_it_says() {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let address = registry.address().to_string();
    for repository in ["shop/cart", "shop/unsigned"] {
        push(&address, repository).await;
    }
    let examples = examples(include_str!("../README.md"));
    assert_eq!(examples.len(), 8, "the README shows eight commands");
    let boltseal = Boltseal::new();
    private_sigstore(boltseal.home.path()).await;
    for example in examples {
        let line = example.command.replace("registry.example.com", &address);
        let ran = tokio::task::block_in_place(|| run(&boltseal, &line)).expect(example.code);
        let expected = example.expected.replace("registry.example.com", &address);
        snapbox::assert_data_eq!(ran.stdout.as_str(), snapbox::Data::from(expected));
    }
}

/// What the README's owner of a private Sigstore has: its certificate and key, a file and its bundle.
async fn private_sigstore(home: &Path) {
    let sigstore = instance::Sigstore::new();
    sigstore.write(home);
    std::fs::write(home.join("app.tar"), "an app").expect("a file");
    let bundle = sigstore.bundle(&Digest::sha256(b"an app"));
    std::fs::write(home.join("app.sigstore.json"), bundle).expect("a file");
}

/// A line of the README by the shell, with `boltseal` found where cargo built it.
fn run(boltseal: &Boltseal, line: &str) -> Ran {
    let mut command = std::process::Command::new("sh");
    let built = Path::new(env!("CARGO_BIN_EXE_boltseal")).parent().expect("a folder").display().to_string();
    common::isolate(&mut command, boltseal.home.path());
    let path = format!("{built}:{}", std::env::var("PATH").unwrap_or_default());
    Ran::of(command.args(["-c", line]).env("PATH", path).env("BOLTSEAL_PASSWORD", common::PASSWORD))
}

fn examples(readme: &str) -> Vec<Example> {
    let blocks = readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut examples: Vec<Example> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            examples.push(Example { command: command.to_owned(), code: 0, expected: String::new() });
        } else if let (Some(example), false) = (examples.last_mut(), line.is_empty()) {
            match line.strip_prefix("? ") {
                Some(code) => example.code = code.parse().expect("an exit code"),
                None => example.expected.push_str(&format!("{line}\n")),
            }
        }
    }
    examples
}

async fn push(address: &str, repository: &str) {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("layout");
    let made = image::write(&dir, "1.0", repository);
    let session = Session::new(Options::default()).expect("a session");
    let from = session.open(&Repository::Layout(dir), Access::Pull).expect("the layout");
    let to = session
        .open(&format!("{address}/{repository}").parse().map(Repository::Registry).expect("a name"), Access::PullPush);
    image::copy(&from, &to.expect("the registry"), "1.0", &made).await;
}
