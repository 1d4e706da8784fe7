use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Runs as a server that decides of images for others.
#[derive(Subcommand)]
pub enum ServeCommand {
    Proxy(ServeProxyArgs),
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
