//! A containerd of Debian's with a folder of verifiers, and how it is asked to pull.

use crate::common::{Ran, peers};
use http_body_util::BodyExt as _;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// containerd in a folder of its own; it runs until it is dropped.
pub struct Daemon {
    process: Child,
    home: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It unmounts and stops its own children on SIGTERM.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Daemon {
    /// Starts it: the registry is plain http, the verifier's configuration is named by BOLTSEAL_CONFIG.
    pub fn start(registry: &str, config: &str, per_verifier_timeout: &str, more: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let at = |name: &str| home.path().join(name);
        for folder in ["verifiers".to_owned(), format!("certs.d/{registry}")] {
            fs::create_dir_all(at(&folder)).expect("a folder");
        }
        let hosts = format!("server = \"http://{registry}\"\n");
        fs::write(at(&format!("certs.d/{registry}/hosts.toml")), hosts).expect("a file");
        fs::write(at("config.toml"), config_of(home.path(), per_verifier_timeout) + more).expect("a file");
        let log = fs::File::create(at("log")).expect("a file");
        let mut command = Command::new(peers::folder().join("containerd"));
        command.arg("-c").arg(at("config.toml")).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("BOLTSEAL_CONFIG", config).current_dir(home.path());
        let process = command.stdout(Stdio::null()).stderr(log).spawn().expect("containerd starts");
        let daemon = Self { process, home };
        let patience = Instant::now() + Duration::from_secs(60);
        while daemon.ctr(&["version"]).code != 0 {
            assert!(Instant::now() < patience, "containerd does not answer:\n{}", daemon.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        daemon
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// The file that it was started with.
    pub fn config(&self) -> PathBuf {
        self.home.path().join("config.toml")
    }

    /// The folder of `hosts.toml`.
    pub fn hosts(&self) -> PathBuf {
        self.home.path().join("certs.d")
    }

    /// The folder of verifiers.
    pub fn verifiers(&self) -> PathBuf {
        self.home.path().join("verifiers")
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("containerd.sock")
    }

    pub fn ctr(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(peers::folder().join("ctr"));
        Ran::of(command.env_clear().env("PATH", "/usr/bin").arg("-a").arg(self.socket()).args(arguments))
    }

    /// `ctr image pull`, by the transfer service.
    pub fn pull(&self, reference: &str) -> Ran {
        self.ctr(&["images", "pull", "--hosts-dir", &self.home.path().join("certs.d").display().to_string(), reference])
    }

    /// What kubelet does: `PullImage` of the CRI. The answer is the image's id, or the error's text.
    pub fn pull_by_cri(&self, reference: &str) -> Result<String, String> {
        tokio::runtime::Runtime::new().expect("a runtime").block_on(pull_image(&self.socket(), reference))
    }
}

fn config_of(home: &Path, per_verifier_timeout: &str) -> String {
    r#"version = 3
root = "HOME/root"
state = "HOME/state"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "HOME/containerd.sock"
[ttrpc]
  address = "HOME/containerd.sock.ttrpc"
[debug]
  level = "debug"
[plugins."io.containerd.image-verifier.v1.bindir"]
  bin_dir = "HOME/verifiers"
  max_verifiers = 10
  per_verifier_timeout = "TIMEOUT"
[plugins."io.containerd.internal.v1.opt"]
  path = "HOME/opt"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "HOME/certs.d"
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dir = "HOME/cni"
  conf_dir = "HOME/cni"
[plugins."io.containerd.transfer.v1.local"]
  config_path = "HOME/certs.d"
"#
    .replace("HOME", &home.display().to_string())
    .replace("TIMEOUT", per_verifier_timeout)
}

/// One unary gRPC call: five bytes of frame, then `PullImageRequest { image: ImageSpec { image } }`.
async fn pull_image(socket: &Path, reference: &str) -> Result<String, String> {
    let client = reqwest::Client::builder().http2_prior_knowledge().unix_socket(socket).build().expect("a client");
    let message = field(&field(reference.as_bytes()));
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).expect("a short one").to_be_bytes());
    frame.extend(message);
    let request = client.post("http://localhost/runtime.v1.ImageService/PullImage");
    let request = request.header("content-type", "application/grpc").header("te", "trailers").body(frame);
    let answer: http::Response<reqwest::Body> = request.send().await.expect("an answer").into();
    let (head, body) = answer.into_parts();
    let whole = body.collect().await.expect("a whole answer");
    let trailers = whole.trailers().cloned().unwrap_or(head.headers);
    let said = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    match said("grpc-status").as_str() {
        "0" => Ok(String::from_utf8_lossy(&whole.to_bytes()[5..]).into_owned()),
        _ => Err(percent_decode(&said("grpc-message"))),
    }
}

/// A protobuf field of number 1 that has a length.
fn field(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x0a];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits"));
    bytes.extend(content);
    bytes
}

fn percent_decode(text: &str) -> String {
    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
        .map(|(key, value)| format!("{key}{value}"))
        .collect()
}
