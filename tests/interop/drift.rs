//! Filesystems that real tools unpack have not drifted from the image's layers; each change made to them is found.

use crate::{
    bench::{Bench, Case, OTHER, P256, text},
    common::{Ran, layers, peers::Kind},
    containerd::daemon::Daemon,
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

pub fn cases() -> Vec<Case> {
    let on = |name: &str, needs: &[&'static str], run: fn(&Bench)| Case::on(Kind::DockerRegistry, name, needs, run);
    vec![
        on("what umoci unpacks has not drifted", &["umoci", "CAP_SYS_ADMIN"], umoci),
        on("what podman unpacks has not drifted", &["podman", "CAP_SYS_ADMIN"], podman),
        on("what containerd unpacks has not drifted", &["containerd", "ctr", "skopeo", "CAP_SYS_ADMIN"], containerd),
        on("an archive of a filesystem is compared as the filesystem is", &["umoci", "CAP_SYS_ADMIN"], archive),
    ]
}

/// A signed image in a layout: its folder, and its reference.
fn signed(bench: &Bench, zstd: bool) -> (PathBuf, String) {
    let dir = bench.home().join("image");
    fs::create_dir_all(&dir).expect("a folder");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(layers::write(&dir, "v1", zstd));
    let reference = format!("oci:{}:v1", dir.display());
    bench.boltseal_sign(&P256, &[&reference]).expect(0);
    (dir, reference)
}

fn drift(bench: &Bench, reference: &str, rootfs: &Path) -> Ran {
    let (key, rootfs) = (P256.public(), text(rootfs));
    bench.boltseal.run(["-o", "json", "audit", "drift", "--key", &key, reference, "--rootfs", &rootfs])
}

/// The changes that count as drift, as `change path`.
fn changes(report: &Value) -> Vec<String> {
    let all = report["comparison"]["differences"].as_array().expect("differences").iter();
    let drift = all.filter(|one| one["standing"] == "drift");
    drift.map(|one| format!("{} {}", one["change"].as_str().unwrap(), one["path"].as_str().unwrap())).collect()
}

// [V-290] [V-291] [V-294] [V-297]
/// Nothing has drifted; then each change is made, and found.
fn unpacked(bench: &Bench, reference: &str, rootfs: &Path) {
    let ran = drift(bench, reference, rootfs).expect(0);
    let report = ran.json();
    assert_eq!(changes(&report), Vec::<String>::new());
    assert_eq!(report["comparison"]["layers"].as_array().unwrap().len(), 3);
    let at = |path: &str| rootfs.join(path);
    fs::write(at("usr/bin/su"), "#!xx").unwrap();
    fs::set_permissions(at("usr/bin/su"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(at("etc/passwd"), fs::Permissions::from_mode(0o666)).unwrap();
    std::os::unix::fs::chown(at("opt/a/3"), Some(0), Some(0)).unwrap();
    fs::remove_file(at("etc/link")).unwrap();
    std::os::unix::fs::symlink("/bin/sh", at("etc/link")).unwrap();
    fs::remove_file(at("usr/lib/mod.so")).unwrap();
    fs::write(at("tmp/miner"), "x").unwrap();
    fs::write(at("etc/hosts"), "127.0.0.1 localhost").unwrap();
    fs::remove_file(at("etc/pipe")).unwrap();
    fs::create_dir(at("etc/pipe")).unwrap();
    rustix::fs::removexattr(at("usr/bin/ping"), "security.capability").unwrap();
    let report = drift(bench, reference, rootfs).expect(1).json();
    assert_eq!(
        changes(&report),
        [
            "target /etc/link",
            "mode /etc/passwd",
            "type /etc/pipe",
            "owner /opt/a/3",
            "added /tmp/miner",
            "xattr /usr/bin/ping",
            "content /usr/bin/su",
            "deleted /usr/lib/mod.so",
        ]
    );
    assert_eq!(report["comparison"]["counts"]["runtime"]["content"], 1);
}

fn umoci_unpack(bench: &Bench, dir: &Path) -> PathBuf {
    let bundle = bench.home().join("bundle");
    bench.run("umoci", &["unpack", "--image", &format!("{}:v1", dir.display()), &text(&bundle)]).expect(0);
    bundle.join("rootfs")
}

/// An empty filesystem over a folder, until it is dropped.
struct Covered<'p>(&'p Path);

impl<'p> Covered<'p> {
    fn new(path: &'p Path) -> Self {
        Ran::of(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(path)).expect(0);
        Self(path)
    }
}

impl Drop for Covered<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

// [V-295] [V-297]
/// What another filesystem covers is neither gone nor unchanged, unless it lies where all containers have one.
fn covered(bench: &Bench, reference: &str, rootfs: &Path) {
    let path = rootfs.join("opt");
    let mounted = Covered::new(&path);
    let report = drift(bench, reference, rootfs).expect(4).json();
    assert_eq!((changes(&report), &report["comparison"]["unknown"][0]["path"]), (vec![], &"/opt".into()));
    drop(mounted);
    let path = rootfs.join("proc");
    fs::create_dir(&path).expect("a folder");
    let mounted = Covered::new(&path);
    fs::write(path.join("miner"), "x").expect("a file");
    let report = drift(bench, reference, rootfs).expect(0).json();
    let told = report["comparison"]["notChecked"].as_array().expect("sentences").iter();
    assert!(told.clone().any(|one| one == "what is mounted at /proc: runtimes do that"), "{report:#}");
    drop(mounted);
    fs::remove_dir(&path).expect("a folder");
}

fn umoci(bench: &Bench) {
    let (dir, reference) = signed(bench, false);
    let rootfs = umoci_unpack(bench, &dir);
    covered(bench, &reference, &rootfs);
    unpacked(bench, &reference, &rootfs);
    // Another's signature allows nothing, and nothing is compared.
    let (key, rootfs) = (OTHER.public(), text(&rootfs));
    let denied = bench.boltseal.run(["-o", "json", "audit", "drift", "--key", &key, &reference, "--rootfs", &rootfs]);
    assert_eq!(denied.expect(1).json()["comparison"], Value::Null);
}

fn podman(bench: &Bench) {
    let (_, reference) = signed(bench, true);
    let at = |name: &str| bench.home().join(name).display().to_string();
    let policy = bench.file("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    let podman = |arguments: &[&str]| {
        let mut command = bench.tool("podman");
        command.args(["--root", &at("root"), "--runroot", &at("run"), "--tmpdir", &at("tmp")]);
        Ran::of(command.args(["--storage-driver", "vfs"]).args(arguments)).expect(0).stdout.trim().to_owned()
    };
    let id = podman(&["pull", "--quiet", "--signature-policy", &policy, &reference]);
    let rootfs = podman(&["image", "mount", &id]);
    unpacked(bench, &reference, Path::new(&rootfs));
}

/// A mount that goes with its owner.
struct Mounted<'d>(&'d Daemon, PathBuf);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = self.0.ctr(&["images", "unmount", &text(&self.1)]);
    }
}

