//! `doctor containerd` on the configuration that containerd itself writes, and what the daemon then really does.

use super::{daemon::Daemon, node};
use crate::common::{Ran, images::Table, peers};
use std::{fs, process::Command};

/// What the doctor says of a daemon's configuration, and its exit code.
fn look(table: &Table, daemon: &Daemon) -> (Vec<String>, i32) {
    let mut command = table.machine.command();
    command.args(["doctor", "containerd", "-o", "json", "--config", &daemon.config().display().to_string()]);
    command.arg("--containerd").arg(peers::folder().join("containerd"));
    command.env("BOLTSEAL_CONFIG", table.file("containerd.toml"));
    let ran = Ran::of(&mut command);
    let findings = ran.json();
    let ids = findings["findings"].as_array().expect("findings").iter();
    let ids = ids.filter(|finding| finding["level"] != "warning");
    (ids.map(|finding| finding["id"].as_str().expect("an id").to_owned()).collect(), ran.code)
}

pub fn agrees_with_the_daemon() {
    let node = node(true, "10s");
    let (table, daemon) = (&node.table, &node.daemon);
    let unsigned = &table.find("unsigned").name;
    assert_eq!(look(table, daemon), (vec![], 0));
    daemon.pull_by_cri(unsigned).expect_err("it is not signed");
    // An empty folder is leave for all.
    let link = daemon.verifiers().join("boltseal-containerd");
    fs::remove_file(&link).expect("it goes");
    assert_eq!(look(table, daemon), (vec!["folder-empty".to_owned()], 1));
    daemon.pull_by_cri(unsigned).expect("nobody is asked");

    // What has CRI pull by itself does so, whatever verifiers there are.
    let node =
        super::node_with(true, "10s", "[plugins.\"io.containerd.cri.v1.images\"]\nmax_concurrent_downloads = 7\n");
    let (table, daemon) = (&node.table, &node.daemon);
    assert_eq!(look(table, daemon), (vec!["cri-falls-back".to_owned()], 1));
    daemon.pull_by_cri(&table.find("unsigned").name).expect("nobody is asked");
}

/// All of what `containerd config default` writes is read and found good, but for the folder that is not there.
pub fn reads_the_default_configuration() {
    let home = tempfile::tempdir().expect("a folder");
    let containerd = peers::folder().join("containerd");
    let written = Ran::of(Command::new(&containerd).args(["config", "default"])).expect(0).stdout;
    let absent = home.path().join("absent").display().to_string();
    let changed = written.replace("/opt/containerd/image-verifier/bin", &absent);
    assert_ne!(written, changed);
    let config = home.path().join("config.toml");
    fs::write(&config, changed).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_boltseal"));
    command.args(["doctor", "containerd", "--config", &config.display().to_string(), "--containerd"]).arg(containerd);
    command.env("BOLTSEAL_CONFIG", home.path().join("absent.toml"));
    let ran = Ran::of(&mut command).expect(1);
    let found: Vec<_> = ran.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(found[0].contains("folder-missing") && found[1].contains("misconfigured"), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
}
