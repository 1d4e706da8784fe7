use super::{JudgeArgs, RegistryArgs};
use boltseal::format::decision_log::LineHash;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Audits a fleet: what the policy says of every image that is named, whether it is still what its tag is signed to, how
/// old it is, who signed it, and what is not known of it.
///
/// Exit code: of all images the worst, in the order 5, 3, 1, 4, 0.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    #[command(flatten)]
    pub fleet: FleetArgs,
}

/// What stands beside the audit of a fleet.
#[derive(Subcommand)]
pub enum AuditCommand {
    #[command(subcommand)]
    Log(LogCommand),
}

/// Verifies the logs of decisions that `--log` writes, and puts them aside.
#[derive(Subcommand)]
pub enum LogCommand {
    Verify(LogVerifyArgs),
    Rotate(LogRotateArgs),
}

/// Tells whether a log of decisions is whole: no line altered, removed, moved or put in.
///
/// Every line names the SHA-256 of the line before it. So a log holds everything up to its last line together, and nothing holds
/// that one: whoever may write the file can cut its end off, or write it anew. Keep the hash that this prints where they can't
/// write (or sign it: `blob sign`), and name it with --head the next time. Exit code 0: whole, 1: not, 3: unreadable.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal audit log verify /var/log/boltseal/decisions.log
  boltseal audit log verify --head 5c1f… decisions-2025.log decisions.log
  boltseal audit log verify -o json decisions.log > head.json && boltseal blob sign --key audit.key --bundle head.sigstore.json head.json")]
pub struct LogVerifyArgs {
    /// The log; of several the oldest first, each of which goes on from the one before it.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// This hash was kept elsewhere: the entry that has it has to be there; may be repeated.
    #[arg(long, value_name = "SHA256", value_parser = line_hash)]
    pub head: Vec<LineHash>,
}

/// Puts a log aside under another name; a new one goes on from its last entry.
///
/// Who writes it meanwhile waits. Run it as the log's owner: the new file is whoever runs it's.
#[derive(Args)]
#[command(after_help = "Example:
  boltseal audit log rotate /var/log/boltseal/decisions.log /var/log/boltseal/decisions-2025.log")]
pub struct LogRotateArgs {
    /// The log.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Its new name, in a folder of the same file system; nothing may have it yet.
    #[arg(value_name = "ASIDE")]
    pub aside: PathBuf,
}

fn line_hash(text: &str) -> Result<LineHash, String> {
    text.parse().map_err(|()| "expected a SHA-256, 64 hex digits in lower case".to_owned())
}

#[derive(Args)]
pub struct FleetArgs {
    /// What is audited: FILE or `-`, images one a line or another tool's JSON; oci:DIR; registry:REPO, all its tags.
    #[arg(long, required = true, value_name = "SOURCE")]
    pub from: Vec<String>,
    /// Give up on one image after so many seconds; that is "could not tell".
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}
