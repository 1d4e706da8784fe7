use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Looks for every way past an enforcement point on this machine.
#[derive(Subcommand)]
pub enum DoctorCommand {
    Containerd(DoctorContainerdArgs),
}

/// Tells whether containerd asks boltseal before every pull, and what would let an image past it.
///
/// Read are containerd's configuration with its imports, the folder of verifiers, and boltseal's own configuration and
/// policy. Exit code 0: nothing lets images pass; 1: something does, or blocks every pull; 4: it could not be told.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal doctor containerd
  boltseal doctor containerd -o json --config /var/lib/rancher/k3s/agent/etc/containerd/config.toml")]
pub struct DoctorContainerdArgs {
    /// The configuration that containerd is started with.
    #[arg(long, value_name = "FILE", default_value = "/etc/containerd/config.toml")]
    pub config: PathBuf,
    /// containerd's program, which is asked for its version.
    #[arg(long, value_name = "PROGRAM", default_value = "containerd")]
    pub containerd: PathBuf,
    /// containerd's version, where the program can't be asked here.
    #[arg(long, value_name = "VERSION")]
    pub containerd_version: Option<String>,
}
