use super::{DriftArgs, JudgeArgs, RegistryArgs, provenance::depth};
use crate::render::audit::Kind;
use boltseal::{
    format::decision_log::{Head, LineHash},
    ops::audit::{Source, record::Shard},
};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Tells of every image of a fleet whether it is allowed, still what its tag means, how old and by whom.
///
/// Each image is judged once, by the digest that runs where the input says it, wherever it runs; compared with what its tag is
/// signed to now; and told with the age of its signature, its signers, and what is not known of it. A line or element that
/// names no image is a result of its own. Exit code: of all results the worst, in the order 5, 3, 1, 4, 0.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  kubectl get pods -A -o json | boltseal audit --from -
  boltseal audit --from images.txt --report sarif=audit.sarif --report junit=audit.xml
  boltseal audit --from registry:registry.example.com/shop/cart registry:registry.example.com/shop/web -o json > audit.ndjson
  boltseal audit --from clusters/*.json --report html=audit.html
  boltseal audit --from pods.json --shard \"$JOB_COMPLETION_INDEX/8\" --report ndjson=/results/$JOB_COMPLETION_INDEX.ndjson")]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    #[command(flatten)]
    pub fleet: FleetArgs,
}

/// What stands beside the audit of a fleet.
#[derive(Subcommand)]
pub enum AuditCommand {
    Drift(Box<DriftArgs>),
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
    let hash = text.parse().ok().filter(|hash| *hash != Head::START.hash);
    hash.ok_or_else(|| "expected an entry's SHA-256, 64 hex digits in lower case".to_owned())
}

#[derive(Args)]
pub struct FleetArgs {
    /// What is audited: a FILE or `-`, with images one a line or the JSON of kubectl, docker, nerdctl or crictl, or the table of
    /// `ctr images ls`; oci:DIR; registry:REPOSITORY, all its tags. An image that several sources name is told once.
    #[arg(long, required = true, num_args = 1.., value_name = "SOURCE")]
    pub from: Vec<Source>,
    /// Audit one of N shares of the images, I from 0 to N-1; the shares together are all.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Write a report beside what is printed, or in its place where FILE is `-`: ndjson, csv, sarif, junit or html; may be repeated.
    #[arg(long = "report", value_name = "KIND=FILE", value_parser = report)]
    pub reports: Vec<(Kind, PathBuf)>,
    /// Follow each image to what it was built from, as `provenance` does, to so many levels; for NDJSON and HTML.
    #[arg(long, value_name = "DEPTH", value_parser = depth)]
    pub provenance: Option<usize>,
    /// Tell results in the order of the input, not as they are ready.
    #[arg(long)]
    pub ordered: bool,
    /// Neither use nor keep evidence of earlier runs. It is kept by digest in $XDG_CACHE_HOME/boltseal/evidence, or BOLTSEAL_CACHE.
    #[arg(long)]
    pub no_cache: bool,
    /// Give up on one image after so many seconds; that is "could not tell".
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

fn shard(text: &str) -> Result<Shard, String> {
    let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    match numbers {
        Some((index, of)) if index < of => Ok(Shard { index, of }),
        _ => Err("expected I/N, where I is a number from 0 to N-1".to_owned()),
    }
}

fn report(text: &str) -> Result<(Kind, PathBuf), String> {
    let parsed = text.split_once('=').and_then(|(kind, path)| Some((Kind::parse(kind)?, path)));
    match parsed {
        Some((kind, path)) if !path.is_empty() => Ok((kind, path.into())),
        _ => Err("expected KIND=FILE, where KIND is ndjson, csv, sarif, junit or html".to_owned()),
    }
}
