use clap::Args;
use std::path::PathBuf;

/// What is known of repositories' trust data beforehand; the same for every verb that writes them.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Trust")]
pub struct KnownArgs {
    /// The least that the trust data have to be (`trust pin` writes it); else BOLTSEAL_LOCK.
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// The policy file whose content trust names root keys; else as `verify` finds it, if there is one.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}
