use super::{
    parse::{Image, image, role},
    shared::{ReadArgs, WriteArgs},
};
use boltseal::{format::tuf::RoleName, oci::Digest};
use clap::Args;

/// Signs a tag: says which digest it means, from now on.
///
/// REF:TAG@DIGEST signs exactly that digest; without one the registry is asked once, and what it says is printed. Each role
/// that names one of the keys lists the tag. Exit code 4: it is staged, not sealed, since signatures or a sealing key are
/// missing.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust sign --key alice.key registry.example.com/app:1.2
  boltseal trust sign --key ci.key --lock boltseal.lock registry.example.com/app:1.2@sha256:…
  boltseal trust sign --key qa.key --role targets/qa registry.example.com/app:1.2")]
pub struct SignTagArgs {
    /// The image, [registry/]repository[:tag][@digest].
    #[arg(value_name = "REF", value_parser = image)]
    pub image: Image,
    /// Sign in this role alone, as targets/NAME; may be repeated.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub role: Vec<RoleName>,
    /// Leave a copy of the trust data at the image, for machines that reach no registry (`travel` in the policy).
    #[arg(long)]
    pub attach: bool,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Takes a tag off the signed map, or says that a digest is no longer to be used.
///
/// REF:TAG is un-listed, as docker does it: the tag has no answer any more, and the image stays usable by digest. With
/// --digest the image itself is revoked, an index with its images, for good: it is denied by tag and by digest.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust revoke --key alice.key registry.example.com/app:1.2
  boltseal trust revoke --key admin.key registry.example.com/app --digest sha256:… --reason CVE-2026-1234")]
pub struct RevokeArgs {
    /// The image with its tag; with --digest the repository.
    #[arg(value_name = "REF", value_parser = image)]
    pub image: Image,
    /// The digest that is no longer to be used.
    #[arg(long, value_name = "DIGEST", requires = "reason")]
    pub digest: Option<Digest>,
    /// Why, for who meets the denial.
    #[arg(long, value_name = "TEXT", requires = "digest")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub write: WriteArgs,
}

/// Shows signed tags, signers and administrative keys, verified.
///
/// `-o json` has docker's shape. Exit code 1: the trust data are refused, or there are none.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal trust inspect registry.example.com/app
  boltseal trust inspect -o json --lock boltseal.lock registry.example.com/app:1.2")]
pub struct InspectTrustArgs {
    /// The repository, or one tag of it.
    #[arg(value_name = "REF", value_parser = image)]
    pub image: Image,
    /// Text, whatever -o says: docker's flag.
    #[arg(long)]
    pub pretty: bool,
    #[command(flatten)]
    pub read: ReadArgs,
}
