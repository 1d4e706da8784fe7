//! The real runtimes pull through `serve proxy`: containerd by ctr and CRI, dockerd, podman, skopeo.

use crate::{
    bench::Case,
    common::{
        Ran,
        images::{Expected, Row, Table},
        peers::{self, Kind, Registry},
        proxy::{Proxy, Settings, host},
    },
    containerd::daemon::Daemon,
    docker,
};
use boltseal::{
    oci::{Manifest, Reference, media_type},
    ops::doctor::{ProxiedRuntime, WantedFile},
    registry::{Access, Options, Selector, Session},
};
use std::{fs, path::Path, process::Command};

/// The name by which runtimes know the registry: nothing answers by it but the proxy.
const NAME: &str = "registry.example.test";

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "containerd pulls through the proxy what the policy allows, by ctr and by CRI",
            &["containerd", "ctr", "docker-registry", "CAP_SYS_ADMIN"],
            containerd,
        ),
        Case::new(
            "dockerd pulls through the proxy what the policy allows",
            &["dockerd", "docker", "containerd", "runc", "docker-registry", "CAP_SYS_ADMIN"],
            dockerd,
        ),
        Case::new("podman pulls through the proxy what the policy allows", &["podman", "docker-registry"], podman),
        Case::new(
            "podman takes an image whose layers are called signatures, and not through the proxy",
            &["podman", "docker-registry"],
            dressed_up,
        ),
        Case::new("skopeo pulls through the proxy what the policy allows", &["skopeo", "docker-registry"], skopeo),
    ]
}

/// A registry with the table of images, and a proxy in front of it.
struct Front {
    table: Table,
    proxy: Proxy,
    _registry: Registry,
}

fn front() -> Front {
    front_with("")
}

fn front_with(more: &'static str) -> Front {
    let registry = peers::start(Kind::DockerRegistry);
    let address = registry.address.to_string();
    let table = tokio::runtime::Runtime::new().expect("a runtime").block_on(Table::build(&address));
    let mut settings = Settings { more, ..Settings::of(&address) };
    settings.upstreams.push(host(&table.find("the registry is down").name).to_owned());
    // What one row pulls must not answer for the next.
    settings.cache = "ttl = 1\ntag-ttl = 1".to_owned();
    let file = settings.write(table.machine.home.path());
    let proxy = Proxy::start(&table.machine, &file);
    Front { table, proxy, _registry: registry }
}

fn write(files: &[WantedFile]) {
    for file in files {
        fs::create_dir_all(file.path.parent().expect("a folder")).expect("a folder");
        fs::write(&file.path, &file.content).expect("a file");
    }
}

impl Front {
    /// `hosts.toml` for the table's registries, both of which are the proxy: `server` too, so that nobody falls back past it.
    fn hosts(&self, folder: &Path) {
        let down = host(&self.table.find("the registry is down").name).to_owned();
        let runtime = self.runtime(vec![self.table.address.clone(), down], folder);
        write(&runtime.containerd_files());
        assert_eq!(runtime.containerd(), []);
    }

    /// What `doctor proxy` looks at.
    fn runtime(&self, registries: Vec<String>, settings: &Path) -> ProxiedRuntime {
        let proxy = format!("http://{}", self.proxy.address).parse().expect("an address");
        ProxiedRuntime { proxy, registries, settings: settings.to_owned() }
    }

    /// Rows backwards: once an index is allowed, its images are by membership.
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.table.rows.iter().rev()
    }

    /// Pulls, and looks whether runtime and log agree: the log has the reason, whatever the runtime shows of it.
    fn pulls(&self, row: &Row, expected: &Expected, asked: &str, pull: impl FnOnce() -> Ran) -> Ran {
        let before = self.proxy.log().len();
        let ran = pull();
        let id = match expected {
            Expected::Allowed(_) => "",
            Expected::Denied(id) => id,
            Expected::Unknown => "could not tell",
        };
        let what = format!("{}: {asked}, {id:?}, exit code {}\n{}", row.what, ran.code, ran.stderr);
        assert_eq!(ran.code == 0, id.is_empty(), "{what}");
        let asked = asked.to_owned();
        self.proxy.wait_for_new(&what, before, |line| {
            let is = line["asked"].as_str().is_some_and(|text| text.contains(&asked));
            let used = ["allowed", "member"].iter().any(|one| line["decision"] == *one);
            is && used == id.is_empty() && line["reason"].as_str().is_some_and(|reason| reason.contains(id))
        });
        ran
    }
}

/// What a row is when it is asked for by digest: what a moved tag serves was signed as another one.
fn by_digest(row: &Row) -> Expected {
    if row.what == "a moved tag" { Expected::Allowed(row.served.clone()) } else { row.expected.clone() }
}

