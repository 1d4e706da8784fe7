//! The real tools, as `tests/peers.sh` fetched them, and the real registries among them.

use super::{Ran, image, isolate};
use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The folder that holds the tools.
pub fn folder() -> PathBuf {
    std::env::var_os("BOLTSEAL_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin"), PathBuf::from)
}

/// Whether a tool, or a right that a daemon needs, is there.
pub fn is_there(tool: &str) -> bool {
    match tool {
        "CAP_SYS_ADMIN" => may_mount(),
        "git daemon" => Command::new("git")
            .arg("--exec-path")
            .output()
            .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("git-daemon").exists()),
        tool => folder().join(tool).exists(),
    }
}

/// Whether this process has CAP_SYS_ADMIN: bit 21 of its effective capabilities (capabilities(7)).
fn may_mount() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|bits| bits & (1 << 21) != 0)
}

/// A tool in a folder of its own.
pub fn tool(name: &str, home: &Path) -> Command {
    let mut command = Command::new(folder().join(name));
    isolate(&mut command, home);
    command.env("COSIGN_PASSWORD", super::PASSWORD).env("COSIGN_YES", "true");
    command
}

/// A registry that runs until it is dropped.
pub struct Registry {
    pub address: SocketAddr,
    process: Child,
    home: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The registries that the tests run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// docker-registry 2.8: no referrers API, fallback tags.
    DockerRegistry,
    /// go-containerregistry's, with the referrers API.
    Refreg,
}

impl Kind {
    pub fn tool(self) -> &'static str {
        match self {
            Self::DockerRegistry => "docker-registry",
            Self::Refreg => "refreg",
        }
    }
}

pub fn start(kind: Kind) -> Registry {
    match kind {
        Kind::DockerRegistry => start_docker_registry(""),
        Kind::Refreg => {
            let home = tempfile::tempdir().expect("a folder");
            let address = free_address();
            run(
                home,
                address,
                |command| {
                    command.arg(address.to_string());
                },
                "refreg",
            )
        }
    }
}

/// docker-registry with more of its configuration (YAML, indented from the first column); `@ADDRESS@` in it is where it
/// listens.
pub fn start_docker_registry(more: &str) -> Registry {
    let home = tempfile::tempdir().expect("a folder");
    let data = home.path().join("data");
    serve_docker_registry(home, &data, more)
}

/// A second docker-registry on another's data, with a configuration of its own.
pub fn start_docker_registry_beside(first: &Registry, more: &str) -> Registry {
    serve_docker_registry(tempfile::tempdir().expect("a folder"), &first.data(), more)
}

fn serve_docker_registry(home: tempfile::TempDir, data: &Path, more: &str) -> Registry {
    let address = free_address();
    let config = home.path().join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n{}",
        data.display(),
        more.replace("@ADDRESS@", &address.to_string()),
    );
    let text = if more.contains("http:\n") { text } else { format!("{text}http: {{addr: \"{address}\"}}\n") };
    fs::write(&config, text).expect("a configuration");
    run(
        home,
        address,
        |command| {
            command.arg("serve").arg(&config);
        },
        "docker-registry",
    )
}

/// notary-server, the server of Docker Content Trust. It signs timestamps itself, and forgets everything when it ends.
pub fn start_notary_server() -> Registry {
    let home = tempfile::tempdir().expect("a folder");
    let address = free_address();
    let config = home.path().join("server.json");
    let text = serde_json::json!({
        "server": { "http_addr": address.to_string() }, "storage": { "backend": "memory" },
        "trust_service": { "type": "local", "hostname": "", "port": "", "key_algorithm": "ecdsa" },
    });
    fs::write(&config, text.to_string()).expect("a configuration");
    run(
        home,
        address,
        |command| {
            command.arg("-config").arg(&config);
        },
        "notary-server",
    )
}

fn run(home: tempfile::TempDir, address: SocketAddr, arguments: impl FnOnce(&mut Command), name: &str) -> Registry {
    let mut command = tool(name, home.path());
    arguments(&mut command);
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the registry starts");
    let registry = Registry { address, process, home };
    let patience = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < patience, "{name} does not listen on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
    registry
}

/// A loopback address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

impl Registry {
    /// Where docker-registry keeps its data.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Pushes a small multi-arch image as `repository:tag`; its digests.
    pub fn push(&self, repository: &str, tag: &str) -> image::Layout {
        push(&self.address.to_string(), repository, tag)
    }
}

/// Pushes a small multi-arch image as `repository:tag`; its digests.
pub fn push(address: &str, repository: &str, tag: &str) -> image::Layout {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("layout");
    let layout = image::write(&dir, tag, &format!("{repository}:{tag}"));
    let from = format!("{}:{tag}", dir.display());
    let to = format!("{address}/{repository}:{tag}");
    Ran::of(tool("oras", home.path()).args(["cp", "--no-tty", "--from-oci-layout", "--to-plain-http", &from, &to]))
        .expect(0);
    layout
}

/// A Valkey that holds everything in memory; it runs until it is dropped.
pub struct Valkey {
    address: SocketAddr,
    process: Child,
    home: tempfile::TempDir,
}

impl Drop for Valkey {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Valkey {
    pub fn start() -> Self {
        let (address, home) = (free_address(), tempfile::tempdir().expect("a folder"));
        let process = Self::spawn(address, home.path());
        Self { address, process, home }
    }

    fn spawn(address: SocketAddr, home: &Path) -> Child {
        let port = address.port().to_string();
        let mut command = tool("valkey-server", home);
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--dir"]).arg(home);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("Valkey starts");
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < patience, "Valkey does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        process
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again, empty.
    pub fn restart(&mut self) {
        self.process = Self::spawn(self.address, self.home.path());
    }
}
