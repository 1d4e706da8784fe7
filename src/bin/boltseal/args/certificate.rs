use super::keyless::BlobSignArgs;
use clap::{ArgGroup, Args};
use std::path::PathBuf;

/// Who has to hold the certificate that signed, and what it is verified by; cosign's names.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Policy")]
#[group(skip)]
#[command(group = ArgGroup::new("certificate").args(["certificate_identity", "certificate_identity_regexp"]))]
#[command(group = ArgGroup::new("certificate_issuer").args(["certificate_oidc_issuer", "certificate_oidc_issuer_regexp"]))]
pub struct CertificateArgs {
    /// Judge by a certificate for exactly this identity: a mail address, a workflow's URI.
    #[arg(long, value_name = "IDENTITY", requires = "certificate_issuer")]
    pub certificate_identity: Option<String>,
    /// The same, by a regular expression that has to match the whole identity.
    #[arg(long, value_name = "REGEXP", requires = "certificate_issuer")]
    pub certificate_identity_regexp: Option<String>,
    /// The OIDC issuer that the certificate has to name.
    #[arg(long, value_name = "URL", requires = "certificate")]
    pub certificate_oidc_issuer: Option<String>,
    /// The same, by a regular expression that has to match the whole issuer.
    #[arg(long, value_name = "REGEXP", requires = "certificate")]
    pub certificate_oidc_issuer_regexp: Option<String>,
    /// The trusted root for certificates, logs and timestamps: public-good (the default), github, a name that `root add` gave,
    /// or a file, written with a dot or a slash.
    #[arg(long, value_name = "ROOT")]
    pub trusted_root: Option<String>,
    /// Ask for no log entry. Nobody then can see what was signed in the identity's name.
    #[arg(long)]
    pub insecure_ignore_tlog: bool,
    /// Ask for no certificate transparency.
    #[arg(long)]
    pub insecure_ignore_sct: bool,
}

/// Signs and verifies files.
#[derive(clap::Subcommand)]
pub enum BlobCommand {
    Sign(BlobSignArgs),
    Verify(BlobVerifyArgs),
}

/// Verifies a file's signature: a Sigstore bundle, or a bare signature.
///
/// Nothing is fetched. Exit code 0: verified, 1: denied, 3: an unusable key or trusted root.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal blob verify --bundle app.sigstore.json --certificate-identity ci@acme.example --certificate-oidc-issuer https://accounts.google.com app.tar
  boltseal blob verify --bundle app.sigstore.json --key release.pub sha256:…
  boltseal blob verify --signature app.sig --key release.pub app.tar")]
#[command(group = ArgGroup::new("evidence").required(true).args(["bundle", "signature"]))]
#[command(group = ArgGroup::new("signer").required(true).args(["key", "certificate_identity", "certificate_identity_regexp"]))]
pub struct BlobVerifyArgs {
    /// The file, or its digest: sha256:HEX or sha512:HEX.
    #[arg(value_name = "FILE|DIGEST")]
    pub artifact: String,
    /// The bundle, v0.1 to v0.3.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// The bare signature, base64 or raw; only with --key.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub signature: Option<PathBuf>,
    /// What the bare signature is over: a hash of the file, or the file as it is (Ed25519); else as the key usually signs.
    #[arg(long, value_enum, value_name = "HASH", requires = "signature")]
    pub hash: Option<SignedHash>,
    /// The public key: a file, or env://NAME.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    #[command(flatten)]
    pub certificate: CertificateArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SignedHash {
    Sha256,
    Sha384,
    Sha512,
    None,
}
