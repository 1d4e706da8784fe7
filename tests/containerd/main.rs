//! The image verifier as containerd drives it: its arguments, a descriptor on standard input, nothing in the environment.

#[path = "../common/mod.rs"]
mod common;

mod settings;

use boltseal::registry::embedded::{Embedded, EmbeddedOptions};
use common::{
    Ran,
    images::{Expected, Row, Table},
};
use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";

/// Runs the verifier as containerd does, with this configuration.
fn call(table: &Table, config: &str, name: &str, digest: &str) -> Ran {
    let descriptor =
        format!(r#"{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{digest}","size":405}}{}"#, "\n");
    call_with(table, config, &["-name", name, "-digest", digest, "-stdin-media-type", DESCRIPTOR], &descriptor)
}

fn call_with(table: &Table, config: &str, arguments: &[&str], stdin: &str) -> Ran {
    let link = table.machine.home.path().join("10-boltseal-containerd");
    let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_boltseal"), &link);
    let mut command = Command::new(link);
    command.env_clear().env("PATH", "/usr/bin").env("BOLTSEAL_CONFIG", table.file(config)).current_dir("/");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    tokio::task::block_in_place(|| {
        let line = format!("{command:?}");
        let mut child = command.spawn().expect("it starts");
        // It may have answered without reading.
        let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
        let done = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { line, code: done.status.code().unwrap_or(-1), stdout: text(done.stdout), stderr: text(done.stderr) }
    })
}

/// The configuration that most tests have: policy and memory beside it.
fn configure(table: &Table, more: &str) {
    let text = format!("state = \"state\"\nhosts = [\"certs.d\"]\n{more}");
    fs::write(table.file("containerd.toml"), text).expect("a file");
}

#[track_caller]
fn answers(ran: Ran, row: &Row, expected: &Expected) {
    let (code, part) = match expected {
        Expected::Allowed(_) => (0, "allowed: "),
        Expected::Denied(id) => (1, *id),
        Expected::Unknown => (4, "could not tell: "),
    };
    let ran = ran.expect(code);
    assert!(ran.stdout.contains(part), "{}: {}", row.what, ran.stdout);
    one_line(&ran);
}

#[track_caller]
fn one_line(ran: &Ran) {
    let line = ran.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {:?}", ran.stdout));
    assert!(!line.contains(|c: char| c.is_control()) && line.len() <= 1_000 && !line.is_empty(), "{line:?}");
}

async fn table() -> (Embedded, Table) {
    let registry = Embedded::start(EmbeddedOptions::default()).await.expect("a registry");
    let table = Table::build(&registry.address().to_string()).await;
    (registry, table)
}

// [V-200] [V-201]
#[tokio::test(flavor = "multi_thread")]
async fn each_image_of_the_table_is_answered() {
    let (_registry, table) = table().await;
    configure(&table, "");
    for row in &table.rows {
        answers(call(&table, "containerd.toml", &row.name, &row.served), row, &row.as_served);
    }
    // CRI drops the tag where there is a digest: what a moved tag served was signed under its own tag.
    for row in &table.rows {
        let expected = match (&row.expected, row.what) {
            (_, "a moved tag") => Expected::Allowed(row.served.clone()),
            (expected, _) => expected.clone(),
        };
        answers(call(&table, "containerd.toml", &row.by_digest(), &row.served), row, &expected);
    }
}