fn containerd() {
    let front = front();
    let daemon = Daemon::start(NAME, "", "10s", "");
    front.hosts(&daemon.hosts());
    for row in front.rows() {
        let by_cri = |reference: &str| match daemon.pull_by_cri(reference) {
            Ok(id) => Ran { line: String::new(), code: 0, stdout: id, stderr: String::new() },
            Err(said) => Ran { line: String::new(), code: 1, stdout: String::new(), stderr: said },
        };
        front.pulls(row, &by_digest(row), &row.by_digest(), || by_cri(&row.by_digest()));
        front.pulls(row, &row.expected, &row.by_tag(), || daemon.pull(&row.by_tag()));
        front.pulls(row, &row.expected, &row.by_tag(), || by_cri(&row.by_tag()));
    }
    // The proxy is gone: nobody finds a way past it.
    let signed = front.table.find("signed").name.clone();
    daemon.ctr(&["images", "rm", &signed]);
    drop(front);
    assert_ne!(daemon.pull(&signed).code, 0);
}

fn dockerd() {
    let front = front();
    let daemon = docker::Daemon::with(true, |home| front.hosts(&home.join("certs.d")));
    for row in front.rows() {
        for (reference, expected) in [(row.by_digest(), by_digest(row)), (row.by_tag(), row.expected.clone())] {
            let mut command = docker::docker(&front.table);
            command.args(["-H", &daemon.host(), "pull", "-q", &reference]);
            front.pulls(row, &expected, &reference, || Ran::of(&mut command));
        }
    }
}

/// The settings of a user of containers' tools: pulls go to the proxy, which knows the registry as its default.
fn settings_of(front: &Front, home: &Path) {
    let folder = home.join(".config/containers");
    fs::create_dir_all(&folder).expect("a folder");
    let conf = folder.join("registries.conf");
    let mut files = front.runtime(vec![front.table.address.clone()], &conf).containers_files();
    // A user's own drop-ins are read by newer versions alone.
    files[0].path = conf;
    write(&files);
    fs::write(folder.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("a file");
}

/// podman and skopeo name no registry: the second one of the table is not behind the proxy for them.
fn by_default(front: &Front) -> impl Iterator<Item = &Row> {
    front.rows().filter(|row| row.what != "the registry is down")
}

fn podman_pull(home: &Path, reference: &str) -> Ran {
    let place = tempfile::tempdir_in(home).expect("a folder");
    let at = |name: &str| place.path().join(name).display().to_string();
    let mut command: Command = peers::tool("podman", home);
    command.args(["--root", &at("root"), "--runroot", &at("run"), "--tmpdir", &at("tmp")]);
    command.args(["--storage-driver", "vfs", "pull", "--quiet", "--arch", "amd64", reference]);
    Ran::of(&mut command)
}

fn podman() {
    let front = front();
    let home = front.table.machine.home.path();
    settings_of(&front, home);
    for row in by_default(&front) {
        for (reference, expected) in [(row.by_digest(), by_digest(row)), (row.by_tag(), row.expected.clone())] {
            let ran = front.pulls(row, &expected, &reference, || podman_pull(home, &reference));
            if let Expected::Denied(id) = expected {
                assert!(ran.stderr.contains(id), "{}: {}", row.what, ran.stderr);
            }
        }
    }
}

/// An image that nobody signed, its layers called DSSE envelopes: podman goes by the configuration and unpacks them.
// [V-305]
fn dressed_up() {
    let front = front_with("pass-evidence = true");
    let home = front.table.machine.home.path();
    let name: Reference = front.table.find("unsigned").name.parse().expect("a reference");
    let tag = format!("sha256-{}.att", "2".repeat(64));
    let pushing = async {
        let session = Session::new(Options::default()).expect("a session");
        let repo = session.open(&name.repository, Access::PullPush).expect("a repository");
        let index = repo.manifest(&Selector::Tag("1.0".to_owned())).await.expect("an index");
        let Manifest::Index(index) = index.manifest else { panic!("an image") };
        let image = repo.manifest(&Selector::Digest(index.manifests[0].digest)).await.expect("an image");
        let Manifest::Image(mut image) = image.manifest else { panic!("an index") };
        image.layers.iter_mut().for_each(|layer| layer.media_type = media_type::DSSE.to_owned());
        repo.push_manifest(&Selector::Tag(tag.clone()), &Manifest::Image(image)).await.expect("it is pushed");
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(pushing);
    let reference = format!("{}:{tag}", name.repository);
    // Straight from the registry, and through the proxy.
    for is_taken in [true, false] {
        settings_of(&front, home);
        if is_taken {
            let text = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", front.table.address);
            fs::write(home.join(".config/containers/registries.conf"), text).expect("a file");
        }
        let ran = podman_pull(home, &reference);
        assert_eq!(ran.code == 0, is_taken, "{}", ran.stderr);
    }
    front.proxy.wait_for("it is refused", |line| {
        line["decision"] == "refused" && line["asked"].as_str().is_some_and(|asked| asked.contains(&tag))
    });
}

fn skopeo() {
    let front = front();
    let home = front.table.machine.home.path();
    settings_of(&front, home);
    for row in by_default(&front) {
        for (reference, expected) in [(row.by_digest(), by_digest(row)), (row.by_tag(), row.expected.clone())] {
            let place = tempfile::tempdir_in(home).expect("a folder");
            let mut command: Command = peers::tool("skopeo", home);
            let to = format!("dir:{}", place.path().join("image").display());
            command.args(["--insecure-policy", "copy", "--all", &format!("docker://{reference}"), &to]);
            front.pulls(row, &expected, &reference, || Ran::of(&mut command));
        }
    }
}
