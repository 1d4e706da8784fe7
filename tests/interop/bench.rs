//! What a case works on: a repository of its own in a registry, a home of its own, the tools, the keys.

use crate::common::{
    Boltseal, PASSWORD, Ran,
    image::Layout,
    key,
    peers::{self, Kind, Registry},
};
use libtest_mimic::{Failed, Trial};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The registries that cases share.
pub struct Registries {
    docker: Option<Registry>,
    refreg: Option<Registry>,
}

impl Registries {
    pub fn none() -> Self {
        Self { docker: None, refreg: None }
    }

    pub fn start() -> Self {
        let start = |kind: Kind| peers::is_there(kind.tool()).then(|| peers::start(kind));
        Self { docker: start(Kind::DockerRegistry), refreg: start(Kind::Refreg) }
    }

    fn of(&self, kind: Kind) -> &Registry {
        let registry = match kind {
            Kind::DockerRegistry => &self.docker,
            Kind::Refreg => &self.refreg,
        };
        registry.as_ref().unwrap_or_else(|| panic!("{} is missing", kind.tool()))
    }
}

type Run = Box<dyn FnOnce(&Registries) + Send>;

/// One case: a sentence, the tools that it needs, what it does.
pub struct Case {
    pub name: String,
    needs: Vec<&'static str>,
    run: Run,
}

impl Case {
    pub fn new(name: impl Into<String>, needs: &[&'static str], run: impl FnOnce() + Send + 'static) -> Self {
        Self { name: name.into(), needs: needs.to_vec(), run: Box::new(|_| run()) }
    }

    /// A case on one of the shared registries.
    pub fn on(
        kind: Kind,
        name: impl Into<String>,
        needs: &[&'static str],
        run: impl FnOnce(&Bench) + Send + 'static,
    ) -> Self {
        let needs = [needs, &["oras", kind.tool()]].concat();
        let name = format!("{} ({})", name.into(), kind.tool());
        Self { name, needs, run: Box::new(move |registries| run(&Bench::new(kind, registries.of(kind)))) }
    }

    /// The same case on every kind of registry.
    pub fn on_each(
        name: impl Into<String>,
        needs: &[&'static str],
        run: impl Fn(&Bench) + Clone + Send + 'static,
    ) -> Vec<Self> {
        let name = name.into();
        [Kind::DockerRegistry, Kind::Refreg].map(|kind| Self::on(kind, name.clone(), needs, run.clone())).into()
    }

    /// The first tool that this case needs and nobody has.
    pub fn missing(&self) -> Option<&'static str> {
        self.needs.iter().copied().find(|tool| !is_there(tool))
    }

    pub fn trial(self, registries: &Arc<Registries>) -> Trial {
        let (missing, registries, run) = (self.missing(), Arc::clone(registries), self.run);
        let trial = Trial::test(self.name, move || match missing {
            Some(tool) => Err(Failed::from(format!("{tool} is missing"))),
            None => {
                run(&registries);
                Ok(())
            }
        });
        trial.with_ignored_flag(missing.is_some())
    }
}

/// What a case without a network needs: the right to make a namespace that has none.
pub const NAMESPACE: &str = "unshare -rn";

fn is_there(tool: &str) -> bool {
    let made = || Command::new("unshare").args(["-rn", "true"]).output().is_ok_and(|output| output.status.success());
    if tool == NAMESPACE { made() } else { peers::is_there(tool) }
}

/// A case's place: a repository of its own in a registry, and a folder.
pub struct Bench {
    pub kind: Kind,
    pub address: String,
    pub repository: String,
    pub boltseal: Boltseal,
}

impl Bench {
    pub fn new(kind: Kind, registry: &Registry) -> Self {
        Self::at(kind, registry.address.to_string())
    }

    pub fn at(kind: Kind, address: String) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let repository = format!("case-{}/app", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { kind, address, repository, boltseal: Boltseal::new() }
    }

    pub fn home(&self) -> &Path {
        self.boltseal.home.path()
    }

    /// A small multi-arch image under the tag `v1`.
    pub fn push(&self) -> Image {
        self.push_as(&self.repository)
    }

    pub fn push_as(&self, repository: &str) -> Image {
        let layout = peers::push(&self.address, repository, "v1");
        Image { name: format!("{}/{repository}", self.address), layout }
    }

    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.home().join(name);
        fs::write(&path, content).expect("a file");
        text(&path)
    }

    pub fn tool(&self, name: &str) -> Command {
        peers::tool(name, self.home())
    }

    pub fn run(&self, tool: &str, arguments: &[&str]) -> Ran {
        Ran::of(self.tool(tool).args(arguments))
    }

    /// `boltseal sign`, or another verb that takes a private key.
    pub fn boltseal_with(&self, key: &Key, verb: &str, arguments: &[&str]) -> Ran {
        let mut command = self.boltseal.command();
        command.env("BOLTSEAL_PASSWORD", key.password).args([verb, "--key", &key.private()]);
        Ran::of(command.args(arguments))
    }

    pub fn boltseal_sign(&self, key: &Key, arguments: &[&str]) -> Ran {
        self.boltseal_with(key, "sign", arguments)
    }

    pub fn boltseal_verify(&self, key: &Key, arguments: &[&str]) -> Ran {
        self.boltseal.run(["verify", "--key", &key.public()].into_iter().chain(arguments.iter().copied()))
    }

    /// `cosign sign` and `attest` as they run without the network, in one of cosign's two formats.
    pub fn cosign_with(&self, key: &Key, verb: &str, format: CosignFormat, arguments: &[&str]) -> Ran {
        Ran::of(self.cosign_command(key, verb, format).args(arguments))
    }

    pub fn cosign_command(&self, key: &Key, verb: &str, format: CosignFormat) -> Command {
        let mut command = self.tool("cosign");
        command.env("COSIGN_PASSWORD", key.password);
        command.args([verb, "--use-signing-config=false", "--tlog-upload=false", "--key", &key.private()]);
        if format == CosignFormat::Legacy {
            command.arg("--new-bundle-format=false");
        }
        command
    }

    pub fn cosign_verify(&self, key: &Key, arguments: &[&str]) -> Ran {
        let offline = ["verify", "--insecure-ignore-tlog=true", "--key", &key.public()];
        self.run("cosign", &[&offline, arguments].concat())
    }

    pub fn cosign_verify_attestation(&self, key: &Key, arguments: &[&str]) -> Ran {
        let offline = ["verify-attestation", "--insecure-ignore-tlog=true", "--key", &key.public()];
        self.run("cosign", &[&offline, arguments].concat())
    }

    /// A manifest as it stands in the registry, read by another tool than ours.
    pub fn manifest(&self, reference: &str) -> serde_json::Value {
        self.run("oras", &["manifest", "fetch", "--plain-http", reference]).expect(0).json()
    }
}

/// An image in a registry.
pub struct Image {
    pub name: String,
    pub layout: Layout,
}

impl Image {
    pub fn tag(&self) -> String {
        format!("{}:v1", self.name)
    }

