use super::{
    parse::{age, repository},
    shared::{ReadArgs, WriteArgs},
};
use boltseal::oci::RepositoryName;
use clap::Args;
use jiff::SignedDuration;
use std::path::PathBuf;

/// Seals trust data anew and takes in what is staged; for cron.
///
/// Roles that the keys may sign for are renewed when less than 30 % of their time is left.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust refresh --key ci.key registry.example.com/app
  boltseal trust refresh --key ci.key --if-older-than 36h registry.example.com/app")]
pub struct RefreshArgs {
    /// The repositories.
    #[arg(required = true, value_name = "REPO", value_parser = repository)]
    pub repositories: Vec<RepositoryName>,
    /// Do not seal for its own sake what was sealed in this time: hours or days, as 36h or 7d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub if_older_than: Option<SignedDuration>,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Tells how trust data stand: days left for each role, what is staged, what waits for signatures.
///
/// Exit code 0: nothing is to be done. 1: something has expired or can't be used, or the trust data are refused. 4: less
/// than 30 % of a role's time is left, or something is staged or waits for signatures.
#[derive(Args)]
#[command(after_help = "Example:
  boltseal trust status --lock boltseal.lock registry.example.com/app || mail -s 'trust data' ops@example.com")]
pub struct StatusArgs {
    /// The repositories.
    #[arg(required = true, value_name = "REPO", value_parser = repository)]
    pub repositories: Vec<RepositoryName>,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Writes what is live now into a lock, for machines that remember nothing: commit it beside what deploys.
///
/// The lock is --lock, BOLTSEAL_LOCK or boltseal.lock in this folder; it is made if it is not there. It never goes back.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust pin registry.example.com/app
  boltseal trust pin --root-key 8a7b… --lock deploy/boltseal.lock registry.example.com/app")]
pub struct PinArgs {
    /// The repositories.
    #[arg(required = true, value_name = "REPO", value_parser = repository)]
    pub repositories: Vec<RepositoryName>,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Writes trust data into one file, for air gaps.
#[derive(Args)]
#[command(after_help = "Example:
  boltseal trust export registry.example.com/app app.trust.json")]
pub struct ExportArgs {
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    /// The file; one that is there is replaced.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Puts exported trust data in place, in this repository or in its mirror.
///
/// They are verified before, and never take the place of newer ones.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust import --lock boltseal.lock registry.example.com/app app.trust.json
  boltseal trust import --lock boltseal.lock mirror.internal/app app.trust.json --as registry.example.com/app")]
pub struct ImportArgs {
    /// The repository that they are put into.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The repository that they are signed for; by default the policy's `map` says so, or it is REPO.
    #[arg(long = "as", value_name = "REPO", value_parser = repository)]
    pub signed_for: Option<RepositoryName>,
    #[command(flatten)]
    pub read: ReadArgs,
}
