use super::parse::repository;
use crate::args::RegistryArgs;
use boltseal::oci::RepositoryName;
use clap::Args;
use std::path::PathBuf;

/// Reads a repository's Docker Content Trust, verifies all of it, compares it with the registry and saves it.
///
/// The root has to be pinned: by a key (--root-key) or by what docker remembers (--trust-cache). Nothing is taken that
/// does not verify. This version writes no new trust: it shows and saves what verified, for the step that will. Exit
/// code 0: verified, 1: did not verify, 3: unusable pin or file, 4: could not tell.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust import-dct docker.io/acme/web --trust-cache ~/.docker/trust --save web.dct.json
  boltseal trust import-dct docker.io/acme/web --root-key e0043f81… --save web.dct.json
  boltseal trust import-dct docker.io/acme/web --root-key root.crt --from web.dct.json --offline --allow-expired")]
pub struct ImportDctArgs {
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    /// The Notary server; else DOCKER_CONTENT_TRUST_SERVER, https://notary.docker.io for Docker Hub, or the registry.
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    pub server: Option<String>,
    /// Read from here instead: docker's folder (~/.docker/trust), or a file that --save wrote.
    #[arg(long, value_name = "DIR|FILE")]
    pub from: Option<PathBuf>,
    /// The root key: a public key or certificate (PEM), its SHA-256 fingerprint, or the id that docker shows; may be
    /// repeated.
    #[arg(long, value_name = "FILE|FINGERPRINT", required_unless_present = "trust_cache")]
    pub root_key: Vec<String>,
    /// Docker's folder (~/.docker/trust): the root has to be the one that docker remembers, or its successor.
    #[arg(long, value_name = "DIR", conflicts_with = "root_key")]
    pub trust_cache: Option<PathBuf>,
    /// Take what has expired too, with a warning.
    #[arg(long)]
    pub allow_expired: bool,
    /// Write the verified metadata into this file; `--from FILE` verifies it again.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Only show and save. This version does nothing else anyway.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask the registry.
    #[arg(long, requires = "from")]
    pub offline: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
}
