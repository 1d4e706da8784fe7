use super::{
    parse::repository,
    shared::{BaseArgs, ReadArgs, TrustArgs, WriteArgs},
};
use crate::args::{KnownArgs, PasswordArgs, RegistryArgs};
use boltseal::oci::RepositoryName;
use clap::Args;
use std::path::PathBuf;

/// Takes a repository's tags over from Docker Content Trust: verifies all of it, compares it with the registry, saves it,
/// shows it, asks, and signs the tags in the repository's own trust data.
///
/// The root has to be pinned: by a key (--root-key) or by what docker remembers (--trust-cache). Nothing is taken that
/// does not verify. Left out, and listed with why, are tags whose digest the registry does not have, and tags that the
/// registry or the repository's own trust data know otherwise, unless they are named. Without --key nothing is signed;
/// with it `trust init` has to have been there first. Exit code 0: verified and, with --key, sealed; 1: did not verify;
/// 3: unusable pin, file or key; 4: could not tell, or signed and staged, not sealed.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust import-dct docker.io/acme/web --trust-cache ~/.docker/trust --save web.dct.json
  boltseal trust import-dct docker.io/acme/web --root-key e0043f81… --key alice.key --lock boltseal.lock
  boltseal trust import-dct docker.io/acme/web 1.0 --root-key e0043f81… --key alice.key -o json --dry-run
  boltseal trust import-dct docker.io/acme/web --root-key root.crt --from web.dct.json --offline --allow-expired")]
pub struct ImportDctArgs {
    /// The repository.
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: RepositoryName,
    /// Tags to sign as Docker Content Trust has them, though the registry or the repository's own trust data know them
    /// otherwise. All others that verified and do not differ are signed, too.
    #[arg(value_name = "TAG")]
    pub tags: Vec<String>,
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
    /// Sign nothing: show what would be signed, and what would be left out and why.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask the registry.
    #[arg(long, requires = "from", conflicts_with = "key")]
    pub offline: bool,
    /// Sign the tags with this private key: a file, or env://NAME; may be repeated.
    #[arg(long, value_name = "KEY", help_heading = "Signing key")]
    pub key: Vec<String>,
    #[command(flatten)]
    pub password: PasswordArgs,
    #[command(flatten)]
    pub known: KnownArgs,
    #[command(flatten)]
    pub base: BaseArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

impl ImportDctArgs {
    /// As the verbs take them that write trust data. The root keys are Docker Content Trust's, not the repository's own.
    pub fn write(&self) -> WriteArgs {
        let trust = TrustArgs { known: self.known.clone(), ..TrustArgs::default() };
        WriteArgs {
            key: self.key.clone(),
            password: self.password.clone(),
            base: self.base.clone(),
            read: ReadArgs { trust, registry: self.registry.clone() },
        }
    }
}
