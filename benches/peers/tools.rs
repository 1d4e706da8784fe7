//! The command lines that are compared.

use crate::common::{self, PASSWORD, Ran, peers};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Our binary, the peers that are there, and the folder that all of them live in.
pub struct Tools {
    home: tempfile::TempDir,
    boltseal: PathBuf,
    /// cosign is there.
    pub cosign: bool,
    /// notation is there.
    pub notation: bool,
}

/// Has the kernel forget a program's pages. What of them is resident depends on how it came to have them: of a file that was
/// just written it maps larger pieces than of one that was read.
fn read_anew(program: &Path) {
    let file = fs::File::open(program).expect("a program");
    file.sync_all().expect("a file on the disk");
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("advice that is taken");
}

impl Tools {
    /// `BOLTSEAL_BIN` names another build of boltseal to be measured.
    pub fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let boltseal =
            std::env::var_os("BOLTSEAL_BIN").map_or_else(|| env!("CARGO_BIN_EXE_boltseal").into(), PathBuf::from);
        let tools = Self { home, boltseal, cosign: peers::is_there("cosign"), notation: peers::is_there("notation") };
        if tools.notation {
            tools.trust_notation();
        }
        let peers = ["cosign", "notation"].into_iter().filter(|name| peers::is_there(name));
        peers.map(|name| peers::folder().join(name)).chain([tools.boltseal.clone()]).for_each(|path| read_anew(&path));
        tools
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A certificate that notation signs with, and a policy that trusts it.
    fn trust_notation(&self) {
        let run = |arguments: &[&str]| Ran::of(peers::tool("notation", self.home()).args(arguments)).expect(0);
        run(&["cert", "generate-test", "--default", "bench"]);
        let policy = serde_json::json!({ "version": "1.0", "trustPolicies": [{
            "name": "bench", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
            "trustStores": ["ca:bench"], "trustedIdentities": ["*"],
        }] });
        let file = self.home().join("trust.json");
        fs::write(&file, policy.to_string()).expect("a file");
        run(&["policy", "import", &file.display().to_string()]);
    }

    pub fn boltseal(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.boltseal);
        common::isolate(&mut command, self.home());
        command.env("BOLTSEAL_PASSWORD", PASSWORD).args(arguments);
        command
    }

    pub fn verify(&self, references: &[String], more: &[&str]) -> Command {
        let mut command = self.boltseal(&["verify", "--key", &common::key("release.test.pub")]);
        command.args(more).args(references);
        command
    }

    pub fn sign(&self, reference: &str) -> Command {
        self.boltseal(&["sign", "--format", "bundle", "--key", &common::key("release.test.key"), reference])
    }

    pub fn cosign(&self, arguments: &[&str]) -> Option<Command> {
        self.cosign.then(|| {
            let mut command = peers::tool("cosign", self.home());
            command.args(arguments);
            command
        })
    }

    pub fn cosign_verify(&self, references: &[String], more: &[&str]) -> Option<Command> {
        let key = common::key("release.test.pub");
        let mut command = self.cosign(&["verify", "--insecure-ignore-tlog=true", "--key", &key])?;
        command.args(more).args(references);
        Some(command)
    }

    pub fn cosign_sign(&self, reference: &str, more: &[&str]) -> Option<Command> {
        let key = common::key("release.test.key");
        let mut command =
            self.cosign(&["sign", "--use-signing-config=false", "--tlog-upload=false", "--yes", "--key", &key])?;
        command.args(more).arg(reference);
        Some(command)
    }

    pub fn notation(&self, arguments: &[&str]) -> Option<Command> {
        self.notation.then(|| {
            let mut command = peers::tool("notation", self.home());
            command.args(arguments);
            command
        })
    }

    pub fn notation_sign(&self, reference: &str) -> Option<Command> {
        self.notation(&["sign", "--insecure-registry", "--force-referrers-tag=false", reference])
    }
}
