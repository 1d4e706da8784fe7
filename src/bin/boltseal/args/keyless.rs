use super::MaybeKeyArgs;
use boltseal::sign::keyless::LogMode;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Signing as somebody instead of with a key; the same for every verb that can.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Keyless")]
pub struct KeylessArgs {
    /// Sign as somebody, for whom an identity provider speaks: the CI system that this runs in, or whoever logs in.
    #[arg(long)]
    pub keyless: bool,
    /// The identity token, or a file with it; else what the CI system or the machine offers, else a login.
    #[arg(long, value_name = "FILE|TOKEN", hide_env_values = true)]
    pub identity_token: Option<String>,
    /// Which services make the certificate, log and timestamp: public-good (the default), another name of
    /// `boltseal root`, or a file with a signing configuration.
    #[arg(long, value_name = "NAME|FILE", env = "BOLTSEAL_SIGNING_CONFIG", hide_env_values = true)]
    pub signing_config: Option<String>,
    /// What their answers are verified by before anything is pushed: a name, or a file with a trusted root.
    #[arg(long, value_name = "NAME|FILE", env = "BOLTSEAL_TRUSTED_ROOT", hide_env_values = true)]
    pub trusted_root: Option<String>,
    /// If no transparency log answers: keep the signature and fail, push it with its timestamp alone, or ask no log at all.
    #[arg(long, value_enum, default_value_t = LogArg::Required, value_name = "WHEN")]
    pub log: LogArg,
    /// How somebody logs in: in a browser here, or with a code in a browser elsewhere.
    #[arg(long, value_enum, default_value_t = LoginArg::Browser, value_name = "HOW")]
    pub login: LoginArg,
    /// What the identity provider knows boltseal as.
    #[arg(long, value_name = "ID", default_value = "sigstore")]
    pub oidc_client_id: String,
}

/// Signs a file: writes a Sigstore bundle beside it, which cosign and all Sigstore clients verify.
#[derive(Args)]
#[command(after_help = "Examples:
  boltseal blob sign --key release.key --bundle app.sigstore.json app.tar
  boltseal blob sign --keyless --bundle app.sigstore.json app.tar
  boltseal blob sign --keyless --statement --bundle provenance.sigstore.json provenance.json")]
pub struct BlobSignArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the bundle is written (v0.3).
    #[arg(long, value_name = "FILE")]
    pub bundle: PathBuf,
    /// The file is a ready in-toto statement: it is signed as one, not as a file.
    #[arg(long)]
    pub statement: bool,
    #[command(flatten)]
    pub by: MaybeKeyArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogArg {
    Required,
    BestEffort,
    None,
}

impl From<LogArg> for LogMode {
    fn from(log: LogArg) -> Self {
        match log {
            LogArg::Required => Self::Required,
            LogArg::BestEffort => Self::BestEffort,
            LogArg::None => Self::None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LoginArg {
    Browser,
    Device,
}
