//! docker's command line with boltseal as its plugin, `run docker pull` against dockerd, `run podman pull`, and BuildKit under a source
//! policy.

use crate::{
    bench::Case,
    common::{
        Ran,
        images::{Expected, Table},
        isolate,
        peers::{self, Kind},
    },
};
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub fn cases() -> Vec<Case> {
    let daemon = ["dockerd", "docker", "containerd", "runc", "docker-registry", "CAP_SYS_ADMIN"];
    let build = ["docker-buildx", "dockerd", "docker", "containerd", "runc", "docker-registry", "CAP_SYS_ADMIN"];
    vec![
        Case::new("docker calls boltseal as its plugin", &["docker", "docker-registry"], plugin),
        Case::new("run docker pull pulls what the policy allows, by digest", &daemon, pulls),
        Case::new(
            "run podman pull pulls what the policy allows, by digest",
            &["podman", "docker-registry"],
            podman_pulls,
        ),
        Case::new("a build pulls what the source policy names", &build, builds),
    ]
}

fn built(address: &str, small: bool) -> Table {
    let build = async { if small { Table::small(address).await } else { Table::build(address).await } };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(build)
}

pub fn docker(table: &Table) -> Command {
    client(table.machine.home.path())
}

/// docker's command line, with boltseal among its plugins.
pub fn client(home: &Path) -> Command {
    let plugins = home.join(".docker/cli-plugins");
    fs::create_dir_all(&plugins).expect("a folder");
    let _ = symlink(env!("CARGO_BIN_EXE_boltseal"), plugins.join("docker-boltseal"));
    let _ = symlink(env!("CARGO_BIN_EXE_boltseal"), plugins.join("docker-trust"));
    let _ = symlink(peers::folder().join("docker-buildx"), plugins.join("docker-buildx"));
    let mut command = Command::new(peers::folder().join("docker"));
    isolate(&mut command, home);
    command
}

fn plugin() {
    let registry = peers::start(Kind::DockerRegistry);
    let table = built(&registry.address.to_string(), true);
    let run = |words: &[&str]| Ran::of(docker(&table).args(words));
    let help = run(&["--help"]).expect(0);
    assert!(help.stdout.contains("boltseal*") && help.stdout.contains("Sign and verify"), "{}", help.stdout);
    let policy = table.policy();
    for (what, code) in [("signed", 0), ("unsigned", 1)] {
        run(&["boltseal", "verify", "--policy", &policy, &table.find(what).name]).expect(code);
        run(&["--debug", "boltseal", "verify", "--policy", &policy, &table.find(what).name]).expect(code);
    }
    let help = run(&["help", "boltseal"]).expect(0);
    assert!(help.stdout.contains("docker boltseal"), "{}", help.stdout);
    // docker 28 has a `trust` of its own, and says so; 29 and later do not.
    let version = run(&["--version"]).expect(0).stdout;
    let major =
        version.trim_start_matches("Docker version ").split('.').next().and_then(|major| major.parse::<u32>().ok());
    let ran = run(&["trust", "inspect", "--help"]);
    let ours = format!("{}{}", ran.stdout, ran.stderr).contains("docker trust inspect [OPTIONS] <");
    assert_eq!(ours, major.expect("a version") >= 29, "{}", ran.stdout);
}

/// dockerd has no word for another `/etc/docker/certs.d`: it sees an `/etc` of its own, where that is in its folder.
const ITS_ETC: &str = r#"if [ -d "$0/certs.d" ]; then
  cp -a /etc "$0/etc"
  mkdir -p "$0/etc/docker"
  rm -rf "$0/etc/docker/certs.d"
  cp -a "$0/certs.d" "$0/etc/docker/certs.d"
  mount --bind "$0/etc" /etc
fi
exec "$@""#;