    pub fn index(&self) -> String {
        self.at(&self.layout.index)
    }

    /// The first of its platform images, by digest.
    pub fn child(&self) -> String {
        self.at(&self.layout.images[0])
    }

    pub fn at(&self, digest: &str) -> String {
        format!("{}@{digest}", self.name)
    }

    /// The tag that something hangs under: `` for the fallback tag, `.sig`, `.att`.
    pub fn attached(&self, digest: &str, suffix: &str) -> String {
        format!("{}:{}{suffix}", self.name, digest.replace(':', "-"))
    }

    pub fn digests(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.layout.index).chain(&self.layout.images)
    }
}

/// cosign's two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CosignFormat {
    Bundle,
    Legacy,
}

impl CosignFormat {
    pub const BOTH: [Self; 2] = [Self::Bundle, Self::Legacy];

    pub fn words(self) -> &'static str {
        match self {
            Self::Bundle => "as a bundle",
            Self::Legacy => "in its older format",
        }
    }
}

/// A key pair that boltseal and cosign both read.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub kind: &'static str,
    private: &'static str,
    public: &'static str,
    password: &'static str,
}

pub const P256: Key = ours("release.test.key", "release.test.pub");
/// Another P-256 key, for what somebody else signed.
pub const OTHER: Key = ours("qa.test.key", "qa.test.pub");
pub const RSA: Key = imported("RSA", "rsa2048-cosign.test.pem", "rsa2048-pub.test.pem");
pub const P384: Key = imported("P-384", "p384-cosign.test.pem", "p384-pub.test.pem");
pub const ED25519: Key = imported("Ed25519", "ed25519-cosign.test.pem", "ed25519-pub.test.pem");

const fn ours(private: &'static str, public: &'static str) -> Key {
    Key { kind: "P-256", private, public, password: PASSWORD }
}

const fn imported(kind: &'static str, private: &'static str, public: &'static str) -> Key {
    Key { kind, private, public, password: "pw" }
}

impl Key {
    pub fn private(&self) -> String {
        self.path(self.private)
    }

    pub fn public(&self) -> String {
        self.path(self.public)
    }

    pub fn password(&self) -> &'static str {
        self.password
    }

    fn path(&self, name: &str) -> String {
        if name.ends_with(".pem") { key(&format!("../testdata/keys/{name}")) } else { key(name) }
    }
}

pub fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// What lies below a folder: paths and sizes.
pub fn tree(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let kind = entry.file_type().expect("its kind");
            if kind.is_dir() {
                waiting.push(entry.path());
            }
            let size = if kind.is_file() { entry.metadata().expect("its size").len() } else { 0 };
            found.push((entry.path(), size));
        }
    }
    found.sort();
    found
}

#[track_caller]
pub fn says(ran: &Ran, part: &str) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains(part), "{}\nexpected {part:?} in:\n{said}", ran.line);
}
