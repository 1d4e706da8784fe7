use super::{KeylessArgs, KnownArgs, RegistryArgs, key_value};
use boltseal::oci::Reference;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The key that signs; the same for every verb that signs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Signing key")]
pub struct SigningKeyArgs {
    /// Private key: a file, or env://NAME for a variable that holds the file's content.
    #[arg(long, value_name = "KEY")]
    pub key: String,
    #[command(flatten)]
    pub password: PasswordArgs,
}

/// The key that signs, where somebody may sign without one.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Signing key")]
pub struct MaybeKeyArgs {
    /// Private key: a file, or env://NAME for a variable that holds the file's content.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["keyless", "identity_token"])]
    pub key: Option<String>,
    #[command(flatten)]
    pub password: PasswordArgs,
    #[command(flatten)]
    pub keyless: KeylessArgs,
}

/// How key files are opened.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Signing key")]
pub struct PasswordArgs {
    /// Read the key's password from this file; else BOLTSEAL_PASSWORD, COSIGN_PASSWORD, or a prompt.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Use an unencrypted key file even if others can read or write it.
    #[arg(long)]
    pub insecure_key_permissions: bool,
}

/// Signs images: writes a signature into the image's own repository.
///
/// A tag is resolved once and the digest is printed. For an index every image in it is signed too. Signing twice adds
/// nothing. Where lock, store or policy say that the repository's tags are signed, the tag is signed as `trust sign` does
/// it, after the image; exit code 4: it is staged, not sealed. Without a key, whoever the CI system or a login says signs:
/// one certificate for everything of a run; exit code 4: what a log would not take is kept, and the same command finishes it.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal sign --key release.key registry.example.com/app:1.2
  boltseal sign --key env://RELEASE_KEY -a git=4f2a1c registry.example.com/app@sha256:…
  boltseal sign --keyless registry.example.com/app@sha256:…
  boltseal sign --key release.key --format bundle oci:build/image:1.2")]
pub struct SignArgs {
    /// Images, [registry/]repository[:tag][@digest] or oci:DIR[:tag].
    #[arg(required = true, value_name = "REF")]
    pub references: Vec<Reference>,
    /// What is written: `bundle` is read by cosign 3, `simple` by podman, CRI-O, skopeo and OpenShift; with a key both,
    /// without one a bundle.
    #[arg(long, value_enum)]
    pub format: Option<SignFormat>,
    /// Sign the index alone, not the images in it.
    #[arg(long, conflicts_with = "platform")]
    pub index_only: bool,
    /// Sign one image of the index.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    /// Sign this too, beside the digest; may be repeated.
    #[arg(short, long = "annotation", value_name = "KEY=VALUE", value_parser = key_value)]
    pub annotations: Vec<(String, String)>,
    /// Sign this reference beside the digest, not the one that was typed.
    #[arg(long, value_name = "REF")]
    pub identity: Option<Reference>,
    /// Leave the tag unsigned, even where the repository's tags are signed.
    #[arg(long)]
    pub no_tag: bool,
    /// Leave a copy of the trust data at the image, for machines that reach no registry (`travel` in the policy).
    #[arg(long, conflicts_with = "no_tag")]
    pub attach: bool,
    #[command(flatten)]
    pub by: MaybeKeyArgs,
    #[command(flatten)]
    pub known: KnownArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignFormat {
    Bundle,
    Simple,
    Both,
}

/// Attests something of an image: provenance, an SBOM, a scan.
///
/// The predicate is signed together with the image's digest and attached as cosign attaches it.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal attest --key release.key --type slsaprovenance1 --predicate provenance.json registry.example.com/app:1.2
  boltseal attest --key release.key --type spdxjson --predicate sbom.spdx.json --platform linux/amd64 registry.example.com/app:1.2
  boltseal attest --key release.key --statement statement.json registry.example.com/app@sha256:…")]
pub struct AttestArgs {
    /// The image.
    #[arg(value_name = "REF")]
    pub reference: Reference,
    /// The predicate's type: slsaprovenance, slsaprovenance02, slsaprovenance1, spdx, spdxjson, cyclonedx, vuln, link,
    /// openvex, custom, or a URI.
    #[arg(long = "type", value_name = "TYPE", requires = "predicate", required_unless_present = "statement")]
    pub predicate_type: Option<String>,
    /// The predicate's file.
    #[arg(long, value_name = "FILE", requires = "predicate_type")]
    pub predicate: Option<PathBuf>,
    /// A ready in-toto statement, whose subject is the image.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["predicate", "predicate_type", "identity"])]
    pub statement: Option<PathBuf>,
    /// What is written: a bundle, or cosign's older `.att`.
    #[arg(long, value_enum, default_value_t = AttestFormat::Bundle)]
    pub format: AttestFormat,
    /// Attest one image of the index.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    /// Sign this reference beside the digest, not the one that was typed.
    #[arg(long, value_name = "REF")]
    pub identity: Option<Reference>,
    #[command(flatten)]
    pub by: MaybeKeyArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AttestFormat {
    Bundle,
    Att,
    Both,
}
