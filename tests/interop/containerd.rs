//! containerd 2.1 asks boltseal before it pulls, by `ctr` and by CRI.

pub mod daemon;
mod doctor;

use crate::{
    bench::{Case, says},
    common::{
        images::{Expected, Row, Table},
        peers::{self, Kind, Registry},
    },
};
use daemon::Daemon;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

const NEEDS: [&str; 4] = ["containerd", "ctr", "docker-registry", "CAP_SYS_ADMIN"];

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("containerd pulls what the policy allows, by ctr and by CRI", &NEEDS, table),
        Case::new("containerd pulls nothing where boltseal is down, slow or misconfigured", &NEEDS, fails_closed),
        Case::new("containerd pulls from a mirror, and boltseal looks there", &NEEDS, mirror),
        Case::new("doctor and containerd agree on who is asked", &NEEDS, doctor::agrees_with_the_daemon),
        Case::new(
            "doctor reads containerd's default configuration",
            &NEEDS[..1],
            doctor::reads_the_default_configuration,
        ),
    ]
}

struct Node {
    table: Table,
    daemon: Daemon,
    _registry: Registry,
}

/// A registry with images, and a containerd with boltseal as its verifier.
fn node(small: bool, per_verifier_timeout: &str) -> Node {
    node_with(small, per_verifier_timeout, "")
}

/// The same with more of containerd's configuration.
fn node_with(small: bool, per_verifier_timeout: &str, more: &str) -> Node {
    let registry = peers::start(Kind::DockerRegistry);
    let address = registry.address.to_string();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let build = async { if small { Table::small(&address).await } else { Table::build(&address).await } };
    let table = runtime.block_on(build);
    fs::write(table.file("containerd.toml"), "state = \"state\"\nhosts = []\n").expect("a file");
    let daemon = Daemon::start(&address, &table.file("containerd.toml"), per_verifier_timeout, more);
    symlink(env!("CARGO_BIN_EXE_boltseal"), daemon.verifiers().join("boltseal-containerd")).expect("a link");
    Node { table, daemon, _registry: registry }
}

fn table() {
    let Node { table, daemon, _registry } = node(false, "10s");
    for row in &table.rows {
        let ran = daemon.pull(&row.by_tag());
        let result = if ran.code == 0 { Ok(String::new()) } else { Err(ran.stderr) };
        agrees(row, &row.as_served, result, &daemon);
        agrees(row, &row.as_served, daemon.pull_by_cri(&row.by_tag()), &daemon);
        // Without its tag, what a moved tag serves is what it was signed as.
        let moved = row.what == "a moved tag";
        let expected = if moved { &Expected::Allowed(row.served.clone()) } else { &row.expected };
        agrees(row, expected, daemon.pull_by_cri(&row.by_digest()), &daemon);
    }
    let calls = daemon.log().matches("boltseal-containerd").count();
    assert!(calls >= 3 * (table.rows.len() - 1), "the verifier was called {calls} times");
}

#[track_caller]
fn agrees(row: &Row, expected: &Expected, result: Result<String, String>, daemon: &Daemon) {
    match (expected, result) {
        (Expected::Allowed(_), Ok(_)) => {}
        (Expected::Denied(id), Err(said)) if said.contains(id) && said.contains("denied: ") => {}
        // containerd can't reach it either.
        (Expected::Unknown, Err(_)) => {}
        (expected, result) => panic!("{}: expected {expected:?}, got {result:?}\n{}", row.what, daemon.log()),
    }
}

/// containerd names the registry, not the mirror that it pulls from; nothing else answers by that name.
fn mirror() {
    let Node { table, daemon, _registry } = node(true, "10s");
    let hosts = daemon.hosts();
    let folder = hosts.join("registry.example.test");
    fs::create_dir_all(&folder).expect("a folder");
    let text = format!("server = \"http://{}\"\n", table.address);
    fs::write(folder.join("hosts.toml"), text).expect("a file");
    let config = |hosts: &str| {
        fs::write(table.file("containerd.toml"), format!("state = \"state\"\nhosts = [{hosts}]\n")).expect("a file")
    };
    let name = |what: &str| table.find(what).name.replace(&table.address, "registry.example.test");
    config(&format!("{:?}", hosts.display().to_string()));
    daemon.pull(&name("signed")).expect(0);
    daemon.pull_by_cri(&name("signed")).expect("it is signed");
    assert!(daemon.pull_by_cri(&name("unsigned")).expect_err("it is not").contains("denied: unsigned"));
    // Who is told to look where nobody is can't tell.
    let elsewhere = table.file("elsewhere/registry.example.test");
    fs::create_dir_all(&elsewhere).expect("a folder");
    fs::write(format!("{elsewhere}/hosts.toml"), "server = \"http://127.0.0.1:1\"\n").expect("a file");
    config("\"elsewhere\"");
    assert!(daemon.pull_by_cri(&name("signed")).expect_err("it is blocked").contains("could not tell"));
}

fn fails_closed() {
    let Node { table, daemon, _registry } = node(true, "3s");
    let signed = table.find("signed").name.clone();
    let blocked = |part: &str| {
        let ran = daemon.pull(&signed);
        assert_eq!(ran.code, 1, "{part}: {}", daemon.log());
        says(&ran, part);
        let said = daemon.pull_by_cri(&signed).expect_err("it is blocked");
        assert!(said.contains(part), "{said}");
    };
    // Misconfigured.
    let policy = fs::read(table.policy()).expect("the policy");
    fs::write(table.policy(), "version: 2").expect("a file");
    blocked("not usable: policy");
    fs::remove_file(table.policy()).expect("it goes");
    blocked("not usable: policy");
    fs::write(table.policy(), policy).expect("a file");
    // Slow: a registry that takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let hosts = table.file(&format!("certs.d/{}", table.address));
    fs::create_dir_all(&hosts).expect("a folder");
    fs::write(format!("{hosts}/hosts.toml"), format!("server = \"http://{address}\"")).expect("a file");
    fs::write(table.file("containerd.toml"), "state = \"state\"\nhosts = [\"certs.d\"]\ntimeout = 1").expect("a file");
    blocked("could not tell: no result within 1 s");
    // A deadline behind containerd's: it kills the verifier, and blocks too.
    fs::write(table.file("containerd.toml"), "state = \"state\"\nhosts = [\"certs.d\"]\ntimeout = 30").expect("a file");
    blocked("signal: killed");
    // Down: it crashes, it is not to be started.
    let verifier = daemon.verifiers().join("boltseal-containerd");
    fs::remove_file(&verifier).expect("it goes");
    fs::write(&verifier, "#!/bin/sh\nkill -SEGV $$\n").expect("a file");
    fs::set_permissions(&verifier, fs::Permissions::from_mode(0o755)).expect("its mode");
    blocked("signal: segmentation fault");
    fs::write(&verifier, "").expect("a file");
    fs::set_permissions(&verifier, fs::Permissions::from_mode(0o644)).expect("its mode");
    blocked("permission denied");
    fs::remove_file(&verifier).expect("it goes");
    fs::write(table.file("containerd.toml"), "state = \"state\"\nhosts = []").expect("a file");
    symlink(env!("CARGO_BIN_EXE_boltseal"), &verifier).expect("a link");
    daemon.pull(&signed).expect(0);
}
