use super::{
    parse::{repository, role, signer},
    shared::{ReadArgs, WriteArgs},
};
use boltseal::{format::tuf::RoleName, oci::RepositoryName};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Says who signs tags.
#[derive(Subcommand)]
pub enum SignerCommand {
    Add(Box<SignerAddArgs>),
    Remove(Box<SignerRemoveArgs>),
    List(Box<SignerListArgs>),
}

/// Makes somebody a signer: a role targets/NAME, and the right to sign the map of tags.
///
/// A `targets` key has to sign. Sealing is another right: `trust sealer add`.
#[derive(Args)]
#[command(after_help = "Example:
  boltseal trust signer add --key admin.key --signer-key bob.pub bob registry.example.com/app")]
pub struct SignerAddArgs {
    /// The signer's name.
    #[arg(value_name = "NAME", value_parser = signer)]
    pub name: String,
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    /// The signer's public key (PEM); may be repeated.
    #[arg(long, required = true, value_name = "FILE")]
    pub signer_key: Vec<String>,
    /// The signer vouches for tags, but does not sign the map.
    #[arg(long)]
    pub no_release: bool,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Takes a signer's rights. If the map of tags was last signed by this signer alone, another signer's key has to sign it
/// again: give it, too.
#[derive(Args)]
#[command(after_help = "Example:
  boltseal trust signer remove --key admin.key --key alice.key bob registry.example.com/app")]
pub struct SignerRemoveArgs {
    /// The signer's name.
    #[arg(value_name = "NAME", value_parser = signer)]
    pub name: String,
    /// The repositories.
    #[arg(required = true, value_name = "REPO", value_parser = repository)]
    pub repositories: Vec<RepositoryName>,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Lists the signers and their keys.
#[derive(Args)]
pub struct SignerListArgs {
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Says who seals: who signs snapshot and timestamp, and so publishes what signers signed.
#[derive(Subcommand)]
pub enum SealerCommand {
    /// Gives a key the right to seal. So many root keys as the root asks for have to sign.
    Add(Box<SealerArgs>),
    /// Takes the right to seal from a key. So many root keys as the root asks for have to sign, and a sealing key that
    /// stays.
    Remove(Box<SealerArgs>),
}

#[derive(Args)]
#[command(after_help = "Example:
  boltseal trust sealer add --key root.key --key ci.key --sealing-key ci-2.pub registry.example.com/app")]
pub struct SealerArgs {
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    /// The key: a file, or to remove it its fingerprint.
    #[arg(long, value_name = "FILE")]
    pub sealing_key: String,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Sets how many keys of a role have to sign.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust threshold --key admin.key --key alice.key targets/releases 2 registry.example.com/app
  boltseal trust threshold --key a.key --key b.key root 2 registry.example.com/app")]
pub struct ThresholdArgs {
    /// root, targets, snapshot, timestamp or targets/NAME.
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: RoleName,
    /// How many.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub threshold: u64,
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Adds a signature to what waits for signatures in a role: staged in the registry, or a root's file.
///
/// What is staged is shown first, by what it changes, and you are asked; exactly that is signed. What is complete is sealed
/// with the keys at hand, or by the next `trust refresh`. `trust status` lists what waits.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust cosign --key b.key root registry.example.com/app
  boltseal trust cosign --key b.key -o json -y targets/releases registry.example.com/app
  boltseal trust cosign --key b.key root --file root.json")]
pub struct CosignArgs {
    /// root, targets or targets/NAME.
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: RoleName,
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository, required_unless_present = "file")]
    pub repository: Option<RepositoryName>,
    /// A root's file, as `trust init` writes it; needs no network.
    #[arg(long, value_name = "FILE", conflicts_with = "repository")]
    pub file: Option<PathBuf>,
    /// Where the signed file is written; by default in its own place.
    #[arg(long, value_name = "FILE", requires = "file")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Replaces keys of a role. For snapshot or timestamp name one of them: both change.
///
/// For a top-level role so many root keys as the root asks for have to sign, for another who delegates to it.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust rotate --key old.key --new-key new.key --old-key old.key root registry.example.com/app
  boltseal trust rotate --key root.key --new-key ci-2.key --recover timestamp registry.example.com/app")]
pub struct RotateArgs {
    /// root, targets, snapshot, timestamp or targets/NAME.
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: RoleName,
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    /// A key that comes; may be repeated. A private one signs, too.
    #[arg(long, value_name = "FILE")]
    pub new_key: Vec<String>,
    /// A key that goes; may be repeated.
    #[arg(long, value_name = "FILE|FINGERPRINT")]
    pub old_key: Vec<String>,
    /// A sealing key was stolen: all old sealing keys go, and with them what they signed, however high its version.
    #[arg(long, requires = "new_key", conflicts_with = "old_key")]
    pub recover: bool,
    #[command(flatten)]
    pub write: WriteArgs,
}