fn containerd(bench: &Bench) {
    let (dir, reference) = signed(bench, true);
    let name = format!("{}/{}:v1", bench.address, bench.repository);
    let mut skopeo = bench.tool("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false"]);
    Ran::of(skopeo.args([format!("oci:{}:v1", dir.display()), format!("docker://{name}")])).expect(0);
    let daemon = Daemon::start(&bench.address, "/nonexistent", "10s", "");
    daemon.pull(&name).expect(0);
    let target = bench.home().join("mounted");
    fs::create_dir(&target).expect("a folder");
    daemon.ctr(&["images", "mount", "--rw", "--snapshotter", "native", &name, &text(&target)]).expect(0);
    let mounted = Mounted(&daemon, target);
    unpacked(bench, &reference, &mounted.1);
}

fn archive(bench: &Bench) {
    let (dir, reference) = signed(bench, false);
    let rootfs = umoci_unpack(bench, &dir);
    let archive = bench.home().join("rootfs.tar.gz");
    let pack = |more: &[&str]| {
        let mut tar = Command::new("tar");
        tar.args(["-C", &text(&rootfs), "--xattrs", "--xattrs-include=*", "--format=pax", "-czf", &text(&archive)]);
        Ran::of(tar.args(more).arg(".")).expect(0);
    };
    pack(&[]);
    assert_eq!(changes(&drift(bench, &reference, &archive).expect(0).json()), Vec::<String>::new());
    fs::write(rootfs.join("tmp/miner"), "x").unwrap();
    pack(&["--owner=5"]);
    let changed = changes(&drift(bench, &reference, &archive).expect(1).json());
    assert!(changed.contains(&"added /tmp/miner".to_owned()) && changed.contains(&"owner /usr/bin/app".to_owned()));
    // No archive at all is no answer, nor is the beginning of one.
    let plain = bench.home().join("rootfs.tar");
    Ran::of(Command::new("tar").args(["-C", &text(&rootfs), "-cf", &text(&plain), "."])).expect(0);
    fs::OpenOptions::new().write(true).open(&plain).and_then(|file| file.set_len(1_024)).unwrap();
    drift(bench, &reference, &plain).expect(4);
    fs::write(&archive, "no archive").unwrap();
    drift(bench, &reference, &archive).expect(4);
    drift(bench, &reference, &bench.home().join("nothing")).expect(3);
}
