//! The command line as clap reads it. Flags that cosign, docker or notation users know have their names.

mod audit;
mod certificate;
mod doctor;
mod drift;
mod judge;
mod keyless;
mod known;
mod policy;
mod provenance;
mod root;
#[cfg(feature = "serve")]
mod serve;
mod sign;
mod summary;

pub use audit::{AuditArgs, AuditCommand, FleetArgs, LogCommand, LogRotateArgs, LogVerifyArgs};
pub use certificate::{BlobCommand, BlobVerifyArgs, CertificateArgs, SignedHash};
mod pin;

pub use doctor::{DoctorCommand, DoctorContainerdArgs, DoctorProxyArgs, ProxiedBy};
pub use drift::DriftArgs;
pub use judge::{IdentityRule, ImagesArgs, JudgeArgs, PullArgs, ResolveArgs, VerifyArgs};
pub use keyless::{BlobSignArgs, KeylessArgs, LogArg, LoginArg};
pub use known::KnownArgs;
pub use pin::{PinArgs, PinKind, RunArgs};
pub use policy::{ExportArgs, ExportTarget, ImportArgs, ImportSource, PolicyTestArgs, ReplayArgs};
pub use provenance::ProvenanceArgs;
pub use root::{RootAddArgs, RootCommand, RootCreateArgs, RootUpdateArgs, ServiceFile};
#[cfg(feature = "serve")]
pub use serve::{ServeAdmissionArgs, ServeCommand, ServeProxyArgs};
pub use sign::{AttestArgs, AttestFormat, MaybeKeyArgs, PasswordArgs, SignArgs, SignFormat, SigningKeyArgs};
pub use summary::SummaryArgs;

use crate::cmd::trust::TrustCommand;
use boltseal::{crypto::KeyAlgorithm, oci::Reference};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use std::{ffi::OsString, path::PathBuf};

