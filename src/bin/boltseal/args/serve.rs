use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Runs as a server that decides of images for others.
#[derive(Subcommand)]
pub enum ServeCommand {
    Admission(ServeAdmissionArgs),
    Proxy(ServeProxyArgs),
}

/// Runs Kubernetes' admission webhook: objects get the digests that the policy allows, and are refused without.
///
/// Each decision is a line of JSON on standard output. On SIGTERM requests under way have their time to end. Exit code 3: the
/// settings or a policy can't be used, and nothing is served.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal serve admission
  boltseal serve admission --config admission.toml")]
pub struct ServeAdmissionArgs {
    /// The settings: where it listens, which policies it judges by, what is done with a refusal.
    #[arg(long, value_name = "FILE", default_value = "/etc/boltseal/admission.toml")]
    pub config: PathBuf,
}

/// Runs a registry to pull from, in front of others, that has nothing but what the policy allows.
///
/// Each decision is a line of JSON on standard output. On SIGTERM requests under way have their time to end. Exit code 3: the
/// settings or the policy can't be used, and nothing is served.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal serve proxy
  boltseal serve proxy --config proxy.toml")]
pub struct ServeProxyArgs {
    /// The settings: where it listens, which registries it stands in front of, which policy it judges by.
    #[arg(long, value_name = "FILE", default_value = "/etc/boltseal/proxy.toml")]
    pub config: PathBuf,
}
