//! A Kubernetes API server with its etcd, and kubectl.

use crate::common::{Ran, peers};
use rcgen::KeyPair;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// It runs until it is dropped.
pub struct Cluster {
    processes: Vec<Child>,
    home: tempfile::TempDir,
    port: u16,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Ports that were free just now.
fn ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    held.map(|held| held.local_addr().expect("an address").port())
}

impl Cluster {
    pub fn start() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let [clients, members, port] = ports();
        let mut cluster = Self { processes: Vec::new(), home, port };
        let url = |port| format!("http://127.0.0.1:{port}");
        cluster.spawn(
            "etcd",
            &[
                ("data-dir", &cluster.at("etcd")),
                ("listen-client-urls", &url(clients)),
                ("advertise-client-urls", &url(clients)),
                ("listen-peer-urls", &url(members)),
                ("initial-advertise-peer-urls", &url(members)),
                ("initial-cluster", &format!("default={}", url(members))),
            ],
        );
        let key = KeyPair::generate().expect("a key");
        cluster.write("sa.key", &key.serialize_pem());
        cluster.write("sa.pub", &key.public_key_pem());
        cluster.write("tokens.csv", "admintok,admin,u1,\"system:masters\"\n");
        cluster.spawn(
            "kube-apiserver",
            &[
                ("etcd-servers", &url(clients)),
                ("bind-address", "127.0.0.1"),
                ("advertise-address", "127.0.0.1"),
                ("secure-port", &port.to_string()),
                ("cert-dir", &cluster.at("certs")),
                ("service-cluster-ip-range", "10.96.0.0/24"),
                ("service-account-issuer", &format!("https://127.0.0.1:{port}")),
                ("service-account-key-file", &cluster.at("sa.pub")),
                ("service-account-signing-key-file", &cluster.at("sa.key")),
                ("token-auth-file", &cluster.at("tokens.csv")),
                ("authorization-mode", "RBAC"),
                ("disable-admission-plugins", "ServiceAccount"),
                ("endpoint-reconciler-type", "none"),
                ("anonymous-auth", "false"),
            ],
        );
        let patience = Instant::now() + Duration::from_secs(120);
        while cluster.kubectl(&["get", "namespace", "default"]).code != 0 {
            assert!(Instant::now() < patience, "the API server does not answer:\n{}", cluster.log("kube-apiserver"));
            thread::sleep(Duration::from_millis(250));
        }
        cluster
    }

    fn spawn(&mut self, tool: &str, flags: &[(&str, &str)]) {
        let log = fs::File::create(self.at(tool) + ".log").expect("a file");
        let mut command = Command::new(peers::folder().join(tool));
        command.args(flags.iter().map(|(flag, value)| format!("--{flag}={value}")));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.home.path());
        self.processes.push(command.stdout(Stdio::null()).stderr(log).spawn().expect("it starts"));
    }

    pub fn log(&self, tool: &str) -> String {
        fs::read_to_string(self.at(tool) + ".log").unwrap_or_default()
    }

    fn at(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.at(name), content).expect("a file");
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(peers::folder().join("kubectl"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.home.path()).current_dir(self.home.path());
        command.arg(format!("--server=https://127.0.0.1:{}", self.port)).arg("--token=admintok");
        command.arg(format!("--certificate-authority={}", self.at("certs/apiserver.crt")));
        tokio::task::block_in_place(|| Ran::of(command.args(arguments)))
    }

    /// Applies an object that stands in a file of this name.
    pub fn apply(&self, name: &str, content: &str) -> Ran {
        self.write(name, content);
        self.kubectl(&["apply", "--validate=false", "-f", &self.at(name)])
    }

    /// A kubeconfig for its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        let authority = self.at("certs/apiserver.crt");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters: [{{name: test, cluster: {{server: \
             \"https://127.0.0.1:{}\", certificate-authority: {authority:?}}}}}]\nusers: [{{name: test, user: {{token: \
             admintok}}}}]\ncontexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n",
            self.port
        );
        self.write("kubeconfig", &text);
        Path::new(&self.at("kubeconfig")).to_owned()
    }
}