/// dockerd in a folder of its own; it runs until it is dropped.
pub struct Daemon {
    process: Child,
    home: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Daemon {
    fn start() -> Self {
        Self::with_images(false)
    }

    /// With containerd's store of images, which can hold attestations, or with docker's own.
    pub fn with_images(of_containerd: bool) -> Self {
        Self::with(of_containerd, |_| {})
    }

    /// The same with what it finds in its folder: `certs.d` is read there.
    pub fn with(of_containerd: bool, prepare: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        prepare(home.path());
        let at = |name: &str| home.path().join(name);
        let settings = serde_json::json!({
            "bridge": "none", "iptables": false, "ip6tables": false, "ip-forward": false, "userland-proxy": false,
            "features": { "containerd-snapshotter": of_containerd },
        });
        fs::write(at("daemon.json"), settings.to_string()).expect("a file");
        let log = fs::File::create(at("log")).expect("a file");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-ec", ITS_ETC]).arg(home.path()).arg(peers::folder().join("dockerd"));
        command.arg("--config-file").arg(at("daemon.json")).arg("--data-root").arg(at("data"));
        command.arg("--exec-root").arg(at("exec")).arg("-p").arg(at("pid")).args(["-H", &host(home.path())]);
        command.env_clear().env("HOME", home.path()).current_dir(home.path());
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", peers::folder().display()));
        let process = command.stdout(Stdio::null()).stderr(log).spawn().expect("dockerd starts");
        let daemon = Self { process, home };
        let patience = Instant::now() + Duration::from_secs(90);
        while !Ran::of(Command::new(peers::folder().join("docker")).args(["-H", &daemon.host(), "version"])).code.eq(&0)
        {
            let log = fs::read_to_string(daemon.home.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < patience, "dockerd does not answer:\n{log}");
            std::thread::sleep(Duration::from_millis(200));
        }
        daemon
    }

    pub fn host(&self) -> String {
        host(self.home.path())
    }
}

fn host(home: &Path) -> String {
    format!("unix://{}/docker.sock", home.display())
}

fn pulls() {
    let registry = peers::start(Kind::DockerRegistry);
    let table = built(&registry.address.to_string(), false);
    let daemon = Daemon::start();
    each_is_pulled_or_not(&table, "docker", &["-H", &daemon.host()], &[]);
}

fn podman_pulls() {
    let registry = peers::start(Kind::DockerRegistry);
    let table = built(&registry.address.to_string(), false);
    let settings = table.machine.home.path().join(".config/containers");
    fs::create_dir_all(&settings).expect("a folder");
    fs::write(settings.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("a file");
    let (root, run, tmp) = (table.file("root"), table.file("run"), table.file("tmp"));
    let globals = ["--root", &root, "--runroot", &run, "--tmpdir", &tmp, "--storage-driver", "vfs"];
    each_is_pulled_or_not(&table, "podman", &globals, &["--arch", "amd64", "--tls-verify=false"]);
}

/// What is allowed is there by its digest and by its tag; of what is not, nothing is there.
fn each_is_pulled_or_not(table: &Table, tool: &str, globals: &[&str], flags: &[&str]) {
    let path = peers::folder().join(tool).display().to_string();
    for row in &table.rows {
        let (policy, name) = (table.policy(), row.by_tag());
        let words = [&["run", "--policy", &policy, &path], globals, &["pull", "-q"], flags, &[name.as_str()]].concat();
        let inspect = || {
            let mut inspect = Command::new(&path);
            isolate(&mut inspect, table.machine.home.path());
            Ran::of(inspect.args(globals).args(["image", "inspect", "-f", "{{.RepoDigests}}", &name]))
        };
        // podman finds an image by its digest that it has as part of an index.
        let before = if tool == "podman" && name.contains('@') { inspect().code } else { 1 };
        let ran = tokio::runtime::Runtime::new().expect("a runtime").block_on(async { table.ask(&words) });
        let there = inspect();
        match &row.expected {
            Expected::Allowed(digest) => {
                ran.expect(0);
                assert!(there.expect(0).stdout.contains(digest), "{}", row.what);
            }
            Expected::Denied(_) | Expected::Unknown => {
                ran.expect(if row.expected == Expected::Unknown { 4 } else { 1 });
                assert_eq!(there.code.min(1), before.min(1), "{}", row.what);
            }
        }
    }
}

fn builds() {
    let registry = peers::start(Kind::DockerRegistry);
    let table = built(&registry.address.to_string(), true);
    let daemon = Daemon::start();
    let (signed, unsigned) = (&table.find("signed").name, &table.find("unsigned").name);
    let build = |image: &str| {
        let folder = table.machine.home.path().join("context");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("Dockerfile"), format!("FROM {image}\nCOPY Dockerfile /d\n")).expect("a file");
        let mut command = docker(&table);
        command.env("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", table.file("build.json"));
        Ran::of(
            command.args(["-H", &daemon.host(), "buildx", "build", "--progress", "plain", "--no-cache"]).arg(folder),
        )
    };
    let file = table.file("Dockerfile");
    fs::write(&file, format!("FROM {signed}\n")).expect("a file");
    let words = ["pin", "--policy", &table.policy(), "--source-policy", &table.file("build.json"), &file];
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async { table.ask(&words) }).expect(0);
    let ran = build(signed).expect(0);
    assert!(ran.stderr.contains(&format!("{signed}@{}", table.find("signed").served)), "{}", ran.stderr);
    let ran = build(unsigned);
    assert!(ran.code != 0 && ran.stderr.contains("denied by policy"), "{}", ran.stderr);
}
