use super::{CertificateArgs, RegistryArgs, key_value};
use boltseal::oci::Reference;
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

/// What images are judged by: a policy file, or flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Policy")]
#[group(skip)]
#[command(group = ArgGroup::new("signer").multiple(true).args(["key", "certificate_identity", "certificate_identity_regexp"]))]
pub struct JudgeArgs {
    /// The policy file; else BOLTSEAL_POLICY, /etc/boltseal/policy.yaml, $XDG_CONFIG_HOME/boltseal/policy.yaml.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["signer", "threshold", "predicate_types", "annotations", "identity", "trusted_root"])]
    pub policy: Option<PathBuf>,
    /// The least that repositories' trust data have to be (`trust pin` writes it); else BOLTSEAL_LOCK, or what the policy
    /// names.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["signer", "threshold", "predicate_types", "annotations", "identity", "trusted_root"])]
    pub lock: Option<PathBuf>,
    /// Judge by this public key, without a policy file; may be repeated together with --threshold.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// How many different signers have to have signed.
    #[arg(long, value_name = "N", requires = "signer")]
    pub threshold: Option<usize>,
    /// Ask for an attestation of this type, and not for a signature; may be repeated.
    #[arg(long = "type", value_name = "TYPE", requires = "signer")]
    pub predicate_types: Vec<String>,
    /// Ask that the signature carries this annotation; may be repeated.
    #[arg(short, long = "annotation", requires = "signer", value_name = "KEY=VALUE", value_parser = key_value)]
    pub annotations: Vec<(String, String)>,
    /// What the signed reference has to agree with; only without a policy file.
    #[arg(long, value_enum, requires = "signer", value_name = "RULE")]
    pub identity: Option<IdentityRule>,
    #[command(flatten)]
    pub certificate: CertificateArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdentityRule {
    /// The digest alone.
    Any,
    /// The repository.
    Repository,
    /// Repository and tag.
    Tag,
}

/// The images, and how they are judged; the same for `verify` and `resolve`.
#[derive(Args)]
pub struct ImagesArgs {
    /// Images, [registry/]repository[:tag][@digest] or oci:DIR[:tag].
    #[arg(required = true, value_name = "REF")]
    pub references: Vec<Reference>,
    /// Judge one image of the index; what is signed of the index counts for it.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    /// Give up on one image after so many seconds; that is "could not tell".
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Verifies images against the trust policy.
///
/// All that hangs on an image is read (bundles, .sig, .att; by the referrers API or the fallback tag) and judged once.
/// Where the policy asks for content trust, the signed map says what a tag means, not the registry.
/// Exit code 0: allowed, 1: denied, 4: could not tell. Of several images the worst counts.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal verify registry.example.com/app:1.2
  boltseal verify --key release.pub --key qa.pub --threshold 2 registry.example.com/app@sha256:…
  boltseal verify --all-platforms registry.example.com/app:1.2
  boltseal verify -o json --policy policy.yaml $(cat images.txt)")]
pub struct VerifyArgs {
    /// Judge an index and each of its images, each by itself; the worst counts. What is signed of one image counts for that
    /// image alone.
    #[arg(long, conflicts_with = "platform")]
    pub all_platforms: bool,
    #[command(flatten)]
    pub images: ImagesArgs,
}

/// Prints each image by the digest that the policy allows, for scripts: repository@sha256:…
///
/// The image is verified as `verify` does it. What is denied is not printed. Exit codes are those of `verify`.
#[derive(Args)]
#[command(after_help = "Examples:
  kubectl set image deployment/app app=$(boltseal resolve registry.example.com/app:1.2)
  docker pull $(boltseal resolve --lock boltseal.lock registry.example.com/app:1.2)")]
pub struct ResolveArgs {
    #[command(flatten)]
    pub images: ImagesArgs,
}

/// Verifies an image, then fetches it by the digest that was verified.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal pull registry.example.com/app:1.2 --to oci:image:1.2
  boltseal pull registry.example.com/app:1.2 --to docker-archive:app.tar && docker load -i app.tar")]
pub struct PullArgs {
    /// The image.
    #[arg(value_name = "REF")]
    pub reference: Reference,
    /// Where to: oci:DIR[:tag] or docker-archive:FILE.
    #[arg(long, value_name = "DESTINATION")]
    pub to: String,
    /// One image of the index; for a docker-archive this machine's, if it is not named.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}