/// Signs container images in their registry and verifies them before they are used.
///
/// Signatures and attestations are OCI artifacts beside the image, readable by cosign, skopeo and podman. Exit codes:
/// 0 allowed or done, 1 denied, 2 wrong usage, 3 unusable policy or key, 4 could not tell, 5 a bug.
#[derive(Parser)]
#[command(name = "boltseal", version, propagate_version = false, max_term_width = 100)]
pub struct Cli {
    /// How results are written to standard output.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT", help_heading = "Output")]
    pub output: Format,
    /// Yes to what is asked before something is signed: `trust cosign`, `trust import-dct` and whoever signs without a key ask.
    #[arg(short = 'y', long, global = true, help_heading = "Output")]
    pub yes: bool,
    /// No progress and no warnings; errors and results stay.
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// Reads words that were typed behind another command's: usage and help name that one.
pub fn parse_as(command: &str, words: Vec<OsString>) -> Result<Cli, clap::Error> {
    let name = OsString::from(command);
    let matches =
        Cli::command().bin_name(command.to_owned()).try_get_matches_from(std::iter::once(name).chain(words))?;
    Cli::from_arg_matches(&matches)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
pub enum Command {
    Sign(SignArgs),
    Attest(AttestArgs),
    Verify(VerifyArgs),
    Pull(PullArgs),
    Resolve(ResolveArgs),
    Inspect(InspectArgs),
    Provenance(ProvenanceArgs),
    #[command(subcommand)]
    Blob(BlobCommand),
    #[command(subcommand)]
    Key(KeyCommand),
    #[command(subcommand)]
    Policy(PolicyCommand),
    #[command(subcommand)]
    Root(RootCommand),
    #[command(subcommand)]
    Trust(TrustCommand),
    Pin(PinArgs),
    Run(RunArgs),
    #[command(subcommand)]
    Doctor(DoctorCommand),
    Audit(AuditArgs),
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Serve(ServeCommand),
    Demo(DemoArgs),
    Completions(CompletionsArgs),
    #[command(hide = true)]
    Man(ManArgs),
}

/// How registries are reached; the same for every verb.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// Reach registries on other machines by plain http too. Anybody on the way can read and change what is sent.
    #[arg(long)]
    pub insecure_http: bool,
    /// Trust this certification authority as well (PEM); may be repeated.
    #[arg(long, value_name = "FILE")]
    pub registry_ca: Vec<PathBuf>,
    /// Present this client certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "registry_client_key")]
    pub registry_client_cert: Option<PathBuf>,
    /// The client certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "registry_client_cert")]
    pub registry_client_key: Option<PathBuf>,
}

/// Shows all that hangs on an image, as a tree. Nothing of it is verified.
#[derive(Args)]
pub struct InspectArgs {
    /// The image.
    #[arg(value_name = "REF")]
    pub reference: Reference,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Makes, imports and shows keys.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Makes a key pair: PREFIX.key, encrypted as cosign does, and PREFIX.pub.
    Generate {
        /// The kind of key: ecdsa-p256, ecdsa-p384, ed25519, rsa-2048, rsa-3072, rsa-4096.
        #[arg(long = "type", value_name = "TYPE", default_value = "ecdsa-p256")]
        algorithm: KeyAlgorithm,
        #[command(flatten)]
        save: SaveKeyArgs,
    },
    /// Encrypts a key of another tool: PKCS#8, SEC1 or PKCS#1 PEM, encrypted or not.
    Import {
        /// The key to import.
        #[arg(long, value_name = "KEY")]
        key: String,
        /// Read the password that the key has now from this file; else as the new one.
        #[arg(long, value_name = "FILE")]
        key_password_file: Option<PathBuf>,
        /// Read an unencrypted key even if others can read or write it.
        #[arg(long)]
        insecure_key_permissions: bool,
        #[command(flatten)]
        save: SaveKeyArgs,
    },
    /// Prints the public key (PEM) of a private key.
    Public(SigningKeyArgs),
    /// Tells a key file's kind and fingerprint, without its password where it is public.
    Inspect {
        /// Key files, private or public.
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
}

#[derive(Args)]
pub struct SaveKeyArgs {
    /// The files are PREFIX.key and PREFIX.pub.
    #[arg(long, value_name = "PREFIX", default_value = "boltseal")]
    pub output_key_prefix: PathBuf,
    /// Read the new password from this file; else BOLTSEAL_PASSWORD, COSIGN_PASSWORD, or a prompt.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Overwrite files that exist.
    #[arg(long)]
    pub force: bool,
}

/// Makes, checks and explains trust policies.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Writes a first policy: asks what it needs to know, unless flags say it.
    Init(PolicyInitArgs),
    /// Checks a policy file and the keys that it names.
    Check {
        /// The policy file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Tells which scope an image falls into and what it asks; no network.
    Explain {
        /// The image.
        #[arg(value_name = "REF")]
        reference: Reference,
        /// The policy file; else as `verify` finds it.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Prints the JSON Schema of the policy language.
    Schema,
    /// Puts the policy into another enforcer's words. What cannot be said there is named, and nothing is written.
    Export(ExportArgs),
    /// Makes a policy out of another tool's, and reports what has no equal. Nothing is written that asks for less.
    Import(ImportArgs),
    Test(PolicyTestArgs),
    Replay(ReplayArgs),
}

#[derive(Args)]
pub struct PolicyInitArgs {
    /// Which images, for example registry.example.com/prod/**.
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<String>,
    /// Who may sign: a name and a public key's file; may be repeated.
    #[arg(long = "key", value_name = "NAME=FILE", value_parser = key_value)]
    pub keys: Vec<(String, String)>,
    /// How many of them have to have signed.
    #[arg(long, value_name = "N")]
    pub threshold: Option<usize>,
    /// What the signed reference has to agree with.
    #[arg(long, value_enum, default_value_t = IdentityRule::Repository, value_name = "RULE")]
    pub identity: IdentityRule,
    /// Where the policy is written; it must not exist.
    #[arg(long, value_name = "FILE", default_value = "policy.yaml")]
    pub file: PathBuf,
}

/// Shows the main job and four attacks that fail, on an in-process registry; needs nothing but this program.
#[derive(Args)]
pub struct DemoArgs {
    /// Leave the registry up afterwards, with commands to try.
    #[arg(long)]
    pub keep: bool,
}

/// Prints a completion script for a shell.
#[derive(Args)]
#[command(after_help = "Example:
  boltseal completions bash > /etc/bash_completion.d/boltseal")]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Writes the man pages into a folder.
#[derive(Args)]
pub struct ManArgs {
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected key=value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_verb_has_at_most_eight_flags_of_its_own() {
        const SHARED: [&str; 7] = ["Registry", "Output", "Signing key", "Keyless", "Policy", "Trust", "Global"];
        for verb in Cli::command().get_subcommands() {
            let own = verb.get_arguments().filter(|argument| {
                !argument.is_positional()
                    && !argument.get_help_heading().is_some_and(|heading| SHARED.contains(&heading))
            });
            assert!(own.count() <= 8, "{}", verb.get_name());
        }
    }
}
