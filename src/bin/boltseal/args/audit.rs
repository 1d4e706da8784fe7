use super::{DriftArgs, JudgeArgs, RegistryArgs};
use clap::{Args, Subcommand};

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
    Drift(DriftArgs),
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
