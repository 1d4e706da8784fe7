use super::parse::{repository, signer_key};
use crate::args::{PasswordArgs, RegistryArgs};
use boltseal::oci::RepositoryName;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Starts signed tags for a repository: who holds root, who delegates, who seals, who signs.
///
/// Key files may be private, and sign now, or public, and are listed. A root that lacks signatures is written to a file:
/// `trust cosign root --file` adds one, and `--root FILE` starts with it once it has enough. Exit code 4: it lacks some.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust init registry.example.com/app --root-key root.key --signer alice=alice.key --lock boltseal.lock
  boltseal trust init registry.example.com/app --root-key a.key --root-key b.pub --root-key c.pub --root-threshold 2 \\
    --targets-key admin.key --sealing-key ci.key --signer ci=ci.key
  boltseal trust init registry.example.com/app --root root.json --targets-key admin.key --signer ci=ci.key")]
pub struct InitArgs {
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    /// A root key; may be repeated. Best held offline, by different people.
    #[arg(long, value_name = "KEY", required_unless_present = "root")]
    pub root_key: Vec<String>,
    /// How many root keys have to sign a change of the root.
    #[arg(long, value_name = "N", requires = "root_key")]
    pub root_threshold: Option<u64>,
    /// A key of `targets`, which says who signs; may be repeated. By default the first root key.
    #[arg(long, value_name = "KEY")]
    pub targets_key: Vec<String>,
    /// A key that seals, that is signs snapshot and timestamp; may be repeated. By default those of all signers.
    #[arg(long, value_name = "KEY")]
    pub sealing_key: Vec<String>,
    /// Who signs tags, and a key; may be repeated.
    #[arg(long, value_name = "NAME=KEY", required = true, value_parser = signer_key)]
    pub signer: Vec<(String, String)>,
    /// How long files count: `default` is 3 years for root, 1 year for targets and snapshot, 14 days for the timestamp;
    /// `dct` is 10 years, 3 years, 14 days.
    #[arg(long, value_enum, default_value_t = Preset::Default, value_name = "PRESET")]
    pub preset: Preset,
    /// Start with this root, which was signed elsewhere; it says which keys sign for root, targets and the seal.
    #[arg(long, value_name = "FILE", conflicts_with = "root_key")]
    pub root: Option<PathBuf>,
    /// Where a root that lacks signatures is written; it must not exist.
    #[arg(long, value_name = "FILE", default_value = "root.json")]
    pub out: PathBuf,
    /// Write what is started into this lock; else BOLTSEAL_LOCK.
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub lock: Option<PathBuf>,
    #[command(flatten)]
    pub password: PasswordArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    Default,
    Dct,
}
