//! What several test binaries share: a real image, running tools, running registries.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod hostile;
pub mod image;
pub mod images;
pub mod layers;
pub mod peers;
#[cfg(feature = "serve")]
pub mod proxy;
pub mod token_server;

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output},
};

/// A finished command.
#[derive(Debug)]
pub struct Ran {
    pub line: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        let line = format!("{command:?}");
        let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{line}: {e}"));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { line, code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Panics with everything that was said unless the command ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n--- stdout\n{}\n--- stderr\n{}", self.line, self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{}: {e}\n{}", self.line, self.stdout))
    }
}

/// `boltseal` in a folder of its own, with no settings of the person who runs the tests.
pub struct Boltseal {
    pub home: tempfile::TempDir,
}

impl Boltseal {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a folder") }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boltseal"));
        isolate(&mut command, self.home.path());
        command.env("BOLTSEAL_PASSWORD", PASSWORD);
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command().args(arguments))
    }
}

/// The password of every key file under `keys/`, and of those that tests make.
pub const PASSWORD: &str = "boltseal-test";

/// Takes a command's view of this machine's settings away: its home is `home`, its current folder too.
pub fn isolate(command: &mut Command, home: &Path) {
    for variable in [
        "DOCKER_CONFIG",
        "DOCKER_AUTH_CONFIG",
        "REGISTRY_AUTH_FILE",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
        "BOLTSEAL_CACHE",
        "BOLTSEAL_POLICY",
        "BOLTSEAL_STATE",
        "BOLTSEAL_LOCK",
        "BOLTSEAL_LOG",
        "BOLTSEAL_SIGNING_CONFIG",
        "BOLTSEAL_TRUSTED_ROOT",
        "SIGSTORE_ID_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "BUILDKITE_AGENT_ACCESS_TOKEN",
        "GCE_METADATA_HOST",
        "SPIFFE_ENDPOINT_SOCKET",
        "BOLTSEAL_ROOTS",
        "XDG_DATA_HOME",
        "SIGSTORE_ROOT_FILE",
        "SIGSTORE_REKOR_PUBLIC_KEY",
        "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",
        "SIGSTORE_TSA_CERTIFICATE_FILE",
    ] {
        command.env_remove(variable);
    }
    command.env("NO_GCE_CHECK", "true");
    command.env("HOME", home).env("XDG_CONFIG_HOME", home.join(".config")).current_dir(home);
}

/// A key under `keys/`.
pub fn key(name: &str) -> String {
    format!("{}/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}
