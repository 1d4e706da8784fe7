use crate::args::{KnownArgs, PasswordArgs, RegistryArgs};
use boltseal::oci::Digest;
use clap::Args;

/// What is known of the repository's trust data beforehand.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Trust")]
pub struct TrustArgs {
    #[command(flatten)]
    pub known: KnownArgs,
    /// A root key, where nothing else is known: its SHA-256 fingerprint or its public key (PEM); may be repeated. No policy
    /// is read then.
    #[arg(long, value_name = "FINGERPRINT|FILE", conflicts_with = "policy")]
    pub root_key: Vec<String>,
    /// How many of these keys have to have signed the root.
    #[arg(long, value_name = "N", requires = "root_key")]
    pub root_threshold: Option<u64>,
}

/// What every verb takes that reads trust data.
#[derive(Args, Clone, Debug, Default)]
pub struct ReadArgs {
    #[command(flatten)]
    pub trust: TrustArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// What every verb takes that writes trust data.
#[derive(Args, Clone, Debug, Default)]
pub struct WriteArgs {
    /// Private key: a file, or env://NAME; may be repeated. Each signs for the roles that name it.
    #[arg(long, required = true, value_name = "KEY", help_heading = "Signing key")]
    pub key: Vec<String>,
    #[command(flatten)]
    pub password: PasswordArgs,
    #[command(flatten)]
    pub base: BaseArgs,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// What a change may be built on.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Trust")]
pub struct BaseArgs {
    /// The trust data have expired, and this is the digest of their newest snapshot.
    #[arg(long, value_name = "DIGEST")]
    pub after_expiry: Option<Digest>,
    /// Build on whatever the registry serves, without knowing what is the least it has to be. An old state may be served.
    #[arg(long)]
    pub insecure_no_floor: bool,
}
